"""What predicts noise under several conditions at once: a denoiser, or a surrogate of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..memory import Room
from .compiling import compiled
from .denoiser import Denoiser
from .schedule import NoiseSchedule
from .surrogate import Surrogate

__all__ = ["DenoiserPredictor", "Predictor", "SurrogatePredictor"]


class Predictor(Protocol):
    """eps_theta of many (picture, draw) under several conditions each; row 0 is the null one."""

    room: Room
    schedule: NoiseSchedule

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def __call__(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        """eps under conditions.

        Arguments:
            noisy: x_t, `(B, C, h, w)`.
            times: t, `(B,)`, integers.
            rows: Conditions, `(B, K)`.

        Returns:
            `(B, K, C, h, w)`, float32.

        Raises:
            ConfigError: If the device's memory is too small for one at a time.
        """
        ...


class DenoiserPredictor:
    """A denoiser.

    Arguments:
        denoiser: The model, in evaluation mode.
        labels: All labels that will be asked for; the k-th, counted from 1, is row k.
        batch_size: UNet evaluations at a time; halved when the device's memory is too small.
        bfloat16: Compute the UNet in bfloat16 if the hardware does.
        compile: Compile the UNet (`compiling.py`).
    """

    def __init__(
        self,
        denoiser: Denoiser,
        labels: Sequence[str],
        batch_size: int,
        bfloat16: bool = False,
        compile: bool = False,
    ) -> None:
        self.denoiser, self.bfloat16 = denoiser, bfloat16
        self.schedule = denoiser.schedule
        self.unet = compiled(denoiser.unet) if compile else None
        self.room = Room(batch_size, "one evaluation of the UNet")
        with torch.no_grad():  # not in inference mode: training may meet the same encodings
            self.conditions = denoiser.condition([None, *labels]).detach()
        self.evaluations = 0

    @property
    def device(self) -> torch.device:
        return self.denoiser.device

    def __call__(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        jobs, branches = rows.shape
        flat = rows.flatten().to(noisy.device)

        def predict(some: Sequence[int]) -> Tensor:
            part = torch.arange(some[0], some[-1] + 1, device=noisy.device)
            which = part // branches
            return self.denoiser.predict_noise(
                noisy[which], times[which], self.conditions[flat[part]], self.bfloat16, self.unet
            )

        parts = [made for _, made in self.room.parts(range(jobs * branches), predict)]
        self.evaluations += jobs * branches
        return torch.cat(parts).view(jobs, branches, *noisy.shape[1:])


class SurrogatePredictor:
    """A surrogate.

    Arguments:
        surrogate: In evaluation mode, on the device.
        schedule: The denoiser's.
        batch_size: Conditions of (picture, draw) at a time; halved when memory is too small.
    """

    def __init__(self, surrogate: Surrogate, schedule: NoiseSchedule, batch_size: int) -> None:
        self.surrogate, self.schedule = surrogate, schedule
        self.room = Room(batch_size, "one evaluation of the surrogate")

    @property
    def device(self) -> torch.device:
        return self.surrogate.told.weight.device

    def __call__(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        branches, rows = rows.shape[1], rows.to(noisy.device)
        most = self.room.size
        if branches > most:  # many labels: some at a time
            parts = [self(noisy, times, rows[:, i : i + most]) for i in range(0, branches, most)]
            return torch.cat(parts, 1)

        def predict(some: Sequence[int]) -> Tensor:
            part = slice(some[0], some[-1] + 1)
            return self.surrogate.predict_noise(noisy[part], times[part], rows[part], self.schedule)

        count = max(1, self.room.size // branches)
        found = []
        for start in range(0, len(noisy), count):
            jobs = range(start, min(len(noisy), start + count))
            found += [made for _, made in self.room.parts(jobs, predict)]
        return torch.cat(found)
