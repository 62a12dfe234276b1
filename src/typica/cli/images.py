"""`typica images ...`: check a labelled picture collection."""

from __future__ import annotations

from typing import Annotated

from tyro.conf import OmitArgPrefixes, arg

from ..images.options import PictureOptions
from .shared import DataPath, as_json

__all__ = ["AS_PICTURES", "PicturesArgument", "images_check"]

AS_PICTURES = PictureOptions()
PicturesArgument = Annotated[PictureOptions, OmitArgPrefixes]


def images_check(
    data: DataPath,
    /,
    reading: PicturesArgument = AS_PICTURES,
    size: int = 512,
    factor: int = 8,
    json: Annotated[bool, arg(name="json")] = False,
) -> int:
    """Say what a person needs to know of labelled pictures before mining; 1 if it cannot be mined.

    Args:
        data: Folder of <label>/<file>, or a table with paths and labels.
        reading: How it is read.
        size: Short side that pictures will be resized to.
        factor: Pixels per cell of the model (8 for Stable Diffusion, 4 for small).
        json: Print one JSON object instead of text.
    """
    from ..images.check import check

    report = check(data, reading, size, factor)
    print(as_json(report.as_dict()) if json else "\n".join(report.lines()))
    return 0 if report.usable else 1
