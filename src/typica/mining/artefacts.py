"""Signs that an element is an artefact of the pictures and not what a person looks for.

The paper names borders of scans and other artefacts as a failure of the method (section 4.4.4):
they are typical, but of how the pictures were made. Nothing is removed; elements are flagged, and
the share of flagged members is reported for every cluster.

Compare the share at the border with that of the least typical elements: the extremes of a map, of
either sign, are more often at the edge than random patches are, whatever the pictures show,
because an interpolated map varies more there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .patches import Patch

__all__ = ["BORDER", "FLAT", "grey", "patch_spreads", "share", "spreads", "touches_border"]

BORDER = 0.02
"""Width of the band along the picture's edge, over its short side; reaching it is flagged."""
FLAT = 0.02
"""Patches whose grey values (0 to 1) have a smaller standard deviation than this are flagged."""


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Grey values of a picture in whole steps from 0 to 255 (weights of ITU-R BT.601).

    Arguments:
        pixels: `(H, W, 3)`.

    Returns:
        `(H, W)`.
    """
    parts = pixels.astype(np.int64)
    values: NDArray[np.int64] = (
        299 * parts[..., 0] + 587 * parts[..., 1] + 114 * parts[..., 2] + 500
    ) // 1000
    return values


def _sums(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The summed-area table, with a row and a column of zeros before it."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1), np.int64)
    np.cumsum(values.cumsum(0), axis=1, out=table[1:, 1:])
    return table


def spreads(values: NDArray[np.int64], side: int) -> NDArray[np.float32]:
    """Standard deviation of the grey values of every patch of one side.

    Arguments:
        values: Grey values from 0 to 255, `(H, W)`.
        side: Of the patches, at most the shorter of the two.

    Returns:
        `(H - side + 1, W - side + 1)`, between 0 and 0.5. The sums are whole numbers, so a patch
        of one grey is exactly 0.
    """

    def windows(table: NDArray[np.int64]) -> NDArray[np.int64]:
        rows = table[side:] - table[:-side]
        return rows[:, side:] - rows[:, :-side]

    first, second, number = windows(_sums(values)), windows(_sums(values**2)), side * side
    return (np.sqrt(number * second - first**2) / (255 * number)).astype(np.float32)


def patch_spreads(values: NDArray[np.int64], patches: Sequence[Patch]) -> NDArray[np.float32]:
    """Standard deviation of the grey values of a few patches, `(P,)`, between 0 and 0.5.

    Arguments:
        values: Grey values from 0 to 255, `(H, W)`.
        patches: P patches inside the picture.
    """
    found = [values[p.row : p.row + p.side, p.column : p.column + p.side].std() for p in patches]
    return (np.array(found, np.float64) / 255).astype(np.float32)


def touches_border(patch: Patch, height: int, width: int) -> bool:
    """Whether a patch reaches the band along the edge of its picture.

    Arguments:
        patch: In working pixels.
        height: Of the picture, in working pixels.
        width: Of the picture, in working pixels.
    """
    band = BORDER * min(height, width)
    return (
        min(patch.row, patch.column) < band
        or patch.row + patch.side > height - band
        or patch.column + patch.side > width - band
    )


def share(flags: NDArray[np.bool_], rows: Sequence[int]) -> float:
    """The share of the given rows that are flagged, between 0 and 1; 0 of no rows."""
    return float(flags[list(rows)].mean()) if len(rows) else 0.0
