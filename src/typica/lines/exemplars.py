r"""Exemplars: pictures of single characters, cut out of lines or kept as files.

An exemplar is as high as the line that it is from, so that an apostrophe is no comma. In a folder
every picture is named by its character, in one of two ways:

- `a.png`, with `a-1.png`, `a-2.png` where there are several;
- `a/anything.png`, a folder for every character.

A name may also be the code points, `U+0041.png` or `U+0061+0308-2.png`, for file systems that know
no case and for characters that a file name cannot hold.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..picture_files import is_picture
from .line import Box

__all__ = [
    "Exemplar",
    "cut_exemplar",
    "exemplar_files",
    "framed",
    "ink_of",
    "named_symbol",
    "scaled",
]

Floats = NDArray[np.float32]

_NUMBERED = re.compile(r"(.+?)(?:-(\d+))?", re.DOTALL)
_LEAST_CONTRAST = 24.0  # grey levels of 255: below it a line has no ink, only noise


@dataclass(frozen=True, eq=False)
class Exemplar:
    """One picture of one character.

    Arguments:
        symbol: The character.
        ink: Height of a line × width of the glyph, 0 for paper and 1 for full ink.
        top: First row with ink of the glyph, in pixels.
        bottom: Row after its last one.
    """

    symbol: str
    ink: Floats
    top: float
    bottom: float

    @property
    def width(self) -> int:
        """Width of the glyph's box in pixels."""
        return int(self.ink.shape[1])


def ink_of(image: NDArray[np.uint8]) -> Floats:
    """How much ink every pixel holds, whatever the colours of paper and ink.

    Arguments:
        image: `(H, W, 3)`, 0 to 255.

    Returns:
        `(H, W)` in [0, 1]: 0 at the brightness of the paper (the median of the brighter three
        quarters) and above, 1 at that of the darkest fiftieth and below.
    """
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    if not grey.size:
        return grey
    paper = float(np.quantile(grey, 0.625))
    dark = float(np.quantile(grey, 0.02))
    reach = max(_LEAST_CONTRAST, paper - dark)
    return np.asarray(np.clip((paper - grey) / reach, 0, 1), np.float32)


def cut_exemplar(ink: Floats, box: Box, symbol: str) -> Exemplar:
    """Cut a glyph out of a line by its box; what is above and below the box becomes paper.

    Arguments:
        ink: The line, `(H, W)`.
        box: In pixels of `ink`; every pixel that it touches by more than a quarter is taken,
            at least one.
        symbol: What it shows.

    Returns:
        The exemplar, `H` rows high and as wide as the box.
    """
    height, width = ink.shape
    left, right = _whole(box.left, box.right, width)
    top, bottom = _whole(box.top, box.bottom, height)
    out = np.zeros((height, right - left), np.float32)
    out[top:bottom] = ink[top:bottom, left:right]
    return Exemplar(symbol, out, top, bottom)


def _whole(low: float, high: float, end: int) -> tuple[int, int]:
    """The whole pixels between two borders, within 0 to `end`, at least one."""
    first = min(max(0, math.floor(low + 0.25)), end - 1)
    return first, max(first + 1, min(end, math.ceil(high - 0.25)))


def scaled(box: Box, across: float, down: float) -> Box:
    """A box in an image whose width and height were multiplied by these factors."""
    return Box(box.left * across, box.top * down, box.right * across, box.bottom * down)


def named_symbol(name: str) -> str:
    """The character that an exemplar or a folder of them is named by: itself, or its code points.

    Arguments:
        name: Such as `a`, or `U+0061+0308`.
    """
    if name.upper().startswith("U+") and len(name) > 2:
        try:
            return unicodedata.normalize(
                "NFC", "".join(chr(int(part, 16)) for part in name[2:].upper().split("+"))
            )
        except (ValueError, OverflowError):
            pass
    return unicodedata.normalize("NFC", name)


def exemplar_files(folder: Path) -> list[tuple[str, Path]]:
    """The pictures of a folder of exemplars and the characters that they show.

    Arguments:
        folder: `a.png`, `a-1.png`, or `a/anything.png`; both may stand side by side.

    Returns:
        Characters and files, the files of one character after each other in the order of their
        numbers or names; empty if there is none.
    """
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            files = sorted(p for p in path.iterdir() if p.is_file() and is_picture(p.name))
            found += [(named_symbol(path.name), 0, p) for p in files]
        elif is_picture(path.name):
            name, number = _NUMBERED.fullmatch(path.stem).groups()  # type: ignore[union-attr]
            found.append((named_symbol(name), int(number or 0), path))
    return [(symbol, path) for symbol, _, path in sorted(found, key=lambda one: one[:2])]


def framed(picture: np.ndarray) -> np.ndarray:
    """A glyph with paper on both sides: a wide one alone would be mostly ink, not paper.

    Arguments:
        picture: Bytes with shape `(H, W, 3)`.

    Returns:
        `(H, W + 2 H, 3)`: H columns of the paper's colour, as its upper and lower edge show it, on
        each side.
    """
    edge = np.concatenate([picture[0], picture[-1]]).reshape(-1, 3)
    light = edge @ np.array([0.299, 0.587, 0.114])
    paper = np.median(edge[light >= np.quantile(light, 0.5)], axis=0)
    sheet = np.empty((picture.shape[0], picture.shape[1] + 2 * picture.shape[0], 3), np.uint8)
    sheet[:] = np.rint(paper).astype(np.uint8)
    sheet[:, picture.shape[0] : -picture.shape[0]] = picture
    return sheet
