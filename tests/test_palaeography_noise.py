"""Differences against chance: the test is right where nothing differs, and sees what does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, false_discovery_control, norm
from scipy.stats import f as f_distribution

from typica.palaeography.differences import usable
from typica.palaeography.noise import (
    adjust,
    difference_tests,
    effective_pixels_of_documents,
    effective_pixels_of_occurrences,
    overall_tests,
    z_map,
)
from typica.palaeography.occurrences import Occurrences

from .prototype_helpers import make_prototypes, smooth


def test_statistic_is_that_of_loops() -> None:
    made = make_prototypes(5, ("A", "A", "B"), "ab", document_effect=0.02, occurrences=7)
    errors, counts = made.errors.copy(), made.counts.copy()
    errors[0, 0, :4] = np.nan
    errors[1, 0, 3:6] = np.nan
    counts[2] = (20, 2)
    made = replace(made, errors=errors, counts=counts)
    use = usable(made, 5)
    tests = difference_tests(made, use, np.array([30.0, 10.0]))
    for k, a, b in ((0, 0, 1), (0, 2, 0), (0, 1, 2), (1, 0, 1)):
        squares, own = 0.0, [0.0, 0.0]
        for y in range(12):
            for x in range(10):
                pair = [float(errors[g, k, y, x]) for g in (a, b)]
                if np.isnan(pair).any():
                    continue
                inks = [float(made.pictures[g, k, y, x]) for g in (a, b)]
                squares += (inks[0] - inks[1]) ** 2
                own = [total + e**2 for total, e in zip(own, pair, strict=True)]
        assert tests.noise[k, a, b] == pytest.approx(sum(own) ** 0.5)
        assert tests.ratio[k, a, b] == pytest.approx(squares / sum(own), rel=1e-5)
        free = sum(own) ** 2 / sum(
            o**2 / (counts[g, k] - 1) for o, g in zip(own, (a, b), strict=True)
        )
        pixels = (30.0, 10.0)[k]
        p = f_distribution.sf(squares / sum(own), pixels, pixels * free)
        assert tests.p[k, a, b] == pytest.approx(p, rel=1e-4)
        assert tests.z[k, a, b] == pytest.approx(norm.isf(p), rel=1e-4, abs=1e-4)
    assert np.isnan(tests.p[1, 2]).all()  # two occurrences
    assert np.isnan(tests.p[:, range(3), range(3)]).all()


@pytest.mark.parametrize("occurrences", [5, 15])
def test_calibrated_without_a_difference(occurrences: int) -> None:
    letters, pairs = [], []
    one, other = np.triu_indices(8, 1)
    for seed in range(60):
        made = make_prototypes(seed, letters="abcd", occurrences=occurrences, size=(9, 8))
        use = usable(made, 5)
        effective = effective_pixels_of_documents(made, use)
        tests = difference_tests(made, use, effective)
        # documents 0-1, 2-3, ... share nothing: their p-values are independent
        letters.append(tests.p[:, [0, 2, 4, 6], [1, 3, 5, 7]].ravel())
        pairs.append(overall_tests(made, use, effective)[1][[0, 2, 4, 6], [1, 3, 5, 7]])
        assert np.isfinite(tests.p[:, one, other]).all()
    for found, slack in ((np.concatenate(letters), 0.015), (np.concatenate(pairs), 0.02)):
        for level in (0.01, 0.05, 0.2, 0.5):
            # the distribution is an approximation, so some slack beyond that of counting
            count = int((found <= level).sum())
            low, high = binom.ppf(
                [1e-4, 1 - 1e-4], len(found), [max(level - slack, 0), level + slack]
            )
            assert low <= count <= high, (level, count / len(found))


def test_difference_is_seen_and_grows_with_the_occurrences() -> None:
    few = make_prototypes(2, document_effect=0.05, occurrences=6, noise=0.15)
    many = make_prototypes(2, document_effect=0.05, occurrences=200, noise=0.15)
    median = []
    for made in (few, many):
        use = usable(made, 5)
        tests = difference_tests(made, use, np.full(5, 15.0))
        median.append(np.nanmedian(tests.z))
    assert median[1] > 10 > median[0]


def test_extreme_differences_stay_numbers() -> None:
    made = make_prototypes(2, document_effect=0.5, occurrences=400, noise=0.001)
    tests = difference_tests(made, usable(made, 5), np.full(5, 50.0))
    off = ~np.eye(8, dtype=bool)
    assert np.isfinite(tests.z[:, off]).all()
    assert (tests.z[:, off] > 30).all()


def test_without_errors_there_is_no_test() -> None:
    made = make_prototypes(2)
    errors = made.errors.copy()
    errors[0] = np.nan
    made = replace(made, errors=errors)
    use = usable(made, 5)
    tests = difference_tests(made, use, np.full(5, 15.0))
    assert np.isnan(tests.p[:, 0]).all()
    assert np.isfinite(tests.p[:, 1, 2]).all()
    ratio, p = overall_tests(made, use, np.array([15.0, np.nan, 15, 15, 15]))
    assert np.isnan(p[0]).all()
    assert np.isnan(ratio[0]).all()
    assert np.isfinite(p[1, 2])
    assert np.isnan(overall_tests(made, use, np.full(5, np.nan))[1]).all()


def test_errors_of_zero_make_no_test() -> None:
    made = make_prototypes(2)
    made = replace(made, errors=np.zeros_like(made.errors))
    tests = difference_tests(made, usable(made, 5), np.full(5, 15.0))
    assert np.isnan(tests.p).all()


def test_overall_of_one_letter_is_that_letter() -> None:
    made = make_prototypes(9, letters="a", document_effect=0.02)
    use, effective = usable(made, 5), np.array([12.0])
    ratio, p = overall_tests(made, use, effective)
    tests = difference_tests(made, use, effective)
    off = ~np.eye(8, dtype=bool)
    assert ratio[off] == pytest.approx(tests.ratio[0][off])
    assert p[off] == pytest.approx(tests.p[0][off])


def test_effective_pixels_of_documents_are_the_true_ones() -> None:
    draws = np.random.default_rng(0)
    fields = smooth(draws, (4000, 12, 10)).reshape(4000, -1)
    covariance = np.cov(fields.T)
    true = np.trace(covariance) ** 2 / np.square(covariance).sum()
    found = []
    for seed in range(30):
        made = make_prototypes(seed, letters="abcdefgh", family_effect=0.5)
        found.append(effective_pixels_of_documents(made, usable(made, 5))[0])
    assert 1 / np.mean(1 / np.array(found)) == pytest.approx(true, rel=0.15)


def test_too_few_documents_give_no_effective_pixels() -> None:
    made = make_prototypes(0, ("A", "A", "B"))
    assert np.isnan(effective_pixels_of_documents(made, usable(made, 5))).all()


def test_effective_pixels_of_occurrences() -> None:
    draws = np.random.default_rng(1)
    count, lines = 1200, 300
    sprites = np.repeat([0, 1, 2], [600, 594, 6])
    ink = 0.5 + 0.1 * smooth(draws, (count, 12, 10), 1.5)
    ink[600:] = 0.5 + 0.1 * smooth(draws, (600, 12, 10), 0.6)
    nothing = np.zeros(count, np.float32)
    made = Occurrences(
        np.rint(255 * ink.clip(0, 1)).astype(np.uint8),
        np.full((count, 12, 10), 255, np.uint8),
        sprites,
        np.arange(count) % lines,
        nothing,
        nothing,
        nothing,
    )
    groups = [range(start, start + 30) for start in range(0, lines, 30)]
    found = effective_pixels_of_occurrences(made, groups, 4)
    for k, sigma in enumerate((1.5, 0.6)):
        fields = smooth(draws, (4000, 12, 10), sigma).reshape(4000, -1)
        covariance = np.cov(fields.T)
        true = np.trace(covariance) ** 2 / np.square(covariance).sum()
        assert found[k] == pytest.approx(true, rel=0.15)
    masks = np.zeros((4, 12, 10))
    masks[:, 2:5, 3:6] = 1
    inside = effective_pixels_of_occurrences(made, groups, 4, masks=masks)
    assert 1 <= inside[0] < inside[1] <= 9.5
    assert np.isnan(found[3])  # never seen
    assert np.isnan(found[2]) or found[2] >= 1  # in hardly any line


def test_z_map_is_standard_normal_without_a_difference() -> None:
    made = make_prototypes(4, ("A", "B"), "abcdefgh", occurrences=200, size=(20, 20))
    found = z_map(made.pictures[0], made.pictures[1], made.errors[0], made.errors[1])
    assert found.std() == pytest.approx(1, abs=0.1)
    assert z_map(np.array(0.5), np.array(0.2), np.array(0.3), np.array(0.4)) == pytest.approx(0.6)
    nothing = np.array(0.0)
    assert z_map(nothing, nothing, nothing, nothing) == 0
    assert np.isnan(z_map(nothing, nothing, np.array(np.nan), nothing))


@settings(max_examples=25)
@given(arrays(float, st.integers(1, 30), elements=st.floats(0, 1)))
def test_adjusted_p_values_are_scipys(p: np.ndarray) -> None:
    assert adjust(p) == pytest.approx(false_discovery_control(p))
    holes = np.insert(p, 0, np.nan)
    assert np.isnan(adjust(holes)[0])
    assert adjust(holes)[1:] == pytest.approx(adjust(p))


def test_adjust_nothing() -> None:
    assert np.isnan(adjust(np.full((2, 3), np.nan))).all()
