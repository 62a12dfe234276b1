"""All pictures of a collection at their working sizes, in one memory-mapped file.

A cache in a folder is `pixels-<key>.u8`, the pixels of all pictures one after the other (bytes,
each picture `(height, width, 3)` in C order), and `pixels-<key>.json`, which tells where every
picture is. The key covers everything that the pixels depend on.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from tqdm import tqdm

from ..errors import DataError
from ..pixel_file import PixelFile, read_index, write_pixels
from ..values import as_problem
from .collection import digest
from .loading import load_pixels
from .picture import PictureCollection
from .sizes import working_size

__all__ = ["PixelCache"]

_VERSION = 1
"""Raised when the pixels of a picture would come out differently."""


class PixelCache(PixelFile):
    """The pictures of a collection at their working sizes, ready to be taken in any order.

    Pictures that cannot be decoded are set aside: `collection` is what remains, and index `i` is
    its picture `i`. Memory stays bounded: the pixels live in a file.

    Arguments:
        collection: The pictures.
        size: Shorter side in pixels (`working_size`).
        factor: Pixels per cell of the codec.
        folder: Where to keep the cache for the next run; None for a nameless temporary file,
            which is gone when the cache is closed or the program ends, however it ends.

    Raises:
        DataError: If the cache cannot be written.
    """

    collection: PictureCollection

    def __init__(
        self, collection: PictureCollection, size: int, factor: int, folder: Path | None = None
    ) -> None:
        super().__init__(
            "the cache of pictures",
            folder,
            partial(_build, collection, size, factor),
            partial(_keep, collection, size, factor),
        )
        index = self._index
        broken = {int(number): message for number, message in index["broken"].items()}
        kept = [number for number in range(len(collection)) if number not in broken]
        pictures = collection.pictures
        self.collection = replace(
            collection,
            pictures=tuple(pictures[number] for number in kept),
            problems=(
                *collection.problems,
                *(as_problem(pictures[number].path, message) for number, message in broken.items()),
            ),
        )
        self.shapes = tuple(
            (height, width)
            for width, height in (
                working_size(one.width, one.height, size, factor) for one in self.collection
            )
        )
        """Height and width in pixels of every picture."""
        self._offsets = [index["offsets"][number] for number in kept]

    def __len__(self) -> int:
        return len(self.collection)

    def __getitem__(self, number: int) -> np.ndarray:
        """One picture, bytes with shape `(height, width, 3)`, read only, not copied."""
        return self._view(self._offsets[number], *self.shapes[number])


def _build(
    collection: PictureCollection, size: int, factor: int, file: IO[bytes]
) -> dict[str, Any]:
    """Write the pixels of all pictures; where they start, and which are broken."""
    offsets: list[int] = []
    broken: dict[str, str] = {}
    position = 0
    for number, picture in enumerate(
        tqdm(collection, "caching pictures", unit="picture", delay=2.0, leave=False, disable=None)
    ):
        offsets.append(position)
        try:
            pixels = load_pixels(picture, size, factor)
        except DataError as error:
            broken[str(number)] = str(error)
            continue
        file.write(pixels.tobytes())
        position += pixels.size
    file.flush()
    return {"offsets": offsets, "broken": broken, "bytes": position}


def _keep(
    collection: PictureCollection, size: int, factor: int, folder: Path
) -> tuple[dict[str, Any], Path]:
    """The cache in a folder, made if it is not there or not whole."""
    key = _key(collection, size, factor)
    data, about = folder / f"pixels-{key[:16]}.u8", folder / f"pixels-{key[:16]}.json"
    index = read_index(data, about, lambda found: found["key"] == key)
    if index is None:
        index = write_pixels(data, about, {"key": key}, partial(_build, collection, size, factor))
    return index, data


def _key(collection: PictureCollection, size: int, factor: int) -> str:
    """A digest of everything that the pixels depend on."""
    found = hashlib.sha256(
        json.dumps([_VERSION, PIL.__version__, size, factor, digest(collection)]).encode()
    )
    for picture in collection:
        try:
            state = os.stat(picture.path)
            found.update(f"{state.st_size} {state.st_mtime_ns}\n".encode())
        except OSError:
            found.update(b"missing\n")
    return found.hexdigest()
