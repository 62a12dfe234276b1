"""The numbers of a comparison against plain loops, and on sets whose bias is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.mining.bias.comparison import calibrate, compare, prepare
from typica.mining.bias.diversity import effective_number, mean_distance, vendi_score
from typica.mining.bias.manifolds import Distances, manifold_measures
from typica.mining.bias.options import BiasOptions
from typica.mining.bias.representation import (
    compare_counts,
    corrected_p,
    nearest,
    nearest_without_own_picture,
    picture_counts,
)
from typica.mining.bias.resampling import jackknife, mean_estimate, range_estimate
from typica.mining.bias.sets import LabelSet, draw_pictures
from typica.mining.config import ClusterConfig
from typica.mining.intervals import Estimate

CHANCES = np.array([0.2, 0.2, 0.15, 0.15, 0.1, 0.1, 0.05, 0.05])
SURE = {"permutations": 199, "resamples": 100, "level": 0.05}


def _counts(seed, pictures=60, chances=CHANCES, alike=6.0):
    """Clusters of the elements of pictures, those of one picture resembling each other."""
    draws = np.random.default_rng(seed)
    own = draws.dirichlet(alike * chances + 1e-9, pictures)
    return np.stack([draws.multinomial(draws.integers(1, 6), one) for one in own]).astype(float)


def test_a_dropped_and_a_doubled_cluster_are_found():
    planted = CHANCES.copy()
    planted[1], planted[2] = 0.0, 0.35
    found = compare_counts(_counts(0, 150), _counts(1, 150, planted), seed=[0], **SURE)
    verdicts = {one.cluster: one.verdict for one in found.clusters if one.verdict}
    assert verdicts == {1: "under", 2: "over"}
    dropped, doubled = found.clusters[1], found.clusters[2]
    assert dropped.sampled == 0
    assert np.isnan(dropped.log_ratio.low)
    assert dropped.log_ratio.high < -2
    assert doubled.log_ratio.low > 0.5
    assert doubled.difference.low > 0.1
    assert found.variation > 3 * found.chance
    assert found.p == 1 / 200


def test_intervals_of_ratios_cover_the_planted_ones():
    planted = CHANCES.copy()
    planted[1], planted[2] = 0.0, 0.35
    covered = 0
    for i in range(60):
        sides = _counts([i, 0], 80), _counts([i, 1], 80, planted)
        ratio = compare_counts(*sides, seed=[i], **SURE).clusters[2].log_ratio
        covered += ratio.low < np.log2(0.35 / 0.15) < ratio.high
    assert covered >= 51  # 57 are nominal


def test_chance_alone_raises_few_alarms():
    alarms = distances = 0
    for i in range(100):
        found = compare_counts(_counts([i, 0]), _counts([i, 1]), seed=[i], **SURE)
        alarms += any(one.verdict for one in found.clusters)
        distances += found.p <= 0.05
    # 5 are nominal; with that chance more than 12 happen once in a thousand
    assert alarms <= 12
    assert distances <= 12


def test_elements_dealt_singly_would_raise_many():
    """What the pictures are for: with every element a picture of its own, chance is too small."""
    alarms = 0
    for i in range(40):
        sides = [_counts([i, k], alike=1.0) for k in (0, 1)]
        single = [np.eye(8)[np.repeat(np.arange(8), s.sum(0).astype(int))] for s in sides]
        number = min(map(len, single))
        draws = np.random.default_rng(i)
        cut = [one[draws.permutation(len(one))[:number]] for one in single]
        alarms += any(one.verdict for one in compare_counts(*cut, seed=[i], **SURE).clusters)
    assert alarms > 8  # 2 are nominal


def test_shares_are_those_of_a_plain_loop():
    draws = np.random.default_rng(5)
    features, centres = draws.normal(size=(40, 3)), draws.normal(size=(4, 3))
    picture = draws.integers(6, size=40)
    place, distance = nearest(features, centres)
    counts = np.zeros((6, 4))
    for i in range(40):
        far = [np.linalg.norm(features[i] - centre) for centre in centres]
        assert place[i] == int(np.argmin(far))
        assert distance[i] == pytest.approx(min(far))
        counts[picture[i], np.argmin(far)] += 1
    assert (picture_counts(place, picture, 6, 4) == counts).all()
    found = compare_counts(counts, counts[::-1], seed=[0], **SURE)
    for k, one in enumerate(found.clusters):
        assert one.real == pytest.approx(counts[:, k].sum() / 40)
        assert one.difference.mean == pytest.approx(0)
        assert one.p == 1
    assert found.variation == 0
    assert found.elements == (40, 40)
    with pytest.raises(ValueError, match="as many"):
        compare_counts(counts, counts[1:], seed=[0], **SURE)


def test_no_picture_is_held_against_its_own_elements():
    draws = np.random.default_rng(2)
    features = draws.normal(size=(30, 4))
    cluster, picture = draws.integers(5, size=30), draws.integers(7, size=30)
    cluster = np.unique(cluster, return_inverse=True)[1]
    alone = np.flatnonzero(picture == 3)
    features = np.concatenate([features, draws.normal(5, 0.1, (1, 4))])
    cluster, picture = np.append(cluster, cluster.max() + 1), np.append(picture, 3)
    place, distance = nearest_without_own_picture(features, cluster, picture)
    for i in range(len(features)):
        best = (np.inf, -1)
        for k in range(cluster.max() + 1):
            others = features[(cluster == k) & (picture != picture[i])]
            if len(others):
                best = min(best, (float(np.linalg.norm(features[i] - others.mean(0))), k))
        assert place[i] == best[1]
        assert distance[i] == pytest.approx(best[0])
    assert place[-1] != cluster[-1]  # nobody else has that cluster
    assert len(alone)
    one = nearest_without_own_picture(features[:1], np.array([0]), np.array([4]))
    assert one[0].tolist() == [0]
    assert np.isnan(one[1]).all()


def test_the_correction_is_by_the_largest_difference():
    draws = np.random.default_rng(0)
    dealt = draws.normal(size=(199, 5)) * [1, 2, 3, 4, 0]
    observed = np.array([3.5, 2.0, -9.0, 0.0, 0.0])
    expected = []
    for k in range(5):
        size = abs(observed[k]) / dealt[:, k].std() if k < 4 else 0
        scaled = np.abs(dealt[:, :4]) / dealt[:, :4].std(0)
        expected.append((1 + (scaled.max(1) >= size).sum()) / 200)
    assert corrected_p(observed, dealt) == pytest.approx(expected)


def _plain_measures(real, fake, k):
    def reach(points):
        return [
            sorted(np.linalg.norm(points[j] - p) for j in range(len(points)) if j != i)[k - 1]
            for i, p in enumerate(points)
        ]

    ours, theirs = reach(real), reach(fake)
    n, m = len(real), len(fake)
    near = [[np.linalg.norm(real[i] - fake[j]) for j in range(m)] for i in range(n)]
    inside = [[near[i][j] <= ours[i] for j in range(m)] for i in range(n)]
    return {
        "precision": np.mean([any(inside[i][j] for i in range(n)) for j in range(m)]),
        "recall": np.mean([any(near[i][j] <= theirs[j] for j in range(m)) for i in range(n)]),
        "density": sum(map(sum, inside)) / (k * m),
        "coverage": np.mean([any(row) for row in inside]),
    }


@given(st.integers(0, 10_000), st.integers(4, 12), st.integers(1, 3), st.floats(0, 3))
@settings(max_examples=25)
def test_precision_and_recall_on_gaussians_follow_their_definition(seed, n, k, shift):
    draws = np.random.default_rng(seed)
    real, fake = draws.normal(size=(n, 3)), draws.normal(shift, 1, (n, 3))
    found = manifold_measures(Distances.of(real, fake), k)
    assert found == pytest.approx(_plain_measures(real, fake, k))


def test_a_collapsed_set_has_precision_and_no_recall():
    draws = np.random.default_rng(0)
    real = draws.normal(size=(200, 2))
    same = manifold_measures(Distances.of(real, draws.normal(size=(200, 2))), 5)
    narrow = manifold_measures(Distances.of(real, draws.normal(0, 0.05, (200, 2))), 5)
    away = manifold_measures(Distances.of(real, draws.normal(20, 1, (200, 2))), 5)
    assert min(same.values()) > 0.85
    assert narrow["precision"] == 1
    assert narrow["recall"] < 0.1
    assert narrow["coverage"] < 0.3
    assert away == dict.fromkeys(away, 0)
    one = manifold_measures(Distances.of(real[:1], real[:1]), 5)
    assert np.isnan(list(one.values())).all()


@pytest.mark.parametrize(("count", "dimensions"), [(5, 9), (9, 5)])
def test_diversity_is_that_of_plain_formulas(count, dimensions):
    points = np.random.default_rng(1).normal(size=(count, dimensions))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(points @ points.T / count)
    values = values[values > 1e-12]
    assert vendi_score(points) == pytest.approx(np.exp(-(values * np.log(values)).sum()))
    picture = np.arange(count) // 2
    pairs = [
        1 - points[i] @ points[j]
        for i in range(count)
        for j in range(count)
        if picture[i] != picture[j]
    ]
    assert mean_distance(points, picture) == pytest.approx(np.mean(pairs))


def test_diversity_of_simple_sets():
    assert vendi_score(np.eye(6)) == pytest.approx(6)
    assert vendi_score(np.tile(np.eye(6)[:2], (4, 1))) == pytest.approx(2)
    assert effective_number(np.array([3, 3, 0, 3])) == pytest.approx(3)
    assert np.isnan(effective_number(np.zeros(3)))
    assert np.isnan(mean_distance(np.eye(3), np.zeros(3, int)))
    assert np.isnan(vendi_score(np.zeros((0, 3))))


def test_the_jackknife_knows_the_error_of_a_mean():
    values = np.random.default_rng(0).normal(size=200)
    found = jackknife(lambda kept: values[kept[0]].mean(), [200], 200, 0)
    error = values.std(ddof=1) / np.sqrt(200)
    assert found.mean == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=1e-3)
    # of two sets, the variances add up
    two = jackknife(lambda k: values[k[0]].mean() - values[k[1]].mean(), [200, 200], 200, 0)
    assert (two.high - two.low) / 2 == pytest.approx(1.96 * error * np.sqrt(2), rel=1e-3)
    grouped = jackknife(lambda kept: values[kept[0]].mean(), [200], 20, 0)
    assert (grouped.high - grouped.low) / 2 == pytest.approx(1.96 * error, rel=0.5)
    assert np.isnan(jackknife(lambda kept: 1.0, [1], 5, 0).low)
    mean = mean_estimate([Estimate(1, 0, 2), Estimate(3, 2, 4), Estimate(np.nan, np.nan, np.nan)])
    assert (mean.mean, mean.low) == pytest.approx((2, 2 - np.sqrt(2) / 2))
    assert np.isnan(range_estimate([]).mean)


def _label(seed, pictures, chances, spaces=True):
    """Elements around fixed middles, as of mined pictures; pictures as plain normal points."""
    draws = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(size=(len(chances), 16))
    picture = np.repeat(np.arange(pictures), 3)
    kind = draws.choice(len(chances), len(picture), p=chances)
    features = middles[kind] + 0.25 * draws.normal(size=(len(picture), 16))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    vectors = {"dift": draws.normal(size=(pictures, 4))} if spaces else {}
    cluster = np.unique(kind, return_inverse=True)[1]
    return LabelSet(features, picture, cluster, np.arange(len(picture)), pictures, vectors)


def test_a_label_is_compared_with_itself_and_with_a_biased_set():
    options = BiasOptions(permutations=199, resamples=100, parts=5, splits=6, neighbours=3)
    flat = np.full(6, 1 / 6)
    real = _label(0, 120, flat)
    pool, chosen, number = draw_pictures(120, 60, 0, 0)
    assert (number, len(pool), len(chosen)) == (60, 120, 60)
    assert len(set(pool.tolist())) == 120
    ready = prepare(real, pool, number, options)
    halves = calibrate(ready, ClusterConfig(count=6, starts=2), options, 0)
    assert halves.pictures == 60
    assert len(halves.variation) == 6
    assert halves.alarms <= 0.5
    named = {}
    for name, chances in (("fair", flat), ("biased", np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1]))):
        samples = _label(7, 60, chances)
        given = {"label": (0, "x"), "guidance": 3.0}
        named[name] = compare(ready, samples, chosen, halves, options, **given)
    fair, biased = named["fair"], named["biased"]
    assert not any(one.verdict for one in fair.representation.clusters)
    assert biased.representation.clusters[0].verdict == "over"
    measures = {(one.space, one.name): one for one in biased.measures}
    before = {(one.space, one.name): one for one in fair.measures}
    kinds = measures["elements", "effective_clusters"]
    assert kinds.value.high < kinds.reference.low
    assert kinds.reference == before["elements", "effective_clusters"].reference
    variation = measures["elements", "variation"]
    assert variation.value.mean > variation.reference.high
    assert before["elements", "variation"].value.mean < 2 * variation.reference.high
    recall = before["dift", "recall"]
    assert abs(recall.value.mean - recall.reference.mean) < 0.25
    assert {one.pictures for one in biased.measures} == {60}
    assert biased.as_dict()["representation"]["clusters"][0]["verdict"] == "over"


def test_the_same_number_of_pictures_is_drawn_of_either_set():
    pool, chosen, number = draw_pictures(10, 30, 0, 1)
    assert (number, len(pool), len(chosen)) == (10, 10, 10)
    again = draw_pictures(10, 30, 0, 1)
    assert (again[1] == chosen).all()
    assert (draw_pictures(10, 30, 1, 1)[1] != chosen).any()
