"""Monte Carlo means of the losses of eq. 4.7 (E in eqs. 4.9, 4.10): many draws in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .draws import Draws
from .predictor import Predictor
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
    """Evaluates a predictor on latents for many draws and conditions at once.

    Arguments:
        predict: The denoiser, or its surrogate.
        labels: All labels that will be asked for, in the order of the predictor's rows.
    """

    def __init__(self, predict: Predictor, labels: Sequence[str]) -> None:
        self.predict = predict
        self.rows = {label: row for row, label in enumerate(labels, start=1)}

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
            Means over the draws, each with its weight, on the predictor's device.

        Raises:
            ConfigError: If the device's memory is too small for one evaluation.
        """
        device = self.predict.device
        latents = latents.to(device)
        count, *shape = latents.shape
        rows = torch.tensor([[0, *(self.rows[label] for label in one)] for one in labels])
        times = self.predict.schedule.times(torch.from_numpy(draws.fractions))
        grid = tuple(shape[-2:])
        typicality = torch.zeros(count, rows.shape[1] - 1, groups, *grid, device=device)
        null = torch.zeros(count, *grid, device=device)
        information = torch.zeros(count, rows.shape[1] - 1, *grid, device=device)
        # A job is one (draw, picture), draws first: the pictures of a draw share its noise.
        done, total = 0, len(draws) * count
        while done < total:
            jobs = range(done, min(total, done + max(1, self.predict.room.size // rows.shape[1])))
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
            noisy = self.predict.schedule.add_noise(latents[pictures.to(device)], noise, when)
            found = self.predict(noisy, when, rows[pictures])  # (jobs, 1 + K, C, h, w)
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


def _compared(found: Tensor, against: Against) -> Tensor:
    """What every label is compared with, `(jobs, 1 or K, C, h, w)` of `(jobs, 1 + K, C, h, w)`."""
    if against == "null":
        return found[:, :1]
    labels = found[:, 1:].float()
    return (labels.sum(1, keepdim=True) - labels) / (labels.shape[1] - 1)
