"""Training: a plain loop that can be killed at any instant and continued exactly.

Everything random at step n is a function of (seed, n), so the state of a run is its weights,
its optimizer and a few numbers. They are written together, in one file, in one rename.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from .. import __version__
from ..checkpoints import MOST_ROLLBACKS, diverged
from ..errors import DAMAGE, ConfigError, DataError, RunError
from ..files import write_json
from ..hardware import choose_device, describe, tune_process
from ..interrupts import interruptible
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..memory import enough_memory
from ..processes import Order, Processes, ending, join
from ..runs import Run, load_tensors
from .carrying import carry_over
from .config import TypewriterConfig
from .guide import Guide, find_guide, read_guide, write_guide
from .loading import collection_colours
from .model import Typewriter
from .objective import learning_rate
from .pretrained import pretrained_fits, start_pretrained
from .shapes import load_shapes, start_as_shapes
from .state import Progress, TrainingState
from .storage import TypewriterAbout, load_typewriter, save_typewriter

__all__ = ["TrainingResult", "train"]

_LOG_EVERY = 10
"""Steps between two rows of the log."""
_SAVE_EVERY = 60
"""Most seconds between two checkpoints."""
_LESS_MEMORY = (
    "What was learned until the last checkpoint is kept. Lower --set training.batch_size in a new "
    "run (--out), or take another --device and --resume."
)


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Arguments:
        run: The run folder.
        step: Steps taken in all.
        minutes: Time spent training, in all sessions.
        validation_cer: Of the kept weights; None without transcribed validation lines.
        finished: False if it was interrupted; `--resume` goes on.
    """

    run: Path
    step: int
    minutes: float
    validation_cer: float | None
    finished: bool


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
            return _loop(training, max_minutes, tensorboard, show_progress)


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


def _loop(
    training: TrainingState, max_minutes: float | None, tensorboard: bool, show_progress: bool
) -> TrainingResult:
    """Step, log, judge and save until the plan is fulfilled or a signal comes."""
    now, run, config = training.progress, training.run, training.config
    writer = _tensorboard(run.folder) if tensorboard else None
    started = time.perf_counter() - now.seconds
    if max_minutes is not None:
        now.total = max(now.total, now.step + 2 * _LOG_EVERY + 1)  # enough to measure the pace
    if not training.best:
        training.judge()  # so that there is always something to keep
        now.judged = 0
        training.save()
        training.processes.tell(Order.LOAD)
    saved = time.perf_counter()
    first = last_log = (now.step, saved)
    bar = tqdm(
        total=now.total, initial=now.step, unit="step", disable=not show_progress, smoothing=0.05
    )
    notes: dict[str, str] = {}

    def log(row: dict[str, Any]) -> None:
        row = {"step": now.step, "seconds": round(now.seconds, 2), **row}
        run.append_log(row)
        if writer is not None:
            for name, value in row.items():
                writer.add_scalar(name, value, now.step)
        for key, short in (("reconstruction", "rec"), ("text", "text"), ("validation_cer", "CER")):
            if key in row:
                notes[short] = f"{row[key]:.4f}"
        bar.set_postfix(notes, refresh=False)

    training.model.train()
    with interruptible() as signals:
        batches = training.batches(now.step)
        while now.step < now.total and not signals:
            with enough_memory(f"step {now.step + 1} of the training", _LESS_MEMORY):
                training.one_step(next(batches))
            bar.update(1)
            now.seconds = time.perf_counter() - started
            log_now = now.step - now.logged >= _LOG_EVERY or now.step == now.total
            judge_now = _due(now, config)
            save_now = time.perf_counter() - saved > _SAVE_EVERY
            # nothing that is not finite may reach the log or the checkpoint
            if (log_now or judge_now or save_now) and not training.healthy():
                now = _roll_back(training)
                batches = training.batches(now.step)
                first = last_log = (now.step, time.perf_counter())
                bar.n = now.step
                continue
            if log_now:
                elapsed = time.perf_counter() - last_log[1]
                speed = (now.step - last_log[0]) * config.training.batch_size / elapsed
                last_log = (now.step, time.perf_counter())
                rate = now.rate * learning_rate(config, now.step, now.total)
                row = training.means()
                log({**row, "learning_rate": rate, "lines_per_second": round(speed, 2)})
                if max_minutes is not None and now.step - first[0] >= 2 * _LOG_EVERY:
                    pace = (time.perf_counter() - first[1]) / (now.step - first[0])
                    left = max_minutes * 60 - now.seconds - 2.0
                    now.total = now.step + max(0, int(left / pace))
                    bar.total = now.total
                    judge_now = _due(now, config)
            if judge_now:
                log(training.judge())
                last_log = (now.step, time.perf_counter())
            if judge_now or save_now:
                training.save()
                saved = time.perf_counter()
    finished = now.step >= now.total
    if not finished and training.healthy():
        training.save()
    bar.close()
    if writer is not None:
        writer.close()
    record = {
        **training.about.training,
        "steps": now.step,
        "best_step": now.best_step,
        "sprites_from_step": now.drawn_from,
        "minutes": round(now.seconds / 60, 2),
        "validation_cer": now.best_cer,
        "finished": finished,
    }
    training.about = replace(training.about, training=record)
    save_typewriter(run.model, training.best, training.about)
    run.write_config(training.about.as_dict())
    return TrainingResult(run.folder, now.step, now.seconds / 60, now.best_cer, finished)


def _due(now: Progress, config: TypewriterConfig) -> bool:
    """Whether the validation lines are to be read: evenly spread, and at the end."""
    share = (now.judged + 1) / config.training.evaluations
    return now.step >= now.total or now.step >= share * now.total


def _roll_back(training: TrainingState) -> Progress:
    """After a loss that is not a number: the last checkpoint, at half the learning rate."""
    rollbacks, rate = training.progress.rollbacks + 1, training.progress.rate / 2
    if rollbacks > MOST_ROLLBACKS:
        raise diverged(
            training.run.folder,
            training.progress.step,
            "Look for damaged lines with `typica lines check`, or lower "
            "--set training.learning_rate.",
        )
    training.load()
    training.progress.rollbacks, training.progress.rate = rollbacks, rate
    training.run.cut_log(training.progress.step)
    training.save()  # so that the lower rate survives a kill
    training.run.append_log(
        {"step": training.progress.step, "note": "loss not finite: rolled back, rate halved"}
    )
    return training.progress


def _tensorboard(folder: Path) -> Any:
    """A TensorBoard writer, or an error that names the extra."""
    from ..errors import DependencyError

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError(
            "--tensorboard needs the tensorboard package: pip install 'typica[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder / "tensorboard"))
