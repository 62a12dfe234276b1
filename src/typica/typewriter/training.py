"""Training: begun, resumed or followed; it can be killed at any instant and continued exactly.

Everything random at step n is a function of (seed, n), so the state of a run is its weights,
its optimizer and a few numbers. They are written together, in one file, in one rename.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import DAMAGE, ConfigError, DataError, RunError
from ..files import write_json
from ..hardware import choose_device, describe, tune_process
from ..interrupts import interruptible
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..processes import Order, Processes, ending, join
from ..runs import Run, load_tensors
from .carrying import carry_over
from .config import TypewriterConfig
from .guide import Guide, find_guide, read_guide, write_guide
from .loading import collection_colours
from .model import Typewriter
from .pretrained import pretrained_fits, start_pretrained
from .shapes import load_shapes, start_as_shapes
from .state import Progress, TrainingState
from .storage import TypewriterAbout, load_typewriter
from .training_loop import TrainingResult, training_loop

__all__ = ["train"]


def _prepare(
    collection: LineCollection, config: TypewriterConfig, cache: LineCache, text: dict[str, Any]
) -> TypewriterAbout:
    """Alphabet and colours of a collection, as a new typewriter needs them."""
    lines = cache.collection.part("train").lines
    counts = Counter(letter for line in lines for letter in line.letters)
    if not lines:
        raise DataError(
            f"{collection.root}: no usable training line. `typica lines check` says why."
        )
    if not config.unsupervised and not counts:
        raise DataError(
            f"{collection.root}: no training line has a transcription, so there is no alphabet "
            "to learn. Add transcriptions, or learn without (--unsupervised)."
        )
    symbols = () if config.unsupervised else tuple(sorted(counts))
    paper, ink = collection_colours(cache)
    return TypewriterAbout(config, symbols, paper, ink, text, dict(counts), None, {})


def _guided(
    run: Run, cache: LineCache, about: TypewriterAbout, show_progress: bool
) -> tuple[TypewriterAbout, Guide | None]:
    """The guide of a new training, if it needs one, and the number of sprites that follows."""
    config = about.config
    lines = cache.collection.part("train")
    if not config.guided or not (config.unsupervised or any(not one.letters for one in lines)):
        guide = None
    else:
        guide = find_guide(cache, about, show_progress)
    write_guide(run.folder, guide)
    if config.unsupervised and config.sprites.count is None:
        if guide is None or not guide.count:
            raise DataError(
                f"{cache.collection.root}: no piece of ink comes back often enough to be a letter, "
                "so the number of sprites cannot be found. Give it: --set sprites.count=60."
            )
        sprites = replace(config.sprites, count=guide.count * config.sprites.allographs)
        about = replace(about, config=replace(config, sprites=sprites))
    return about, guide


def train(
    collection: LineCollection,
    out: Path | str,
    config: TypewriterConfig | None = None,
    *,
    max_minutes: float | None = None,
    device: str = "auto",
    resume: bool = False,
    start: Path | None = None,
    shapes: Path | None = None,
    text: dict[str, Any] | None = None,
    cache_folder: Path | None = None,
    tensorboard: bool = False,
    show_progress: bool = True,
) -> TrainingResult:
    """Learn an alphabet from lines.

    Under `accelerate launch` or `torchrun` every process calls this; the first one's result is that
    of the training.

    Arguments:
        collection: Lines with splits; the alphabet is that of the training lines.
        out: The run folder; made if needed.
        config: Everything that decides the typewriter. On resume the run's own is used.
        max_minutes: Fit the number of steps to this time instead of `config.training.steps`.
        device: `auto`, `cpu`, `cuda`, ...
        resume: Go on from the checkpoint in `out`.
        start: A trained typewriter (run folder or weights file) whose weights a new run starts
            from, as far as they fit: sprites by their characters.
        shapes: Pictures that the sprites of some characters start as, from `save_shapes`.
        text: The options with which the transcriptions were read, kept for the record.
        cache_folder: Where to keep the resized lines between runs; None keeps them nowhere.
        tensorboard: Also write TensorBoard events into the run folder.
        show_progress: Show a progress bar on standard error.

    Returns:
        How it ended; the weights are in the run folder.

    Raises:
        ConfigError: If the device or the time cannot be had.
        DataError: If there is nothing to train on.
        RunError: If the folder holds another run, or is in use, or training diverged.
    """
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise ConfigError(f"--max-minutes {max_minutes}: give a number of minutes above 0")
    tune_process()
    run, processes = Run(Path(out)), join(device)
    where = choose_device(device)
    if not processes.leader:
        return _follow(run, collection, where, cache_folder, processes)
    with run.locked(), ending(processes):
        about = _resumed(run, collection, resume)
        begun = about is not None
        config = about.config if about else (config or TypewriterConfig())
        with LineCache(collection, config.height, cache_folder) as cache:
            if about is None:
                record = {
                    "data": collection.root.name,
                    "data_digest": collection.digest(),
                    "train_lines": len(cache.collection.part("train")),
                    "val_lines": len(cache.collection.part("val")),
                    "hardware": describe(where),
                    "typica": __version__,
                    "started": time.strftime("%Y-%m-%d %H:%M:%S"),
                }
                about = replace(_prepare(collection, config, cache, text or {}), training=record)
                begin = time.perf_counter()
                about, guide = _guided(run, cache, about, show_progress)
                spent = time.perf_counter() - begin
            else:
                guide, spent = read_guide(run.folder), 0.0
            training = TrainingState(run, cache, about, where, guide, processes)
            training.progress.seconds = spent  # the guide takes its part of the time
            if begun:
                training.load()
                run.cut_log(training.progress.step)
            else:
                started = _start_weights(training.model, about, start, shapes)
                if started is not None:
                    about.training["started_from"] = started
                run.log.unlink(missing_ok=True)
                run.write_config(about.as_dict())
                problems = [vars(p) | {"file": str(p.file.name)} for p in cache.collection.problems]
                write_json(run.folder / "problems.json", problems)
            return training_loop(training, max_minutes, tensorboard, show_progress)


def _resumed(run: Run, collection: LineCollection, resume: bool) -> TypewriterAbout | None:
    """The typewriter of the run in a folder, to go on with; None where there is none yet."""
    # a run that was killed before its first checkpoint has nothing to lose
    if not run.checkpoint.exists():
        if run.model.exists():
            raise RunError(
                f"{run.folder}: holds a trained model, but no checkpoint to resume from. Give "
                "another --out."
            )
        return None
    if not resume:
        raise RunError(
            f"{run.folder}: holds a run already. Give --resume to go on with it, or another --out."
        )
    about = _begun(run)
    if about.training.get("data_digest") != collection.digest():
        raise RunError(
            f"{run.folder}: was started on other lines than {collection.root} holds now "
            "(or they are read with other text options). Train a new run instead."
        )
    return about


def _start_weights(
    model: Typewriter, about: TypewriterAbout, start: Path | None, shapes: Path | None
) -> dict[str, Any] | None:
    """Give a new model the weights it starts from, and tell what came from where; None if none."""
    if start is not None:
        source, told = load_typewriter(start, named=False)
        carried = carry_over(model, about.symbols, source, told.symbols)
        started: dict[str, Any] = {"run": Path(start).name, **carried}
        if shapes is not None:
            started["shapes"] = start_as_shapes(model, about.symbols, load_shapes(shapes))
        return started
    wanted = about.config.training.start
    fits = wanted == "auto" and about.symbols and pretrained_fits(model)
    if wanted == "pretrained" or fits:
        return start_pretrained(model, about.symbols)
    return None


def _follow(
    run: Run,
    collection: LineCollection,
    where: torch.device,
    cache_folder: Path | None,
    processes: Processes,
) -> TrainingResult:
    """Do as the leader tells: it decides when to stop, also where a signal comes to all."""
    training: TrainingState | None = None
    with interruptible(), contextlib.ExitStack() as end:
        while True:
            order, (step, total, rate) = processes.told()
            now = training.progress if training else Progress()
            if order is Order.END:
                return TrainingResult(run.folder, now.step, 0.0, None, now.step >= now.total)
            if training is None:
                about = _begun(run)
                cache = LineCache(collection, about.config.height, cache_folder)
                end.enter_context(cache)
                guide = read_guide(run.folder)
                training = TrainingState(run, cache, about, where, guide, processes)
                order = Order.LOAD
            if order is Order.LOAD:
                training.load()
                training.model.train()
                batches = training.batches(training.progress.step)
            else:
                now.step, now.total, now.rate = int(step), int(total), rate
                training.one_step(next(batches))


def _begun(run: Run) -> TypewriterAbout:
    """The typewriter that a checkpoint belongs to."""
    try:
        return TypewriterAbout.from_dict(load_tensors(run.checkpoint)[1]["typewriter"])
    except DAMAGE as error:
        raise RunError(
            f"{run.checkpoint}: damaged or no checkpoint. Train a new run in another folder."
        ) from error
