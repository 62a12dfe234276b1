"""A sheet of pictures that a model draws, to look at while it learns."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw
from torch import Tensor

from .pixels import to_arrays

__all__ = ["sample_grid"]


def sample_grid(pictures: Tensor, labels: Sequence[str]) -> Image.Image:
    """A sheet of pictures, one row for every label, its name at the left.

    Arguments:
        pictures: `(labels x n, 3, H, W)`, in [-1, 1], the n of a label next to each other.
        labels: Their names.

    Returns:
        The sheet, RGB.
    """
    arrays = to_arrays(pictures)
    height, width = arrays.shape[1:3]
    columns, gap = len(arrays) // len(labels), 2
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    margin = int(max(probe.textlength(_latin(label)) for label in labels)) + 8
    size = (margin + columns * (width + gap), len(labels) * (height + gap))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for row, label in enumerate(labels):
        top = row * (height + gap)
        draw.text((4, top + height // 2 - 6), _latin(label), fill="black")
        for column in range(columns):
            picture = Image.fromarray(arrays[row * columns + column])
            sheet.paste(picture, (margin + column * (width + gap), top))
    return sheet


def _latin(text: str) -> str:
    """What the built-in typeface can show of a text."""
    return text.encode("latin-1", "replace").decode("latin-1")
