"""Signed differences, distances, spread, colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from typica.palaeography.colours import difference_colours
from typica.palaeography.differences import (
    family_names,
    l2,
    letter_distances,
    mean_distances,
    spreads,
    usable,
)
from typica.palaeography.prototypes import Prototypes

from .prototype_helpers import make_prototypes


@pytest.fixture
def some() -> Prototypes:
    """Four documents; doc1 lacks a and c, doc3 lacks b, doc0 has a NaN in d."""
    made = make_prototypes(3, ("A", "A", "B", "B"), "abcd", document_effect=0.1)
    counts, pictures = made.counts.copy(), made.pictures.copy()
    counts[1, [0, 2]] = (4, 0)
    counts[3, 1] = 0
    pictures[0, 3, 2, 2] = np.nan
    return replace(made, counts=counts, pictures=pictures)


def test_usable_letters(some: Prototypes) -> None:
    expected = np.ones((4, 4), bool)
    expected[1, [0, 2]] = expected[3, 1] = expected[0, 3] = False
    assert (usable(some, 5) == expected).all()
    expected[1, 0] = True
    assert (usable(some, 4) == expected).all()


def test_distances_are_those_of_loops(some: Prototypes) -> None:
    use = usable(some, 5)
    found = letter_distances(some.pictures, use, l2)
    means, shared = mean_distances(found)
    for a in range(4):
        for b in range(4):
            values = []
            for k in range(4):
                if not (use[a, k] and use[b, k]):
                    assert np.isnan(found[k, a, b])
                    continue
                total = 0.0
                for one, other in zip(
                    some.pictures[a, k].ravel(), some.pictures[b, k].ravel(), strict=True
                ):
                    total += (float(one) - float(other)) ** 2
                assert found[k, a, b] == pytest.approx(total**0.5, rel=1e-6)
                values.append(total**0.5)
            assert shared[a, b] == len(values)
            assert means[a, b] == pytest.approx(np.mean(values), rel=1e-6)


def test_no_common_letter_is_not_zero(some: Prototypes) -> None:
    use = usable(some, 5)
    use[1] = [True, False, False, False]
    use[2] = [False, True, True, True]
    means, shared = mean_distances(letter_distances(some.pictures, use, l2))
    assert np.isnan(means[1, 2])
    assert shared[1, 2] == 0
    assert np.isfinite(means[2, 3])


def test_distance_may_be_any_function_and_pieces_do_not_show() -> None:
    made = make_prototypes(1, ("A",) * 40, "ab", size=(4, 3), document_effect=0.1)
    use = usable(made, 1)
    calls = []

    def most(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        calls.append(len(a))
        return np.abs(a - b).max(axis=(1, 2))

    found = letter_distances(made.pictures, use, most)
    assert sum(calls) == 2 * 40 * 39 // 2
    assert len(calls) > 2  # more pairs than fit into one piece
    for k, a, b in ((0, 3, 39), (1, 38, 0), (1, 20, 21)):
        difference = made.pictures[a, k].astype(float) - made.pictures[b, k]
        assert found[k, a, b] == pytest.approx(np.abs(difference).max())


def test_spread_is_the_published_one(some: Prototypes) -> None:
    use = usable(some, 5)
    found = spreads(some, use)
    assert found.families == ("A", "B")
    for f, members in enumerate(([0, 1], [2, 3])):
        for k in range(4):
            here = [g for g in members if use[g, k]]
            assert found.documents[f, k] == len(here)
            if len(here) < 2:
                assert np.isnan(found.values[f, k])
                assert np.isnan(found.noise[f, k])
                continue
            total, chance = 0.0, 0.0
            for y in range(12):
                for x in range(10):
                    inks = [float(some.pictures[g, k, y, x]) for g in here]
                    mean = sum(inks) / len(inks)
                    total += sum((ink - mean) ** 2 for ink in inks) / (len(inks) - 1)
                    chance += np.mean([float(some.errors[g, k, y, x]) ** 2 for g in here])
            assert found.values[f, k] == pytest.approx(total**0.5, rel=1e-5)
            assert found.noise[f, k] == pytest.approx(chance**0.5, rel=1e-5)


def test_without_a_difference_the_spread_is_its_noise() -> None:
    found = [spreads(made, usable(made, 5)) for made in map(make_prototypes, range(40))]
    ratio = np.mean([(s.values**2).mean() / (s.noise**2).mean() for s in found])
    assert ratio == pytest.approx(1, abs=0.05)


def test_spread_without_errors_has_no_noise(some: Prototypes) -> None:
    errors = some.errors.copy()
    errors[2] = np.nan
    errors[0, 1, :6] = np.nan  # half of the pixels
    found = spreads(replace(some, errors=errors), usable(some, 5))
    assert np.isnan(found.noise[1]).all()
    assert np.isfinite(found.values[1, [0, 2, 3]]).all()
    halves = 2 * (errors[0, 1, 6:].astype(float) ** 2).sum()
    expected = np.sqrt((halves + (errors[1, 1].astype(float) ** 2).sum()) / 2)
    assert found.noise[0, 1] == pytest.approx(expected)


def test_family_names() -> None:
    assert family_names(("b", "", "a", "b")) == ("a", "b")


def test_colours() -> None:
    found = difference_colours(np.array([[0.0, 1.0, -1.0], [0.5, np.nan, 3.0]]))
    assert found.shape == (2, 3, 3)
    assert found.dtype == np.uint8
    white, red, blue = found[0]
    assert (white == 255).all()
    assert red[0] > red[1] + 100
    assert red[0] > red[2] + 100
    assert blue[2] > blue[0] + 100
    half, unknown, beyond = found[1]
    assert np.abs(half.astype(int) - (255 + red.astype(int)) / 2).max() <= 1
    assert len(set(unknown.tolist())) == 1
    assert unknown[0] not in (0, 255)
    assert (beyond == red).all()
    assert (difference_colours(np.array([0.25]), limit=0.25)[0] == red).all()
