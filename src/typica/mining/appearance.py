"""What a patch looks like, without any network: gradients and colours.

Descriptors of the kind that mining used before it had networks (Doersch et al. 2012): a histogram
of oriented gradients (Dalal and Triggs 2005) of the lightness, and a thumbnail in Lab. They are
computed for many patches at a time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["SIDE", "crop", "gradients", "lab", "raw_pixels", "thumbnails"]

SIDE = 32
"""Pixels of a side that every patch is brought to."""

_CELL, _BINS, _THUMBNAIL = 8, 9, 8


def crop(pixels: NDArray[np.uint8], x: int, y: int, side: int) -> NDArray[np.uint8]:
    """A square of a picture, brought to `SIDE`.

    Arguments:
        pixels: `(H, W, 3)`.
        x: Its left edge.
        y: Its top edge.
        side: In pixels.

    Returns:
        `(SIDE, SIDE, 3)`.
    """
    patch = Image.fromarray(np.ascontiguousarray(pixels[y : y + side, x : x + side]))
    return np.asarray(patch.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def lab(colours: NDArray[np.floating]) -> NDArray[np.float32]:
    """CIE Lab of sRGB colours under daylight (D65).

    Arguments:
        colours: `(..., 3)`, from 0 to 1.

    Returns:
        Same shape: L from 0 to 100, a and b about from -100 to 100.
    """
    colours = colours.astype(np.float32)
    linear = np.where(colours > 0.04045, ((colours + 0.055) / 1.055) ** 2.4, colours / 12.92)
    to_xyz = np.array(
        [
            [0.412453, 0.357580, 0.180423],
            [0.212671, 0.715160, 0.072169],
            [0.019334, 0.119193, 0.950227],
        ],
        dtype=np.float32,
    )
    white = np.array([0.95047, 1.0, 1.08883], dtype=np.float32)
    xyz = linear @ to_xyz.T / white
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).astype(np.float32)


def gradients(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Histograms of oriented gradients: 9 directions, cells of 8 pixels, blocks of 2 x 2 cells.

    Arguments:
        grey: `(N, SIDE, SIDE)`, from 0 to 1.

    Returns:
        `(N, 324)`, every block of length 1 (or 0, where it is flat), values above 0.2 clipped.
    """
    count = len(grey)
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(down, across)
    angle = np.arctan2(down, across) * (180 / np.pi) % 180
    place = np.minimum((angle * (_BINS / 180)).astype(np.int8), _BINS - 1)
    cells = SIDE // _CELL
    shape = (count, cells, _CELL, cells, _CELL)
    histogram = np.stack(
        [
            np.where(place == b, strength, 0).reshape(shape).sum((2, 4)) / _CELL**2
            for b in range(_BINS)
        ],
        -1,
    )  # (N, 4, 4, 9)
    blocks = np.stack(
        [
            histogram[:, i : i + 2, j : j + 2].reshape(count, -1)
            for i in range(cells - 1)
            for j in range(cells - 1)
        ],
        1,
    )  # (N, 9, 36)
    for limit in (0.2, None):
        blocks = blocks / np.sqrt(np.square(blocks).sum(-1, keepdims=True) + 1e-10)
        if limit is not None:
            blocks = np.minimum(blocks, limit)
    return blocks.reshape(count, -1).astype(np.float32)


def thumbnails(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Lab thumbnails of 8 x 8.

    Arguments:
        patches: `(N, SIDE, SIDE, 3)`.

    Returns:
        `(N, 192)`.
    """
    step = SIDE // _THUMBNAIL
    shape = (len(patches), _THUMBNAIL, step, _THUMBNAIL, step, 3)
    small = patches.reshape(shape).mean((2, 4), dtype=np.float32) / np.float32(255)
    return lab(small).reshape(len(patches), -1)


def raw_pixels(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey values themselves, 16 x 16, so that the nearest patch is the best correlated one.

    A cruder eye than gradients and colours, but one that shares nothing with methods that mine by
    these.

    Arguments:
        patches: `(N, SIDE, SIDE, 3)`.

    Returns:
        `(N, 256)`, of mean 0 and length 1 (0, where a patch is flat): the squared distance of two
        is 2 less twice their correlation.
    """
    grey = patches.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    shape = (len(grey), SIDE // 2, 2, SIDE // 2, 2)
    small = grey.reshape(shape).mean((2, 4)).reshape(len(grey), -1)
    small = small - small.mean(1, keepdims=True)
    length = np.linalg.norm(small, axis=1, keepdims=True)
    return (small / np.where(length > 1e-2, length, np.inf)).astype(np.float32)
