"""What the readers of PAGE and ALTO share: names without namespaces, numbers, outlines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from ...sources import Fault
from ..line import Points

__all__ = ["children", "local_name", "number_of", "parse_points", "root_name"]

_ROOT = re.compile(rb"<(?![?!])(?:[\w.-]+:)?([\w.-]+)")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def root_name(file: Path) -> str:
    """The name of the root element by a look at the start of the file; empty if there is none.

    Arguments:
        file: An XML file, possibly malformed.

    Returns:
        The name without namespace prefix, as written.
    """
    try:
        with open(file, "rb") as source:
            start = source.read(1 << 16).replace(b"\0", b"")
    except OSError:
        return ""
    # A comment or document type before the root may hold words in angle brackets.
    start = re.sub(rb"<!--.*?-->", b"", start, flags=re.DOTALL)
    match = _ROOT.search(start)
    return match.group(1).decode("ascii", "replace") if match else ""


def local_name(element: etree._Element) -> str:
    """The name of an element without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """The direct children with a name, in any namespace."""
    return (child for child in element if local_name(child) == name)


def number_of(text: str | None) -> float | None:
    """A finite number written in an attribute; None if it is absent or no number."""
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def parse_points(text: str | None) -> Points | None:
    """Corner points from `x1,y1 x2,y2 ...` or `x1 y1 x2 y2 ...`.

    Arguments:
        text: The attribute; None or blank if it is absent.

    Returns:
        The points without immediate repetitions; None if there is no attribute.

    Raises:
        Fault: If it is no list of pairs of finite numbers.
    """
    if text is None or not text.strip():
        return None
    words = text.replace(",", " ").split()
    if len(words) % 2 or not all(_NUMBER.fullmatch(word) for word in words):
        raise Fault(f"points that cannot be read: {text[:60]!r}", "Correct the outline.")
    values = [float(word) for word in words]
    if not all(math.isfinite(value) for value in values):
        raise Fault(f"points that are not finite: {text[:60]!r}", "Correct the outline.")
    points: list[tuple[float, float]] = []
    for point in zip(values[::2], values[1::2], strict=True):
        if not points or points[-1] != point:
            points.append(point)
    return tuple(points)
