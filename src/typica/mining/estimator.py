"""Monte Carlo means of the losses of eq. 4.7 (E in eqs. 4.9, 4.10): many draws in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..memory import Room
from .compiling import compiled
from .denoiser import Denoiser
from .draws import Draws
from .typicality import information_map, loss_map, typicality_map

__all__ = ["Against", "Estimator", "Means", "Report"]

Report = Callable[[float], None]

Against = Literal["null", "others"]
"""What the information of a label is measured against: the prediction without a label, or the mean
of the predictions under the other ones."""


@dataclass(frozen=True)
class Means:
    """Means over draws of the losses of n pictures.

    Arguments:
        typicality: Mean of every group of draws, `(n, K, G, h, w)`, float32.
        null: Mean loss under the null condition, `(n, h, w)`, float32.
        information: Mean of `information_map`, `(n, K, h, w)`, float32.
    """

    typicality: Tensor
    null: Tensor
    information: Tensor


class Estimator:
    """Evaluates a denoiser on latents for many draws and conditions at once.

    Arguments:
        denoiser: The model, in evaluation mode.
        labels: All labels that will be asked for.
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
        self.unet = compiled(denoiser.unet) if compile else None
        self.room = Room(batch_size, "one evaluation of the UNet")
        with torch.no_grad():  # not in inference mode: training may meet the same encodings
            self.conditions = denoiser.condition([None, *labels]).detach()
        self.rows = {label: row for row, label in enumerate(labels, start=1)}
        self.evaluations = 0

    @torch.inference_mode()
    def __call__(
        self,
        latents: Tensor,
        labels: Sequence[Sequence[str]],
        draws: Draws,
        groups: int,
        report: Report = lambda share: None,
        against: Against = "null",
    ) -> Means:
        """Group means of typicality of n pictures of one shape.

        Arguments:
            latents: x, `(n, C, h, w)`, float32.
            labels: The K labels of every picture, n lists of one length.
            draws: The S pairs (t, eps), a multiple of `groups`.
            groups: G; draw s belongs to group s % G.
            report: Told now and then how many pictures' worth of work is newly done; the sum over
                all calls is n.
            against: What information is measured against; `others` needs two labels.

        Returns:
            Means over the draws, each with its weight, on the denoiser's device.

        Raises:
            ConfigError: If the device's memory is too small for one evaluation of the UNet.
        """
        device = self.denoiser.device
        latents = latents.to(device)
        count, *shape = latents.shape
        rows = torch.tensor([[0, *(self.rows[label] for label in one)] for one in labels])
        times = self.denoiser.schedule.times(torch.from_numpy(draws.fractions))
        grid = tuple(shape[-2:])
        typicality = torch.zeros(count, rows.shape[1] - 1, groups, *grid, device=device)
        null = torch.zeros(count, *grid, device=device)
        information = torch.zeros(count, rows.shape[1] - 1, *grid, device=device)
        # A job is one (draw, picture), draws first: the pictures of a draw share its noise.
        done, total = 0, len(draws) * count
        while done < total:
            jobs = range(done, min(total, done + max(1, self.room.size // rows.shape[1])))
            spans = [
                (
                    draw,
                    range(max(jobs.start - draw * count, 0), min(jobs.stop - draw * count, count)),
                )
                for draw in range(jobs.start // count, -(-jobs.stop // count))
            ]
            pictures = torch.tensor([picture for _, span in spans for picture in span])
            when = torch.cat([times[draw].repeat(len(span)) for draw, span in spans]).to(device)
            noise = torch.cat(
                [
                    draws.noise(draw, tuple(shape)).to(device).expand(len(span), *shape)
                    for draw, span in spans
                ]
            )
            noisy = self.denoiser.schedule.add_noise(latents[pictures.to(device)], noise, when)
            found = self._predict(noisy, when, rows[pictures])  # (jobs, 1 + K, C, h, w)
            gain = typicality_map(found[:, :1], found[:, 1:], noise[:, None])
            loss = loss_map(found[:, 0], noise)
            matters = information_map(_compared(found, against), found[:, 1:])
            start = 0
            for draw, span in spans:  # one draw after the other: sums in the order of the draws
                part = slice(start, start + len(span))
                weight = 1.0 if draws.weights is None else float(draws.weights[draw])
                typicality[span.start : span.stop, :, draw % groups] += weight * gain[part]
                null[span.start : span.stop] += weight * loss[part]
                information[span.start : span.stop] += weight * matters[part]
                start += len(span)
            done = jobs.stop
            report(len(jobs) / len(draws))
        return Means(
            typicality / (len(draws) // groups), null / len(draws), information / len(draws)
        )

    def _predict(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        """eps_theta of every job under all its conditions, `(jobs, 1 + K, C, h, w)`."""
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


def _compared(found: Tensor, against: Against) -> Tensor:
    """What every label is compared with, `(jobs, 1 or K, C, h, w)` of `(jobs, 1 + K, C, h, w)`."""
    if against == "null":
        return found[:, :1]
    labels = found[:, 1:].float()
    return (labels.sum(1, keepdim=True) - labels) / (labels.shape[1] - 1)
