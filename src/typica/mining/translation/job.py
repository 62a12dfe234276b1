"""The translation job: chosen pictures to every other label, into a parallel set on the disk.

The model is loaded once (the paper's program loads it twice for every picture). Pictures of one
working shape are inverted together and translated together, as many (picture, label) pairs at a
time as the batch allows. A picture is finished as a whole, so an interrupted or killed job goes
on with the pictures that are not; shards take every n-th of the chosen pictures.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ... import __version__
from ...configs import require
from ...errors import DataError, RunError
from ...hardware import describe, tune_process
from ...images.loading import load_pixels
from ...images.picture import Picture, PictureCollection
from ...images.sizes import working_size
from ...interrupts import interruptible
from ...reports.wording import flat
from ...runs import require_outside
from ..denoiser import Denoiser
from ..folder import MiningAbout, ModelName
from ..maps import Skipped
from ..opening import OpenRun
from ..run import load_model
from ..score_settings import model_digest
from .injection import Places, choose_places
from .options import TranslationConfig
from .parallel import ParallelAbout, ParallelFolder
from .parallel_writing import translate_pictures

__all__ = ["TranslateResult", "choose_pictures", "translate_run", "translate_set"]


@dataclass(frozen=True)
class TranslateResult:
    """What a translation job did.

    Arguments:
        pictures: Source pictures finished by this job.
        kept: Source pictures of its shard that were finished before.
        translations: Made by this job.
        seconds: It took.
        rmse: Mean reconstruction error of this job's pictures, grey levels; None if there are
            none.
        skipped: Pictures that could not be decoded.
        finished: False if it was interrupted.
    """

    pictures: int
    kept: int
    translations: int
    seconds: float
    rmse: float | None
    skipped: tuple[Skipped, ...]
    finished: bool


def choose_pictures(
    collection: PictureCollection, labels: Sequence[str], per_label: int | None, seed: int
) -> list[int]:
    """Indices of the pictures to translate, ascending.

    Arguments:
        collection: All pictures; those with several labels, or none, have no source label and
            are left out.
        labels: Pictures of these are taken.
        per_label: How many of each; None for all. A larger number takes those of a smaller one
            too.
        seed: Decides which.
    """
    chosen: list[int] = []
    for label in labels:
        own = [i for i, one in enumerate(collection) if one.labels == (label,)]
        if per_label is not None:
            own.sort(key=lambda i: (_lot(seed, collection.pictures[i].id), i))
        chosen += own[:per_label]
    return sorted(chosen)


def _lot(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"translate/{seed}/{name}".encode(), digest_size=16).digest()


def translate_run(
    run: OpenRun,
    out: Path,
    config: TranslationConfig,
    *,
    model: ModelName = "finetuned",
    per_label: int | None = None,
    seed: int = 0,
    shard: tuple[int, int] = (0, 1),
    batch_size: int = 64,
    device: str = "auto",
    show_progress: bool = True,
) -> TranslateResult:
    """Translate pictures of a run, or go on with it.

    Arguments:
        run: From `open_run`.
        out: Folder of the set; what is finished there is kept, more pictures may be added.
        config: How.
        model: The fine-tuned model, or the base.
        per_label: Pictures of each label; None for all.
        seed: Decides which.
        shard: (i, n): every n-th chosen picture from the i-th; shards may run at the same time.
        batch_size: Evaluations of the UNet at a time.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show a bar with the time left on standard error.

    Returns:
        What was done.

    Raises:
        RunError: If the run has no model, or `out` holds a set of other choices.
        ConfigError: If a label is unknown or the shard is none.
        DataError: If there is nothing to translate, or no picture can be decoded.
    """
    require_outside(out, run.collection.root)
    require(0 <= shard[0] < shard[1], f"--shard {shard[0]}/{shard[1]}: write i/n, such as 0/4")
    unknown = sorted(set(config.labels) - set(run.about.labels))
    require(not unknown, f"labels: no label {unknown[:1]}; there are {list(run.about.labels)}")
    tune_process()
    denoiser = load_model(run, model, device)
    places = choose_places(denoiser.unet, config.block)
    folder = ParallelFolder(out)
    # shards write different pictures, so only whole jobs hold the folder
    with folder.locked() if shard[1] == 1 else nullcontext():
        about = _describe(run, model, denoiser, config, places)
        # for the page only: a later job may ask for more pictures
        about.record.update(per_label=per_label, seed=seed)
        about = _begin(folder, about)
        chosen = choose_pictures(run.collection, about.labels, per_label, seed)
        if not chosen:
            raise DataError(f"{run.collection.root}: has no pictures of one label to translate.")
        done = translate_set(
            denoiser,
            run,
            folder,
            about,
            places,
            chosen[shard[0] :: shard[1]],
            batch_size=batch_size,
            show_progress=show_progress,
        )
        folder.write_manifest()
        return done


def _describe(
    run: OpenRun, model: ModelName, denoiser: Denoiser, config: TranslationConfig, places: Places
) -> ParallelAbout:
    about: MiningAbout = run.about
    labels = tuple(one for one in about.labels if not config.labels or one in config.labels)
    where = run.folder.folder
    return ParallelAbout(
        # the order in which labels are given decides nothing
        replace(config, labels=labels if config.labels else ()),
        {
            "name": where.resolve().name,
            "path": str(where.resolve()),
            "model": model,
            "digest": model_digest(denoiser),
        },
        dict(about.data),
        about.prompt,
        labels,
        about.config.size,
        about.factor,
        places.as_dict(),
        {
            "hardware": describe(denoiser.device),
            "typica": __version__,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
            "credits": about.record.get("credits") or [],
        },
    )


def _begin(folder: ParallelFolder, about: ParallelAbout) -> ParallelAbout:
    """Write down what decides the set, or compare it with what is there."""
    if not folder.config.exists():
        if (folder.folder / "pictures").exists():
            raise RunError(f"{folder.folder}: holds pictures of another kind. Give another --out.")
        folder.write_config(about.as_dict())
        return about
    old = folder.about()
    new, before = _deciding(about), _deciding(old)
    differ = ", ".join(f"{k}={before.get(k)}" for k in new if new[k] != before.get(k))
    if differ:
        raise RunError(
            f"{folder.folder}: was begun with other choices ({differ}). Give the same, or another "
            "--out."
        )
    return old


def _deciding(about: ParallelAbout) -> dict[str, str]:
    """What two jobs of one set must agree in, by name."""
    values = about.as_dict()
    run, data = values["run"], values["data"]
    return dict(
        flat(
            {
                **values["config"],
                "model": run["digest"],
                "data": data["digest"],
                "prompt": asdict(about.prompt),
                "labels": list(about.labels),
                "size": about.size,
            }
        )
    )


def translate_set(
    denoiser: Denoiser,
    run: OpenRun,
    folder: ParallelFolder,
    about: ParallelAbout,
    places: Places,
    chosen: Sequence[int],
    *,
    batch_size: int = 64,
    show_progress: bool = True,
) -> TranslateResult:
    """Translate chosen pictures with a model that is loaded already.

    Arguments:
        denoiser: The model.
        run: Whose pictures.
        folder: Of the set.
        about: What decides it.
        places: Where to inject.
        chosen: Indices of pictures; those that are finished are left alone.
        batch_size: Evaluations of the UNet at a time.
        show_progress: Show a bar on standard error.

    Returns:
        What was done.

    Raises:
        DataError: If no picture can be decoded.
        RunError: If the model gives numbers that are not finite.
    """
    todo = [index for index in chosen if not folder.rows(index).exists()]
    others = len(about.labels) - 1
    branches = 1 + others * (1 if about.config.guidance == 1 else 2)
    together = max(1, batch_size // branches)
    began, errors, skipped, made = time.monotonic(), [], [], 0
    denoiser.eval()
    bar = tqdm(
        total=len(todo),
        desc="translate",
        unit="picture",
        disable=not show_progress,
        file=sys.stderr,
    )
    with bar, interruptible() as caught:
        for group in _groups(run, todo, together):
            if caught:
                break
            pixels, faults = _load(run, group)
            skipped += faults
            if pixels:
                for index, rows in translate_pictures(
                    denoiser, run, folder, about, places, pixels, batch_size
                ):
                    folder.write_rows(index, rows)
                    errors.append(rows[0].rmse)
                    made += len(rows)
            bar.update(len(group))
    if skipped and len(skipped) == len(chosen):
        raise DataError(f"{run.collection.root}: no picture can be read: {skipped[0].message}")
    return TranslateResult(
        len(errors),
        len(chosen) - len(todo),
        made,
        time.monotonic() - began,
        float(np.mean(errors)) if errors else None,
        tuple(skipped),
        len(errors) + len(skipped) == len(todo),
    )


def _groups(run: OpenRun, todo: Sequence[int], together: int) -> Iterator[list[int]]:
    """Pictures of one working shape, at most so many; in the order of the collection within."""
    about = run.about
    shapes: dict[tuple[int, int], list[int]] = {}
    for index in todo:
        one = run.collection.pictures[index]
        shape = working_size(one.width, one.height, about.config.size, about.factor)
        shapes.setdefault(shape, []).append(index)
    for same in shapes.values():
        for first in range(0, len(same), together):
            yield same[first : first + together]


def _load(run: OpenRun, group: Sequence[int]) -> tuple[dict[int, NDArray[np.uint8]], list[Skipped]]:
    """Pixels of pictures by index, and those that cannot be decoded."""
    found, faults = {}, []
    for index in group:
        picture: Picture = run.collection.pictures[index]
        try:
            found[index] = load_pixels(picture, run.about.config.size, run.about.factor)
        except (DataError, OSError) as error:
            faults.append(Skipped(index, picture.id, str(error)))
    return found, faults
