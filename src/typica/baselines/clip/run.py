"""A run of the baseline: a mining run in which an image-text model takes typicality's place.

The folder is laid out as that of mining (`mining/folder.py`), under the model name `base`: maps,
elements, features, clusters and page, so that whatever reads the one reads the other. Maps are of
all labels, which cost next to nothing here. There are no draws, so there are no standard errors:
they are NaN, and the page shows a dash.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ... import __version__
from ...configs import require
from ...errors import DataError, RunError
from ...hardware import choose_device, describe, tune_process
from ...images.collection import digest, read_pictures
from ...images.loading import load_pixels
from ...images.options import PictureOptions
from ...images.picture import PictureCollection
from ...images.prompts import PromptTemplate
from ...images.sizes import working_size
from ...mining.clustering import cluster_elements, write_clusters
from ...mining.config import MiningConfig
from ...mining.elements import mine_elements
from ...mining.feature_store import load_features, save_features
from ...mining.folder import MiningAbout, MiningFolder
from ...mining.maps import PictureMaps, Skipped, check_piece, holding, read_maps, write_piece
from ...mining.opening import OpenRun, plain_options
from ...mining.patches import Patch, patch_readings
from ...mining.summary import summarise
from ...mining.table import ElementsTable, write_table
from ...reports.mining import write_mining_report
from ...runs import require_outside
from .model import ClipScorer, load_clip, patch_scores

__all__ = ["ClipOptions", "ClipResult", "clip_features", "clip_run"]

GROUPS = 2
"""Of draws in a maps file; all NaN, as there are none."""
LEAD = (
    "What an image-text model finds most like the sentence of each label: patches ranked by the "
    "cosine with it{less}. It was not trained on these pictures."
)


@dataclass(frozen=True)
class ClipOptions:
    """Choices of the baseline; those of elements and clusters are mining's."""

    score: Literal["difference", "similarity"] = "difference"
    """Cosine with the label's text less that with the null text (the paper's default), or the
    former alone."""
    size: int | None = None
    """Short side that pictures are brought to; None takes the size that the model was trained
    at. A multiple of its patch is taken."""

    def __post_init__(self) -> None:
        require(self.score in ("difference", "similarity"), "score: difference or similarity")
        require(self.size is None or 16 <= self.size <= 2048, "size: between 16 and 2048 pixels")


@dataclass(frozen=True)
class ClipResult:
    """What was done.

    Arguments:
        page: The page.
        pictures: Scored just now.
        elements: In the table.
        clusters: Of typical elements.
        minutes: It took.
    """

    page: Path
    pictures: int
    elements: int
    clusters: int
    minutes: float


def clip_run(
    data: Path,
    out: Path,
    model: Path,
    prompt: PromptTemplate,
    options: ClipOptions,
    config: MiningConfig,
    reading: PictureOptions,
    *,
    device: str = "auto",
    show_progress: bool = True,
) -> ClipResult:
    """Score patches, mine, describe, cluster, report; goes on where it stopped.

    Arguments:
        data: The pictures.
        out: The run folder.
        model: A local CLIP folder.
        prompt: The sentences of labels and of none.
        options: Of the baseline.
        config: Options of elements and clusters; the size is that of `options`.
        reading: How the pictures are read.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars on standard error.

    Raises:
        DataError: If the model or the pictures cannot be used.
        RunError: If the folder holds something else.
    """
    began = time.monotonic()
    require_outside(out, data)
    tune_process()
    scorer = load_clip(model, choose_device(device))
    run = _begin(data, out, model, scorer, prompt, options, config, reading, device)
    folder, about, collection = run.folder, run.about, run.collection
    with folder.locked():
        scored = _score(run, scorer, options, show_progress)
        table = mine_elements(read_maps(folder.maps("base")), collection, about, show_progress)
        features = clip_features(run, scorer, table, show_progress).numpy()
        table, clusters = cluster_elements(table, features, about.config.clusters, show_progress)
        folder.clusters("base").unlink(missing_ok=True)
        write_table(folder.elements("base"), table)
        write_clusters(folder.clusters("base"), clusters, table)
        report = summarise(folder, collection, show_progress, titles={"base": "image-text model"})
        less = "" if options.score == "similarity" else " less that with the sentence of none"
        page = write_mining_report(
            replace(
                report,
                lead=LEAD.format(less=less),
                reading="no noise is added and nothing is trained. What is called typicality is "
                f"the cosine of a place with the sentence of the label{less}, by the image-text "
                "model; features are its projected tokens. There are no draws, so there is no ±.",
                commands=(f"typica baseline clip DATA --model {model.name} --out {out.name}",),
                draws=0,
            ),
            out / "report" / "index.html",
        )
    number = sum(len(one) for one in clusters.typical.values())
    return ClipResult(page, scored, len(table), number, (time.monotonic() - began) / 60)


