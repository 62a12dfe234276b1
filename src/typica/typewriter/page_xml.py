r"""A page as PAGE XML (PRImA page content, schema 2019-07-15), down to the glyph.

`PcGts / Page / TextRegion / TextLine / Word / Glyph`, each with `Coords` and `TextEquiv`.
Points are whole pixels of the image, boxes rounded outwards and at least one pixel wide.
The confidence of a word or line is the mean of its glyphs; a baseline that nobody drew is a
guess from the lower edges of the glyphs.

The location of the schema is written, because eScriptorium asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from lxml import etree

from .. import __version__
from ..lines.line import Points
from .export_values import (
    REPLACED,
    Names,
    around,
    baseline_of,
    confidence_of,
    number,
    replace_forbidden,
    split_words,
    whole_box,
    whole_outline,
)
from .page_reading import PageReading, PlacedLine, corners, page_of_line
from .reading import LineReading, PlacedGlyph

__all__ = ["PAGE_NAMESPACE", "page_document", "page_xml"]

PAGE_NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_LOCATION = f"{PAGE_NAMESPACE} {PAGE_NAMESPACE}/pagecontent.xsd"


def page_xml(reading: LineReading, image: str, created: datetime | None = None) -> bytes:
    """One reading of a line image as a PAGE XML file.

    Arguments:
        reading: What was read of one line image.
        image: The file name of the line image, as the file should name it.
        created: Date and time for the metadata; now if not given.

    Returns:
        The file: UTF-8 with XML declaration.
    """
    return page_document(page_of_line(reading, image), created)


def page_document(page: PageReading, created: datetime | None = None) -> bytes:
    """One page as a PAGE XML file.

    Arguments:
        page: What was read of the page.
        created: Date and time for the metadata; now if not given.

    Returns:
        The file: UTF-8 with XML declaration.
    """
    stamp = (created or datetime.now(UTC)).replace(microsecond=0).isoformat()
    root = etree.Element(_name("PcGts"), nsmap={None: PAGE_NAMESPACE, "xsi": _SCHEMA_INSTANCE})
    root.set(f"{{{_SCHEMA_INSTANCE}}}schemaLocation", _LOCATION)
    metadata = _add(root, "Metadata")
    _add(metadata, "Creator").text = f"typica {__version__}"
    _add(metadata, "Created").text = stamp
    _add(metadata, "LastChange").text = stamp
    element = _add(
        root,
        "Page",
        imageFilename=replace_forbidden(page.image),
        imageWidth=str(page.width),
        imageHeight=str(page.height),
    )
    names = Names()
    # Lines and regions choose first: their ids are those of the source.
    ids = [[names.take(line.name) for line in region.lines] for region in page.regions]
    blocks = [names.take(region.name) for region in page.regions]
    for block_name, region, inside in zip(blocks, page.regions, ids, strict=True):
        block = _add(element, "TextRegion", id=block_name)
        _add_points(block, "Coords", whole_outline(region.outline, page.width, page.height))
        for name, line in zip(inside, region.lines, strict=True):
            _add_line(block, name, line, names)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _add_line(region: etree._Element, name: str, line: PlacedLine, names: Names) -> None:
    reading = line.reading
    element = _add(region, "TextLine", id=name)
    _add_points(element, "Coords", whole_outline(line.outline, reading.width, reading.height))
    _add_points(element, "Baseline", baseline_of(line))
    for index, glyphs in enumerate(split_words(reading.glyphs)):
        _add_word(element, names.take(f"{name}_word_{index}"), glyphs, reading, names)
    _add_text(element, reading.text, reading.glyphs)


def _add_word(
    line: etree._Element,
    name: str,
    glyphs: Sequence[PlacedGlyph],
    reading: LineReading,
    names: Names,
) -> None:
    word = _add(line, "Word", id=name)
    _add_box(word, corners(around([glyph.box for glyph in glyphs])), reading)
    for index, glyph in enumerate(glyphs):
        element = _add(word, "Glyph", id=names.take(f"{name}_glyph_{index}"))
        _add_box(element, corners(glyph.box), reading)
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


def _add_box(parent: etree._Element, points: Points, reading: LineReading) -> None:
    box = whole_box(points, reading.width, reading.height)
    _add_points(parent, "Coords", corners(box))


def _add_points(parent: etree._Element, tag: str, points: Sequence[tuple[float, float]]) -> None:
    _add(parent, tag, points=" ".join(f"{number(x)},{number(y)}" for x, y in points))


def _add(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, _name(tag), attributes)


def _name(tag: str) -> str:
    return f"{{{PAGE_NAMESPACE}}}{tag}"
