"""Mining samples as the run mined its pictures: same model, same steps, same options.

Typicality, elements, features and clusters come from the modules that make them for a run. Only
the number of elements that a label keeps is scaled, to keep the same share: with half as many
samples as pictures, half as many elements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError
from ...images.collection import digest
from ...images.picture import PictureCollection
from ..clustering import Clustering, cluster_elements, read_clusters, write_clusters
from ..denoiser import Denoiser
from ..elements import mine_elements
from ..feature_job import write_features
from ..feature_store import load_features
from ..folder import MiningAbout, MiningFolder
from ..maps import read_maps
from ..scoring import score
from ..table import COLUMNS, KINDS, ElementsTable, read_table, write_table

__all__ = ["MinedSet", "mine_samples", "quotas", "read_mined", "take_rows"]


@dataclass(frozen=True)
class MinedSet:
    """A collection that was mined.

    Arguments:
        collection: Its pictures.
        table: Its elements.
        features: Of the rows of the table, `(N, D)`, of unit length.
        clusters: Of the elements of every label.
    """

    collection: PictureCollection
    table: ElementsTable
    features: NDArray[np.float32]
    clusters: Clustering


def read_mined(folder: MiningFolder, collection: PictureCollection) -> MinedSet:
    """What a run found in its own pictures.

    Raises:
        RunError: If it was not mined yet.
    """
    table = read_table(folder.elements("finetuned"))
    features = load_features(folder.features("finetuned"), table).numpy()
    clusters = read_clusters(folder.clusters("finetuned"), table)
    return MinedSet(collection, table, features, clusters)


def take_rows(table: ElementsTable, rows: NDArray[np.int64]) -> ElementsTable:
    """Some rows of a table, in the order given."""
    columns = {name: getattr(table, name)[rows] for name in COLUMNS}
    return ElementsTable(**columns, about=table.about)


def quotas(real: MinedSet, samples: PictureCollection) -> dict[str, int]:
    """Elements that the samples of every label keep: the same share as of the real pictures.

    Arguments:
        real: What the run found.
        samples: The samples of one strength.
    """
    pictures, found = real.collection.counts(), samples.counts()
    return {
        label: max(1, round(len(real.table.rows(label, "typical")) * number / pictures[label]))
        for label, number in found.items()
    }


def mine_samples(
    denoiser: Denoiser,
    about: MiningAbout,
    samples: PictureCollection,
    keep: dict[str, int],
    out: Path,
    show_progress: bool = True,
) -> MinedSet:
    """Score, select, describe and cluster samples; what is done already is not done again.

    Arguments:
        denoiser: The model that drew them, which is the one that the run scored with.
        about: The run.
        samples: Of one strength.
        keep: Elements that every label keeps.
        out: Folder for `maps/`, `elements.parquet`, `features.safetensors`, `clusters.json`.
        show_progress: Show bars on standard error.

    Raises:
        RunError: If a sample cannot be read, or `out` holds the maps of others.
    """
    config = about.config
    ours = replace(
        about,
        data={"name": samples.root.name, "digest": digest(samples)},
        config=replace(
            config,
            # every set would be taught a surrogate of its own, for few pictures
            typicality=replace(config.typicality, labels="own", surrogate=None),
            elements=replace(config.elements, per_label=max(keep.values())),
        ),
    )
    bfloat16 = config.typicality.bfloat16
    done = score(
        denoiser, samples, ours, out / "maps", bfloat16=bfloat16, show_progress=show_progress
    )
    if done.skipped:
        one = done.skipped[0]
        raise RunError(
            f"{samples.root / one.id}: {one.message} Delete it and {out / 'maps'}, and run "
            "`typica mine sample` again."
        )
    table = mine_elements(read_maps(out / "maps"), samples, ours, show_progress)
    rows = [table.rows(label, kind)[: keep[label]] for label in table.labels for kind in KINDS]
    table = take_rows(table, np.concatenate(rows))
    features = write_features(
        out / "features.safetensors", denoiser, table, samples, ours, show_progress, bfloat16
    ).numpy()
    table, clusters = cluster_elements(table, features, config.clusters, show_progress)
    (out / "clusters.json").unlink(missing_ok=True)  # never those of another table
    write_table(out / "elements.parquet", table)
    write_clusters(out / "clusters.json", clusters, table)
    return MinedSet(samples, table, features, clusters)
