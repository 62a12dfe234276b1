r"""What PAGE XML and ALTO have in common: words, places, text and ids that XML can hold.

XML 1.0 forbids control characters (but tab, line feed, carriage return), lone surrogates,
U+FFFE and U+FFFF. Such a character in a symbol becomes U+FFFD, the replacement character, one
for one, and the file says so. Private-use characters are allowed and stay.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import fmean, median

from ..lines.line import Box, Points
from .page_reading import PlacedLine, corners
from .reading import PlacedGlyph

__all__ = [
    "REPLACED",
    "Names",
    "around",
    "baseline_of",
    "confidence_of",
    "number",
    "replace_forbidden",
    "split_words",
    "whole_box",
    "whole_outline",
]

REPLACED = "characters that XML forbids were replaced by U+FFFD"
"""What an exported file says of itself where `replace_forbidden` changed something."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_LETTERS = "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131"
_NO_NAME = re.compile(f"[^{_LETTERS}0-9.-]")
_NAME_START = re.compile(f"[{_LETTERS}]")


def replace_forbidden(text: str) -> str:
    """The text with U+FFFD for every character that XML 1.0 cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def split_words(glyphs: Sequence[PlacedGlyph]) -> list[list[PlacedGlyph]]:
    """The glyphs cut into words at `space_before`; no word is empty."""
    words: list[list[PlacedGlyph]] = []
    for glyph in glyphs:
        if glyph.space_before or not words:
            words.append([])
        words[-1].append(glyph)
    return words


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box that holds all of some boxes (at least one)."""
    return Box(
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
    )


def whole_box(points: Sequence[tuple[float, float]], width: int, height: int) -> Box:
    """The box of whole pixels around some points, inside the image, at least one pixel large."""
    left, right = _interval(min(x for x, _ in points), max(x for x, _ in points), width)
    top, bottom = _interval(min(y for _, y in points), max(y for _, y in points), height)
    return Box(left, top, right, bottom)


def whole_outline(points: Points, width: int, height: int) -> list[tuple[int, int]]:
    """An outline in whole pixels inside the image; its box where too little of it is left.

    Arguments:
        points: The corners, in pixels of the image.
        width: Width of the image in pixels.
        height: Height of the image in pixels.

    Returns:
        At least three different points that span at least one pixel either way.
    """
    inside = _whole_points(points, width, height)
    if len(set(inside)) > 2 and all(len(set(axis)) > 1 for axis in zip(*inside, strict=True)):
        return inside
    return [(int(x), int(y)) for x, y in corners(whole_box(points, width, height))]


def baseline_of(line: PlacedLine) -> list[tuple[int, int]]:
    """The baseline of a line in whole pixels of its page: as it was drawn, else a guess.

    The guess is level, at the median lower edge of the glyphs: most letters stand on the
    baseline, so the median passes over descenders, commas and marks. Without glyphs it is the
    lower edge of the line.
    """
    width, height = line.reading.width, line.reading.height
    if line.baseline is not None:
        drawn = _whole_points(line.baseline, width, height)
        if len(drawn) > 1:
            return drawn
    box = whole_box(line.outline, width, height)
    level = box.bottom
    if line.reading.glyphs:
        level = median(glyph.box.bottom for glyph in line.reading.glyphs)
    level = round(min(max(box.top, level), box.bottom))
    return [(int(box.left), level), (int(box.right), level)]


def _whole_points(points: Points, width: int, height: int) -> list[tuple[int, int]]:
    """Rounded, moved into the image, without immediate repetitions."""
    found: list[tuple[int, int]] = []
    for x, y in points:
        point = round(min(max(0, x), width)), round(min(max(0, y), height))
        if not found or found[-1] != point:
            found.append(point)
    return found


def _interval(low: float, high: float, size: int) -> tuple[int, int]:
    """Whole pixels around an interval, inside the image, at least one pixel long."""
    start = min(max(0, math.floor(low)), max(0, size - 1))
    return start, min(max(start + 1, math.ceil(high)), max(start + 1, size))


class Names:
    """The ids of one XML file: each a valid name (xs:ID), and none twice.

    An id that is good stays as it is, because programs match lines by it.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        """The id to use for something that would like to be called `wanted`."""
        name = _NO_NAME.sub("_", wanted) or "_"
        if not _NAME_START.match(name):
            name = f"_{name}"
        unique, count = name, 1
        while unique in self._taken:
            count += 1
            unique = f"{name}_{count}"
        self._taken.add(unique)
        return unique


def confidence_of(glyphs: Sequence[PlacedGlyph]) -> float:
    """The mean confidence of some glyphs (at least one), between 0 and 1."""
    return min(1.0, max(0.0, fmean(glyph.confidence for glyph in glyphs)))


def number(value: float, digits: int = 4) -> str:
    """A number as short decimal text, never with an exponent: `12`, `0.5`, `0.9871`."""
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
