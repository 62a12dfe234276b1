"""Occurrences of letters cut from the pictures of their lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..lines.line import Box
from ..pixel_file import read_index
from .occurrences import Occurrences

__all__ = ["KeptLines", "cut_box", "kept_lines", "occurrence_box"]

Pixels = NDArray[np.uint8]


class KeptLines:
    """The lines of a job as its cache keeps them: they can be shown when the originals are gone.

    Arguments:
        pixels: All lines, one after another, bytes.
        starts: Of every line.
        widths: The same.
        height: Of all lines.
    """

    def __init__(
        self, pixels: Pixels, starts: Sequence[int], widths: Sequence[int], height: int
    ) -> None:
        self._pixels, self._starts, self._widths = pixels, starts, widths
        self.height = height

    def __len__(self) -> int:
        return len(self._widths)

    def __getitem__(self, number: int) -> Pixels:
        """The picture of one line, `(height, width, 3)`."""
        start, width = self._starts[number], self._widths[number]
        size = self.height * width * 3
        return self._pixels[start : start + size].reshape(self.height, width, 3)


def kept_lines(folder: Path, lines: int) -> KeptLines | None:
    """Open the lines that a job kept, without the data that they came from.

    Arguments:
        folder: That of `typica palaeography adapt`.
        lines: How many there must be.

    Returns:
        None if they are not there any more, or are those of another job.
    """
    for data in sorted((folder / "cache").glob("lines-*.u8")):
        about = data.with_name(data.stem.rpartition("-")[0] + ".json")
        index = read_index(data, about, lambda found: len(found["widths"]) == lines)
        if index is None or not sum(index["widths"]):
            continue
        height, rest = divmod(index["bytes"], 3 * sum(index["widths"]))
        if not rest:
            pixels = np.memmap(data, np.uint8, "r")
            return KeptLines(np.asarray(pixels), index["offsets"], index["widths"], height)
    return None


def occurrence_box(occurrences: Occurrences, number: int, part: Box) -> Box:
    """Where a part of a sprite lies on its line.

    Arguments:
        occurrences: All of them.
        number: Which.
        part: In pixels of the sprite.

    Returns:
        In pixels of the line at the model's height.
    """
    scale = float(occurrences.scale[number])
    left, top = float(occurrences.left[number]), float(occurrences.top[number])
    return Box(
        left + scale * part.left,
        top + scale * part.top,
        left + scale * part.right,
        top + scale * part.bottom,
    )


def cut_box(picture: Pixels, box: Box, size: tuple[int, int] | None = None) -> Pixels:
    """Cut a box out of a picture; what lies outside repeats the picture's edge.

    Arguments:
        picture: Bytes `(h, w, 3)`.
        box: In its pixels; may reach beyond.
        size: Height and width of the result; by default the box rounded outward, not resampled.
    """
    left, top = math.floor(box.left), math.floor(box.top)
    right, bottom = max(math.ceil(box.right), left + 1), max(math.ceil(box.bottom), top + 1)
    rows = np.arange(top, bottom).clip(0, picture.shape[0] - 1)
    columns = np.arange(left, right).clip(0, picture.shape[1] - 1)
    part = np.ascontiguousarray(picture[rows[:, None], columns[None]])
    if size is None:
        return part
    within = (box.left - left, box.top - top, box.right - left, box.bottom - top)
    taken = Image.fromarray(part).resize((size[1], size[0]), Image.Resampling.BILINEAR, box=within)
    return np.asarray(taken)
