"""Balanced noise: what cancels, what stays as it was, and whether its errors are honest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import ConfigError
from typica.mining.balance import HALVES, balance, calibrated, paired_times
from typica.mining.config import TypicalityConfig
from typica.mining.draws import Draws
from typica.mining.localisation_options import LocalisationOptions
from typica.mining.localisation_run import scoring_options
from typica.mining.typicality import standard_error

SHAPE = (3, 4, 5)


def draws_of(seed: int, draws: int = 20, groups: int = 10, sampling="stratified") -> Draws:
    return Draws.of(
        TypicalityConfig(draws=draws, groups=groups, sampling=sampling, noise="balanced", seed=seed)
    )


def shares_of(draws: Draws) -> np.ndarray:
    return (draws.fractions - 0.1) / 0.6


def fields_of(draws: Draws, shape=SHAPE) -> np.ndarray:
    return np.stack([draws.noise(s, shape).double().numpy() for s in range(len(draws))])


@given(parts=st.integers(1, 12), pairs=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_every_stratum_group_and_half_gets_its_draws(parts, pairs, seed):
    groups = 2 * pairs
    draws = parts * groups
    strata = np.floor(paired_times(draws, groups, np.random.default_rng(seed)) * draws + 1e-9)
    assert np.array_equal(np.sort(strata), np.arange(draws))
    for group in range(groups):
        assert np.array_equal(np.sort(strata[group::groups]) // groups, np.arange(parts))
    for half in range(HALVES):  # one of every two neighbours
        assert np.array_equal(np.sort(strata[half::HALVES]) // 2, np.arange(draws // 2))


@given(count=st.integers(2, 60), seed=st.integers(0, 2**32 - 1), stratified=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_mixing_keeps_variances_and_cancels_polynomials(count, seed, stratified):
    random = np.random.default_rng(seed)
    shares = random.random(count)
    if stratified:
        shares = (np.arange(count) + shares) / count
    columns, factors = balance(shares)
    mixing = factors[:, None] * (np.eye(count) - columns @ columns.T)
    assert np.square(mixing).sum(1) == pytest.approx(1, abs=1e-9)
    for power in range(columns.shape[1]):
        assert shares**power @ mixing == pytest.approx(0, abs=1e-7)
    if stratified:
        assert columns.shape[1] == max(1, int(np.sqrt(count / 2)))


def test_two_draws_of_a_half_are_antithetic():
    fields = fields_of(draws_of(3, draws=4, groups=2))
    assert fields[2] == pytest.approx(-fields[0], abs=1e-6)
    assert fields[3] == pytest.approx(-fields[1], abs=1e-6)
    assert abs(np.corrcoef(fields[0].ravel(), fields[1].ravel())[0, 1]) < 0.5


@pytest.mark.parametrize("sampling", ["stratified", "uniform"])
def test_each_field_alone_is_standard_normal_and_halves_are_independent(sampling):
    fields = np.stack([fields_of(draws_of(s, sampling=sampling), (8, 4, 5)) for s in range(60)])
    every = fields.transpose(1, 0, 2, 3, 4).reshape(20, -1)  # 9600 numbers of each draw
    assert np.abs(every.mean(1)).max() < 0.05
    assert np.abs(every.var(1) - 1).max() < 0.07
    assert np.abs((every**4).mean(1) - 3).max() < 0.4
    across = np.corrcoef(every)[0::2, 1::2]
    assert np.abs(across).max() < 0.05
    within = np.corrcoef(every[0::2])[np.triu_indices(10, 1)]
    assert within.mean() < -0.08  # about -1 / 9


def test_a_field_depends_on_the_job_only_whatever_was_asked_before():
    one, two = draws_of(5), draws_of(5)
    fields = fields_of(one)
    two.noise(7, (2, 3, 3))  # another shape in between
    backwards = [two.noise(s, SHAPE).double().numpy() for s in reversed(range(20))]
    assert np.array_equal(fields, np.stack(backwards[::-1]))
    assert not np.allclose(fields, fields_of(draws_of(6)))


def test_what_is_linear_in_the_noise_drops_out():
    draws = draws_of(1)
    shares, fields = shares_of(draws), fields_of(draws)
    slope = np.random.default_rng(0).normal(size=SHAPE)
    linear = (2 - 1.5 * shares) * (fields * slope).sum((1, 2, 3))
    assert abs(linear).max() > 1
    for half in range(HALVES):
        assert linear[half::HALVES].mean() == pytest.approx(0, abs=1e-5)


def integrand(draws: Draws, places: int = 12) -> np.ndarray:
    """A loss difference of every draw in `places` x `places` cells; the mean is known.

    A trend in t, a part that is linear in the noise with a slope that falls with t, and one that
    is even in it: means 0.3 x 0.5, 0, and 0.4 x E[1 - t] = 0.2.
    """
    fields, shares = fields_of(draws, (2, places, places)), shares_of(draws)[:, None, None]
    linear = np.exp(-shares) * fields[:, 0]
    even = (1 - shares) * np.square(fields[:, 1])
    return 0.3 * shares + 0.8 * linear + 0.4 * even


def test_the_mean_is_unbiased_varies_less_and_claims_what_it_varies():
    """Against the plain mean of as many independent draws, over 100 seeds."""
    found: dict[str, list] = {"balanced": [], "uniform": []}
    claims, inside, raw = [], [], []
    for seed in range(100):
        plain = TypicalityConfig(draws=20, groups=10, sampling="uniform", seed=seed)
        found["uniform"].append(integrand(Draws.of(plain)).mean(0))
        values = integrand(draws_of(seed))
        mean = values.mean(0)
        found["balanced"].append(mean)
        groups = np.stack([values[g::10].mean(0) for g in range(10)])[None] - mean
        raw.append(standard_error(groups)[0])
        claims.append(standard_error(calibrated(groups))[0])
        inside.append(abs(mean - 0.35) < 1.96 * claims[-1])
    balanced = np.stack(found["balanced"])
    assert balanced.mean() == pytest.approx(0.35, abs=4 * balanced.std() / np.sqrt(balanced.size))
    plain_variance = np.stack(found["uniform"]).var(0).mean()
    variance = np.square(balanced - 0.35).mean()
    assert variance < 0.45 * plain_variance
    claimed = np.square(claims).mean()
    assert 0.85 < claimed / variance < 1.25
    assert np.square(raw).mean() > 1.5 * variance  # what the factor is there for
    assert 0.88 < np.mean(inside) < 0.97  # nine degrees of freedom: 0.92 for a t distribution


def test_calibration_is_one_factor_for_a_picture():
    random = np.random.default_rng(0)
    deviations = random.normal(size=(2, 6, 5, 4))
    deviations -= deviations.mean(1, keepdims=True)
    found = calibrated(deviations)
    ratio = found / deviations
    assert ratio == pytest.approx(ratio[0, 0, 0, 0], rel=1e-4)
    # the plain formula, square by square
    actual, claimed = [], []
    for k in range(2):
        for i in range(3):
            for j in range(2):
                square = deviations[k, :, i : i + 3, j : j + 3].mean((1, 2))
                actual.append((square[0::2].mean() - square[1::2].mean()) ** 2 / 4)
                claimed.append(np.square(square).sum() / 30)
    expected = np.sqrt(np.mean(actual) / np.mean(claimed))
    assert ratio[0, 0, 0, 0] == pytest.approx(expected, rel=1e-4)


def test_calibration_of_two_groups_and_of_equal_groups_changes_nothing():
    two = np.array([1.0, -1.0])[None, :, None, None] * np.arange(1, 13).reshape(1, 1, 3, 4)
    assert calibrated(two) == pytest.approx(two)
    assert not calibrated(np.zeros((1, 4, 2, 2))).any()


@pytest.mark.parametrize("options", [{"draws": 9, "groups": 3}, {"draws": 2, "groups": 2}])
def test_what_cannot_be_balanced_is_refused(options):
    TypicalityConfig(**options)
    with pytest.raises(ConfigError, match="noise=balanced"):
        TypicalityConfig(noise="balanced", **options)


@pytest.mark.parametrize(("draws", "groups"), [(30, 10), (18, 6), (14, 2)])
def test_other_numbers_of_draws_get_an_even_number_of_groups(draws, groups):
    run = TypicalityConfig(draws=20, groups=10, noise="balanced")
    found = scoring_options(run, LocalisationOptions(draws=draws))
    assert (found.draws, found.groups) == (draws, groups)