def _begin(
    data: Path,
    out: Path,
    model: Path,
    scorer: ClipScorer,
    prompt: PromptTemplate,
    options: ClipOptions,
    config: MiningConfig,
    reading: PictureOptions,
    device: str,
) -> OpenRun:
    """The run folder, made or found to be the same."""
    folder = MiningFolder(out)
    collection = read_pictures(data, reading)
    if len(collection.labels) < 2:
        raise DataError(f"{data}: mining compares labels. Give pictures of at least two.")
    size = options.size or scorer.native
    typicality = replace(
        config.typicality, labels="all", groups=GROUPS, draws=GROUPS, adaptive=None
    )
    about = MiningAbout(
        replace(config, size=size, typicality=typicality),
        f"clip:{model.resolve().name}",
        prompt,
        collection.labels,
        scorer.patch,
        {"name": data.name, "path": str(data.resolve()), "digest": digest(collection)},
        {
            "reading": plain_options(reading),
            "baseline": {"method": "clip", "score": options.score, "weights": weights(scorer)},
            "hardware": describe(choose_device(device)),
            "typica": __version__,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        },
    )
    if folder.config.exists():
        old = folder.about()
        same = replace(old, record={}) == replace(about, record={})
        if not same or old.record.get("baseline") != about.record["baseline"]:
            raise RunError(f"{out}: holds another run. Give another --out, or the same choices.")
        about = old
    else:
        if out.exists() and any(out.iterdir()):
            raise RunError(f"{out}: holds something that is no mining run. Give another --out.")
        with folder.locked():
            folder.write_config(about.as_dict())
    return OpenRun(folder, about, collection)


def weights(scorer: ClipScorer) -> str:
    """A digest of all weights of a model."""
    total = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(scorer.model.state_dict().items()):
        total.update(f"{name} {tuple(tensor.shape)}".encode())
        plain = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8)
        total.update(plain.numpy().data)
    return total.hexdigest()


def _score(run: OpenRun, scorer: ClipScorer, options: ClipOptions, show_progress: bool) -> int:
    """Maps of all pictures under all labels, in pieces; those that are there are kept."""
    about, collection = run.about, run.collection
    out, size = run.folder.maps("base"), about.config.typicality.piece
    settings: dict[str, Any] = {
        "pictures": len(collection),
        "piece": size,
        "labels": "all",
        "all_labels": list(about.labels),
        "size": about.config.size,
        "prompt": [about.prompt.label, about.prompt.null],
        "score": options.score,
        "model": about.record["baseline"]["weights"],
        "collection": about.data["digest"],
    }
    null, *rest = scorer.texts(about.prompt.all(about.labels))
    labels = torch.stack(rest)
    pieces = range(-(-len(collection) // size))
    todo = [piece for piece in pieces if check_piece(out, piece, settings) is None]
    spans = {p: range(p * size, min((p + 1) * size, len(collection))) for p in todo}
    total, done = sum(map(len, spans.values())), 0
    with (
        holding(out, pieces),
        tqdm(total=total, desc="scoring", unit="picture", disable=not show_progress) as bar,
    ):
        for piece, span in spans.items():
            maps, faults = [], []
            for index in span:
                picture = collection.pictures[index]
                try:
                    pixels = load_pixels(picture, about.config.size, about.factor)
                except (DataError, OSError) as error:
                    faults.append(Skipped(index, picture.id, str(error)))
                    continue
                finally:
                    bar.update()
                found = patch_scores(
                    scorer.tokens(pixels), labels, null if options.score == "difference" else None
                ).numpy()
                groups = np.full((len(found), GROUPS, *found.shape[1:]), np.nan, np.float32)
                unknown = np.full(found.shape[1:], np.nan, np.float32)  # there is no loss here
                maps.append(PictureMaps(index, picture.id, about.labels, found, groups, unknown, 1))
            write_piece(out, piece, maps, faults, settings)
            done += len(maps)
    return done


def clip_features(
    run: OpenRun, scorer: ClipScorer, table: ElementsTable, show_progress: bool = True
) -> Tensor:
    """Features of all elements: the projected tokens, interpolated and averaged over the box.

    Arguments:
        run: The run; the features are written there unless they are there already.
        scorer: The model.
        table: N elements.
        show_progress: Show a bar on standard error.

    Returns:
        `(N, D)`, float32, of unit length.
    """
    path, about = run.folder.features("base"), run.about
    try:
        return load_features(path, table)
    except RunError:  # none yet, or of other elements
        pass
    rows = _rows(table)
    found: Tensor | None = None
    for name in tqdm(sorted(rows), "features", unit="picture", disable=not show_progress):
        picture = _named(run.collection, name)
        tokens = scorer.tokens(load_pixels(picture, about.config.size, about.factor)).numpy()
        width, height = working_size(picture.width, picture.height, about.config.size, about.factor)
        patches = [
            Patch(int(table.work_y[r]), int(table.work_x[r]), int(table.side[r]))
            for r in rows[name]
        ]
        part = torch.from_numpy(patch_readings(tokens, height, width, patches))
        if found is None:
            found = torch.zeros(len(table), part.shape[1])
        found[rows[name]] = F.normalize(part, dim=1)
    if found is None:
        raise RunError(f"{run.folder.folder}: there are no elements.")
    save_features(path, found, {"table": table.digest(), "model": about.base})
    return load_features(path, table)


def _rows(table: ElementsTable) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(table.picture.tolist()):
        rows[name].append(row)
    return rows


def _named(collection: PictureCollection | Sequence[Any], name: str) -> Any:
    return next(picture for picture in collection if picture.id == name)
