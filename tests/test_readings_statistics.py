"""Confusions, trends, search: the formulas, against slow ones and planted truths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, spearmanr, t

from typica.errors import ConfigError
from typica.mining.classification import Classification
from typica.mining.readings.confusions import read_confusions
from typica.mining.readings.proportions import wilson
from typica.mining.readings.search import Query, label_counts, nearest, parse_box
from typica.mining.readings.timeline import (
    Profiles,
    benjamini_hochberg,
    cluster_trends,
    element_trends,
    holm,
    label_order,
    levels,
    rank_correlations,
    trend_weights,
)
from typica.mining.typicality import Typicality


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_scipy(given_):
    hits, total = given_
    found = wilson(hits, total)
    slow = binomtest(hits, total).proportion_ci(method="wilson")
    assert found.low == pytest.approx(slow.low, abs=1e-9)
    assert found.high == pytest.approx(slow.high, abs=1e-9)


def _classification() -> Classification:
    typicality = np.array(
        [[3, 1, 0], [0, 2, 1], [1, 4, 0], [0, 1, 0], [0, 0, 5], [2, 0, 1]], np.float32
    )
    ids = tuple("uvwxyz")
    margin = Typicality(np.array([2, 1, 3, 1, 5, 1], np.float32), np.full(6, 0.6, np.float32))
    truth = np.array([0, 0, 0, 1, 2, 2])
    return Classification(ids, ("a", "b", "c"), truth, typicality, np.ones(6), margin)


def test_confusions_are_counted_with_their_clearest_pictures_first():
    found = read_confusions(
        _classification(), dict.fromkeys("uvwx", "train") | dict.fromkeys("yz", "val")
    )
    assert found.counts == ((1, 2, 0), (0, 1, 0), (1, 0, 1))
    first, second = found.pairs
    assert (first.truth, first.given, first.count, first.settled) == ("a", "b", 2, 1)
    assert first.rows == (2, 1)
    assert first.gains == pytest.approx((3.0, 2.0))
    assert (second.truth, second.given) == ("c", "a")
    assert first.share.mean == pytest.approx(2 / 3)
    every, train, val = found.splits
    assert (every.pictures, train.pictures, val.pictures) == (6, 4, 2)
    assert every.accuracy.mean == pytest.approx(0.5)
    assert val.accuracy.mean == pytest.approx(0.5)


@given(st.integers(4, 9), st.data())
def test_trend_weights_are_the_least_squares_of_what_is_left(labels, data):
    own = data.draw(st.integers(0, labels - 1))
    profile = np.random.default_rng(data.draw(st.integers(0, 999))).normal(size=labels)
    kept = np.arange(labels) != own
    slope, curvature = trend_weights(labels, own) @ profile
    x = np.arange(labels)[kept]
    assert slope == pytest.approx(np.polyfit(x, profile[kept], 1)[0], abs=1e-8)
    assert curvature == pytest.approx(np.polyfit(x, profile[kept], 2)[0], abs=1e-8)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_corrections_against_their_definitions(values):
    p = np.array(values)
    order = np.argsort(p, kind="stable")
    slow_holm, slow_rate = np.zeros(len(p)), np.zeros(len(p))
    for place, i in enumerate(order):
        slow_holm[i] = min(1, max(p[order[j]] * (len(p) - j) for j in range(place + 1)))
        slow_rate[i] = min(1, min(p[order[j]] * len(p) / (j + 1) for j in range(place, len(p))))
    np.testing.assert_allclose(holm(p), slow_holm)
    np.testing.assert_allclose(benjamini_hochberg(p), slow_rate)


def test_rank_correlation_is_spearmans_and_leaves_the_unknown_out():
    row = np.array([0.2, np.nan, 0.1, 0.9, 0.5])
    found = rank_correlations(row[None])[0]
    assert found == pytest.approx(spearmanr([0, 2, 3, 4], row[[0, 2, 3, 4]])[0])


def _collection(random: np.random.Generator, trend: float, labels: int = 6) -> tuple:
    """Clusters of elements that were chosen by their own label, pictures that share their noise.

    Cluster 0 has the trend; the others have none. Every label has a worth of its own.
    """
    groups, pictures = 6, 8
    shared = random.normal(0, 0.3, (labels, groups))
    worth = random.normal(0, 1, labels)
    rows, deviations, own, names, cluster = [], [], [], [], []
    for number in range(12):
        for k in range(pictures):
            profile = worth + random.normal(0, 0.5, labels)
            column = (number + k) % labels if number else k % labels
            profile[column] += 3  # why it was chosen
            profile += (trend if number == 0 else 0) * np.arange(labels)
            noise = shared + random.normal(0, 0.3, (labels, groups))
            rows.append(profile + noise.mean(1))
            deviations.append(noise - noise.mean(1, keepdims=True))
            own.append(column)
            names.append(f"{number}/{k}")
            cluster.append(number)
    typical = Profiles(np.array(rows), np.array(deviations), np.array(own), tuple(names))
    rows, deviations = [], []
    for _ in range(60):
        noise = shared + random.normal(0, 0.3, (labels, groups))
        rows.append(worth + random.normal(0, 0.5, labels) + noise.mean(1))
        deviations.append(noise - noise.mean(1, keepdims=True))
    plain = Profiles(
        np.array(rows), np.array(deviations), np.arange(60) % labels, tuple(map(str, range(60)))
    )
    return typical, np.array(cluster), levels(plain)


def test_a_planted_rise_and_fall_are_found():
    for trend, shape in ((0.5, "rising"), (-0.5, "falling")):
        found = cluster_trends(*_collection(np.random.default_rng(0), trend))
        assert found[0].shape == shape
        assert found[0].slope.low < trend < found[0].slope.high
        assert [one.shape for one in found[1:]].count("level") >= 10


def test_a_planted_peak_is_found():
    typical, cluster, level = _collection(np.random.default_rng(1), 0.0)
    typical.values[cluster == 0] -= 0.8 * (np.arange(6) - 2.5) ** 2
    first = cluster_trends(typical, cluster, level)[0]
    assert first.shape == "peaking"
    assert first.curvature.high < 0


def test_a_picture_counts_once_however_many_elements_it_has():
    """The slope of a cluster against a plain loop over its pictures."""
    random = np.random.default_rng(2)
    values = random.normal(size=(20, 5))
    pictures = tuple("abcdde"[k % 6] + str(k % 3) for k in range(20))
    typical = Profiles(values, np.zeros((20, 5, 3)), np.arange(20) % 5, pictures)
    level = random.normal(size=5), np.zeros((5, 3))
    (found,) = cluster_trends(typical, np.zeros(20, np.int64), level)
    slopes: dict[str, list[float]] = {}
    for row in range(20):
        kept = [k for k in range(5) if k != row % 5]
        slope = np.polyfit(kept, (values[row] - level[0])[kept], 1)[0]
        slopes.setdefault(pictures[row], []).append(slope)
    means = np.array([np.mean(one) for one in slopes.values()])
    assert found.pictures == len(means)
    assert found.slope.mean == pytest.approx(means.mean())
    half = t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    assert found.slope.high == pytest.approx(means.mean() + half)


def test_without_a_trend_the_level_of_false_alarms_is_kept():
    """Any cluster at all that is called a trend, in 150 collections without one: 5 % are allowed.

    With 7.5 expected at most, 16 or more would happen once in 300 times.
    """
    alarms = 0
    for seed in range(150):
        found = cluster_trends(*_collection(np.random.default_rng(seed + 100), 0.0))
        alarms += any(one.shape != "level" for one in found)
    assert alarms <= 15


def test_elements_without_a_trend_are_rarely_called_one():
    """Errors of elements are over draws: without spread of their own, few pass the correction."""
    random = np.random.default_rng(5)
    noise = random.normal(0, 1, (400, 6, 10))
    flat = Profiles(
        noise.mean(2),
        noise - noise.mean(2, keepdims=True),
        np.arange(400) % 6,
        tuple(map(str, range(400))),
    )
    level = np.zeros(6), np.zeros((6, 10))
    found = element_trends(flat, level)
    assert (found["p"] < 0.05).mean() == pytest.approx(0.05, abs=0.035)
    assert (found["q"] < 0.05).sum() <= 2
    flat.values[:40] += 2 * np.arange(6)
    assert (element_trends(flat, level)["q"][:40] < 0.05).mean() > 0.9


def test_labels_are_ordered_by_their_numbers_or_as_told():
    assert label_order(["1950s", "900", "1920s", "-50"]) == ("-50", "900", "1920s", "1950s")
    assert label_order(["a", "b", "c", "d"], ["d", "b", "a", "c"]) == ("d", "b", "a", "c")
    with pytest.raises(ConfigError, match="no number"):
        label_order(["a", "b", "c", "d"])
    with pytest.raises(ConfigError, match="no such label"):
        label_order(["a", "b"], ["z"])
    with pytest.raises(ConfigError, match="at least four"):
        label_order(["1", "2", "3"])


def test_the_nearest_is_the_element_itself():
    random = np.random.default_rng(0)
    features = random.normal(size=(30, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    for row in range(30):
        rows, cosines = nearest(features, features[row], np.arange(30), 5)
        assert rows[0] == row
        assert cosines[0] == pytest.approx(1, abs=1e-5)
        slow = sorted(range(30), key=lambda i: -float(features[i] @ features[row]))[:5]
        assert rows.tolist() == slow
    twice = np.concatenate([features, features])  # as patches over the same cells are
    assert nearest(twice, twice[33], np.arange(60), 3, 33)[0].tolist()[:2] == [33, 3]
    assert nearest(twice, twice[33], np.arange(60), 3)[0].tolist()[:2] == [3, 33]


def test_labels_of_what_was_found_are_counted_beside_what_is_expected():
    found = label_counts(["a", "a", "b"], ["a"] * 2 + ["b"] * 6)
    assert [(one.label, one.count, one.expected) for one in found] == [
        ("a", 2, 0.25),
        ("b", 1, 0.75),
    ]


def test_boxes_and_queries_that_cannot_be_are_refused():
    assert parse_box("1,2,3,4", 10, 10).right == 4
    for bad in ("1,2,3", "a,b,c,d", "0,0,11,5", "0,0,0,5", "-1,0,4,4", "nan,0,1,1"):
        with pytest.raises(ConfigError, match="--box"):
            parse_box(bad, 10, 10)
    with pytest.raises(ConfigError, match="either"):
        Query()
    with pytest.raises(ConfigError, match="needs --picture"):
        Query(row=1, box="0,0,1,1")
