"""Fine-tuning a denoiser (eq. 4.5): a loop that can be killed at any instant and continued."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..checkpoints import MOST_ROLLBACKS, diverged
from ..errors import ConfigError, RunError
from ..files import atomic_path
from ..hardware import choose_device, tune_process
from ..images.picture import PictureCollection
from ..interrupts import interruptible
from ..processes import Order, Processes, ending, join
from .bases import load_base, save_denoiser
from .denoiser import Denoiser
from .finetune_state import FinetuneState, Progress, learning_rate, read_progress
from .folder import MiningAbout, MiningFolder
from .latents import CACHE_FILE, LatentCache, discard_latents
from .lora import merge_lora
from .sample_grid import sample_grid
from .sampling import sample

__all__ = ["FinetuneResult", "finetune", "spread"]

_LOG_EVERY = 10
"""Steps between two rows of the log."""
_SAVE_EVERY = 60.0
"""Least seconds between two checkpoints."""
_SAVE_SHARE = 0.05
"""Most of the time that may go into writing checkpoints: those of a large model take long."""
_SAMPLE_STEPS = 25


@dataclass(frozen=True)
class FinetuneResult:
    """How a fine-tuning ended.

    Arguments:
        step: Steps taken in all.
        minutes: Time spent, in all sessions.
        finished: False if it was interrupted; resuming goes on.
        held_out_loss: At the last evaluation; None without held-out pictures.
        skipped: Pictures that could not be read, with the reason.
    """

    step: int
    minutes: float
    finished: bool
    held_out_loss: float | None
    skipped: tuple[str, ...] = ()


def finetune(
    collection: PictureCollection,
    folder: MiningFolder,
    about: MiningAbout,
    *,
    max_minutes: float | None = None,
    device: str = "auto",
    resume: bool = False,
    show_progress: bool = True,
) -> FinetuneResult:
    """Train a base on a labelled collection; the result is `folder.denoiser`.

    The train split is trained on; the val split is the held-out pictures. The caller holds the
    lock of the folder and has written its `config.json`. Under `accelerate launch` or `torchrun`
    every process calls this; the first one's result is that of the training.

    Arguments:
        collection: The pictures.
        folder: The run.
        about: What decides it.
        max_minutes: Fit the number of steps to this time, over all sessions, instead of
            `finetune.steps`.
        device: `auto`, `cpu`, `cuda`, ...
        resume: Go on from the checkpoint, if there is one.
        show_progress: Show progress bars on standard error.

    Returns:
        How it ended. If it was interrupted (SIGINT, SIGTERM) there is a checkpoint, and no
        denoiser yet.

    Raises:
        ConfigError: If the device or the time cannot be had.
        DataError: If there is nothing to train on, or the base cannot be used.
        RunError: If the folder holds another fine-tuning, or training diverged.
    """
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise ConfigError(f"--max-minutes {max_minutes}: give a number of minutes above 0")
    processes = join(device)
    where = choose_device(device)
    if not processes.leader:
        return _follow(collection, folder, about, where, processes)
    with ending(processes):
        given = (max_minutes, where, resume, show_progress, processes)
        return _lead(collection, folder, about, *given)


def _cache(
    collection: PictureCollection, folder: MiningFolder, about: MiningAbout, denoiser: Denoiser
) -> LatentCache:
    """What the training reads of its pictures, as far as it is there."""
    wanted = tuple(p for p in collection if p.split in ("train", "val"))
    key = {"base": about.base, "data": about.data, "pictures": len(wanted)}
    config = about.config
    return LatentCache(
        folder.latents, wanted, denoiser.codec, config.size, config.finetune.flip, key
    )


def _follow(
    collection: PictureCollection,
    folder: MiningFolder,
    about: MiningAbout,
    where: torch.device,
    processes: Processes,
) -> FinetuneResult:
    """Do as the leader tells: it decides when to stop, also where a signal comes to all."""
    tune_process()
    state: FinetuneState | None = None
    with interruptible():
        while True:
            order, (step, total, rate) = processes.told()
            if order is Order.END:
                now = state.progress if state else Progress()
                return FinetuneResult(now.step, now.seconds / 60, now.step >= now.total, None)
            if state is None:
                denoiser = load_base(about.base, about, where)
                cache = _cache(collection, folder, about, denoiser)
                state = FinetuneState(folder, about, denoiser, cache, where, processes)
            if order is Order.LOAD:
                state.load()
            elif order is Order.STEP:
                now = state.progress
                now.step, now.total, now.rate = int(step), int(total), rate
                state.one_step()


def _lead(
    collection: PictureCollection,
    folder: MiningFolder,
    about: MiningAbout,
    max_minutes: float | None,
    where: torch.device,
    resume: bool,
    show_progress: bool,
    processes: Processes,
) -> FinetuneResult:
    """As `finetune`, which it is if there is one process."""
    begun = folder.checkpoint.exists()
    if begun and not resume:
        raise RunError(
            f"{folder.folder}: holds a fine-tuning already. Give resume=True to go on with it, or "
            "another folder."
        )
    now = Progress()
    if begun:
        now = _planned(read_progress(folder, about), about, max_minutes)
        # latents are deleted last: while they are there, the denoiser may be an earlier one
        kept = folder.denoiser.exists() and not (folder.latents / CACHE_FILE).exists()
        if now.step >= now.total and kept:
            discard_latents(folder.latents)  # of a process that was killed while it did
            return FinetuneResult(now.step, now.seconds / 60, True, now.held_out_loss)
    tune_process()
    with interruptible() as signals:
        denoiser = load_base(about.base, about, where)
        cache = _cache(collection, folder, about, denoiser)
        filled = cache.fill(where, signals, show_progress)
        skipped = tuple(cache.skipped.values())
        if not filled:
            return FinetuneResult(now.step, now.seconds / 60, False, now.held_out_loss, skipped)
        state = FinetuneState(folder, about, denoiser, cache, where, processes)
        processes.tell(Order.BEGIN)
        if begun:
            state.load()
            state.progress = _planned(state.progress, about, max_minutes)
            folder.cut_log(state.progress.step)
        else:
            folder.log.unlink(missing_ok=True)
        finished = _Loop(state, max_minutes, show_progress).go(signals)
        now = state.progress
        if finished:
            _keep(state)
            cache.delete()
    return FinetuneResult(now.step, now.seconds / 60, finished, now.held_out_loss, skipped)


def _planned(now: Progress, about: MiningAbout, max_minutes: float | None) -> Progress:
    """The number of steps that a resumed training is to reach."""
    if max_minutes is None:
        if not now.fitted:
            now.total = about.config.finetune.steps
    elif now.seconds >= max_minutes * 60 and not now.step >= now.total:
        now.total, now.fitted = now.step, True  # the time is up: keep what there is
    elif now.seconds < 0.9 * max_minutes * 60 or now.step < now.total:
        # the rest of the time, unless it is too little to be worth starting for
        now.total, now.fitted = max(now.total, now.step + 2 * _LOG_EVERY + 1), True
    return now


def _keep(state: FinetuneState) -> None:
    """Write the denoiser that the run is for."""
    state.settle()
    if state.lora:
        merge_lora(state.denoiser.unet)
    save_denoiser(state.denoiser.eval(), state.folder.denoiser, state.about)


class _Loop:
    """Step, log, evaluate and save until the plan is fulfilled or a signal comes."""

    def __init__(self, state: FinetuneState, max_minutes: float | None, progress: bool) -> None:
        self.state, self.max_minutes = state, max_minutes
        now = state.progress
        if max_minutes is not None and not now.fitted and now.step < now.total:
            now.total, now.fitted = 2 * _LOG_EVERY + 1, True  # enough to measure the pace
        self.before, self.begun = now.seconds, time.perf_counter()
        self.bar = tqdm(
            total=now.total, initial=now.step, unit="step", disable=not progress, smoothing=0.05
        )
        self.notes: dict[str, str] = {}
        self.evaluating: float | None = None  # seconds that the last evaluation took
        self.saving, self.saved = 0.0, self.begun
        self._measure()

    def _measure(self) -> None:
        """Begin to measure the pace here."""
        self.first = self.last = (self.state.progress.step, time.perf_counter())
        self.aside = 0.0  # seconds since then that were not spent on steps

    def go(self, signals: Sequence[int]) -> bool:
        """Run; whether it came to its end."""
        state = self.state
        if state.progress.step == 0 and not state.folder.checkpoint.exists():
            # the untrained loss; and something to roll back to
            self._log(state.evaluate())
            self._save()
        while state.progress.step < state.progress.total and not signals:
            state.one_step()
            self.bar.update(1)
            now = state.progress
            log_now = now.step - now.logged >= _LOG_EVERY or now.step >= now.total
            save_now = time.perf_counter() - self.saved > self._pause()
            if log_now or save_now or self._due():
                # nothing that is not finite may reach the log or the checkpoint
                if not state.healthy():
                    self._roll_back()
                    continue
                if log_now:
                    self._log_training()
                if self._due():
                    self._evaluate()
                    save_now = True
                if save_now:
                    self._save()
        finished = state.progress.step >= state.progress.total
        if not finished and state.healthy():
            self._save()
        self.bar.close()
        return finished

    def _pause(self) -> float:
        return max(_SAVE_EVERY, self.saving / _SAVE_SHARE)

    def _due(self) -> bool:
        """Whether to evaluate: evenly spread, and at the end."""
        now, parts = self.state.progress, self.state.config.evaluations
        if now.step >= now.total:
            return True
        # the fitted total is a guess until the pace has been measured
        known = self.max_minutes is None or now.step > self.first[0] + 2 * _LOG_EVERY
        return known and now.step >= now.evaluated / parts * now.total

    def _log(self, row: dict[str, Any]) -> None:
        now = self.state.progress
        now.seconds = self.before + time.perf_counter() - self.begun
        self.state.folder.append_log({"step": now.step, "seconds": round(now.seconds, 2), **row})
        for name, short in (("loss", "loss"), ("held_out_loss", "held out")):
            if name in row:
                self.notes[short] = f"{row[name]:.4f}"
        self.bar.set_postfix(self.notes, refresh=False)

    def _log_training(self) -> None:
        state, now = self.state, self.state.progress
        elapsed = time.perf_counter() - self.last[1]
        speed = (now.step - self.last[0]) * state.config.batch_size / max(elapsed, 1e-9)
        self.last = (now.step, time.perf_counter())
        rate = now.rate * learning_rate(state.config, now.step - 1, now.total)
        row = {"learning_rate": rate, "pictures_per_second": round(speed, 2)}
        self._log({"loss": state.mean_loss(), **row})
        if self.max_minutes is not None and now.step - self.first[0] >= 2 * _LOG_EVERY:
            self._fit(self.max_minutes * 60)

    def _fit(self, budget: float) -> None:
        """Set the number of steps to what the time allows, evaluations and the end included."""
        state, now = self.state, self.state.progress
        spent = time.perf_counter() - self.first[1] - self.aside
        pace = spent / (now.step - self.first[0])
        left_over = max(1, state.config.evaluations - now.evaluated + 1)
        evaluation = self.evaluating
        if evaluation is None:  # not known yet: a UNet evaluation is a third of a training step
            drawn = len(_sampled_labels(state)) * state.config.samples * 2 * _SAMPLE_STEPS
            evaluation = (drawn + 2 * len(state.val)) / state.config.batch_size * pace / 3
        left = budget - now.seconds - left_over * evaluation - 2 * self.saving - 1.0
        now.total = now.step + max(0, int(left / pace))
        self.bar.total = now.total

    def _evaluate(self) -> None:
        start = time.perf_counter()
        state = self.state
        row: dict[str, Any] = dict(state.evaluate())
        with state.kept_weights():
            if state.config.samples:
                file = state.folder.samples / f"step-{state.progress.step:06d}.png"
                row["samples"] = f"{file.parent.name}/{file.name}"
                _write_samples(state, file)
        self.evaluating = time.perf_counter() - start
        self.aside += self.evaluating
        self._log(row)
        self.last = (state.progress.step, time.perf_counter())

    def _save(self) -> None:
        start = time.perf_counter()
        self.state.progress.seconds = self.before + start - self.begun
        self.state.save()
        self.saved = time.perf_counter()
        self.saving = self.saved - start

    def _roll_back(self) -> None:
        """After a loss that is not a number: the last checkpoint, at half the learning rate."""
        state = self.state
        rollbacks, rate = state.progress.rollbacks + 1, state.progress.rate / 2
        total, fitted = state.progress.total, state.progress.fitted
        if rollbacks > MOST_ROLLBACKS:
            raise diverged(
                state.folder.folder,
                state.progress.step,
                "Look for damaged pictures with `typica images check`, or lower "
                "--set finetune.learning_rate.",
            )
        state.load()
        now = state.progress
        now.rollbacks, now.rate, now.total, now.fitted = rollbacks, rate, total, fitted
        state.folder.cut_log(now.step)
        self._save()  # so that the lower rate survives a kill
        self._log({"note": "loss not finite: rolled back, rate halved"})
        self.bar.n = now.step
        self._measure()


def spread(values: Sequence[str], count: int) -> list[str]:
    """At most `count` of some values, evenly spread, the first and the last included."""
    if len(values) <= count:
        return list(values)
    if count == 1:
        return [values[0]]
    return [values[round(i * (len(values) - 1) / (count - 1))] for i in range(count)]


def _sampled_labels(state: FinetuneState) -> list[str]:
    return spread(state.about.labels, state.config.sample_labels)


def _write_samples(state: FinetuneState, file: Path) -> None:
    """Draw pictures of some labels, always from the same noises."""
    labels, count = _sampled_labels(state), state.config.samples
    side = state.batches.side * state.denoiser.codec.factor
    state.denoiser.unet.eval()
    pictures = sample(
        state.denoiser,
        [label for label in labels for _ in range(count)],
        (side, side),
        steps=_SAMPLE_STEPS,
        seed=state.config.seed,
        bfloat16=state.config.bfloat16,
    )
    with atomic_path(file) as aside:
        sample_grid(pictures, labels).save(aside)
