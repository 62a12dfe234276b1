r"""The page of clusters of patches, of one method or of two beside each other: layout alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .page import data_uri, render_page, write_page
from .run_values import RunReport, run_views

__all__ = [
    "MeasureRow",
    "PatchClusterRow",
    "PatchClustersReport",
    "PatchColumn",
    "PatchLabel",
    "write_patch_clusters",
]


@dataclass(frozen=True)
class PatchClusterRow:
    r"""One cluster.

    Arguments:
        rank: From 1.
        facts: Short words on it.
        patches: WebP; empty bytes for a picture that cannot be found.
        alts: Of each patch.
    """

    rank: int
    facts: str
    patches: tuple[bytes, ...]
    alts: tuple[str, ...]


@dataclass(frozen=True)
class PatchColumn:
    r"""The clusters of one label by one method.

    Arguments:
        title: The method.
        note: Its time and numbers, in words.
        clusters: Best first.
    """

    title: str
    note: str
    clusters: tuple[PatchClusterRow, ...]


@dataclass(frozen=True)
class MeasureRow:
    r"""A row of the table of measures: its name and a text per column."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class PatchLabel:
    r"""One label.

    Arguments:
        name: Of it.
        count: Pictures that have it.
        columns: One per method.
        heads: Of the table of measures.
        measures: Its rows.
    """

    name: str
    count: int
    columns: tuple[PatchColumn, ...]
    heads: tuple[str, ...] = ()
    measures: tuple[MeasureRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PatchClustersReport(RunReport):
    r"""All that the page shows.

    Arguments:
        title: Of the page.
        lead: What it is, in a sentence.
        labels: In the order of the page.
        tiles: (name, value, words below) of the numbers at the top.
        reading: Paragraphs on how to read it.
    """

    title: str
    lead: str
    labels: tuple[PatchLabel, ...]
    tiles: tuple[tuple[str, str, str], ...]
    reading: tuple[str, ...]


def write_patch_clusters(report: PatchClustersReport, path: Path) -> Path:
    r"""Write the page: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    values = {
        **run_views(report, ()),
        "uri": lambda patch: data_uri("webp", patch),
    }
    return write_page(render_page("patch_clusters.html", values), path)
