"""Learned sprites beside exemplars: reading them, the comparison, its files, the command."""

from __future__ import annotations

import csv
import json
import string

import numpy as np
import pytest
from PIL import Image

from typica.cli import main
from typica.errors import ConfigError, DataError
from typica.lines.exemplars import exemplar_files
from typica.lines.fonts import open_font
from typica.palaeography.cleaning import CleaningOptions
from typica.palaeography.exemplar_files import exemplar_figure, ranked, write_exemplars
from typica.palaeography.exemplar_options import ExemplarOptions
from typica.palaeography.exemplar_pairs import LearnedLetters, LetterPicture
from typica.palaeography.exemplar_run import compare_run
from typica.palaeography.exemplar_sources import (
    average_glyph,
    boxed_letters,
    drawn_letters,
    font_letters,
    learned_letters,
    read_exemplars,
)
from typica.palaeography.exemplars import compare_exemplars
from typica.palaeography.similarity import align, moved, ssim
from typica.typewriter.naming import Naming, NamingOptions
from typica.typewriter.naming_file import KeptNaming, weights_digest, write_naming
from typica.typewriter.storage import load_typewriter, save_typewriter
from typica.typewriter.training import train

from .helpers import pillow_font, tiny_config, tiny_lines

QUICK = ExemplarOptions(scales=(1.0, 0.9, 1.1), draws=200)


@pytest.fixture(scope="module")
def font(tmp_path_factory):
    return pillow_font(tmp_path_factory.mktemp("font"))


def learned_from(pictures, size=(40, 34), factor=0.2, counts=None, name="run"):
    """Sprites that are exemplars, reduced."""
    sprites = np.concatenate([moved(one.ink[None], size, factor, (1.0, -2.0)) for one in pictures])
    counts = np.array([9] * len(pictures) if counts is None else counts)
    return LearnedLetters(name, tuple(one.letter for one in pictures), sprites, counts)


def test_sprites_that_are_the_glyphs_are_found_to_be(font):
    pictures = font_letters(font, "abgiTX")
    learned = learned_from(pictures)
    for binarise in ("both", "exemplars", "neither"):
        options = ExemplarOptions(scales=(1.0,), binarise=binarise, draws=100)
        made = compare_exemplars(learned, pictures, "font", options)
        assert [pair.letter for pair in made.best] == list("abgiTX")
        assert made.factor == pytest.approx(0.2, rel=0.06)
        least = {"both": 0.93, "exemplars": 0.8, "neither": 0.97}[binarise]
        assert min(pair.ssim for pair in made.best) > least
        assert made.means["a-z"].letters == 4
        assert made.means["A-Z"].letters == 2
        scores = [pair.ssim for pair in made.best]
        assert made.means["all"].ssim == made.score.ssim == pytest.approx(np.mean(scores))
        assert made.score.low <= made.score.ssim <= made.score.high
    values = {float(v) for pair in made.best for v in np.unique(pair.drawn)}
    assert len(values) > 2  # neither is black and white


def test_another_letter_is_less_alike_and_another_size_is_not(font):
    pictures = font_letters(font, "abcdehnopqu")
    learned = learned_from(pictures)
    right = compare_exemplars(learned, pictures, "font", QUICK)
    turned = [
        LetterPicture(one.letter, other.ink, "")
        for one, other in zip(pictures, pictures[1:] + pictures[:1], strict=True)
    ]
    wrong = compare_exemplars(learned, turned, "font", QUICK)
    assert wrong.score.high < right.score.low
    smaller = [
        LetterPicture(p.letter, moved(p.ink[None], (100, 100), 0.5)[0], "") for p in pictures
    ]
    other = compare_exemplars(learned, smaller, "font", QUICK)
    assert other.factor == pytest.approx(2 * right.factor, rel=0.1)
    assert other.score.ssim > right.score.ssim - 0.03


