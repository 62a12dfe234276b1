"""The pieces of ink of a line that stand apart, each as a picture of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Segment", "segments"]

_TOUCH = np.ones((3, 3))
"""Pixels that touch at a corner belong together."""
_ABOVE = 0.5
"""Pieces that share more than this of the narrower one's columns are one (a dot and its stem)."""
_SPECK = 3
"""Fewer pixels are dirt."""
_STRAY = 0.15
"""Lower pieces at the upper or lower edge, over H, belong to the lines above or below."""


@dataclass(frozen=True)
class Segment:
    """One piece of ink.

    Arguments:
        left: Its first column.
        right: One after its last column.
        picture: Its darkness over the whole height, other pieces left out,
            `(H, right - left)`.
    """

    left: int
    right: int
    picture: NDArray[np.float32]


@dataclass
class _Piece:
    left: int
    right: int
    labels: tuple[int, ...]


def segments(line: NDArray[np.float32], ink: float) -> list[Segment]:
    """Cut a line into connected pieces of ink; pieces above each other are one.

    Arguments:
        line: Darkness `(H, w)`.
        ink: Darkness from which on a pixel is ink.

    Returns:
        The pieces from left to right. Specks, and strays of the lines above and below, are left
        out.
    """
    height = line.shape[0]
    labels, _ = ndimage.label(line > ink, _TOUCH)
    pieces: list[_Piece] = []
    sizes = np.bincount(labels.ravel())
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        rows, columns = place
        stray = rows.stop - rows.start < _STRAY * height
        if sizes[number] < _SPECK or (stray and (rows.start == 0 or rows.stop == height)):
            continue
        pieces.append(_Piece(columns.start, columns.stop, (number,)))
    return [_cut(line, labels, piece) for piece in _stacked(pieces)]


def _stacked(pieces: list[_Piece]) -> list[_Piece]:
    """Join pieces that stand above each other, until none do."""
    while True:
        joined: list[_Piece] = []
        for piece in sorted(pieces, key=lambda one: (one.left, one.right)):
            for other in reversed(joined[-3:]):
                shared = min(piece.right, other.right) - piece.left
                narrow = min(piece.right - piece.left, other.right - other.left)
                if shared > _ABOVE * narrow:
                    other.left = min(other.left, piece.left)
                    other.right = max(other.right, piece.right)
                    other.labels += piece.labels
                    break
            else:
                joined.append(_Piece(piece.left, piece.right, piece.labels))
        if len(joined) == len(pieces):
            return joined
        pieces = joined


def _cut(line: NDArray[np.float32], labels: NDArray[np.int32], piece: _Piece) -> Segment:
    """The picture of a piece, with the soft rim of its ink."""
    columns = slice(piece.left, piece.right)
    part = labels[:, columns]
    mine = part == piece.labels[0]
    for number in piece.labels[1:]:
        mine |= part == number
    mine = ndimage.binary_dilation(mine, iterations=1)
    return Segment(piece.left, piece.right, line[:, columns] * mine)
