"""Clusters of sequences: k-means on their projections, ranked by median co-typicality.

Members are sorted by the distance of their features, all labels side by side, to the MEAN of
their cluster. The paper's program took the sample farthest from each centroid for the centre (an
argmax for an argmin), and showed what lies around that.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..config import ClusterConfig
from ..partitions import centroids, group, mean_agreement, median_error
from .sequences import SequencesTable

__all__ = ["SequenceCluster", "cluster_sequences", "mean_distances"]


@dataclass(frozen=True)
class SequenceCluster:
    """A cluster of sequences.

    Arguments:
        rank: Its place, from 0.
        size: Number of sequences.
        median_cotypicality: Of them.
        error: Standard error of that, by bootstrap over them; None for one.
        stability: Mean over other seeds of the greatest Jaccard index with a cluster there, 0 to
            1; None if there were no repetitions.
        pictures: Different source pictures.
        sources: Sequences by label of the source picture.
        medians: Median typicality under each label of the set.
        members: Rows of the sequences table, nearest to the mean first.
    """

    rank: int
    size: int
    median_cotypicality: float
    error: float | None
    stability: float | None
    pictures: int
    sources: dict[str, int]
    medians: tuple[float, ...]
    members: tuple[int, ...]


def mean_distances(
    features: NDArray[np.floating], assignment: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The distance of every point to the mean of its cluster, `(n,)`.

    Arguments:
        features: `(n, D)`.
        assignment: Cluster of every point, `(n,)`, from 0 without gaps.
    """
    gaps = features - centroids(features, assignment)[assignment]
    return np.linalg.norm(gaps, axis=1).astype(np.float32)


def cluster_sequences(
    table: SequencesTable,
    features: NDArray[np.float32],
    projected: NDArray[np.float32],
    config: ClusterConfig,
) -> tuple[SequencesTable, tuple[SequenceCluster, ...], float | None]:
    """Cluster sequences.

    Arguments:
        table: N of them.
        features: Of their patches side by side, `(N, C D)`: what nearness to the mean is
            measured in, as distances in a projection by UMAP mean little.
        projected: What k-means sees, `(N, d)`.
        config: Number of clusters (at most N // 4), starts, repetitions.

    Returns:
        The table with cluster and distance; the clusters by rank; the mean adjusted Rand index
        with the partitions of other seeds, None if there were no repetitions.
    """
    assignment, _ = group(projected, config, config.seed)
    stability: NDArray[np.float64] | None = None
    agreement: float | None = None
    if config.stability_runs:
        seeds = range(config.seed + 1, config.seed + 1 + config.stability_runs)
        others = [group(projected, config, seed)[0] for seed in seeds]
        stability, agreement = mean_agreement(assignment, others)
    distance = mean_distances(features, assignment)
    numbers = range(int(assignment.max()) + 1)
    medians = [float(np.median(table.cotypicality[assignment == k])) for k in numbers]
    # of equal medians, the cluster with the best sequence comes first
    order = sorted(numbers, key=lambda k: (-medians[k], int(np.argmax(assignment == k))))
    cluster = np.full(len(table), -1, np.int32)
    found = []
    for rank, k in enumerate(order):
        inside = np.flatnonzero(assignment == k)
        inside = inside[np.argsort(distance[inside], kind="stable")]
        cluster[inside] = rank
        values = table.cotypicality[inside]
        found.append(
            SequenceCluster(
                rank,
                len(inside),
                medians[k],
                median_error(values, config.seed) if len(inside) > 1 else None,
                None if stability is None else float(stability[k]),
                len(set(table.index[inside].tolist())),
                dict(sorted(Counter(table.source[inside].tolist()).items())),
                tuple(np.median(table.typicality[inside], axis=0).tolist()),
                tuple(inside.tolist()),
            )
        )
    return table.with_clusters(cluster, distance), tuple(found), agreement
