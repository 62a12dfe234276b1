"""The report page of a run without border patches, flat ones or duplicates; the run keeps them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import RunError
from ..images.picture import PictureCollection
from ..reports.mining import write_mining_report
from .clustering import Clustering
from .feature_store import load_features
from .folder import MiningFolder
from .readings.duplicates import element_repeats
from .readings.filters import Filter, kept_clusters, reasons, told
from .summary import summarise
from .table import ElementsTable

__all__ = ["screened", "write_screened_report"]


def screened(
    folder: MiningFolder,
    table: ElementsTable,
    clusters: Clustering,
    collection: PictureCollection,
    without: tuple[Filter, ...],
    show_progress: bool = True,
) -> tuple[ElementsTable, Clustering]:
    """A table and its clusters without what filters leave out; its description tells how many.

    Arguments:
        folder: The run.
        table: Of one of its models, as it was read.
        clusters: Of the table.
        collection: The pictures.
        without: What is left out.
        show_progress: Show bars on standard error.

    Raises:
        RunError: If nothing is left.
    """
    about = folder.about()
    why, repeats = reasons(table, without, collection, show_progress)
    features = _features(folder, table) if "duplicates" in without else None
    if features is not None:
        twice = element_repeats(
            table, features, collection, about.config.size, about.factor, show_progress
        )
        why[twice & (why == "")] = "repeated element"
    rows = np.flatnonzero(why == "")
    if not len(rows):
        raise RunError(
            f"{folder.folder}: --without {' '.join(without)} leaves no element. Ask for less."
        )
    done = told(table, why, without, repeats)
    part, left = kept_clusters(clusters, table, rows, about.config.clusters.seed)
    return replace(part, about={**table.about, "left_out": done.as_dict()}), left


def _features(folder: MiningFolder, table: ElementsTable) -> np.ndarray | None:
    """The features of a table, whichever model it is of; None if they were not kept."""
    for path in sorted((folder.folder / "features").glob("[!.]*.safetensors")):
        try:
            return load_features(path, table).numpy()
        except RunError:  # of the other model
            continue
    return None


def write_screened_report(
    folder: MiningFolder,
    collection: PictureCollection,
    without: tuple[Filter, ...],
    show_progress: bool = True,
) -> Path:
    """Write `report/without-....html`: the page of a run without what filters leave out.

    Arguments:
        folder: The run.
        collection: Its pictures.
        without: What is left out.
        show_progress: Show bars on standard error.

    Returns:
        The page.

    Raises:
        RunError: If the folder is no mining run, has no elements, or nothing is left.
        DataError: If the page cannot be written.
    """

    def screen(table: ElementsTable, clusters: Clustering) -> tuple[ElementsTable, Clustering]:
        return screened(folder, table, clusters, collection, without, show_progress)

    report = summarise(folder, collection, show_progress, screen=screen)
    path = folder.folder / "report" / f"without-{'-'.join(without)}.html"
    return write_mining_report(report, path)
