"""Co-typical elements of a parallel set, from maps to clusters, in a folder of the set.

    cotypical/config.json            resolved options, model, and how features were projected
    cotypical/maps/part-000/         typicality maps (`parallel_scoring.py`)
    cotypical/sequences.parquet      the sequences table (`sequences.py`)
    cotypical/features.safetensors   DIFT features, row n C + c being sequence n under label c
    cotypical/projections/000.safetensors   of label 0, what k-means sees
    cotypical/clusters.json          clusters of sequences
    cotypical/index.html             the page

What is there and was made of the same is not made again.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ... import __version__
from ...configs import require
from ...errors import DAMAGE, RunError, damage
from ...files import finite, write_json
from ...hardware import choose_device, describe, tune_process
from ...images.picture import PictureCollection
from ...runs import Run, load_tensors, save_tensors
from ..artefacts import touches_border
from ..denoiser import Denoiser
from ..feature_job import write_features
from ..folder import MiningAbout, MiningFolder, ModelName
from ..maps import Skipped
from ..opening import OpenRun
from ..patches import patch_sides
from ..run import load_model
from ..score_settings import model_digest
from .cotypical_options import CotypicalConfig
from .cotypicality import Candidate, best_candidates, picture_sequences
from .parallel import ParallelSequence, ParallelSet, read_parallel
from .parallel_scoring import Part, parallel_collection, plan_parts, score_parts, sequence_maps
from .projections import choose_method, project
from .sequence_clusters import SequenceCluster, cluster_sequences
from .sequences import COLUMNS, SequencesTable, patch_table, write_sequences

__all__ = ["CotypicalFolder", "CotypicalResult", "mine_cotypical", "open_model", "read_clusters"]


@dataclass(frozen=True)
class CotypicalFolder(Run):
    """The paths of co-typicality in a parallel set; `folder` is `cotypical/` in it."""

    WRITTEN_LOCKED: ClassVar[tuple[str, ...]] = (
        *("config.json", "sequences.parquet", "features.safetensors", "clusters.json"),
        *("projections/*.safetensors", "maps/*/pictures.json", "index.html"),
    )

    @property
    def maps(self) -> Path:
        return self.folder / "maps"

    @property
    def sequences(self) -> Path:
        return self.folder / "sequences.parquet"

    @property
    def features(self) -> Path:
        return self.folder / "features.safetensors"

    @property
    def clusters(self) -> Path:
        return self.folder / "clusters.json"

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    def projection(self, number: int) -> Path:
        """The projections of one label, by its place in the set."""
        return self.folder / "projections" / f"{number:03d}.safetensors"


@dataclass(frozen=True)
class CotypicalResult:
    """What a job did.

    Arguments:
        pictures: Pictures scored by this job, real and translated.
        sources: Source pictures whose maps are all there.
        sequences: In the table; None if only a shard was scored.
        clusters: Of them; None likewise.
        projection: How features were projected, in words.
        skipped: Source pictures without a whole sequence of maps.
    """

    pictures: int
    sources: int
    sequences: int | None
    clusters: int | None
    projection: str
    skipped: tuple[Skipped, ...]


def open_model(
    found: ParallelSet, run: Path | None, device: str = "auto"
) -> tuple[Denoiser, MiningAbout]:
    """The model that a parallel set was made with, and what decides its run.

    Arguments:
        found: The set.
        run: Folder of the mining run now; None for where it was.
        device: `auto`, `cpu`, `cuda`, ...

    Raises:
        RunError: If the run is not there, or its model is another one.
    """
    where = Path(found.about.run["path"]) if run is None else run
    if not where.is_dir():
        raise RunError(f"{where}: the mining run of this set is not there any more. Give --run.")
    folder = MiningFolder(where)
    about = folder.about()
    name: ModelName = "base" if found.about.run["model"] == "base" else "finetuned"
    opened = OpenRun(folder, about, PictureCollection(where, ()))
    denoiser = load_model(opened, name, device)
    if model_digest(denoiser) != found.about.run["digest"]:
        raise RunError(
            f"{where}: its {name} model is not the one that {found.folder.folder} was made with. "
            "Translate again into a new folder, or give the former --run."
        )
    return denoiser, about


def mine_cotypical(
    par: Path,
    config: CotypicalConfig,
    *,
    run: Path | None = None,
    shard: tuple[int, int] = (0, 1),
    device: str = "auto",
    show_progress: bool = True,
) -> CotypicalResult:
    """Score a parallel set, pick its co-typical sequences, and cluster them.

    Arguments:
        par: Folder of the set.
        config: How.
        run: Where its mining run is now; None for where it was.
        shard: (i, n): only score the i-th of n parts; (0, 1) does everything.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars with the time left on standard error.

    Raises:
        RunError: If the set has no whole sequence, or the model is not there, or what is there
            was made with other options.
    """
    tune_process()
    found = read_parallel(par)
    denoiser, about = open_model(found, run, device)
    about = _scored_as(about, config)
    folder = CotypicalFolder(par / "cotypical")
    if shard[1] > 1:  # shards write different pieces, so only whole jobs hold the folder
        parts = plan_parts(folder.maps, found)
        done = score_parts(denoiser, parts, par, about, shard=shard, show_progress=show_progress)
        return CotypicalResult(sum(one.pictures for one in done), 0, None, None, "", ())
    with folder.locked():
        parts = plan_parts(folder.maps, found)
        done = score_parts(denoiser, parts, par, about, show_progress=show_progress)
        sides = patch_sides(about.config.size, about.config.elements)
        table, skipped = _pick(parts, found, about, config, sides, show_progress)
        collection = parallel_collection(par, [one for part in parts for one in part.sequences])
        patches = patch_table(table)
        bfloat16 = about.config.typicality.bfloat16
        flat = write_features(
            folder.features, denoiser, patches, collection, about, show_progress, bfloat16
        ).numpy()
        features = flat.reshape(len(table), len(table.labels), -1)
        projected, words = _project(folder, features, config, show_progress)
        beside = features.reshape(len(table), -1)
        table, clusters, agreement = cluster_sequences(table, beside, projected, config.clusters)
        # a kill from here on leaves a table without clusters, never with those of another one
        folder.clusters.unlink(missing_ok=True)
        sources = sum(len(part.sequences) for part in parts) - len(skipped)
        record = {
            "projection": words,
            "agreement": agreement,
            "sources": sources,
            "skipped": [asdict(one) for one in skipped],
            "hardware": describe(choose_device(device)),
            "typica": __version__,
            "finished": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        folder.write_config(
            {"config": config.as_dict(), "run": found.about.run, "sides": sides, "record": record}
        )
        write_sequences(folder.sequences, table)
        write_clusters(folder.clusters, clusters)
        return CotypicalResult(
            sum(one.pictures for one in done),
            sources,
            len(table),
            len(clusters),
            words,
            tuple(skipped),
        )


def _scored_as(about: MiningAbout, config: CotypicalConfig) -> MiningAbout:
    """The run with the options that a parallel set is scored with: own label only."""
    typicality = about.config.typicality
    draws = typicality.draws if config.draws is None else config.draws
    require(
        draws % typicality.groups == 0,
        f"draws: {draws} is no multiple of the run's typicality.groups, {typicality.groups}",
    )
    typicality = replace(typicality, labels="own", draws=draws, adaptive=None, surrogate=None)
    # neither a surrogate nor a pilot for each of many small parts
    if typicality.sampling == "importance":
        typicality = replace(typicality, sampling="stratified")
    return replace(about, config=replace(about.config, typicality=typicality))


def _pick(
    parts: Sequence[Part],
    found: ParallelSet,
    about: MiningAbout,
    config: CotypicalConfig,
    sides: Sequence[int],
    show_progress: bool,
) -> tuple[SequencesTable, list[Skipped]]:
    """The best sequences of all sources, as a table without clusters."""
    candidates: list[Candidate] = []
    skipped: list[Skipped] = []
    shown: dict[int, ParallelSequence] = {}
    shape: dict[int, tuple[int, int]] = {}
    total = sum(len(part.sequences) for part in parts)
    bar = tqdm(
        sequence_maps(parts, found.about.labels, about.factor),
        "picking sequences",
        total,
        unit="picture",
        disable=not show_progress,
        file=sys.stderr,
    )
    for one in bar:
        if isinstance(one, Skipped):
            skipped.append(one)
            continue
        if not np.isfinite(one.typicality).all():
            raise RunError(
                f"{one.sequence.picture}: its typicality is not finite, so the model's weights "
                "are unusable. Train the run again with a smaller finetune.learning_rate."
            )
        shown[one.sequence.index] = one.sequence
        shape[one.sequence.index] = one.height, one.width
        candidates += picture_sequences(
            one.sequence.index,
            one.typicality,
            one.groups,
            one.height,
            one.width,
            sides,
            config.per_picture,
        )
    if not candidates:
        raise RunError(
            f"{found.folder.folder}: none of its pictures has a whole sequence of maps "
            f"({skipped[0].message if skipped else 'there is none'})."
        )
    columns: dict[str, list[Any]] = defaultdict(list)
    for rank, best in enumerate(best_candidates(candidates, config.count)):
        sequence = shown[best.number]
        row = {
            "index": best.number,
            "picture": sequence.picture,
            "source": sequence.source,
            "rank": rank,
            "work_x": best.patch.column,
            "work_y": best.patch.row,
            "side": best.patch.side,
            "cotypicality": best.cotypicality,
            "error": best.error,
            "border": touches_border(best.patch, *shape[best.number]),
            "cluster": -1,
            "distance": np.nan,
            "typicality": best.typicality,
            "files": [
                path.relative_to(found.folder.folder).as_posix() for path in sequence.files.values()
            ],
        }
        for name in COLUMNS:
            columns[name].append(row[name])
    about_table = {
        "config": config.as_dict(),
        "run": found.about.run,
        "data": found.about.data,
        "prompt": {"label": about.prompt.label, "null": about.prompt.null},
        "sides": list(sides),
    }
    return SequencesTable.from_columns(columns, found.about.labels, about_table), skipped


def _project(
    folder: CotypicalFolder,
    features: NDArray[np.float32],
    config: CotypicalConfig,
    show_progress: bool,
) -> tuple[NDArray[np.float32], str]:
    """Projections of all labels side by side, `(N, C d)`, and in words how they were made."""
    method, words = choose_method(config.projection, len(features))
    _, described = load_tensors(folder.features)
    parts = []
    labels = range(features.shape[1])
    for number in tqdm(labels, "projecting", unit="label", disable=not show_progress):
        made_of = {
            "features": described,
            "label": number,
            "method": method,
            **asdict(config.projection) | {"method": method},
        }
        path = folder.projection(number)
        part = _kept(path, made_of)
        if part is None:
            part = project(features[:, number], config.projection, method)
            save_tensors(path, {"projected": torch.from_numpy(part)}, made_of)
        parts.append(part)
    return np.concatenate(parts, axis=1), words


def _kept(path: Path, made_of: dict[str, Any]) -> NDArray[np.float32] | None:
    """A projection of the same features in the same way, if there is one."""
    try:
        tensors, about = load_tensors(path)
    except damage(RunError):
        return None
    return tensors["projected"].numpy() if about == made_of else None


def write_clusters(path: Path, clusters: Sequence[SequenceCluster]) -> None:
    """Write clusters of sequences as JSON: a list in rank order, fields as `SequenceCluster`."""
    write_json(path, finite({"format": 1, "clusters": [asdict(one) for one in clusters]}))


def read_clusters(path: Path) -> tuple[SequenceCluster, ...]:
    """Read what `write_clusters` wrote.

    Raises:
        RunError: If it is missing or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))["clusters"]
        return tuple(
            SequenceCluster(
                **one | {"members": tuple(one["members"]), "medians": tuple(one["medians"])}
            )
            for one in values
        )
    except DAMAGE as error:
        raise RunError(f"{path}: missing or damaged. Run `typica mine cotypical` again.") from error
