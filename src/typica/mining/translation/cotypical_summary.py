"""What the page of co-typical elements shows: clusters of sequences, a column for each label."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...reports.cotypical import (
    CotypicalCell,
    CotypicalCluster,
    CotypicalReport,
    CotypicalRow,
    CotypicalWhole,
    write_cotypical_report,
)
from ...reports.wording import flat, hardware
from ...values import Box, Problem
from ..overlays import crop, encode_webp, reduced_picture
from ..record import credit_lines
from .cotypical_run import CotypicalFolder, read_clusters
from .parallel import read_parallel, read_pixels
from .sequence_clusters import SequenceCluster
from .sequences import SequencesTable, read_sequences

__all__ = ["rows_per_cluster", "write_cotypical_page"]

ROWS = 6
"""Sequences of a cluster that are shown (4 in the paper's figure)."""
PATCHES = 3000
"""About so many patches fit into a page; with many labels clusters get fewer rows."""
SIDE, WHOLE = 96, 176
"""Pixels of a patch, and of the longer side of a whole picture."""


def rows_per_cluster(clusters: int, labels: int) -> int:
    """How many rows of a cluster the page shows, at least two."""
    return max(2, min(ROWS, PATCHES // max(1, clusters * labels)))


def write_cotypical_page(par: Path) -> Path:
    """Write the page of the co-typical elements of a parallel set.

    Arguments:
        par: Folder of the set, after `mine_cotypical`.

    Returns:
        The page, `cotypical/index.html` in it.

    Raises:
        RunError: If there are no clusters yet, or something is damaged.
    """
    found, folder = read_parallel(par), CotypicalFolder(par / "cotypical")
    table, clusters = read_sequences(folder.sequences), read_clusters(folder.clusters)
    about = folder.read_config()
    record, config = about["record"], about["config"]
    rows = rows_per_cluster(len(clusters), len(table.labels))
    sure = table.cotypicality > 2 * table.error
    report = CotypicalReport(
        title=found.about.data["name"],
        labels=table.labels,
        clusters=tuple(_cluster(par, table, one, rows) for one in clusters),
        sequences=len(table),
        sources=record["sources"],
        positive=float(np.mean(sure)),
        projection=record["projection"],
        agreement=record["agreement"],
        model=f"{found.about.run['model']} model of {found.about.run['name']}",
        credits=credit_lines(found.about.record.get("credits")),
        hardware=hardware(record["hardware"]),
        settings=tuple(flat(config)),
        problems=tuple(
            Problem(Path(one["id"]), one["message"], "Then run this again")
            for one in record["skipped"]
        ),
        commands=(f"typica mine cotypical {shlex.quote(par.resolve().name)}",),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )
    return write_cotypical_report(report, folder.page)


def _cluster(
    par: Path, table: SequencesTable, one: SequenceCluster, count: int
) -> CotypicalCluster:
    shown = one.members[:count]
    return CotypicalCluster(
        one.rank + 1,
        one.size,
        one.pictures,
        one.median_cotypicality,
        one.error,
        one.stability,
        tuple(sorted(one.sources.items(), key=lambda pair: (-pair[1], pair[0]))),
        one.medians,
        tuple(_row(table, row, _pixels(par, table, row)) for row in shown),
        _wholes(table, shown[0], _pixels(par, table, shown[0])),
    )


def _pixels(par: Path, table: SequencesTable, row: int) -> list[NDArray[np.uint8]]:
    """The picture of each label of one sequence."""
    root = par.resolve()
    paths = [(par / str(name)).resolve() for name in table.files[row]]
    return [read_pixels(path) for path in paths if path.is_relative_to(root)]


def _row(table: SequencesTable, row: int, pixels: Sequence[NDArray[np.uint8]]) -> CotypicalRow:
    left, top, side = (float(c[row]) for c in (table.work_x, table.work_y, table.side))
    box = Box(left, top, left + side, top + side)
    cells = [
        CotypicalCell(
            encode_webp(crop(one, box, one.shape[1], one.shape[0], SIDE), 84),
            float(value),
            label == table.source[row],
        )
        for one, value, label in zip(pixels, table.typicality[row], table.labels, strict=True)
    ]
    return CotypicalRow(
        str(table.picture[row]),
        str(table.source[row]),
        float(table.cotypicality[row]),
        float(table.error[row]),
        tuple(cells),
    )


def _wholes(
    table: SequencesTable, row: int, pixels: Sequence[NDArray[np.uint8]]
) -> tuple[CotypicalWhole, ...]:
    left, top, side = (float(c[row]) for c in (table.work_x, table.work_y, table.side))
    return tuple(
        CotypicalWhole(
            encode_webp(reduced_picture(one, WHOLE), 80),
            label == table.source[row],
            100 * left / one.shape[1],
            100 * top / one.shape[0],
            100 * side / one.shape[1],
            100 * side / one.shape[0],
        )
        for one, label in zip(pixels, table.labels, strict=True)
    )
