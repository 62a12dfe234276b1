r"""Readings as files that other programs open: a table, PAGE XML, ALTO.

Lines that were cut out of a page image share one XML file for each page, in pixels of the page,
named after the file that they were read from. A line image is a page of one line: one XML file
for each image, in pixels of the image, named after the line. Slashes in a name are folders.

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

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..errors import DataError
from ..files import write_bytes
from .alto_xml import alto_document, alto_xml
from .export_values import number
from .page_reading import PageReading
from .page_xml import page_document, page_xml
from .reading import LineReading

__all__ = [
    "TSV_COLUMNS",
    "alto_xml",
    "escape",
    "export_names",
    "export_path",
    "page_xml",
    "pages_to_alto",
    "pages_to_page",
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

_SUFFIXES = (".xml", ".txt", ".png")
_LONGEST = 200
"""Bytes of a part of a path: file systems take 255, and files are written under longer names."""

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
            name, symbol = escape(reading.line), escape(glyph.symbol)
            rows.append("\t".join((name, str(index), symbol, *places, *values, space)))
    return "\n".join(rows) + "\n"


def pages_to_page(
    pages: Sequence[PageReading],
    folder: Path,
    created: datetime | None = None,
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Write one PAGE XML file for each page.

    Arguments:
        pages: What was read of some pages (see `typica.typewriter.page_reading`).
        folder: Where the files go, as `<name of the page>.xml`, no two to the same place.
        created: Date and time for the metadata; now if not given.
        names: Under which names, where these pages are only some of those that go there.

    Returns:
        The files, in the order of the pages.

    Raises:
        DataError: If the name of a page would lead out of the folder.
    """
    return _write_pages(pages, folder, created, names, page_document)


def pages_to_alto(
    pages: Sequence[PageReading],
    folder: Path,
    created: datetime | None = None,
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Write one ALTO file for each page.

    Arguments:
        pages: What was read of some pages (see `typica.typewriter.page_reading`).
        folder: Where the files go, as `<name of the page>.xml`, no two to the same place.
        created: Date and time for the metadata; now if not given.
        names: Under which names, where these pages are only some of those that go there.

    Returns:
        The files, in the order of the pages.

    Raises:
        DataError: If the name of a page would lead out of the folder.
    """
    return _write_pages(pages, folder, created, names, alto_document)


def export_names(names: Iterable[str]) -> list[str]:
    """Names that can be file names side by side, also where capitals do not count.

    Arguments:
        names: Ids of lines or names of pages, with forward slashes for folders.

    Returns:
        For each its own name if that is free, else with `~2`, `~3`, ... after it. Parts that
        are too long for a file name are cut and end in a digest of the whole.
    """
    short = ["/".join(_shortened(part) for part in name.split("/")) for name in names]
    taken: set[str] = set()
    for name in short:
        folders = name.split("/")[:-1]
        # A file must not stand where a folder does.
        taken.update(_folded("/".join(folders[: end + 1])) for end in range(len(folders)))
    found = []
    for name in short:
        unique, count = name, 1
        while any(_folded(unique + suffix) in taken for suffix in _SUFFIXES):
            count += 1
            unique = f"{name}~{count}"
        taken.update(_folded(unique + suffix) for suffix in _SUFFIXES)
        found.append(unique)
    return found


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


def _write_pages(
    pages: Sequence[PageReading],
    folder: Path,
    created: datetime | None,
    names: Sequence[str] | None,
    render: Callable[[PageReading, datetime | None], bytes],
) -> list[Path]:
    if names is None:
        names = export_names(page.name for page in pages)
    paths = [export_path(Path(folder), name) for name in names]
    for path, page in zip(paths, pages, strict=True):
        write_bytes(path, render(page, created))
    return paths


def _shortened(part: str) -> str:
    data = part.encode("utf-8", "surrogatepass")
    if len(data) <= _LONGEST:
        return part
    start = data[: _LONGEST - 17].decode("utf-8", "ignore")
    return f"{start}~{hashlib.sha256(data).hexdigest()[:16]}"


def _folded(name: str) -> str:
    """The same for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def escape(text: str) -> str:
    """The text with control characters and backslashes written as at the top of this module."""
    return "".join(_ESCAPES.get(character) or _plain(character) for character in text)


def _plain(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return f"\\u{ord(character):04x}"
    return character
