"""The state of a training: weights, optimizer and a few numbers, and the file they are kept in.

Everything random at step n is a function of (seed, n), so this state is all that an exact
continuation needs. It is written together, in one file, in one rename.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from ..checkpoints import load_optimizer, optimizer_tensors, prefixed, restored, tensors_below
from ..errors import DAMAGE, DataError, RunError, reason
from ..hardware import fast_bfloat16
from ..lines.cache import LineCache
from ..processes import ALONE, Order, Processes
from ..runs import Run, load_tensors, save_tensors
from .decoding import letters
from .guide import Guide
from .loading import LineLoader
from .losses import reconstruction_loss
from .model import Typewriter
from .objective import TERMS, learning_rate, objective, parameter_groups, warm_start_ends
from .shared_norm import share_statistics
from .storage import TypewriterAbout, build, save_typewriter

__all__ = ["Progress", "TrainingState", "validate"]

_VALIDATION_LINES = 160
_TEXT_MEMORY = 0.1
"""Weight of the newest step in the running mean of the text loss."""


@torch.no_grad()
def validate(
    model: Typewriter, loader: LineLoader, batch_size: int, device: torch.device, autocast: bool
) -> tuple[float | None, float]:
    """CER (corpus level, spaces ignored) and reconstruction error of some lines.

    Arguments:
        model: Is put into evaluation mode and back.
        loader: At most 160 of its lines are read, evenly spread.
        batch_size: Lines at a time.
        device: Where the model is.
        autocast: Run the encoder in bfloat16.

    Returns:
        CER, or None without transcriptions, and the mean squared error per pixel.
    """
    was_training = model.training
    model.eval()
    keep = set(range(0, len(loader), max(1, math.ceil(len(loader) / _VALIDATION_LINES))))
    edits, length, errors = 0, 0, []
    for chosen in loader.in_order(batch_size):
        wanted = [i for i in chosen if i in keep]
        if not wanted:
            continue
        batch = loader.batch(wanted).to(device)
        taken = model(batch, autocast=autocast)
        error = reconstruction_loss(taken.picture, batch.images, batch.widths)
        errors.extend(error.tolist())
        if not model.symbols:
            continue
        for i, read in zip(wanted, letters(model, taken), strict=True):
            truth = loader.lines[i].letters
            if not truth:
                continue
            edits += Levenshtein.distance(truth, tuple(model.symbols[c] for c in read))
            length += len(truth)
    model.train(was_training)
    return (edits / length if length else None), sum(errors) / len(errors)


@dataclass
class Progress:
    """The numbers of a training state; all of them are in the checkpoint.

    Arguments:
        step: Steps taken.
        total: Steps planned.
        logged: The step of the last row of the log.
        seconds: Time spent, in all sessions.
        best: The judgement of the kept weights; lower is better.
        best_cer: Their CER on the validation lines, if there is one.
        best_step: When they were kept.
        judged: How often the validation lines were read.
        rate: Factor on the learning rate, halved after every loss that was no number.
        rollbacks: How often that happened.
        text: Running mean of the text loss per character during the warm start.
        drawn_from: The step from which sprites are drawn; None during the warm start.
    """

    step: int = 0
    total: int = 0
    logged: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_cer: float | None = None
    best_step: int = 0
    judged: int = 0
    rate: float = 1.0
    rollbacks: int = 0
    text: float | None = None
    drawn_from: int | None = None


class TrainingState:
    """The pieces of one training and the three things done with them: step, judge, save."""

    def __init__(
        self,
        run: Run,
        cache: LineCache,
        about: TypewriterAbout,
        device: torch.device,
        guide: Guide | None = None,
        processes: Processes = ALONE,
    ) -> None:
        self.processes = processes
        self.run, self.about, self.config = run, about, about.config
        self.device = device
        self.autocast = self.config.training.bfloat16 and fast_bfloat16(device)
        lines = cache.collection.lines
        chosen_crop = self.config.training.crop
        crop = round(chosen_crop * self.config.height) if chosen_crop else None
        jitter = (
            round(self.config.training.jitter_shift * self.config.height),
            self.config.training.jitter_contrast,
        )
        step = self.config.encoder.step

        def loader(
            split: str, crop: int | None = None, jitter: tuple[int, float] = (0, 0.0)
        ) -> LineLoader:
            chosen = [i for i, line in enumerate(lines) if line.split == split]
            followed = None if guide is None else guide.targets
            return LineLoader(
                cache, chosen, about.symbols, step, about.paper, crop, jitter, followed
            )

        self.train_lines = loader("train", crop, jitter)
        self.validation = loader("val")
        torch.manual_seed(self.config.training.seed)
        self.model: Typewriter = build(about)
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if processes.count > 1:
            share_statistics(self.model)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.model),
            lr=self.config.training.learning_rate,
        )
        self.best: dict[str, Tensor] = {}
        self.progress = Progress(total=self.config.training.steps)
        self.sums: dict[str, Tensor] = {}

    def batches(self, start: int) -> Iterator[list[int]]:
        """The batches from a step on, epoch after epoch."""
        training, epoch = self.config.training, 0
        if not len(self.train_lines):
            raise DataError(
                f"{self.run.folder}: none of the training lines can be read any more. "
                "`typica lines check` says why."
            )
        while True:
            batches = self.train_lines.epoch(epoch, training.batch_size, training.seed)
            yield from batches[start:] if start < len(batches) else ()
            start = max(0, start - len(batches))
            epoch += 1

    def one_step(self, chosen: list[int]) -> None:
        """Forward, backward, update; every process with its share of the lines.

        Regularisers that are no means over lines (of variants, sparsity, frequency) are those of
        each process's own lines, and then averaged.
        """
        training, now = self.config.training, self.progress
        self.processes.tell(Order.STEP, now.step, now.total, now.rate)
        rate = now.rate * learning_rate(self.config, now.step, now.total)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        follow = now.step < training.guide_until * now.total
        batch = self.train_lines.batch(chosen, (training.seed, now.step), follow)
        own = self.processes.share(len(chosen))
        weight = (len(own) / len(chosen)) if own else 1 / self.processes.count
        if own:  # else the batch is too small to be shared out, and every process does all of it
            batch = batch.part(own.start, own.stop)
        batch = batch.to(self.device)
        if now.drawn_from is None and warm_start_ends(self.config, now.step, now.total, now.text):
            now.drawn_from = now.step
        warm = now.drawn_from is None
        terms = objective(
            self.model,
            batch,
            now.step,
            now.total,
            drawn_from=now.drawn_from,
            autocast=self.autocast,
        )
        self.optimizer.zero_grad(set_to_none=True)
        (terms["loss"] * weight).backward()
        self.processes.add_gradients(self.model.parameters())
        terms = self._over_all(terms, weight)
        if training.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), training.clip)
        self.optimizer.step()
        now.step += 1
        if warm and "text" in terms:
            text = float(terms["text"])  # waits for the device, only as long as the warm start
            now.text = text if now.text is None else now.text + _TEXT_MEMORY * (text - now.text)
        for name, value in terms.items():
            value = value.detach()
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def _over_all(self, terms: dict[str, Tensor], weight: float) -> dict[str, Tensor]:
        """The terms of the whole batch."""
        if self.processes.count == 1:
            return terms
        none = torch.zeros((), device=self.device)
        values = torch.stack([terms.get(name, none).detach() * weight for name in TERMS])
        self.processes.add([values])
        return {n: v for n, v in zip(TERMS, values.unbind(), strict=True) if n in terms or v != 0}

    def means(self) -> dict[str, float]:
        """The mean of every term since the last call."""
        steps = self.progress.step - self.progress.logged
        values = {name: float(value) / steps for name, value in self.sums.items()}
        self.sums, self.progress.logged = {}, self.progress.step
        return values

    def healthy(self) -> bool:
        """Whether every recent loss and every weight is a finite number (waits for the device).

        A finite loss can have a gradient that is not, so the losses alone do not tell.
        """
        values = [*self.sums.values(), *self.model.parameters(), *self.model.buffers()]
        return bool(torch.stack([value.isfinite().all() for value in values]).all())

    def judge(self) -> dict[str, Any]:
        """Read the validation lines; keep the weights if they are the best so far."""
        now = self.progress
        now.judged += 1
        if len(self.validation) == 0:
            self._keep()
            return {}
        cer, error = validate(
            self.model,
            self.validation,
            self.config.training.batch_size,
            self.device,
            self.autocast,
        )
        # a better picture decides between equal texts, and alone if there are none
        judged = error if cer is None else cer + 1e-3 * min(1.0, error)
        if judged <= now.best:
            now.best, now.best_cer = judged, cer
            self._keep()
        row: dict[str, Any] = {"validation_reconstruction": error}
        return row if cer is None else {**row, "validation_cer": cer}

    def _keep(self) -> None:
        """Keep these weights, also as the run's model, so that there is one at any time."""
        self.best, self.progress.best_step = self._weights(), self.progress.step
        if self.run.checkpoint.exists():  # a model without one could not be resumed
            save_typewriter(self.run.model, self.best, self.about)

    def _weights(self) -> dict[str, Tensor]:
        state = self.model.state_dict()
        return {name: value.detach().cpu().clone() for name, value in state.items()}

    def save(self) -> None:
        """Write the checkpoint: one file, one rename."""
        tensors = prefixed("model", self._weights()) | prefixed("best", self.best)
        tensors |= prefixed("sums", self.sums) | optimizer_tensors(self.optimizer)
        about = {
            "progress": vars(self.progress),
            "typewriter": self.about.as_dict(),
        }
        save_tensors(self.run.checkpoint, tensors, about)

    def load(self) -> None:
        """Go back to the checkpoint.

        Raises:
            RunError: If it is missing or damaged.
        """
        self.processes.tell(Order.LOAD)
        tensors, about = load_tensors(self.run.checkpoint)
        try:
            self._restore(tensors, about)
        except DAMAGE as error:
            raise RunError(
                f"{self.run.checkpoint}: damaged or from another version ({reason(error)}). "
                "Train a new run in another folder."
            ) from error

    def _restore(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        weights = tensors_below("model", tensors)
        self.model.load_state_dict(weights)
        self.best = tensors_below("best", tensors)
        load_optimizer(self.optimizer, tensors)
        self.progress = restored(Progress, about["progress"])
        self.sums = {k: v.to(self.device) for k, v in tensors_below("sums", tensors).items()}
