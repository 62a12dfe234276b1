"""The parts of DTI-Sprites that each sprite has for itself: its pixels and its networks."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["PixelSprites", "SpriteHeads", "soft_clamp"]


def soft_clamp(values: Tensor) -> Tensor:
    """Values held to [0, 1] with a slope of 0.01 beyond, so that none is ever lost."""
    held = values.clamp(0, 1)
    return held + 0.01 * (values - held)


class PixelSprites(nn.Module):
    """K sprites as free pixels.

    Arguments:
        count: K.
        height: h in pixels.
        width: w in pixels.
        gain: A parameter is its pixel divided by this. The optimizer moves every parameter by about
            the learning rate, so pixels move that many times faster than the networks.
    """

    def __init__(self, count: int, height: int, width: int, gain: float = 1.0) -> None:
        super().__init__()
        self.shape, self.gain = (height, width), gain
        bell = 0.3 * _bell(height, width).flatten()
        self.codes = nn.Parameter(bell * (0.5 + torch.rand(count, height * width)) / gain)

    def forward(self) -> Tensor:
        """Opacities `(K, h, w)`: in [0, 1] in evaluation, a little beyond in training."""
        pixels = self.codes * self.gain
        pixels = soft_clamp(pixels) if self.training else pixels.clamp(0, 1)
        return pixels.unflatten(1, self.shape)

    @torch.no_grad()
    def start_from(self, pieces: Tensor) -> None:
        """Let the sprites start as pieces of lines: opacities `(K, h, w)`, put under a bell."""
        self.codes.copy_((pieces * _bell(*self.shape).to(pieces)).flatten(1) / self.gain)


def _bell(height: int, width: int) -> Tensor:
    """A Gaussian across the sprite, 1 in its middle, `(h, w)`; flat along its height."""
    x = torch.arange(width) - (width - 1) / 2
    return torch.exp(-0.5 * (x / (width / 5)).square()).expand(height, width)


class SpriteHeads(nn.Module):
    """K networks of three layers side by side: one per sprite, none shared.

    Arguments:
        count: K.
        features: D.
        hidden: Width of the two hidden layers.
        outputs: Values per sprite; all start at 0.
    """

    def __init__(self, count: int, features: int, hidden: int, outputs: int) -> None:
        super().__init__()
        sizes = ((features, hidden), (hidden, hidden), (hidden, outputs))
        self.weights = nn.ParameterList(torch.empty(count, i, o) for i, o in sizes)
        self.biases = nn.ParameterList(torch.empty(count, 1, o) for _, o in sizes)
        for values, (inputs, _) in zip(self.weights, sizes, strict=True):
            nn.init.uniform_(values, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))
        for values, (inputs, _) in zip(self.biases, sizes, strict=True):
            nn.init.uniform_(values, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs))
        nn.init.zeros_(self.weights[-1])
        nn.init.zeros_(self.biases[-1])

    def forward(self, features: Tensor) -> Tensor:
        """From features `(B, T, D)` to `(B, T, K, outputs)`."""
        x = features.flatten(0, 1)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight + bias  # (K, N, o)
            if number < 2:
                x = F.relu(x)
        return x.transpose(0, 1).unflatten(0, features.shape[:2])
