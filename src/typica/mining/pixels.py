"""Between arrays of bytes and the tensors that a codec takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["to_arrays", "to_tensor"]


def to_tensor(arrays: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Pixels of pictures of one shape, for a codec.

    Arguments:
        arrays: Each `(H, W, 3)`, 0 to 255, all of one shape.

    Returns:
        `(N, 3, H, W)`, float32, in [-1, 1].
    """
    stacked = torch.from_numpy(np.stack(arrays))
    return stacked.permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1.0


def to_arrays(pixels: Tensor) -> NDArray[np.uint8]:
    """Bytes of pixels, the inverse of `to_tensor`; what lies outside [-1, 1] is cut off.

    Arguments:
        pixels: `(N, 3, H, W)`, about in [-1, 1].

    Returns:
        `(N, H, W, 3)`, 0 to 255.
    """
    levels = ((pixels.detach().float() + 1.0) * 127.5).round().clamp(0, 255)
    array: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    return array
