"""Where and how a sprite is drawn: colour, isotropic scale and shift (appendix B.3).

Only scale and shift exist, so the bilinear warp separates into one product over the rows and
one over the columns; both are batched over all positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .config import PlacementConfig

__all__ = ["Placement", "Placer", "bilinear_taps", "placement_from_raw", "warp"]


@dataclass(frozen=True)
class Placement:
    """How the sprite of every position is drawn.

    Arguments:
        scale: Displayed size over native size, `(B, T)`, above 0.
        shift: Right and down from the middle of the window, in pixels, `(B, T, 2)`.
        colour_raw: The colour network's output, `(B, T, 3)`, unbounded.
    """

    scale: Tensor
    shift: Tensor
    colour_raw: Tensor


def placement_from_raw(
    raw: Tensor, config: PlacementConfig, height: int, sprite: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Scale and shift from the unbounded output of the position network.

    `clamp`: the sampling grid is `diag(exp(r)) + clamp(t, -1, 1)` in units of the sprite's
    half sides, so the displayed scale is exp(-r) and the shift -t times half the displayed
    side. `soft`: log-scale and shift are bounded by a tanh, in units of the line height.

    Arguments:
        raw: `(B, T, 3)`: r, t_x, t_y.
        config: Kind and reach.
        height: H in pixels.
        sprite: h and w in pixels.

    Returns:
        Scale `(B, T)` and shift `(B, T, 2)` in pixels.
    """
    if config.shift == "clamp":
        scale = torch.exp(-raw[..., 0])
        x, y = raw[..., 1:].clamp(-1, 1).unbind(-1)
        half = torch.stack([x * (sprite[1] / 2), y * (sprite[0] / 2)], dim=-1)
        return scale, -half * scale[..., None]
    scale = torch.exp(config.scale_range * torch.tanh(raw[..., 0]))
    x, y = torch.tanh(raw[..., 1:]).unbind(-1)
    reach = (config.reach_x * height, config.reach_y * height)
    return scale, torch.stack([x * reach[0], y * reach[1]], dim=-1)


def bilinear_taps(length: int, size: int, scale: Tensor, shift: Tensor) -> Tensor:
    """Weights of bilinear sampling along one axis, zero outside the sprite.

    Arguments:
        length: Pixels of the window along the axis.
        size: Pixels of the sprite along the axis.
        scale: Displayed over native size, `(N,)`.
        shift: Of the sprite's middle from the window's middle, in pixels, `(N,)`.

    Returns:
        `(N, length, size)`.
    """
    window = torch.arange(length, device=scale.device) - (length - 1) / 2
    pixels = torch.arange(size, device=scale.device)
    place = (window - shift[:, None]) / scale[:, None] + (size - 1) / 2
    return (1 - (place[..., None] - pixels).abs()).clamp_(min=0)


def warp(sprites: Tensor, scale: Tensor, shift: Tensor, window: tuple[int, int]) -> Tensor:
    """Draw one sprite into each window: eq. of appendix B.3 with bilinear sampling.

    Equal to `grid_sample(bilinear, zeros, align_corners=False)` with the same affine map.

    Arguments:
        sprites: `(N, h, w)`.
        scale: `(N,)`.
        shift: `(N, 2)`, right and down, in pixels.
        window: Height and width of the window in pixels.

    Returns:
        `(N, *window)`.
    """
    rows = bilinear_taps(window[0], sprites.shape[1], scale, shift[:, 1])
    columns = bilinear_taps(window[1], sprites.shape[2], scale, shift[:, 0])
    return torch.bmm(torch.bmm(rows, sprites), columns.transpose(1, 2))


def head(features: int, outputs: int) -> nn.Sequential:
    last = nn.Linear(128, outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), last)


class Placer(nn.Module):
    """The networks t of colour and position: from a feature to a `Placement`.

    Arguments:
        features: D.
        config: Kind and reach.
        height: H in pixels.
        sprite: h and w in pixels.
        ink: Colour of the ink, `(3,)` in (0, 1); used by the `ink` parametrisation.
    """

    def __init__(
        self,
        features: int,
        config: PlacementConfig,
        height: int,
        sprite: tuple[int, int],
        ink: Tensor,
    ) -> None:
        super().__init__()
        self.config, self.height, self.sprite = config, height, sprite
        self.colour = head(features, 3)
        self.position = head(features, 3)
        self.register_buffer("ink", torch.logit(ink.clamp(0.02, 0.98)))

    def forward(self, features: Tensor) -> Placement:
        """From features `(B, T, D)` to where and how each position draws."""
        scale, shift = placement_from_raw(
            self.position(features), self.config, self.height, self.sprite
        )
        return Placement(scale, shift, self.colour(features))

    def colours(self, placement: Placement, blank: Tensor) -> Tensor:
        """The colour of every layer, `(B, T, 3)` between 0 and 1.

        Arguments:
            placement: Its raw colours.
            blank: Probability of the empty sprite, `(B, T)`; used by the `paper`
                parametrisation, where the composite colour is 0.5 (1 - p_blank).
        """
        if self.config.colour == "paper":
            start = 0.5 * (1 - blank)[..., None]
            return torch.sigmoid((1 + placement.colour_raw) * start)
        ink: Tensor = self.ink  # type: ignore[assignment]
        return torch.sigmoid(ink + placement.colour_raw)
