r"""One reading as ALTO 4.2 (Library of Congress), down to the glyph.

`Layout / Page / PrintSpace / TextBlock / TextLine / String / Glyph`, with `SP` between words.
Positions are pixels of the line image with up to two decimals. `GC` is the confidence of a
glyph, `WC` the mean over a word; the baseline is a guess from the lower edges of the glyphs.

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
    around,
    baseline_of,
    confidence_of,
    number,
    replace_forbidden,
    split_words,
)
from .reading import LineReading, PlacedGlyph

__all__ = ["ALTO_NAMESPACE", "alto_xml"]

ALTO_NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_LOCATION = f"{ALTO_NAMESPACE} http://www.loc.gov/standards/alto/v4/alto-4-2.xsd"


def alto_xml(reading: LineReading, image: str, created: datetime | None = None) -> bytes:
    """One reading as an ALTO file.

    Arguments:
        reading: What was read of one line image.
        image: The file name of the line image, as the file should name it.
        created: Date and time of the processing step; now if not given.

    Returns:
        The file: UTF-8 with XML declaration.
    """
    root = etree.Element(_name("alto"), nsmap={None: ALTO_NAMESPACE, "xsi": _SCHEMA_INSTANCE})
    root.set(f"{{{_SCHEMA_INSTANCE}}}schemaLocation", _LOCATION)
    root.set("SCHEMAVERSION", "4.2")
    _add_description(root, reading, image, created or datetime.now(UTC))
    size = {"WIDTH": str(reading.width), "HEIGHT": str(reading.height)}
    place = {"HPOS": "0", "VPOS": "0", **size}
    page = _add(_add(root, "Layout"), "Page", ID="page", PHYSICAL_IMG_NR="1", **size)
    block = _add(_add(page, "PrintSpace", **place), "TextBlock", ID="block", **place)
    height = number(baseline_of(reading), 2)
    baseline = f"0,{height} {reading.width},{height}"
    line = _add(block, "TextLine", ID="line", BASELINE=baseline, **place)
    words = split_words(reading.glyphs)
    for index, glyphs in enumerate(words):
        if index:
            _add(line, "SP", **_gap(words[index - 1], glyphs))
        _add_word(line, f"word_{index}", glyphs)
    if not words:
        # The schema asks for a String in every line: an empty one keeps the line.
        _add(line, "String", ID="word_0", CONTENT="", **place)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _add_description(
    root: etree._Element, reading: LineReading, image: str, created: datetime
) -> None:
    description = _add(root, "Description")
    _add(description, "MeasurementUnit").text = "pixel"
    source = _add(description, "sourceImageInformation")
    _add(source, "fileName").text = replace_forbidden(image)
    step = _add(description, "Processing", ID="reading")
    _add(step, "processingCategory").text = "contentGeneration"
    _add(step, "processingDateTime").text = created.replace(microsecond=0).isoformat()
    _add(step, "processingStepDescription").text = "sprites placed on a text line"
    if replace_forbidden(reading.text) != reading.text:
        _add(step, "processingStepDescription").text = REPLACED
    software = _add(step, "processingSoftware")
    _add(software, "softwareName").text = "typica"
    _add(software, "softwareVersion").text = __version__


def _add_word(line: etree._Element, name: str, glyphs: Sequence[PlacedGlyph]) -> None:
    word = _add(line, "String", ID=name, CONTENT=_text(glyphs), WC=number(confidence_of(glyphs)))
    _set(word, _place(around([glyph.box for glyph in glyphs])))
    count = 0
    for glyph in glyphs:
        symbol = replace_forbidden(glyph.symbol)
        composed = unicodedata.normalize("NFC", symbol)
        for character in composed if len(composed) == 1 else symbol:
            element = _add(word, "Glyph", ID=f"{name}_glyph_{count}", CONTENT=character)
            element.set("GC", number(confidence_of([glyph])))
            _set(element, _place(glyph.box))
            count += 1


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
