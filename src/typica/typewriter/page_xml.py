r"""One reading as PAGE XML (PRImA page content, schema 2019-07-15), down to the glyph.

`PcGts / Page / TextRegion / TextLine / Word / Glyph`, each with `Coords` and `TextEquiv`.
Points are whole pixels of the line image, boxes rounded outwards and at least one pixel wide.
The confidence of a word or line is the mean of its glyphs; the baseline is a guess from the
lower edges of the glyphs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from lxml import etree

from .. import __version__
from ..lines.line import Box
from .export_values import (
    REPLACED,
    around,
    baseline_of,
    confidence_of,
    number,
    replace_forbidden,
    split_words,
)
from .reading import LineReading, PlacedGlyph

__all__ = ["PAGE_NAMESPACE", "page_xml"]

PAGE_NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"


def page_xml(reading: LineReading, image: str, created: datetime | None = None) -> bytes:
    """One reading as a PAGE XML file.

    Arguments:
        reading: What was read of one line image.
        image: The file name of the line image, as the file should name it.
        created: Date and time for the metadata; now if not given.

    Returns:
        The file: UTF-8 with XML declaration.
    """
    stamp = (created or datetime.now(UTC)).replace(microsecond=0).isoformat()
    root = etree.Element(_name("PcGts"), nsmap={None: PAGE_NAMESPACE})
    metadata = _add(root, "Metadata")
    _add(metadata, "Creator").text = f"typica {__version__}"
    _add(metadata, "Created").text = stamp
    _add(metadata, "LastChange").text = stamp
    page = _add(
        root,
        "Page",
        imageFilename=replace_forbidden(image),
        imageWidth=str(reading.width),
        imageHeight=str(reading.height),
    )
    whole = Box(0, 0, reading.width, reading.height)
    region = _add(page, "TextRegion", id="region")
    _add_coords(region, whole, reading)
    line = _add(region, "TextLine", id="line")
    _add_coords(line, whole, reading)
    height = round(baseline_of(reading))
    _add(line, "Baseline", points=f"0,{height} {reading.width},{height}")
    for index, glyphs in enumerate(split_words(reading.glyphs)):
        _add_word(line, f"word_{index}", glyphs, reading)
    _add_text(line, reading.text, reading.glyphs)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _add_word(
    line: etree._Element, name: str, glyphs: Sequence[PlacedGlyph], reading: LineReading
) -> None:
    word = _add(line, "Word", id=name)
    _add_coords(word, around([glyph.box for glyph in glyphs]), reading)
    for index, glyph in enumerate(glyphs):
        element = _add(word, "Glyph", id=f"{name}_glyph_{index}")
        _add_coords(element, glyph.box, reading)
        _add_text(element, glyph.symbol, [glyph])
    _add_text(word, "".join(glyph.symbol for glyph in glyphs), glyphs)


def _add_text(parent: etree._Element, text: str, glyphs: Sequence[PlacedGlyph]) -> None:
    safe = replace_forbidden(text)
    equivalent = _add(parent, "TextEquiv")
    if glyphs:
        equivalent.set("conf", number(confidence_of(glyphs)))
    if safe != text:
        equivalent.set("comments", REPLACED)
    _add(equivalent, "Unicode").text = safe


def _add_coords(parent: etree._Element, box: Box, reading: LineReading) -> None:
    left, right = _interval(box.left, box.right, reading.width)
    top, bottom = _interval(box.top, box.bottom, reading.height)
    points = f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}"
    _add(parent, "Coords", points=points)


def _interval(low: float, high: float, size: int) -> tuple[int, int]:
    """Whole pixels around an interval, inside the image, at least one pixel long."""
    start = min(max(0, math.floor(low)), max(0, size - 1))
    return start, min(max(start + 1, math.ceil(high)), max(start + 1, size))


def _add(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, _name(tag), attributes)


def _name(tag: str) -> str:
    return f"{{{PAGE_NAMESPACE}}}{tag}"
