"""Pictures with boxes and typicality drawn over them (Fig. 4.12).

Colours tell places of one picture apart, which is what is measured: red is above the median of the
picture, blue below it, each picture on its own scale. Maps are blurred for the eye only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..values import Box
from .localisation import pixel_map
from .overlays import diverging

__all__ = ["boxed", "overlaid", "row_of", "sheet_of"]

LONGEST = 300
"""Pixels of the longer side of a panel."""
_GAP = 4
_LINE, _HALO = (255, 225, 0), (20, 20, 20)


def panel_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the panel of a picture."""
    share = LONGEST / max(width, height)
    return max(1, round(width * share)), max(1, round(height * share))


def boxed(pixels: NDArray[np.uint8], boxes: Sequence[Box]) -> Image.Image:
    """A picture at the size of a panel, with its boxes.

    Arguments:
        pixels: uint8 `(H, W, 3)`, the original.
        boxes: In its pixels.
    """
    height, width = pixels.shape[:2]
    size = panel_size(width, height)
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    _draw(picture, boxes, width, height)
    return picture


def overlaid(
    pixels: NDArray[np.uint8],
    values: NDArray[np.float32],
    boxes: Sequence[Box],
    blur: float,
) -> Image.Image:
    """A picture under the colours of its map, with its boxes.

    Arguments:
        pixels: uint8 `(H, W, 3)`, the original.
        values: T of every cell, `(h, w)`.
        boxes: In pixels of the original.
        blur: Of the map, over the shorter side.

    Returns:
        The panel. Where T hardly differs from its median the picture shows through.
    """
    height, width = pixels.shape[:2]
    size = panel_size(width, height)
    found = pixel_map(values, *size, blur=blur).astype(np.float64)
    found -= np.median(found)
    scale = float(np.quantile(np.abs(found), 0.98)) or 1.0
    strength = np.minimum(np.abs(found) / scale, 1)[..., None]
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS), np.float64)
    grey = small @ np.array([0.299, 0.587, 0.114])
    opacity = 0.1 + 0.7 * strength
    mixed = (1 - opacity) * grey[..., None] + opacity * diverging(found, scale)
    picture = Image.fromarray(np.rint(mixed).astype(np.uint8))
    _draw(picture, boxes, width, height)
    return picture


def _draw(picture: Image.Image, boxes: Sequence[Box], width: int, height: int) -> None:
    """Outlines of boxes of the original, seen on any ground."""
    draw = ImageDraw.Draw(picture)
    across, down = picture.width / width, picture.height / height
    for colour, grow, line in ((_HALO, 1, 4), (_LINE, 0, 2)):
        for box in boxes:
            left, top = round(box.left * across), round(box.top * down)
            right = max(left + 3, round(box.right * across) - 1)
            bottom = max(top + 3, round(box.bottom * down) - 1)
            frame = (left - grow, top - grow, right + grow, bottom + grow)
            draw.rectangle(frame, outline=colour, width=line)


def row_of(panels: Sequence[Image.Image]) -> Image.Image:
    """Panels side by side."""
    width = sum(one.width for one in panels) + _GAP * (len(panels) - 1)
    row = Image.new("RGB", (width, max(one.height for one in panels)), "white")
    left = 0
    for one in panels:
        row.paste(one, (left, 0))
        left += one.width + _GAP
    return row


def sheet_of(
    rows: Sequence[tuple[str, Sequence[tuple[str, Image.Image]]]], heads: Sequence[str]
) -> Image.Image:
    """One figure: a row per label, its examples side by side, with words above each.

    Arguments:
        rows: (label, [(words, picture)]).
        heads: Of the columns of examples.

    Returns:
        The figure, RGB, on white.
    """
    font, large = (ImageFont.load_default(size) for size in (14, 18))
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    names = [_latin(label) for label, _ in rows]
    margin = int(max(probe.textlength(name, large) for name in names)) + 24
    columns = max(len(examples) for _, examples in rows)
    widths = [
        max([e[c][1].width for _, e in rows if c < len(e)], default=0) + 24 for c in range(columns)
    ]
    heights = [max(picture.height for _, picture in examples) + 34 for _, examples in rows]
    top = 32
    sheet = Image.new("RGB", (margin + sum(widths), top + sum(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    for column in range(columns):
        draw.text((margin + sum(widths[:column]), 6), heads[column], "black", large)
    for name, (_, examples), height in zip(names, rows, heights, strict=True):
        draw.text((8, top + 20 + (height - 34) // 2 - 10), name, "black", large)
        for column, (words, picture) in enumerate(examples):
            left = margin + sum(widths[:column])
            draw.text((left, top), _latin(words), (90, 80, 70), font)
            sheet.paste(picture, (left, top + 20))
        top += height
    return sheet


def _latin(text: str) -> str:
    """What the built-in typeface can show of a text."""
    return text.encode("latin-1", "replace").decode("latin-1")
