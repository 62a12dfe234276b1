"""The state of a fine-tuning: weights, optimizer and a few numbers, and their one file.

Everything random at step n is a function of (seed, n), so this state is all that an exact
continuation needs. It is written together, in one file, in one rename.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..checkpoints import load_optimizer, optimizer_tensors, prefixed, restored, tensors_below
from ..configs import require
from ..errors import DAMAGE, DataError, RunError, damage, reason
from ..images.prompts import Told
from ..memory import Room
from ..processes import ALONE, Order, Processes
from ..runs import load_tensors, save_tensors
from .bases import load_base
from .batches import Batch, BatchMaker
from .config import FinetuneConfig
from .denoiser import Denoiser
from .folder import MiningAbout, MiningFolder
from .latents import LatentCache
from .lora import add_lora, merge_lora
from .schedule import NoiseSchedule

__all__ = [
    "FinetuneState",
    "Progress",
    "checkpoint_denoiser",
    "learning_rate",
    "noise_share",
    "read_progress",
]

_HELD_OUT = 256
"""Most held-out pictures that an evaluation looks at."""


@dataclass
class Progress:
    """The numbers of a training state; all of them are in the checkpoint.

    Arguments:
        step: Steps taken.
        total: Steps planned.
        fitted: Whether `total` was fitted to a time, so that the configured number is not meant.
        logged: The step of the last row of the log.
        seconds: Time spent, in all sessions.
        evaluated: How often held-out pictures were looked at, the start included.
        rate: Factor on the learning rate, halved after every loss that was no number.
        rollbacks: How often that happened.
        held_out_loss: At the last evaluation; None without held-out pictures.
    """

    step: int = 0
    total: int = 0
    fitted: bool = False
    logged: int = 0
    seconds: float = 0.0
    evaluated: int = 0
    rate: float = 1.0
    rollbacks: int = 0
    held_out_loss: float | None = None


def learning_rate(config: FinetuneConfig, step: int, total: int) -> float:
    """The learning rate of a step.

    Arguments:
        config: Its `schedule` is constant, or `one-cycle`: up in a line over the first tenth,
            then down along half a cosine to a hundredth.
        step: From 0.
        total: Steps planned.
    """
    if config.schedule == "constant":
        return config.learning_rate
    place = min(1.0, (step + 1) / total)
    if place < 0.1:
        return config.learning_rate * place / 0.1
    fall = 0.5 + 0.5 * math.cos(math.pi * (place - 0.1) / 0.9)
    return config.learning_rate * (0.01 + 0.99 * fall)


def noise_share(schedule: NoiseSchedule, times: Tensor) -> Tensor:
    """What the training loss is multiplied with to be the loss of eps (eq. 4.7), `(B,)`."""
    signal = schedule.signal.to(times.device)[times]
    if schedule.prediction == "epsilon":
        return torch.ones_like(signal)
    if schedule.prediction == "v_prediction":
        return signal
    return signal / (1 - signal) / schedule.loss_weight(times)


def _key(about: MiningAbout) -> dict[str, Any]:
    """What a checkpoint must have in common with the run that goes on with it."""
    config = about.config.as_dict()
    finetune = {
        name: value
        for name, value in config["finetune"].items()
        # these do not decide what the weights become, or may be extended
        if name not in ("steps", "samples", "sample_labels", "evaluations", "checkpointing")
    }
    key = {"finetune": finetune, "size": config["size"], "small": config["small"]}
    prompt = [about.prompt.label, about.prompt.null]
    return key | {
        "base": about.base,
        "prompt": prompt,
        "labels": list(about.labels),
        "data": about.data.get("digest"),
    }


def read_progress(folder: MiningFolder, about: MiningAbout) -> Progress:
    """How far the checkpoint of a run has come.

    Raises:
        RunError: If it is missing or damaged, or belongs to other options or data.
    """
    try:
        with safe_open(folder.checkpoint, framework="pt") as file:
            values = json.loads((file.metadata() or {})["typica"])
        key, progress = dict(values["key"]), restored(Progress, values["progress"])
    except damage(SafetensorError) as error:
        raise RunError(
            f"{folder.checkpoint}: damaged, or no checkpoint of a fine-tuning "
            f"({reason(error)}). Start a new run in another folder."
        ) from error
    wanted = json.loads(json.dumps(_key(about)))
    if key != wanted:
        differ = sorted(name for name in wanted if key.get(name) != wanted[name])
        raise RunError(
            f"{folder.folder}: the fine-tuning was started with another "
            f"{', '.join(differ)}. Go on with the same, or give another --out."
        )
    return progress


def checkpoint_denoiser(
    folder: MiningFolder, about: MiningAbout, device: torch.device | str = "cpu"
) -> Denoiser:
    """The model as far as a training has come, from its checkpoint alone.

    Arguments:
        folder: A run that was interrupted, or a copy of its config.json and checkpoint.
        about: What decides it.
        device: Where to put it.

    Returns:
        The denoiser, in evaluation mode.

    Raises:
        RunError: If the checkpoint is missing or damaged, or of another model.
    """
    tensors, _ = load_tensors(folder.checkpoint)
    denoiser = load_base(about.base, about, device)
    rank = about.config.finetune.lora_rank
    if rank is not None:
        add_lora(denoiser.unet, rank, about.config.finetune.seed)
    kept = tensors_below("average", tensors) or tensors_below("weights", tensors)
    if not kept or denoiser.load_state_dict(kept, strict=False).unexpected_keys:
        raise RunError(f"{folder.checkpoint}: not of the model that its config.json tells of.")
    if rank is not None:
        merge_lora(denoiser.unet)
    return denoiser.eval()


class FinetuneState:
    """The pieces of one fine-tuning and what is done with them: step, evaluate, save."""

    def __init__(
        self,
        folder: MiningFolder,
        about: MiningAbout,
        denoiser: Denoiser,
        cache: LatentCache,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        self.processes = processes
        require(
            about.config.finetune.batch_size >= processes.count,
            f"finetune.batch_size: cannot be shared out among {processes.count} processes",
        )
        self.folder, self.about, self.config = folder, about, about.config.finetune
        self.denoiser, self.cache, self.device = denoiser, cache, device
        usable = [i for i in range(len(cache)) if i not in cache.skipped]
        train = [i for i in usable if cache.pictures[i].split == "train"]
        val = [i for i in usable if cache.pictures[i].split == "val"]
        if not train:
            raise DataError(
                "there is no training picture that can be read. `typica images check` says why."
            )
        if len(val) > _HELD_OUT:  # evenly spread over the ids
            val = [val[int(k)] for k in np.linspace(0, len(val) - 1, _HELD_OUT).round()]
        self.batches = BatchMaker(cache, train, self.config)
        self.val = val
        self.lora = self.config.lora_rank is not None
        if self.config.lora_rank is not None:
            add_lora(denoiser.unet, self.config.lora_rank, self.config.seed)
        else:
            denoiser.unet.requires_grad_(True)
        if self.config.checkpointing:
            denoiser.unet.enable_gradient_checkpointing()
        self.weights: dict[str, torch.nn.Parameter] = {
            f"unet.{name}": value
            for name, value in denoiser.unet.named_parameters()
            if value.requires_grad
        }
        if denoiser.conditioner.trainable:
            for name, value in denoiser.conditioner.named_parameters():
                self.weights[f"conditioner.{name}"] = value
        self.optimizer = torch.optim.AdamW(
            list(self.weights.values()),
            lr=self.config.learning_rate,
            betas=(0.9, 0.999),
            weight_decay=self.config.weight_decay,
        )
        self.average: dict[str, Tensor] = {}
        if self.config.ema is not None:
            self.average = {name: w.detach().clone() for name, w in self.weights.items()}
        self.progress = Progress(total=self.config.steps)
        self.sum = torch.zeros((), device=device)
        self.room = Room(self.config.batch_size // self.config.accumulate, "one picture")

    def one_step(self) -> None:
        """Forward, backward, update; every process with its share of the batch."""
        config, now = self.config, self.progress
        self.processes.tell(Order.STEP, now.step, now.total, now.rate)
        self.denoiser.unet.train()
        for group in self.optimizer.param_groups:
            group["lr"] = now.rate * learning_rate(config, now.step, now.total)
        batch = self.batches.training(now.step)
        sum_ = self.room.fit(lambda size: self._gradients(batch, size))
        self.processes.add_gradients(self.weights.values())
        self.processes.add([sum_])
        self.sum += sum_
        if config.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.weights.values(), config.clip)
        self.optimizer.step()
        now.step += 1
        if config.ema is not None:
            # a young average follows faster, so that it forgets the beginning
            decay = min(config.ema, (1 + now.step) / (10 + now.step))
            with torch.no_grad():
                for name, weight in self.weights.items():
                    self.average[name].lerp_(weight, 1 - decay)

    def _gradients(self, batch: Batch, size: int) -> Tensor:
        """Gradients of this process's share of the mean loss of a batch; the share of the loss.

        Arguments:
            batch: Of all processes.
            size: Pictures at a time.
        """
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.device)
        own = self.processes.share(self.config.batch_size)
        for first in range(own.start, own.stop, size):
            part = batch.part(first, min(first + size, own.stop))
            loss = self._losses(part).sum() / self.config.batch_size
            loss.backward()
            total += loss.detach()
        return total

    def _losses(self, batch: Batch, without_label: bool = False) -> Tensor:
        """Eq. 4.5 for every picture of a batch, `(B,)`."""
        labels: list[Told] = [None] * len(batch.labels) if without_label else batch.labels
        return self.denoiser.loss(
            batch.latents.to(self.device),
            batch.noise.to(self.device),
            batch.times(self.denoiser.schedule).to(self.device),
            self.denoiser.condition(labels),
            self.config.bfloat16,
        )

    def mean_loss(self) -> float:
        """The mean training loss since the last call."""
        value = float(self.sum) / max(1, self.progress.step - self.progress.logged)
        self.sum.zero_()
        self.progress.logged = self.progress.step
        return value

    def healthy(self) -> bool:
        """Whether the recent losses and every weight are finite numbers (waits for the device)."""
        values = [self.sum, *self.weights.values()]
        return bool(torch.stack([value.isfinite().all() for value in values]).all())

    @contextmanager
    def kept_weights(self) -> Iterator[None]:
        """Put the moving average in place of the weights, if there is one."""
        if not self.average:
            yield
            return
        own = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(own)

    def settle(self) -> None:
        """Leave the moving average, if there is one, in the denoiser for good."""
        if self.average:
            self._put(self.average)

    @torch.no_grad()
    def _put(self, values: dict[str, Tensor]) -> None:
        for name, weight in self.weights.items():
            weight.copy_(values[name])

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Look at the held-out pictures, with the same noises every time.

        Returns:
            `held_out_loss`, of the kind of the training loss; `held_out_typicality`, by how much
            the label lowers the loss of eps (the mean T of eq. 4.9 over all times). Empty without
            held-out pictures.
        """
        self.progress.evaluated += 1
        if not self.val:
            return {}
        self.denoiser.unet.eval()
        losses, gains = [], []

        def both(part: Sequence[int]) -> tuple[Batch, Tensor, Tensor]:
            batch = self.batches.held_out(self.val, part[0], part[-1] + 1)
            return batch, self._losses(batch), self._losses(batch, without_label=True)

        with self.kept_weights():
            for _, (batch, told, untold) in self.room.parts(range(len(self.val)), both):
                schedule = self.denoiser.schedule
                share = noise_share(schedule, batch.times(schedule)).to(self.device)
                losses.append(told)
                gains.append(share * (untold - told))
        self.progress.held_out_loss = float(torch.cat(losses).mean())
        return {
            "held_out_loss": self.progress.held_out_loss,
            "held_out_typicality": float(torch.cat(gains).mean()),
        }

    def save(self) -> None:
        """Write the checkpoint: one file, one rename."""
        tensors = prefixed("weights", self.weights) | prefixed("average", self.average)
        tensors |= optimizer_tensors(self.optimizer)
        tensors["sum"] = self.sum
        about = {"key": _key(self.about), "progress": vars(self.progress)}
        save_tensors(self.folder.checkpoint, tensors, about)

    def load(self) -> None:
        """Go back to the checkpoint.

        Raises:
            RunError: If it is missing or damaged, or belongs to other options or data.
        """
        self.processes.tell(Order.LOAD)
        progress = read_progress(self.folder, self.about)
        tensors, _ = load_tensors(self.folder.checkpoint)
        try:
            self._put(tensors_below("weights", tensors))
            average = tensors_below("average", tensors)
            self.average = {name: average[name].to(self.device) for name in self.average}
            load_optimizer(self.optimizer, tensors)
            self.sum = tensors["sum"].to(self.device)
        except DAMAGE as error:
            raise RunError(
                f"{self.folder.checkpoint}: damaged, or from another version ({reason(error)}). "
                "Start a new run in another folder."
            ) from error
        self.progress = progress
