"""DIFT features of elements (Tang et al., 2023; section 4.3.3).

A picture is noised to one time t and shown to the UNet, with the prompt of its label; the output
of one upsampling block, averaged over a few noises, describes the picture cell by cell. The
feature of an element is the mean of its cells, scaled to unit length. A picture is computed once
for all its elements, and the UNet is left as soon as the block has answered.

As in the paper's program: t = 161, the second of four blocks, 8 noises, the whole picture rather
than the patch. Unlike it, the mean of the codec's posterior is taken rather than a sample of it,
and the noises depend on the seed, the member and the shape only, so that a repetition agrees.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..images.prompts import Told
from .config import FeatureConfig
from .denoiser import Denoiser
from .table import ElementsTable

__all__ = [
    "block_output",
    "cells",
    "choose_block",
    "member_noise",
    "picture_features",
    "pool",
]


class _Reached(Exception):
    """The block that was wanted has answered; the rest of the UNet is not needed."""


def choose_block(unet: Any, block: int | None) -> int:
    """The index of the upsampling block whose output is taken.

    Arguments:
        unet: A `diffusers.UNet2DConditionModel`.
        block: As configured; None takes the second of four (paper), else the first.

    Raises:
        ConfigError: If there is no such block.
    """
    blocks = len(unet.up_blocks)
    if block is None:
        return 1 if blocks == 4 else 0
    if block >= blocks:
        raise ConfigError(f"features.block: {block}, but this model has 0 to {blocks - 1}")
    return block


def block_output(
    denoiser: Denoiser,
    noisy: Tensor,
    times: Tensor,
    condition: Tensor,
    block: int,
    bfloat16: bool = False,
) -> Tensor:
    """The output of one upsampling block, after its upsampler.

    Arguments:
        denoiser: The model.
        noisy: x_t, `(B, C, h, w)`.
        times: t, `(B,)`, integers.
        condition: Hidden states, `(B, L, D)`.
        block: Index of the block.
        bfloat16: Compute in bfloat16 if the hardware does.

    Returns:
        `(B, C', h', w')`, float32.
    """
    found: list[Tensor] = []

    def leave(module: torch.nn.Module, given: Any, output: Tensor) -> None:
        found.append(output)
        raise _Reached

    handle = denoiser.unet.up_blocks[block].register_forward_hook(leave)
    try:
        denoiser.output(noisy, times, condition, bfloat16)
    except _Reached:
        pass
    finally:
        handle.remove()
    return found[0].float()


def member_noise(seed: int, member: int, shape: tuple[int, ...]) -> Tensor:
    """The noise of one member of the ensemble, the same for all pictures of a shape.

    Arguments:
        seed: Of the features.
        member: From 0.
        shape: Of a latent, `(C, h, w)`.
    """
    text = json.dumps(["dift", seed, member, list(shape)])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))


def cells(start: int, length: int, pixels: int, number: int) -> slice:
    """The cells that a stretch of pixels covers, at least one.

    Arguments:
        start: First pixel.
        length: Number of pixels, at least 1.
        pixels: Pixels along the axis; `start + length` is at most that.
        number: Cells along the axis.
    """
    first = min(start * number // pixels, number - 1)
    return slice(first, max(first + 1, (start + length) * number // pixels))


def pool(features: Tensor, table: ElementsTable, row: int, height: int, width: int) -> Tensor:
    """The feature of one element: the mean over its cells, scaled to unit length.

    Arguments:
        features: Of its picture, `(D, h, w)`.
        table: The elements.
        row: Which one.
        height: Of the picture, in working pixels.
        width: Of the picture, in working pixels.

    Returns:
        `(D,)`.
    """
    side = int(table.side[row])
    down = cells(int(table.work_y[row]), side, height, features.shape[1])
    across = cells(int(table.work_x[row]), side, width, features.shape[2])
    return F.normalize(features[:, down, across].mean(dim=(1, 2)), dim=0)


@torch.no_grad()
def picture_features(
    denoiser: Denoiser,
    latents: Tensor,
    labels: Sequence[Told],
    config: FeatureConfig,
    bfloat16: bool = False,
) -> Tensor:
    """Feature maps of pictures of one shape: the mean over the ensemble.

    Arguments:
        denoiser: The model.
        latents: `(P, C, h, w)`.
        labels: Of the pictures, P; each a label, several, or None.
        config: Time, block, ensemble; at most `batch_size` passes are made at a time.
        bfloat16: Compute in bfloat16 if the hardware does.

    Returns:
        `(P, D, h', w')`, float32.
    """
    block = choose_block(denoiser.unet, config.block)
    condition = denoiser.condition(labels)
    count, shape = len(latents), tuple(latents.shape[1:])
    at_once = max(1, config.batch_size // count)
    time = torch.tensor(config.timestep * denoiser.schedule.steps // 1000)
    total: Tensor | None = None
    for first in range(0, config.ensemble, at_once):
        members = range(first, min(first + at_once, config.ensemble))
        noise = torch.stack([member_noise(config.seed, m, shape) for m in members])
        # every picture with every member: (P members, C, h, w)
        noise = noise.to(latents.device)[None].expand(count, -1, -1, -1, -1).flatten(0, 1)
        clean = latents.repeat_interleave(len(members), dim=0)
        times = time.to(latents.device).expand(len(clean))
        noisy = denoiser.schedule.add_noise(clean, noise, times)
        told = condition.repeat_interleave(len(members), dim=0)
        found = block_output(denoiser, noisy, times, told, block, bfloat16)
        sums = found.unflatten(0, (count, len(members))).sum(1)
        total = sums if total is None else total + sums
    assert total is not None
    return total / config.ensemble
