"""The training loop that the baselines share: it can be killed at any instant and continued.

A baseline gives a module and its loss at step n, which is a function of (seed, n) alone. So the
module, the optimizer and a few numbers are all that an exact continuation needs; they are
written together, in one file, in one rename.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..checkpoints import (
    MOST_ROLLBACKS,
    diverged,
    load_optimizer,
    optimizer_tensors,
    prefixed,
    restored,
    tensors_below,
)
from ..configs import require
from ..errors import DAMAGE, ConfigError, RunError, reason
from ..interrupts import interruptible
from ..memory import enough_memory
from ..runs import Run, load_tensors, save_tensors

__all__ = ["After", "LoopOptions", "LoopResult", "Loss", "learning_rate", "train_module"]

_LOG_EVERY = 10
"""Steps between two rows of the log, and half of those that tell the pace."""
_SAVE_EVERY = 60.0
"""Seconds between two checkpoints."""
_END = 2.0
"""Seconds of the given time that are left for what follows the last step."""
_LESS_MEMORY = "Lower the batch size in a new run (--out), or take another --device."

Loss = Callable[[int, int], dict[str, Tensor]]
"""From the step, from 0, and the planned number of steps to scalars: `loss`, which is minimised,
and its terms, which are logged."""
After = Callable[[int, int, torch.optim.Optimizer], None]
"""Called after the update of a step with the step, the plan and the optimizer. What it remembers
must be in buffers of the module."""


@dataclass(frozen=True)
class LoopOptions:
    """How a module is trained: AdamW, one rise and one fall of the learning rate."""

    steps: int = 2000
    """Steps, where no time is given."""
    learning_rate: float = 1e-3
    """The highest."""
    weight_decay: float = 1e-4
    """Of AdamW; parameter groups may have their own."""
    warm_up: float = 0.1
    """Share of the steps over which the learning rate rises in a line. AdamW knows little of its
    gradients at first."""
    final: float = 0.01
    """The last learning rate as a share of the highest; it falls along half a cosine."""
    clip: float | None = 1.0
    """Longest gradient, over all parameters; None for any length."""

    def __post_init__(self) -> None:
        require(self.steps >= 1, f"loop.steps: {self.steps} is below 1")
        require(self.learning_rate > 0, f"loop.learning_rate: {self.learning_rate} is not above 0")
        require(self.weight_decay >= 0, f"loop.weight_decay: {self.weight_decay} is below 0")
        require(0 <= self.warm_up < 1, f"loop.warm_up: {self.warm_up} is no share from 0 to 1")
        require(0 < self.final <= 1, f"loop.final: {self.final} is no share above 0")
        require(self.clip is None or self.clip > 0, f"loop.clip: {self.clip} is not above 0")


@dataclass(frozen=True)
class LoopResult:
    """How a training ended.

    Arguments:
        step: Steps taken in all.
        minutes: Time spent training, in all sessions.
        finished: False if it was interrupted; resuming goes on.
    """

    step: int
    minutes: float
    finished: bool


@dataclass
class _Progress:
    """The numbers of a training state; all of them are in the checkpoint."""

    step: int = 0
    total: int = 0
    fitted: bool = False  # whether `total` was fitted to a time, not configured
    logged: int = 0  # the step of the last row of the log
    seconds: float = 0.0  # spent, in all sessions
    rate: float = 1.0  # factor on the learning rate, halved after every loss that was no number
    rollbacks: int = 0


def learning_rate(options: LoopOptions, step: int, total: int) -> float:
    """The learning rate of a step.

    Arguments:
        options: The highest, the share of the rise, and where it ends.
        step: From 0.
        total: Steps planned.
    """
    place = min(1.0, (step + 1) / total)
    if place < options.warm_up:
        return options.learning_rate * place / options.warm_up
    fall = 0.5 + 0.5 * math.cos(math.pi * (place - options.warm_up) / (1 - options.warm_up))
    return options.learning_rate * (options.final + (1 - options.final) * fall)


def train_module(
    run: Run,
    module: nn.Module,
    loss: Loss,
    options: LoopOptions,
    key: dict[str, Any],
    *,
    groups: Iterable[dict[str, Any]] | None = None,
    after: After | None = None,
    max_minutes: float | None = None,
    show_progress: bool = True,
) -> LoopResult:
    """Train a module, from the checkpoint of its run if there is one.

    The caller holds the lock of the run and decides whether to go on with a checkpoint. The
    module is left in training mode with the last weights; the run's model is the caller's to
    write.

    Arguments:
        run: Where log and checkpoint are kept.
        module: On its device; its initial weights are a function of the seed.
        loss: The loss of a step.
        options: How to train.
        key: Plain values that decide what the weights become (options, data), without the number
            of steps: a checkpoint with others is refused.
        groups: Parameter groups for AdamW; all parameters that learn if not given.
        after: What to do after the update of a step, if anything.
        max_minutes: Fit the number of steps to this time, over all sessions.
        show_progress: Show a progress bar on standard error.

    Returns:
        How it ended: SIGINT and SIGTERM end it after a step, with a checkpoint.

    Raises:
        ConfigError: If the time cannot be had.
        RunError: If the checkpoint is damaged or of other options or data, or training diverged.
    """
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise ConfigError(f"--max-minutes {max_minutes}: give a number of minutes above 0")
    loop = _Loop(run, module, loss, options, key, groups, after)
    if run.checkpoint.exists():
        loop.load()
        run.cut_log(loop.now.step)
    else:
        run.log.unlink(missing_ok=True)
    loop.plan(max_minutes)
    with interruptible() as signals:
        finished = loop.go(signals, max_minutes, show_progress)
    return LoopResult(loop.now.step, loop.now.seconds / 60, finished)


class _Loop:
    """Step, log and save until the plan is fulfilled or a signal comes."""

    def __init__(
        self,
        run: Run,
        module: nn.Module,
        loss: Loss,
        options: LoopOptions,
        key: dict[str, Any],
        groups: Iterable[dict[str, Any]] | None,
        after: After | None,
    ) -> None:
        self.run, self.module, self.loss, self.options, self.after = (
            run,
            module,
            loss,
            options,
            after,
        )
        self.key: dict[str, Any] = json.loads(json.dumps(key))  # as it comes back from a file
        some = [w for w in module.parameters() if w.requires_grad] if groups is None else groups
        self.optimizer = torch.optim.AdamW(
            some, lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self.weights = [w for group in self.optimizer.param_groups for w in group["params"]]
        self.now = _Progress(total=options.steps)
        self.sums: dict[str, Tensor] = {}

    def plan(self, max_minutes: float | None) -> None:
        """Set the number of steps that is to be reached, before the pace is known."""
        now = self.now
        if max_minutes is None:
            if not now.fitted:
                now.total = self.options.steps
        elif now.step < now.total or now.seconds < 0.9 * max_minutes * 60:
            # enough to measure the pace; a finished training goes on only if much time is left
            now.total, now.fitted = max(now.total, now.step + 2 * _LOG_EVERY + 1), True

    def go(self, signals: list[int], max_minutes: float | None, show_progress: bool) -> bool:
        """Run; whether it came to its end."""
        now = self.now
        started = time.perf_counter() - now.seconds
        if not self.run.checkpoint.exists():
            self.save()  # something to roll back to
        saved = time.perf_counter()
        first = last = (now.step, saved)
        bar = tqdm(
            total=now.total,
            initial=now.step,
            unit="step",
            disable=not show_progress,
            smoothing=0.05,
        )
        self.module.train()
        while now.step < now.total and not signals:
            with enough_memory(f"step {now.step + 1} of the training", _LESS_MEMORY):
                self.one_step()
            bar.update(1)
            now.seconds = time.perf_counter() - started
            log_now = now.step - now.logged >= _LOG_EVERY or now.step >= now.total
            save_now = time.perf_counter() - saved > _SAVE_EVERY
            # nothing that is not finite may reach the log or the checkpoint
            if (log_now or save_now) and not self.healthy():
                self.roll_back()
                now = self.now
                first = last = (now.step, time.perf_counter())
                bar.n = now.step
                continue
            if log_now:
                pace = (time.perf_counter() - last[1]) / (now.step - last[0])
                last = (now.step, time.perf_counter())
                means = self.log(1 / max(pace, 1e-9))
                bar.set_postfix({"loss": f"{means['loss']:.4f}"}, refresh=False)
                if max_minutes is not None and now.step - first[0] >= 2 * _LOG_EVERY:
                    pace = (time.perf_counter() - first[1]) / (now.step - first[0])
                    left = max_minutes * 60 - now.seconds - _END
                    now.total = now.step + max(0, int(left / pace))
                    bar.total = now.total
            if save_now:
                self.save()
                saved = time.perf_counter()
        finished = now.step >= now.total
        if finished or self.healthy():
            self.save()
        bar.close()
        return finished

    def one_step(self) -> None:
        """Forward, backward, update."""
        now = self.now
        for group in self.optimizer.param_groups:
            group["lr"] = now.rate * learning_rate(self.options, now.step, now.total)
        terms = self.loss(now.step, now.total)
        self.optimizer.zero_grad(set_to_none=True)
        terms["loss"].backward()
        if self.options.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.weights, self.options.clip)
        self.optimizer.step()
        if self.after is not None:
            self.after(now.step, now.total, self.optimizer)
        now.step += 1
        for name, term in terms.items():
            value = term.detach()  # waits for the device only when it is logged
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def log(self, speed: float) -> dict[str, float]:
        """Write a row of the log with the mean of every term since the last one."""
        now = self.now
        steps = now.step - now.logged
        means = {name: float(value) / steps for name, value in self.sums.items()}
        self.sums, now.logged = {}, now.step
        rate = now.rate * learning_rate(self.options, now.step - 1, now.total)
        row = {"step": now.step, "seconds": round(now.seconds, 2), **means}
        self.run.append_log({**row, "learning_rate": rate, "steps_per_second": round(speed, 3)})
        return means

    def healthy(self) -> bool:
        """Whether every recent loss and every weight is a finite number (waits for the device)."""
        values = [*self.sums.values(), *self.weights]
        return all(bool(value.isfinite().all()) for value in values)

    def roll_back(self) -> None:
        """After a loss that is not a number: the last checkpoint, at half the learning rate."""
        rollbacks, rate = self.now.rollbacks + 1, self.now.rate / 2
        total, fitted = self.now.total, self.now.fitted
        if rollbacks > MOST_ROLLBACKS:
            raise diverged(
                self.run.folder,
                self.now.step,
                "Look for damaged lines with `typica lines check`, or lower the learning rate.",
            )
        self.load()
        now = self.now
        now.rollbacks, now.rate, now.total, now.fitted = rollbacks, rate, total, fitted
        self.run.cut_log(now.step)
        self.save()  # so that the lower rate survives a kill
        note = "loss not finite: rolled back, rate halved"
        self.run.append_log({"step": now.step, "note": note})
        self.module.train()

    def save(self) -> None:
        """Write the checkpoint: one file, one rename."""
        tensors = {
            **prefixed("module", self.module.state_dict()),
            **prefixed("sums", self.sums),
            **optimizer_tensors(self.optimizer),
        }
        save_tensors(self.run.checkpoint, tensors, {"key": self.key, "progress": vars(self.now)})

    def load(self) -> None:
        """Go back to the checkpoint.

        Raises:
            RunError: If it is damaged, or of other options or data.
        """
        tensors, about = load_tensors(self.run.checkpoint)
        try:
            key, progress = dict(about["key"]), restored(_Progress, about["progress"])
            differ = sorted(k for k in {*key, *self.key} if key.get(k) != self.key.get(k))
            if differ:
                raise RunError(
                    f"{self.run.folder}: was started with another {', '.join(differ)}. Go on "
                    "with the same, or give another --out."
                )
            self.module.load_state_dict(tensors_below("module", tensors))
            load_optimizer(self.optimizer, tensors)
            where = self.weights[0].device
            self.sums = {k: v.to(where) for k, v in tensors_below("sums", tensors).items()}
        except DAMAGE as error:
            raise RunError(
                f"{self.run.checkpoint}: damaged, or from another version ({reason(error)}). "
                "Train a new run in another folder."
            ) from error
        self.now = progress
