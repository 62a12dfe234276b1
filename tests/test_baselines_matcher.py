"""The few-shot matcher: equivariance, padding, cutting, decoding, thresholds, a tiny whole run."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.helpers import pillow_font, tiny_lines
from typica.baselines.loop import LoopOptions
from typica.baselines.matcher import MatcherOptions, MatcherReader, load_matcher, save_matcher
from typica.baselines.matcher_decoding import best_placements
from typica.baselines.matcher_exemplars import canvas_columns, chosen_exemplars, on_canvas
from typica.baselines.matcher_fonts import TRAINING_FACES, training_fonts
from typica.baselines.matcher_lines import make_episode, make_sheet
from typica.baselines.matcher_network import Matcher, diagonals, match_statistics
from typica.baselines.matcher_sources import find_exemplars, folder_exemplars
from typica.baselines.matcher_thresholds import threshold_table, whole_reading, with_threshold
from typica.baselines.matcher_training import (
    encode_alphabet,
    episode_loss,
    step_loss,
    targets_of,
    to_batch,
    two_part_loss,
)
from typica.cli import main
from typica.demo.fonts import NPM_FONTS
from typica.errors import ConfigError, DataError, RunError
from typica.lines.cache import LineCache
from typica.lines.exemplars import Exemplar, cut_exemplar, ink_of, named_symbol
from typica.lines.fonts import open_font
from typica.lines.line import Box
from typica.typewriter.reading import LineReading, PlacedGlyph

CPU = torch.device("cpu")
TINY = MatcherOptions(
    height=16,
    channels=6,
    features=12,
    hidden=8,
    episodes=1,
    sheets=2,
    sheet_lines=3,
    least_symbols=4,
    most_symbols=6,
    line_symbols=8,
    loop=LoopOptions(4, 2e-3),
)


def matcher(options=TINY):
    torch.manual_seed(1)
    return Matcher(options).eval()


def some_exemplars(symbols, each=1, height=16, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        Exemplar(symbol, rng.random((height, int(rng.integers(1, 13))), np.float32), 3, 12)
        for symbol in symbols
        for _ in range(each)
    )


def scores(model, lines, symbols, exemplars):
    ink, columns = to_batch(lines)
    alphabet = encode_alphabet(model, symbols, exemplars, CPU)
    with torch.no_grad():
        return model(
            model.encode(ink, columns),
            columns,
            alphabet.columns,
            alphabet.held,
            alphabet.owner,
            len(symbols),
        )


def random_line(width, seed=0, height=16):
    return np.random.default_rng(seed).random((height, width), np.float32)


@settings(max_examples=8)
@given(st.permutations("abcde"), st.integers(1, 3))
def test_another_order_of_the_characters_gives_the_same_scores_in_that_order(order, each):
    model, line = matcher(), random_line(41)
    exemplars = some_exemplars("abcde", each)
    first = scores(model, [line], "abcde", exemplars)
    other = scores(model, [line], order, exemplars[::-1])
    moved = torch.stack([first[:, "abcde".index(s)] for s in order] + [first[:, -1]], 1)
    assert torch.allclose(other, moved, atol=1e-5)
    assert first.std() > 1e-3  # not all the same, which any order would give


def test_scores_depend_neither_on_padding_nor_on_the_batch():
    model, exemplars = matcher(), some_exemplars("abc", 2)
    lines = [random_line(width, width) for width in (37, 18, 75)]
    together = scores(model, lines, "abc", exemplars)
    for row, line in zip(together, lines, strict=True):
        alone = scores(model, [line], "abc", exemplars)[0]
        assert torch.allclose(row[:, : alone.shape[1]], alone, atol=1e-5)
    # a wider canvas changes nothing either
    for columns in (9, 15):
        canvas, held = on_canvas(exemplars, columns)
        mask = torch.from_numpy(held)
        code = model.encode_exemplars(torch.from_numpy(canvas), mask)
        middle = code[:, columns // 2 - 3 : columns // 2 + 4]
        if columns == 9:
            first = middle
    assert torch.allclose(first, middle, atol=1e-5)


def test_more_exemplars_are_averaged():
    model, line = matcher(), random_line(30)
    one, two = some_exemplars("a", 2), some_exemplars("b", 1)
    both = scores(model, [line], "ab", (*one, *two))
    twice = scores(model, [line], "ab", (*one, *one, *two))
    assert torch.allclose(both, twice, atol=1e-5)
    first = scores(model, [line], "ab", (one[0], *two))
    assert not torch.allclose(both, first, atol=1e-3)


def test_diagonals_and_statistics_are_those_of_the_plain_formula():
    rng = torch.Generator().manual_seed(0)
    lines = torch.nn.functional.normalize(torch.randn(2, 11, 5, generator=rng), dim=-1)
    exemplars = torch.nn.functional.normalize(torch.randn(3, 5, 5, generator=rng), dim=-1)
    held = torch.tensor([[0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]])
    exemplars = exemplars * held[..., None]
    found = match_statistics(lines, exemplars, held)
    assert found.shape == (2, 3, 6, 11)
    for b, m, t in itertools.product(range(2), range(3), range(11)):
        inside = [j for j in range(5) if held[m, j]]
        cosines = [
            float(lines[b, t + j - 2] @ exemplars[m, j]) if 0 <= t + j - 2 < 11 else 0.0
            for j in inside
        ]
        least = -math.log(np.mean([math.exp(-8 * c) for c in cosines])) / 8
        assert found[b, m, 0, t] == pytest.approx(np.mean(cosines), abs=1e-5)
        assert found[b, m, 4, t] == pytest.approx(least, abs=1e-5)
        assert found[b, m, 5, t] == pytest.approx(math.log(len(inside)) / 3, abs=1e-5)
    table = torch.arange(21.0).view(3, 7)
    wanted = [[float(table[j, t + j]) for t in range(5)] for j in range(3)]
    assert diagonals(table).tolist() == wanted


@settings(max_examples=30)
@given(st.floats(0, 30), st.floats(0, 12), st.floats(0.1, 12), st.floats(0.1, 9))
def test_an_exemplar_is_cut_exactly(left, top, width, height):
    ink = random_line(40, 3)
    box = Box(left, top, left + width, top + height)
    one = cut_exemplar(ink, box, "x")
    first, last = max(0, math.floor(left + 0.25)), min(40, math.ceil(left + width - 0.25))
    low, high = math.floor(top + 0.25), min(16, math.ceil(top + height - 0.25))
    last, high = max(last, first + 1), max(high, low + 1)
    assert one.ink.shape == (16, last - first)
    assert (one.top, one.bottom) == (low, high)
    assert np.array_equal(one.ink[low:high], ink[low:high, first:last])
    assert not one.ink[:low].any()
    assert not one.ink[high:].any()
    canvas, held = on_canvas([one], 31)
    columns = np.flatnonzero(canvas[0].any(0))
    start = 31 - -(-one.width // 2)  # the middle of the glyph in the middle of the canvas
    assert np.array_equal(canvas[0][:, start : start + one.width], one.ink)
    assert set(columns // 2) <= set(np.flatnonzero(held[0]))
    assert canvas_columns([one], 31) >= held.sum() + 1


def test_a_glyph_wider_than_the_canvas_keeps_its_middle():
    wide = Exemplar("m", np.arange(20, dtype=np.float32)[None].repeat(16, 0), 0, 16)
    canvas, held = on_canvas([wide], 5)
    assert canvas[0, 0].tolist() == list(range(5, 15))
    assert held.all()
    assert canvas_columns([wide], 5) == 5


def test_ink_is_measured_from_the_paper_whatever_the_colours():
    pattern = random_line(50, 1) < 0.2
    pale = np.where(pattern[..., None], [120, 100, 90], [200, 190, 170]).astype(np.uint8)
    bright = np.where(pattern[..., None], 0, 255).repeat(3, 2).astype(np.uint8)
    assert np.array_equal(ink_of(pale), pattern.astype(np.float32))
    assert np.array_equal(ink_of(bright), pattern.astype(np.float32))
    assert not ink_of(np.full((4, 4, 3), 90, np.uint8)).any()


def test_fewer_exemplars_are_a_part_of_more():
    found = some_exemplars("ab", 6)
    few, more = chosen_exemplars(found, 1, 4), chosen_exemplars(found[:7], 3, 4)
    assert [e.symbol for e in few] == ["a", "b"]
    assert [e.symbol for e in more] == ["a", "a", "a", "b"]
    assert few[0] in more
    assert len(chosen_exemplars(found, 50)) == 12


def gain_of(chances, k, t):
    """What placing character k at column t adds to the sum."""
    edge = np.zeros((len(chances), 1))
    edge[-1] = 1
    three = np.concatenate([edge, chances, edge], 1)[:, t : t + 3]
    if not three[k, 0] < three[k, 1] >= three[k, 2]:
        return -math.inf
    return math.log(min(1, three[k].sum()) + 1e-9) - math.log(three[-1].min() + 1e-9)


def brute_force(chances, sizes):
    """The best sum over all sets of placements, by trying them all from left to right."""
    count, length = chances.shape[0] - 1, chances.shape[1]

    def best(free, t):
        if t == length:
            return 0.0
        options = [best(free, t + 1)]
        for k in range(count):
            if t - sizes[k] // 2 >= free:
                options.append(gain_of(chances, k, t) + best(t - sizes[k] // 2 + sizes[k], t + 1))
        return max(options)

    return best(-9, 0)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 7))
def test_the_best_placements_are_those_of_trying_all(seed, count, length):
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.full(count + 1, 0.4), length).T
    sizes = rng.integers(2, 5, count)
    found = best_placements(chances, sizes, core=1.0)
    # by their sum: two sets of placements may have the same
    total = sum(gain_of(chances, p.character, p.column) for p in found)
    assert total == pytest.approx(brute_force(chances, sizes), abs=1e-9)
    free = -9
    for one in found:
        assert one.column - sizes[one.character] // 2 >= free
        free = one.column - sizes[one.character] // 2 + sizes[one.character]
    for one in found:
        near = chances[one.character, max(0, one.column - 1) : one.column + 2]
        assert one.confidence == pytest.approx(min(1, near.sum()))
        assert abs(one.middle - one.column) <= 1


def reading(line, spec):
    glyphs = tuple(
        PlacedGlyph(s, 0, Box(4 * i, 0, 4 * i + 3, 5), p, 1.0, (0, 0, 0), i == 2)
        for i, (s, p) in enumerate(spec)
    )
    return LineReading(line, 100, 10, glyphs)


def test_thresholds_keep_books():
    whole = reading("x", [("a", 0.9), ("b", 0.2), ("d", 0.6), ("e", 0.95)])
    truths = {"x": list("abcef"), "y": []}
    other = reading("z", [("q", 0.1)])  # without a transcription: passed over
    rows = threshold_table(truths, [whole, other], (0.0, 0.5, 0.7, 1.0))
    books = [(r.read, r.left_out, r.symbols, r.edits) for r in rows]
    # d for c is wrong, f was read by nothing
    assert books == [(4, 0, 5, 2), (4, 1, 4, 2), (4, 2, 3, 1), (4, 4, 1, 1)]
    assert rows[1].share_left_out == 0.25
    assert rows[2].error == pytest.approx(1 / 3)
    assert replace(rows[0], symbols=0).error == 0
    cut = with_threshold(whole, 0.65)
    assert cut.letters == ("a", "e")
    assert [g.symbol for g in cut.unread] == ["b", "d"]
    assert cut.glyphs[1].space_before  # the space before the d that went
    assert whole_reading(cut).letters == whole.letters
    assert with_threshold(whole, 0.0) == whole


@pytest.fixture(scope="module")
def font(tmp_path_factory):
    return open_font(pillow_font(tmp_path_factory.mktemp("font")))


def test_sheets_and_episodes_are_functions_of_their_numbers(font):
    sheet = make_sheet([font], TINY, 3)
    again = make_sheet([font], TINY, 3)
    assert sheet.alphabet == again.alphabet
    assert all(np.array_equal(a.ink, b.ink) for a, b in zip(sheet.lines, again.lines, strict=True))
    assert {s for line in sheet.lines[: sheet.specimen] for s, _ in line.glyphs} == set(
        sheet.alphabet
    )
    exact = replace(TINY, box_jitter=0.0, unknown_share=0.3)
    for seed in range(6):
        task = make_episode(sheet, exact, (seed,), 2)
        read = [
            n for n, line in enumerate(sheet.lines) if any(line.ink is one for one in task.lines)
        ]
        assert len(read) == 2
        others = [line for n, line in enumerate(sheet.lines) if n not in read]
        cuts = {
            (s, cut_exemplar(line.ink, box, s).ink.tobytes())
            for line in others
            for s, box in line.glyphs
        }
        assert {(e.symbol, e.ink.tobytes()) for e in task.exemplars} <= cuts
        assert {e.symbol for e in task.exemplars} == set(task.symbols)
        for n, places in zip(read, task.places, strict=True):
            for (index, middle), (symbol, box) in zip(places, sheet.lines[n].glyphs, strict=True):
                assert middle == (box.left + box.right) / 2
                assert (task.symbols[index] if index >= 0 else None) in (symbol, None)
                assert (index < 0) == (symbol not in task.symbols)
        targets = targets_of(task, 200)
        for row, line, places in zip(targets, task.lines, task.places, strict=True):
            wanted = {int(m // 2): i if i >= 0 else len(task.symbols) for i, m in places}
            assert all(row[t] == i for t, i in wanted.items())
            assert (row[-(-line.shape[1] // 2) :] == -100).all()


def test_the_two_parts_of_the_loss_are_those_of_one_cross_entropy():
    logits = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(3))
    targets = torch.tensor([[3, 0, 3, 2, -100, 3, 3, -100, 1], [3, 3, 3, 3, -100, -100, 1, 3, 3]])
    all_of_one = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    chances = logits.softmax(1)
    there, counts = (targets >= 0) & (targets < 3), targets >= 0
    presence = torch.where(there, 1 - chances[:, 3], chances[:, 3]).log().neg()
    wanted = presence[counts].mean() + (all_of_one - presence)[there].mean()
    assert torch.allclose(two_part_loss(logits, targets), wanted, atol=1e-5)
    nothing = torch.full_like(targets, 3)
    assert torch.allclose(
        two_part_loss(logits, nothing), chances[:, 3].log().neg().mean(), atol=1e-5
    )


def test_learning_lowers_the_loss_of_one_task(font):
    task = make_episode(make_sheet([font], TINY, 0), TINY, (0,), 2)
    model = matcher().train()
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    losses = []
    for _ in range(8):
        loss = episode_loss(model, task, CPU)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    step = step_loss(model, [font], TINY, CPU)
    assert torch.equal(step(5, 9)["loss"], step(5, 10)["loss"])


def test_a_matcher_is_kept_with_the_fonts_it_saw(tmp_path):
    model = matcher()
    save_matcher(tmp_path / "model.safetensors", model, [{"name": "N", "digest": "d"}])
    kept, fonts = load_matcher(tmp_path, CPU)
    assert kept.options == TINY
    assert fonts == [{"name": "N", "digest": "d"}]
    line, exemplars = random_line(30), some_exemplars("ab")
    assert torch.equal(
        scores(kept, [line], "ab", exemplars), scores(model, [line], "ab", exemplars)
    )
    with pytest.raises(RunError, match="no such file"):
        load_matcher(tmp_path / "other.safetensors", CPU)


def test_the_demo_font_is_not_trained_on():
    assert not {font.digest for font in NPM_FONTS} & {digest for _, _, digest in TRAINING_FACES}
    assert len({digest for _, _, digest in TRAINING_FACES}) == len(TRAINING_FACES)


def font_folder(folder):
    """Three different font files: bytes after the end are part of the file, not of the font."""
    data = pillow_font(folder).read_bytes()
    for number in (1, 2):
        (folder / f"other{number}.otf").write_bytes(data + bytes(number))
    return folder


def test_fonts_of_the_lines_are_left_out_and_too_few_are_refused(tmp_path):
    folder = font_folder(tmp_path / "fonts")
    fonts, reasons = training_fonts(folder)
    assert len(fonts) == 3
    assert not reasons
    with pytest.raises(DataError, match="holds 2 usable fonts"):
        training_fonts(folder, {fonts[0].digest})
    with pytest.raises(DataError, match="no such folder"):
        training_fonts(tmp_path / "none")


def test_pictures_in_folders_are_exemplars(tmp_path):
    picture = np.full((32, 12, 3), 230, np.uint8)
    picture[10:20, 4:9] = 20
    for name in ("a", "U+0041", "U+0061+0308"):
        (tmp_path / name).mkdir()
        Image.fromarray(picture).save(tmp_path / name / "1.png")
    found = folder_exemplars(tmp_path, 32)
    assert [e.symbol for e in found] == ["A", "a", "ä"]
    assert {(e.width, e.top, e.bottom) for e in found} == {(5, 10, 20)}
    assert all(e.ink[10:20].all() and e.ink.sum() == 50 for e in found)
    assert named_symbol("U") == "U"
    Image.fromarray(picture[:, :3]).save(tmp_path / "a" / "2.png")
    with pytest.raises(DataError, match=r"2\.png: shows no ink"):
        folder_exemplars(tmp_path, 32)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no exemplars"):
        folder_exemplars(tmp_path / "empty", 32)


def test_exemplars_are_cut_from_other_lines_than_those_judged(tmp_path):
    collection = tiny_lines(tmp_path)
    boxes = json.loads((collection.root / "glyphs.json").read_text(encoding="utf-8"))
    with LineCache(collection, 24) as cache:  # as rendered: the boxes are exact
        found = find_exemplars(cache, "test")
        kept = [line.id for line in collection if line.split != "test"]
        assert len(found) == sum(len(boxes[name]) for name in kept)
        position = 0
        for number, line in enumerate(collection):
            for symbol, left, top, right, bottom in boxes[line.id] if line.id in kept else []:
                ink = ink_of(np.asarray(cache[number]))[top:bottom, left:right]
                assert found[position].symbol == symbol
                assert np.array_equal(found[position].ink[top:bottom], ink)
                position += 1
        assert len(find_exemplars(cache, "test", lines=1)) == len(boxes[kept[0]])
        with pytest.raises(ConfigError, match="--split all"):
            find_exemplars(cache, "all")
        with pytest.raises(DataError, match="no such file"):
            find_exemplars(cache, "test", tmp_path / "nowhere")
        own = tmp_path / "own"
        own.mkdir()
        (own / "glyphs.json").write_text(
            json.dumps({kept[1]: boxes[kept[1]][:2]}), encoding="utf-8"
        )
        assert len(find_exemplars(cache, "test", own / "glyphs.json")) == 2
        (collection.root / "glyphs.json").unlink()
        with pytest.raises(ConfigError, match="--exemplar-source"):
            find_exemplars(cache, "test")


def test_a_typewriters_right_letters_are_exemplars(tmp_path):
    collection = tiny_lines(tmp_path)
    line = collection.part("train").lines[0]
    glyphs = [
        {"symbol": s, "sprite": 0, "box": [2 + 5 * i, 4, 6 + 5 * i, 20], "confidence": 0.9}
        | {"scale": 1, "colour": [0, 0, 0], "space_before": False, "placements": 1}
        for i, s in enumerate(line.letters)
    ]
    glyphs[1]["symbol"] = "?"  # read wrong
    row = {"line": line.id, "width": 60, "height": 24, "reconstruction": None, "glyphs": glyphs}
    folder = tmp_path / "run" / "evaluation" / "train"
    folder.mkdir(parents=True)
    text = json.dumps({**row, "truth": list(line.symbols)})
    (folder / "readings.jsonl").write_text(text + "\n", encoding="utf-8")
    with LineCache(collection, 24) as cache:
        found = find_exemplars(cache, "test", tmp_path / "run")
        assert [e.symbol for e in found] == [line.letters[0], *line.letters[2:]]
        assert (found[0].top, found[0].bottom, found[0].width) == (4, 20, 4)
        with pytest.raises(DataError, match="outside of split 'train'"):
            find_exemplars(cache, "train", tmp_path / "run")
        (folder / "readings.jsonl").write_text("{", encoding="utf-8")
        with pytest.raises(RunError, match="damaged"):
            find_exemplars(cache, "test", tmp_path / "run")


def test_a_reading_has_boxes_on_the_line_and_does_not_depend_on_others(tmp_path):
    collection = tiny_lines(tmp_path)
    with LineCache(collection, 16) as cache:
        exemplars = chosen_exemplars(find_exemplars(cache, "test"), 2)
        model = matcher()
        with torch.no_grad():
            model.none.bias.fill_(-3.0)  # so that something is read without training
        reader = MatcherReader(model, exemplars, CPU)
        assert reader.symbols == ("a", "b", "o")
        found = {one.line: one for one in reader.read(cache)}
    assert set(found) == {line.id for line in collection}
    for one in found.values():
        assert one.height == 24
        assert one.glyphs
        for glyph in one.glyphs:
            assert 0 <= glyph.box.left < glyph.box.right <= one.width
            assert 0 <= glyph.box.top < glyph.box.bottom <= 24
            assert 0 <= glyph.confidence <= 1
    alone = collection.where(lambda line: line.id == collection.lines[5].id)
    with LineCache(alone, 16) as cache:
        (again,) = reader.read(cache)
    first = found[again.line]
    assert again.letters == first.letters
    assert [g.box.left for g in again.glyphs] == pytest.approx([g.box.left for g in first.glyphs])
    with LineCache(alone, 24) as cache, pytest.raises(ConfigError, match="16"):
        list(reader.read(cache))


def test_the_whole_run_and_a_second_one_with_the_trained_matcher(tmp_path, capsys):
    data = tiny_lines(tmp_path).root
    fonts = font_folder(tmp_path / "fonts")
    # the lines are set in the first of these, so another one takes its place
    data_font = (fonts / "some.otf").read_bytes()
    (fonts / "some.otf").write_bytes(data_font + b"new")
    changes = [
        f"--set={name}={value}"
        for name, value in {
            "height": 16, "channels": 6, "features": 12, "hidden": 8, "episodes": 1,
            "sheets": 2, "sheet_lines": 3, "least_symbols": 4, "most_symbols": 6,
            "line_symbols": 8, "loop.steps": 3,
        }.items()
    ]  # fmt: skip
    run = tmp_path / "run"
    arguments = ["baseline", "matcher", str(data), "--out", str(run), "--fonts", str(fonts)]
    assert main([*arguments, "--exemplars", "2", *changes]) == 0
    said = capsys.readouterr()
    assert "exemplars: 6 of 3 characters" in said.err
    assert "left out" in said.out
    about = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert about["symbols"] == ["a", "b", "o"]
    assert len(about["fonts"]) == 3
    rows = json.loads((run / "evaluation" / "test" / "thresholds.json").read_text("utf-8"))
    assert rows[0]["threshold"] == 0
    assert rows[0]["left_out"] == 0
    second = tmp_path / "second"
    again = ["baseline", "matcher", str(data), "--out", str(second), "--model", str(run)]
    assert main([*again, "--threshold", "0.5"]) == 0
    capsys.readouterr()
    text = (second / "evaluation" / "test" / "readings.jsonl").read_text("utf-8")
    for row in map(json.loads, text.splitlines()):
        assert all(glyph["confidence"] >= 0.5 for glyph in row["glyphs"])
    assert main([*again, "--resume"]) == 2
    assert "--model" in capsys.readouterr().err
    # a matcher that has seen the type of the lines is refused
    model, seen = load_matcher(run, CPU)
    render = json.loads((data / "render.json").read_text("utf-8"))
    save_matcher(
        run / "model.safetensors", model, [*seen, {**seen[0], "digest": render["font"]["sha256"]}]
    )
    assert main(again) == 2
    assert "never saw" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("height", 20), ("longest", 4), ("channels", 0), ("lines", 9), ("specimen_lines", 0),
        ("least_symbols", 1), ("line_symbols", 3), ("unknown_share", 1.0), ("box_jitter", -1.0),
        ("core", 0.0), ("space_gap", 0.0),
    ],
)  # fmt: skip
def test_bad_options_are_named(name, value):
    with pytest.raises(ConfigError, match=name):
        replace(MatcherOptions(), **{name: value})
