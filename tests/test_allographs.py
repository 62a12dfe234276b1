"""Two shapes of one letter are found, and one shape is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from typica.errors import ConfigError
from typica.palaeography.allographs import AllographOptions, fit_mixture, propose
from typica.palaeography.occurrences import Occurrences

SIZE = (24, 18)
WHERE = np.ones(SIZE)


def _stroke(generator, ascender: float, number: int) -> np.ndarray:
    """A bowl with a stroke above it that leans, each with its own noise, thickness and place."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    pictures = []
    for _ in range(number):
        thick = generator.normal(1.6, 0.25)
        down, right = generator.normal(0, 0.5, 2)
        bowl = np.abs(np.hypot(y - 16 - down, x - 9 - right) - 4.5)
        lean = ascender + generator.normal(0, 0.08)
        shaft = np.abs(x - 13 - right - lean * (y - 13 - down)) + 4 * np.maximum(0, y - 14)
        shaft = shaft + 4 * np.maximum(0, 3 - y)
        ink = np.exp(-np.minimum(bowl, shaft) / thick) + generator.normal(0, 0.08, SIZE)
        pictures.append(np.clip(ink, 0, 1))
    return np.array(pictures)


def _occurrences(pictures: np.ndarray) -> Occurrences:
    number = len(pictures)
    ink = (pictures * 255).astype(np.uint8)
    zeros = np.zeros(number, np.float32)
    lines = np.arange(number) // 3
    whole = np.full(number, 7, np.int64)
    return Occurrences(ink, np.full_like(ink, 255), whole, lines, zeros, zeros, zeros)


@pytest.mark.parametrize("rare", [15, 30])
def test_two_shapes_are_found(rare):
    generator = np.random.default_rng(rare)
    upright, leaning = _stroke(generator, 0.0, 90 - rare), _stroke(generator, 1.0, rare)
    order = generator.permutation(90)
    found = propose(_occurrences(np.concatenate([upright, leaning])[order]), WHERE)
    assert found is not None
    assert found.proposed
    assert found.sprite == 7
    truth = (np.arange(90) >= 90 - rare)[order]
    assert (found.second == truth).mean() > 0.95


def test_one_shape_is_left_alone():
    proposed = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        found = propose(_occurrences(_stroke(generator, 0.3, 60)), WHERE)
        assert found is not None
        proposed += found.proposed
    assert proposed <= 1


def test_what_lies_beside_the_letter_does_not_count():
    generator = np.random.default_rng(0)
    pictures = _stroke(generator, 0.3, 60)
    pictures[::2, :, :4] = 1  # every other one has a neighbour
    mask = np.ones(SIZE)
    assert propose(_occurrences(pictures), mask).proposed
    mask[:, :5] = 0
    assert not propose(_occurrences(pictures), mask).proposed


def test_few_occurrences_are_not_looked_at():
    pictures = _stroke(np.random.default_rng(0), 0.0, 23)
    assert propose(_occurrences(pictures), WHERE) is None
    assert propose(_occurrences(np.zeros((40, *SIZE))), WHERE) is None


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.2, 0.8), st.floats(3, 8))
def test_a_mixture_is_that_of_a_library(seed, share, apart):
    mixture = pytest.importorskip("sklearn.mixture")
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 1, 300) + apart * (generator.random(300) < share)
    found = fit_mixture(values)
    model = mixture.GaussianMixture(
        2, covariance_type="tied", n_init=3, tol=1e-8, max_iter=2000, random_state=0
    ).fit(values[:, None])
    deviation = np.sqrt(model.covariances_[0, 0])
    apart = abs(model.means_[1, 0] - model.means_[0, 0]) / deviation
    assert found.separation == pytest.approx(apart, abs=0.02)
    assert found.share == pytest.approx(model.weights_[model.means_[:, 0].argmax()], abs=0.01)


def test_one_normal_distribution_gains_nothing():
    gains = [fit_mixture(np.random.default_rng(i).normal(0, 2, 200)).gain for i in range(100)]
    assert np.mean(np.array(gains) > 0) < 0.05


def test_the_gain_is_the_difference_of_the_likelihoods():
    values = np.random.default_rng(1).normal(0, 1, 80) + 5 * (np.arange(80) % 2)
    found = fit_mixture(values)
    two = np.log(
        (1 - found.share) * norm.pdf(values, found.means[0], found.deviation)
        + found.share * norm.pdf(values, found.means[1], found.deviation)
    ).sum()
    one = norm.logpdf(values, values.mean(), values.std()).sum()
    assert found.gain == pytest.approx((two - one - np.log(80)) / 80, abs=1e-5)


def test_equal_peaks_melt_at_two_deviations():
    from typica.palaeography.allographs import Mixture

    assert Mixture((0.0, 1.9), 1.0, 0.5, 0.0).valley == pytest.approx(1.0, abs=1e-3)
    assert Mixture((0.0, 4.0), 1.0, 0.5, 0.0).valley < 0.4


@pytest.mark.parametrize("name", ["least", "share", "separation", "valley", "components"])
def test_options_are_checked(name):
    with pytest.raises(ConfigError, match=name):
        AllographOptions(**{name: 0})