def test_the_dot_stays_and_a_neighbour_goes(font):
    (picture,) = font_letters(font, "i")
    learned = learned_from([picture], (100, 60), 0.5)  # the dot is six pixels away
    sprites = learned.sprites.copy()
    sprites[0, 50:58, 3:8] = 1  # beside the letter
    spoilt = LearnedLetters("run", ("i",), sprites, learned.counts)
    made = compare_exemplars(spoilt, [picture], "font", QUICK)
    assert made.best[0].ssim > 0.95
    clean = compare_exemplars(learned, [picture], "font", QUICK)
    assert np.array_equal(made.best[0].learned, clean.best[0].learned)
    published = ExemplarOptions(cleaning=CleaningOptions(components="largest"))
    without = compare_exemplars(spoilt, [picture], "font", published)
    assert made.best[0].learned.sum() > without.best[0].learned.sum()


def test_the_best_pair_counts_and_all_are_told(font):
    good = font_letters(font, "abc")
    bad = [LetterPicture("a", good[2].ink, "bad"), LetterPicture("q", good[0].ink, "q")]
    sprites = [*good, LetterPicture("a", good[1].ink, ""), LetterPicture("x", good[0].ink, "")]
    learned = learned_from([*sprites, good[1]], counts=[5, 5, 5, 2, 4, 0])
    learned = LearnedLetters("run", (*learned.letters[:-1], None), learned.sprites, learned.counts)
    made = compare_exemplars(learned, [*good, *bad], "font", QUICK)
    ours = [pair for pair in made.pairs if pair.letter == "a"]
    assert len(ours) == 4  # two sprites, two exemplars
    assert made.best[0] is ours[0]
    assert (ours[0].sprite, ours[0].exemplar) == (0, good[0].origin)
    assert [p.ssim for p in ours] == sorted((p.ssim for p in ours), reverse=True)
    scores = [np.mean([p.ssim for p in made.pairs if p.letter == one]) for one in "abc"]
    assert made.means["a-z"].any_pair == pytest.approx(np.mean(scores))
    assert made.means["a-z"].any_pair < made.means["a-z"].ssim
    assert np.isnan(made.means["A-Z"].ssim)
    assert made.no_exemplar == ("x",)
    assert made.no_sprite == ("q",)
    assert made.nameless == 1
    rare = compare_exemplars(
        learned, [*good, *bad], "font", ExemplarOptions(least=5, letters=("a", "b", "x", "?"))
    )
    assert {pair.sprite for pair in rare.pairs} == {0, 1}
    assert rare.no_sprite == ("?",)
    seldom = compare_exemplars(
        learned, [*good, LetterPicture("x", good[0].ink, "")], "f", ExemplarOptions(least=5)
    )
    assert seldom.not_seen == ("x",)
    text = "\n".join(made.summary())
    assert "no exemplar of x" in text
    assert "no sprite for q" in text
    with pytest.raises(DataError, match="no letter has both"):
        compare_exemplars(learned, bad[1:], "font", QUICK)
    blank = LetterPicture("a", np.zeros((9, 9)), "a-7.png")
    with pytest.raises(DataError, match=r"a-7\.png: shows no ink"):
        compare_exemplars(learned, [blank], "font", QUICK)


