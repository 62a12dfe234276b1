"""Known changes of outlines: exact where they can be, valid fonts; judging them by prototypes."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from tests.helpers import pillow_font
from typica.errors import ConfigError, DataError
from typica.lines.contours import (
    area,
    cut_convex,
    flatten,
    read_contours,
    split_at_heights,
)
from typica.lines.fonts import open_font
from typica.lines.outline_changes import OutlineChange, change_font
from typica.palaeography.prototypes import Prototypes

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import family_documents as documents
import family_judging as judging

EM, X, ASCENT = 1000, 500, 750
KAPPA = 0.5522847498


def rectangle(pen, left, bottom, right, top, clockwise):
    corners = [(left, bottom), (left, top), (right, top), (right, bottom)]
    if not clockwise:
        corners = corners[::-1]
    pen.moveTo(corners[0])
    for corner in corners[1:]:
        pen.lineTo(corner)
    pen.closePath()


def ring(pen, radius, x, y, clockwise, cubic):
    """A circle, as cubic or quadratic pieces."""
    angles = [k * math.pi / 4 * (-1 if clockwise else 1) for k in range(9)]
    point = lambda a, r=radius: (x + r * math.cos(a), y + r * math.sin(a))  # noqa: E731
    pen.moveTo(point(0))
    for a, b in pairwise(angles):
        if cubic:
            k = 4 / 3 * math.tan((b - a) / 4)
            (px, py), (qx, qy) = point(a), point(b)
            first = (px - k * (py - y), py + k * (px - x))
            second = (qx + k * (qy - y), qy - k * (qx - x))
            pen.curveTo(first, second, (qx, qy))
        else:
            pen.qCurveTo(point((a + b) / 2, radius / math.cos((b - a) / 2)), point(b))
    pen.closePath()


def draw(letter, pen, cubic):
    right = not cubic  # TrueType outlines run clockwise, those of CFF the other way
    if letter in "op":
        ring(pen, 255, 300, 245, right, cubic)
        ring(pen, 165, 300, 245, not right, cubic)
    if letter == "p":
        rectangle(pen, 40, -200, 46, 500, right)
    if letter == "l":
        rectangle(pen, 60, 0, 140, ASCENT, right)
    if letter == "x":
        rectangle(pen, 50, 0, 450, X, right)


def make_font(path: Path, cubic: bool) -> Path:
    letters = "olxp"
    builder = FontBuilder(EM, isTTF=not cubic)
    builder.setupGlyphOrder([".notdef", *letters])
    builder.setupCharacterMap({ord(c): c for c in letters})
    if cubic:
        strings = {}
        for name in (".notdef", *letters):
            pen = T2CharStringPen(600, None)
            draw(name, pen, True)
            strings[name] = pen.getCharString()
        builder.setupCFF("Test", {}, strings, {})
    else:
        glyphs = {}
        for name in (".notdef", *letters):
            pen = TTGlyphPen(None)
            draw(name, pen, False)
            glyphs[name] = pen.glyph()
        builder.setupGlyf(glyphs)
    bearings = {".notdef": 0, "o": 45, "l": 60, "x": 50, "p": 40}
    builder.setupHorizontalMetrics({name: (600, left) for name, left in bearings.items()})
    builder.setupHorizontalHeader(ascent=900, descent=-300)
    builder.setupNameTable({"familyName": "Test", "styleName": "Regular", "fullName": "Test"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture(scope="module", params=["ttf", "otf"])
def base(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("font") / f"base.{request.param}"
    return make_font(path, request.param == "otf")


def contours(path, letter):
    with TTFont(path) as font:
        return read_contours(font.getGlyphSet(), font.getBestCmap()[ord(letter)])


def rings(path, letter):
    return [flatten(contour, 2.0) for contour in contours(path, letter)]


def ink_area(path, letter):
    return abs(sum(area(one) for one in rings(path, letter)))


def corners(path, letter):
    return {tuple(p) for contour in contours(path, letter) for piece in contour for p in piece}


def width(path, letter):
    with TTFont(path) as font:
        return font["hmtx"][font.getBestCmap()[ord(letter)]][0]


def black(path, letter, size=500):
    picture = Image.new("L", (size, size))
    face = ImageFont.truetype(str(path), size)
    ImageDraw.Draw(picture).text((size * 0.1, size * 0.7), letter, 255, face, anchor="ls")
    return np.asarray(picture) / 255


def test_slant_moves_every_point_by_its_height_over_half_the_x_height(base, tmp_path):
    out = OutlineChange(slant=10.0).apply(base, tmp_path / f"out{base.suffix}")
    lean = math.tan(math.radians(10))
    expected = {(round(x + lean * (y - X / 2)), y) for x, y in corners(base, "l")}
    assert corners(out, "l") == expected
    assert width(out, "l") == 600


def test_heights_stretch_exactly_between_their_lines(base, tmp_path):
    change = OutlineChange(x_height=1.1, ascender=1.5, descender=0.5, width=1.2)
    out = change.apply(base, tmp_path / f"out{base.suffix}")
    tops = {y for _, y in corners(out, "l")}
    assert tops >= {0.0, 550.0 + 1.5 * (ASCENT - X)}
    assert {x for x, _ in corners(out, "l")} == {72.0, 168.0}
    low = min(y for _, y in corners(out, "p"))
    assert low == round(-10 * 1.1 - 0.5 * 190)  # the foot of o is the line where descenders begin
    assert width(out, "l") == 720
    top = max(y for _, y in corners(out, "o"))
    assert top == round(500 * 1.1)


@pytest.mark.parametrize("amount", [0.02, -0.02])
def test_strokes_change_by_the_stated_amount(base, tmp_path, amount):
    out = OutlineChange(stroke=amount).apply(base, tmp_path / f"out{base.suffix}")
    bar = np.array(sorted(corners(out, "l")))
    assert np.ptp(bar[:, 0]) == 80 + amount * EM
    edges = 2 * math.pi * (255 + 165)  # the area of a ring grows by its two edges times the shift
    grown = ink_area(out, "o") - ink_area(base, "o")
    assert grown == pytest.approx(edges * amount * EM / 2, rel=0.02)
    assert width(out, "o") == 600 + amount * EM
    # the middle of the letter keeps its place between the bearings
    assert np.mean([x for x, _ in corners(out, "o")]) == pytest.approx(300 + amount * EM / 2, abs=1)


def test_no_hairline_turns_inside_out(base, tmp_path):
    """The stem of p is 6 units thin; it stays there, however much is taken away."""
    out = OutlineChange(stroke=-0.08).apply(base, tmp_path / f"out{base.suffix}")
    signs = [np.sign(area(one)) for one in rings(out, "p")]
    assert signs == [np.sign(area(one)) for one in rings(base, "p")]
    assert ink_area(out, "p") < ink_area(base, "p")


@given(st.floats(0, 12), st.floats(0.02, 0.2))
@settings(max_examples=15)
def test_a_gap_takes_what_its_strip_covers(tmp_path_factory, clock, gap):
    folder = tmp_path_factory.mktemp("gap")
    base = make_font(folder / "base.otf", cubic=True)
    out = OutlineChange(gap=gap, clock=clock, letters="o").apply(base, folder / "out.otf")
    # the strip leaves the ring where y, seen along the strip, runs from one circle to the other
    y = np.linspace(-gap * EM / 2, gap * EM / 2, 2001)
    taken = np.trapezoid(np.sqrt(255**2 - y**2) - np.sqrt(165**2 - y**2), y)
    assert ink_area(base, "o") - ink_area(out, "o") == pytest.approx(taken, rel=0.03, abs=150)
    assert len(rings(out, "o")) == 1  # the counter is open: one outline runs around everything
    drawn = (black(base, "o") - black(out, "o")).sum() / 500**2 * EM**2
    assert drawn == pytest.approx(taken, rel=0.05, abs=400)
    assert corners(out, "x") == corners(base, "x")


def test_cutting_agrees_with_pixels():
    """A frame minus a diamond across its corner, counted on a grid of points."""
    outer = np.array([[0, 0], [100, 0], [100, 100], [0, 100]], float)
    inner = np.array([[30, 30], [30, 70], [70, 70], [70, 30]], float)
    shape = np.array([[50, 50], [120, 40], [130, 90], [60, 80]], float)
    left = cut_convex([outer, inner], shape)
    x, y = np.meshgrid(np.arange(-20, 150) + 0.37, np.arange(-20, 150) + 0.41)

    def inside(ring):
        a, b = ring, np.roll(ring, -1, 0)
        up = (a[:, 1, None, None] <= y) & (b[:, 1, None, None] > y)
        down = (a[:, 1, None, None] > y) & (b[:, 1, None, None] <= y)
        rise = (b[:, 1] - a[:, 1])[:, None, None]
        run = (b[:, 0] - a[:, 0])[:, None, None]
        at = a[:, 0, None, None] + (y - a[:, 1, None, None]) * run / np.where(rise == 0, 1, rise)
        return (up & (at > x)).sum(0) - (down & (at > x)).sum(0)

    ink = (inside(outer) + inside(inner) != 0) & (inside(shape) == 0)
    found = sum(inside(ring) for ring in left)
    assert (found != 0).tolist() == ink.tolist()
    assert sum(area(ring) for ring in left) == pytest.approx(ink.sum(), rel=0.01)
    (whole,) = cut_convex([outer], shape + 500)
    assert {tuple(p) for p in whole} == {tuple(p) for p in outer}
    assert len(whole) == 4


def test_splitting_at_heights_leaves_the_curve(base):
    before = contours(base, "o")
    after = split_at_heights(before, [100.0, 245.0])
    assert sum(map(len, after)) > sum(map(len, before))
    for one, other in zip(before, after, strict=True):
        assert area(flatten(one, 1.0)) == pytest.approx(area(flatten(other, 1.0)), rel=1e-3)
        for piece in other:
            for height in (100.0, 245.0):
                ends = piece[[0, -1], 1]
                assert (ends >= height - 1e-6).all() or (ends <= height + 1e-6).all()


def test_nothing_changes_by_default(base, tmp_path):
    out = OutlineChange().apply(base, tmp_path / f"out{base.suffix}")
    for letter in "olxp":
        assert ink_area(out, letter) == pytest.approx(ink_area(base, letter), rel=2e-3)
    assert all(corners(out, letter) == corners(base, letter) for letter in "olxp")
    assert np.abs(black(out, "p") - black(base, "p")).mean() < 1e-3


def test_only_the_named_letters_change_and_changes_add_up(base, tmp_path):
    changes = [OutlineChange(slant=5.0, letters="l"), OutlineChange(stroke=0.02, letters="lx")]
    out = change_font(base, changes, tmp_path / f"out{base.suffix}")
    assert corners(out, "p") == corners(base, "p")
    assert width(out, "x") == width(out, "l") == 620
    again = change_font(base, changes[::-1], tmp_path / f"again{base.suffix}")
    assert corners(again, "l") == corners(out, "l")


def test_the_same_change_gives_the_same_bytes_and_a_font_that_draws(tmp_path):
    source = pillow_font(tmp_path)
    change = OutlineChange(
        slant=4.0, stroke=0.01, ascender=1.2, gap=0.08, clock=7.5, letters="abdegopq"
    )
    one = change.apply(source, tmp_path / "one" / "out.otf")
    two = change.apply(source, tmp_path / "two" / "out.otf")
    assert one.read_bytes() == two.read_bytes()
    font = open_font(one)
    assert font.characters == open_font(source).characters
    assert "out" in font.name
    for letter in "abdegopq":
        assert 0.02 < np.abs(black(one, letter) - black(source, letter)).sum() / 500 < 40
    assert (black(one, "z") == black(source, "z")).all()


@pytest.mark.parametrize(
    "values", [{"slant": 40}, {"stroke": 0.2}, {"width": 0.1}, {"gap": -0.1}, {"clock": 13}]
)
def test_what_cannot_work_is_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        OutlineChange(**values)


def test_fonts_that_cannot_be_changed_are_named(base, tmp_path):
    with pytest.raises(DataError, match="lacks ä"):
        OutlineChange(letters="ä").apply(base, tmp_path / "out.ttf")
    with pytest.raises(DataError, match="bowl"):
        OutlineChange(gap=0.1, letters="l").apply(base, tmp_path / "out.ttf")
    (tmp_path / "none.ttf").write_bytes(b"no font")
    with pytest.raises(DataError, match=r"none\.ttf"):
        OutlineChange().apply(tmp_path / "none.ttf", tmp_path / "out.ttf")
    assert not list(tmp_path.glob("out*"))


# ---- judging


def synthetic(seed=0, family=1.0, outlier=False, noise=0.0, letters=6, documents_=8):
    """Prototypes that are random patterns, and the distances of these patterns as the truth."""
    rng = np.random.default_rng(seed)
    half = documents_ // 2
    called = ["A"] * half + ["B"] * half
    drawn = list(called)
    if outlier:
        drawn[half - 1] = "B"
    side = family * rng.normal(size=(letters, 8, 8))
    own = rng.normal(size=(documents_, letters, 8, 8))
    true = own + np.array([one == "B" for one in drawn])[:, None, None, None] * side
    apart = np.sqrt(np.square(true[:, None] - true[None]).sum((3, 4))).transpose(2, 0, 1)
    names = tuple(f"d{g}" for g in range(documents_))
    alphabet = tuple("abcdefghij"[:letters])
    pictures = true + noise * rng.normal(size=true.shape)
    truth = documents.Truth(
        alphabet, names, tuple(called), tuple(drawn), true.astype(np.float32), apart, {}
    )
    prototypes = Prototypes(
        alphabet,
        names,
        tuple(called),
        pictures.mean(0),
        pictures,
        np.full((documents_, letters), 9),
        np.zeros_like(pictures),
    )
    return prototypes, truth


def test_perfect_prototypes_are_judged_perfect():
    found = judging.judge(*synthetic(family=2.0), cleaned=False)
    assert found["correlation"]["documents"] == pytest.approx(1)
    assert found["correlation"]["pooled"] == pytest.approx(1)
    assert found["correlation"]["letters_median"] == pytest.approx(1)
    assert found["accuracy"] == 1
    assert found["tree_recovered"]
    assert found["outliers"] == found["planted"] == []
    assert found["separation_p"] <= 2 / 70 + 1e-12


def test_a_planted_document_is_found_and_the_tree_puts_it_where_it_was_drawn():
    found = judging.judge(*synthetic(family=2.0, outlier=True, documents_=12))
    assert found["planted"] == found["outliers"] == ["d5"]
    assert found["tree_recovered"]
    assert found["accuracy"] == pytest.approx(11 / 12)


def test_noise_lowers_the_correlation_and_unrelated_pictures_have_none():
    clear, truth = synthetic(noise=0.3)
    noisy, _ = synthetic(noise=4.0)
    other = replace(clear, pictures=synthetic(seed=9)[0].pictures)
    value = [judging.judge(p, truth)["correlation"]["pooled"] for p in (clear, noisy, other)]
    assert value[0] > 0.9
    assert value[0] > value[1] + 0.1
    assert abs(value[2]) < 0.6


def test_order_and_further_groups_and_letters_do_not_matter():
    prototypes, truth = synthetic(noise=0.5)
    turned = prototypes.some_groups([5, 3, 0, 1, 2, 4, 7, 6]).some_letters([3, 1, 0, 2, 5, 4])
    assert judging.judge(turned, truth) == judging.judge(prototypes, truth)
    with pytest.raises(ValueError, match="lack d7"):
        judging.judge(prototypes.some_groups(list(range(7))), truth)


def test_rare_letters_take_no_part():
    prototypes, truth = synthetic()
    counts = prototypes.counts.copy()
    counts[:, 2] = 4
    found = judging.judge(replace(prototypes, counts=counts), truth)
    assert found["letters_used"] == 5
    assert found["correlation"]["letters"]["c"] is None


def test_outline_distances_are_those_of_shifted_squares():
    square = documents._dense(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float), 0.01)
    moved = square + np.array([5.0, 0.0])
    found = documents.outline_distances([[square], [moved]])
    brute = np.linalg.norm(square[:, None] - moved[None], axis=2)
    assert found[0, 0, 1] == pytest.approx((brute.min(1).mean() + brute.min(0).mean()) / 2)
    assert found[0, 0, 0] == 0


def test_documents_are_planned_from_the_seed_alone():
    options = documents.FamilyOptions(outlier=True)
    plan = documents.plan(options)
    assert plan == documents.plan(options)
    assert plan != documents.plan(replace(options, seed=1))
    assert [row[1] for row in plan] == ["A"] * 6 + ["B"] * 6
    assert [row[0] for row in plan if row[1] != row[2]] == ["doc06"]
    null = documents.plan(replace(options, outlier=False, family=0.0))
    assert null[11][3] == plan[11][3][2:]  # what is its own does not hang on its family
    lines = documents.texts_of(options)
    assert len({line for document in lines for line in document}) == 12 * options.lines
