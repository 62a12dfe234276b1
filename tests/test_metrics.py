"""Metrics of a hand: what is known of made-up lines must be found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import ConfigError
from typica.files import finite
from typica.lines.line import SPACE, Box
from typica.typewriter.metrics import MetricsOptions, _kerning, fixed_metrics, measure
from typica.typewriter.placements import placements_of
from typica.typewriter.reading import LineReading, PlacedGlyph
from typica.typewriter.robust import (
    group_lines,
    group_medians,
    half_sample_mode,
    huber_weights,
    spread_of,
)

# letter: scale, ink in the sprite, depth below the baseline, left and right bearing
LETTERS = {
    "a": (0.9, Box(8, 20, 22, 38), 0.0, 1.0, 1.5),
    "n": (1.0, Box(8, 20, 26, 36), 0.0, 1.2, 1.3),
    "o": (0.8, Box(6, 16, 22, 36), 0.1, 0.6, 0.7),
    "p": (1.1, Box(9, 14, 21, 34), 6.0, 1.1, 0.9),
    "l": (1.0, Box(10, 10, 15, 37), 0.0, 1.5, 1.5),
    "t": (1.2, Box(11, 18, 19, 37), 0.2, 0.3, 0.5),
    "A": (1.0, Box(5, 13, 29, 38), 0.0, 0.2, -0.4),
    ".": (1.0, Box(14, 30, 17, 33), 0.0, 1.0, 2.0),
    "q": (1.0, Box(9, 20, 21, 40), 5.0, 1.0, 1.0),  # never placed
}
NAMES = list(LETTERS)
BOXES = [values[1] for values in LETTERS.values()]
KERN = {("A", "t"): -2.0, ("t", "o"): 1.5}
SPACE_WIDTH = 9.0
MODEL = 48


def line(name: str, text: str, rng: np.random.Generator, noise: float = 0.0) -> LineReading:
    """A line of its own size, offset, slope and resolution."""
    size, slope = np.exp(rng.normal(0, 0.08)), rng.normal(0, 0.01)
    base, factor = 30 + rng.normal(0, 2), rng.uniform(0.5, 2.0)
    glyphs = []
    pen, before = 8.0, ""
    for symbol in text:
        if symbol == SPACE:
            pen += SPACE_WIDTH * size
            before = ""
            continue
        scale, ink, depth, left, right = LETTERS[symbol]
        pen += size * (left + KERN.get((before, symbol), 0.0)) + rng.normal(0, noise)
        wide, high = ink.width * scale * size, ink.height * scale * size
        bottom = base + slope * (pen + wide / 2) + size * depth + rng.normal(0, noise)
        box = Box(*(factor * v for v in (pen, bottom - high, pen + wide, bottom)))
        glyphs.append(
            PlacedGlyph(symbol, NAMES.index(symbol), box, 0.9, float(scale * size), (0, 0, 0))
        )
        pen += wide + size * right
        before = symbol
    return LineReading(name, round(factor * 2000), round(factor * MODEL), tuple(glyphs))


def lines(count: int = 60, noise: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    readings, truths = [], {}
    for number in range(count):
        words = [
            "".join(rng.choice([*"aanoplt"], rng.integers(2, 6))) for _ in range(rng.integers(3, 7))
        ]
        words[0] = "At" + words[0]
        text = " ".join(words) + "."
        found = line(f"l{number}", text, rng, noise)
        # heights are whole pixels, so the factor is not quite that of the boxes
        factor = found.height / MODEL
        exact = found.glyphs[0].box.width / factor
        want = BOXES[NAMES.index("A")].width * found.glyphs[0].scale
        glyphs = tuple(
            PlacedGlyph(
                g.symbol,
                g.sprite,
                Box(
                    *(v * want / exact for v in (g.box.left, g.box.top, g.box.right, g.box.bottom))
                ),
                g.confidence,
                g.scale,
                g.colour,
            )
            for g in found.glyphs
        )
        readings.append(LineReading(found.line, found.width, found.height, glyphs))
        truths[found.line] = list(text)
    return readings, truths


def test_a_hand_is_found_again():
    readings, truths = lines(noise=0.25)
    metrics = measure(placements_of(readings, truths, BOXES, MODEL), BOXES, [(n,) for n in NAMES])
    known = [k for k, n in enumerate(NAMES) if n != "q"]
    ratio = metrics.scale[known] / [LETTERS[NAMES[k]][0] for k in known]
    assert ratio.max() / ratio.min() < 1.01
    unit = float(np.median(ratio))  # the size of the median line
    assert 0.9 < unit < 1.1
    depth = np.array([LETTERS[n][2] for n in NAMES])
    assert np.allclose(metrics.depth[known], unit * depth[known], atol=0.35)
    for a in "anoplt":
        for b in "anoplt":
            gap = LETTERS[a][4] + LETTERS[b][3] + KERN.get((a, b), 0.0)
            i, j = NAMES.index(a), NAMES.index(b)
            found = metrics.right[i] + metrics.left[j] + metrics.kerning.get((i, j), 0.0)
            assert found == pytest.approx(unit * gap, abs=0.3), (a, b)
    named = {(NAMES[i], NAMES[j]): value for (i, j), value in metrics.kerning.items()}
    assert named.keys() == {("t", "o")}  # A is always followed by t: that is its bearing
    assert named["t", "o"] == pytest.approx(unit * 1.5, abs=0.4)
    assert metrics.measured_space
    assert metrics.space == pytest.approx(unit * SPACE_WIDTH, abs=0.6)
    assert metrics.descender == pytest.approx(unit * 6.0, abs=0.4)
    assert metrics.ascender == pytest.approx(unit * 27.0, abs=0.5)
    assert metrics.x_height == pytest.approx(unit * 16.1, abs=0.6)
    assert metrics.cap_height == pytest.approx(unit * 25.0, abs=0.5)
    assert metrics.lines == 60
    assert metrics.counts[NAMES.index("q")] == 0
    assert np.isnan(metrics.confidence[NAMES.index("q")])


def test_a_letter_never_placed_gets_what_the_others_have():
    readings, truths = lines()
    metrics = measure(placements_of(readings, truths, BOXES, MODEL), BOXES, [(n,) for n in NAMES])
    q = NAMES.index("q")
    assert metrics.scale[q] == pytest.approx(float(np.median(metrics.scale[:-1])), rel=0.02)
    offsets = metrics.depth - np.array([b.bottom for b in BOXES]) * metrics.scale
    assert offsets[q] == pytest.approx(float(np.median(offsets[:-1])), abs=0.5)
    assert metrics.left[q] == pytest.approx(metrics.right[q])
    assert 0 < metrics.left[q] < 3


def test_wrong_readings_do_not_count_where_the_text_is_known():
    readings, truths = lines(20)
    spoilt = []
    for reading in readings:
        odd = PlacedGlyph("q", 8, Box(0, 0, 12, 20), 0.2, 1.0, (0, 0, 0))
        # the second glyph is read wrong: neither it nor its gaps count
        glyphs = (reading.glyphs[0], odd, *reading.glyphs[2:])
        spoilt.append(LineReading(reading.line, reading.width, reading.height, glyphs))
    placed = placements_of(spoilt, truths, BOXES, MODEL)
    whole = placements_of(readings, truths, BOXES, MODEL)
    assert 8 not in placed.sprite
    assert len(placed) == len(whole) - 20
    assert len(placed.before) == len(whole.before) - 40
    # without a text everything counts, and spaces are those of the reading
    blind = placements_of(readings, {}, BOXES, MODEL)
    assert len(blind) == len(whole)
    assert not blind.space.any()
    assert whole.space.any()


def glyph(sprite: int, left: float, **changes) -> PlacedGlyph:
    ink = BOXES[sprite]
    box = Box(left, 20, left + ink.width, 20 + ink.height)
    values = {"symbol": NAMES[sprite], "sprite": sprite, "box": box, "confidence": 0.9}
    return PlacedGlyph(**{**values, "scale": 1.0, "colour": (0, 0, 0), **changes})


def placed(*glyphs: PlacedGlyph, unread: tuple[PlacedGlyph, ...] = ()):
    reading = LineReading("x", 500, MODEL, glyphs, None, unread)
    return placements_of([reading], {}, BOXES, MODEL)


def test_boxes_that_are_not_their_sprites_are_left_out():
    cut = glyph(0, 0.0, box=Box(0, 20, 9, 38))  # cut off at the edge of the line
    found = placed(cut, glyph(1, 20), glyph(2, 45), glyph(3, 70, placements=2))
    assert found.sprite.tolist() == [1, 2]
    assert (found.before.tolist(), found.after.tolist()) == ([0], [1])
    assert found.strange == pytest.approx(1 / 3)


def test_what_was_placed_between_two_letters_parts_them():
    apart = placed(glyph(0, 10), glyph(1, 60), unread=(glyph(4, 40, symbol=""),))
    assert apart.sprite.tolist() == [0, 1, 4]  # it stands for nothing, but stands somewhere
    assert len(apart.before) == 0
    assert len(placed(glyph(0, 10), glyph(1, 60), unread=(glyph(4, 90, symbol=""),)).before) == 1


def test_letters_that_share_a_sprite_are_one_placement():
    ink = BOXES[1]
    half = ink.width / 2
    first = glyph(1, 40, symbol="c", box=Box(40, 20, 40 + half, 20 + ink.height))
    second = glyph(
        1, 40, symbol="h", box=Box(40 + half, 20, 40 + ink.width, 20 + ink.height), placements=0
    )
    found = placed(glyph(0, 10), first, second, glyph(2, 70))
    assert found.sprite.tolist() == [0, 1, 2]
    assert len(found.before) == 2
    joined = glyph(2, 70, also=(3,))  # two sprites that have one name: not the box of either
    assert placed(glyph(0, 10), joined).sprite.tolist() == [0]


def test_without_placements_the_measures_are_fixed():
    metrics = measure(placements_of([], {}, BOXES, MODEL), BOXES, [(n,) for n in NAMES])
    again = fixed_metrics(BOXES, [(n,) for n in NAMES])
    assert finite(metrics.as_dict()) == finite(again.as_dict())
    assert metrics.lines == 0
    assert not metrics.measured_space
    assert np.all(metrics.scale == 1)
    assert metrics.kerning == {}
    assert np.allclose(metrics.left, 0.05 * metrics.em)
    # most letters end in rows 36 to 38: that is where the line is
    assert -1.5 < metrics.depth[NAMES.index("n")] < 1.5
    width = metrics.width(1, BOXES[1])
    assert width == pytest.approx(18 + 0.1 * metrics.em)
    assert metrics.corner(1, BOXES[1]) == pytest.approx(
        (metrics.left[1] - 8, metrics.depth[1] - 36)
    )


def test_an_unknown_script_has_measures_too():
    readings, _ = lines()
    metrics = measure(placements_of(readings, {}, BOXES, MODEL), BOXES, [()] * len(NAMES))
    assert metrics.cap_height is None
    assert 10 < metrics.x_height < metrics.ascender


def test_nonsense_has_bounded_measures():
    rng = np.random.default_rng(3)
    readings = []
    for number in range(20):
        glyphs = []
        for sprite in rng.integers(0, len(NAMES), 12):
            scale, ink = float(np.exp(rng.normal(0, 1.5))), BOXES[sprite]
            left, top = rng.uniform(0, 400), rng.uniform(-300, 300)
            box = Box(left, top, left + ink.width * scale, top + ink.height * scale)
            spaced = bool(rng.random() < 0.3)
            glyphs.append(PlacedGlyph(NAMES[sprite], sprite, box, 0.1, scale, (0, 0, 0), spaced))
        readings.append(LineReading(f"l{number}", 500, MODEL, tuple(glyphs)))
    metrics = measure(placements_of(readings, {}, BOXES, MODEL), BOXES, [(n,) for n in NAMES])
    tall = max(box.height * s for box, s in zip(BOXES, metrics.scale, strict=True))
    assert metrics.em >= tall
    for values in (metrics.depth, metrics.left, metrics.right):
        assert np.isfinite(values).all()
        assert np.abs(values).max() <= metrics.em
    assert metrics.space >= 0.05 * metrics.em
    assert metrics.scale.max() / metrics.scale.min() <= 9.001


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-5, 5)), max_size=30))
def test_medians_by_group_are_those_of_numpy(pairs):
    groups = np.array([g for g, _ in pairs], np.int64)
    values = np.array([v for _, v in pairs], np.float64)
    found = group_medians(values, groups, 5)
    for group in range(5):
        some = values[groups == group]
        expected = np.median(some) if len(some) else np.nan
        assert found[group] == pytest.approx(expected, nan_ok=True)


@settings(max_examples=50)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40))
def test_the_mode_lies_among_the_values(values):
    assert min(values) - 1e-9 <= half_sample_mode(np.array(values)) <= max(values) + 1e-9


def test_the_mode_is_where_most_values_are():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(3, 0.1, 300), rng.uniform(-20, 20, 300), [50] * 5])
    assert half_sample_mode(values) == pytest.approx(3, abs=0.2)


def test_lines_are_those_of_least_squares_and_outliers_hardly_matter():
    rng = np.random.default_rng(1)
    x, groups = rng.uniform(0, 500, 60), np.repeat([0, 2], 30)
    y = np.where(groups == 0, 3 + 0.01 * x, -2 - 0.02 * x) + rng.normal(0, 0.05, 60)
    middle, height, slope = group_lines(x, y, groups, 3, 1e-9, rounds=1)
    for group in (0, 2):
        one = groups == group
        expected = np.polyfit(x[one], y[one], 1)
        assert slope[group] == pytest.approx(expected[0])
        assert height[group] == pytest.approx(np.polyval(expected, middle[group]))
    y[[3, 40]] += 25
    _, _, slope = group_lines(x, y, groups, 3, 1e-9, rounds=8)
    assert slope[[0, 2]] == pytest.approx([0.01, -0.02], abs=0.002)
    assert slope[1] == 0
    _, _, level = group_lines(x, y, groups, 3, 1e12)
    assert np.abs(level).max() < 1e-4


def test_spread_and_weights():
    values = np.random.default_rng(0).normal(2, 3, 5000)
    assert spread_of(values) == pytest.approx(3, rel=0.05)
    assert spread_of(np.array([])) == 0
    assert huber_weights(np.array([0.0, 1.0, -3.0]), 1.0).tolist() == [1, 1, 0.5]


@pytest.mark.parametrize("change", [{"kern_pairs": 0}, {"pull": 0}, {"space_weight": 2}])
def test_options_that_cannot_work_are_refused(change):
    with pytest.raises(ConfigError):
        MetricsOptions(**change)


def test_letters_that_never_stand_side_by_side_have_no_kerning():
    """Every line holds one letter, or letters too far apart to be neighbours."""
    nothing = np.empty(0, dtype=np.int64)
    bearings = np.ones(2)
    found = _kerning(nothing, nothing, np.empty(0), bearings, bearings, 30.0, MetricsOptions())
    assert found == {}
