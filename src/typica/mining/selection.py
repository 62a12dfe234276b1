"""From maps to elements, features and clusters: one step for runs and for readings of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import torch

from ..engines.engine import DEFAULT, Engine
from ..images.picture import PictureCollection
from .clustering import Clustering, cluster_elements, write_clusters
from .denoiser import Denoiser
from .elements import mine_elements
from .feature_job import feature_pieces, pieces_of, write_features
from .feature_store import identity, save_features
from .folder import MiningAbout, MiningFolder, ModelName
from .maps import PictureMaps
from .readings.duplicates import element_repeats
from .readings.filters import Filter, best_of_each, kept_rows, reasons, told
from .table import ElementsTable, write_table

__all__ = ["select_elements"]

SPARE = 2
"""Times as many elements are picked where some will be left out, so that others can take over."""


def select_elements(
    folder: MiningFolder,
    model: ModelName,
    maps: Iterable[PictureMaps],
    denoiser: Denoiser,
    collection: PictureCollection,
    about: MiningAbout,
    *,
    without: tuple[Filter, ...] = (),
    engine: Engine = DEFAULT,
    load: Callable[[], Denoiser] | None = None,
    show_progress: bool = True,
) -> tuple[ElementsTable, Clustering] | None:
    """Mine elements, describe and cluster them, and write all three (section 4.3.3).

    Arguments:
        folder: Where to write; the caller holds it, unless this is a shard.
        model: Under which name.
        maps: Of pictures of the collection.
        denoiser: Whose features are taken.
        collection: The pictures.
        about: The options.
        without: What is left out; the table's description says how many that were.
        engine: Where features are computed; a shard computes its part of them, and no more.
        load: As in `element_features`.
        show_progress: Show bars on standard error.

    Returns:
        The table, and the clusters; None of a shard.
    """
    config = about.config
    most = config.elements.per_label
    picking = replace(config.elements, per_label=most * (SPARE if without else 1))
    asked = replace(about, config=replace(config, elements=picking))
    table = mine_elements(maps, collection, asked, show_progress)
    bfloat16 = config.typicality.bfloat16
    path = folder.features(model)

    def described(some: ElementsTable) -> np.ndarray:
        return write_features(
            path,
            denoiser,
            some,
            collection,
            about,
            show_progress,
            bfloat16,
            engine=engine,
            load=load,
        ).numpy()

    first = table
    if without:
        why, repeats = reasons(first, without, collection, show_progress)
        rows = np.flatnonzero(why == "")
        # features are computed only of what may stay: of these again the best, with some to spare
        rows = rows[best_of_each(kept_rows(first, rows), most + most // 4)]
        table = kept_rows(first, rows)
    if not engine.whole:
        feature_pieces(
            pieces_of(path),
            denoiser,
            table,
            collection,
            about,
            show_progress,
            bfloat16=bfloat16,
            engine=engine,
            load=load,
        )
        return None
    features = described(table)
    if without:
        if "duplicates" in without:
            twice = element_repeats(
                table, features, collection, config.size, about.factor, show_progress
            )
            why[rows[twice]] = "repeated element"
        left = np.flatnonzero(why[rows] == "")
        left = left[best_of_each(kept_rows(table, left), most)]
        table, features = kept_rows(table, left), features[left]
        done = told(first, why, without, repeats)
        table = replace(
            table, about={**table.about, "config": config.as_dict(), "left_out": done.as_dict()}
        )
        save_features(path, torch.from_numpy(features), identity(denoiser, table, about, bfloat16))
    table, clusters = cluster_elements(table, features, config.clusters, show_progress)
    # a kill from here on leaves a table without clusters, never with those of another one
    folder.clusters(model).unlink(missing_ok=True)
    write_table(folder.elements(model), table)
    write_clusters(folder.clusters(model), clusters, table)
    return table, clusters
