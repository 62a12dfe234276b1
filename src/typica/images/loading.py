"""The pixels of pictures at the size that they are worked on at."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .decoding import decode, shrink
from .picture import Picture
from .sizes import working_size

__all__ = ["load_pixels"]


def load_pixels(picture: Picture, size: int, factor: int) -> np.ndarray:
    """A picture at its working size.

    Arguments:
        picture: Which one.
        size: Length of the shorter side in pixels (`working_size`).
        factor: Pixels per cell of the codec; both sides become multiples of it.

    Returns:
        Bytes, red green blue, with shape `(height, width, 3)`: upright, transparency over white,
        resized with the Lanczos filter.

    Raises:
        DataError: If the file cannot be decoded, or is not the picture that was read before.
    """
    pixels = decode(picture.path)
    height, width = pixels.shape[:2]
    if (width, height) != (picture.width, picture.height):
        raise DataError(
            f"{picture.path}: is {width} x {height} now, and was {picture.width} x "
            f"{picture.height} when the collection was read. Start a new run with the new pictures."
        )
    return shrink(pixels, *working_size(width, height, size, factor))
