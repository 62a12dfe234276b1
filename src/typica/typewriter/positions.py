"""Where the positions of a line are: what every model that is read at positions shares."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import TypewriterConfig
from .encoder import position_centre

__all__ = ["Positions"]


class Positions(nn.Module):
    """A model with a window of a line at every position, one every `step` pixels.

    Arguments:
        config: Its step, encoder, placement and width of the window.
    """

    def __init__(self, config: TypewriterConfig) -> None:
        super().__init__()
        self.config = config
        self.step = config.encoder.step
        self.centre = position_centre(config.encoder, config.placement.centred)

    @property
    def offset(self) -> int:
        """Left edge of the first window in pixels."""
        return self.centre - self.config.window_width // 2

    def cells(self, widths: Tensor) -> Tensor:
        """Number of positions of lines of these widths: those whose cell holds a pixel."""
        return torch.div(widths + self.step - 1, self.step, rounding_mode="floor")
