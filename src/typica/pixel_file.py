"""The pixels of many pictures, one after the other in one memory-mapped file.

A file in a folder has a second one beside it that tells where every picture is (JSON, the index).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from .errors import DAMAGE, DataError
from .files import atomic_path, write_json

__all__ = ["PixelFile", "read_index", "write_pixels"]

Index = dict[str, Any]
Build = Callable[[IO[bytes]], Index]
"""Writes all pixels to an opened file and returns their index; its `bytes` is how many."""


class PixelFile:
    """Pixels that can be taken in any order; memory stays bounded, because they live in a file.

    Arguments:
        name: What messages call it.
        folder: Where to keep the file for the next run; None for a nameless temporary file,
            which is gone when this is closed or the program ends, however it ends.
        build: Writes the pixels, if there is no folder.
        keep: Finds the file in the folder or makes it there; returns its index and its path.

    Raises:
        DataError: If the file cannot be written.
    """

    def __init__(
        self,
        name: str,
        folder: Path | None,
        build: Build,
        keep: Callable[[Path], tuple[Index, Path]],
    ) -> None:
        self._name = name
        self._file: IO[bytes] | None = None
        self._pixels: np.ndarray | None = None
        try:
            if folder is None:
                self._file = tempfile.TemporaryFile(prefix="typica-")  # noqa: SIM115
                self._index = build(self._file)
                self._pixels = _map(self._file, self._index["bytes"])
            else:
                self._index, path = keep(Path(folder))
                self._pixels = _map(path, self._index["bytes"])
        except OSError as error:
            where = folder or tempfile.gettempdir()
            raise DataError(
                f"{where}: {name} cannot be written ({error.strerror or error}). "
                "Make room there, or choose another folder."
            ) from error

    def _view(self, start: int, height: int, width: int) -> np.ndarray:
        """One picture that starts at a byte: shape `(height, width, 3)`, read only, not copied."""
        if self._pixels is None:
            raise ValueError(f"{self._name} is closed")
        return self._pixels[start : start + height * width * 3].reshape(height, width, 3)

    def close(self) -> None:
        """Let go of the file; pictures that were taken stay valid until they are dropped."""
        self._pixels = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_index(data: Path, about: Path, good: Callable[[Index], bool]) -> Index | None:
    """The index of a file of pixels; None if it is missing, damaged, not whole or not good.

    Arguments:
        data: The file of pixels.
        about: Its index.
        good: Whether an index is the wanted one; may fail as damaged values make it fail.
    """
    try:
        index = json.loads(about.read_text(encoding="utf-8"))
        found = good(index) and data.stat().st_size == index["bytes"]
    except DAMAGE:
        return None
    return index if found else None


def write_pixels(data: Path, about: Path, mark: dict[str, str], build: Build) -> Index:
    """Write a file of pixels and its index, each in one step.

    Arguments:
        data: The file of pixels.
        about: Its index.
        mark: What the index starts with, so that it can be told from others.
        build: Writes the pixels.

    Returns:
        The index.
    """
    with atomic_path(data) as aside, open(aside, "wb") as file:
        index = {**mark, **build(file)}
    write_json(about, index)
    return index


def _map(source: IO[bytes] | Path, size: int) -> np.ndarray:
    if not size:
        return np.empty(0, dtype=np.uint8)
    # A plain array over the map: every view of a `memmap` costs ten times a plain one.
    return np.asarray(np.memmap(source, dtype=np.uint8, mode="r", shape=(size,)))
