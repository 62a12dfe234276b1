"""Families: graphs, permutation tests, discriminative letters. Right where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from typica.palaeography.differences import l2, letter_distances, usable
from typica.palaeography.discrimination import discriminative_letters
from typica.palaeography.families import (
    document_graph,
    family_prototypes,
    family_tests,
    letter_graph,
)
from typica.palaeography.labellings import labellings, share_at_least
from typica.palaeography.prototypes import Prototypes

from .prototype_helpers import make_prototypes

THREE = ("A", "B", "C", "A", "B", "A", "", "C")


@pytest.fixture
def gaps() -> Prototypes:
    """Three families, a document of none, some letters missing."""
    made = make_prototypes(7, THREE, "abcd", family_effect=0.05, document_effect=0.1)
    counts = made.counts.copy()
    counts[0, 1] = counts[5, 2] = counts[2, 3] = counts[7, 3] = 0
    counts[3, 0] = counts[5, 0] = 0  # a: only one document of A has it
    return replace(made, counts=counts)


def slow_distance(
    made: Prototypes, use: np.ndarray, families: Sequence[str], g: int, k: int, name: str
) -> float:
    """Of a document's letter to a family's mean, the document left out; by loops."""
    members = [m for m, own in enumerate(families) if own == name and use[m, k] and m != g]
    if not members or not use[g, k]:
        return float("nan")
    total = np.zeros(made.pictures.shape[2:])
    for m in members:
        total += made.pictures[m, k]
    return float(np.sqrt(((made.pictures[g, k] - total / len(members)) ** 2).sum()))


def slow_beyond(made: Prototypes, use: np.ndarray, families: Sequence[str], g: int) -> float:
    """How much farther the own family is than the nearest other, over letters; by loops."""
    names = sorted(set(families) - {""})
    rows = []
    for k in range(len(made.letters)):
        row = [slow_distance(made, use, families, g, k, name) for name in names]
        if not np.isnan(row).any():
            rows.append(row)
    if not rows:
        return float("nan")
    mean = dict(zip(names, np.mean(rows, axis=0), strict=True))
    own = mean.pop(families[g])
    return float(own - min(mean.values()))


def test_family_prototypes(gaps: Prototypes) -> None:
    use = usable(gaps, 5)
    centres, members = family_prototypes(gaps, use)
    assert members.tolist() == [[1, 2, 2, 3], [2, 2, 2, 2], [2, 2, 2, 0]]
    assert centres[0, 1] == pytest.approx(gaps.pictures[[3, 5], 1].mean(axis=0), abs=1e-6)
    assert np.isnan(centres[2, 3]).all()


def test_letter_graph_is_that_of_loops(gaps: Prototypes) -> None:
    use = usable(gaps, 5)
    graph = letter_graph(gaps, use, l2)
    published = letter_graph(gaps, use, l2, leave_one_out=False)
    assert graph.families == ("A", "B", "C")
    centres, _ = family_prototypes(gaps, use)
    for g in range(8):
        for k in range(4):
            for f, name in enumerate("ABC"):
                expected = slow_distance(gaps, use, THREE, g, k, name)
                assert graph.distances[g, k, f] == pytest.approx(expected, rel=1e-4, nan_ok=True)
                whole = np.sqrt(((gaps.pictures[g, k] - centres[f, k]) ** 2).sum())
                whole = whole if use[g, k] else np.nan
                assert published.distances[g, k, f] == pytest.approx(whole, rel=1e-4, nan_ok=True)
            row = graph.distances[g, k]
            if np.isnan(row).any():
                assert graph.nearest[g, k] == -1
                assert not graph.outlier[g, k]
            else:
                assert graph.nearest[g, k] == row.argmin()
                assert graph.outlier[g, k] == (THREE[g] not in ("", "ABC"[row.argmin()]))
    # the only document of A with an a has no other to be compared with
    assert np.isnan(graph.distances[0, 0, 0])
    assert graph.members[0, 0].tolist() == [0, 2, 2]


def test_published_form_draws_documents_to_their_own_family(gaps: Prototypes) -> None:
    use = usable(gaps, 5)
    graph = letter_graph(gaps, use, l2)
    published = letter_graph(gaps, use, l2, leave_one_out=False)
    # B has two documents: half the distance
    assert published.distances[1, :, 1] == pytest.approx(graph.distances[1, :, 1] / 2, rel=1e-4)


def test_document_graph(gaps: Prototypes) -> None:
    graph = letter_graph(gaps, usable(gaps, 5), l2)
    found = document_graph(graph, THREE)
    right = []
    for g in range(8):
        rows = [row for row in graph.distances[g] if np.isfinite(row).all()]
        assert found.letters[g] == len(rows)
        assert found.distances[g] == pytest.approx(np.mean(rows, axis=0))
        assert found.nearest[g] == np.mean(rows, axis=0).argmin()
        assert found.nearer_other[g] == graph.outlier[g].sum()
        if THREE[g]:
            right.append("ABC"[found.nearest[g]] == THREE[g])
            assert found.outlier[g] != right[-1]
    assert found.confusion.sum() == 7
    assert found.accuracy == pytest.approx(np.mean(right)) == np.trace(found.confusion) / 7


def test_test_statistics_are_those_of_loops(gaps: Prototypes) -> None:
    use = usable(gaps, 5)
    by_letter = letter_distances(gaps.pictures, use, l2)
    found = family_tests(by_letter, THREE, permutations=300)
    assert found.exact
    part = [g for g in range(8) if THREE[g]]
    labels = sorted(set(permutations([THREE[g] for g in part])))
    assert found.ways == len(labels) == 210
    means = np.nanmean(by_letter, axis=0)

    def statistics(names: Sequence[str]) -> tuple[float, float, list[float]]:
        families = [""] * 8
        for g, name in zip(part, names, strict=True):
            families[g] = name
        between, within = [], []
        for i, a in enumerate(part):
            for b in part[i + 1 :]:
                (within if families[a] == families[b] else between).append(means[a, b])
        beyond = [slow_beyond(gaps, use, families, g) for g in part]
        right = np.mean([b <= 0 for b in beyond if not np.isnan(b)])
        return float(np.mean(between) - np.mean(within)), float(right), beyond

    all_ways = [statistics(names) for names in labels]
    given_names = [THREE[g] for g in part]
    observed = all_ways[labels.index(tuple(given_names))]
    assert found.separation == pytest.approx(observed[0], rel=1e-4)
    assert found.accuracy == pytest.approx(observed[1])
    assert found.separation_p == pytest.approx(
        np.mean([way[0] >= observed[0] - 1e-6 for way in all_ways])
    )
    assert found.accuracy_p == pytest.approx(np.mean([w[1] >= observed[1] for w in all_ways]))
    for place, g in enumerate(part):
        assert found.outlier[g] == pytest.approx(observed[2][place], rel=1e-3, abs=1e-5)
        same = [
            way[2][place]
            for names, way in zip(labels, all_ways, strict=True)
            if names[place] == THREE[g]
        ]
        expected = np.mean([not (t < observed[2][place] - 1e-7) for t in same])
        assert found.outlier_p[g] == pytest.approx(expected)
    assert np.isnan(found.outlier[6])  # of no family
    assert np.isnan(found.outlier_p[6])


def test_true_families_are_found_by_leaving_one_out() -> None:
    for seed in range(5):
        made = make_prototypes(seed, family_effect=0.08, document_effect=0.08)
        use = usable(made, 5)
        found = document_graph(letter_graph(made, use, l2), made.families)
        assert found.accuracy == 1
        assert not found.outlier.any()
        tests = family_tests(letter_distances(made.pictures, use, l2), made.families)
        assert tests.separation_p == pytest.approx(2 / 70) == tests.smallest_p
        assert tests.outlier_p.min() > 0.5


def test_planted_outlier_is_found_and_no_other() -> None:
    names = ("A",) * 7 + ("B",) * 7
    for seed in range(5):
        made = make_prototypes(seed, names, family_effect=0.06, document_effect=0.06, like={4: "B"})
        use = usable(made, 5)
        found = document_graph(letter_graph(made, use, l2), names)
        assert np.flatnonzero(found.outlier).tolist() == [4]
        tests = family_tests(letter_distances(made.pictures, use, l2), names)
        assert tests.exact
        assert tests.outlier[4] > 0
        assert tests.outlier_p[4] < 0.01
        assert np.delete(tests.outlier_p, 4).min() > 0.05


def test_one_family_alone_and_families_of_one() -> None:
    made = make_prototypes(1, ("A",) * 4)
    use = usable(made, 5)
    by_letter = letter_distances(made.pictures, use, l2)
    for families, word in (
        (("A",) * 4, "one family"),
        (("",) * 4, "no group has a family"),
        (("A", "B", "C", "D"), "single document"),
    ):
        tests = family_tests(by_letter, families)
        assert word in tests.reason
        assert np.isnan([tests.separation_p, tests.accuracy_p, tests.smallest_p]).all()
        assert np.isnan(tests.outlier_p).all()
        graph = letter_graph(replace(made, families=families), use, l2)
        found = document_graph(graph, families)
        assert not found.outlier.any()
        assert np.isnan(found.accuracy)
    lonely = ("A", "A", "A", "B")
    tests = family_tests(by_letter, lonely)
    assert tests.reason == ""
    assert np.isfinite(tests.separation_p)
    assert np.isnan(tests.outlier[3])  # nothing to compare it with
    assert np.isnan(tests.outlier_p[3])
    assert np.isfinite(tests.outlier_p[:3]).all()


def test_documents_without_a_common_letter() -> None:
    made = make_prototypes(1, ("A", "A", "B", "B"), "ab")
    use = np.array([[True, False], [False, True], [True, False], [False, True]])
    by_letter = letter_distances(made.pictures, use, l2)
    tests = family_tests(by_letter, made.families)
    assert "share a letter" in tests.reason
    assert np.isnan(tests.separation_p)
    assert np.isnan(tests.outlier).all()


def nominal(p: np.ndarray, level: float) -> bool:
    """Whether as many p-values are at most a level as there should be (1 time in 10,000 not)."""
    low, high = binom.ppf([1e-4, 1 - 1e-4], len(p), level)
    return bool(low <= (p <= level + 1e-12).sum() <= high)


def test_no_false_alarms_without_families() -> None:
    """p-values are uniform on the values that they can take."""
    separation, accuracy, outlier, letters, adjusted = [], [], [], [], []
    for seed in range(200):
        made = make_prototypes(seed, letters="abc", size=(6, 6), document_effect=0.1, occurrences=2)
        by_letter = letter_distances(made.pictures, usable(made, 1), l2)
        tests = family_tests(by_letter, made.families)
        separation.append(tests.separation_p)
        accuracy.append(tests.accuracy_p)
        outlier.append(tests.outlier_p[seed % 8])  # those of one set are not independent
        found = discriminative_letters(by_letter, made.families, ("A", "B"))
        letters.append(found.p)
        adjusted.append(found.q.min())
    for steps in (2, 4, 8, 14, 36):  # of two mirrored ways each, of 70
        assert nominal(np.array(separation), steps / 70)
        assert nominal(np.concatenate(letters), steps / 70)
    for steps in (1, 2, 4, 7, 18):  # of 35 ways
        assert nominal(np.array(outlier), steps / 35)
    # with ties a test may only be too careful
    accuracy_p = np.array(accuracy)
    for level in (0.05, 0.1, 0.3):
        assert (accuracy_p <= level).sum() <= binom.ppf(1 - 1e-4, len(outlier), level)
        assert (np.array(adjusted) <= level).sum() <= binom.ppf(1 - 1e-4, len(outlier), level)


def test_no_false_alarms_with_sampled_ways() -> None:
    separation, outlier = [], []
    names = ("A",) * 4 + ("B",) * 6
    for seed in range(150):
        made = make_prototypes(seed, names, "ab", size=(6, 6), document_effect=0.1, occurrences=2)
        by_letter = letter_distances(made.pictures, usable(made, 1), l2)
        tests = family_tests(by_letter, names, permutations=39, seed=seed)
        assert not tests.exact
        assert tests.ways == 40
        separation.append(tests.separation_p)
        outlier.append(tests.outlier_p[seed % 10])
    for level in (0.05, 0.1, 0.5):
        assert nominal(np.array(separation), level)
        assert (np.array(outlier) <= level).sum() <= binom.ppf(1 - 1e-4, len(outlier), level)


def test_discriminative_letters_are_those_of_loops(gaps: Prototypes) -> None:
    use = usable(gaps, 5)
    by_letter = letter_distances(gaps.pictures, use, l2)
    found = discriminative_letters(by_letter, THREE, ("A", "C"))
    for k in range(4):
        part = [g for g in range(8) if THREE[g] in ("A", "C") and use[g, k]]
        names = [THREE[g] for g in part]
        assert found.documents[k].tolist() == [names.count("A"), names.count("C")]
        if k == 3:  # no document of C has a d
            assert np.isnan([found.effect[k], found.p[k], found.q[k]]).all()
            assert found.smallest_p[k] == 1
            continue
        effects = []
        for way in [tuple(names), *sorted(set(permutations(names)))]:
            between, within = [], []
            for i in range(len(part)):
                for j in range(i):
                    (within if way[i] == way[j] else between).append(by_letter[k, part[i], part[j]])
            effects.append(np.mean(between) / np.mean(within))
        assert found.effect[k] == pytest.approx(effects[0])
        assert found.between[k] / found.within[k] == pytest.approx(effects[0])
        assert found.p[k] == pytest.approx(np.mean(np.array(effects[1:]) >= effects[0] - 1e-9))
        ways = comb(len(part), names.count("A"))
        assert found.smallest_p[k] == (1 + (names.count("A") == names.count("C"))) / ways
        assert found.p[k] >= found.smallest_p[k] - 1e-12
    assert found.order() == sorted(range(3), key=lambda k: -found.effect[k])


def test_letters_that_differ_are_ranked_first() -> None:
    plain = make_prototypes(3, ("A", "B") * 5, "abcdef", document_effect=0.05)
    strong = make_prototypes(3, ("A", "B") * 5, "abcdef", document_effect=0.05, family_effect=0.1)
    pictures = plain.pictures.copy()
    pictures[:, [1, 4]] = strong.pictures[:, [1, 4]]
    by_letter = letter_distances(pictures, usable(plain, 5), l2)
    found = discriminative_letters(by_letter, plain.families, ("A", "B"))
    assert set(found.order()[:2]) == {1, 4}
    assert found.q[[1, 4]].max() < 0.05
    assert found.effect[[0, 2, 3, 5]].max() < 1.3


def test_documents_that_are_all_alike() -> None:
    by_letter = np.zeros((1, 4, 4))
    by_letter[0, :2, 2:] = by_letter[0, 2:, :2] = 1
    found = discriminative_letters(by_letter, ("A", "A", "B", "B"), ("A", "B"))
    assert np.isinf(found.effect[0])
    assert found.p[0] == pytest.approx(2 / 6)
    nothing = discriminative_letters(np.zeros((1, 4, 4)), ("A", "A", "B", "B"), ("A", "B"))
    assert nothing.order() == []


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=7))
def test_labellings_are_all_distinct_orders(labels: list[int]) -> None:
    labels = np.unique(labels, return_inverse=True)[1].tolist()
    rows, exact = labellings(labels, 5040, 0)
    assert exact
    assert rows[0].tolist() == labels
    assert sorted(map(tuple, rows.tolist())) == sorted(set(permutations(labels)))


def test_sampled_labellings_keep_the_sizes() -> None:
    labels = [0, 0, 0, 1, 1, 2]
    rows, exact = labellings(labels, 59, 3)
    assert not exact
    assert rows.shape == (60, 6)
    assert rows[0].tolist() == labels
    assert (np.sort(rows, axis=1) == labels).all()
    assert len(np.unique(rows, axis=0)) > 20
    assert (labellings(labels, 59, 3)[0] == rows).all()
    assert (labellings(labels, 59, 4)[0] != rows).any()


def test_share_at_least() -> None:
    values = np.array([[1.0, np.nan], [1.0 + 1e-12, 0.0], [0.0, 1.0], [np.nan, 1.0], [2.0, 1.0]])
    assert share_at_least(values)[0] == pytest.approx(4 / 5)
    assert np.isnan(share_at_least(values)[1])
    assert share_at_least(np.array([np.inf, 1.0, np.inf])) == pytest.approx(2 / 3)
