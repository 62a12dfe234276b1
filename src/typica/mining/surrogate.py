"""The surrogate: a small network in the denoiser's place, for draws that cost next to nothing.

It is told what the UNet is told, x_t, t and a row of conditions, and predicts what the UNet would.
What it gets wrong does not matter to the mean, only how well it goes with the UNet from draw to
draw (`control.py`); so it is small and plain. What does not depend on the label is computed once
for all conditions of a (picture, draw), on the way down; labels come in on the way up.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .schedule import NoiseSchedule

__all__ = ["Surrogate", "levels_of"]

_COARSE = 8
"""Least cells of the short side at the coarsest level."""
_FREQUENCIES = 16
_GROUPS = 4
_TOLD = 64
"""Features of the embedding of time and condition."""
_WIDEST = 4
"""Channels of the coarse levels, at most, over those of the finest."""


def levels_of(side: int) -> int:
    """How often a grid can be halved with 8 cells of its short side left."""
    return max(0, int(math.log2(max(1, side) / _COARSE)))


class Surrogate(nn.Module):
    """A small convolutional network that predicts pictures from noisy ones, under any condition.

    Arguments:
        channels: C of the latents.
        labels: Number of labels; row 0 is the null condition, row k the k-th label.
        levels: Halvings of the grid (`levels_of`).
        width: Channels at the finest level, a multiple of 4; those of coarser ones are 2 and 4
            times as many.

    `built` holds these four by their names.
    """

    def __init__(self, channels: int, labels: int, levels: int, width: int) -> None:
        super().__init__()
        widths = [width * min(2**level, _WIDEST) for level in range(levels + 1)]
        self.built = {"channels": channels, "labels": labels, "levels": levels, "width": width}
        self.time = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES, _TOLD), nn.SiLU(), nn.Linear(_TOLD, _TOLD)
        )
        self.told = nn.Embedding(labels + 1, _TOLD)
        self.first = nn.Conv2d(channels, width, 1)
        # on the way down, without the label
        self.down_blocks = nn.ModuleList(_pair(one) for one in widths[:-1])
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in itertools.pairwise(widths))
        # on the way up, with it
        self.coarsest = _pair(widths[-1])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, 2) for a, b in itertools.pairwise(widths)
        )
        self.up_blocks = nn.ModuleList(_pair(one) for one in widths[:-1])
        self.last = nn.Conv2d(width, channels, 1)

    def forward(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        """Predicted pictures under several conditions.

        Arguments:
            noisy: x_t, `(B, C, h, w)`.
            times: t in thousandths of the schedule, `(B,)`.
            rows: Conditions, `(B, K)`.

        Returns:
            `(B, K, C, h, w)`.
        """
        branches = rows.shape[1]
        when = self.time(_waves(times))
        plain = F.silu(when)
        grids = [self.first(noisy)]
        for blocks, down in zip(self.down_blocks, self.down, strict=True):
            grids[-1] = _through(blocks, grids[-1], plain)
            grids.append(down(grids[-1]))
        told = F.silu((when[:, None] + self.told(rows)).flatten(0, 1))
        here = _through(self.coarsest, grids.pop().repeat_interleave(branches, 0), told)
        here = here + here.mean((2, 3), keepdim=True) / 2
        for blocks, up in zip(reversed(self.up_blocks), reversed(self.up), strict=True):
            beside = grids.pop().repeat_interleave(branches, 0)
            # an odd side is one cell short after a halving
            here = beside + F.interpolate(up(here), beside.shape[-2:])
            here = _through(blocks, here, told)
        found: Tensor = self.last(here)
        return found.view(len(noisy), branches, *noisy.shape[1:])

    def predict_noise(
        self, noisy: Tensor, times: Tensor, rows: Tensor, schedule: NoiseSchedule
    ) -> Tensor:
        """eps under several conditions, `(B, K, C, h, w)`, float32.

        It predicts pictures whatever the UNet predicts: noise would not pass through so narrow a
        network.

        Arguments:
            noisy: x_t, `(B, C, h, w)`.
            times: t, `(B,)`, integers below the schedule's steps.
            rows: Conditions, `(B, K)`.
            schedule: The UNet's.
        """
        branches = rows.shape[1]
        pictures = self(noisy, times * (1000 / schedule.steps), rows).float()
        of_pictures = NoiseSchedule(schedule.signal, "sample")
        noise = of_pictures.noise_from(
            pictures.flatten(0, 1),
            noisy.repeat_interleave(branches, 0),
            times.repeat_interleave(branches),
        )
        return noise.view_as(pictures)


class _Block(nn.Module):
    """Two convolutions beside the identity, which they are at first; told time and condition.

    `(N, width, h, w)` and what it is told, `(N, 64)`, to `(N, width, h, w)`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.told = nn.Linear(_TOLD, 2 * width)
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)  # type: ignore[arg-type]

    def forward(self, grid: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.told(told)[..., None, None].chunk(2, 1)
        inside = F.silu(self.norm(grid) * (1 + scale) + shift)
        found: Tensor = grid + self.outer(F.silu(self.inner(inside)))
        return found


def _pair(width: int) -> nn.ModuleList:
    return nn.ModuleList([_Block(width), _Block(width)])


def _through(blocks: Any, grid: Tensor, told: Tensor) -> Tensor:
    for block in blocks:
        grid = block(grid, told)
    return grid


def _waves(times: Tensor) -> Tensor:
    """Sines and cosines of times from 0 to 1000, `(B,)` to `(B, 32)`."""
    steps = torch.arange(_FREQUENCIES, device=times.device) / _FREQUENCIES
    angles = times.float()[:, None] * torch.exp(-math.log(1000) * steps)
    return torch.cat([angles.sin(), angles.cos()], -1)
