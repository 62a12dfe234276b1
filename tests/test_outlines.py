"""Outlines of sprites: rings by marching squares, curves along them, and what they cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, spatial

from typica.errors import ConfigError
from typica.typewriter.bezier import crosses_itself, fit_ring, flatten, straight_ring
from typica.typewriter.contours import level_rings, ring_area
from typica.typewriter.ink import ink_pieces
from typica.typewriter.outlines import (
    Outline,
    OutlineOptions,
    agreement,
    clean_sprite,
    coverage,
    outline_of,
    svg_path,
)

from .hand_helpers import bar, blob, disc


def winding(points: np.ndarray, x: float, y: float) -> int:
    """How often a polygon runs around a point, clockwise as seen: angles added up, plainly."""
    total = 0.0
    for (ax, ay), (bx, by) in zip(points - (x, y), np.roll(points, -1, 0) - (x, y), strict=True):
        total += np.arctan2(ax * by - ay * bx, ax * bx + ay * by)
    return round(total / (2 * np.pi))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.7]), st.sampled_from([0.3, 0.5]))
def test_rings_separate_what_is_above_from_what_is_not(seed, blur, level):
    values = np.random.default_rng(seed).random((6, 7))
    values = ndimage.gaussian_filter(values, blur) if blur else np.round(values, 1)
    rings = level_rings(values, level)
    for y in range(6):
        for x in range(7):
            around = sum(winding(ring, x + 0.5, y + 0.5) for ring in rings)
            assert around == int(values[y, x] > level)
    assert not crosses_itself(rings).any()


def test_the_middle_of_a_saddle_decides_what_is_joined():
    apart = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert len(level_rings(apart, 0.55)) == 2
    assert len(level_rings(apart, 0.45)) == 1
    assert len(level_rings(apart[::-1], 0.55)) == 2
    assert len(level_rings(apart[::-1], 0.45)) == 1
    assert level_rings(np.zeros((3, 3)), 0.5) == []


def test_the_area_of_a_ring_has_a_sign():
    square = np.array([[0, 0], [2, 0], [2, 3], [0, 3]], float)
    assert ring_area(square) == 6
    assert ring_area(square[::-1] + 100) == -6


@settings(max_examples=10, deadline=None)
@given(st.floats(3, 12), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_disc_has_its_area_and_its_place(radius, dx, dy):
    outline = outline_of(disc(radius, 18 + dx, 24 + dy))
    assert len(outline.rings) == 1
    assert outline.area == pytest.approx(np.pi * radius**2, rel=0.03)
    left, top, right, bottom = outline.box
    assert (left, right) == pytest.approx((18 + dx - radius, 18 + dx + radius), abs=0.15)
    assert (top, bottom) == pytest.approx((24 + dy - radius, 24 + dy + radius), abs=0.15)


@settings(max_examples=8, deadline=None)
@given(st.floats(2.5, 6), st.floats(4, 8))
def test_a_hole_is_taken_away_and_runs_the_other_way(hole, more):
    radius = hole + more
    outline = outline_of(disc(radius, hole=hole))
    outer, inner = (ring_area(flatten(ring, 16)) for ring in outline.rings)
    assert outer > 0 > inner
    assert outline.area == pytest.approx(np.pi * (radius**2 - hole**2), rel=0.04)
    assert coverage(outline, 48, 36)[24, 18] == 0


def test_two_pieces_are_two_rings():
    outline = outline_of(np.maximum(disc(5, 9, 12), disc(6, 24, 34)))
    areas = [ring_area(flatten(ring, 16)) for ring in outline.rings]
    assert areas == pytest.approx([np.pi * 36, np.pi * 25], rel=0.03)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_what_the_outline_covers_is_the_ink(seed):
    sprite = blob(seed)
    outline = outline_of(sprite)
    assert agreement(outline, sprite) > 0.93
    assert outline.area == pytest.approx(ink_pieces(sprite).sum(), rel=0.05)
    assert not crosses_itself([flatten(ring) for ring in outline.rings]).any()
    drawn = coverage(outline, *sprite.shape)
    assert drawn.sum() == pytest.approx(outline.area, rel=0.02)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.03, 0.08, 0.3]))
def test_curves_keep_within_their_tolerance(seed, tolerance):
    for ring in level_rings(ndimage.zoom(blob(seed), 3, order=3), 0.5):
        if len(ring) < 60:
            continue
        curves = fit_ring(ring, tolerance, 70.0, 2.0)
        assert np.array_equal(curves[:, 3], np.roll(curves[:, 0], -1, 0))  # closed
        far, _ = spatial.cKDTree(flatten(curves, 500)).query(ring)
        assert far.max() <= tolerance + 0.005  # for the curve's points are not quite dense
        assert len(curves) < len(ring) / 2


def test_a_wider_tolerance_needs_fewer_pieces():
    fine, coarse = (
        outline_of(blob(3), OutlineOptions(tolerance=tolerance)) for tolerance in (0.02, 0.3)
    )
    assert sum(map(len, coarse.rings)) < 0.7 * sum(map(len, fine.rings))


def test_corners_stay_and_straight_sides_stay_straight():
    outline = outline_of(bar(8, 10, 28, 38), OutlineOptions(blur=0.0))
    assert outline.area == pytest.approx(20 * 28, rel=0.005)
    assert np.allclose(outline.box, (8, 10, 28, 38), atol=0.1)


@pytest.mark.parametrize(("x", "y"), [(3, 3), (30, 24)])
def test_specks_are_dropped(x, y):
    sprite = disc(8)
    sprite[y, x] = sprite[y + 1, x] = 1.0
    assert len(outline_of(sprite).rings) == 1
    clean = clean_sprite(sprite)
    assert clean[y, x] == 0
    # nothing of the letter is lost
    assert np.array_equal(clean[ink_pieces(sprite)], sprite[ink_pieces(sprite)])
    dot = np.maximum(disc(8), disc(2.5, 18, 11))  # as over an i
    assert len(outline_of(dot).rings) == 2


def test_a_sprite_without_ink_has_no_outline_and_a_faint_one_the_same():
    assert outline_of(np.zeros((9, 9), np.float32)).rings == ()
    assert Outline(()).box is None
    assert Outline(()).area == 0
    assert agreement(Outline(()), np.zeros((9, 9), np.float32)) == 1
    full, faint = outline_of(disc(7)), outline_of(0.3 * disc(7))
    assert faint.box == pytest.approx(full.box, abs=0.02)
    assert faint.area == pytest.approx(full.area, rel=0.005)


def test_curves_that_cross_are_noticed():
    eight = np.array([[0, 0], [2, 2], [2, 0], [0, 2]], float)
    far = np.array([[10, 0], [12, 0], [12, 2]], float)
    assert crosses_itself([eight, far]).tolist() == [True, False]
    assert crosses_itself([far, far + 0.5]).tolist() == [True, True]
    assert crosses_itself([]).tolist() == []
    assert not crosses_itself([flatten(straight_ring(far))]).any()


def test_the_path_is_what_the_curves_are():
    outline = outline_of(disc(6))
    path = svg_path(outline, 2.0, 5.0, -1.0)
    assert path.count("M") == path.count("Z") == 1
    assert path.count("C") == len(outline.rings[0])
    start = [float(v) for v in path[1 : path.index("C")].split()]
    assert start == pytest.approx(outline.rings[0][0, 0] * 2 + [5, -1], abs=0.01)


@pytest.mark.parametrize("change", [{"factor": 0}, {"tolerance": 0}, {"corner": 200}, {"blur": -1}])
def test_options_that_cannot_work_are_refused(change):
    with pytest.raises(ConfigError):
        OutlineOptions(**change)
