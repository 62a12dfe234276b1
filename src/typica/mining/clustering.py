"""Clusters of the elements of a label: k-means on their features (section 4.3.3).

Clusters are ranked by the median typicality of their members, and members by their distance to
the centroid, as in the paper. Beyond it: the best of several seeded starts; clusters that nearly
repeat each other are merged (one of the paper's failure modes); and every cluster says how
stable it is when the seeds change, and how sure its place in the ranking is.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import DAMAGE, RunError, reason
from ..files import finite, write_json
from .artefacts import share
from .config import ClusterConfig
from .partitions import centroids, group, mean_agreement, median_error
from .table import ElementsTable, Kind

__all__ = [
    "Cluster",
    "Clustering",
    "cluster_elements",
    "read_clusters",
    "write_clusters",
]

FORMAT = 1
"""Version of the clusters file."""


@dataclass(frozen=True)
class Cluster:
    """A cluster of elements.

    Arguments:
        rank: Its place among the clusters of its label, from 0.
        size: Number of members.
        median_typicality: Of the members.
        error: Standard error of that, by bootstrap over the members; for one member, its own.
        stability: How well it is found again with other seeds: mean over the repetitions of the
            greatest Jaccard index with a cluster of the repetition, 0 to 1; None if there were
            no repetitions.
        members: Row numbers of the elements table, nearest to the centroid first.
        merged: How many clusters of k-means it was made of.
        border_share: Share of members at the border of their picture.
        flat_share: Share of members without contrast.
    """

    rank: int
    size: int
    median_typicality: float
    error: float
    stability: float | None
    members: tuple[int, ...]
    merged: int
    border_share: float
    flat_share: float


@dataclass(frozen=True)
class Clustering:
    """The clusters of every label.

    Arguments:
        typical: Of the typical elements, by label, in rank order.
        random: Of the random elements, likewise.
        agreement: By label: mean adjusted Rand index of the typical elements' partition with
            those of other seeds, 1 for the same partition, about 0 for unrelated ones; None if
            there were no repetitions.
    """

    typical: dict[str, tuple[Cluster, ...]]
    random: dict[str, tuple[Cluster, ...]]
    agreement: dict[str, float | None]


def cluster_elements(
    table: ElementsTable,
    features: NDArray[np.float32],
    config: ClusterConfig,
    show_progress: bool = True,
) -> tuple[ElementsTable, Clustering]:
    """Cluster the typical elements of every label, and the random ones apart from them.

    Arguments:
        table: N elements.
        features: Of its rows, `(N, D)`, of unit length.
        config: How.
        show_progress: Show a bar on standard error.

    Returns:
        The table with cluster and distance of every element, and the clusters.
    """
    cluster = np.full(len(table), -1, np.int32)
    distance = np.full(len(table), np.nan, np.float32)
    found: dict[Kind, dict[str, tuple[Cluster, ...]]] = {"typical": {}, "random": {}}
    agreement: dict[str, float | None] = {}
    jobs = [(kind, label) for kind in found for label in table.labels]
    for kind, label in tqdm(jobs, "clustering", unit="label", disable=not show_progress):
        rows = table.rows(label, kind)
        if not len(rows):
            continue
        repeat = config.stability_runs if kind == "typical" else 0
        clusters, far, same = _clusters(table, features[rows], rows, config, repeat)
        found[kind][label] = clusters
        distance[rows] = far
        for one in clusters:
            cluster[list(one.members)] = one.rank
        if kind == "typical":
            agreement[label] = same
    done = Clustering(found["typical"], found["random"], agreement)
    return table.with_clusters(cluster, distance), done


def _clusters(
    table: ElementsTable,
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    config: ClusterConfig,
    repeat: int,
) -> tuple[tuple[Cluster, ...], NDArray[np.float32], float | None]:
    """Clusters of some rows, the distance of every row to its centroid, and the agreement."""
    assignment, merged = group(features, config, config.seed)
    stability: NDArray[np.float64] | None = None
    agreement: float | None = None
    if repeat:
        others = [group(features, config, config.seed + 1 + i)[0] for i in range(repeat)]
        stability, agreement = mean_agreement(assignment, others)
    centres = centroids(features, assignment)
    far = np.linalg.norm(features - centres[assignment], axis=1)
    typicality = table.typicality[rows]
    numbers = range(len(centres))
    medians = [float(np.median(typicality[assignment == k])) for k in numbers]
    clusters = []
    # of equal medians, the cluster with the first element comes first
    order = sorted(numbers, key=lambda k: (-medians[k], int(np.argmax(assignment == k))))
    for rank, k in enumerate(order):
        inside = np.flatnonzero(assignment == k)
        inside = inside[np.argsort(far[inside], kind="stable")]
        members = tuple(rows[inside].tolist())
        error = median_error(typicality[inside], config.seed)
        clusters.append(
            Cluster(
                rank,
                len(members),
                medians[k],
                error if len(members) > 1 else float(table.error[members[0]]),
                None if stability is None else float(stability[k]),
                members,
                int(merged[k]),
                share(table.border, members),
                share(table.flat, members),
            )
        )
    return tuple(clusters), far.astype(np.float32), agreement


def write_clusters(path: Path, clustering: Clustering, table: ElementsTable) -> None:
    """Write clusters as JSON, in one step.

    The file holds `format`, `table` (the digest of the table whose rows are named), `agreement`
    (by label), and `typical` and `random`: by label, the clusters in rank order, each with the
    fields of `Cluster`. Numbers that are not finite are null.
    """
    values = {"format": FORMAT, "table": table.digest(), **asdict(clustering)}
    write_json(path, finite(values))


def read_clusters(path: Path, table: ElementsTable) -> Clustering:
    """Read what `write_clusters` wrote.

    Raises:
        RunError: If the file is missing, damaged, of a later format, or of another table.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version, digest = int(values["format"]), values["table"]
        found = Clustering(
            {label: tuple(map(_cluster, some)) for label, some in values["typical"].items()},
            {label: tuple(map(_cluster, some)) for label, some in values["random"].items()},
            dict(values["agreement"]),
        )
    except FileNotFoundError as error:
        raise RunError(f"{path}: no clusters yet. Run `typica mine select` first.") from error
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged ({reason(error)}). Run `typica mine select` again."
        ) from error
    if version > FORMAT:
        raise RunError(
            f"{path}: written by a later typica (format {version}, this one reads {FORMAT}). "
            "Update typica."
        )
    if digest != table.digest():
        raise RunError(
            f"{path}: clusters of other elements than the table's. Run `typica mine select` again."
        )
    return found


def _cluster(values: dict[str, Any]) -> Cluster:
    error = values["error"]
    return Cluster(**{**values, "members": tuple(values["members"]),
                      "error": float("nan") if error is None else error})  # fmt: skip
