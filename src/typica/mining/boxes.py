"""What annotators boxed: boxes by picture and label, from a CSV, and as masks of pixels.

A folder of Pascal VOC files (one XML per picture) is read by `voc.py`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..images.picture import PictureCollection
from ..values import Box

__all__ = [
    "BoxRow",
    "Boxes",
    "FittedBoxes",
    "box_mask",
    "fit_boxes",
    "match_boxes",
    "read_box_rows",
    "read_boxes",
]

Boxes = dict[tuple[str, str], tuple[Box, ...]]
"""Boxes in pixels of the original picture, by picture and label."""

_COLUMNS = ("file", "label", "x", "y", "w", "h")
_OTHER_NAMES = {
    "picture": "file",
    "file_name": "file",
    "image index": "file",
    "finding label": "label",
    "bbox [x": "x",
    "width": "w",
    "w": "w",
    "height": "h",
    "h]": "h",
}
"""Names that columns have elsewhere, the list of ChestX-ray8 included; in lower case."""


@dataclass(frozen=True)
class BoxRow:
    """One box as it stands in a file.

    Arguments:
        file: The picture that it names, with forward slashes.
        label: What was boxed.
        box: In pixels of the original picture.
        where: The file and the line or object, for messages.
    """

    file: str
    label: str
    box: Box
    where: str


def read_boxes(path: Path) -> Boxes:
    """Read `boxes.csv`: columns file, label, x, y, w, h, in pixels of the original pictures.

    Arguments:
        path: The file. Further columns are ignored; several rows may name one picture.

    Returns:
        Boxes by file, with forward slashes, and label.

    Raises:
        DataError: If the file cannot be read, a column is missing, or a row holds no box.
    """
    return _grouped(read_box_rows(path))


def _grouped(rows: Iterable[BoxRow]) -> Boxes:
    found: dict[tuple[str, str], list[Box]] = {}
    for row in rows:
        found.setdefault((row.file, row.label), []).append(row.box)
    return {key: tuple(boxes) for key, boxes in found.items()}


def read_box_rows(path: Path) -> list[BoxRow]:
    """The rows of a CSV of boxes, one by one; arguments and errors as of `read_boxes`.

    Columns may also be called picture, width and height, or as in the list of ChestX-ray8.
    """
    path = Path(path)
    found: list[BoxRow] = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restval="")
            rows.fieldnames = [_usual(name) for name in rows.fieldnames or ()]
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path}: no column {missing[0]!r}. The first line must be {','.join(_COLUMNS)}"
                )
            for row in rows:
                box = _box(row, f"{path}, line {rows.line_num}")
                name = row["file"].replace("\\", "/").removeprefix("./")
                where = f"{path}, line {rows.line_num}"
                found.append(BoxRow(name, row["label"].strip(), box, where))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV ({error}).") from error
    return found


def _usual(name: str) -> str:
    return _OTHER_NAMES.get(name.strip().lower(), name)


def _box(row: Mapping[str, str], where: str) -> Box:
    try:
        x, y, width, height = (float(row[name]) for name in _COLUMNS[2:])
    except ValueError as error:
        raise DataError(f"{where}: x, y, w and h must be numbers ({error}).") from error
    if not (np.isfinite([x, y, width, height]).all() and width > 0 and height > 0):
        raise DataError(f"{where}: a box needs a width and a height above 0. Remove the row.")
    return Box(x, y, x + width, y + height)


def match_boxes(boxes: Boxes, collection: PictureCollection) -> tuple[Boxes, tuple[str, ...]]:
    """Boxes by the ids of a collection.

    A file is the picture of that id, or else the only one whose id ends in it (a CSV that lists
    bare names, or paths from another folder), or does so without its ending.

    Arguments:
        boxes: As read.
        collection: The pictures.

    Returns:
        Boxes by picture id and label, and the files that are no picture of the collection, or
        could be several.
    """
    ids = {picture.id for picture in collection}
    by_name: dict[str, list[str]] = {}
    by_stem: dict[str, list[str]] = {}
    for name in ids:
        last = name.rsplit("/", 1)[-1]
        by_name.setdefault(last, []).append(name)
        by_stem.setdefault(last.rpartition(".")[0], []).append(name)
    matched: dict[tuple[str, str], tuple[Box, ...]] = {}
    unmatched = []
    for (file, label), here in boxes.items():
        same = by_name.get(file.rsplit("/", 1)[-1], [])
        near = [i for i in same if f"/{i}".endswith(f"/{file}") or f"/{file}".endswith(f"/{i}")]
        if not same:
            bare = by_stem.get(file.rsplit("/", 1)[-1], [])
            near = [i for i in bare if f"/{i.rpartition('.')[0]}".endswith(f"/{file}")]
        if file not in ids and len(near) != 1:
            unmatched.append(file)
            continue
        key = (file if file in ids else near[0], label)
        matched[key] = (*matched.get(key, ()), *here)
    return matched, tuple(sorted(set(unmatched)))


@dataclass(frozen=True)
class FittedBoxes:
    """Boxes that belong to a collection, and what became of the others.

    Arguments:
        boxes: By picture id and label, within the picture, of labels that the picture has.
        count: How many these are.
        clipped: How many of them reached over the edge, and were cut there.
        unknown: Files that are no picture of the collection, or could be several.
        unknown_rows: How many boxes these have.
        other: (picture, label) where the picture has not that label.
    """

    boxes: Boxes
    count: int
    clipped: int
    unknown: tuple[str, ...]
    unknown_rows: int
    other: tuple[tuple[str, str], ...]

    def notes(self) -> list[str]:
        """What a person should know, in sentences."""
        found = []
        if self.unknown:
            first = ", ".join(self.unknown[:5]) + (", ..." if len(self.unknown) > 5 else "")
            found.append(
                f"{self.unknown_rows} boxes of {len(self.unknown)} files are left out: not in the "
                f"collection, or not clear which ({first})"
            )
        if self.other:
            first = ", ".join(f"{label} in {name}" for name, label in self.other[:3])
            found.append(
                f"{len(self.other)} times a label is boxed that the picture has not; left out "
                f"({first}{', ...' if len(self.other) > 3 else ''})"
            )
        if self.clipped:
            found.append(f"{self.clipped} boxes reached over the edge of their picture: cut")
        return found


def fit_boxes(rows: Sequence[BoxRow], collection: PictureCollection) -> FittedBoxes:
    """The boxes of the pictures of a collection and of their own labels.

    Arguments:
        rows: As read.
        collection: The pictures.

    Raises:
        DataError: If a box lies wholly outside of its picture (the row is named), or no box
            belongs to a picture and one of its labels.
    """
    matched, unknown = match_boxes(_grouped(rows), collection)
    by_id = {picture.id: picture for picture in collection}
    kept: dict[tuple[str, str], tuple[Box, ...]] = {}
    clipped, other = 0, []
    for (name, label), boxes in matched.items():
        picture = by_id[name]
        if label not in picture.labels:
            other.append((name, label))
            continue
        inside = []
        for box in boxes:
            cut = Box(
                max(box.left, 0.0),
                max(box.top, 0.0),
                min(box.right, float(picture.width)),
                min(box.bottom, float(picture.height)),
            )
            if cut.area == 0:
                where = _where(rows, name, label, box)
                raise DataError(
                    f"{where}: lies outside of {name}, which has {picture.width} x "
                    f"{picture.height} pixels. Give boxes in pixels of the original pictures."
                )
            clipped += cut != box
            inside.append(cut)
        kept[name, label] = tuple(inside)
    if not kept:
        raise DataError(
            "boxes: none belongs to a picture of the collection and to a label of it. Are the "
            f"files and labels those of the collection ({', '.join(collection.labels[:8])})?"
        )
    strange = set(unknown)
    return FittedBoxes(
        kept,
        sum(map(len, kept.values())),
        clipped,
        unknown,
        sum(row.file in strange for row in rows),
        tuple(sorted(other)),
    )


def _where(rows: Sequence[BoxRow], name: str, label: str, box: Box) -> str:
    """Where a box stands that was matched with a picture."""
    last = name.rsplit("/", 1)[-1]
    return next(
        row.where
        for row in rows
        if (row.label, row.box) == (label, box) and last.startswith(row.file.rsplit("/", 1)[-1])
    )


def box_mask(boxes: Sequence[Box], width: int, height: int) -> NDArray[np.bool_]:
    """The union of boxes: the pixels whose centre is in one of them.

    Arguments:
        boxes: In pixels; what lies outside of the picture is cut off.
        width: Of the picture.
        height: Of the picture.

    Returns:
        `(height, width)`.
    """
    mask = np.zeros((height, width), dtype=bool)
    for box in boxes:
        left, top = (max(0, int(np.ceil(v - 0.5))) for v in (box.left, box.top))
        right, bottom = (max(0, int(np.ceil(v - 0.5))) for v in (box.right, box.bottom))
        mask[top:bottom, left:right] = True
    return mask
