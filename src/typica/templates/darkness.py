"""A line as one number per pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["darkness"]

Colour = tuple[float, float, float]

_DARKEST = 1.25
"""What is darker than the ink (a blot) counts no more than this."""


def darkness(image: NDArray[np.uint8], paper: Colour, ink: Colour) -> NDArray[np.float32]:
    """How far every pixel lies on the way from the paper's colour to the ink's.

    Arguments:
        image: `(H, w, 3)`, 0 to 255.
        paper: Red, green, blue in [0, 1].
        ink: Red, green, blue in [0, 1].

    Returns:
        `(H, w)`, 0 for paper, 1 for ink, at most 1.25.
    """
    way = np.array(ink, np.float32) - np.array(paper, np.float32)
    length = float(way @ way)
    if length == 0:
        return np.zeros(image.shape[:2], np.float32)
    pixels = image.astype(np.float32) / 255 - np.array(paper, np.float32)
    return np.clip(pixels @ (way / length), 0, _DARKEST)
