r"""The page of co-typical elements (Fig. 4.10): everything it shows comes in, it only lays out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .page import data_uri, render_page, write_page
from .run_values import RunReport, run_views

__all__ = [
    "CotypicalCell",
    "CotypicalCluster",
    "CotypicalReport",
    "CotypicalRow",
    "CotypicalWhole",
    "write_cotypical_report",
]


@dataclass(frozen=True)
class CotypicalCell:
    r"""The patch of a sequence under one label.

    Arguments:
        image: WebP.
        typicality: Of the patch under the label.
        real: Whether it is of the source picture itself.
    """

    image: bytes
    typicality: float
    real: bool


@dataclass(frozen=True)
class CotypicalRow:
    r"""One sequence.

    Arguments:
        picture: Id of its source picture.
        source: Label of that.
        cotypicality: Median over labels.
        error: Standard error of that.
        cells: One per label.
    """

    picture: str
    source: str
    cotypicality: float
    error: float
    cells: tuple[CotypicalCell, ...]


@dataclass(frozen=True)
class CotypicalWhole:
    r"""A whole picture with the place of a patch in it, in per cent of its sides.

    Arguments:
        image: WebP.
        real: Whether it is the source picture itself.
    """

    image: bytes
    real: bool
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class CotypicalCluster:
    r"""One cluster.

    Arguments:
        rank: From 1.
        size: Sequences.
        pictures: Different source pictures.
        median: Median co-typicality.
        error: Standard error of that; None for one sequence.
        stability: 0 to 1; None if it was not measured.
        sources: (label, number of sequences that come from it).
        medians: Median typicality under each label.
        rows: Sequences that are shown, nearest to the mean first.
        wholes: The pictures of the first row, one per label.
    """

    rank: int
    size: int
    pictures: int
    median: float
    error: float | None
    stability: float | None
    sources: tuple[tuple[str, int], ...]
    medians: tuple[float, ...]
    rows: tuple[CotypicalRow, ...]
    wholes: tuple[CotypicalWhole, ...]


@dataclass(frozen=True, kw_only=True)
class CotypicalReport(RunReport):
    r"""What the page shows.

    Arguments:
        title: Name of the collection.
        labels: Of the set.
        clusters: By rank.
        sequences: In all.
        sources: Source pictures with all their maps.
        positive: Share of the sequences whose co-typicality is above 0 by two standard errors.
        projection: How features were projected, in words.
        agreement: Of the clusters with those of other seeds; None if it was not measured.
        model: Which one, in words.
    """

    title: str
    labels: tuple[str, ...]
    clusters: tuple[CotypicalCluster, ...]
    sequences: int
    sources: int
    positive: float
    projection: str
    agreement: float | None
    model: str


def write_cotypical_report(report: CotypicalReport, path: Path) -> Path:
    r"""Write the page: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    # one unit for all numbers of the page, so that they compare
    most = max((abs(v) for one in report.clusters for v in (one.median, *one.medians)), default=0)
    power = 0
    while 0 < most < 1 and power < 9:
        most, power = most * 1000, power + 3
    values = {
        **run_views(report, ()),
        "webp": lambda image: data_uri("webp", image),
        "scaled": lambda value: f"{value * 10**power:+.1f}".replace("-", "\u2212"),
        "plain": lambda value: f"{value * 10**power:.1f}",
        "power": power,
    }
    return write_page(render_page("cotypical.html", values), path)
