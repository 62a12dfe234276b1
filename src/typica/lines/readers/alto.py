"""ALTO 2, 3 and 4: text lines in the order of the file, cut from the page image.

References:
    ALTO: https://www.loc.gov/standards/alto/
"""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from ...sources import Fault
from ...xml_file import parse_xml
from ..line import Points
from .pages import Page, PageLine
from .source import Reading
from .xml import children, local_name, number_of, parse_points

__all__ = ["read_alto"]


def read_alto(file: Path, reading: Reading) -> Page:
    """Read one ALTO file.

    The outline of a line is its `Shape/Polygon`, else its box; the text is the `CONTENT` of its
    strings, a space for every `SP`.

    Arguments:
        file: The XML file.
        reading: Takes a warning if the file holds more than one page.

    Returns:
        The first page, in the units of the file.

    Raises:
        Fault: If the file is malformed, hostile, or not ALTO.
    """
    root = parse_xml(file)
    pages = [page for layout in children(root, "Layout") for page in children(layout, "Page")]
    if local_name(root).lower() != "alto" or not pages:
        raise Fault("not an ALTO file (no alto with a Layout and a Page)", "Export it again.")
    if len(pages) > 1:
        reading.warn(
            file, f"{len(pages)} pages in one file: only the first is read", "Split the file."
        )
    unit, image = "pixel", ""
    for description in children(root, "Description"):
        for child in description:
            if local_name(child) == "MeasurementUnit":
                unit = (child.text or "").strip().lower()
            elif local_name(child) == "sourceImageInformation":
                for name in children(child, "fileName"):
                    image = image or (name.text or "").strip()
    width, height = number_of(pages[0].get("WIDTH")), number_of(pages[0].get("HEIGHT"))
    page = Page(
        file=file,
        image=image,
        size=(width, height) if width and height else None,
        in_pixels=unit in {"pixel", "pixels", "px", ""},
    )
    lines = (element for element in pages[0].iter() if local_name(element) == "TextLine")
    page.lines = [_line(line, number) for number, line in enumerate(lines, start=1)]
    return page


def _line(element: etree._Element, number: int) -> PageLine:
    faults: list[Fault] = []
    left, width = number_of(element.get("HPOS")), number_of(element.get("WIDTH"))
    baseline = None
    outlines = _outlines(element, faults)
    try:
        baseline = _baseline(element.get("BASELINE"), left, width)
    except Fault as fault:
        faults.append(fault)
    block = element.getparent()
    inside = block is not None and local_name(block) == "TextBlock"
    return PageLine(
        id=element.get("ID") or f"line{number:04d}",
        outlines=tuple(outlines),
        baseline=baseline,
        text=_text(element),
        faults=tuple(faults),
        region=(block.get("ID") or "") if inside else "",
        # A damaged outline of a block harms no line.
        region_outline=next(iter(_outlines(block, [])), None) if inside else None,
    )


def _outlines(element: etree._Element, faults: list[Fault]) -> list[Points]:
    """The polygon of a line or block, then its box, as far as they can be read."""
    outlines: list[Points] = []
    for shape in children(element, "Shape"):
        for polygon in children(shape, "Polygon"):
            try:
                points = parse_points(polygon.get("POINTS"))
            except Fault as fault:
                faults.append(fault)
                continue
            if points:
                outlines.append(points)
    box = [number_of(element.get(name)) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    left, top, width, height = box
    if left is not None and top is not None and width and height and min(width, height) > 0:
        right, bottom = left + width, top + height
        outlines.append(((left, top), (right, top), (right, bottom), (left, bottom)))
    return outlines


def _baseline(text: str | None, left: float | None, width: float | None) -> Points | None:
    """The baseline: points, or in older versions one number, its distance from the top."""
    level = number_of(text)
    if level is None:
        return parse_points(text)
    if left is None or not width:
        return None
    return ((left, level), (left + width, level))


def _text(element: etree._Element) -> str | None:
    parts: list[str] = []
    for child in element:
        name = local_name(child)
        if name == "SP":
            parts.append(" ")
        elif name in {"String", "HYP"}:
            parts.append(child.get("CONTENT") or "")
    return "".join(parts).strip() or None
