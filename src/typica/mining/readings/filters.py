r"""What is left out of the elements if asked, and how many that were.

    border       elements that reach the band along the edge of their picture
    flat         elements without contrast
    duplicates   elements of pictures that nearly repeat another of their label, and elements that
                 nearly repeat another of their label and kind (`duplicates.py`)

Nothing is left out unless it is asked for: a frame may be what a label is known by, and the paper
filters nothing. An element is counted once, under the first reason in this order. Elements are
left out, not whole pictures: `select` picks twice as many first, so that others take their places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...configs import require
from ...images.picture import PictureCollection
from ...values import Problem
from ..artefacts import share
from ..clustering import Cluster, Clustering
from ..partitions import median_error
from ..table import COLUMNS, KINDS, ElementsTable, Kind
from .duplicates import picture_repeats

__all__ = [
    "FILTERS",
    "REASONS",
    "Filter",
    "LeftOut",
    "best_of_each",
    "check_filters",
    "kept_clusters",
    "kept_rows",
    "left_out",
    "reasons",
    "told",
]

Filter = Literal["border", "flat", "duplicates"]
FILTERS: tuple[Filter, ...] = get_args(Filter)
REASONS: dict[str, str] = {
    "border": "at the edge of their picture",
    "flat": "without contrast",
    "repeated picture": "of pictures that nearly repeat another of their label",
    "repeated element": "that nearly repeat another element of their label",
}
"""Why an element was left out, in words."""


@dataclass(frozen=True)
class LeftOut:
    """What a filter did.

    Arguments:
        without: What was asked for.
        looked_at: Elements before, by kind.
        counts: By reason, the number that was left out, by kind.
        repeats: Pictures that nearly repeat another, each with the one that is kept.
    """

    without: tuple[Filter, ...]
    looked_at: Mapping[Kind, int]
    counts: Mapping[str, Mapping[Kind, int]]
    repeats: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "without": list(self.without),
            "looked_at": dict(self.looked_at),
            "counts": {reason: dict(found) for reason, found in self.counts.items()},
            "repeats": dict(self.repeats),
        }


def check_filters(without: Sequence[str]) -> tuple[Filter, ...]:
    """The filters that are asked for, in their order.

    Raises:
        ConfigError: If there is no such filter.
    """
    for one in without:
        require(one in FILTERS, f"--without {one}: choose among {', '.join(FILTERS)}")
    return tuple(one for one in FILTERS if one in without)


def reasons(
    table: ElementsTable,
    without: Sequence[Filter],
    collection: PictureCollection,
    show_progress: bool = True,
) -> tuple[NDArray[np.object_], dict[str, str]]:
    """Why each element is to be left out: the first reason that holds, or the empty string.

    Single elements are not compared here: that needs their features (`element_repeats`).

    Arguments:
        table: N elements.
        without: Filters.
        collection: Their pictures.
        show_progress: Show bars on standard error.

    Returns:
        `(N,)` of keys of `REASONS`, and the repetitions among the pictures.
    """
    why = np.full(len(table), "", dtype=object)
    repeats: dict[str, str] = {}
    if "border" in without:
        why[table.border] = "border"
    if "flat" in without:
        why[table.flat & (why == "")] = "flat"
    if "duplicates" in without:
        repeats = picture_repeats(collection, set(table.picture.tolist()), show_progress)
        why[np.isin(table.picture.astype(str), list(repeats)) & (why == "")] = "repeated picture"
    return why, repeats


def told(
    table: ElementsTable,
    why: NDArray[np.object_],
    without: tuple[Filter, ...],
    repeats: Mapping[str, str],
) -> LeftOut:
    """Count what was left out.

    Arguments:
        table: The elements before.
        why: Of each (`reasons`).
        without: What was asked for.
        repeats: Repetitions among the pictures.
    """
    counts = {
        reason: {kind: int(((why == reason) & (table.kind == kind)).sum()) for kind in KINDS}
        for reason in REASONS
        if (why == reason).any()
    }
    looked_at = {kind: len(table.rows(kind=kind)) for kind in KINDS}
    return LeftOut(without, looked_at, counts, repeats)


def kept_rows(table: ElementsTable, rows: NDArray[np.int64]) -> ElementsTable:
    """Some rows of a table, in their order, with ranks from 0 again within label and kind.

    Arguments:
        table: The elements.
        rows: Ascending.
    """
    columns = {name: getattr(table, name)[rows] for name in COLUMNS}
    part = ElementsTable.from_columns(columns, dict(table.about))
    rank = part.rank.copy()
    for label in part.labels:
        for kind in KINDS:
            own = part.rows(label, kind)
            rank[own] = np.arange(len(own))
    return replace(part, rank=rank)


def best_of_each(table: ElementsTable, limit: int) -> NDArray[np.int64]:
    """Rows of the first ranks of every label and kind, ascending.

    Arguments:
        table: The elements.
        limit: So many at most of each.
    """
    parts = [table.rows(label, kind)[:limit] for label in table.labels for kind in KINDS]
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def kept_clusters(
    clustering: Clustering,
    table: ElementsTable,
    rows: NDArray[np.int64],
    seed: int,
) -> tuple[ElementsTable, Clustering]:
    """A clustering without the elements that are left out; those that become empty vanish.

    The groups stay as they are, with their stability: only who is in them, their size, median and
    rank follow from those that are left.

    Arguments:
        clustering: Of the whole table.
        table: The whole table.
        rows: Those that are kept, ascending.
        seed: Of the bootstrap of the medians' errors.

    Returns:
        The elements that are kept, with the ranks of their clusters, and the clusters.
    """
    places = {row: place for place, row in enumerate(rows.tolist())}
    part = kept_rows(table, rows)
    cluster = np.full(len(part), -1, np.int32)

    def screened(found: Mapping[str, tuple[Cluster, ...]]) -> dict[str, tuple[Cluster, ...]]:
        screened_labels = {}
        for label, clusters in found.items():
            left = []
            for one in clusters:
                members = tuple(places[row] for row in one.members if row in places)
                if not members:
                    continue
                values = part.typicality[list(members)]
                error = float(part.error[members[0]])
                left.append(
                    replace(
                        one,
                        size=len(members),
                        members=members,
                        median_typicality=float(np.median(values)),
                        error=median_error(values, seed) if len(members) > 1 else error,
                        border_share=share(part.border, members),
                        flat_share=share(part.flat, members),
                    )
                )
            left.sort(key=lambda one: (-one.median_typicality, one.rank))
            ranked = tuple(replace(one, rank=rank) for rank, one in enumerate(left))
            for one in ranked:
                cluster[list(one.members)] = one.rank
            screened_labels[label] = ranked
        return screened_labels

    done = Clustering(
        screened(clustering.typical), screened(clustering.random), clustering.agreement
    )
    return part.with_clusters(cluster, part.distance), done


def left_out(tables: Mapping[Any, ElementsTable]) -> tuple[Problem, ...]:
    """What was left out of tables, for a page; nothing where no filter was asked for.

    Arguments:
        tables: By the name of the model.
    """
    found = []
    for name, table in tables.items():
        done = table.about.get("left_out")
        if not done:
            continue
        total = sum(done["looked_at"].values())
        parts = [
            f"{sum(counts.values())} {REASONS[reason]}" for reason, counts in done["counts"].items()
        ]
        repeats = len(done["repeats"])
        pictures = f"; {repeats} pictures nearly repeat another" if repeats else ""
        found.append(
            Problem(
                Path(f"{name}.parquet"),
                f"of {total} elements that were looked at, left out were "
                f"{', '.join(parts) or 'none'}{pictures}",
                "Select without --without to see them",
                fatal=False,
            )
        )
    return tuple(found)
