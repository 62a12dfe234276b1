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
)
from typica.palaeography.occurrences import Occurrences, effective_lines, letter_moments
from typica.palaeography.prototypes import Prototypes, load_prototypes, save_prototypes

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


@settings(max_examples=25)
@given(arrays(float, st.integers(1, 30), elements=st.floats(0, 1)))
def test_adjusted_p_values_are_scipys(p: np.ndarray) -> None:
    assert adjust(p) == pytest.approx(false_discovery_control(p))
    holes = np.insert(p, 0, np.nan)
    assert np.isnan(adjust(holes)[0])
    assert adjust(holes)[1:] == pytest.approx(adjust(p))


def test_adjust_nothing() -> None:
    assert np.isnan(adjust(np.full((2, 3), np.nan))).all()


def seen_on_lines(
    seed: int, lines: int, most: int, alike: float
) -> tuple[Prototypes, list[list[int]], Occurrences]:
    """Eight documents of one hand, one letter, up to so many on a line.

    Arguments:
        seed: Of everything.
        lines: Of every document.
        most: Occurrences on a line; from one to so many.
        alike: Standard deviation of what all occurrences of a line share; that of their own is 1.
    """
    draws = np.random.default_rng(seed)
    size, groups = (9, 8), 8
    of_line = np.repeat(np.arange(groups * lines), draws.integers(1, most + 1, groups * lines))
    shared = smooth(draws, (groups * lines, *size))[of_line]
    field = alike * shared + smooth(draws, (len(of_line), *size))
    ink = np.rint(255 * (0.5 + 0.05 * field)).clip(0, 255).astype(np.uint8)
    nothing, zeros = np.zeros(len(of_line), np.float32), np.zeros(len(of_line), np.int64)
    seen = Occurrences(ink, np.full_like(ink, 255), zeros, of_line, *(nothing,) * 3)
    numbers = [list(range(g * lines, (g + 1) * lines)) for g in range(groups)]
    own = [seen.where(np.isin(of_line, some)) for some in numbers]
    means, errors = (np.stack(part) for part in zip(*map(letter_moments, own), strict=True))
    made = Prototypes(
        ("a",),
        tuple(f"doc{g}" for g in range(groups)),
        ("",) * groups,
        np.full((1, *size), 0.5, np.float32),
        means[:, None],
        np.array([[len(some)] for some in own]),
        errors[:, None],
        np.array([[effective_lines(some.lines)] for some in own], np.float32),
    )
    return made, numbers, seen


@pytest.mark.parametrize(("lines", "most"), [(5, 6), (12, 5)])
def test_letters_alike_within_their_lines_make_no_difference(lines: int, most: int) -> None:
    # what a line shares varies twice as much as the letters on it
    found: dict[bool, list[float]] = {True: [], False: []}
    careless = []
    for seed in range(60):
        made, numbers, seen = seen_on_lines(seed, lines, most, 2.0)
        use = usable(made, 5)
        effective = effective_pixels_of_occurrences(seen, numbers, 1)
        for known in found:
            kept = made if known else replace(made, lines=None)
            p = difference_tests(kept, use, effective).p[0, [0, 2, 4, 6], [1, 3, 5, 7]]
            found[known] += p[np.isfinite(p)].tolist()
        # occurrences as if each were a line of its own
        alone = replace(seen, lines=np.arange(len(seen)))
        own = [alone.where(np.isin(seen.lines, some)) for some in numbers]
        errors = np.stack([letter_moments(some)[1] for some in own])[:, None]
        blind = replace(made, errors=errors, lines=None)
        p = difference_tests(blind, use, effective).p[0, [0, 2, 4, 6], [1, 3, 5, 7]]
        careless += p[np.isfinite(p)].tolist()
    for level in (0.01, 0.05):
        share = {known: float(np.mean(np.array(p) <= level)) for known, p in found.items()}
        most_found = binom.ppf(1 - 1e-3, len(found[True]), level) / len(found[True])
        assert share[True] <= most_found
        assert np.mean(np.array(careless) <= level) > 3 * most_found  # the level is not held
        # counted in occurrences, few lines would seem to know their error better than they do
        assert share[True] < share[False]


def test_effective_lines() -> None:
    assert effective_lines(np.zeros(0, np.int64)) == 0
    assert effective_lines(np.array([7, 7, 7])) == 1
    assert effective_lines(np.repeat([3, 5, 9, 11], 6)) == pytest.approx(4)
    uneven = effective_lines(np.repeat([1, 2, 3, 4], [20, 1, 1, 1]))
    assert 1 < uneven < 1.1


def test_lines_are_kept_and_files_without_them_are_read(tmp_path) -> None:
    made = seen_on_lines(0, 4, 3, 1.0)[0]
    save_prototypes(tmp_path / "new.safetensors", made, {})
    again = load_prototypes(tmp_path / "new.safetensors")[0]
    np.testing.assert_array_equal(again.lines, made.lines)
    np.testing.assert_allclose(again.freedom, made.lines - 1)
    assert again.some_groups([2]).lines == made.lines[2]
    assert again.some_letters([0]).lines.shape == (8, 1)
    save_prototypes(tmp_path / "old.safetensors", replace(made, lines=None), {})
    old = load_prototypes(tmp_path / "old.safetensors")[0]
    assert old.lines is None
    np.testing.assert_array_equal(old.freedom, made.counts - 1)
