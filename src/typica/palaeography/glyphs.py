"""Every occurrence as a picture of its own, in folders by letter, with a table of their places.

    OUT/U+0061_a/<document>_<line>_<number>.png
    OUT/occurrences.csv

`typica typewriter decompose` writes the same boxes as PAGE XML and ALTO for the pages.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from ..errors import DataError, RunError
from ..files import atomic_folder, write_text
from ..lines.images import line_image
from ..lines.line import Box, Line, LineCollection
from ..reports.wording import code_points
from ..typewriter.ink import ink_boxes
from .cuts import KeptLines, Pixels, cut_box, kept_lines, occurrence_box
from .groups import load_groups
from .occurrences import Occurrences
from .prototypes import load_prototypes
from .scene_file import load_occurrences

__all__ = ["documents_of_lines", "export_glyphs", "letter_folder", "safe_name"]

_LONGEST = 80
_HEADING = (
    *("file", "document", "letter", "code_points", "sprite", "line", "number"),
    *("left", "top", "right", "bottom", "height_of_line"),
    *("left_original", "top_original", "right_original", "bottom_original", "scale"),
)


def safe_name(text: str) -> str:
    """A part of a file name that every system takes: letters, digits, dots and dashes.

    Arguments:
        text: Anything.

    Returns:
        At least one character, at most 80; other characters become `-`.
    """
    kept = "".join(c if (c.isascii() and c.isalnum()) or c in ".-" else "-" for c in text)
    return kept.strip(".-")[:_LONGEST].strip(".-") or "x"


def letter_folder(letter: str) -> str:
    """The name of a letter's folder, such as `U+0061_a`: the code points tell `a` from `A`.

    Only plain letters and digits are written out; capitals and small letters have other code
    points, so that their folders differ on systems that do not tell `A` from `a`.
    """
    codes = "_".join(f"U+{ord(c):04X}" for c in letter) or "none"
    plain = unicodedata.normalize("NFC", letter)
    return f"{codes}_{plain}" if plain.isascii() and plain.isalnum() else codes


def export_glyphs(
    folder: Path,
    out: Path,
    collection: LineCollection | None = None,
    *,
    letters: tuple[str, ...] = (),
    margin: float = 0.0,
    progress: bool = True,
) -> list[str]:
    """Write every occurrence of a job as a picture, and `occurrences.csv`.

    Arguments:
        folder: That of `typica palaeography adapt`.
        out: Folder to make; it appears when it is complete.
        collection: The lines that were adapted to, to cut from the pictures as they are; without
            it the lines that the job kept, at the height of the model, are cut.
        letters: Only these; all if empty.
        margin: Cut so much more on every side, as a share of the height of the line.
        progress: Show a progress bar on standard error.

    Returns:
        Lines for a terminal.

    Raises:
        DataError: If the collection lacks a line, or no letter of the job is named.
        RunError: If `out` exists, or the job is not finished or has lost its lines.
    """
    if out.exists():
        raise RunError(f"{out}: exists already. Give another --out, or remove it.")
    prototypes, about = load_prototypes(folder / "prototypes.safetensors")
    occurrences, lines = load_occurrences(folder / "occurrences.safetensors")
    unknown = [letter for letter in letters if letter not in prototypes.letters]
    if unknown:
        raise DataError(
            f"{folder}: no letter {unknown[0]!r}; there are {' '.join(prototypes.letters)}"
        )
    if collection is not None:
        missing = set(lines) - {line.id for line in collection}
        if missing:
            raise DataError(
                f"{collection.root}: has no line {min(missing)!r}, which {folder} was made from "
                f"({len(missing)} are missing). Give the data of `typica palaeography adapt`."
            )
    kept = kept_lines(folder, len(lines))
    if kept is None:
        raise RunError(f"{folder}: its cache of lines is gone. Adapt again.")
    documents = documents_of_lines(folder, lines, str(about["field"]))
    wanted = [k for k, letter in enumerate(prototypes.letters) if not letters or letter in letters]
    chosen = np.flatnonzero(np.isin(occurrences.sprites, wanted))
    source = _Source(
        *(prototypes.letters, lines, documents, kept),
        {} if collection is None else {line.id: line for line in collection},
        ink_boxes(prototypes.reference),
    )
    rows = []
    with atomic_folder(out, replace=False) as aside:
        for row, picture in _cuts(source, occurrences, chosen, margin, progress):
            path = aside / str(row[0])
            path.parent.mkdir(exist_ok=True)
            # in a folder that nobody sees yet, so without the care of `files`
            Image.fromarray(picture).save(path, format="PNG")
            rows.append(row)
        write_text(aside / "occurrences.csv", _table(rows))
    return [
        f"{len(rows)} occurrences of {len({row[2] for row in rows})} letters",
        f"pictures by letter, and occurrences.csv: {out}",
        "the same boxes as PAGE XML and ALTO: typica typewriter decompose",
    ]


def documents_of_lines(folder: Path, lines: list[str], field: str) -> dict[int, str]:
    """Of every line the group of one level that it belongs to; nothing if groups were not kept."""
    if not (folder / "groups.json").exists():
        return {}
    return {
        number: group.name
        for group in load_groups(folder / "groups.json", lines)
        if group.field == field
        for number in group.lines
    }


@dataclass(frozen=True)
class _Source:
    """What occurrences are cut from.

    Arguments:
        letters: Of every sprite.
        lines: Their ids.
        documents: Of lines, by number.
        kept: The lines at the height of the model.
        originals: The lines as they are, by id; empty to cut from `kept`.
        boxes: Of the ink of every sprite.
    """

    letters: tuple[str, ...]
    lines: list[str]
    documents: dict[int, str]
    kept: KeptLines
    originals: dict[str, Line]
    boxes: list[Box]


def _cuts(
    source: _Source,
    occurrences: Occurrences,
    chosen: NDArray[np.int64],
    margin: float,
    progress: bool,
) -> Iterator[tuple[list[object], Pixels]]:
    """Row of the table and picture of every chosen occurrence; each line is decoded once."""
    used: set[str] = set()
    # the place of each on its line, whatever was chosen
    _, first, counts = np.unique(occurrences.lines, return_index=True, return_counts=True)
    numbers = np.arange(len(occurrences)) - np.repeat(np.sort(first), counts)
    seen, picture, scale = -1, np.zeros((1, 1, 3), np.uint8), 1.0
    for place in tqdm(chosen, "glyphs", unit="glyph", disable=not progress):
        line, sprite = int(occurrences.lines[place]), int(occurrences.sprites[place])
        name, document = source.lines[line], source.documents.get(line, "")
        if line != seen:
            seen, picture = line, source.kept[line]
            if source.originals:
                picture = line_image(source.originals[name])
            scale = picture.shape[0] / source.kept.height
        box = occurrence_box(occurrences, int(place), source.boxes[sprite])
        large = _scaled(box, scale)
        more = margin * picture.shape[0]
        wider = Box(large.left - more, large.top - more, large.right + more, large.bottom + more)
        letter, number = source.letters[sprite], int(numbers[place]) + 1
        start = f"{letter_folder(letter)}/{safe_name(document)}_{safe_name(name)}_{number:03d}"
        file, again = f"{start}.png", 1
        while file in used:  # names that differ only in what a file name may not hold
            again += 1
            file = f"{start}-{again}.png"
        used.add(file)
        row = [file, document, letter, code_points(letter), sprite, name, number]
        row += [*_numbers(box), source.kept.height]
        row += _numbers(large) if source.originals else [""] * 4
        yield [*row, f"{float(occurrences.scale[place]):.4f}"], cut_box(picture, wider)


def _table(rows: list[list[object]]) -> str:
    """`occurrences.csv`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_HEADING, *rows])
    return text.getvalue()


def _scaled(box: Box, factor: float) -> Box:
    return Box(box.left * factor, box.top * factor, box.right * factor, box.bottom * factor)


def _numbers(box: Box) -> list[str]:
    return [f"{value:.2f}" for value in (box.left, box.top, box.right, box.bottom)]
