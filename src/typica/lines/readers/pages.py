"""From the lines of one page, as PAGE or ALTO give them, to lines with an outline in pixels."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...sources import Fault
from ...values import SPLIT_NAMES
from ..images import image_size
from ..line import PagePlace, Points
from ..text import TextOptions, tokenize
from .source import ImageFinder, RawLine, Reading, check_id

__all__ = ["Page", "PageLine", "add_page", "baseline_band"]

_ABOVE, _BELOW = 0.7, 0.3
"""How much of the line pitch lies above and below the baseline."""

_PAGE_NUMBER = re.compile(
    r"(?:(?:^|[\W_]+)(?:p|pp|page|f|ff|fol|folio|img|image|scan|view)?[\W_]*)\d+[rvab]?$",
    re.IGNORECASE,
)
_FORMAT_FOLDERS = frozenset({"page", "alto", "xml", "images"})


@dataclass(frozen=True)
class PageLine:
    """One line of a page as its file gives it.

    Arguments:
        id: The id in the file, or a made-up one.
        outlines: Possible outlines in the units of the file, the best first.
        baseline: The baseline in the units of the file; None if there is none.
        text: The transcription; None or blank if there is none.
        faults: What is wrong with the line, as far as the reader saw.
        region: The id of the region around it; empty if there is none.
        region_outline: The outline of that region in the units of the file.
    """

    id: str
    outlines: tuple[Points, ...]
    baseline: Points | None
    text: str | None
    faults: tuple[Fault, ...] = ()
    region: str = ""
    region_outline: Points | None = None


@dataclass
class Page:
    """One page as its file gives it.

    Arguments:
        file: The XML file.
        image: The name of the page image as written; empty if there is none.
        size: Width and height of the page in the units of the file; None if not written.
        lines: The lines in reading order.
        in_pixels: False if the units of the file are not pixels.
    """

    file: Path
    image: str
    size: tuple[float, float] | None
    lines: list[PageLine] = field(default_factory=list)
    in_pixels: bool = True


def add_page(
    page: Page, finder: ImageFinder, text: TextOptions, margin: float, reading: Reading
) -> None:
    """Add the lines of one page to a reading.

    Arguments:
        page: The page.
        finder: Finds the page image below the data folder.
        text: How transcriptions become symbols.
        margin: By how much outlines are widened, as a share of the height of the line.
        reading: Takes the lines and the problems.
    """
    if not page.lines:
        reading.warn(page.file, "no text line in it", "Segment the page into lines, or remove it.")
        return
    try:
        image = _page_image(page, finder)
        size = image_size(image)
        scale = _scale(page, size, reading)
    except Fault as fault:
        reading.set_aside(page.file, _of_page(fault, page))
        return
    except DataError as error:
        message, _, remedy = str(error).partition(". ")
        reading.set_aside(page.file, _of_page(Fault(message, remedy), page))
        return
    relative = page.file.relative_to(finder.root).with_suffix("").as_posix()
    document = _document(relative) or finder.root.resolve().name
    split = next((part for part in relative.split("/")[:-1] if part.lower() in SPLIT_NAMES), None)
    pitch = _line_pitch([line.baseline for line in page.lines if line.baseline], page, size, scale)
    blank = 0
    for line in page.lines:
        try:
            check_id(line.id)
            polygon = _outline(line, scale, pitch, page.file, reading)
            symbols = tokenize(line.text, text) if line.text and line.text.strip() else None
        except Fault as fault:
            reading.set_aside(page.file, fault, line.id)
            continue
        blank += symbols is None
        reading.lines.append(
            RawLine(
                id=f"{relative}/{line.id}",
                path=image,
                source=page.file,
                symbols=symbols or None,
                split=split,
                document=document,
                polygon=polygon,
                margin=round(margin * _thickness(polygon), 2),
                place=PagePlace(
                    page=relative,
                    line=line.id,
                    region=line.region,
                    region_outline=_scaled(line.region_outline or (), scale) or None,
                    baseline=_scaled(line.baseline or (), scale) or None,
                ),
            )
        )
    if blank:
        reading.warn(
            page.file,
            f"{blank} of {len(page.lines)} lines have no text",
            "They count as lines without transcription.",
        )


def baseline_band(baseline: Points, pitch: float) -> Points:
    """A band around a baseline, for a line without outline.

    Arguments:
        baseline: At least two points, in writing direction.
        pitch: The distance from one line to the next.

    Returns:
        A polygon that reaches 0.7 pitches above the baseline and 0.3 below it.

    Raises:
        Fault: If the baseline has no length.
    """
    points = np.asarray(baseline, dtype=np.float64)
    direction = points[-1] - points[0]
    length = float(np.hypot(*direction))
    if len(points) < 2 or length < 1:
        raise Fault("a baseline without length", "Correct the baseline, or draw an outline.")
    # Pixels count downwards: for a line from left to right this points up the page.
    up = np.array([direction[1], -direction[0]]) / length * pitch
    band = np.concatenate([points + _ABOVE * up, (points - _BELOW * up)[::-1]])
    return tuple((float(x), float(y)) for x, y in band)


def _of_page(fault: Fault, page: Page) -> Fault:
    return Fault(f"{len(page.lines)} lines lost: {fault.message}", fault.remedy)


def _page_image(page: Page, finder: ImageFinder) -> Path:
    """The image that a page names, or one beside the file that fits; never outside the data."""
    written = page.image.strip().replace("\\", "/")
    folder, name = os.path.split(written)
    base = page.file.parent
    named = os.path.normpath(base / folder) if folder and not folder.startswith("/") else base
    places = [Path(named), base, base / "images", base.parent, base.parent / "images"]
    inside = [place for place in dict.fromkeys(places) if finder.holds(place)]
    stems = dict.fromkeys([os.path.splitext(name)[0], page.file.name.split(".")[0], page.file.stem])
    for place in inside:
        found = finder.named(place, name) if name else None
        if found is not None:
            finder.check_inside(found)
            return found
    for stem in stems:
        for place in inside:
            for found in finder.with_stem(place, stem) if stem else ():
                finder.check_inside(found)
                return found
    raise Fault(
        f"its page image {name or '(not named)'} is not in the data folder",
        "Put the image beside the XML file, or give the folder that holds both.",
    )


def _scale(page: Page, size: tuple[int, int], reading: Reading) -> tuple[float, float]:
    """How many pixels one unit of the file is, across and down."""
    written = page.size
    if written is None or min(written) <= 0:
        if not page.in_pixels:
            raise Fault(
                "its unit is not the pixel and the size of the page is not written",
                "Export the page with MeasurementUnit pixel.",
            )
        return 1.0, 1.0
    scale = size[0] / written[0], size[1] / written[1]
    if not page.in_pixels:
        reading.warn(
            page.file,
            "its unit is not the pixel: outlines are scaled to the page image",
            "Export the page with MeasurementUnit pixel for exact outlines.",
        )
        return scale
    if all(abs(value - 1) < 0.005 for value in scale):
        return 1.0, 1.0
    if abs(scale[0] / scale[1] - 1) > 0.02:
        reading.warn(
            page.file,
            f"the page is {written[0]:.0f} x {written[1]:.0f} in the file, but its image is "
            f"{size[0]} x {size[1]}: outlines are taken as they are",
            "Check that this is the right image.",
        )
        return 1.0, 1.0
    reading.warn(
        page.file,
        f"its image is {scale[0]:.3g} times as large as the file says: outlines are scaled",
        "Nothing to do, if this is the right image.",
    )
    return scale


def _document(relative: str) -> str:
    """The folder of a page, else its file name without the page number; empty if none is left."""
    *folders, stem = relative.split("/")
    names = [
        f for f in folders if f.lower() not in _FORMAT_FOLDERS and f.lower() not in SPLIT_NAMES
    ]
    return "/".join(names) or _PAGE_NUMBER.sub("", stem)


def _line_pitch(
    baselines: Sequence[Points], page: Page, size: tuple[int, int], scale: tuple[float, float]
) -> float:
    """The usual distance in pixels from a line to the next, from their baselines."""
    rows = sorted(
        (
            sum(y for _, y in line) / len(line) * scale[1],
            min(x for x, _ in line) * scale[0],
            max(x for x, _ in line) * scale[0],
        )
        for line in baselines
    )
    gaps = []
    for number, (middle, left, right) in enumerate(rows):
        # The next line of the same column is among the next few rows, if there is one.
        for other, other_left, other_right in rows[number + 1 : number + 9]:
            if min(right, other_right) > max(left, other_left) and other - middle > 4:
                gaps.append(other - middle)
                break
    usual = float(np.median(gaps)) if gaps else size[1] / 30
    return min(max(usual, 8.0), max(size[1] / 3, 8.0))


def _outline(
    line: PageLine, scale: tuple[float, float], pitch: float, file: Path, reading: Reading
) -> Points:
    """The best outline of a line in pixels; a band around its baseline if it has none."""
    faults = list(line.faults)
    for outline in line.outlines:
        points = _scaled(outline, scale)
        try:
            _check_outline(points)
        except Fault as fault:
            faults.append(fault)
            continue
        if faults:
            reading.warn(
                file, f"{faults[0].message}; another outline is used", faults[0].remedy, line.id
            )
        return points
    if line.baseline is not None:
        band = baseline_band(_scaled(line.baseline, scale), pitch)
        _check_outline(band)
        if faults:
            reading.warn(
                file,
                f"{faults[0].message}; a band around the baseline is used",
                faults[0].remedy,
                line.id,
            )
        return band
    raise (
        faults[0]
        if faults
        else Fault("neither an outline nor a baseline", "Draw one of them, or remove the line.")
    )


def _scaled(points: Points, scale: tuple[float, float]) -> Points:
    return tuple((x * scale[0], y * scale[1]) for x, y in points)


def _check_outline(points: Points) -> None:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if len(set(points)) < 3 or max(xs) - min(xs) < 2 or max(ys) - min(ys) < 2:
        raise Fault("an outline without area", "Draw the outline again, or remove the line.")


def _thickness(points: Points) -> float:
    """About the height of a line: its area by its length, for slanted lines too."""
    corners = np.asarray(points)
    width, height = np.ptp(corners, axis=0)
    x, y = corners[:, 0], corners[:, 1]
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    return min(float(height), area / max(math.hypot(width, 0.0), 1.0)) or float(height)
