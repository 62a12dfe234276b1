"""The whole job of a baseline: train, read the lines of a split, judge them, keep what was read.

    config.json, model.safetensors, log.jsonl, checkpoint.safetensors   as in every run folder
    evaluation/<split>/readings.jsonl, evaluation.json                  as a typewriter's

A baseline gives its options and one function, `fit`, from the lines to a `Reader`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import ConfigError, DataError, RunError
from ..files import finite
from ..hardware import choose_device, describe, tune_process
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..runs import Run
from ..typewriter.assessment import lines_to_judge, spread
from ..typewriter.evaluation import Evaluation, evaluate_readings
from ..typewriter.kept_readings import write_evaluation
from ..typewriter.reading import LineReading
from ..typewriter.wording import evaluation_lines
from .loop import LoopResult
from .reader import Reader

__all__ = ["Fit", "Fitted", "RunResult", "Session", "judge", "run_baseline", "with_transcribed"]


@dataclass(frozen=True)
class Session:
    """What a baseline is given to train with, apart from lines and options.

    Arguments:
        run: The run folder, held by this process. If it has a checkpoint, training goes on
            from there.
        device: Where to work.
        key: What the weights depend on, for `loop.train_module`.
        max_minutes: The time for training; None for the options' number of steps.
        show_progress: Show progress bars on standard error.
    """

    run: Run
    device: torch.device
    key: dict[str, Any]
    max_minutes: float | None = None
    show_progress: bool = True


@dataclass(frozen=True)
class Fitted:
    """What the training of a baseline comes to.

    Arguments:
        reader: Reads with the trained baseline.
        training: How the training ended.
        about: Plain values about what was learned (alphabet, colours), for `config.json`.
    """

    reader: Reader
    training: LoopResult
    about: dict[str, Any] = field(default_factory=dict)


Fit = Callable[[LineCache, Session], Fitted]
"""Trains a baseline on the lines of a cache (its splits train and val are for that, its test lines
are not) and writes `session.run.model` if the training came to its end."""


@dataclass(frozen=True)
class RunResult:
    """What `run_baseline` made.

    Arguments:
        run: The run folder.
        training: How the training ended.
        evaluation: On the split that was asked for; None if the training was interrupted or the
            split has no transcription.
        reading_seconds: How long the split took to read.
    """

    run: Path
    training: LoopResult
    evaluation: Evaluation | None
    reading_seconds: float = 0.0

    def summary(self) -> Iterator[str]:
        """The result in a few lines."""
        t = self.training
        if not t.finished:
            yield f"interrupted after {t.step} steps; --resume goes on from there: {self.run}"
            return
        yield f"trained {t.step} steps in {t.minutes:.1f} minutes: {self.run}"
        if self.evaluation is not None:
            yield from evaluation_lines(self.evaluation)


def with_transcribed(collection: LineCollection, count: int | None) -> LineCollection:
    """The same collection with fewer transcribed training lines, and no other training line.

    Arguments:
        collection: Lines.
        count: How many to keep, evenly spread; None keeps the collection as it is.

    Raises:
        ConfigError: If the number is below 1, or more than there are.
    """
    if count is None:
        return collection
    usable = [line.id for line in collection if line.split == "train" and line.letters]
    if not 1 <= count <= len(usable):
        raise ConfigError(
            f"--lines {count}: give a number from 1 to {len(usable)}, the transcribed training "
            f"lines of {collection.root}"
        )
    kept = {usable[i] for i in spread(len(usable), count)}
    return collection.where(lambda line: line.split != "train" or line.id in kept)


def run_baseline(
    name: str,
    options: Any,
    fit: Fit,
    collection: LineCollection,
    out: Path | str,
    *,
    height: int,
    split: str = "test",
    max_minutes: float | None = None,
    device: str = "auto",
    resume: bool = False,
    text: dict[str, Any] | None = None,
    cache_folder: Path | None = None,
    show_progress: bool = True,
) -> RunResult:
    """Train a baseline, read a split with it, judge that and keep it in the run folder.

    Arguments:
        name: Of the baseline, as on the command line.
        options: Its frozen dataclass.
        fit: Its training.
        collection: Lines with splits.
        out: The run folder; made if needed.
        height: The height in pixels at which it reads.
        split: What to judge: `train`, `val`, `test` or `all`.
        max_minutes: The time for training; None for the options' number of steps.
        device: `auto`, `cpu`, `cuda`, ...
        resume: Go on from the checkpoint in `out`, if there is one.
        text: The options with which the transcriptions were read, kept for the record.
        cache_folder: Where to keep the resized lines between runs; None keeps them nowhere.
        show_progress: Show progress bars on standard error.

    Returns:
        How it ended; an interrupted training is not judged.

    Raises:
        ConfigError: If the device or the time cannot be had.
        DataError: If there is nothing to train on or nothing to judge.
        RunError: If the folder holds another run, or is in use, or training diverged.
    """
    part = lines_to_judge(collection, split)  # before the training: its lack would be told late
    tune_process()
    run = Run(Path(out))
    where = choose_device(device)
    with run.locked():
        _check_folder(run, name, resume)
        # `steps` may be extended, so it is no part of what a checkpoint must agree with
        plain = asdict(options)
        key = {
            "baseline": name,
            "options": _without_steps(plain),
            "lines": collection.digest(),
        }
        about: dict[str, Any] = {
            "kind": "baseline",
            "baseline": name,
            "options": plain,
            "text": text or {},
        }
        record: dict[str, Any] = {
            "data": collection.root.name,
            "data_digest": collection.digest(),
            "train_lines": len(collection.part("train")),
            "hardware": describe(where),
            "typica": __version__,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        if not run.checkpoint.exists():
            run.write_config(finite({**about, "training": record}))
        else:
            record["started"] = run.read_config().get("training", {}).get("started")
        session = Session(run, where, key, max_minutes, show_progress)
        with LineCache(collection, height, cache_folder) as cache:
            if not len(cache.collection.part("train")):
                raise DataError(
                    f"{collection.root}: no usable training line. `typica lines check` says why."
                )
            fitted = fit(cache, session)
        training = fitted.training
        record |= {
            "steps": training.step,
            "minutes": round(training.minutes, 2),
            "finished": training.finished,
        }
        run.write_config(finite({**about, **fitted.about, "training": record}))
        if not training.finished:
            return RunResult(run.folder, training, None)
        with LineCache(part, height, cache_folder) as cache:
            if not len(cache):
                raise DataError(
                    f"{collection.root}: no image of split {split!r} can be decoded. "
                    "`typica lines check` says why."
                )
            begun = time.perf_counter()
            evaluation = judge(fitted.reader, cache, run, split, show_progress)
            seconds = time.perf_counter() - begun
    return RunResult(run.folder, training, evaluation, seconds)


def judge(
    reader: Reader, cache: LineCache, run: Run, split: str, progress: bool = False
) -> Evaluation | None:
    """Read the lines of a cache, score them and write `evaluation/<split>/`.

    Arguments:
        reader: A trained baseline.
        cache: The lines at its height.
        run: The run folder.
        split: Names the folder of the evaluation.
        progress: Show a progress bar on standard error.

    Returns:
        The evaluation; None if no line has a transcription (the readings are kept all the same).
    """
    lines = cache.collection.lines
    order = {line.id: number for number, line in enumerate(lines)}
    found: list[LineReading] = sorted(
        reader.read(cache, progress), key=lambda reading: order[reading.line]
    )
    evaluation = None
    if any(line.letters for line in lines):
        evaluation = evaluate_readings(lines, found, split)
    write_evaluation(run.folder / "evaluation" / split, evaluation, cache.collection, found)
    return evaluation


def _without_steps(values: dict[str, Any]) -> dict[str, Any]:
    """Nested plain values without the entries called `steps`."""
    return {
        name: _without_steps(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if name != "steps"
    }


def _check_folder(run: Run, name: str, resume: bool) -> None:
    """Refuse a folder that holds another run, or one that cannot be gone on with."""
    begun = run.checkpoint.exists()
    if not begun:
        if run.model.exists():
            raise RunError(
                f"{run.folder}: holds a trained model, but no checkpoint to resume from. Give "
                "another --out."
            )
        return
    if not resume:
        raise RunError(
            f"{run.folder}: holds a run already. Give --resume to go on with it, or another --out."
        )
    kept = run.read_config()
    if kept.get("baseline") != name:
        other = kept.get("baseline") or kept.get("kind") or "another kind"
        raise RunError(
            f"{run.folder}: holds a run of {other}, not of the baseline {name}. Give another --out."
        )
