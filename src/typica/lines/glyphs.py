r"""True glyph boxes: reading `glyphs.json` and attaching its boxes to the lines of a collection."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DataError
from .line import SPACE, Box, Glyph, LineCollection

__all__ = ["GLYPHS_FILE", "read_glyphs", "with_glyphs"]

GLYPHS_FILE = "glyphs.json"


def read_glyphs(folder: Path) -> dict[str, tuple[Glyph, ...]]:
    """The true glyph boxes of a rendered collection.

    Arguments:
        folder: The folder that holds `glyphs.json`:
            {id: [[symbol, left, top, right, bottom], …]}, pixels of the line image.

    Returns:
        For each line id its glyphs in reading order.

    Raises:
        DataError: The file is missing, no JSON, or holds anything but boxes.
    """
    path = Path(folder) / GLYPHS_FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Only rendered collections have glyph "
            "boxes; make one with `typica lines render`."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON ({error}). Render the collection again.") from error
    if not isinstance(table, dict):
        raise DataError(
            f"{path}: is no table of lines. It must be {{id: [[symbol, left, top, right, bottom], "
            "…]}. Render the collection again."
        )
    return {name: _glyphs_of(path, name, entries) for name, entries in table.items()}


def _glyphs_of(path: Path, name: str, entries: Any) -> tuple[Glyph, ...]:
    if not isinstance(entries, list):
        raise DataError(f"{path}: line {name} has no list of boxes. Render the collection again.")
    return tuple(_glyph_of(path, name, number, entry) for number, entry in enumerate(entries, 1))


def _glyph_of(path: Path, name: str, number: int, entry: Any) -> Glyph:
    where = f"{path}: line {name}, box {number}"
    if not (isinstance(entry, list) and len(entry) == 5 and isinstance(entry[0], str) and entry[0]):
        raise DataError(
            f"{where}: is not [symbol, left, top, right, bottom]. Render the collection again."
        )
    sides = entry[1:]
    # A bool is an int to Python; NaN and infinity are numbers to its JSON reader.
    if not all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in sides
    ):
        raise DataError(f"{where}: a side is no number. Render the collection again.")
    left, top, right, bottom = (float(v) for v in sides)
    if not (0 <= left < right and 0 <= top < bottom):
        raise DataError(
            f"{where}: left, top, right, bottom are {sides}, which is no box in an image. "
            "Render the collection again."
        )
    return Glyph(entry[0], Box(left, top, right, bottom))


def with_glyphs(collection: LineCollection) -> LineCollection:
    """The collection with the true glyph boxes of its root folder attached to its lines.

    Lines without an entry keep none. Entries of lines that the collection does not hold (set
    aside, or of another split) are ignored.

    Arguments:
        collection: A collection whose root holds `glyphs.json`.

    Returns:
        The same lines in the same order, with `glyphs`.

    Raises:
        DataError: As `read_glyphs`; or the boxes of a line are not those of its letters.
    """
    path = Path(collection.root) / GLYPHS_FILE
    table = read_glyphs(collection.root)
    lines = []
    for line in collection:
        glyphs = table.get(line.id, ())
        if glyphs and line.symbols is not None:
            letters = tuple(symbol for symbol in line.symbols if symbol != SPACE)
            boxed = tuple(glyph.symbol for glyph in glyphs)
            # Another normal form or a replacement table changes letters, not their number.
            if len(boxed) != len(letters):
                raise DataError(
                    f"{path}: line {line.id} has {len(boxed)} boxes but {len(letters)} letters. "
                    "Read the collection as plain text (no separator), or render it again."
                )
            glyphs = tuple(
                replace(glyph, symbol=letter) for glyph, letter in zip(glyphs, letters, strict=True)
            )
        lines.append(replace(line, glyphs=glyphs) if glyphs else line)
    return replace(collection, lines=tuple(lines))
