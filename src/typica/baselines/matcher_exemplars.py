r"""Exemplars: one to five pictures of every character, and where they come from.

An exemplar is a glyph cut out of a line by its box and set, at the height on the line where it
stood, on empty paper; so an apostrophe is no comma. It may come from

- a folder `<character>/*.png`, each picture as high as the lines are (the folder may also be
  named by code points, `U+0041` or `U+0061+0308`, for file systems that know no case);
- a `glyphs.json` of boxes, which rendered lines have and a person can write by hand;
- a trained typewriter: the boxes of the letters that it read right on transcribed lines.

None is ever cut from a line of the split that is judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..lines.line import Box

__all__ = [
    "Exemplar",
    "canvas_columns",
    "chosen_exemplars",
    "cut_exemplar",
    "ink_of",
    "on_canvas",
    "scaled",
]

Floats = NDArray[np.float32]

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


def on_canvas(exemplars: Sequence[Exemplar], columns: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Exemplars in the middle of empty pictures of one width.

    Arguments:
        exemplars: At least one, of one height H.
        columns: Columns of two pixels, an odd number; the middle of a glyph comes to lie in the
            middle one. What is wider loses both ends.

    Returns:
        Pictures `(M, H, 2 * columns)` and which columns hold a part of the glyph `(M, columns)`.
    """
    wide = 2 * columns
    out = np.zeros((len(exemplars), exemplars[0].ink.shape[0], wide), np.float32)
    held = np.zeros((len(exemplars), columns), bool)
    for picture, mask, one in zip(out, held, exemplars, strict=True):
        ink = one.ink
        if one.width > wide:
            start = (one.width - wide) // 2
            ink = ink[:, start : start + wide]
        left = (wide - ink.shape[1]) // 2
        picture[:, left : left + ink.shape[1]] = ink
        mask[left // 2 : -(-(left + ink.shape[1]) // 2)] = True
    return out, held


def canvas_columns(exemplars: Iterable[Exemplar], longest: int) -> int:
    """The odd number of columns that `on_canvas` needs: the widest glyph's and one on each side.

    Arguments:
        exemplars: At least one.
        longest: Odd; no more than this.
    """
    widest = max(one.width for one in exemplars)
    return min(longest, 2 * (-(-widest // 4)) + 3)


def chosen_exemplars(found: Iterable[Exemplar], each: int, seed: int = 0) -> tuple[Exemplar, ...]:
    """At most `each` exemplars of every character, drawn at random, sorted by character.

    Arguments:
        found: All that there are, in a fixed order.
        each: How many to keep of one character, at least 1.
        seed: Another one draws others.

    Returns:
        The exemplars of one character after each other.
    """
    groups: dict[str, list[Exemplar]] = {}
    for one in found:
        groups.setdefault(one.symbol, []).append(one)
    kept: list[Exemplar] = []
    for number, symbol in enumerate(sorted(groups)):
        some = groups[symbol]
        rng = np.random.default_rng([seed, number])
        # drawn one after the other: more exemplars are the fewer ones and others
        kept += [some[int(i)] for i in rng.permutation(len(some))[:each]]
    return tuple(kept)


def scaled(box: Box, across: float, down: float) -> Box:
    """A box in an image whose width and height were multiplied by these factors."""
    return Box(box.left * across, box.top * down, box.right * across, box.bottom * down)
