"""All lines of a collection, decoded and resized once, in one memory-mapped file.

A cache in a folder is two files: `lines-<name>-<digest>.u8`, the pixels of all lines one after
the other (bytes, each line `(height, width, 3)` in C order), and `lines-<name>.json`, which tells
where every line is. The digest covers everything that the pixels depend on.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from tqdm import tqdm

from ..errors import ConfigError, DataError
from ..pixel_file import PixelFile, read_index, write_pixels
from ..values import as_problem
from .images import decoding_order, line_image, resize_line
from .line import Line, LineCollection

__all__ = ["LineCache"]

_VERSION = 1
"""Raised when the pixels of a line would come out differently."""


class LineCache(PixelFile):
    """The pictures of a collection at one height, ready to be taken in any order.

    Lines whose image cannot be decoded are set aside: `collection` is what remains, and index
    `i` is its line `i`. Memory stays bounded: the pixels live in a file.

    Arguments:
        collection: The lines.
        height: The height of every line in pixels.
        folder: Where to keep the cache for the next run; None for a nameless temporary file,
            which is gone when the cache is closed or the program ends, however it ends.

    Raises:
        ConfigError: If the height is below 1.
        DataError: If the cache cannot be written.
    """

    collection: LineCollection
    height: int
    widths: np.ndarray

    def __init__(self, collection: LineCollection, height: int, folder: Path | None = None) -> None:
        if height < 1:
            raise ConfigError(f"height is {height}: give at least 1 pixel.")
        self.height = height
        super().__init__(
            "the line cache",
            folder,
            lambda target: _build(collection, height, target),
            lambda where: _keep(collection, height, where),
        )
        index = self._index
        broken: dict[str, str] = index["broken"]
        kept = [number for number, line in enumerate(collection) if line.id not in broken]
        self.collection = LineCollection(
            collection.root,
            tuple(collection.lines[number] for number in kept),
            (
                *collection.problems,
                *(
                    as_problem(line.path, broken[line.id], line.id)
                    for line in collection
                    if line.id in broken
                ),
            ),
        )
        self.widths = np.array([index["widths"][number] for number in kept], dtype=np.int64)
        self._offsets = np.array([index["offsets"][number] for number in kept], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.widths)

    def __getitem__(self, index: int) -> np.ndarray:
        """The picture of one line.

        Arguments:
            index: The number of the line in `collection`.

        Returns:
            A read-only view of bytes with shape `(height, widths[index], 3)`.
        """
        return self._view(int(self._offsets[index]), self.height, int(self.widths[index]))


def _build(collection: LineCollection, height: int, target: IO[bytes]) -> dict[str, Any]:
    """Write the pixels of all lines; lines of one page after each other, to read it once."""
    order = decoding_order(collection.lines)
    widths, offsets = [0] * len(collection), [0] * len(collection)
    broken: dict[str, str] = {}
    end = 0
    # Shown from two seconds on, and only to a person (standard error is a terminal).
    shown = tqdm(order, "preparing lines", unit="line", delay=2.0, leave=False, disable=None)
    for number in shown:
        line = collection.lines[number]
        try:
            picture = resize_line(line_image(line), height)
        except DataError as error:
            broken[line.id] = str(error)
            continue
        widths[number], offsets[number] = picture.shape[1], end
        target.write(picture.tobytes())
        end += picture.size
    target.flush()
    return {"widths": widths, "offsets": offsets, "broken": broken, "bytes": end}


def _keep(collection: LineCollection, height: int, folder: Path) -> tuple[dict[str, Any], Path]:
    """Take the cache in a folder if it is still right, else build it there."""
    name = _hash([str(collection.root.resolve()), height, [line.id for line in collection]])[:16]
    digest = _hash([_VERSION, PIL.__version__, height, [_state(line) for line in collection]])[:32]
    about, data = folder / f"lines-{name}.json", folder / f"lines-{name}-{digest}.u8"
    index = read_index(
        data, about, lambda found: found["digest"] == digest and _fits(found, collection, height)
    )
    if index is None:
        index = write_pixels(
            data, about, {"digest": digest}, lambda target: _build(collection, height, target)
        )
        for stale in folder.glob(f"lines-{name}-*.u8"):
            if stale != data:
                stale.unlink(missing_ok=True)
    return index, data


def _state(line: Line) -> list[Any]:
    """What the pixels of a line depend on."""
    try:
        state = os.stat(line.path)
        file = [state.st_size, state.st_mtime_ns]
    except OSError:
        file = [-1, -1]
    return [line.id, str(line.path.absolute()), *file, line.polygon, line.margin]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _fits(index: dict[str, Any], collection: LineCollection, height: int) -> bool:
    """True if every line of an index lies in the file, or is broken."""
    widths, offsets = (np.array(index[name], dtype=np.int64) for name in ("widths", "offsets"))
    return (
        widths.shape == offsets.shape == (len(collection),)
        and isinstance(index["bytes"], int)
        and bool((widths >= 0).all() and (offsets >= 0).all())
        and bool((offsets + widths * height * 3 <= index["bytes"]).all())
        and isinstance(index["broken"], dict)
        and int((widths == 0).sum()) == len(index["broken"])
    )
