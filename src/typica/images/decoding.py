"""Picture files: their size from the header, whether they are complete, their pixels.

Only formats that Pillow reads by itself are opened: some others start outside programs.
"""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from ..errors import DataError

__all__ = [
    "FOREIGN_SUFFIXES",
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "Header",
    "decode",
    "read_header",
    "shrink",
]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".jp2", ".ppm")
"""File name endings that count as a picture, in lower case."""

FOREIGN_SUFFIXES = (
    *(".heic", ".heif", ".avif", ".jxl", ".svg", ".psd", ".eps", ".pdf"),
    *(".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".raf", ".exr", ".dcm"),
)
"""Endings of pictures in formats that are not read; a person is told of them."""

MAX_PIXELS = 178_000_000
"""The largest picture that is opened: more is a decompression bomb, or needs cutting up first."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "PPM")
_BROKEN = (
    *(OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error),
    *(IndexError, TypeError, KeyError, AttributeError, OverflowError, MemoryError),
)
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
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
    with _opened(path, path) as image:
        try:
            width, height = image.size
            # Pillow turns a TIFF by itself; asking a PNG for a late EXIF block would decode it.
            upright = image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info)
            turned = not upright and _orientation(image) >= 5
            more = bool(getattr(image, "is_animated", False))
            complete = _complete(path, image.format or "")
        except _BROKEN as error:
            raise _damaged(path, error) from error
    return Header(*((height, width) if turned else (width, height)), more, complete)


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
    name = name or (source if isinstance(source, Path) else Path("picture"))
    with _opened(source, name) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is no concern of ours
        try:
            image.load()
            turn = _TURNS.get(_orientation(image)) if image.format != "TIFF" else None
            return _to_bytes(image.transpose(turn) if turn is not None else image)
        except Image.DecompressionBombError as error:
            raise _too_large(name) from error
        except _BROKEN as error:
            raise _damaged(name, error) from error


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


@contextmanager
def _opened(source: Path | IO[bytes], name: Path) -> Iterator[Image.Image]:
    """A picture whose header was read and whose size is allowed."""
    try:
        with warnings.catch_warnings():
            # Pictures of 90 to 178 million pixels are real; what is larger is refused below.
            warnings.simplefilter("ignore")
            image = Image.open(source, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except Image.UnidentifiedImageError as error:
        raise DataError(
            f"{name}: not a picture that can be read. Save it as JPEG or PNG, or take it out."
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file. Check that the picture is there.") from error
    except _BROKEN as error:
        raise _damaged(name, error) from error
    with image:
        width, height = image.size
        if width < 1 or height < 1:
            raise DataError(f"{name}: a picture without pixels. Export it again.")
        if width * height > MAX_PIXELS:
            raise _too_large(name)
        yield image


def _too_large(name: Path) -> DataError:
    return DataError(
        f"{name}: more than {MAX_PIXELS // 1_000_000} million pixels. "
        "Make it smaller, or cut it into parts."
    )


def _damaged(name: Path, error: BaseException) -> DataError:
    what = (str(error).splitlines() or [""])[0].replace(str(name), name.name).rstrip(".")
    return DataError(
        f"{name}: a damaged picture ({what or type(error).__name__}). Export or copy it again."
    )


def _complete(path: Path, kind: str) -> bool:
    """False if the mark that ends a file of this format is not near its end."""
    if kind not in _ENDS:
        return True  # WebP that ends too early cannot even be opened
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 64))
        return _ENDS[kind] in file.read()


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if there is none or it cannot be read."""
    try:
        found = int(image.getexif().get(_ORIENTATION, 1))
    except _BROKEN:
        return 1
    return found if 1 <= found <= 8 else 1


def _to_bytes(image: Image.Image) -> np.ndarray:
    """A decoded picture of any mode as bytes with shape `(height, width, 3)`."""
    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
        grey = np.clip(values * _scale(image.mode, values) + 0.5, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
        alpha = pixels[:, :, 3:].astype(np.uint32)
        # Whole numbers, rounded: opaque pixels stay as they are, clear ones are white.
        mixed = pixels[:, :, :3] * alpha + 255 * (255 - alpha)
        return ((mixed + 127) // 255).astype(np.uint8)
    return np.array(image.convert("RGB"))


def _scale(mode: str, values: np.ndarray) -> float:
    """What brings grey values to 0 to 255: floats up to 1, 16 bits, or bytes in a wider type."""
    top = float(values.max(initial=0.0))
    if mode == "F" and top <= 1.0:
        return 255.0
    wide = mode.startswith("I;16") or top > 255.0
    return 255.0 / 65535.0 if wide else 1.0
