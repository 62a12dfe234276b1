"""Clusters: k-means, merging, agreement and ranking against what can be said plainly."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from tests.test_mining_table import make_table
from typica.errors import RunError
from typica.mining.clustering import cluster_elements, read_clusters, write_clusters
from typica.mining.config import ClusterConfig
from typica.mining.partitions import (
    adjusted_rand,
    best_jaccard,
    group,
    k_means,
    mean_agreement,
    median_error,
    merge_alike,
)

PARTITIONS = st.integers(2, 30).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 5), min_size=n, max_size=n)] * 2)
)


def _numbered(values):
    return np.unique(values, return_inverse=True)[1]


@given(PARTITIONS)
@settings(max_examples=100)
def test_agreement_against_sets_and_against_scikit_learn(pair):
    one, other = map(_numbered, pair)
    assert np.isclose(adjusted_rand(one, other), adjusted_rand_score(one, other))
    sets = [set(np.flatnonzero(one == k)) for k in range(one.max() + 1)]
    others = [set(np.flatnonzero(other == k)) for k in range(other.max() + 1)]
    wanted = [max(len(a & b) / len(a | b) for b in others) for a in sets]
    np.testing.assert_allclose(best_jaccard(one, other), wanted)
    jaccard, rand = mean_agreement(one, [one, other])
    np.testing.assert_allclose(jaccard, (1 + np.array(wanted)) / 2)
    assert np.isclose(rand, (1 + adjusted_rand(one, other)) / 2)


def _blobs(seed, sizes, dimensions=8, spread=0.02):
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))[0]
    truth = np.repeat(np.arange(len(sizes)), sizes)
    points = directions[truth] + spread * rng.standard_normal((len(truth), dimensions))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points.astype(np.float32), truth


def test_k_means_finds_blobs_and_repeats_itself():
    points, truth = _blobs(0, [10, 20, 5, 15])
    found = k_means(points, 4, 5, seed=3)
    assert adjusted_rand(found, truth) == 1
    np.testing.assert_array_equal(found, k_means(points, 4, 5, seed=3))
    same = np.tile(points[:1], (9, 1))  # fewer different points than clusters
    assert k_means(same, 3, 2, seed=0).tolist() == [0] * 9


def test_clusters_of_one_blob_are_merged_again():
    points, truth = _blobs(1, [30, 30, 30])
    config = ClusterConfig(count=9, starts=3, merge=0.95)
    fine, ones = group(points, replace(config, merge=None), 0)
    assert len(ones) == 9
    coarse, merged = group(points, config, 0)
    assert adjusted_rand(coarse, truth) == 1
    assert merged.sum() == 9
    for k in range(3):
        assert merged[k] == len(set(fine[coarse == k].tolist()))


@given(st.integers(0, 1000), st.floats(min_value=0.5, max_value=0.99))
@settings(max_examples=40)
def test_merging_goes_as_far_as_it_should_and_no_further(seed, least):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((40, 3)) + 1
    fine = _numbered(rng.integers(0, 12, 40))
    coarse = merge_alike(points.astype(np.float32), fine, least)
    for k in range(fine.max() + 1):  # only whole clusters are merged
        assert len(set(coarse[fine == k].tolist())) == 1
    centres = [points[coarse == k].mean(0) for k in range(coarse.max() + 1)]
    for a, b in itertools.combinations(centres, 2):
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) < least + 1e-6
    # step by step: the closest two first
    parts = [set(np.flatnonzero(fine == k)) for k in range(fine.max() + 1)]
    while len(parts) > 1:
        pairs = []
        for a, b in itertools.combinations(range(len(parts)), 2):
            one, other = (points.astype(np.float32)[sorted(parts[i])].mean(0) for i in (a, b))
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            pairs.append((cosine, a, b))
        cosine, a, b = max(pairs)
        if cosine < least:
            break
        parts[a] |= parts.pop(b)
    assert {frozenset(np.flatnonzero(coarse == k)) for k in range(coarse.max() + 1)} == {
        frozenset(part) for part in parts
    }


def test_there_are_fewer_clusters_where_there_are_few_elements():
    rng = np.random.default_rng(0)
    for n, clusters in ((1, 1), (3, 1), (8, 2), (40, 10), (400, 32)):
        points = rng.standard_normal((n, 5)).astype(np.float32)
        found, merged = group(points, ClusterConfig(starts=1, merge=None), 0)
        assert len(merged) == clusters == found.max() + 1


def test_the_error_of_a_median_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    assert np.isclose(median_error(values, 0), np.sqrt(np.pi / 2 / 2000), rtol=0.25)
    assert median_error(values, 0) == median_error(values, 0)
    assert np.isnan(median_error(values[:1], 0))
    assert median_error(np.ones(5, np.float32), 0) == 0


@pytest.fixture(scope="module")
def clustered():
    table = make_table(240, seed=3)
    config = ClusterConfig(count=6, starts=2, stability_runs=2, merge=None)
    points, _ = _blobs(2, [40] * 6, spread=0.2)
    points = np.random.default_rng(1).permutation(points)
    return (table, points, *cluster_elements(table, points, config, show_progress=False))


def test_clusters_are_ranked_and_so_are_their_members(clustered):
    before, points, table, found = clustered
    assert table.digest() == before.digest()
    for kind, by_label in (("typical", found.typical), ("random", found.random)):
        assert set(by_label) == {"a", "b"}
        for label, clusters in by_label.items():
            rows = table.rows(label, kind)
            assert sorted(m for one in clusters for m in one.members) == rows.tolist()
            assert [one.rank for one in clusters] == list(range(len(clusters)))
            medians = [one.median_typicality for one in clusters]
            assert medians == sorted(medians, reverse=True)
            for one in clusters:
                members = list(one.members)
                assert one.size == len(members)
                assert np.isclose(one.median_typicality, np.median(table.typicality[members]))
                assert (table.cluster[members] == one.rank).all()
                far = np.linalg.norm(points[members] - points[members].mean(0), axis=1)
                np.testing.assert_allclose(table.distance[members], far, rtol=1e-4)
                assert (np.diff(table.distance[members]) >= 0).all()
                assert one.border_share == table.border[members].mean()
                assert one.flat_share == table.flat[members].mean()
                assert (one.stability is None) == (kind == "random")
    assert set(found.agreement) == {"a", "b"}


def test_clear_clusters_are_stable_and_noise_is_not():
    table = replace(make_table(240, labels=("a",)), kind=np.array(["typical"] * 240, object))
    config = ClusterConfig(count=6, starts=2, stability_runs=4, merge=None)
    clear, _ = _blobs(0, [40] * 6)
    noise = np.random.default_rng(0).standard_normal((240, 20)).astype(np.float32)
    good = cluster_elements(table, clear, config, show_progress=False)[1]
    bad = cluster_elements(table, noise, config, show_progress=False)[1]
    assert good.agreement["a"] == 1
    assert all(one.stability == 1 for one in good.typical["a"])
    assert bad.agreement["a"] < 0.6
    assert np.mean([one.stability for one in bad.typical["a"]]) < 0.7
    none = cluster_elements(table, clear, replace(config, stability_runs=0), show_progress=False)[1]
    assert none.agreement == {"a": None}
    assert none.typical["a"][0].stability is None


def test_least_typical_elements_are_in_no_cluster():
    table = make_table(12)
    table = replace(table, kind=np.array(["least"] * 12, object))
    points = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
    table, found = cluster_elements(table, points, ClusterConfig(), show_progress=False)
    assert (table.cluster == -1).all()
    assert found.typical == {}


def test_clusters_come_back_as_they_were(clustered, tmp_path):
    _, _, table, found = clustered
    path = tmp_path / "clusters" / "base.json"
    write_clusters(path, found, table)
    assert read_clusters(path, table) == found
    values = json.loads(path.read_text())
    first = values["typical"]["a"][0]
    assert set(first) == {
        "rank", "size", "median_typicality", "error", "stability", "members", "merged",
        "border_share", "flat_share",
    }  # fmt: skip
    with pytest.raises(RunError, match="other elements"):
        read_clusters(path, make_table(240, seed=4))
    path.write_text(json.dumps({**values, "format": 9}))
    with pytest.raises(RunError, match="later typica"):
        read_clusters(path, table)
    path.write_text('{"format": 1')
    with pytest.raises(RunError, match="damaged"):
        read_clusters(path, table)
    with pytest.raises(RunError, match="no clusters yet"):
        read_clusters(tmp_path / "none.json", table)


def test_numbers_that_are_not_finite_are_null_in_the_file(tmp_path):
    table = replace(make_table(1, labels=("a",)), kind=np.array(["typical"], object))
    table = replace(table, error=np.array([np.nan], np.float32))
    points = np.ones((1, 3), np.float32)
    table, found = cluster_elements(table, points, ClusterConfig(), show_progress=False)
    write_clusters(tmp_path / "x.json", found, table)
    assert "NaN" not in (tmp_path / "x.json").read_text()
    assert np.isnan(read_clusters(tmp_path / "x.json", table).typical["a"][0].error)
