"""Colours of a heat-map, and small pictures."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from typica.mining.overlays import (
    COLOURS,
    crop,
    diverging,
    encode_webp,
    quantised,
    reduced_map,
    reduced_picture,
    symmetric_scale,
)
from typica.values import Box

FINITE = st.floats(-1e3, 1e3, width=32)


def lightness(colour: np.ndarray) -> float:
    return float(np.asarray(colour, float) @ [0.2126, 0.7152, 0.0722])


def test_zero_is_neutral_and_both_sides_darken():
    assert tuple(diverging(np.array(0.0), 1.0)) == COLOURS[len(COLOURS) // 2]
    assert tuple(diverging(np.array(np.nan), 1.0)) == COLOURS[len(COLOURS) // 2]
    neutral = diverging(np.array(0.0), 1.0).astype(int)
    assert np.ptp(neutral) < 16  # no hue
    for sign in (-1, 1):
        steps = [lightness(c) for c in diverging(sign * np.linspace(0, 1, 9), 1.0)]
        assert all(a > b for a, b in itertools.pairwise(steps))
    low, high = diverging(np.array([-1.0, 1.0]), 1.0).astype(int)
    assert low[2] > low[0]
    assert high[0] > high[2]


def test_the_colours_end_at_the_scale():
    found = diverging(np.array([-5.0, -2.0, 2.0, 5.0]), 2.0)
    assert tuple(found[0]) == tuple(found[1]) == COLOURS[0]
    assert tuple(found[2]) == tuple(found[3]) == COLOURS[-1]


@given(st.floats(-2, 2))
def test_colours_lie_between_their_neighbours(value):
    found = diverging(np.array(value), 1.0).astype(int)
    place = (min(1, max(-1, value)) + 1) / 2 * (len(COLOURS) - 1)
    low = min(len(COLOURS) - 2, int(place))
    for channel in range(3):
        a, b = COLOURS[low][channel], COLOURS[low + 1][channel]
        assert abs(found[channel] - (a + (place - low) * (b - a))) <= 0.51


@given(arrays.arrays(np.float32, st.integers(1, 40), elements=FINITE))
def test_a_scale_holds_most_values(values):
    scale = symmetric_scale(values, 1.0)
    assert scale > 0
    top = float(np.abs(values.astype(float)).max())
    assert top <= scale * 1.001
    if top > 0:
        assert scale <= top * 2  # not wastefully wide
        mantissa = scale / 10 ** np.floor(np.log10(scale) + 1e-9)
        assert min(abs(mantissa - f) for f in (1, 1.5, 2, 3, 5, 7, 10)) < 1e-3


def test_a_scale_without_values():
    assert symmetric_scale(np.zeros(0)) == symmetric_scale(np.full(3, np.nan)) == 1.0


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 23), st.integers(1, 23)), elements=FINITE),
    st.integers(1, 25),
)
def test_a_reduced_map_keeps_the_mean(values, longest):
    small = reduced_map(values, longest)
    assert max(small.shape) <= max(longest, 1)
    assert small.mean() == pytest.approx(values.astype(float).mean(), rel=1e-6, abs=1e-6)
    assert small.min() >= values.min() - 1e-3
    assert small.max() <= values.max() + 1e-3


def test_a_reduced_map_by_the_plain_formula():
    """Each new cell is the mean over a fine raster of points that fall into it."""
    values = np.random.default_rng(0).normal(size=(9, 6))
    small = reduced_map(values, 4)
    assert small.shape == (4, 3)
    fine = np.kron(values, np.ones((4, 1)))  # 36 rows: whole quarters of 9
    plain = fine.reshape(4, 9, 3, 2).mean((1, 3))
    np.testing.assert_allclose(small, plain, atol=1e-12)


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=FINITE))
def test_bytes_are_within_half_a_unit(values):
    cells, unit = quantised(values)
    assert cells.dtype == np.int8
    assert unit > 0
    assert np.abs(cells * unit - values).max() <= unit * 0.5001 + 1e-30


def test_bytes_of_what_is_not_finite():
    cells, unit = quantised(np.array([np.nan, np.inf, 1.0]))
    assert cells.tolist() == [0, 0, 127]
    assert unit == pytest.approx(1 / 127)
    assert quantised(np.zeros((2, 2)))[1] > 0


def test_a_patch_is_what_lies_in_the_box():
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[20:60, 100:140] = (255, 0, 0)
    # the original was twice as large
    patch = np.asarray(crop(pixels, Box(200, 40, 280, 120), 400, 200, 24))
    assert patch.shape == (24, 24, 3)
    # the filter reaches a little over the edge of the box
    assert np.abs(patch[2:-2, 2:-2].astype(int) - (255, 0, 0)).max() < 8
    assert patch[..., 0].min() > 200
    shifted = np.asarray(crop(pixels, Box(160, 40, 240, 120), 400, 200, 40))
    assert (shifted[3:-3, :15] < 8).all()
    assert (shifted[3:-3, 25:-3, 0] > 247).all()


def test_a_patch_keeps_its_shape_and_survives_odd_boxes():
    pixels = np.full((50, 80, 3), 99, np.uint8)
    assert crop(pixels, Box(0, 0, 40, 20), 80, 50, 32).size == (32, 16)
    for box in (Box(-20, -20, 5, 5), Box(500, 500, 520, 520), Box(79.9, 49.9, 80, 50)):
        assert (np.asarray(crop(pixels, box, 80, 50, 16)) == 99).all()


def test_pictures_are_reduced_never_enlarged():
    pixels = np.zeros((30, 90, 3), np.uint8)
    assert reduced_picture(pixels, 100) is pixels
    assert reduced_picture(pixels, 45).shape == (15, 45, 3)
    assert reduced_picture(np.zeros((1, 500, 3), np.uint8), 10).shape == (1, 10, 3)


def test_webp():
    pixels = np.full((12, 17, 3), (200, 100, 50), np.uint8)
    image = Image.open(io.BytesIO(encode_webp(pixels, 80)))
    assert image.format == "WEBP"
    assert image.size == (17, 12)
    assert np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels).max() < 8
