r"""What PAGE XML and ALTO have in common: words, boxes, text that XML can hold, confidence.

XML 1.0 forbids control characters (but tab, line feed, carriage return), lone surrogates,
U+FFFE and U+FFFF. Such a character in a symbol becomes U+FFFD, the replacement character, one
for one, and the file says so. Private-use characters are allowed and stay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean, median

from ..lines.line import Box
from .reading import LineReading, PlacedGlyph

__all__ = [
    "REPLACED",
    "around",
    "baseline_of",
    "confidence_of",
    "number",
    "replace_forbidden",
    "split_words",
]

REPLACED = "characters that XML forbids were replaced by U+FFFD"
"""What an exported file says of itself where `replace_forbidden` changed something."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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


def baseline_of(reading: LineReading) -> float:
    """A guess at the height of the baseline: the median lower edge of the glyphs, in pixels.

    Most letters stand on the baseline, so the median passes over descenders, commas and marks.
    Without glyphs it is the lower edge of the image.
    """
    if not reading.glyphs:
        return float(reading.height)
    return min(max(0.0, median(glyph.box.bottom for glyph in reading.glyphs)), reading.height)


def confidence_of(glyphs: Sequence[PlacedGlyph]) -> float:
    """The mean confidence of some glyphs (at least one), between 0 and 1."""
    return min(1.0, max(0.0, fmean(glyph.confidence for glyph in glyphs)))


def number(value: float, digits: int = 4) -> str:
    """A number as short decimal text, never with an exponent: `12`, `0.5`, `0.9871`."""
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
