r"""Readings as files that other programs open: a table, PAGE XML, ALTO.

A reading is in pixels of its own line image, so each line image is one page of one line: one
XML file for each image, named after the line, in folders if its id has slashes.

The table is UTF-8 text with tabs, one header row, one row for each placed glyph:

    line          the id of the line
    index         position of the glyph in its line, from 0
    symbol        the character read
    left, top     upper left corner of its ink, in pixels of the line image
    right, bottom lower right corner, exclusive
    confidence    probability of the selected sprite, between 0 and 1
    scale         size relative to the sprite
    red, green, blue   mean colour, between 0 and 1
    space_before  1 if a word space comes before, else 0

Nothing is quoted. In `line` and `symbol` a backslash, tab, line break or other control
character is written as `\\`, `\t`, `\n`, `\r` or `\uXXXX`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..errors import DataError
from ..files import write_bytes, write_text
from .alto_xml import alto_xml
from .export_values import number
from .page_xml import page_xml
from .reading import LineReading

__all__ = [
    "TSV_COLUMNS",
    "alto_xml",
    "export_path",
    "page_xml",
    "readings_to_alto",
    "readings_to_page",
    "readings_to_tsv",
    "tsv_text",
]

TSV_COLUMNS = (
    "line",
    "index",
    "symbol",
    "left",
    "top",
    "right",
    "bottom",
    "confidence",
    "scale",
    "red",
    "green",
    "blue",
    "space_before",
)

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def tsv_text(readings: Iterable[LineReading]) -> str:
    """Readings as a table of glyphs with tabs.

    Arguments:
        readings: What was read of some lines.

    Returns:
        The header row and one row for each glyph, each ended by a line feed.
    """
    rows = ["\t".join(TSV_COLUMNS)]
    for reading in readings:
        for index, glyph in enumerate(reading.glyphs):
            box = glyph.box
            places = (number(v, 2) for v in (box.left, box.top, box.right, box.bottom))
            values = (number(v) for v in (glyph.confidence, glyph.scale, *glyph.colour))
            space = "1" if glyph.space_before and index else "0"
            name, symbol = _escape(reading.line), _escape(glyph.symbol)
            rows.append("\t".join((name, str(index), symbol, *places, *values, space)))
    return "\n".join(rows) + "\n"


def readings_to_tsv(readings: Iterable[LineReading], path: Path) -> Path:
    """Write readings as a table of glyphs (see the columns at the top of this module).

    Arguments:
        readings: What was read of some lines.
        path: The file to write; replaced in one step if it exists.

    Returns:
        The file.
    """
    write_text(path, tsv_text(readings))
    return path


def readings_to_page(
    readings: Iterable[LineReading],
    folder: Path,
    images: Mapping[str, str] | None = None,
    created: datetime | None = None,
) -> list[Path]:
    """Write one PAGE XML file for each line image.

    Arguments:
        readings: What was read of some line images.
        folder: Where the files go, as `<id of the line>.xml`.
        images: The file name of the image of each line, as the files should name it; where
            it is missing, the id of the line stands for it.
        created: Date and time for the metadata; now if not given.

    Returns:
        The files, in the order of the readings.

    Raises:
        DataError: If the id of a line would lead out of the folder, or comes twice.
    """
    return _write_each(readings, folder, images, created, page_xml)


def readings_to_alto(
    readings: Iterable[LineReading],
    folder: Path,
    images: Mapping[str, str] | None = None,
    created: datetime | None = None,
) -> list[Path]:
    """Write one ALTO file for each line image.

    Arguments:
        readings: What was read of some line images.
        folder: Where the files go, as `<id of the line>.xml`.
        images: The file name of the image of each line, as the files should name it; where
            it is missing, the id of the line stands for it.
        created: Date and time for the metadata; now if not given.

    Returns:
        The files, in the order of the readings.

    Raises:
        DataError: If the id of a line would lead out of the folder, or comes twice.
    """
    return _write_each(readings, folder, images, created, alto_xml)


def export_path(folder: Path, line: str, suffix: str = ".xml") -> Path:
    """Where the file of one line goes.

    Arguments:
        folder: The folder of the export.
        line: The id of the line, perhaps with forward slashes.
        suffix: Added to the id, which may itself contain full stops.

    Returns:
        A path inside the folder.

    Raises:
        DataError: If the id is empty, absolute, climbs out of the folder or cannot be a file
            name.
    """
    parts = line.split("/")
    strange = (
        any(part in ("", ".", "..") for part in parts)
        or "\\" in line
        or any(unicodedata.category(character) in ("Cc", "Cs") for character in line)
        or PureWindowsPath(line).drive != ""
    )
    if strange:
        raise DataError(
            f"line id {line!r} cannot name a file inside {folder}: rename the line (no empty "
            "part, no '..', no backslash, no drive, no control character)"
        )
    place = PurePosixPath(*parts)
    return folder.joinpath(*place.parent.parts, place.name + suffix)


def _write_each(
    readings: Iterable[LineReading],
    folder: Path,
    images: Mapping[str, str] | None,
    created: datetime | None,
    render: Callable[[LineReading, str, datetime | None], bytes],
) -> list[Path]:
    written: dict[Path, None] = {}
    for reading in readings:
        path = export_path(Path(folder), reading.line)
        if path in written:
            raise DataError(
                f"line '{reading.line}' has two readings for {path}: give each line once"
            )
        image = (images or {}).get(reading.line, reading.line)
        write_bytes(path, render(reading, image, created))
        written[path] = None
    return list(written)


def _escape(text: str) -> str:
    return "".join(_ESCAPES.get(character) or _plain(character) for character in text)


def _plain(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return f"\\u{ord(character):04x}"
    return character
