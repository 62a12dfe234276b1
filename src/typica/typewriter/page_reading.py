"""What was read of a whole page: readings moved from their line images to the page they lie on.

Line images that lie on no page are pages of one line, so that every export has one shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..lines.images import image_size, line_origin
from ..lines.line import Box, Line, Points
from .reading import LineReading

__all__ = [
    "PageKey",
    "PageReading",
    "PlacedLine",
    "RegionReading",
    "corners",
    "move_reading",
    "page_key",
    "page_of_line",
    "page_readings",
]

PageKey = tuple[str, Path, bool]


@dataclass(frozen=True)
class PlacedLine:
    """One line as it was read, on its page.

    Arguments:
        name: The id of the line on its page.
        reading: What was read, boxes in pixels of the page.
        outline: The outline of the line, in pixels of the page.
        baseline: The baseline, in pixels of the page; None if nobody drew one.
    """

    name: str
    reading: LineReading
    outline: Points
    baseline: Points | None = None


@dataclass(frozen=True)
class RegionReading:
    """The lines of one region of a page.

    Arguments:
        name: The id of the region on its page.
        outline: Its outline, in pixels of the page.
        lines: Its lines in reading order.
    """

    name: str
    outline: Points
    lines: tuple[PlacedLine, ...]


@dataclass(frozen=True)
class PageReading:
    """What was read of one page.

    Arguments:
        name: Names the exported file; may have forward slashes, for folders.
        image: The file name of the page image.
        width: Width of the page image in pixels.
        height: Height of the page image in pixels.
        regions: The regions in reading order.
    """

    name: str
    image: str
    width: int
    height: int
    regions: tuple[RegionReading, ...]

    @property
    def lines(self) -> tuple[PlacedLine, ...]:
        """The lines of all regions in reading order."""
        return tuple(line for region in self.regions for line in region.lines)


def corners(box: Box) -> Points:
    """The four corners of a box, clockwise from the upper left one."""
    return (
        (box.left, box.top),
        (box.right, box.top),
        (box.right, box.bottom),
        (box.left, box.bottom),
    )


def move_reading(reading: LineReading, x: float, y: float, width: int, height: int) -> LineReading:
    """A reading of a line image as a reading of the page that the image was cut from.

    Arguments:
        reading: Boxes in pixels of the line image.
        x: Where the left edge of the line image lies on the page, in pixels.
        y: Where its upper edge lies on the page, in pixels.
        width: Width of the page in pixels.
        height: Height of the page in pixels.

    Returns:
        The same glyphs with boxes in pixels of the page, and the size of the page.
    """
    glyphs = tuple(
        replace(
            glyph,
            box=Box(
                glyph.box.left + x, glyph.box.top + y, glyph.box.right + x, glyph.box.bottom + y
            ),
        )
        for glyph in reading.glyphs
    )
    return replace(reading, glyphs=glyphs, width=width, height=height)


def page_of_line(reading: LineReading, image: str) -> PageReading:
    """A line image as a page of one region with one line, both as large as the image.

    Arguments:
        reading: What was read of the line image.
        image: The file name of the line image.

    Returns:
        The page, named after the line.
    """
    whole = corners(Box(0, 0, reading.width, reading.height))
    region = RegionReading("region", whole, (PlacedLine("line", reading, whole),))
    return PageReading(reading.line, image, reading.width, reading.height, (region,))


def page_readings(
    lines: Iterable[Line], readings: Mapping[str, LineReading], root: Path
) -> list[PageReading]:
    """Gather the readings of lines to the pages that they lie on.

    Arguments:
        lines: The lines, in reading order.
        readings: What was read, by the id of the line; lines without a reading are left out.
        root: The data folder, after which pages without a file of their own are named.

    Returns:
        The pages in the order of their first lines; a line image is a page by itself.

    Raises:
        DataError: If a page image cannot be opened any more.
    """
    groups: dict[PageKey, list[Line]] = {}
    for line in lines:
        if line.id in readings:
            groups.setdefault(page_key(line, root), []).append(line)
    return [
        page_of_line(readings[members[0].id], path.name)
        if alone
        else _page(name, path, members, readings)
        for (name, path, alone), members in groups.items()
    ]


def page_key(line: Line, root: Path) -> PageKey:
    """What the lines of a page share: its name, its image, and whether it is a line image alone.

    Arguments:
        line: A line.
        root: The data folder, after which pages without a file of their own are named.
    """
    alone = line.polygon is None
    return line.id if alone else _page_name(line, root), line.path, alone


def _page_name(line: Line, root: Path) -> str:
    if line.place is not None:
        return line.place.page
    try:
        return line.path.relative_to(root).with_suffix("").as_posix()
    except ValueError:
        return line.path.stem


def _page(
    name: str, path: Path, members: list[Line], readings: Mapping[str, LineReading]
) -> PageReading:
    width, height = image_size(path)
    whole = corners(Box(0, 0, width, height))
    lines: dict[str, list[PlacedLine]] = {}
    outlines: dict[str, Points] = {}
    for line in members:
        moved = move_reading(readings[line.id], *line_origin(line), width, height)
        region, outline = "region", None
        if line.place is not None:
            region, outline = line.place.region or region, line.place.region_outline
        outlines.setdefault(region, outline if outline and len(set(outline)) > 2 else whole)
        lines.setdefault(region, []).append(
            PlacedLine(
                line.place.line if line.place else line.id,
                moved,
                line.polygon or whole,
                line.place.baseline if line.place else None,
            )
        )
    regions = tuple(
        RegionReading(region, outlines[region], tuple(some)) for region, some in lines.items()
    )
    return PageReading(name, path.name, width, height, regions)
