"""PAGE XML of any version: text lines in reading order, cut from the page image.

References:
    PAGE XML: https://github.com/PRImA-Research-Lab/PAGE-XML
"""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from ...sources import Fault
from ...xml_file import parse_xml
from ..line import Points
from .pages import Page, PageLine
from .xml import children, local_name, number_of, parse_points

__all__ = ["read_page"]


def read_page(file: Path) -> Page:
    """Read one PAGE XML file.

    The outline of a line is its `Coords`. Its text is the `TextEquiv` with the lowest index,
    else the texts of its words. Regions come in the `ReadingOrder`, if there is one.

    Arguments:
        file: The XML file.

    Returns:
        The page, coordinates in pixels.

    Raises:
        Fault: If the file is malformed, hostile, or not PAGE XML.
    """
    root = parse_xml(file)
    element = next(children(root, "Page"), None)
    if local_name(root) != "PcGts" or element is None:
        raise Fault("not a PAGE file (no PcGts with a Page)", "Export the page again.")
    width, height = number_of(element.get("imageWidth")), number_of(element.get("imageHeight"))
    page = Page(
        file=file,
        image=element.get("imageFilename") or "",
        size=(width, height) if width and height else None,
    )
    ranks = _ranks(element)
    for number, line in enumerate(_lines(element, ranks), start=1):
        page.lines.append(_line(line, number))
    return page


def _ranks(page: etree._Element) -> dict[str, int]:
    """The place of every region in the reading order, by its id."""
    ranks: dict[str, int] = {}

    def visit(group: etree._Element) -> None:
        members = list(group)
        if all(number_of(member.get("index")) is not None for member in members):
            members.sort(key=lambda member: number_of(member.get("index")) or 0.0)
        for member in members:
            reference = member.get("regionRef")
            if reference is not None:
                ranks.setdefault(reference, len(ranks))
            visit(member)

    for order in children(page, "ReadingOrder"):
        visit(order)
    return ranks


def _lines(parent: etree._Element, ranks: dict[str, int]) -> list[etree._Element]:
    """The lines of a page or region: its own, then those of the regions in it."""
    lines, regions = [], []
    for child in parent:
        name = local_name(child)
        if name == "TextLine":
            lines.append(child)
        elif name.endswith("Region") or name == "TableCell":
            regions.append(child)
    # Stable: regions that the reading order leaves out come last, as in the file.
    regions.sort(key=lambda region: ranks.get(region.get("id", ""), len(ranks)))
    for region in regions:
        lines += _lines(region, ranks)
    return lines


def _line(element: etree._Element, number: int) -> PageLine:
    faults: list[Fault] = []
    outline, baseline = _points(element, "Coords", faults), _points(element, "Baseline", faults)
    region = element.getparent()
    inside = region is not None and local_name(region) != "Page"
    return PageLine(
        id=element.get("id") or f"line{number:04d}",
        outlines=(outline,) if outline else (),
        baseline=baseline,
        text=_text(element),
        faults=tuple(faults),
        region=(region.get("id") or "") if inside else "",
        # A damaged outline of a region harms no line.
        region_outline=_points(region, "Coords", []) if inside else None,
    )


def _points(element: etree._Element, name: str, faults: list[Fault]) -> Points | None:
    """The points of a child; None, and perhaps a fault more, if it has none that can be read."""
    found = next(children(element, name), None)
    if found is None:
        return None
    written = found.get("points")
    if written is None:
        # PAGE before 2013 writes a list of Point elements.
        written = " ".join(f"{p.get('x')},{p.get('y')}" for p in children(found, "Point"))
    try:
        return parse_points(written)
    except Fault as fault:
        faults.append(fault)
        return None


def _text(element: etree._Element) -> str | None:
    """The text of a line, else of its words; None if there is none."""
    equivalents = sorted(
        children(element, "TextEquiv"), key=lambda one: number_of(one.get("index")) or 0.0
    )
    for one in equivalents:
        for name in ("Unicode", "PlainText"):
            for found in children(one, name):
                text = "".join(found.itertext())
                if text.strip():
                    return text
    words = [_text(word) for word in children(element, "Word")]
    return " ".join(word for word in words if word) or None
