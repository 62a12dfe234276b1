"""Partitions of points: k-means, merging of clusters that are alike, agreement of partitions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DependencyError
from .config import ClusterConfig

__all__ = [
    "adjusted_rand",
    "best_jaccard",
    "centroids",
    "group",
    "k_means",
    "mean_agreement",
    "median_error",
    "merge_alike",
]

RESAMPLES = 200
"""Bootstrap samples for the standard error of a median."""


def k_means(features: NDArray[np.float32], count: int, starts: int, seed: int) -> NDArray[np.int64]:
    """The cluster of every point, by Lloyd's algorithm from several k-means++ starts.

    Arguments:
        features: `(n, D)`.
        count: Number of clusters, at most n.
        starts: The start with the least sum of squared distances is kept.
        seed: Of the starts.

    Returns:
        `(n,)`, numbered from 0 without gaps: there can be fewer than `count`, if there are not
        that many different points.

    Raises:
        DependencyError: If scikit-learn is missing.
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
    except ImportError as error:
        raise DependencyError(
            "clustering needs scikit-learn: pip install 'typica[mining]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different points than clusters
        found = KMeans(count, n_init=starts, random_state=seed).fit_predict(features)
    return _numbered(found)


def _numbered(assignment: NDArray[Any]) -> NDArray[np.int64]:
    """The same partition, numbered from 0 without gaps."""
    numbered: NDArray[np.int64] = np.unique(assignment, return_inverse=True)[1].astype(np.int64)
    return numbered


def _sums(features: NDArray[np.floating], assignment: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of the points of every cluster, `(K, D)`."""
    member = np.zeros((int(assignment.max()) + 1, len(assignment)))
    member[assignment, np.arange(len(assignment))] = 1
    sums: NDArray[np.float64] = member @ features
    return sums


def centroids(features: NDArray[np.floating], assignment: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of the points of every cluster, `(K, D)`.

    Arguments:
        features: `(n, D)`.
        assignment: Cluster of every point, `(n,)`, from 0 without gaps.
    """
    means: NDArray[np.float64] = _sums(features, assignment) / np.bincount(assignment)[:, None]
    return means


def merge_alike(
    features: NDArray[np.float32], assignment: NDArray[np.int64], least: float
) -> NDArray[np.int64]:
    """Merge clusters whose centroids point the same way.

    The two with the greatest cosine are made one, as long as it is at least `least`; the
    centroid of the new cluster is the mean of all its points.

    Arguments:
        features: `(n, D)`.
        assignment: Cluster of every point, `(n,)`, from 0 without gaps.
        least: Cosine from which clusters are merged.

    Returns:
        The coarser partition, `(n,)`, from 0 without gaps.
    """
    merged = assignment.copy()
    sums = _sums(features, assignment)
    alive = np.ones(len(sums), dtype=bool)
    while alive.sum() > 1:
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        directions = sums / np.where(lengths > 0, lengths, 1)
        cosines = directions @ directions.T
        cosines[~alive] = cosines[:, ~alive] = -np.inf
        np.fill_diagonal(cosines, -np.inf)
        one, other = sorted(divmod(int(cosines.argmax()), len(cosines)))
        if cosines[one, other] < least:
            break
        sums[one] += sums[other]
        alive[other] = False
        merged[merged == other] = one
    return _numbered(merged)


def group(
    features: NDArray[np.float32], config: ClusterConfig, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Partition points by k-means and merge what is nearly the same.

    Arguments:
        features: `(n, D)`, n at least 1.
        config: Number of clusters (at most n // 4, at least 1), starts, and when to merge.
        seed: Of the starts.

    Returns:
        The cluster of every point, `(n,)`, and the number of k-means clusters that every cluster
        was made of, `(K,)`.
    """
    count = max(1, min(config.count, len(features) // 4))
    fine = k_means(features, count, config.starts, seed)
    if config.merge is None:
        return fine, np.ones(int(fine.max()) + 1, np.int64)
    coarse = merge_alike(features, fine, config.merge)
    pairs = np.unique(np.stack([coarse, fine], 1), axis=0)
    return coarse, np.bincount(pairs[:, 0])


def _contingency(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many points are in cluster i of one partition and in j of the other."""
    table = np.zeros((int(one.max()) + 1, int(other.max()) + 1), np.int64)
    np.add.at(table, (one, other), 1)
    return table


def best_jaccard(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """The greatest Jaccard index of every cluster with a cluster of another partition.

    Arguments:
        one: Cluster of every point, `(n,)`, from 0 without gaps.
        other: The same of the other partition.

    Returns:
        `(K,)`, above 0, at most 1, for the clusters of `one`.
    """
    shared = _contingency(one, other)
    union = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    best: NDArray[np.float64] = (shared / union).max(1)
    return best


def adjusted_rand(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """The adjusted Rand index of two partitions: pairs treated alike, corrected for chance.

    Arguments:
        one: Cluster of every point, `(n,)`, from 0 without gaps.
        other: The same of the other partition.

    Returns:
        At most 1 (the same partition); 0 is what chance gives.
    """
    shared = _contingency(one, other).astype(np.float64)

    def pairs(counts: NDArray[np.float64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, first, second = pairs(shared), pairs(shared.sum(1)), pairs(shared.sum(0))
    chance = first * second / max(1.0, len(one) * (len(one) - 1) / 2)
    largest = (first + second) / 2
    return 1.0 if largest == chance else (both - chance) / (largest - chance)


def mean_agreement(
    assignment: NDArray[np.int64], others: list[NDArray[np.int64]]
) -> tuple[NDArray[np.float64], float]:
    """How well a partition and each of its clusters are found again in others.

    Arguments:
        assignment: Cluster of every point, `(n,)`.
        others: Partitions of the same points; at least one.

    Returns:
        Of every cluster the mean of its greatest Jaccard index, `(K,)`; and the mean adjusted
        Rand index.
    """
    jaccard = np.mean([best_jaccard(assignment, other) for other in others], axis=0)
    return jaccard, float(np.mean([adjusted_rand(assignment, other) for other in others]))


def median_error(values: NDArray[np.float32], seed: int) -> float:
    """The standard error of a median, by bootstrap.

    Arguments:
        values: `(n,)`; NaN is returned for fewer than two.
        seed: Of the samples.
    """
    if len(values) < 2:
        return float("nan")
    rng = np.random.default_rng([seed, len(values)])
    drawn = rng.integers(len(values), size=(RESAMPLES, len(values)))
    return float(np.median(values.astype(np.float64)[drawn], axis=1).std(ddof=1))
