"""Picture files: what counts as one, opening it within limits, its pixels upright.

Only formats that Pillow reads by itself are opened: some others start outside programs.
"""

from __future__ import annotations

import math
import os
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageFile

from .errors import DataError

__all__ = [
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "Words",
    "holds_more",
    "is_picture",
    "opened",
    "pixels_of",
    "upright_size",
]

PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff"),
    *(".webp", ".bmp", ".gif", ".jp2", ".ppm"),
)
"""File name endings that count as a picture, in lower case, the preferred one first."""

MAX_PIXELS = 178_000_000
"""The largest picture that is opened: more is a decompression bomb, or needs cutting up first."""

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "PPM")
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


@dataclass(frozen=True)
class Words:
    """How the messages of an instrument speak of a picture file.

    Arguments:
        article: Of the noun.
        noun: What it is called.
        foreign: What to do about a file that is of no format that is read.
        missing: What is said of a file that is not there; `{reason}` is what the system says.
    """

    article: str
    noun: str
    foreign: str
    missing: str

    def no_file(self, name: Path, error: OSError) -> DataError:
        """The error for a file that is not there."""
        return DataError(f"{name}: {self.missing.format(reason=error.strerror or error)}")


def is_picture(name: str) -> bool:
    """True if a file name ends like a picture that can be read, and is not hidden."""
    return not name.startswith(".") and name.lower().endswith(PICTURE_SUFFIXES)


@contextmanager
def opened(
    source: Path | IO[bytes], words: Words, name: Path | None = None
) -> Iterator[Image.Image]:
    """A picture whose header was read and whose size is allowed; it need not be upright.

    Damage that is met while it is open becomes a `DataError` too.

    Arguments:
        source: The file, or its opened bytes.
        words: What messages call it.
        name: What messages name; None for `source` itself.

    Raises:
        DataError: If it is missing, of no format that is read, damaged or too large.
    """
    name = name or (source if isinstance(source, Path) else Path("picture"))
    try:
        with warnings.catch_warnings():
            # Pictures of 90 to 178 million pixels are real; what is larger is refused below. Odd
            # metadata is no concern of ours.
            warnings.simplefilter("ignore")
            with Image.open(source, formats=_FORMATS) as image:
                width, height = image.size
                if width < 1 or height < 1:
                    raise DataError(
                        f"{name}: {words.article} {words.noun} without pixels. Export it again."
                    )
                if width * height > MAX_PIXELS:
                    raise _too_large(name)
                if not _holds_its_pixels(image):
                    raise OSError("its header declares more pixels than the file has")
                yield image
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except Image.UnidentifiedImageError as error:
        raise DataError(
            f"{name}: not {words.article} {words.noun} that can be read. {words.foreign}"
        ) from error
    except FileNotFoundError as error:
        raise words.no_file(name, error) from error
    except _BROKEN as error:
        what = (str(error).splitlines() or [""])[0].replace(str(name), name.name).rstrip(".")
        raise DataError(
            f"{name}: a damaged {words.noun} ({what or type(error).__name__}). "
            "Export or copy it again."
        ) from error


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of an opened picture as it is shown, from its header alone."""
    width, height = image.size
    # Pillow turns a TIFF by itself; asking a PNG for a late EXIF block would decode it all.
    upright = image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info)
    turned = not upright and _orientation(image) >= 5
    return (height, width) if turned else (width, height)


def holds_more(image: Image.Image) -> bool:
    """True if a file holds more than the one picture that is read: an animation, or scans."""
    return bool(getattr(image, "is_animated", False))


def pixels_of(image: Image.Image, ground: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """All pixels of an opened picture, upright.

    16-bit, grey, palette and CMYK pictures become red, green, blue.

    Arguments:
        image: The picture, from `opened`.
        ground: The colour behind transparent parts: takes bytes with shape `(height, width, 4)`,
            the last of them the opacity, and returns shape `(3,)` between 0 and 255.

    Returns:
        Bytes with shape `(height, width, 3)`, which may be written to.
    """
    image.load()
    turn = _TURNS.get(_orientation(image)) if image.format != "TIFF" else None
    image = image.transpose(turn) if turn is not None else image
    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0.0, neginf=0.0)
        grey = np.clip(values * _scale(image.mode, values) + 0.5, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        return _over(np.asarray(image.convert("RGBA")), ground)
    return np.array(image.convert("RGB"))


def _too_large(name: Path) -> DataError:
    return DataError(
        f"{name}: more than {MAX_PIXELS // 1_000_000} million pixels. "
        "Make it smaller, or cut it into parts."
    )


def _holds_its_pixels(image: ImageFile.ImageFile) -> bool:
    """False if a header declares pixels that cannot be in the file: memory is not taken for them.

    A TIFF lists its strips, which must cover it; what is not compressed needs a bit a pixel.
    """
    areas: Counter[str] = Counter()
    for tile in image.tile:
        left, top, right, bottom = tile.extents or (0, 0, *image.size)
        areas[tile.codec_name] += (right - left) * (bottom - top)
    if image.format == "TIFF" and areas.total() < math.prod(image.size):
        return False
    if not areas["raw"] or image.fp is None:
        return True
    here = image.fp.tell()
    size = image.fp.seek(0, os.SEEK_END)
    image.fp.seek(here)
    return areas["raw"] <= 8 * size


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if there is none or it cannot be read."""
    try:
        found = int(image.getexif().get(_ORIENTATION, 1))
    except _BROKEN:
        return 1
    return found if 1 <= found <= 8 else 1


def _over(pixels: np.ndarray, ground: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Lay a picture with opacity over a colour; opaque pixels stay as they are."""
    if (pixels[:, :, 3] == 255).all():
        return pixels[:, :, :3].copy()
    opacity = pixels[:, :, 3:].astype(np.float32) / 255.0
    mixed = pixels[:, :, :3] * opacity
    mixed += ground(pixels).astype(np.float32) * (1 - opacity)
    mixed += 0.5
    return mixed.astype(np.uint8)


def _scale(mode: str, values: np.ndarray) -> float:
    """What brings grey values to 0 to 255: floats up to 1, 16 bits, or bytes in a wider type."""
    top = float(values.max(initial=0.0))
    if mode == "F" and top <= 1.0:
        return 255.0
    wide = mode.startswith("I;16") or top > 255.0
    return 255.0 / 65535.0 if wide else 1.0
