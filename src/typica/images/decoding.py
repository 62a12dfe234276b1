"""The pixels of pictures: size and wholeness from the header, decoding over white, resizing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from ..errors import DataError
from ..picture_files import Words, holds_more, opened, pixels_of, upright_size

__all__ = ["Header", "decode", "read_header", "shrink"]

_WORDS = Words(
    article="a",
    noun="picture",
    foreign="Save it as JPEG or PNG, or take it out.",
    missing="no such file. Check that the picture is there.",
)
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}


@dataclass(frozen=True)
class Header:
    """What the first bytes of a picture file tell.

    Arguments:
        width: As it is shown (EXIF rotation applied), in pixels.
        height: As it is shown, in pixels.
        more: True if the file holds more pictures than the first: an animation, or scans.
        complete: False if the file seems to end too early; decoding it tells for certain.
    """

    width: int
    height: int
    more: bool
    complete: bool


def read_header(path: Path) -> Header:
    """What a picture file is, without decoding it.

    Raises:
        DataError: If the file is missing, is no picture that can be read, or is too large.
    """
    if path.exists() and not path.is_file():  # a pipe, say, would be waited for
        raise DataError(f"{path}: not an ordinary file. Take it out of the collection.")
    with opened(path, _WORDS) as image:
        complete = _complete(path, image.format or "")
        return Header(*upright_size(image), holds_more(image), complete)


def decode(source: Path | IO[bytes], name: Path | None = None) -> np.ndarray:
    """All pixels of a picture file.

    An EXIF orientation is applied, transparency is laid over white, and 16-bit, grey, palette
    and CMYK pictures become red, green, blue.

    Arguments:
        source: The file, or its opened bytes.
        name: What messages call it; None for `source` itself.

    Returns:
        Bytes with shape `(height, width, 3)`.

    Raises:
        DataError: If it cannot be decoded or is too large.
    """
    with opened(source, _WORDS, name) as image:
        return pixels_of(image, lambda _: np.full(3, 255.0))


def shrink(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Bring a picture to a size with the Lanczos filter, antialiased.

    Arguments:
        pixels: Bytes with shape `(h, w, 3)`.
        width: New width in pixels.
        height: New height in pixels.

    Returns:
        Bytes with shape `(height, width, 3)`.
    """
    if pixels.shape[:2] == (height, width):
        return np.ascontiguousarray(pixels)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.array(picture.resize((width, height), Image.Resampling.LANCZOS))


def _complete(path: Path, kind: str) -> bool:
    """False if the mark that ends a file of this format is not near its end."""
    if kind not in _ENDS:
        return True  # WebP that ends too early cannot even be opened
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 64))
        return _ENDS[kind] in file.read()
