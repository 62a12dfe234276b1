"""The parts of a picture that the windows of a line's positions cover."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["cut_windows"]


def cut_windows(picture: Tensor, positions: int, window: int, step: int, offset: int) -> Tensor:
    """The part of a picture that every window covers; zero beyond its edges.

    Arguments:
        picture: `(B, C, H, W)`.
        positions: T.
        window: Width of a window in pixels.
        step: Pixels between two windows.
        offset: Left edge of the first window in pixels.

    Returns:
        `(B, T, C, H, window)`.
    """
    right = (positions - 1) * step + offset + window - picture.shape[-1]
    wide = F.pad(picture, (-offset, right))  # a negative pad cuts
    return wide.unfold(3, window, step).permute(0, 3, 1, 2, 4)
