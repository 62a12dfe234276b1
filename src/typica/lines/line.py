"""One text line, its exact glyph boxes if they are known, and a collection of lines.

These are the values that every reader makes and every later stage takes. They hold no pixels:
an image is read when it is needed (`typica.lines.images`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..values import SPLITS, Box, Problem, Split

__all__ = [
    "SPACE",
    "SPLITS",
    "Box",
    "Glyph",
    "Line",
    "LineCollection",
    "PagePlace",
    "Points",
    "Problem",
    "Split",
]

SPACE = " "
"""The symbol of a word space in `Line.symbols`, whatever stood for it in the file."""

Points = tuple[tuple[float, float], ...]
"""Corner points `(x, y)` in pixels of an image, origin at the top left."""


@dataclass(frozen=True)
class Glyph:
    """The true place of one symbol on a line: known only for rendered lines.

    `box` is the tight box of the glyph's ink, in pixels of the line image.
    """

    symbol: str
    box: Box


@dataclass(frozen=True)
class PagePlace:
    """Where a line stands in the PAGE or ALTO file that it was read from.

    Arguments:
        page: The file relative to the data folder, without extension, with forward slashes.
        line: The id of the line in that file.
        region: The id of the region or text block around it; empty if there is none.
        region_outline: The outline of the region in page pixels; None if there is none.
        baseline: The baseline in page pixels; None if there is none.
    """

    page: str
    line: str
    region: str = ""
    region_outline: Points | None = None
    baseline: Points | None = None


@dataclass(frozen=True)
class Line:
    """One text line: where its picture is, and what is known of its text.

    Arguments:
        id: Unique in its collection, without extension, with forward slashes.
        path: The image file. A line image, or the page image if `polygon` is given.
        symbols: The text as grapheme clusters, `SPACE` for a word space; None if unknown.
        split: Which part of the collection it belongs to.
        document: The document (book, manuscript, page group) that it comes from.
        polygon: The outline of the line on the page image, in page pixels; None if `path` is
            the picture of the line alone.
        glyphs: The true glyph boxes, in reading order; empty if unknown.
        margin: By how many page pixels `polygon` is widened when the line is cut out.
        place: Where it stands in the file of its page; None if it comes from no such file.
        fields: What else the data says of it, as names and values (such as script or date).
    """

    id: str
    path: Path
    symbols: tuple[str, ...] | None
    split: Split = "train"
    document: str = ""
    polygon: Points | None = None
    glyphs: tuple[Glyph, ...] = ()
    margin: float = 0.0
    place: PagePlace | None = None
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str | None:
        """The transcription as one string; None if unknown."""
        return None if self.symbols is None else "".join(self.symbols)

    @property
    def letters(self) -> tuple[str, ...]:
        """The symbols without word spaces: what the sprites stand for. Empty if unknown."""
        return tuple(s for s in self.symbols or () if s != SPACE)


@dataclass(frozen=True)
class LineCollection:
    """The usable lines of one data set, in a fixed order, and what was set aside."""

    root: Path
    lines: tuple[Line, ...]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def where(self, keep: Callable[[Line], bool]) -> LineCollection:
        """The same collection with only the lines for which `keep(line)` is true."""
        return replace(self, lines=tuple(line for line in self.lines if keep(line)))

    def part(self, split: str) -> LineCollection:
        """The lines of one split (`train`, `val`, `test`), or of `all`."""
        return self if split == "all" else self.where(lambda line: line.split == split)

    def alphabet(self) -> tuple[str, ...]:
        """The distinct letters (no word space) of these lines, sorted by code point."""
        return alphabet_of(self.lines)

    def digest(self) -> str:
        """A digest of what can be learned from these lines: ids, splits and texts."""
        rows = [[line.id, line.split, line.symbols] for line in self.lines]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()[:16]


def alphabet_of(lines: Iterable[Line]) -> tuple[str, ...]:
    """The distinct letters (no word space) of some lines, sorted by code point."""
    return tuple(sorted({letter for line in lines for letter in line.letters}))
