"""All lines of a collection, decoded and resized once, in one memory-mapped file.

A cache in a folder is two files: `lines-<name>-<digest>.u8`, the pixels of all lines one after
the other (bytes, each line `(height, width, 3)` in C order), and `lines-<name>.json`, which tells
where every line is. The digest covers everything that the pixels depend on.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import PIL
from tqdm import tqdm

from ..errors import ConfigError, DataError
from ..files import atomic_path, write_json
from .images import decoding_order, line_image, resize_line
from .line import Line, LineCollection, Problem

__all__ = ["LineCache"]

_VERSION = 1
"""Raised when the pixels of a line would come out differently."""


class LineCache:
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
        self._file: IO[bytes] | None = None
        try:
            if folder is None:
                self._file = tempfile.TemporaryFile(prefix="typica-lines-")  # noqa: SIM115
                index = _build(collection, height, self._file)
                pixels = _map(self._file, index["bytes"])
            else:
                index, pixels = _keep(collection, height, Path(folder))
        except OSError as error:
            where = folder or tempfile.gettempdir()
            raise DataError(
                f"{where}: the line cache cannot be written ({error.strerror or error}). "
                "Make room there, or give another folder."
            ) from error
        broken: dict[str, str] = index["broken"]
        kept = [number for number, line in enumerate(collection) if line.id not in broken]
        self.collection = LineCollection(
            collection.root,
            tuple(collection.lines[number] for number in kept),
            (*collection.problems, *_problems(collection, broken)),
        )
        self.widths = np.array([index["widths"][number] for number in kept], dtype=np.int64)
        self._offsets = np.array([index["offsets"][number] for number in kept], dtype=np.int64)
        self._pixels: np.ndarray | None = pixels

    def __len__(self) -> int:
        return len(self.widths)

    def __getitem__(self, index: int) -> np.ndarray:
        """The picture of one line.

        Arguments:
            index: The number of the line in `collection`.

        Returns:
            A read-only view of bytes with shape `(height, widths[index], 3)`.
        """
        if self._pixels is None:
            raise ValueError("the line cache is closed")
        width = int(self.widths[index])
        start = int(self._offsets[index])
        size = self.height * width * 3
        return self._pixels[start : start + size].reshape(self.height, width, 3)

    def close(self) -> None:
        """Let the file go; a temporary one is removed once no view of it is left."""
        self._pixels = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> LineCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _problems(collection: LineCollection, broken: dict[str, str]) -> list[Problem]:
    problems = []
    for line in collection:
        if line.id in broken:
            # The message of a `DataError` is "file: what. remedy".
            message = broken[line.id].removeprefix(f"{line.path}: ")
            what, _, remedy = message.partition(". ")
            problems.append(Problem(line.path, what, remedy, line.id))
    return problems


def _map(source: IO[bytes] | Path, size: int) -> np.ndarray:
    if not size:
        return np.empty(0, dtype=np.uint8)
    # A plain array over the map: every view of a `memmap` costs ten times a plain one.
    return np.asarray(np.memmap(source, dtype=np.uint8, mode="r", shape=(size,)))


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


def _keep(
    collection: LineCollection, height: int, folder: Path
) -> tuple[dict[str, Any], np.ndarray]:
    """Take the cache in a folder if it is still right, else build it there."""
    folder.mkdir(parents=True, exist_ok=True)
    name = _hash([str(collection.root.resolve()), height, [line.id for line in collection]])[:16]
    digest = _hash([_VERSION, PIL.__version__, height, [_state(line) for line in collection]])[:32]
    index_file = folder / f"lines-{name}.json"
    pixel_file = folder / f"lines-{name}-{digest}.u8"
    index = _load(index_file, digest, len(collection), height)
    if index is not None:
        try:
            if pixel_file.stat().st_size == index["bytes"]:
                return index, _map(pixel_file, index["bytes"])
        except OSError:
            pass
    with atomic_path(pixel_file) as aside, open(aside, "wb") as target:
        index = _build(collection, height, target)
    write_json(index_file, {"digest": digest, **index})
    for stale in folder.glob(f"lines-{name}-*.u8"):
        if stale != pixel_file:
            stale.unlink(missing_ok=True)
    return index, _map(pixel_file, index["bytes"])


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


def _load(file: Path, digest: str, count: int, height: int) -> dict[str, Any] | None:
    """The index of a cache, or None if it is missing, damaged or of other data."""
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
        widths, offsets = (np.array(index[name], dtype=np.int64) for name in ("widths", "offsets"))
        good = (
            index["digest"] == digest
            and widths.shape == offsets.shape == (count,)
            and isinstance(index["bytes"], int)
            and bool((widths >= 0).all() and (offsets >= 0).all())
            and bool((offsets + widths * height * 3 <= index["bytes"]).all())
            and isinstance(index["broken"], dict)
            and int((widths == 0).sum()) == len(index["broken"])
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return index if good else None
