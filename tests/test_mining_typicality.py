"""Draws, the formulas of typicality, its readings, and the store of maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import RunError
from typica.mining.config import TypicalityConfig
from typica.mining.draws import Draws, posterior_noise, stratified_times, uniform_times
from typica.mining.maps import (
    PictureMaps,
    Skipped,
    check_piece,
    maps_settings,
    missing_pieces,
    piece_path,
    read_maps,
    read_piece,
    skipped_of,
    write_piece,
)
from typica.mining.typicality import (
    image_typicality,
    loss_map,
    pixel_typicality,
    region_typicality,
    standard_error,
    typicality_map,
    upsample,
)


def some_maps(index: int = 0, labels=("a", "b"), groups: int = 4, scale: float = 1e-3):
    """Maps of a picture as scoring makes them, from random group means."""
    random = np.random.default_rng(index)
    means = (random.normal(size=(len(labels), groups, 3, 5)) * scale).astype(np.float32)
    mean = means.mean(1)
    null = random.random((3, 5), dtype=np.float32)
    return PictureMaps(index, f"{index}.png", labels, mean, means - mean[:, None], null, 4)


# --- draws


@given(
    parts=st.integers(1, 12),
    groups=st.integers(2, 12),
    seed=st.integers(0, 2**32 - 1),
    low=st.floats(0, 0.5),
    width=st.floats(0.01, 0.5),
)
@settings(max_examples=60)
def test_stratified_times_fill_every_stratum_and_every_group_covers_the_range(
    parts, groups, seed, low, width
):
    draws = parts * groups
    times = stratified_times(draws, groups, low, low + width, seed)
    assert times.min() >= low
    assert times.max() < low + width
    share = (times - low) / width
    # jitter may touch a border of its stratum by rounding
    strata = np.sort(np.floor(share * draws + 1e-9 * (share * draws % 1 < 0.5)))
    assert np.abs(strata - np.arange(draws)).max() <= 1
    assert abs(np.sort(share) - (np.arange(draws) + 0.5) / draws).max() <= 0.5 / draws + 1e-9
    for group in range(groups):
        own = np.sort(share[group::groups])
        assert abs(own - (np.arange(parts) + 0.5) / parts).max() <= 0.5 / parts + 1e-9


def test_groups_do_not_always_take_the_same_stratum():
    times = stratified_times(100, 10, 0, 1, seed=42)
    strata = np.floor(times * 100).astype(int) % 10
    assert any(len(set(strata[group::10])) > 1 for group in range(10))
    assert len({tuple(strata[part * 10 : part * 10 + 10]) for part in range(10)}) > 5


def test_uniform_times_are_uniform_and_independent_of_strata():
    times = uniform_times(20_000, 0.1, 0.7, seed=1)
    assert times.min() >= 0.1
    assert times.max() < 0.7
    assert np.histogram(times, 6, (0.1, 0.7))[0].min() > 3000
    assert np.corrcoef(times[1:], times[:-1])[0, 1] == pytest.approx(0, abs=0.03)


def test_a_pair_depends_on_seed_draw_and_shape_only():
    config = TypicalityConfig(draws=20, groups=10, seed=7)
    first, again = Draws.of(config), Draws.of(config)
    assert len(first) == 20
    assert np.array_equal(first.fractions, again.fractions)
    forwards = [first.noise(s, (4, 3, 2)) for s in range(20)]
    torch.manual_seed(5)  # the global state has no say
    backwards = [again.noise(s, (4, 3, 2)) for s in reversed(range(20))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not torch.equal(forwards[0], forwards[1])
    other = Draws.of(TypicalityConfig(draws=20, groups=10, seed=8))
    assert not torch.equal(other.noise(0, (4, 3, 2)), forwards[0])
    assert not np.array_equal(other.fractions, first.fractions)


def test_noise_is_standard_normal_and_draws_are_uncorrelated():
    draws = Draws(np.zeros(2), 0)
    one, two = (draws.noise(s, (16, 64, 64)).flatten().double() for s in range(2))
    assert one.mean().item() == pytest.approx(0, abs=0.02)
    assert one.std().item() == pytest.approx(1, abs=0.02)
    assert (one * two).mean().item() == pytest.approx(0, abs=0.02)
    assert one.abs().max() > 3.5


def test_posterior_noise_belongs_to_the_picture():
    one = posterior_noise(1, "a/x.png", (4, 2, 2))
    assert torch.equal(one, posterior_noise(1, "a/x.png", (4, 2, 2)))
    assert not torch.equal(one, posterior_noise(1, "a/y.png", (4, 2, 2)))
    assert not torch.equal(one, posterior_noise(2, "a/x.png", (4, 2, 2)))


# --- formulas


def plain_loss(prediction, noise):
    """Eq. 4.7 in every cell, one number at a time, mean over channels."""
    channels, height, width = prediction.shape
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            for k in range(channels):
                result[i, j] += float(prediction[k, i, j] - noise[k, i, j]) ** 2 / channels
    return result


def test_losses_and_typicality_are_those_of_the_plain_formulas():
    torch.manual_seed(0)
    null, label, noise = torch.randn(3, 4, 3, 2, dtype=torch.float64).unbind()
    expected = plain_loss(null, noise) - plain_loss(label, noise)
    assert loss_map(null, noise).numpy() == pytest.approx(plain_loss(null, noise), rel=1e-5)
    assert typicality_map(null, label, noise).numpy() == pytest.approx(expected, rel=1e-4)


def test_the_product_keeps_digits_that_the_difference_of_losses_drops():
    torch.manual_seed(0)
    noise = torch.randn(4, 32, 32)
    null = noise + 0.3 * torch.randn(4, 32, 32)
    label = null + 1e-4 * torch.randn(4, 32, 32)
    exact = ((null.double() - noise) ** 2 - (label.double() - noise) ** 2).mean(0)
    ours = (typicality_map(null, label, noise) - exact).abs().max()
    difference = (loss_map(null, noise) - loss_map(label, noise) - exact).abs().max()
    assert ours < 0.2 * difference


def test_the_standard_error_is_that_of_a_mean():
    random = np.random.default_rng(0)
    means = random.normal(size=(3, 8))
    deviations = means - means.mean(1, keepdims=True)
    expected = [np.std(row, ddof=1) / np.sqrt(8) for row in means]
    assert standard_error(deviations) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("stratified", [False, True])
def test_the_standard_error_says_how_far_the_mean_is_off(stratified):
    """On a known integrand: right for uniform times, and not too small for stratified ones."""
    draws, groups, trials = 60, 10, 400
    errors, claims = [], []
    for seed in range(trials):
        if stratified:
            times = stratified_times(draws, groups, 0, 1, seed)
        else:
            times = uniform_times(draws, 0, 1, seed)
        noise = np.random.default_rng([1, seed]).normal(size=draws)
        values = np.exp(3 * times) / 10 + 0.3 * noise
        means = values.reshape(-1, groups).mean(0)
        errors.append(values.mean() - (np.exp(3) - 1) / 30)
        claims.append(standard_error((means - means.mean())[None])[0])
    ratio = np.sqrt(np.mean(np.square(claims)) / np.mean(np.square(errors)))
    assert 0.9 < ratio < (1.15 if not stratified else 1.3)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(trials)


# --- readings


def plain_upsample(grid, height, width):
    """Bilinear interpolation with pixel centres, one pixel at a time."""
    rows, columns = grid.shape
    result = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * rows / height - 0.5, 0), rows - 1)
            x = min(max((j + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            v, u = y - top, x - left
            result[i, j] = (1 - v) * ((1 - u) * grid[top, left] + u * grid[top, right]) + v * (
                (1 - u) * grid[bottom, left] + u * grid[bottom, right]
            )
    return result


def test_pixels_are_the_interpolated_map_with_errors_of_every_pixel():
    maps = some_maps()
    reading = pixel_typicality(maps, 12, 20)
    assert reading.value.shape == reading.error.shape == (2, 12, 20)
    assert reading.value[1] == pytest.approx(plain_upsample(maps.typicality[1], 12, 20), abs=1e-8)
    means = np.stack([plain_upsample(m, 12, 20) for m in maps.groups[0] + maps.typicality[0]])
    assert reading.error[0] == pytest.approx(means.std(0, ddof=1) / 2, rel=1e-4)
    assert upsample(maps.groups, 6, 10).shape == (2, 4, 6, 10)


def test_image_and_region_are_means_with_the_error_of_their_group_means():
    maps = some_maps()
    mask = np.zeros((3, 5), bool)
    mask[1:, 2:4] = True
    region, whole = region_typicality(maps, mask), image_typicality(maps)
    for label in range(2):
        means = [float((g + maps.typicality[label])[mask].mean()) for g in maps.groups[label]]
        assert region.value[label] == pytest.approx(np.mean(means), rel=1e-4)
        assert region.error[label] == pytest.approx(np.std(means, ddof=1) / 2, rel=1e-4)
    everything = region_typicality(maps, np.ones((3, 5)))
    assert everything.value == pytest.approx(whole.value, rel=1e-5)
    assert everything.error == pytest.approx(whole.error, rel=1e-5)


def test_a_region_of_pixels_reads_the_interpolated_map():
    maps = some_maps()
    mask = np.zeros((12, 20))
    mask[2:9, 5:12] = 1
    pixels = np.stack([plain_upsample(m, 12, 20) for m in maps.typicality])
    expected = pixels[:, mask > 0].mean(1)
    assert region_typicality(maps, mask).value == pytest.approx(expected, rel=1e-4)
    assert region_typicality(maps, 3 * mask).value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("mask", [np.zeros((3, 5)), -np.ones((3, 5)), np.ones(5)])
def test_a_region_must_hold_something(mask):
    with pytest.raises(ValueError, match="weights"):
        region_typicality(some_maps(), mask)


# --- the store

SETTINGS = {"pictures": 5, "piece": 2, "draws": 4, "model": "m"}


def store(folder: Path) -> list[PictureMaps]:
    maps = [some_maps(i, scale=10.0**-i) for i in range(5)]
    gone = Skipped(1, "1.png", "broken")
    write_piece(folder, 0, [maps[0]], [gone], SETTINGS)
    write_piece(folder, 2, [maps[4]], [], SETTINGS)
    write_piece(folder, 1, maps[2:4], [], SETTINGS)
    return [maps[i] for i in (0, 2, 3, 4)]


def test_maps_come_back_in_the_order_of_the_collection(tmp_path):
    written = store(tmp_path)
    read = list(read_maps(tmp_path))
    assert [m.id for m in read] == ["0.png", "2.png", "3.png", "4.png"]
    for one, two in zip(written, read, strict=True):
        assert (one.index, one.labels, one.channels) == (two.index, two.labels, two.channels)
        assert np.array_equal(one.typicality, two.typicality)
        assert np.array_equal(one.null, two.null)
        assert two.groups.dtype == np.float32
        # half precision of the largest deviation, however small all of them are
        assert np.abs(one.groups - two.groups).max() < 1e-3 * np.abs(one.groups).max()
    assert skipped_of(tmp_path, 0) == (Skipped(1, "1.png", "broken"),)
    assert maps_settings(tmp_path) == SETTINGS
    assert missing_pieces(tmp_path) == ()


def test_maps_without_any_deviation_are_stored(tmp_path):
    zero = np.zeros((1, 4, 3, 5), np.float32)
    maps = PictureMaps(0, "a", ("x",), zero[:, 0], zero, zero[0, 0], 4)
    write_piece(tmp_path, 0, [maps], [], SETTINGS | {"pictures": 1})
    (read,) = read_maps(tmp_path)
    assert np.array_equal(read.groups, zero)


def test_a_missing_piece_is_told(tmp_path):
    store(tmp_path)
    piece_path(tmp_path, 1).unlink()
    assert missing_pieces(tmp_path) == (1,)
    with pytest.raises(RunError, match=r"piece-00001\.safetensors.*every shard"):
        list(read_maps(tmp_path))
    with pytest.raises(RunError, match="no typicality maps"):
        list(read_maps(tmp_path / "empty"))


def test_pieces_of_other_settings_are_told_apart(tmp_path):
    store(tmp_path)
    found = check_piece(tmp_path, 0, SETTINGS)
    assert found == (Skipped(1, "1.png", "broken"),)
    assert check_piece(tmp_path, 3, SETTINGS) is None
    with pytest.raises(RunError, match=r"\(draws, model\).*Delete"):
        check_piece(tmp_path, 0, SETTINGS | {"draws": 8, "model": "n"})
    write_piece(tmp_path, 1, [], [], SETTINGS | {"draws": 8})
    with pytest.raises(RunError, match="draws"):
        list(read_maps(tmp_path))


@pytest.mark.parametrize("content", [b"", b"nonsense", json.dumps({"a": 1}).encode()])
def test_a_damaged_piece_is_told(tmp_path, content):
    store(tmp_path)
    piece_path(tmp_path, 1).write_bytes(content)
    with pytest.raises(RunError, match=r"piece-00001.*damaged"):
        check_piece(tmp_path, 1, SETTINGS)
    with pytest.raises(RunError, match="damaged"):
        list(read_maps(tmp_path))
    with pytest.raises(RunError, match="damaged"):
        list(read_piece(tmp_path, 1))


def test_the_same_maps_give_the_same_bytes(tmp_path):
    store(tmp_path / "one")
    store(tmp_path / "two")
    for piece in range(3):
        one, two = (piece_path(tmp_path / name, piece).read_bytes() for name in ("one", "two"))
        assert one == two


def test_one_label_of_many(tmp_path):
    maps = some_maps()
    only = maps.of("b")
    assert only.labels == ("b",)
    assert np.array_equal(only.typicality, maps.typicality[1:])
    assert np.array_equal(only.groups, maps.groups[1:])
    with pytest.raises(RunError, match=r"'c'.*labels=all"):
        maps.of("c")
