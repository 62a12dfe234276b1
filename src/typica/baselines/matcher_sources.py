r"""Where the exemplars of an alphabet come from: pictures, boxes, or a typewriter's run.

They may come from

- a folder of pictures (`lines.exemplars`), each as high as the lines are;
- a `glyphs.json` of boxes, which rendered lines have and a person can write by hand;
- a trained typewriter: the boxes of the letters that it read right on transcribed lines.

None is ever cut from a line of the split that is judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from ..errors import DAMAGE, ConfigError, DataError, RunError, reason
from ..lines.cache import LineCache
from ..lines.exemplars import Exemplar, cut_exemplar, exemplar_files, framed, ink_of, scaled
from ..lines.glyphs import GLYPHS_FILE, read_glyphs
from ..lines.images import line_size, read_image, resize_line
from ..lines.line import Box, Glyph
from ..typewriter.assessment import spread
from ..typewriter.kept_readings import reading_from_dict

__all__ = ["find_exemplars", "folder_exemplars", "line_exemplars", "run_boxes"]

Boxes = dict[str, tuple[Glyph, ...]]


def find_exemplars(
    cache: LineCache, split: str, source: Path | None = None, lines: int | None = None
) -> list[Exemplar]:
    """All exemplars that a source has for the lines of a collection.

    Arguments:
        cache: The lines, at the matcher's height.
        split: The split that will be judged; its lines are not cut.
        source: A folder `<character>/*.png`, a folder or file of boxes (`glyphs.json`), or the
            run folder of a typewriter that read these lines; None for the true boxes that the
            data itself has.
        lines: Cut at most this many lines, evenly spread; None for all.

    Returns:
        The exemplars, in a fixed order.

    Raises:
        ConfigError: There is no source, or all lines are to be judged.
        DataError: The source is missing, has none of these lines, or cannot be used.
    """
    if lines is not None and lines < 1:
        raise ConfigError(f"--exemplar-lines {lines}: give at least 1")
    root = cache.collection.root
    if source is None and not (root / GLYPHS_FILE).exists():
        raise ConfigError(
            f"{root}: has no glyph boxes to cut exemplars by. Give --exemplar-source: a folder "
            "<character>/*.png, a glyphs.json with boxes of some of the lines, or the run folder "
            "of a typewriter that was evaluated on them."
        )
    place = root if source is None else Path(source)
    if not place.exists():
        raise DataError(f"{place}: no such file or folder. Give another --exemplar-source.")
    if place.is_file() and place.name != GLYPHS_FILE:
        raise DataError(f"{place}: is no {GLYPHS_FILE}. Give one, or a folder.")
    boxed = place.is_file() or (place / GLYPHS_FILE).exists()
    is_run = place.is_dir() and (place / "evaluation").is_dir()
    if not boxed and not is_run:
        return folder_exemplars(place, cache.height)
    if split == "all":
        raise ConfigError(
            "--split all: exemplars would be cut from lines that are judged. Judge one split, or "
            "give --exemplar-source a folder <character>/*.png."
        )
    boxes = read_glyphs(place if place.is_dir() else place.parent) if boxed else run_boxes(place)
    found = line_exemplars(cache, boxes, split, lines)
    if not found:
        raise DataError(
            f"{place}: has no box on a line outside of split {split!r}. Give boxes of training "
            "or validation lines (`typica typewriter eval RUN DATA --split train`)."
        )
    return found


def line_exemplars(
    cache: LineCache, boxes: Boxes, split: str, lines: int | None = None
) -> list[Exemplar]:
    """Cut exemplars out of the lines of a cache.

    Arguments:
        cache: The lines.
        boxes: For line ids, glyphs in pixels of the line images as they were given.
        split: Lines of this split are not cut.
        lines: Cut at most this many, evenly spread.
    """
    usable = [
        (number, line)
        for number, line in enumerate(cache.collection)
        if line.split != split and boxes.get(line.id)
    ]
    if lines is not None and len(usable) > lines:
        usable = [usable[i] for i in sorted(spread(len(usable), lines))]
    found = []
    for number, line in usable:
        width, height = line_size(line)
        picture = np.asarray(cache[number])
        ink = ink_of(picture)
        across, down = picture.shape[1] / width, cache.height / height
        for glyph in boxes[line.id]:
            box = scaled(glyph.box, across, down)
            if box.left < ink.shape[1] and box.top < ink.shape[0]:
                found.append(cut_exemplar(ink, box, glyph.symbol))
    return found


def run_boxes(run: Path) -> Boxes:
    """The boxes of the letters that a typewriter read right, from the evaluations of its run.

    Arguments:
        run: A run folder with `evaluation/<split>/readings.jsonl`.

    Returns:
        For line ids, the glyphs that agree with the transcription; a glyph that was drawn in
        several pieces or shares its sprite with another is left out.

    Raises:
        RunError: There is no evaluation, or it is damaged.
    """
    files = sorted((Path(run) / "evaluation").glob("*/readings.jsonl"))
    if not files:
        raise RunError(
            f"{run}: has no readings. Read transcribed lines first: `typica typewriter eval RUN "
            "DATA --split train`."
        )
    boxes: Boxes = {}
    for file in files:
        for row in _rows(file):
            try:
                reading, truth = reading_from_dict(row), row["truth"]
            except DAMAGE as error:
                raise RunError(
                    f"{file}: damaged ({reason(error)}). Evaluate the run again."
                ) from error
            if truth is None:
                continue
            wanted = [symbol for symbol in truth if symbol.strip()]
            same = [
                reading.glyphs[i]
                for op in Levenshtein.opcodes(list(reading.letters), wanted)
                if op.tag == "equal"
                for i in range(op.src_start, op.src_end)
            ]
            boxes[reading.line] = tuple(
                Glyph(glyph.symbol, glyph.box) for glyph in same if glyph.placements == 1
            )
    return boxes


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    try:
        for text in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(text)
    except DAMAGE as error:
        raise RunError(f"{file}: damaged ({reason(error)}). Evaluate the run again.") from error


def folder_exemplars(folder: Path, height: int) -> list[Exemplar]:
    """Exemplars from pictures, each as high as the lines are, with paper above and below.

    Arguments:
        folder: Holds pictures named by their characters (`lines.exemplars`).
        height: The matcher's height; pictures are resized to it.

    Raises:
        DataError: There is no picture, or one without ink.
    """
    found = []
    for symbol, path in exemplar_files(folder):
        ink = ink_of(framed(resize_line(read_image(path), height)))[:, height:-height]
        solid = ink > 0.4
        if not solid.any():
            raise DataError(f"{path}: shows no ink. Cut the glyph again, or remove it.")
        rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
        box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        found.append(cut_exemplar(ink, box, symbol))
    if not found:
        raise DataError(
            f"{folder}: holds no exemplars. Give a folder <character>/*.png with pictures as "
            "high as a line, a glyphs.json, or a run folder."
        )
    return found
