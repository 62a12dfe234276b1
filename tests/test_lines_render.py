"""Rendered lines: exact boxes, coverage, repeatability, what is written, what is refused."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from typica.errors import ConfigError, DataError
from typica.lines import degradations as age
from typica.lines.collection import read_lines
from typica.lines.fonts import (
    INK,
    SUPER,
    Font,
    advance,
    cut_glyph,
    missing_symbols,
    open_font,
    require_coverage,
)
from typica.lines.glyphs import read_glyphs, with_glyphs
from typica.lines.line import Box
from typica.lines.render import RenderOptions, render_collection, render_line
from typica.lines.render_request import RenderRequest, render_text, wrap_text

EM = 1000

# Every glyph is a few rectangles in font units (left, bottom, right, top), so what is drawn can
# be computed without a font library. `j` reaches left of its pen, `W` overhangs on the right.
SHAPES: dict[str, list[tuple[int, int, int, int]]] = {
    "a": [(50, 0, 450, 500)],
    "b": [(50, 0, 150, 700), (150, 0, 420, 450)],
    "g": [(40, -200, 440, 480)],
    "i": [(60, 0, 160, 480), (60, 600, 160, 700)],
    "j": [(-120, -200, 100, 480)],
    "l": [(60, 0, 160, 700)],
    "m": [(50, 0, 750, 500)],
    "s": [(50, 0, 350, 500)],
    "é": [(50, 0, 450, 500), (200, 600, 300, 700)],
    "W": [(0, 0, 900, 700)],
    ".": [(60, 0, 180, 120)],
    "\ue000": [(50, -100, 550, 600)],
}
ADVANCES = {letter: 60 + max(box[2] for box in boxes) for letter, boxes in SHAPES.items()}
ADVANCES["W"] = 850
KERNING = {("W", "a"): -150}
LETTERS = "".join(SHAPES)


def _rectangles(boxes: list[tuple[int, int, int, int]]) -> object:
    pen = TTGlyphPen(None)
    for left, bottom, right, top in boxes:
        pen.moveTo((left, bottom))
        pen.lineTo((left, top))
        pen.lineTo((right, top))
        pen.lineTo((right, bottom))
        pen.closePath()
    return pen.glyph()


@pytest.fixture(scope="session")
def font(tmp_path_factory: pytest.TempPathFactory) -> Font:
    """A font made here: rectangles, one kerning pair, an `x` that draws nothing."""
    path = tmp_path_factory.mktemp("font") / "blocks.ttf"
    names = {letter: f"g{ord(letter):04X}" for letter in SHAPES}
    blank = TTGlyphPen(None).glyph()
    glyphs = {".notdef": _rectangles([(0, 0, 500, 700)]), "space": blank, "x": blank}
    glyphs |= {names[letter]: _rectangles(boxes) for letter, boxes in SHAPES.items()}
    metrics = {".notdef": (550, 0), "space": (300, 0), "x": (300, 0)}
    metrics |= {
        names[letter]: (ADVANCES[letter], min(b[0] for b in SHAPES[letter])) for letter in SHAPES
    }
    builder = FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap(
        {32: "space", ord("x"): "x"} | {ord(letter): name for letter, name in names.items()}
    )
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(metrics)
    builder.setupHorizontalHeader(ascent=800, descent=-300)
    builder.setupOS2()
    builder.setupPost()
    builder.setupNameTable({"familyName": "Blocks", "styleName": "Regular", "fullName": "Blocks"})
    pairs = "; ".join(f"pos {names[a]} {names[b]} {v}" for (a, b), v in KERNING.items())
    ligature = f"sub {names['s']} {names['l']} by {names['m']};"
    builder.addOpenTypeFeatures(
        f"feature kern {{ {pairs}; }} kern; feature liga {{ {ligature} }} liga;"
    )
    builder.save(path)
    return open_font(path)


def words(letters: str = LETTERS, longest: int = 12) -> st.SearchStrategy[str]:
    word = st.text(letters, min_size=1, max_size=5)
    return st.lists(word, min_size=1, max_size=longest).map(" ".join)


def clean(**changes: object) -> RenderOptions:
    return replace(
        RenderOptions(**changes).clean(), paper_colour=(1.0, 1.0, 1.0), ink_colour=(0.0, 0.0, 0.0)
    )


def coverage_of(image: np.ndarray) -> np.ndarray:
    return 1 - image[..., 0] / 255


# Boxes ---------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(text=words(), height=st.sampled_from([24, 48, 64]), seed=st.integers(0, 9))
def test_the_boxes_are_those_of_the_outlines(font: Font, text: str, height: int, seed: int) -> None:
    """Against the rectangles of the font, in plain arithmetic on the advances."""
    image, glyphs = render_line(text, font, clean(height=height), np.random.default_rng(seed))
    letters = [letter for letter in text if letter != " "]
    assert [glyph.symbol for glyph in glyphs] == letters
    size = round(0.8 * height / 0.9)  # the sample letters reach from -200 to 700 of 1000
    pen, lefts = 0.0, []
    for index, letter in enumerate(text):
        if letter != " ":
            left = pen + min(b[0] for b in SHAPES[letter]) * size / EM
            lefts.append((left, pen + max(b[2] for b in SHAPES[letter]) * size / EM))
        pen += (300 if letter == " " else ADVANCES[letter]) * size / EM
        pen += KERNING.get((letter, text[index + 1 : index + 2]), 0) * size / EM
    # One quarter pixel of rounding at every pen step, and whole pixels for the box.
    slack = 1.2 + len(text) / (2 * SUPER)
    for glyph, (left, right) in zip(glyphs, lefts, strict=True):
        assert abs((glyph.box.left - glyphs[0].box.left) - (left - lefts[0][0])) <= slack
        assert abs(glyph.box.width - (right - left)) <= 1.6
        boxes = SHAPES[glyph.symbol]
        tall = (max(b[3] for b in boxes) - min(b[1] for b in boxes)) * size / EM
        assert abs(glyph.box.height - tall) <= 1.6
    assert image.shape[0] == height
    assert image.dtype == np.uint8


@settings(max_examples=40)
@given(
    text=words("abgilms.é", 6),
    slant=st.sampled_from([-20.0, 0.0, 12.0]),
    spread=st.sampled_from([(-1, -1), (0, 0), (3, 3), (-1, 2)]),
    seed=st.integers(0, 99),
)
def test_the_boxes_hold_the_ink_and_nothing_else(
    font: Font, text: str, slant: float, spread: tuple[int, int], seed: int
) -> None:
    """With letters far apart, the ink between two gaps is one glyph: measure it on the image."""
    options = clean(slant=slant, tracking=0.9)
    options = replace(
        options,
        ink_spread=spread,
        baseline_jitter=0.03,
        baseline_wave=0.05,
        spacing_jitter=0.02,
        space_jitter=0.2,
    )
    image, glyphs = render_line(text, font, options, np.random.default_rng(seed))
    ink = coverage_of(image)
    middles = [0.0]
    middles += [(a.box.right + b.box.left) / 2 for a, b in pairwise(glyphs)]
    middles.append(image.shape[1])
    for glyph, start, end in zip(glyphs, middles, middles[1:], strict=False):
        start, end = int(start), int(end)
        own = ink[:, start:end]
        solid = own >= min(INK, own.max()) - 0.5 / 255
        rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
        measured = Box(start + columns[0], rows[0], start + columns[-1] + 1, rows[-1] + 1)
        assert measured == glyph.box


def test_touching_letters_are_the_darkest_of_each_alone(font: Font) -> None:
    """A line is the maximum of its glyphs, each where `advance` puts it."""
    text = "Wag lmj"
    image, glyphs = render_line(text, font, clean(height=48), np.random.default_rng(0))
    size = round(0.8 * 48 / 0.9)
    alone = np.zeros(image.shape[:2])
    baseline = round(SUPER * ((48 - 0.9 * size) / 2 + 0.7 * size))
    pen, first = 0, True
    for index, letter in enumerate(text):
        if letter != " ":
            if first:
                pen = SUPER * (round(0.15 * 48) - cut_glyph(font, size, letter).box[0])
                first = False
            picture = cut_glyph(font, size, letter, 0.0, 0, (pen % SUPER, baseline % SUPER))
            for (row, column), value in np.ndenumerate(picture.ink):
                y, x = baseline // SUPER + picture.top + row, pen // SUPER + picture.left + column
                if 0 <= y < alone.shape[0] and 0 <= x < alone.shape[1]:
                    alone[y, x] = max(alone[y, x], value)
        following = text[index + 1] if index + 1 < len(text) else None
        pen += advance(font, size, letter, following)
    assert len(glyphs) == 6
    np.testing.assert_allclose(coverage_of(image), alone, atol=1 / 254)


def test_a_slant_leans_to_the_right_about_the_baseline(font: Font) -> None:
    """The stem of `g` at a height `y` moves by `y` times the tangent; below, to the left."""
    upright, leaning = cut_glyph(font, 100, "g"), cut_glyph(font, 100, "g", slant=20.0)
    for row in (-40, -20, 10, 18):
        lefts = [p.left + int(np.argmax(p.ink[row - p.top] > 0.5)) for p in (upright, leaning)]
        assert lefts[1] - lefts[0] == pytest.approx(-(row + 0.5) * np.tan(np.radians(20)), abs=1)


def test_kerning_is_kept_and_ligatures_are_not(font: Font) -> None:
    kerned = advance(font, 100, "W", "a") - advance(font, 100, "W", "m")
    from PIL import features

    expected = KERNING["W", "a"] * 100 * SUPER / EM if features.check("raqm") else 0
    assert kerned == pytest.approx(expected, abs=1.01)
    _, glyphs = render_line("slsl", font, clean(), np.random.default_rng(0))
    assert [glyph.symbol for glyph in glyphs] == list("slsl")


@settings(max_examples=25)
@given(text=words(), seed=st.integers(0, 10**6), height=st.integers(16, 70))
def test_boxes_lie_in_the_image_however_rough_the_setting(
    font: Font, text: str, seed: int, height: int
) -> None:
    options = RenderOptions(
        height=height,
        baseline_jitter=0.1,
        baseline_wave=0.2,
        spacing_jitter=0.05,
        slant=15,
        size_jitter=0.2,
        slant_jitter=15,
        ink_spread=(-4, 6),
        degradation=2,
    )
    image, glyphs = render_line(text, font, options, np.random.default_rng(seed))
    assert len(glyphs) == len(text.replace(" ", ""))
    for glyph in glyphs:
        assert 0 <= glyph.box.left < glyph.box.right <= image.shape[1]
        assert 0 <= glyph.box.top < glyph.box.bottom <= image.shape[0] == height


def test_type_is_of_one_size_and_a_hand_is_not(font: Font) -> None:
    """`a` is a rectangle 0.4 em wide and 0.5 em high: its boxes show size and lean."""

    def boxes(**changes: float) -> list[tuple[float, float]]:
        options = replace(clean(height=120, tracking=0.5), **changes)
        _, glyphs = render_line("a" * 60, font, options, np.random.default_rng(1))
        return [(g.box.right - g.box.left, g.box.bottom - g.box.top) for g in glyphs]

    # A pen between two pixels may cover one column more.
    type_ = boxes()
    assert len({height for _, height in type_}) == 1
    height = type_[0][1]
    assert max(width for width, _ in type_) - min(width for width, _ in type_) <= 1
    sized = np.array([tall for _, tall in boxes(size_jitter=0.1)]) / height
    assert 0.05 < sized.std() < 0.13
    assert 0.78 < sized.min() < 0.9  # two deviations, and rounding
    assert 1.1 < sized.max() < 1.22
    leaning = boxes(slant_jitter=8.0)
    assert {tall for _, tall in leaning} == {height}
    extra = [width - min(w for w, _ in type_) for width, _ in leaning]
    assert max(extra) > 0.15 * height  # tan(9 degrees) of its height at the least
    assert max(extra) <= np.tan(np.radians(16)) * height + 2


def test_no_jitter_of_the_form_leaves_the_pixels_as_they_were(font: Font) -> None:
    """An option that is off draws no random number: a collection is the same as before."""
    options = RenderOptions(seed=3)
    rng = np.random.default_rng(5)
    _, glyphs = render_line("abs", font, options, rng)
    assert options.size_jitter == options.slant_jitter == 0
    jittered, _ = render_line(
        "abs", font, replace(options, size_jitter=1e-9), np.random.default_rng(5)
    )
    plain, same = render_line("abs", font, options, np.random.default_rng(5))
    assert same == glyphs
    assert jittered.shape != plain.shape or (jittered != plain).any()


def test_ageing_moves_no_box(font: Font) -> None:
    options = replace(RenderOptions(), ink_spread=(0, 0))
    aged = render_line("bag .", font, options, np.random.default_rng(4))
    bare = render_line("bag .", font, replace(options, degradation=0), np.random.default_rng(4))
    assert aged[1] == bare[1]
    assert (aged[0] != bare[0]).any()


# Coverage ------------------------------------------------------------------------------------


def test_missing_characters_are_named(font: Font) -> None:
    assert missing_symbols(font, ["alms ſ", "x"]) == ("x", "ſ")
    with pytest.raises(DataError, match=r"'ſ' \(U\+017F LATIN SMALL LETTER LONG S\)"):
        render_line("maſs", font, RenderOptions(), np.random.default_rng(0))
    with pytest.raises(DataError, match=r"Blocks.*LATIN SMALL LETTER X"):
        require_coverage(font, ["x"])
    require_coverage(font, ["alms \ue000"])


def test_text_is_composed_before_it_is_looked_up(font: Font) -> None:
    decomposed = unicodedata.normalize("NFD", "éa")
    _, glyphs = render_line(decomposed, font, clean(), np.random.default_rng(0))
    assert [glyph.symbol for glyph in glyphs] == ["é", "a"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("font.woff2", b"wOF2", "convert"),
        ("font.txt", b"text", "not a font"),
        ("font.ttf", b"no font at all", "damaged"),
        ("font.otf", b"", "damaged"),
        ("font.woff", b"wOFF" + bytes(60), "damaged"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        open_font(tmp_path / name)
    assert name in str(error.value)


def test_a_missing_or_cut_font_file_is_refused(tmp_path: Path, font: Font) -> None:
    with pytest.raises(DataError, match=r"none\.ttf"):
        open_font(tmp_path / "none.ttf")
    data = font.path.read_bytes()
    for length in range(12, len(data), 97):
        cut = tmp_path / "cut.ttf"
        cut.write_bytes(data[:length])
        # A cut within tables that drawing does not need does no harm; any other is noticed.
        with suppress(DataError):
            cut_glyph(open_font(cut), 20, "a")


# Degradations --------------------------------------------------------------------------------


@settings(max_examples=25)
@given(radius=st.integers(-4, 4), seed=st.integers(0, 999))
def test_ink_spread_is_grey_morphology(radius: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ink = (rng.random((13, 17)) ** 4 * 255).astype(np.uint8)
    reach = abs(radius)
    grid = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    disc = grid <= reach + 0.3
    slow = ndimage.grey_dilation if radius > 0 else ndimage.grey_erosion
    expected = slow(ink, footprint=disc, mode="constant", cval=0) if radius else ink
    np.testing.assert_array_equal(age.spread_ink(ink, radius), expected)


@pytest.mark.parametrize("shape", [(16, 3), (48, 700), (1, 1)])
def test_degradations_keep_shape_range_and_seed(shape: tuple[int, int]) -> None:
    def everything(seed: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        sheet = age.paper(shape, (0.9, 0.8, 0.7), 0.2, rng)
        return [
            sheet,
            age.illumination(shape, 0.6, rng)[..., None],
            age.fading(shape, 0.8, rng)[..., None],
            age.stains(shape, 5, 0.6, rng),
            age.specks(shape, 5, rng)[..., None],
            age.blur(sheet, 3.0),
            age.add_noise(sheet, 0.15, rng),
        ]

    first, again, other = everything(1), everything(1), everything(2)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.shape[:2] == shape
        assert a.min() >= 0
        assert a.max() <= 1
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_strength_nought_changes_nothing(font: Font) -> None:
    shape, rng = (20, 30), np.random.default_rng(0)
    assert (age.paper(shape, (0.5, 0.5, 0.5), 0, rng) == 0.5).all()
    for factors in (
        age.illumination(shape, 0, rng),
        age.fading(shape, 0, rng),
        age.stains(shape, 0, 0.5, rng),
    ):
        assert (factors == 1).all()
    assert not age.specks(shape, 0, rng).any()
    image, _ = render_line("al", font, clean(), np.random.default_rng(0))
    assert (image[:, :5] == 255).all()
    assert image.min() == 0


# Collections ---------------------------------------------------------------------------------

TEXTS = ["bag lamb", "slim jam", "ém .", "Wagg", "almsW abs", "Wié. sb", "mi g"] * 5


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, font: Font) -> None:
    one = tree(render_collection(TEXTS, font, tmp_path / "a", RenderOptions(seed=3)))
    two = tree(render_collection(TEXTS, font.path, tmp_path / "b", RenderOptions(seed=3)))
    other = tree(render_collection(TEXTS, font, tmp_path / "c", RenderOptions(seed=4)))
    assert one == two
    assert one["images/rendered_0000.png"] != other["images/rendered_0000.png"]
    # A line has its own random numbers: the lines after it do not matter.
    fewer = tree(render_collection(TEXTS[:3], font, tmp_path / "d", RenderOptions(seed=3)))
    assert fewer["images/rendered_0002.png"] == one["images/rendered_0002.png"]


def test_a_collection_is_read_back_with_its_boxes(tmp_path: Path, font: Font) -> None:
    folder = render_collection(TEXTS, font, tmp_path / "set", document="book-1")
    lines = with_glyphs(read_lines(folder))
    assert not lines.problems
    assert [line.text for line in lines] == TEXTS
    assert {line.split for line in lines} == {"train", "val", "test"}
    for line in lines:
        assert tuple(glyph.symbol for glyph in line.glyphs) == line.letters
        with Image.open(line.path) as image:
            assert image.mode == "RGB"
            assert image.height == 48
            assert all(glyph.box.right <= image.width for glyph in line.glyphs)
    entry = json.loads((folder / "annotation.json").read_text())["book-1_0000"]
    assert entry["label"] == "bag lamb"
    assert entry["script"] == "book-1"
    record = json.loads((folder / "render.json").read_text())
    assert record["font"]["sha256"] == font.digest
    assert record["coverage"]["missing"] == []
    assert RenderOptions(**{**record["options"], "ink_spread": (-1, 1)})


@settings(max_examples=15)
@given(st.lists(words(longest=3), min_size=3, max_size=25), st.integers(0, 50))
def test_val_and_test_hold_nothing_that_train_lacks(texts: list[str], seed: int) -> None:
    from typica.lines.render import _splits

    lines = [tuple(text) for text in texts]
    splits = _splits(lines, (0.6, 0.2, 0.2), seed)
    seen = {s for line, split in zip(lines, splits, strict=True) if split == "train" for s in line}
    assert all(seen.issuperset(line) for line in lines)


def test_splits_have_their_shares(tmp_path: Path, font: Font) -> None:
    folder = render_collection(["alms"] * 40, font, tmp_path / "set", splits=(0.7, 0.2, 0.1))
    entries = json.loads((folder / "annotation.json").read_text()).values()
    counts = [sum(e["split"] == s for e in entries) for s in ("train", "val", "test")]
    assert counts == [28, 8, 4]


def test_nothing_is_left_of_a_rendering_that_fails(tmp_path: Path, font: Font) -> None:
    with pytest.raises(DataError, match="U\\+017F"):
        render_collection(["al", "ſ"], font, tmp_path / "set")
    with pytest.raises(DataError, match="text 2 of 2"):
        render_collection(["al", " "], font, tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_only_an_earlier_rendering_is_replaced(tmp_path: Path, font: Font) -> None:
    out = tmp_path / "set"
    render_collection(["al"] * 3, font, out)
    render_collection(["ms"], font, out)
    assert len(list((out / "images").iterdir())) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="mine"):
        render_collection(["al"], font, mine)
    assert (mine / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"height": 4}, "height"),
        ({"blur": float("nan")}, "blur"),
        ({"ink_spread": (2, 1)}, "ink_spread"),
        ({"paper_colour": (1.0, 2.0, 0.0)}, "paper_colour"),
    ],
)
def test_options_that_cannot_work_are_named(options: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        RenderOptions(**options)


def test_bad_shares_and_names_are_refused(tmp_path: Path, font: Font) -> None:
    with pytest.raises(ConfigError, match="splits"):
        render_collection(["al"], font, tmp_path / "set", splits=(0.5, 0.1, 0.1))
    with pytest.raises(ConfigError, match="document"):
        render_collection(["al"], font, tmp_path / "set", document="../up")


@given(words(longest=30), st.integers(1, 40))
def test_wrapping_keeps_the_words(text: str, width: int) -> None:
    lines = wrap_text(text, width)
    assert " ".join(lines) == text
    assert all(len(line) <= width or " " not in line for line in lines)
    joined = [f"{a} {b.split()[0]}" for a, b in pairwise(lines)]
    assert all(len(line) > width for line in joined)  # no line could have held one word more


def test_a_text_file_is_rendered(tmp_path: Path, font: Font) -> None:
    text = tmp_path / "my text.txt"
    text.write_text("bag lamb\n\n  slim   jam\n", encoding="utf-8")
    out = render_text(RenderRequest(text, font.path, tmp_path / "a", train=1.0, val=0.0))
    labels = {k: v["label"] for k, v in json.loads((out / "annotation.json").read_text()).items()}
    assert labels == {"my_text_0000": "bag lamb", "my_text_0001": "slim jam"}
    out = render_text(RenderRequest(text, font.path, tmp_path / "b", wrap=4))
    assert len(read_glyphs(out)) == 4
    text.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="UTF-8"):
        render_text(RenderRequest(text, font.path, tmp_path / "c"))
    with pytest.raises(DataError, match=r"none\.txt"):
        render_text(RenderRequest(tmp_path / "none.txt", font.path, tmp_path / "c"))


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"a": 1}', '{"a": [["b", 0, 0, 1]]}', '{"a": [["b", 0, 0, NaN, 1]]}',
     '{"a": [["b", 5, 0, 5, 1]]}', '{"a": [["", 0, 0, 1, 1]]}', '{"a": [["b", 0, 0, true, 1]]}'],
)  # fmt: skip
def test_damaged_boxes_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "glyphs.json").write_text(content)
    with pytest.raises(DataError, match=r"glyphs\.json"):
        read_glyphs(tmp_path)


def test_boxes_of_another_text_are_refused(tmp_path: Path, font: Font) -> None:
    folder = render_collection(["bag lamb"], font, tmp_path / "set", splits=(1, 0, 0))
    collection = read_lines(folder)
    (folder / "glyphs.json").write_text('{"rendered_0000": [["b", 0, 0, 1, 1]]}')
    with pytest.raises(DataError, match="1 boxes but 7 letters"):
        with_glyphs(collection)
    (folder / "glyphs.json").unlink()
    with pytest.raises(DataError, match="typica lines render"):
        with_glyphs(collection)
