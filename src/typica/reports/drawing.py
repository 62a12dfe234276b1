"""Drawings that are pages' charts and papers' figures alike: made once, written as SVG or PDF.

A drawing is a list of marks on a plane whose unit is one CSS pixel (a 96th of an inch). On a page
the style sheet recolours what carries a class; in a file the marks keep their own colours.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from .page import data_uri

__all__ = ["Circle", "Drawing", "Label", "Mark", "Path", "Picture", "Rectangle", "svg"]

Colour = str
"""Such as `#1f2a44`; the empty string for none."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What every mark may have.

    Arguments:
        style: Its class on a page.
        title: What a pointer that rests on it is told.
        data: What a page's script reads of it: name and value.
    """

    style: str = ""
    title: str = ""
    data: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Path(Mark):
    """A broken line through points."""

    points: tuple[tuple[float, float], ...]
    colour: Colour = "#6b645a"
    width: float = 1.0
    dash: str = ""


@dataclass(frozen=True)
class Rectangle(Mark):
    x: float
    y: float
    width: float
    height: float
    fill: Colour = ""
    colour: Colour = ""
    line: float = 1.0


@dataclass(frozen=True)
class Circle(Mark):
    x: float
    y: float
    radius: float
    fill: Colour = "#211e1a"
    colour: Colour = ""


@dataclass(frozen=True)
class Label(Mark):
    """A line of text.

    Arguments:
        x: Where it is anchored.
        y: Its baseline.
        text: What it says.
        size: Of the letters.
        anchor: `start`, `middle` or `end`.
        colour: Of the letters.
        turned: Whether it runs upward.
        room: The width that it may take where letters must be spelt out; 0 for any.
    """

    x: float
    y: float
    text: str
    size: float = 12.0
    anchor: str = "start"
    colour: Colour = "#211e1a"
    turned: bool = False
    room: float = 0.0


@dataclass(frozen=True)
class Picture(Mark):
    """Pixels, bytes `(h, w)` or `(h, w, 3)`, stretched to a rectangle."""

    x: float
    y: float
    width: float
    height: float
    pixels: NDArray[np.uint8]


@dataclass
class Drawing:
    """Marks, the first below the others.

    Arguments:
        width: In CSS pixels.
        height: The same.
        title: What it shows, in words.
        marks: What is on it.
    """

    width: float
    height: float
    title: str
    marks: list[Mark] = field(default_factory=list)

    def add(self, *marks: Mark) -> None:
        self.marks.extend(marks)


def svg(drawing: Drawing, *, alone: bool = False) -> Markup:
    """One `<svg>` element, all text escaped.

    Arguments:
        drawing: What to draw.
        alone: For a file of its own: with a name space, a size, and white paper.
    """
    start = Markup('<svg class="drawing" viewBox="0 0 {} {}" role="img" aria-label="{}"').format(
        _number(drawing.width), _number(drawing.height), drawing.title
    )
    if alone:
        start += Markup(
            ' xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" '
            "font-family=\"Junicode, 'Noto Serif', 'DejaVu Serif', serif\">"
            '<rect width="100%" height="100%" fill="#fff"/>'
        ).format(_number(drawing.width), _number(drawing.height))
    else:
        start += Markup(' style="max-width:{}px">').format(_number(drawing.width))
    return start + Markup("").join(_mark(one) for one in drawing.marks) + Markup("</svg>")


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _mark(one: Mark) -> Markup:
    name, attributes, inside = _parts(one)
    text = Markup("").join(
        Markup(' {}="{}"').format(key, value)
        for key, value in (*attributes, *_common(one))
        if value != ""
    )
    if one.title:
        inside += Markup("<title>{}</title>").format(one.title)
    return Markup("<{}{}>{}</{}>").format(Markup(name), text, inside, Markup(name))


def _common(one: Mark) -> Iterator[tuple[str, str]]:
    yield "class", one.style
    for key, value in one.data:
        yield f"data-{key}", value


Attributes = tuple[tuple[str, str], ...]


def _parts(one: Mark) -> tuple[str, Attributes, Markup]:
    """Element, attributes, content."""
    n = _number
    none = Markup("")
    if isinstance(one, Path):
        way = " ".join(f"{n(x)},{n(y)}" for x, y in one.points)
        drawn = (("points", way), ("fill", "none"), ("stroke", one.colour))
        return "polyline", (*drawn, ("stroke-width", n(one.width)), _dash(one.dash)), none
    if isinstance(one, Rectangle):
        place = _place(one.x, one.y, one.width, one.height)
        edge = (("stroke", one.colour), ("stroke-width", n(one.line))) if one.colour else ()
        return "rect", (*place, ("fill", one.fill or "none"), *edge), none
    if isinstance(one, Circle):
        place = (("cx", n(one.x)), ("cy", n(one.y)), ("r", n(one.radius)))
        return "circle", (*place, ("fill", one.fill or "none"), ("stroke", one.colour)), none
    if isinstance(one, Label):
        turn = f"rotate(-90 {n(one.x)} {n(one.y)})" if one.turned else ""
        anchor = "" if one.anchor == "start" else one.anchor
        drawn = (("x", n(one.x)), ("y", n(one.y)), ("font-size", n(one.size)))
        rest = (("text-anchor", anchor), ("fill", one.colour), ("transform", turn))
        return "text", (*drawn, *rest), Markup("{}").format(one.text)
    if isinstance(one, Picture):
        place = _place(one.x, one.y, one.width, one.height)
        shape = (("preserveAspectRatio", "none"), ("href", _uri(one.pixels)))
        return "image", (*place, *shape), none
    raise TypeError(f"no such mark: {type(one).__name__}")


def _dash(dash: str) -> tuple[str, str]:
    return "stroke-dasharray", dash


def _place(x: float, y: float, width: float, height: float) -> Attributes:
    names = ("x", "y", "width", "height")
    return tuple(zip(names, map(_number, (x, y, width, height)), strict=True))


def _uri(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return data_uri("png", buffer.getvalue())
