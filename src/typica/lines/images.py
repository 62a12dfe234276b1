"""The pixels of text lines: reading, cutting out of a page, resizing, the colour of the paper.

All pictures are arrays of bytes, `(height, width, 3)`, red green blue, between 0 and 255.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..errors import DataError
from ..picture_files import Words, holds_more, opened, pixels_of, upright_size
from .line import Line

__all__ = [
    "decoding_order",
    "has_more_pictures",
    "image_size",
    "line_image",
    "line_origin",
    "line_size",
    "paper_colour",
    "read_image",
    "resize_line",
    "resized_width",
]

_WORDS = Words(
    article="an",
    noun="image",
    foreign="Save it as PNG, JPEG or TIFF.",
    missing="cannot be opened ({reason}). Check that the image is there and may be read.",
)
_SAMPLE = 1 << 16
_FARTHEST = 1e7  # pixels from the corner of a page; more is damage, and more than Pillow counts


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, from its header alone.

    Arguments:
        path: The image file.

    Returns:
        Width and height in pixels, as `read_image` would return it (turned upright).

    Raises:
        DataError: If the file is missing, no image that can be read, or too large.
    """
    with opened(path, _WORDS) as image:
        return upright_size(image)


def has_more_pictures(path: Path) -> bool:
    """True if a file holds more than the one picture that is read: an animation, or scans.

    Arguments:
        path: The image file; False if it cannot be opened.
    """
    try:
        with opened(path, _WORDS) as image:
            return holds_more(image)
    except DataError:
        return False


def read_image(
    path: Path, polygon: Sequence[tuple[float, float]] | None = None, margin: float = 0.0
) -> np.ndarray:
    """Read an image, or cut a polygon out of it.

    Transparent parts, and what lies outside the polygon, get the colour of the paper. An EXIF
    orientation is applied; 16-bit, palette, grey and CMYK pictures become red, green, blue.

    Arguments:
        path: The image file.
        polygon: Corner points `(x, y)` in pixels, origin at the top left; None for all.
        margin: By how many pixels the polygon is widened on every side.

    Returns:
        Bytes with shape `(height, width, 3)`.

    Raises:
        DataError: If the file cannot be decoded, is too large, or the polygon misses it.
    """
    if polygon is None:
        return _decode(path)
    try:
        state = path.stat()
    except OSError as error:
        raise _WORDS.no_file(path, error) from error
    return _cut(_page(path, state.st_mtime_ns, state.st_size), polygon, margin, path)


def line_image(line: Line) -> np.ndarray:
    """The picture of one line, cut out of its page if it lies on one.

    Arguments:
        line: The line.

    Returns:
        Bytes with shape `(height, width, 3)`.

    Raises:
        DataError: If the image cannot be decoded.
    """
    return read_image(line.path, line.polygon, line.margin)


def line_origin(line: Line) -> tuple[int, int]:
    """Where the upper left pixel of `line_image(line)` lies on the image file.

    Arguments:
        line: The line.

    Returns:
        `(x, y)` in pixels of the upright page; `(0, 0)` if the image is the line alone.

    Raises:
        DataError: If the image cannot be opened, or the polygon misses it.
    """
    if line.polygon is None:
        return 0, 0
    left, top, _, _ = _extent(line.polygon, line.margin, image_size(line.path), line.path)
    return left, top


def line_size(line: Line) -> tuple[int, int]:
    """The size of `line_image(line)`, from the header of the image file alone.

    Arguments:
        line: The line.

    Returns:
        Width and height in pixels.

    Raises:
        DataError: If the image cannot be opened, or the polygon misses it.
    """
    size = image_size(line.path)
    if line.polygon is None:
        return size
    left, top, right, bottom = _extent(line.polygon, line.margin, size, line.path)
    return right - left, bottom - top


def decoding_order(lines: Sequence[Line]) -> list[int]:
    """The order in which to ask for line images, so that every page is decoded once.

    Arguments:
        lines: The lines, in any order.

    Returns:
        Every index into `lines` once; lines of one image file follow each other.
    """
    first: dict[Path, int] = {}
    for number, line in enumerate(lines):
        first.setdefault(line.path, number)
    return sorted(range(len(lines)), key=lambda number: first[lines[number].path])


def resized_width(width: int, height: int, target: int) -> int:
    """The width of a line, in pixels, once its height is brought to `target`; at least 1."""
    return max(1, round(width * target / height))


