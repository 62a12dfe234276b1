"""Boxes from a folder of Pascal VOC files: one XML per picture, an `object` per box.

VOC counts pixels from 1 and includes the last one, so a box from xmin to xmax covers the pixels
xmin - 1 up to, but not including, xmax. Some programs that write this format count from 0; what
is off is one pixel.
"""

from __future__ import annotations

import math
from pathlib import Path

from ..errors import DataError, reason
from ..sources import Fault
from ..values import Box
from ..xml_file import parse_xml
from .boxes import BoxRow, read_box_rows

__all__ = ["read_any_boxes", "read_voc_rows"]


def read_any_boxes(path: Path) -> list[BoxRow]:
    """The boxes of a CSV, of a folder with a `boxes.csv`, or of a folder of VOC files.

    Raises:
        DataError: If there are none, or a file cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file. Give a CSV of boxes or a folder of VOC XML files.")
    if not path.is_dir():
        return read_box_rows(path)
    listed = path / "boxes.csv"
    return read_box_rows(listed) if listed.is_file() else read_voc_rows(path)


def read_voc_rows(folder: Path) -> list[BoxRow]:
    """The boxes of all XML files below a folder.

    A picture is the `filename` in its XML, which is often a bare name, or without its ending.

    Arguments:
        folder: Where they are.

    Raises:
        DataError: If there is no XML file, or one cannot be read.
    """
    files = sorted(folder.rglob("*.xml"))
    if not files:
        raise DataError(f"{folder}: no boxes.csv and no XML file in it. Give the boxes.")
    found = []
    for file in files:
        try:
            root = parse_xml(file)
            name = (root.findtext("filename") or "").strip() or file.stem
            for number, one in enumerate(root.iter("object"), 1):
                edges = [float(one.findtext(f"bndbox/{edge}", "")) for edge in _EDGES]
                box = Box(edges[0] - 1, edges[1] - 1, edges[2], edges[3])
                label = (one.findtext("name") or "").strip()
                if not label or not 0 < box.area < math.inf:
                    raise ValueError("an object without a name or an area")
                where = f"{file}, object {number}"
                found.append(BoxRow(name.replace("\\", "/"), label, box, where))
        except (Fault, ValueError) as error:
            raise DataError(
                f"{file}: not a VOC annotation ({reason(error)}). Correct or remove it."
            ) from error
    return found


_EDGES = ("xmin", "ymin", "xmax", "ymax")
