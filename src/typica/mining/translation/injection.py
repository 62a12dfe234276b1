"""Injection of the source's features and self-attention (plug-and-play, Tumanyan et al. 2023).

The UNet sees the source at its inverted latent and the translation in one batch. In the first
steps what some of its layers answer about the source replaces what they answer about the
translation: features keep the content in its place, queries and keys of self-attention keep
which places belong together. Published places, in Stable Diffusion: the features of
`up_blocks[1].resnets[1]` (after its second convolution, before the sum with its input), and
queries and keys of self-attention in `up_blocks[1].attentions[1:]` and in all of
`up_blocks[2]` and `up_blocks[3]`.

The layers are hooked, and the hooks taken off again; no forward pass is rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import ConfigError

__all__ = ["Injection", "Places", "choose_places", "injecting"]

_RESOLUTION = 4
"""The published features are at a quarter of the latent's resolution."""
_RESNET = 1
"""Index of the published residual block, and of the first attention block after it."""


@dataclass(frozen=True)
class Places:
    """Names of the layers of a UNet that are hooked.

    Arguments:
        features: Whose output is replaced in the first steps.
        attention: Projections to queries and keys, whose output is replaced.
    """

    features: tuple[str, ...]
    attention: tuple[str, ...]

    def as_dict(self) -> dict[str, list[str]]:
        """Plain values, for JSON."""
        return {"features": list(self.features), "attention": list(self.attention)}


def choose_places(unet: Any, block: int | None = None) -> Places:
    """The published places, or those of the same resolution in another UNet.

    Features are taken in the upsampling block that works at a quarter of the latent's
    resolution, or as near to that as there is (block 1 of Stable Diffusion's 4), in its second
    residual block or its last. Self-attention is taken from there on, in this block and in all
    finer ones that have some.

    Arguments:
        unet: A `diffusers.UNet2DConditionModel`.
        block: Index of the upsampling block of the features, if not chosen by resolution.

    Raises:
        ConfigError: If there is no such block.
    """
    blocks = list(unet.up_blocks)
    if block is None:
        # the last block works at full resolution; every upsampler before it doubles it
        coarser = [
            2 ** sum(one.upsamplers is not None for one in blocks[k:]) for k in range(len(blocks))
        ]
        distance = [abs(factor.bit_length() - _RESOLUTION.bit_length()) for factor in coarser]
        block = distance.index(min(distance))
    if block >= len(blocks):
        raise ConfigError(f"block: {block}, but this model has 0 to {len(blocks) - 1}")
    resnet = min(_RESNET, len(blocks[block].resnets) - 1)
    attention = [
        f"up_blocks.{k}.attentions.{number}.transformer_blocks.{depth}.attn1.to_{what}"
        for k in range(block, len(blocks))
        for number, one in enumerate(getattr(blocks[k], "attentions", ()))
        if k > block or number >= resnet
        for depth in range(len(one.transformer_blocks))
        for what in "qk"
    ]
    return Places((f"up_blocks.{block}.resnets.{resnet}.conv2",), tuple(attention))


class Injection:
    """What is injected in the next forward passes; set by the loop, read by the hooks.

    Attributes:
        source: Row of the batch that each row takes its values from, `(B,)`; a source itself.
        features: Whether features are replaced.
        attention: Whether queries and keys are replaced.
    """

    def __init__(self) -> None:
        self.source: Tensor | None = None
        self.features = False
        self.attention = False

    def take(self, output: Tensor) -> Tensor:
        """The output with every row replaced by that of its source."""
        assert self.source is not None
        if len(output) != len(self.source):
            raise ValueError(f"a batch of {len(output)}, and sources for {len(self.source)}")
        return output.index_select(0, self.source)


@contextmanager
def injecting(unet: Any, places: Places) -> Iterator[Injection]:
    """Hook a UNet for the time of the block.

    Arguments:
        unet: A `diffusers.UNet2DConditionModel`.
        places: From `choose_places`.

    Returns:
        What decides what is injected; nothing at first.
    """
    injection = Injection()

    def features(module: torch.nn.Module, given: Any, output: Tensor) -> Tensor | None:
        return injection.take(output) if injection.features else None

    def attention(module: torch.nn.Module, given: Any, output: Tensor) -> Tensor | None:
        return injection.take(output) if injection.attention else None

    with ExitStack() as stack:
        for names, hook in ((places.features, features), (places.attention, attention)):
            for name in names:
                stack.callback(unet.get_submodule(name).register_forward_hook(hook).remove)
        yield injection
