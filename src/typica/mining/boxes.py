"""What annotators boxed: boxes by picture and label, from a CSV, and as masks of pixels."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..images.picture import PictureCollection
from ..values import Box

__all__ = ["Boxes", "box_mask", "match_boxes", "read_boxes"]

Boxes = dict[tuple[str, str], tuple[Box, ...]]
"""Boxes in pixels of the original picture, by picture and label."""

_COLUMNS = ("file", "label", "x", "y", "w", "h")


def read_boxes(path: Path) -> Boxes:
    """Read `boxes.csv`: columns file, label, x, y, w, h, in pixels of the original pictures.

    Arguments:
        path: The file. Further columns are ignored; several rows may name one picture.

    Returns:
        Boxes by file, with forward slashes, and label.

    Raises:
        DataError: If the file cannot be read, a column is missing, or a row holds no box.
    """
    path = Path(path)
    found: dict[tuple[str, str], list[Box]] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restval="")
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path}: no column {missing[0]!r}. The first line must be {','.join(_COLUMNS)}"
                )
            for row in rows:
                box = _box(row, f"{path}, line {rows.line_num}")
                key = (row["file"].replace("\\", "/").removeprefix("./"), row["label"].strip())
                found.setdefault(key, []).append(box)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV ({error}).") from error
    return {key: tuple(boxes) for key, boxes in found.items()}


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
    bare names, or paths from another folder).

    Arguments:
        boxes: As read.
        collection: The pictures.

    Returns:
        Boxes by picture id and label, and the files that are no picture of the collection, or
        could be several.
    """
    ids = {picture.id for picture in collection}
    by_name: dict[str, list[str]] = {}
    for name in ids:
        by_name.setdefault(name.rsplit("/", 1)[-1], []).append(name)
    matched: dict[tuple[str, str], tuple[Box, ...]] = {}
    unmatched = []
    for (file, label), here in boxes.items():
        same = by_name.get(file.rsplit("/", 1)[-1], [])
        near = [i for i in same if f"/{i}".endswith(f"/{file}") or f"/{file}".endswith(f"/{i}")]
        if file not in ids and len(near) != 1:
            unmatched.append(file)
            continue
        key = (file if file in ids else near[0], label)
        matched[key] = (*matched.get(key, ()), *here)
    return matched, tuple(sorted(set(unmatched)))


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
