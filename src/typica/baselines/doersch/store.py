"""The cells of all pictures of a collection, on disk in pieces, and the descriptors made of them.

A piece holds the cells (float16) of consecutive pictures; one is in memory at a time, so that the
size of a collection does not matter. A search goes over them piece by piece.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ...errors import DataError, RunError
from ...images.loading import load_pixels
from ...images.picture import Picture
from ...runs import load_tensors, save_tensors
from ...values import Box
from .descriptors import grid, picture_cells, windows
from .options import DoerschOptions

__all__ = ["CellStore", "Clock", "short_side"]


def short_side(picture: Picture, options: DoerschOptions) -> int:
    """The short side that a picture is worked on at, before it is rounded to whole cells."""
    return options.size or min(picture.width, picture.height)


class Clock:
    """Time from its making: by the clock, and of all threads of this process."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def spent(self) -> dict[str, float]:
        """`seconds` and `processor_seconds`, in this order."""
        return {
            "seconds": time.perf_counter() - self._start[0],
            "processor_seconds": time.process_time() - self._start[1],
        }


@dataclass(frozen=True)
class CellStore:
    """Cells of a collection.

    Arguments:
        folder: Of the pieces.
        pictures: In the order of the collection; numbers of pictures count in it.
        options: That decide the cells.
    """

    folder: Path
    pictures: tuple[Picture, ...]
    options: DoerschOptions

    @property
    def pieces(self) -> int:
        """How many files there are, or will be."""
        return -(-len(self.pictures) // self.options.piece)

    def path(self, piece: int) -> Path:
        """The file of one piece."""
        return self.folder / f"{piece:05d}.safetensors"

    def members(self, piece: int) -> range:
        """Numbers of the pictures of one piece."""
        start = piece * self.options.piece
        return range(start, min(start + self.options.piece, len(self.pictures)))

    def build(self, show_progress: bool = True) -> int:
        """Compute what is not on disk yet.

        Arguments:
            show_progress: Show a bar on standard error.

        Returns:
            How many pieces were made; 0 if all were there.
        """
        todo = [piece for piece in range(self.pieces) if not self.path(piece).exists()]
        count = sum(len(self.members(piece)) for piece in todo)
        bar = tqdm(total=count, desc="descriptors", unit="picture", disable=not show_progress)
        with bar:
            for piece in todo:
                self._build_piece(piece, bar)
        return len(todo)

    def _build_piece(self, piece: int, bar: tqdm) -> None:
        found: list[NDArray[np.float16]] = []
        problems: dict[str, str] = {}
        clock = Clock()
        for number in self.members(piece):
            picture = self.pictures[number]
            try:
                found.append(self._cells(picture))
            except DataError as error:
                problems[picture.id] = str(error)
                found.append(np.zeros((0, 0, self.options.channels), np.float16))
            bar.update()
        shapes = torch.tensor([one.shape[:2] for one in found], dtype=torch.int32)
        flat = np.concatenate([one.reshape(-1, self.options.channels) for one in found])
        about = {"pictures": self._names(piece), "problems": problems, **clock.spent()}
        save_tensors(self.path(piece), {"cells": torch.from_numpy(flat), "shapes": shapes}, about)

    def _cells(self, picture: Picture) -> NDArray[np.float16]:
        options = self.options
        pixels = load_pixels(picture, short_side(picture, options), options.cell)
        if min(pixels.shape[:2]) < options.side:
            height, width = pixels.shape[:2]
            raise DataError(
                f"{picture.path}: smaller ({width} x {height}) than a patch of {options.side} px. "
                "Give --set size=... or smaller cells."
            )
        return picture_cells(pixels, options.cell, options.orientations, options.colour_offset)

    def _names(self, piece: int) -> str:
        """A digest of the pictures of a piece."""
        names = "\n".join(self.pictures[i].id for i in self.members(piece))
        return hashlib.sha256(names.encode()).hexdigest()[:16]

    def read(self, piece: int) -> list[Tensor]:
        """The cells of every picture of a piece, `(h, w, channels)`; empty where it is unusable.

        Raises:
            RunError: If the file is missing, damaged, or of other pictures.
        """
        tensors, about = load_tensors(self.path(piece))
        shapes, flat = tensors.get("shapes"), tensors.get("cells")
        members = self.members(piece)
        if (
            about.get("pictures") != self._names(piece)
            or shapes is None
            or flat is None
            or shapes.shape != (len(members), 2)
            or flat.shape != (int(shapes.prod(1).sum()), self.options.channels)
        ):
            raise RunError(f"{self.path(piece)}: of other pictures. Delete it and run again.")
        parts = flat.split(shapes.prod(1).tolist())
        return [
            part.reshape(*shape, self.options.channels)
            for part, shape in zip(parts, shapes.tolist(), strict=True)
        ]

    @cached_property
    def shapes(self) -> NDArray[np.int64]:
        """Patches down and across every picture, `(pictures, 2)`; 0 where it is unusable."""
        found = []
        for piece in range(self.pieces):
            for rows, columns in load_tensors(self.path(piece))[0]["shapes"].tolist():
                found.append(grid(rows, columns, self.options.cells, self.options.step))
        return np.array(found, np.int64)

    def problems(self) -> tuple[str, ...]:
        """What could not be used, in words."""
        rows = (load_tensors(self.path(piece))[1]["problems"] for piece in range(self.pieces))
        return tuple(text for row in rows for text in row.values())

    def spent(self, kind: str) -> float:
        """What computing all of it took: `seconds` by the clock, or `processor_seconds`."""
        return sum(float(load_tensors(self.path(i))[1][kind]) for i in range(self.pieces))

    def corners(
        self, picture: NDArray[np.int64], place: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Top and left edges of patches, in working pixels; arrays of the shape of the arguments.

        Arguments:
            picture: Numbers of pictures.
            place: Numbers of patches in them.
        """
        across = np.maximum(1, self.shapes[picture, 1])
        stride = self.options.step * self.options.cell
        return place // across * stride, place % across * stride

    def box(self, picture: int, place: int) -> Box:
        """A patch in working pixels."""
        tops, lefts = self.corners(np.array([picture]), np.array([place]))
        top, left, side = int(tops[0]), int(lefts[0]), self.options.side
        return Box(left, top, left + side, top + side)

    def each(self, wanted: Sequence[int] | NDArray[np.int64]) -> Iterator[tuple[int, Tensor]]:
        """Wanted pictures that are usable, with their cells, in the order of their numbers."""
        numbers = np.unique(np.asarray(wanted, np.int64))
        for piece in np.unique(numbers // self.options.piece).tolist():
            cells = self.read(piece)
            start = piece * self.options.piece
            for number in numbers[numbers // self.options.piece == piece].tolist():
                if cells[number - start].numel():
                    yield number, cells[number - start]

    def descriptors(self, picture: NDArray[np.int64], place: NDArray[np.int64]) -> Tensor:
        """Descriptors of some patches, `(N, length)` float32, in the order given.

        Arguments:
            picture: Numbers of pictures, `(N,)`.
            place: Numbers of patches in them, `(N,)`.
        """
        found = torch.zeros(len(picture), self.options.length)
        order = np.argsort(picture, kind="stable")
        numbers, starts = np.unique(picture[order], return_index=True)
        groups = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
        for number, cells in self.each(numbers):
            rows = groups[number]
            made = windows(cells, self.options.cells, self.options.step, place[rows])
            found[torch.from_numpy(rows)] = made
        return found