def resize_line(image: np.ndarray, height: int) -> np.ndarray:
    """Bring a line to a height, antialiased, keeping its proportions.

    Arguments:
        image: Bytes with shape `(h, w, 3)`.
        height: The new height in pixels.

    Returns:
        Bytes with shape `(height, max(1, round(w * height / h)), 3)`.
    """
    old_height, old_width = image.shape[:2]
    width = resized_width(old_width, old_height, height)
    if (old_height, old_width) == (height, width):
        return np.ascontiguousarray(image)
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def paper_colour(image: np.ndarray) -> np.ndarray:
    """The colour of the paper of a line: what most of it has where there is no ink.

    The darkest quarter, which holds the ink, is left out; the median of the rest is the paper.
    It stays right while ink covers less than about half of the line, and for light ink on a
    dark ground.

    Arguments:
        image: Bytes with shape `(..., 3)`.

    Returns:
        Red, green and blue with shape `(3,)`, floats between 0 and 1. White if there is no pixel.
    """
    pixels = image.reshape(-1, 3)
    if not len(pixels):
        return np.ones(3)
    pixels = pixels[:: max(1, len(pixels) // _SAMPLE)]
    light = pixels.astype(np.int32) @ np.array([299, 587, 114])
    threshold = np.partition(light, len(light) // 4)[len(light) // 4]
    return np.median(pixels[light >= threshold], axis=0) / 255.0


def _decode(path: Path) -> np.ndarray:
    """All pixels of an image file, upright, over the colour of its paper."""
    with opened(path, _WORDS) as image:
        return pixels_of(image, _paper_behind)


def _paper_behind(pixels: np.ndarray) -> np.ndarray:
    """The colour of the paper, from 0 to 255, of what is not transparent."""
    return paper_colour(pixels[pixels[:, :, 3] > 127][:, :3]) * 255.0


@functools.lru_cache(maxsize=1)
def _page(path: Path, mtime: int, size: int) -> np.ndarray:
    """The last page: its lines are usually asked for one after the other."""
    del mtime, size  # part of the key only
    page = _decode(path)
    page.flags.writeable = False
    return page


def _extent(
    polygon: Sequence[tuple[float, float]], margin: float, size: tuple[int, int], path: Path
) -> tuple[int, int, int, int]:
    """Left, top, right and bottom (exclusive) of what is cut out of a page of some size."""
    corners = np.asarray(polygon, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise DataError(f"{path}: a polygon needs at least three points. Correct the outline.")
    if not np.isfinite(corners).all():
        raise DataError(f"{path}: a polygon has a point that is no number. Correct the outline.")
    if np.abs(corners).max() > _FARTHEST:
        raise DataError(
            f"{path}: a polygon has a point {np.abs(corners).max():.3g} pixels away. Correct the "
            "outline."
        )
    low = np.floor(corners.min(axis=0) - margin)
    # The end is exclusive; a polygon that is a mere line still has one pixel.
    high = np.maximum(np.ceil(corners.max(axis=0) + margin), low + 1)
    left, top = (int(value) for value in np.clip(low, 0, size))
    right, bottom = (int(value) for value in np.clip(high, 0, size))
    if right <= left or bottom <= top:
        raise DataError(
            f"{path}: the outline of a line lies outside the page ({size[0]} x {size[1]} pixels). "
            "Check that the outline belongs to this image."
        )
    return left, top, right, bottom


def _cut(
    page: np.ndarray, polygon: Sequence[tuple[float, float]], margin: float, path: Path
) -> np.ndarray:
    """Cut a polygon, widened by `margin` pixels, out of a page."""
    height, width = page.shape[:2]
    left, top, right, bottom = _extent(polygon, margin, (width, height), path)
    piece = page[top:bottom, left:right].copy()
    mask = Image.new("1", (right - left, bottom - top))
    pen = ImageDraw.Draw(mask)
    points = [(float(x) - left, float(y) - top) for x, y in polygon]
    pen.polygon(points, fill=1, outline=1)
    if margin >= 0.5:
        # A thick outline widens the polygon evenly, wherever it turns.
        pen.line([*points, *points[:2]], fill=1, width=round(2 * margin), joint="curve")
    inside = np.asarray(mask)
    if not inside.any():
        return piece
    piece[~inside] = np.round(paper_colour(piece[inside]) * 255.0).astype(np.uint8)
    return piece
