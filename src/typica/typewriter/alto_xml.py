r"""A page as ALTO 4.2 (Library of Congress), down to the glyph.

`Layout / Page / PrintSpace / TextBlock / TextLine / String / Glyph`, with `SP` between words.
Positions are pixels of the image, with up to two decimals for words and glyphs. `GC` is the
confidence of a glyph, `WC` the mean over a word; a baseline that nobody drew is a guess from the
lower edges of the glyphs. Points are written `x y x y ...`, as eScriptorium reads them.

ALTO allows exactly one code point in a `Glyph`. A symbol of several (a letter with combining
marks, a ligature written as two letters) is composed to one code point where Unicode has it;
else it becomes several `Glyph` elements in the same place, one for each code point, so that no
mark is lost. `String/@CONTENT` always holds the symbols as they were read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from lxml import etree

from .. import __version__
from ..lines.line import Box
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
from .page_reading import PageReading, PlacedLine, page_of_line
from .reading import LineReading, PlacedGlyph

__all__ = ["ALTO_NAMESPACE", "alto_document", "alto_xml"]

ALTO_NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_LOCATION = f"{ALTO_NAMESPACE} http://www.loc.gov/standards/alto/v4/alto-4-2.xsd"


def alto_xml(reading: LineReading, image: str, created: datetime | None = None) -> bytes:
    """One reading of a line image as an ALTO file.

    Arguments:
        reading: What was read of one line image.
        image: The file name of the line image, as the file should name it.
        created: Date and time of the processing step; now if not given.

    Returns:
        The file: UTF-8 with XML declaration.
    """
    return alto_document(page_of_line(reading, image), created)


def alto_document(page: PageReading, created: datetime | None = None) -> bytes:
    """One page as an ALTO file.

    Arguments:
        page: What was read of the page.
        created: Date and time of the processing step; now if not given.

    Returns:
        The file: UTF-8 with XML declaration.
    """
    root = etree.Element(_name("alto"), nsmap={None: ALTO_NAMESPACE, "xsi": _SCHEMA_INSTANCE})
    root.set(f"{{{_SCHEMA_INSTANCE}}}schemaLocation", _LOCATION)
    root.set("SCHEMAVERSION", "4.2")
    names = Names()
    # Lines and blocks choose first: their ids are those of the source.
    ids = [[names.take(line.name) for line in region.lines] for region in page.regions]
    blocks = [names.take(region.name) for region in page.regions]
    _add_description(root, page, names.take("reading"), created or datetime.now(UTC))
    size = {"WIDTH": str(page.width), "HEIGHT": str(page.height)}
    layout = _add(root, "Layout")
    whole = _add(layout, "Page", ID=names.take("page"), PHYSICAL_IMG_NR="1", **size)
    space = _add(whole, "PrintSpace", HPOS="0", VPOS="0", **size)
    for block_name, region, inside in zip(blocks, page.regions, ids, strict=True):
        block = _add(space, "TextBlock", ID=block_name)
        _set_outline(block, whole_outline(region.outline, page.width, page.height), page)
        for name, line in zip(inside, region.lines, strict=True):
            element = _add(block, "TextLine", ID=name, BASELINE=_points(baseline_of(line)))
            _set_outline(element, whole_outline(line.outline, page.width, page.height), page)
            _add_words(element, name, line, names)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _add_description(root: etree._Element, page: PageReading, name: str, created: datetime) -> None:
    description = _add(root, "Description")
    _add(description, "MeasurementUnit").text = "pixel"
    source = _add(description, "sourceImageInformation")
    _add(source, "fileName").text = replace_forbidden(page.image)
    step = _add(description, "Processing", ID=name)
    _add(step, "processingCategory").text = "contentGeneration"
    _add(step, "processingDateTime").text = created.replace(microsecond=0).isoformat()
    _add(step, "processingStepDescription").text = "sprites placed on a text line"
    if any(replace_forbidden(text) != text for text in (one.reading.text for one in page.lines)):
        _add(step, "processingStepDescription").text = REPLACED
    software = _add(step, "processingSoftware")
    _add(software, "softwareName").text = "typica"
    _add(software, "softwareVersion").text = __version__


def _set_outline(
    element: etree._Element, outline: Sequence[tuple[int, int]], page: PageReading
) -> None:
    """Give an element its box, and its polygon as first child."""
    _set(element, _place(whole_box(outline, page.width, page.height)))
    _add(_add(element, "Shape"), "Polygon", POINTS=_points(outline))


def _add_words(element: etree._Element, name: str, line: PlacedLine, names: Names) -> None:
    words = split_words(line.reading.glyphs)
    for index, glyphs in enumerate(words):
        if index:
            _add(element, "SP", **_gap(words[index - 1], glyphs))
        _add_word(element, names.take(f"{name}_word_{index}"), glyphs, names)
    if not words:
        # The schema asks for a String in every line: an empty one keeps the line.
        box = whole_box(line.outline, line.reading.width, line.reading.height)
        _add(element, "String", ID=names.take(f"{name}_word_0"), CONTENT="", **_place(box))


def _add_word(line: etree._Element, name: str, glyphs: Sequence[PlacedGlyph], names: Names) -> None:
    word = _add(line, "String", ID=name, CONTENT=_text(glyphs), WC=number(confidence_of(glyphs)))
    _set(word, _place(around([glyph.box for glyph in glyphs])))
    count = 0
    for glyph in glyphs:
        symbol = replace_forbidden(glyph.symbol)
        composed = unicodedata.normalize("NFC", symbol)
        for character in composed if len(composed) == 1 else symbol:
            glyph_name = names.take(f"{name}_glyph_{count}")
            element = _add(word, "Glyph", ID=glyph_name, CONTENT=character)
            element.set("GC", number(confidence_of([glyph])))
            _set(element, _place(glyph.box))
            count += 1


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{number(x)} {number(y)}" for x, y in points)


def _text(glyphs: Sequence[PlacedGlyph]) -> str:
    return replace_forbidden("".join(glyph.symbol for glyph in glyphs))


def _gap(before: Sequence[PlacedGlyph], after: Sequence[PlacedGlyph]) -> dict[str, str]:
    """The place between two words; of width 0 where they touch or overlap."""
    left, right = around([g.box for g in before]), around([g.box for g in after])
    both = around([left, right])
    return _place(Box(left.right, both.top, max(left.right, right.left), both.bottom))


def _place(box: Box) -> dict[str, str]:
    return {
        "HPOS": number(box.left, 2),
        "VPOS": number(box.top, 2),
        "WIDTH": number(box.width, 2),
        "HEIGHT": number(box.height, 2),
    }


def _set(element: etree._Element, attributes: dict[str, str]) -> None:
    for name, value in attributes.items():
        element.set(name, value)


def _add(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, _name(tag), attributes)


def _name(tag: str) -> str:
    return f"{{{ALTO_NAMESPACE}}}{tag}"