def test_the_values_are_those_of_the_pictures(font):
    pictures = font_letters(font, "ag")
    made = compare_exemplars(learned_from(pictures), pictures, "font", QUICK)
    for pair in made.pairs:
        assert set(np.unique(pair.learned)) == {0.0, 1.0}
        top, left = ((np.array(pair.learned.shape) - (40, 34)) // 2).tolist()
        assert not pair.drawn[:top].any()  # all of it lies on the sprite's own picture
        inner = (slice(top, top + 40), slice(left, left + 34))
        # so the score is that of the sprite's own picture, whatever paper was put around it
        assert pair.ssim == pytest.approx(ssim(pair.learned[inner], pair.drawn[inner]), abs=0.01)
        assert pair.l2 == pytest.approx(np.sqrt((pair.learned != pair.drawn).sum()))
        assert 0 < pair.ink_ssim < pair.ssim


def glyph_picture(folder, name, top=4, paper=220):
    picture = np.full((30, 14, 3), paper, np.uint8)
    picture[top:24, 4:9] = paper // 8
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def test_pictures_are_named_by_their_letters(tmp_path):
    for name in ("a.png", "a-2.png", "a-10.png", "U+0041.png", "U+0061+0308-1.png", "--1.png"):
        glyph_picture(tmp_path, name)
    glyph_picture(tmp_path, "b/second.png")
    glyph_picture(tmp_path, "b/first.png", paper=120)
    glyph_picture(tmp_path, "U+0042/1.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    found = [(symbol, path.name) for symbol, path in exemplar_files(tmp_path)]
    assert found == [
        ("-", "--1.png"),
        ("A", "U+0041.png"),
        ("B", "1.png"),
        ("a", "a.png"),
        ("a", "a-2.png"),
        ("a", "a-10.png"),
        ("b", "first.png"),
        ("b", "second.png"),
        ("ä", "U+0061+0308-1.png"),
    ]
    pictures = drawn_letters(tmp_path)
    for one in pictures:
        assert one.ink.shape == (30, 14)
        assert one.ink[10, 6] == 1
        assert one.ink[10, 1] == 0
    assert pictures[6].origin == "b/first.png"
    assert exemplar_files(tmp_path / "nothing") == []


def test_the_average_of_moved_glyphs_is_the_glyph(font):
    ink = moved(font_letters(font, "g")[0].ink[None], (30, 24), 0.15)[0]
    rng = np.random.default_rng(0)
    pieces = []
    for _ in range(12):
        top, left, bottom, right = rng.integers(0, 4, 4)
        piece = np.pad(ink, ((top, bottom), (left, right)))
        piece[rng.integers(0, piece.shape[0]), rng.integers(0, piece.shape[1])] = 1  # a speck
        pieces.append(piece)
    sheet = np.pad(ink, 12)[None]

    def likeness(made):
        return ssim(align(made[None], sheet).pictures, sheet)[0]

    middle = (slice(1, 31), slice(1, 25))
    unmoved = np.mean([np.pad(piece, 3)[middle] for piece in pieces], axis=0)
    assert likeness(average_glyph(pieces, "median")) > 0.97
    assert likeness(average_glyph(pieces, "mean")) > likeness(unmoved) + 0.05


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Rendered lines of three letters, a typewriter trained on them for a moment, its font."""
    folder = tmp_path_factory.mktemp("exemplars")
    lines = tiny_lines(folder)
    train(
        lines,
        folder / "run",
        tiny_config("training.steps=3", "training.evaluations=1"),
        show_progress=False,
    )
    return folder


def test_a_run_is_compared_with_its_font_and_its_data(place, capsys):
    out = place / "out"
    given = [str(place / name) for name in ("run", "some.otf", "run", "lines")]
    assert main(["typewriter", "compare-exemplars", *given, "--out", str(out),
                 "--set", "least=2", "draws=50"]) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "no sprite for c d e" in said
    ranking = json.loads((out / "ranking.json").read_text())["ranking"]
    assert [row["rank"] for row in ranking] == [1, 2]
    assert {row["exemplars"] for row in ranking} == {"some", "lines"}
    assert ranking[0]["ssim"] >= ranking[1]["ssim"]
    assert Image.open(out / "ranking.png").size[0] > 100
    made = json.loads((out / "run-lines" / "exemplars.json").read_text())
    assert {pair["letter"] for pair in made["pairs"]} == {"a", "b", "o"}
    assert made["no_sprite"] == []
    assert made["means"]["A-Z"]["ssim"] is None
    assert all(pair["occurrences"] >= 2 for pair in made["pairs"])
    options = json.loads((out / "run-lines" / "options.json").read_text())
    assert options["least"] == 2
    assert options["cleaning"]["orange"] == 15.5
    with open(out / "run-some" / "exemplars.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    missing = [row["letter"] for row in rows if row["note"] == "no sprite"]
    assert sorted(missing) == sorted(set(string.ascii_letters) - set("abo"))
    assert sum(row["best"] == "true" for row in rows) == 3


def test_glyphs_cut_by_their_boxes_are_the_glyphs_of_the_font(place):
    cut = boxed_letters(place / "lines", 24, ExemplarOptions(occurrences=7))
    assert [one.letter for one in cut] == ["a", "b", "o"]
    assert {one.origin for one in cut} == {"median of 7"}
    true = font_letters(place / "some.otf", "abo")
    as_sprites = learned_from(cut, (34, 30), 1.0)
    made = compare_exemplars(as_sprites, true, "font")
    assert made.score.ssim > 0.9
    assert made.means["all"].any_pair == made.score.ssim
    shuffled = [LetterPicture(one.letter, true[(k + 1) % 3].ink, "") for k, one in enumerate(true)]
    assert compare_exemplars(as_sprites, shuffled, "font").score.ssim < made.score.ssim - 0.1


def test_a_font_draws_what_it_has(place):
    font = open_font(place / "some.otf")
    lacking = next(chr(c) for c in range(0x4E00, 0x9FFF) if c not in font.characters)
    found = font_letters(font.path, ["a", lacking])
    assert [one.letter for one in found] == ["a"]
    assert found[0].ink.max() > 0.9
    assert found[0].origin == font.name


def test_sprites_without_names_are_refused_and_named_ones_compared(place):
    config = tiny_config("training.steps=2", "training.unsupervised=true", "sprites.count=4",
                         "training.guide=off")  # fmt: skip
    from typica.lines.collection import read_lines

    run = place / "unsupervised"
    train(read_lines(place / "lines"), run, config, show_progress=False)
    with pytest.raises(DataError, match="typica typewriter name"):
        learned_letters(run)
    model, about = load_typewriter(run)
    save_typewriter(run / "model.safetensors", model.state_dict(), about)
    naming = Naming((("a",), ("a",), ("a", "b"), ()), ())
    kept = KeptNaming(
        naming, None, NamingOptions(), "lines", "train", ("x",), (3, 0, 8, 1), 0.5, 4, 0, None,
        weights_digest(model.state_dict()),
    )  # fmt: skip
    write_naming(run, kept)
    learned = learned_letters(run)
    assert learned.letters == ("a", "a", None, None)
    assert learned.counts.tolist() == [3, 0, 8, 1]
    made = compare_run(run, place / "some.otf", QUICK)
    assert {pair.sprite for pair in made.pairs} == {0}  # the other was never placed
    assert made.nameless == 2


def test_a_picture_has_three_rows_for_every_letter(font, tmp_path):
    pictures = font_letters(font, "abcXY!")
    made = compare_exemplars(learned_from(pictures), pictures, "font", QUICK)
    picture = exemplar_figure(made)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    red = (picture[..., 0] > picture[..., 2].astype(int) + 40).any()
    other = exemplar_figure(
        compare_exemplars(learned_from(pictures), [*pictures[1:3], *pictures[:1]], "font", QUICK)
    )
    assert other.shape[0] < picture.shape[0]  # one band instead of three
    spoilt = learned_from(pictures)
    spoilt.sprites[0, 10:14, 14:20] = 1
    worse = exemplar_figure(compare_exemplars(spoilt, pictures, "font", QUICK))
    assert (worse[..., 0] > worse[..., 2].astype(int) + 40).sum() > red
    files = write_exemplars(tmp_path / "out", made)
    assert files[-1].name == "exemplars.json"
    assert all(path.exists() for path in files)
    assert ranked([made, made])[0].score.ssim == made.score.ssim


def test_what_cannot_be_compared_is_refused(place, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    learned = learned_letters(place / "run")
    with pytest.raises(DataError, match="no exemplars"):
        read_exemplars(tmp_path / "empty", learned, QUICK)
    arguments = ["typewriter", "compare-exemplars"]
    assert main([*arguments, str(place / "run"), "--out", str(tmp_path / "o")]) == 2
    assert "give a run and its exemplars" in capsys.readouterr().err
    inside = [str(place / "run"), str(place / "lines"), "--out", str(place / "lines" / "o")]
    assert main([*arguments, *inside]) == 2
    assert main([*arguments, "--out", str(tmp_path / "o"), "--set", "average=none"]) == 2
    assert "average" in capsys.readouterr().err
    for changes in ({"scales": ()}, {"scales": (9.0,)}, {"threshold": 1.0}, {"least": -1},
                    {"occurrences": 0}, {"draws": 0}, {"letters": ("",)}):  # fmt: skip
        with pytest.raises(ConfigError, match=next(iter(changes))):
            ExemplarOptions(**changes)
