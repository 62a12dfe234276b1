"""The loop of a training: step, log, judge, save; go back to the checkpoint after a bad loss."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..checkpoints import MOST_ROLLBACKS, diverged
from ..errors import DependencyError
from ..interrupts import interruptible
from ..memory import enough_memory
from ..processes import Order
from .config import TypewriterConfig
from .objective import learning_rate
from .state import Progress, TrainingState
from .storage import save_typewriter

__all__ = ["TrainingResult", "training_loop"]

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


def training_loop(
    training: TrainingState, max_minutes: float | None, tensorboard: bool, show_progress: bool
) -> TrainingResult:
    """Step, log, judge and save until the plan is fulfilled or a signal comes.

    Arguments:
        training: Loaded, or at its first step.
        max_minutes: Fit the number of steps to this time; None for the plan of the configuration.
        tensorboard: Also write TensorBoard events into the run folder.
        show_progress: Show a progress bar on standard error.

    Returns:
        How it ended; the weights are in the run folder.

    Raises:
        RunError: If the loss became NaN time and again.
        ConfigError: If memory does not suffice for a step.
        DependencyError: If TensorBoard is wanted and not there.
    """
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
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError(
            "--tensorboard needs the tensorboard package: pip install 'typica[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder / "tensorboard"))
