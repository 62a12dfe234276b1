"""Importance sampling of the diffusion time: its density, its fit, and the mean that it keeps."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import RunError
from typica.images.picture import Picture, PictureCollection
from typica.mining.config import TypicalityConfig
from typica.mining.draws import Draws
from typica.mining.time_density import (
    PARTS,
    PILOT_PICTURES,
    TimeDensity,
    fitted_density,
    pilot_pictures,
    read_density,
    spread_by_time,
    write_density,
)

STEEP = TimeDensity(-3.83, 1.94)
"""As fitted on steel plates."""
coefficients = st.floats(-20, 20)


def shares(draws: Draws) -> np.ndarray:
    return (draws.fractions - 0.1) / 0.6


def drawn(seed: int, density: TimeDensity | None, noise="independent", draws: int = 20) -> Draws:
    sampling = "stratified" if density is None else "importance"
    config = TypicalityConfig(draws=draws, groups=10, sampling=sampling, noise=noise, seed=seed)
    return Draws.of(config, density=density)


@given(slope=coefficients, bend=coefficients)
def test_it_is_a_density_of_which_a_fifth_is_uniform(slope, bend):
    density = TimeDensity(slope, bend)
    values = density(np.linspace(0, 1, 100_001))
    assert values.min() >= 0.2
    assert values.mean() == pytest.approx(1, abs=2e-3)
    levels = np.linspace(0, 1, 50)
    found = density.quantile(levels)
    assert np.all(np.diff(found) > 0)
    for level, share in zip(levels, found, strict=True):
        below = np.linspace(0, share, 20_001)
        assert np.trapezoid(density(below), below) == pytest.approx(level, abs=2e-3)


def test_the_uniform_density_changes_no_draw():
    plain, same = drawn(3, None), drawn(3, TimeDensity())
    assert same.fractions == pytest.approx(plain.fractions, abs=1e-12)
    assert same.weights == pytest.approx(1, abs=1e-12)
    assert plain.weights is None


def test_a_density_goes_with_importance_sampling_only():
    with pytest.raises(ValueError, match="density"):
        Draws.of(TypicalityConfig(), density=STEEP)
    with pytest.raises(ValueError, match="density"):
        Draws.of(TypicalityConfig(sampling="importance"))


@given(slope=st.floats(-8, 8), bend=st.floats(-8, 8), scale=st.floats(1e-6, 1e3))
def test_spreads_of_the_family_are_found_again(slope, bend, scale):
    centres = (np.arange(PARTS) + 0.5) / PARTS
    exponent = slope * centres + bend * centres**2
    spreads = scale * np.exp(exponent)
    if spreads.min() < spreads.max() * 1e-3:
        return  # below that the fit sees a floor
    assert fitted_density(spreads) == TimeDensity(round(slope, 2), round(bend, 2)) or (
        fitted_density(spreads).slope == pytest.approx(slope, abs=0.0051)
        and fitted_density(spreads).bend == pytest.approx(bend, abs=0.0051)
    )


@pytest.mark.parametrize("spreads", [[0.0] * 10, [float("nan")] * 10, [float("inf"), *[1.0] * 9]])
def test_spreads_that_tell_nothing_leave_times_uniform(spreads):
    assert fitted_density(spreads) == TimeDensity()


@given(st.lists(st.floats(0, 1), min_size=10, max_size=10))
def test_any_spreads_give_a_density_of_finite_weights(spreads):
    density = fitted_density(spreads)
    draws = drawn(1, density)
    assert np.isfinite(draws.weights).all()
    assert draws.weights.max() <= 5 + 1e-9
    assert draws.fractions.min() >= 0.1
    assert draws.fractions.max() < 0.7


def test_the_fit_gains_nearly_what_neyman_allows():
    """Variances of the mean over those of uniform times, from spreads measured on two sets."""
    for spreads in (
        [2.55, 1.8, 1.26, 0.91, 0.81, 0.62, 0.59, 0.57, 0.46, 0.43],  # steel, inclusion
        [1.84, 1.51, 1.24, 1.02, 0.86, 0.8, 0.71, 0.69, 0.65, 0.67],  # scenes, Street
    ):
        values = np.array(spreads)
        density = fitted_density(values)((np.arange(PARTS) + 0.5) / PARTS)
        best = values.mean() ** 2 / np.square(values).mean()
        assert best <= (np.square(values) / density).mean() / np.square(values).mean() < best + 0.02


def test_strata_of_the_density_have_one_draw_each_and_every_group_its_share():
    found = drawn(5, STEEP, draws=40)
    grid = np.linspace(0, 1, 200_001)
    reached = np.cumsum(STEEP(grid)) / STEEP(grid).sum()
    levels = np.interp(shares(found), grid, reached)
    assert np.array_equal(np.sort(np.floor(levels * 40)), np.arange(40))
    for group in range(10):
        assert np.array_equal(np.sort(np.floor(levels[group::10] * 4)), np.arange(4))


@pytest.mark.parametrize("noise", ["independent", "balanced"])
def test_the_mean_is_that_of_uniform_times_and_varies_less(noise):
    """Of a loss whose spread falls by a factor of six, with a part that is linear in the noise."""
    shape, found = (1, 8, 8), {}
    for density in (None, STEEP):
        means = []
        for seed in range(150):
            draws = drawn(seed, density, noise)
            at = shares(draws)[:, None, None]
            fields = np.stack([draws.noise(s, shape)[0].numpy() for s in range(20)])
            values = np.exp(-1.8 * at) * (0.5 + 0.5 * fields + 0.5 * np.square(fields))
            weights = 1 if draws.weights is None else draws.weights[:, None, None]
            means.append((weights * values).mean(0))
        found[density] = np.stack(means)
    exact = (1 - np.exp(-1.8)) / 1.8  # of exp(-1.8 s), times 0.5 + 0.5 E[eps^2] = 1
    for means in found.values():
        error = means.std() / np.sqrt(means.size)
        assert means.mean() == pytest.approx(exact, abs=4 * error)
    assert np.var(found[STEEP] - exact) < 0.9 * np.var(found[None] - exact)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), height=st.integers(1, 5), width=st.integers(3, 6))
def test_spreads_are_those_of_the_plain_loop(seed, height, width):
    random = np.random.default_rng(seed)
    at = (np.arange(40) + random.random(40)) / 40
    order = random.permutation(40)
    maps = [random.normal(size=(40, height, width)) for _ in range(3)]
    expected = np.zeros(10)
    sides = (min(3, height), min(3, width))
    for draws in maps:
        for part in range(10):
            cells = []
            for row in range(height - sides[0] + 1):
                for column in range(width - sides[1] + 1):
                    square = draws[:, row : row + sides[0], column : column + sides[1]]
                    values = [square[s].mean() for s in range(40) if int(at[s] * 10) == part]
                    cells.append(np.var(values, ddof=1))
            expected[part] += np.mean(cells) / 3
    found = spread_by_time([draws[order] for draws in maps], at[order])
    assert found == pytest.approx(np.sqrt(expected))


def collection_of(count: int) -> PictureCollection:
    def one(i: int) -> Picture:
        labels = ("a",) if i % 3 else ()
        return Picture(f"{i:05d}.png", Path(f"{i}.png"), "", "train", 8, 8, labels)

    return PictureCollection(Path(), tuple(one(i) for i in range(count)))


def test_the_pilot_takes_pictures_with_labels_from_everywhere():
    chosen = pilot_pictures(collection_of(3000))
    assert len(chosen) == PILOT_PICTURES
    assert all(i % 3 for i in chosen)
    assert chosen == sorted(set(chosen))
    assert min(chosen) < 500
    assert max(chosen) > 2500
    assert len(pilot_pictures(collection_of(12))) == 8
    assert pilot_pictures(collection_of(1)) == []


def test_a_density_is_kept_with_its_settings(tmp_path):
    path = tmp_path / "maps" / "times.json"
    assert read_density(path, {"seed": 1}) is None
    write_density(path, {"seed": 1}, STEEP, [2.0, 1.0])
    assert read_density(path, {"seed": 1}) == STEEP
    with pytest.raises(RunError, match="maps/ to score anew"):
        read_density(path, {"seed": 2})
    path.write_text('{"settings": {"seed": 1}, "density": {"slope": 1e9, "bend": 0}}')
    with pytest.raises(RunError, match="damaged"):
        read_density(path, {"seed": 1})
