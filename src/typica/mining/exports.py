"""Elements for other programs: COCO annotations and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..files import finite, write_json, write_text
from ..images.picture import PictureCollection
from .table import COLUMNS, KINDS, ElementsTable, Kind

__all__ = ["coco", "write_coco", "write_csv"]


def coco(
    table: ElementsTable, collection: PictureCollection, kinds: Sequence[Kind] = ("typical",)
) -> dict[str, Any]:
    """Elements as COCO annotations.

    Arguments:
        table: The elements.
        collection: Their pictures.
        kinds: Which elements are taken.

    Returns:
        `images` (only those with elements; `file_name` is the picture's id), `categories` (the
        labels), and `annotations`: `bbox` is left, top, width, height in pixels of the original
        picture; `score` is the typicality, `score_error` its standard error; `kind`, `rank`
        and `cluster` as in the table (`cluster` null for none). Ids count from 1.

    Raises:
        RunError: If an element's picture is not in the collection.
    """
    pictures = {picture.id: picture for picture in collection}
    rows = [row for kind in KINDS if kind in kinds for row in table.rows(kind=kind).tolist()]
    names = sorted({str(table.picture[row]) for row in rows})
    for name in names:
        if name not in pictures:
            raise RunError(
                f"{name}: in the elements table, but not in {collection.root}. "
                "Run `typica mine select` again on this collection."
            )
    numbers = {name: number for number, name in enumerate(names, 1)}
    labels = {label: number for number, label in enumerate(table.labels, 1)}
    annotations = []
    for number, row in enumerate(sorted(rows), 1):
        box, cluster = table.box(row), int(table.cluster[row])
        annotations.append(
            {
                "id": number,
                "image_id": numbers[table.picture[row]],
                "category_id": labels[table.label[row]],
                "bbox": [box.left, box.top, box.width, box.height],
                "area": box.area,
                "iscrowd": 0,
                "segmentation": [],
                "score": float(table.typicality[row]),
                "score_error": finite(float(table.error[row])),
                "kind": table.kind[row],
                "rank": int(table.rank[row]),
                "cluster": cluster if cluster >= 0 else None,
            }
        )
    images = [
        {
            "id": numbers[name],
            "file_name": name,
            "width": pictures[name].width,
            "height": pictures[name].height,
        }
        for name in names
    ]
    return {
        "info": {"description": "Elements mined with typica", "version": "1.0"},
        "licenses": [],
        "images": images,
        "categories": [
            {"id": number, "name": label, "supercategory": "label"}
            for label, number in labels.items()
        ],
        "annotations": annotations,
    }


def write_coco(
    path: Path,
    table: ElementsTable,
    collection: PictureCollection,
    kinds: Sequence[Kind] = ("typical",),
) -> None:
    """Write `coco` as JSON, in one step."""
    write_json(path, coco(table, collection, kinds))


def write_csv(path: Path, table: ElementsTable) -> None:
    """Write the whole table as CSV (UTF-8, a heading, empty for no value), in one step.

    Numbers are written with as few digits as give back the same float32.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    columns = [getattr(table, name) for name in COLUMNS]
    for row in range(len(table)):
        writer.writerow([_text(column[row]) for column in columns])
    write_text(path, out.getvalue())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value.dtype.kind == "f":
        return str(value) if math.isfinite(value) else ""
    return str(value).lower() if value.dtype.kind == "b" else str(value)
