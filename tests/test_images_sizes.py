"""Working sizes, and coordinates there and back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typica.errors import ConfigError
from typica.images.picture import Picture
from typica.images.sizes import Scaling, working_size
from typica.values import Box

sides = st.integers(1, 20_000)
factors = st.sampled_from([1, 4, 8, 16])


@given(sides, sides, st.integers(16, 1024), factors)
def test_working_size_is_the_nearest_multiple(width, height, size, factor):
    new = working_size(width, height, size, factor)
    assert all(side % factor == 0 and side >= factor for side in new)
    assert (width <= height) == (new[0] <= new[1]) or new[0] == new[1]
    short, long = sorted(new)
    assert abs(short - size) <= Fraction(factor, 2) or short == factor
    wanted = Fraction(max(width, height) * short, min(width, height))
    assert abs(long - wanted) <= Fraction(factor, 2)


@given(sides, sides, st.integers(16, 1024), factors)
def test_turning_a_picture_turns_its_working_size(width, height, size, factor):
    assert (
        working_size(width, height, size, factor) == working_size(height, width, size, factor)[::-1]
    )


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ((200, 200, 64, 4), (64, 64)),
        ((756, 512, 512, 8), (760, 512)),  # 756 lies in the middle: up
        ((640, 480, 256, 8), (344, 256)),
        ((30, 40, 100, 8), (104, 136)),  # 100 lies in the middle: up
        ((1, 1, 2, 8), (8, 8)),
    ],
)
def test_known_sizes(given_, wanted):
    assert working_size(*given_) == wanted


@pytest.mark.parametrize("bad", [(0, 5, 64, 8), (5, 5, 0, 8), (5, 5, 64, 0), (-1, 5, 64, 8)])
def test_sizes_below_one_are_refused(bad):
    with pytest.raises(ConfigError):
        working_size(*bad)


@given(st.data(), sides, sides, st.integers(16, 1024), factors)
def test_whole_pixels_come_back_exactly(data, width, height, size, factor):
    scaling = Scaling((width, height), working_size(width, height, size, factor))
    box = Box(*(data.draw(st.integers(0, side)) for side in (*scaling.working, *scaling.working)))
    assert scaling.to_working(scaling.to_original(box)) == box
    box = Box(*(data.draw(st.integers(0, side)) for side in (*scaling.original, *scaling.original)))
    assert scaling.to_original(scaling.to_working(box)) == box


@given(sides, sides, st.floats(0, 20_000), st.integers(16, 1024), factors)
def test_any_place_is_mapped_by_the_ratio_of_its_axis(width, height, place, size, factor):
    work = working_size(width, height, size, factor)
    box = Scaling((width, height), work).to_working(Box(place, place, place, place))
    assert box.left == pytest.approx(place / width * work[0], rel=1e-12, abs=2e-7)
    assert box.top == pytest.approx(place / height * work[1], rel=1e-12, abs=2e-7)
    back = Scaling((width, height), work).to_original(box)
    assert back.right == pytest.approx(place, rel=1e-9, abs=3e-7 * max(width, height) / 16)


def test_the_whole_picture_maps_to_the_whole_picture():
    picture = Picture("a", Path("a"), "x", "train", 757, 511)
    scaling = Scaling.of(picture, 256, 8)
    assert scaling.working == (376, 256)
    assert scaling.to_original(Box(0, 0, *scaling.working)) == Box(0, 0, 757, 511)
