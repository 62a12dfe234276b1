"""The sprites s_k = g(z_k): latent codes and the generators g (section 3.3.2).

A sprite is one channel of opacity, 0 (nothing) to 1 (ink). The empty sprite is not among them:
it has no picture, only a probability code (`typica.typewriter.selection`).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import SpriteConfig

__all__ = [
    "MLP",
    "Marionette",
    "Pixels",
    "Sprites",
    "UNet",
    "aperture_window",
    "bell",
    "border_window",
]


def border_window(height: int, width: int, share: float) -> Tensor:
    """A factor for sprites that falls smoothly to zero at the left and right edge.

    Arguments:
        height: Sprite height in pixels.
        width: Sprite width in pixels.
        share: Share of the width, on each side, over which it rises from 0 to 1.

    Returns:
        Factors between 0 and 1 with shape `(height, width)`; all 1 if `share` is 0.
    """
    rise = share * width
    if rise == 0:
        return torch.ones(height, width)
    x = torch.arange(width) + 0.5
    ramp = (torch.minimum(x, width - x) / rise).clamp(0, 1)
    return (0.5 - 0.5 * torch.cos(math.pi * ramp)).expand(height, width).contiguous()


def aperture_window(width: int, opening: float) -> Tensor:
    """A factor for sprites that lets only their middle through, with soft edges.

    Arguments:
        width: Sprite width in pixels.
        opening: Width of the opening in pixels, between its half-way points.

    Returns:
        Factors between 0 and 1 with shape `(width,)`.
    """
    x = (torch.arange(width) - (width - 1) / 2).abs()
    return ((opening / 2 - x) / 4 + 0.5).clamp(0, 1)


def bell(width: int, deviation: float | None) -> Tensor:
    """The logarithm of a bell across a sprite, 0 in its middle.

    Arguments:
        width: Sprite width in pixels.
        deviation: Its standard deviation in pixels; None for flat.

    Returns:
        Values of at most 0 with shape `(width,)`.
    """
    x = torch.arange(width) - (width - 1) / 2
    return torch.zeros(width) if deviation is None else -0.5 * (x / deviation).square()


class MLP(nn.Module):
    """Three linear layers on a code as large as the sprite (the paper's program)."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.latent, self.shape = height * width, (height, width)
        n = self.latent
        groups = math.gcd(8, n)
        self.layers = nn.Sequential(
            nn.Linear(n, n),
            nn.GroupNorm(groups, n),
            nn.ReLU(),
            nn.Linear(n, n),
            nn.GroupNorm(groups, n),
            nn.ReLU(),
            nn.Linear(n, n),
        )

    def forward(self, codes: Tensor) -> Tensor:
        """From codes `(K, h * w)` to logits of opacity `(K, h, w)`."""
        return self.layers(codes).unflatten(1, self.shape)


class Marionette(nn.Module):
    """Two linear layers on a code of 128 values (MarioNette; the paper's text)."""

    latent = 128

    def __init__(self, height: int, width: int, hidden: int = 1024) -> None:
        super().__init__()
        self.shape = (height, width)
        self.layers = nn.Sequential(
            nn.Linear(self.latent, hidden),
            nn.GroupNorm(8, hidden),
            nn.ReLU(),
            nn.Linear(hidden, height * width),
        )

    def forward(self, codes: Tensor) -> Tensor:
        """From codes `(K, 128)` to logits of opacity `(K, h, w)`."""
        return self.layers(codes).unflatten(1, self.shape)


class Pixels(nn.Module):
    """No generator: the codes are the logits of the pixels (ablation `w/o g`)."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.latent, self.shape = height * width, (height, width)

    def forward(self, codes: Tensor) -> Tensor:
        """From codes `(K, h * w)` to logits of opacity `(K, h, w)`."""
        return codes.unflatten(1, self.shape)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    norm = nn.BatchNorm2d(outputs, track_running_stats=False)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), norm, nn.ReLU())


class UNet(nn.Module):
    """The U-Net of Deformable Sprites (Ye et al. 2022) on image-shaped codes.

    Its batch is the set of sprites, and the batch normalisation runs over them, in evaluation
    too: the set is the same, so the sprites are. (In the paper's program they differ.)
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.latent, self.shape = height * width, (height, width)
        self.first = _convolution(1, 16)
        self.down = nn.ModuleList(_convolution(i, o) for i, o in [(16, 32), (32, 64), (64, 64)])
        self.up = nn.ModuleList(_convolution(i, o) for i, o in [(64, 64), (128, 32), (64, 16)])
        self.last = nn.Conv2d(32, 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, codes: Tensor) -> Tensor:
        """From codes `(K, h * w)` to logits of opacity `(K, h, w)`."""
        x = self.first(codes.unflatten(1, (1, *self.shape)))
        skips = []
        for layer in self.down:
            skips.append(x)
            x = F.max_pool2d(layer(x), 2)
        for layer, skip in zip(self.up, reversed(skips), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = torch.cat([layer(x), skip], dim=1)
        return self.last(x).squeeze(1)


_GENERATORS = {"mlp": MLP, "marionette": Marionette, "unet": UNet, "pixels": Pixels}


class Sprites(nn.Module):
    """The codes z_1..z_K and the generator that draws them.

    Arguments:
        count: K, all allographs counted.
        height: h in pixels.
        width: w in pixels.
        line: H in pixels.
        config: Generator, initial opacity, spread, border.
    """

    def __init__(
        self, count: int, height: int, width: int, line: int, config: SpriteConfig
    ) -> None:
        super().__init__()
        self.generator: nn.Module = _GENERATORS[config.generator](height, width)
        self.codes = nn.Parameter(torch.rand(count, self.generator.latent))
        start = math.log(config.initial_opacity / (1 - config.initial_opacity))
        if config.generator == "pixels":
            nn.init.normal_(self.codes, start, 0.3)
            start = 0.0
        deviation = None if config.spread is None else config.spread * line
        self.register_buffer("start", start + bell(width, deviation), persistent=False)
        self.register_buffer(
            "window", border_window(height, width, config.border), persistent=False
        )

    def forward(self, opening: float | None = None) -> Tensor:
        """The opacity of all sprites, `(K, h, w)`, between 0 and 1.

        Arguments:
            opening: Show only a middle part this many pixels wide; None shows all.
        """
        return self.drawn(self.codes, opening)

    def drawn(self, codes: Tensor, opening: float | None = None) -> Tensor:
        """The opacity that some codes stand for, `(L, latent)` to `(L, h, w)`, between 0 and 1.

        Arguments:
            codes: z.
            opening: As above.
        """
        window: Tensor = self.window  # type: ignore[assignment]
        if opening is not None:
            window = window * aperture_window(window.shape[1], opening).to(window)
        start: Tensor = self.start  # type: ignore[assignment]
        return torch.sigmoid(self.generator(codes) + start) * window
