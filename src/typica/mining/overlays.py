"""Typicality as colour, and pictures and patches small enough for a page."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..values import Box

__all__ = [
    "COLOURS",
    "crop",
    "diverging",
    "encode_webp",
    "quantised",
    "reduced_map",
    "reduced_picture",
    "symmetric_scale",
]

COLOURS: tuple[tuple[int, int, int], ...] = (
    (21, 67, 117),
    (52, 117, 173),
    (120, 171, 208),
    (189, 214, 231),
    (245, 243, 238),
    (250, 208, 172),
    (238, 148, 98),
    (205, 79, 51),
    (138, 26, 35),
)
"""From most negative (blue) to most positive (red), evenly spaced; the middle, zero, is the
colour of paper. Lightness falls evenly to both sides; the sign is also told by hatching."""


def diverging(values: NDArray[np.floating], scale: float) -> NDArray[np.uint8]:
    """Colour values on the diverging scale, linearly between its colours.

    Arguments:
        values: Of any shape; NaN is shown as zero.
        scale: Values of at least this size get the last colour; above 0.

    Returns:
        uint8 `(..., 3)`.
    """
    clean = np.nan_to_num(np.asarray(values, np.float64), nan=0.0)
    place = (clean / scale).clip(-1, 1) * 0.5 + 0.5
    stops = np.linspace(0, 1, len(COLOURS))
    table = np.asarray(COLOURS, np.float64)
    channels = [np.interp(place, stops, table[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def symmetric_scale(values: NDArray[np.floating], quantile: float = 0.98) -> float:
    """A round scale that most values stay within: the next of 1, 1.5, 2, 3, 5, 7 x 10^n.

    Arguments:
        values: Of any shape.
        quantile: Share of the absolute values that should stay within it.

    Returns:
        Above 0; 1 where there is nothing to go by.
    """
    finite = np.abs(np.asarray(values, np.float64)[np.isfinite(values)])
    top = float(np.quantile(finite, quantile)) if finite.size else 0.0
    if top <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(top))
    factor = next((f for f in (1, 1.5, 2, 3, 5, 7) if f * power >= top * (1 - 1e-9)), 10)
    return float(f"{factor * power:.6g}")


def reduced_map(values: NDArray[np.floating], longest: int) -> NDArray[np.float64]:
    """Average a map over equal cells, so that neither side has more than `longest`.

    The mean over the map is kept exactly (weights of cells that are cut are their areas).

    Arguments:
        values: `(h, w)`.
        longest: At least 1.

    Returns:
        `(h', w')`; the map itself if it is small enough.
    """
    result = np.asarray(values, np.float64)
    largest = max(result.shape)
    if largest <= longest:
        return result
    rows, columns = (max(1, round(side * longest / largest)) for side in result.shape)
    return area_weights(result.shape[0], rows) @ result @ area_weights(result.shape[1], columns).T


def area_weights(many: int, few: int) -> NDArray[np.float64]:
    """The matrix `(few, many)` that averages `many` equal cells over `few` equal stretches."""
    edges = np.linspace(0, many, few + 1)
    starts = np.arange(many)
    low = np.maximum(edges[:-1, None], starts)
    high = np.minimum(edges[1:, None], starts + 1)
    return (high - low).clip(0) * few / many


def quantised(values: NDArray[np.floating]) -> tuple[NDArray[np.int8], float]:
    """Values as signed bytes and the value of one step.

    Arguments:
        values: Of any shape; what is not finite becomes 0.

    Returns:
        int8 of the same shape, and the unit, above 0: `unit x byte` is within half a unit.
    """
    clean = np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    unit = float(np.abs(clean).max(initial=0.0)) / 127 or 1.0
    return np.rint(clean / unit).astype(np.int8), unit


def reduced_picture(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """A picture whose longer side is at most `longest`; never enlarged.

    Arguments:
        pixels: uint8 `(H, W, 3)`.
        longest: In pixels, at least 1.

    Returns:
        uint8 `(H', W', 3)`.
    """
    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    share = longest / max(height, width)
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def crop(pixels: NDArray[np.uint8], box: Box, width: int, height: int, side: int) -> Image.Image:
    """Cut a patch out and bring its longer side to `side` pixels.

    Arguments:
        pixels: The picture at any size, uint8 `(H, W, 3)`.
        box: In pixels of the original.
        width: Of the original.
        height: Of the original.
        side: Of the result, in pixels; reached also by enlarging, so that thumbnails agree.

    Returns:
        The patch. A box outside the picture is moved to its edge.
    """
    tall, wide = pixels.shape[:2]
    across, down = wide / width, tall / height
    left = min(max(box.left * across, 0.0), wide - 1.0)
    top = min(max(box.top * down, 0.0), tall - 1.0)
    right = min(max(box.right * across, left + 1.0), float(wide))
    bottom = min(max(box.bottom * down, top + 1.0), float(tall))
    share = side / max(box.width, box.height, 1e-9)
    size = (max(1, round(box.width * share)), max(1, round(box.height * share)))
    picture = Image.fromarray(pixels)
    return picture.resize(size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))


def encode_webp(picture: Image.Image | NDArray[np.uint8], quality: int) -> bytes:
    """A picture as WebP of a quality from 0 to 100."""
    buffer = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()
