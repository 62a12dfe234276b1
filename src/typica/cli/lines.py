"""`typica lines ...`: check a data set, render one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from ..lines.render_options import RenderOptions
from .shared import READ_AS_IS, DataArgument, DataPath, as_json

__all__ = ["lines_check", "lines_render"]

_AS_RENDERED = RenderOptions()


def lines_check(
    data: DataPath,
    /,
    reading: DataArgument = READ_AS_IS,
    height: int = 48,
    step: float = 8,
    json: Annotated[bool, arg(name="json")] = False,
) -> int:
    """Say what a person needs to know of a data set before training; 1 if it cannot be trained.

    Args:
        data: Folder of lines, or one file of it.
        reading: How it is read.
        height: Line height of the model in pixels.
        step: Step of the model in pixels.
        json: Print one JSON object instead of text.
    """
    from ..lines.check import check

    report = check(data, reading.options(), height, step)
    print(as_json(report.as_dict()) if json else "\n".join(report.lines()))
    return 0 if report.trainable else 1


def lines_render(
    text: Annotated[Positional[Path], arg(metavar="TEXT")],
    /,
    font: Path,
    out: Path,
    wrap: int = 0,
    document: str = "",
    train: float = 0.8,
    val: float = 0.1,
    rendering: Annotated[RenderOptions, OmitArgPrefixes] = _AS_RENDERED,
) -> int:
    """Set a text in any font, as aged line images with the exact box of every glyph.

    Args:
        text: UTF-8 text file.
        font: Font file (.ttf, .otf, .woff).
        out: Folder to make: images/, annotation.json, glyphs.json, render.json.
        wrap: Most characters in a line; 0 keeps the lines of the file.
        document: Name of the document; that of the text file if empty.
        train: Share of training lines.
        val: Share of validation lines; the rest is for testing.
        rendering: How the lines are set and aged.
    """
    from ..lines.render_request import RenderRequest, render_text

    print(render_text(RenderRequest(text, font, out, wrap, train, val, document, rendering)))
    return 0
