"""`typica typewriter export` and `typica typewriter type`: the learned hand, to take away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from .shared import READ_AS_IS, DataArgument, DataOptions, RunFolder, read_collection
from .typewriter import run_reading

if TYPE_CHECKING:
    from ..lines.line import LineCollection

__all__ = ["typewriter_export", "typewriter_type"]


def _lines(run: Path, data: Path | None, reading: DataOptions) -> LineCollection | None:
    return None if data is None else read_collection(data, run_reading(run, reading))


def typewriter_export(
    run: RunFolder,
    /,
    out: Path,
    data: Path | None = None,
    reading: DataArgument = READ_AS_IS,
    lines: int = 400,
    family: str = "",
    license: str = "",
    device: str = "auto",
) -> int:
    """Write the sprites as PNG and SVG, a table of them, and an installable font.

    Args:
        run: Run folder.
        out: Folder to write into.
        data: Lines to measure spacing and heights on; by default what evaluations of the run
            have left in its folder.
        reading: How the data is read; the text options are always those of the run.
        lines: At most so many lines of the data are read.
        family: Name of the font; that of the data if not given.
        license: What the font says of its licence; by default nothing.
        device: auto, cpu, cuda, ...
    """
    from ..runs import require_outside
    from ..typewriter.export_run import export_run
    from ..typewriter.font import FontOptions

    if data is not None:
        require_outside(out, data)
    options = FontOptions(family=family, license=license)
    collection = _lines(run, data, reading)
    for row in export_run(run, out, collection, options, lines=lines, device=device).summary():
        print(row)
    return 0


def typewriter_type(
    run: RunFolder,
    text: Annotated[Positional[str], arg(metavar="TEXT")],
    /,
    out: Path,
    height: int | None = None,
    missing: Literal["error", "box", "skip"] = "error",
    kerning: bool = True,
    data: Path | None = None,
    reading: DataArgument = READ_AS_IS,
    lines: int = 400,
    device: str = "auto",
) -> int:
    r"""Set a text in the learned hand: a picture of the sprites (.png) or of outlines (.svg).

    Args:
        run: Run folder.
        text: The text; \n starts a new line.
        out: File to write, .png or .svg.
        height: Height of one line in pixels; the typewriter's own if not given.
        missing: What becomes of a letter that the alphabet lacks.
        kerning: Move pairs of letters as they stood on the lines.
        data: Lines to measure spacing and heights on; by default what evaluations of the run
            have left in its folder.
        reading: How the data is read; the text options are always those of the run.
        lines: At most so many lines of the data are read.
        device: auto, cpu, cuda, ...
    """
    from ..typewriter.export_run import type_text
    from ..typewriter.typesetting import SettingOptions

    result = type_text(
        run,
        text.replace("\\n", "\n"),
        out,
        _lines(run, data, reading),
        SettingOptions(missing, kerning),
        height,
        lines=lines,
        device=device,
    )
    for row in result.summary():
        print(row)
    return 0
