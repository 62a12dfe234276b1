"""Teaching a surrogate what the UNet finds: a distillation on the pictures that are scored.

Every step takes pictures, times and noises of its own, all functions of seed and step, asks the
UNet without a label and with one, and moves the surrogate towards it. What counts is typicality,
of cells and of squares about the size of a patch; its two predictions are compared as well, for
typicality says nothing to a beginner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import RunError
from .batches import generator
from .config import TypicalityConfig
from .control import squares
from .draws import derived_seed
from .predictor import Predictor
from .surrogate import Surrogate
from .typicality import typicality_map

__all__ = ["BATCH", "Distillation", "Pool", "distillation_loss"]

BATCH = 32
"""(picture, time, noise) of a step; two evaluations of the UNet each."""

_RATE = 2e-3
_WARM_UP = 50
_WEIGHT_DECAY = 0.01
_CLIP = 1.0
_SQUARES = 3.0
"""What the squares count beside the cells."""
_HUBER = 3.0
"""Errors of typicality beyond so many of its own size count linearly: its tails are heavy."""
_LEAST = 1e-5
"""Typicality below that of a draw is not worth being told apart."""


def distillation_loss(model: Tensor, surrogate: Tensor, noise: Tensor) -> Tensor:
    """How far a surrogate is from the UNet, in the UNet's own measure.

    Arguments:
        model: eps of the UNet without a label and with one, `(B, 2, C, h, w)`.
        surrogate: The same of the surrogate.
        noise: eps, `(B, C, h, w)`.

    Returns:
        A scalar: the error of typicality over its root mean square in the picture, of cells and
        of squares, and the squared errors of what the label changes and of the prediction without
        it, over what the UNet changes and over the UNet's own error.
    """
    null, label = model.unbind(1)
    plain, told = surrogate.unbind(1)
    truth = typicality_map(null, label, noise)
    found = typicality_map(plain, told, noise)
    scale = truth.square().mean((1, 2), keepdim=True).sqrt().clamp(min=_LEAST)
    error = (found - truth) / scale
    wrong = F.huber_loss(error, torch.zeros_like(error), delta=_HUBER)
    coarse = squares(error)
    wrong = wrong + _SQUARES * F.huber_loss(coarse, torch.zeros_like(coarse), delta=_HUBER)
    change = label - null
    wrong = wrong + _relative(told - plain - change, change)
    return wrong + _relative(plain - null, null - noise)


def _relative(error: Tensor, measure: Tensor) -> Tensor:
    """Mean over the batch of the squared error over a squared measure."""
    axes = (1, 2, 3)
    size = measure.square().mean(axes).clamp(min=_LEAST**2)
    return (error.square().mean(axes) / size).mean()


@dataclass(frozen=True)
class Pool:
    """The pictures that a surrogate is taught with, in main memory.

    Arguments:
        latents: x of each, `(C, h, w)`, float32.
        rows: The rows of the labels that each is scored under, at least one.
        side: Cells of the squares that are cut out of them, at most the least of their sides.
    """

    latents: Sequence[Tensor]
    rows: Sequence[Sequence[int]]
    side: int


class Distillation:
    """A surrogate that is being taught.

    Arguments:
        model: The UNet.
        surrogate: What learns, on the UNet's device.
        pool: The pictures.
        config: Range of t, and the seed.
        steps: In all.
    """

    def __init__(
        self,
        model: Predictor,
        surrogate: Surrogate,
        pool: Pool,
        config: TypicalityConfig,
        steps: int,
    ) -> None:
        self.model, self.surrogate, self.pool = model, surrogate, pool
        self.config, self.steps, self.step = config, steps, 0
        self.optimiser = torch.optim.AdamW(
            surrogate.parameters(), _RATE, weight_decay=_WEIGHT_DECAY
        )

    def advance(self) -> None:
        """Take one step.

        Raises:
            ConfigError: If the device's memory is too small for one evaluation of the UNet.
            RunError: If the loss is no number any more.
        """
        latents, noise, fractions, rows = self.batch(self.step)
        device, schedule = self.model.device, self.model.schedule
        latents, noise = latents.to(device), noise.to(device)
        times = schedule.times(fractions).to(device)
        noisy = schedule.add_noise(latents, noise, times)
        with torch.no_grad():
            truth = self.model(noisy, times, rows)
        found = self.surrogate.predict_noise(noisy, times, rows.to(device), schedule)
        loss = distillation_loss(truth, found, noise)
        if not torch.isfinite(loss):
            raise RunError(
                f"the surrogate's loss is {float(loss.detach())} after {self.step} steps. Give "
                "another typicality.seed, or score with typicality.surrogate=none."
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(self.step)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.surrogate.parameters(), _CLIP)
        self.optimiser.step()
        self.step += 1

    def rate(self, step: int) -> float:
        """The learning rate: up within the first steps, then down along half a cosine."""
        warm = min(1.0, (step + 1) / _WARM_UP)
        return _RATE * warm * (1 + math.cos(math.pi * step / self.steps)) / 2

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a step is computed from, on the processor.

        Returns:
            x and eps, `(B, C, side, side)`, float32; t in [t_min, t_max), `(B,)`; and the rows of
            no label and of one of the picture's, `(B, 2)`.
        """
        pool, config = self.pool, self.config
        random = generator(derived_seed("distillation", config.seed), step)
        latents, rows = [], []
        for index in torch.randint(len(pool.latents), (BATCH,), generator=random).tolist():
            latent, told = pool.latents[index], pool.rows[index]
            height, width = latent.shape[-2:]
            top = int(torch.randint(height - pool.side + 1, (), generator=random))
            left = int(torch.randint(width - pool.side + 1, (), generator=random))
            latents.append(latent[:, top : top + pool.side, left : left + pool.side])
            rows.append((0, told[int(torch.randint(len(told), (), generator=random))]))
        strata = torch.randperm(BATCH, generator=random) + torch.rand(BATCH, generator=random)
        fractions = config.t_min + (config.t_max - config.t_min) * strata / BATCH
        stacked = torch.stack(latents)
        noise = torch.randn(stacked.shape, generator=random)
        return stacked, noise, fractions, torch.tensor(rows)

    def state(self) -> dict[str, Tensor]:
        """Everything that going on exactly needs, as tensors."""
        found = {f"weights.{k}": v for k, v in self.surrogate.state_dict().items()}
        for number, one in self.optimiser.state_dict()["state"].items():
            found |= {f"optimiser.{number}.{k}": v for k, v in one.items()}
        return found | {"step": torch.tensor(self.step)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state.

        Raises:
            KeyError, RuntimeError, ValueError: If it is not that of such a distillation.
        """
        weights = {
            k.removeprefix("weights."): v for k, v in state.items() if k.startswith("weights.")
        }
        if not all(torch.isfinite(one).all() for one in state.values()):
            raise ValueError("weights that are no numbers")
        step = int(state["step"])
        if not 0 <= step <= self.steps:
            raise ValueError(f"step {step} of {self.steps}")
        moments = {}
        for number, parameter in enumerate(self.surrogate.parameters() if step else ()):
            one = {k: state[f"optimiser.{number}.{k}"] for k in ("step", "exp_avg", "exp_avg_sq")}
            if any(one[k].shape != parameter.shape for k in ("exp_avg", "exp_avg_sq")):
                raise ValueError("moments of another network")
            if one["step"].shape != () or int(one["step"]) != step or one["exp_avg_sq"].min() < 0:
                raise ValueError("moments that cannot be")
            moments[number] = one
        self.surrogate.load_state_dict(weights)
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        self.step = step
