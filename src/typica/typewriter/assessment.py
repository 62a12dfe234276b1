"""Judging a run on lines: evaluation, the readings, and the pictures that the report shows.

evaluation/<split>/evaluation.json   the numbers
evaluation/<split>/readings.jsonl    every line: truth, reading, glyphs with boxes
evaluation/<split>/pictures/         original, reconstruction, segmentation of some lines
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.glyphs import GLYPHS_FILE, with_glyphs
from ..lines.line import LineCollection
from ..runs import Run
from .evaluation import Evaluation, evaluate_readings
from .inference import DecomposedLine, decompose
from .kept_readings import reading_from_dict, reading_to_dict, write_evaluation
from .model import Typewriter
from .reading import LineReading
from .storage import TypewriterAbout, load_typewriter

__all__ = [
    "assess",
    "evaluate_run",
    "lines_to_judge",
    "reading_from_dict",
    "reading_to_dict",
    "spread",
]

_SAMPLES, _WORST = 12, 10


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
    part = lines_to_judge(collection, split)
    with LineCache(part, model.config.height, cache_folder) as cache:
        if not len(cache):
            raise DataError(
                f"{collection.root}: no image of split {split!r} can be decoded. "
                "`typica lines check` says why."
            )
        return assess(model, about, cache, Run(Path(run)), split, progress)


def lines_to_judge(collection: LineCollection, split: str) -> LineCollection:
    """The lines of a split, with their true glyph boxes if the collection has them.

    Arguments:
        collection: Lines.
        split: `train`, `val`, `test` or `all`.

    Raises:
        DataError: If there is none.
    """
    if (collection.root / GLYPHS_FILE).exists():
        collection = with_glyphs(collection)
    part = collection.part(split)
    if not len(part):
        raise DataError(
            f"{collection.root}: no line is in split {split!r}. Choose another with --split, "
            "or all."
        )
    return part


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
    """Write readings, pictures and numbers."""
    kinds = ("original", "reconstruction", "segmentation")
    pictures = {
        line: {kind: getattr(one, kind) for kind in kinds}
        for line, one in {**sampled, **worst}.items()
    }
    about = {"samples": list(sampled), "worst": list(worst), "naming": naming}
    write_evaluation(folder, evaluation, collection, found, pictures, about)
