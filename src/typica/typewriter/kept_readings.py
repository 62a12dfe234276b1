"""Readings in a folder: what an evaluation leaves behind, whoever read.

evaluation.json   the numbers; written last, it marks the folder as whole
readings.jsonl    every line: truth, reading, glyphs with boxes
pictures/         of some lines
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DAMAGE, RunError, reason
from ..files import write_json, write_text
from ..lines.line import SPLITS, Box, LineCollection
from ..runs import Run
from .evaluation import Evaluation
from .pictures import write_png
from .reading import LineReading, PlacedGlyph

__all__ = [
    "kept_evaluation",
    "read_readings",
    "read_summary",
    "reading_from_dict",
    "reading_to_dict",
    "write_evaluation",
]

Pictures = Mapping[str, Mapping[str, NDArray[np.uint8]]]


def reading_to_dict(reading: LineReading) -> dict[str, Any]:
    """Plain values, for JSON; boxes as left, top, right, bottom."""
    return {
        "line": reading.line,
        "width": reading.width,
        "height": reading.height,
        "reconstruction": reading.reconstruction,
        "glyphs": [_glyph_to_dict(glyph) for glyph in reading.glyphs],
        "unread": [_glyph_to_dict(glyph) for glyph in reading.unread],
    }


def _glyph_to_dict(g: PlacedGlyph) -> dict[str, Any]:
    return {
        "symbol": g.symbol,
        "sprite": g.sprite,
        "box": [round(v, 2) for v in (g.box.left, g.box.top, g.box.right, g.box.bottom)],
        "confidence": round(g.confidence, 5),
        "scale": round(g.scale, 4),
        "colour": [round(v, 4) for v in g.colour],
        "space_before": g.space_before,
        "placements": g.placements,
        "also": list(g.also),
    }


def reading_from_dict(values: dict[str, Any]) -> LineReading:
    """The inverse of `reading_to_dict`, up to its rounding."""
    return LineReading(
        values["line"],
        values["width"],
        values["height"],
        tuple(_glyph_from_dict(glyph) for glyph in values["glyphs"]),
        values["reconstruction"],
        tuple(_glyph_from_dict(glyph) for glyph in values.get("unread", ())),
    )


def _glyph_from_dict(g: dict[str, Any]) -> PlacedGlyph:
    return PlacedGlyph(
        g["symbol"],
        g["sprite"],
        Box(*g["box"]),
        g["confidence"],
        g["scale"],
        (g["colour"][0], g["colour"][1], g["colour"][2]),
        g["space_before"],
        g["placements"],
        tuple(g.get("also", ())),
    )


def read_readings(
    path: Path,
) -> tuple[dict[str, list[str] | None], dict[str, LineReading]]:
    """Truth (None if unknown) and reading of every line of a `readings.jsonl`, by its id.

    Raises:
        RunError: If the file is missing or damaged.
    """
    truths: dict[str, list[str] | None] = {}
    found: dict[str, LineReading] = {}
    try:
        for row in path.read_text(encoding="utf-8").splitlines():
            values = json.loads(row)
            found[values["line"]] = reading_from_dict(values)
            truths[values["line"]] = values["truth"]
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged ({reason(error)}). Run `typica typewriter eval` again."
        ) from error
    return truths, found


def kept_evaluation(run: Run, split: str | None = None) -> Path:
    """The folder of the evaluation to show.

    Arguments:
        run: The run folder.
        split: Which; by default test, else val, else train, else all.

    Raises:
        RunError: If there is none.
    """
    wanted = [split] if split else ["test", "val", "train", "all"]
    for name in wanted:
        folder = run.folder / "evaluation" / name
        if (folder / "evaluation.json").exists():
            return folder
    run.read_config()  # says so if this is no run folder at all
    have = [s for s in (*SPLITS, "all") if (run.folder / "evaluation" / s).is_dir()]
    raise RunError(
        f"{run.folder}: has no evaluation of {' or '.join(wanted)}"
        + (f" (but of {', '.join(have)})" if have else "")
        + ". Run `typica typewriter eval` first."
    )


def read_summary(folder: Path) -> dict[str, Any]:
    """The numbers of an evaluation, and which lines have pictures.

    Arguments:
        folder: `evaluation/<split>/` of a run.

    Raises:
        RunError: If the file is missing or damaged.
    """
    path = folder / "evaluation.json"
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name in ("split", "lines", "pictures", "samples", "worst"):
            if name not in values:
                raise ValueError(f"no {name!r}")
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged ({reason(error)}). Run `typica typewriter eval` again."
        ) from error
    return values


def write_evaluation(
    folder: Path,
    evaluation: Evaluation | None,
    collection: LineCollection,
    found: Sequence[LineReading],
    pictures: Pictures | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write readings, pictures and numbers; the numbers come last and mark the folder as whole.

    Arguments:
        folder: `evaluation/<split>/` of a run; an earlier evaluation in it is replaced.
        evaluation: The numbers, if there was a text to compare with.
        collection: The lines that were read.
        found: What was read of them.
        pictures: By the id of a line: pictures by their kind, each `(H, w, 3)`, 0 to 255.
        about: More plain values to keep with the numbers. A report looks for `samples` and
            `worst`, ids of lines with pictures, and `naming`, the digest of the names used.
    """
    (folder / "evaluation.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    truths = {line.id: line for line in collection}
    rows = []
    for reading in found:
        symbols = truths[reading.line].symbols
        row = {**reading_to_dict(reading), "truth": None if symbols is None else list(symbols)}
        rows.append(json.dumps(row, ensure_ascii=False))
    write_text(folder / "readings.jsonl", "\n".join(rows) + "\n")
    names: dict[str, str] = {}
    for number, (line, kinds) in enumerate((pictures or {}).items()):
        for kind, picture in kinds.items():
            write_png(folder / "pictures" / f"{number:03d}-{kind}.png", picture)
        names[line] = f"{number:03d}"
    summary = {} if evaluation is None else evaluation.as_dict()
    summary |= {
        "data": collection.root.name,
        "split": folder.name,
        "lines": len(found),
        "pictures": names,
        "samples": [],
        "worst": [],
        "naming": None,
        **(about or {}),
    }
    write_json(folder / "evaluation.json", summary)
