r"""A drawing as PNG, for slides and pages that take no vector graphics.

Text is set in the font that Pillow brings along; letters that it lacks are written by their code
points, as in the PDF.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from ..typewriter.pictures import caption_font, in_font
from .drawing import Circle, Drawing, Label, Mark, Path, Picture, Rectangle
from .wording import code_points

__all__ = ["png"]

_WHITE = (255, 255, 255)
_ROUNDS = 3


def png(drawing: Drawing, zoom: float = 1.5, colours: int = 0) -> bytes:
    r"""The bytes of a PNG file.

    Dashes of lines are not drawn.

    Arguments:
        drawing: What to draw.
        zoom: Pixels for each CSS pixel, above 0.
        colours: Reduce to so many, 2 to 256, for a small file; 0 to keep all.

    Returns:
        The same bytes for the same drawing.
    """
    size = (max(1, round(drawing.width * zoom)), max(1, round(drawing.height * zoom)))
    canvas = Image.new("RGB", size, _WHITE)
    for one in drawing.marks:
        _add(canvas, one, zoom)
    if colours:
        # rare colours count as much as parchment, then each moves to the middle of its own
        canvas = canvas.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=_ROUNDS)
    out = io.BytesIO()
    canvas.save(out, format="PNG", optimize=True)
    return out.getvalue()


def _add(canvas: Image.Image, one: Mark, zoom: float) -> None:
    draw = ImageDraw.Draw(canvas)
    if isinstance(one, Picture):
        left, top = round(one.x * zoom), round(one.y * zoom)
        size = (max(1, round(one.width * zoom)), max(1, round(one.height * zoom)))
        pixels = Image.fromarray(np.ascontiguousarray(one.pixels)).convert("RGB")
        canvas.paste(pixels.resize(size, Image.Resampling.BICUBIC), (left, top))
    elif isinstance(one, Path):
        points = [(x * zoom, y * zoom) for x, y in one.points]
        draw.line(points, fill=one.colour, width=max(1, round(one.width * zoom)))
    elif isinstance(one, Rectangle):
        box = (
            *(one.x * zoom, one.y * zoom),
            *((one.x + one.width) * zoom, (one.y + one.height) * zoom),
        )
        width = max(1, round(one.line * zoom))
        draw.rectangle(box, fill=one.fill or None, outline=one.colour or None, width=width)
    elif isinstance(one, Circle):
        box = (
            *((one.x - one.radius) * zoom, (one.y - one.radius) * zoom),
            *((one.x + one.radius) * zoom, (one.y + one.radius) * zoom),
        )
        draw.ellipse(box, fill=one.fill or None, outline=one.colour or None)
    elif isinstance(one, Label):
        _write(canvas, one, zoom)
    else:
        raise TypeError(f"no such mark: {type(one).__name__}")


def _write(canvas: Image.Image, one: Label, zoom: float) -> None:
    size = one.size * zoom
    font = caption_font(size)
    known = (
        " " if c.isspace() else c if in_font(c, font) else f" {code_points(c)} " for c in one.text
    )
    text = " ".join("".join(known).split())
    wide = font.getlength(text)
    if one.room and wide > one.room * zoom:
        font = caption_font(max(1.0, size * one.room * zoom / wide))
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[one.anchor]
    at = (one.x * zoom, one.y * zoom)
    if not one.turned:
        ImageDraw.Draw(canvas).text(at, text, fill=one.colour, font=font, anchor=anchor)
        return
    # written on paper of its own, turned, and pasted so that its anchor lies where it belongs
    reach = round(font.getlength(text) + 2 * size)
    paper = Image.new("L", (2 * reach, 2 * reach), 0)
    ImageDraw.Draw(paper).text((reach, reach), text, fill=255, font=font, anchor=anchor)
    turned = paper.rotate(90)
    place = (round(at[0]) - reach, round(at[1]) - reach)
    canvas.paste(Image.new("RGB", turned.size, one.colour), place, turned)
