"""Judging a run on lines: evaluation, the readings, and the pictures that the report shows.

evaluation/<split>/evaluation.json   the numbers
evaluation/<split>/readings.jsonl    every line: truth, reading, glyphs with boxes
evaluation/<split>/pictures/         original, reconstruction, segmentation of some lines
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..files import write_json, write_text
from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.glyphs import GLYPHS_FILE, with_glyphs
from ..lines.line import Box, LineCollection
from ..runs import Run
from .evaluation import Evaluation, evaluate_readings
from .inference import DecomposedLine, decompose
from .model import Typewriter
from .pictures import write_png
from .reading import LineReading, PlacedGlyph
from .storage import TypewriterAbout, load_typewriter

__all__ = ["assess", "evaluate_run", "reading_from_dict", "reading_to_dict", "spread"]

_SAMPLES, _WORST = 12, 10


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


def evaluate_run(
    run: Path | str,
    collection: LineCollection,
    split: str = "test",
    device: str = "auto",
    cache_folder: Path | None = None,
    progress: bool = True,
) -> Evaluation | None:
    """Read the lines of a split with the typewriter of a run, judge it, keep what was found.

    Arguments:
        run: The run folder.
        collection: Lines; true glyph boxes are used if the collection has them.
        split: `train`, `val`, `test` or `all`.
        device: `auto`, `cpu`, `cuda`, ...
        cache_folder: Where to keep the resized lines; None keeps them nowhere.
        progress: Show a progress bar on standard error.

    Returns:
        The evaluation; None if no line has a transcription, or the typewriter was trained
        without any and its sprites have no names yet (the readings are kept all the same).

    Raises:
        RunError: If the run folder cannot be used.
        DataError: If the split has no usable line.
    """
    tune_process()
    model, about = load_typewriter(run, choose_device(device))
    if (collection.root / GLYPHS_FILE).exists():
        collection = with_glyphs(collection)
    part = collection.part(split)
    if not len(part):
        raise DataError(
            f"{collection.root}: no line is in split {split!r}. Choose another with --split, "
            "or all."
        )
    with LineCache(part, model.config.height, cache_folder) as cache:
        if not len(cache):
            raise DataError(
                f"{collection.root}: no image of split {split!r} can be decoded. "
                "`typica lines check` says why."
            )
        return assess(model, about, cache, Run(Path(run)), split, progress)


def assess(
    model: Typewriter,
    about: TypewriterAbout,
    cache: LineCache,
    run: Run,
    split: str,
    progress: bool = False,
) -> Evaluation | None:
    """Judge a typewriter on the lines of a cache and write `evaluation/<split>/`.

    Arguments and result as for `evaluate_run`.
    """
    order = {line.id: number for number, line in enumerate(cache.collection)}
    kept = spread(len(order), _SAMPLES)
    sampled: dict[str, DecomposedLine] = {}
    poorest: list[tuple[float, DecomposedLine]] = []
    found: list[LineReading] = []
    for one in decompose(model, about, cache, progress=progress):
        found.append(one.reading)
        if order[one.line.id] in kept:
            sampled[one.line.id] = one
        # pictures of the poorest lines are kept while reading: nothing is read twice
        poorest.append((_badness(one, about.reads_text), one))
        poorest = sorted(poorest, key=lambda pair: -pair[0])[:_WORST]
    found.sort(key=lambda reading: order[reading.line])
    lines = cache.collection.lines
    evaluation = (
        evaluate_readings(lines, found, split)
        if about.reads_text and any(line.letters for line in lines)
        else None
    )
    worst = {one.line.id: one for _, one in poorest}
    folder = run.folder / "evaluation" / split
    names = None if about.naming is None else about.naming.digest
    _write(folder, evaluation, cache.collection, found, sampled, worst, names)
    return evaluation


def spread(count: int, wanted: int) -> set[int]:
    """Indices of at most `wanted` of `count` things, evenly spread."""
    return set(np.linspace(0, count - 1, min(wanted, count)).round().astype(int).tolist())


def _badness(one: DecomposedLine, comparable: bool) -> float:
    """How badly a line was read: its error rate, or its reconstruction error without a text."""
    from rapidfuzz.distance import Levenshtein

    if not comparable or one.line.symbols is None:
        return one.reading.reconstruction or 0.0
    truth = one.line.letters
    edits = Levenshtein.distance(truth, one.reading.letters)
    # equal texts are ordered by their picture
    return edits / max(1, len(truth)) + 1e-3 * (one.reading.reconstruction or 0.0)


def _write(
    folder: Path,
    evaluation: Evaluation | None,
    collection: LineCollection,
    found: Sequence[LineReading],
    sampled: dict[str, DecomposedLine],
    worst: dict[str, DecomposedLine],
    naming: str | None,
) -> None:
    """Write readings, pictures and numbers; the numbers come last and mark it as whole."""
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
    for number, (line, one) in enumerate({**sampled, **worst}.items()):
        for kind in ("original", "reconstruction", "segmentation"):
            write_png(folder / "pictures" / f"{number:03d}-{kind}.png", getattr(one, kind))
        names[line] = f"{number:03d}"
    summary = {} if evaluation is None else evaluation.as_dict()
    summary |= {
        "data": collection.root.name,
        "split": folder.name,
        "lines": len(found),
        "pictures": names,
        "samples": list(sampled),
        "worst": list(worst),
        "naming": naming,
    }
    write_json(folder / "evaluation.json", summary)
