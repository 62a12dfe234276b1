"""Square patches of a typicality map: their means, and greedy picks that do not overlap (4.3.3).

A map is interpolated to pixels and averaged over a window at every offset. Both steps are linear
and separable, so the means of all patches are one product of three small matrices,

    means = A_y T A_x^T,        A = (window mean) (bilinear interpolation),

with A of shape (offsets, cells). The map at the size of the picture is never made, and the mean
of a single patch, such as its reading of another map, is one row of A_y and one of A_x.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .config import ElementConfig

__all__ = [
    "Patch",
    "best_patches",
    "interpolation",
    "patch_means",
    "patch_readings",
    "patch_sides",
    "window_means",
]


class Patch(NamedTuple):
    """A square in working pixels; sorts from top to bottom, left to right, small to large."""

    row: int
    column: int
    side: int


def patch_sides(size: int, config: ElementConfig) -> tuple[int, ...]:
    """Sides of the patches of a collection, in working pixels, smallest first.

    Arguments:
        size: Short side that the pictures are resized to.
        config: Its `scales` are fractions of `size`; without any, the paper's side is taken: 50
            at 256, 64 at 512, linear between the two, in proportion below and above.

    Returns:
        At least one side, each from 1 to `size`, without repeats.
    """
    if config.scales:
        sides = {round(scale * size) for scale in config.scales}
    elif size <= 256:
        sides = {round(size * 50 / 256)}
    elif size <= 512:
        sides = {round(50 + (size - 256) * 14 / 256)}
    else:
        sides = {round(size * 64 / 512)}
    return tuple(sorted({min(max(1, side), size) for side in sides}))


def interpolation(pixels: int, cells: int) -> NDArray[np.float64]:
    """Weights of bilinear interpolation along one axis (corners not aligned).

    Arguments:
        pixels: Length to interpolate to.
        cells: Length of the map.

    Returns:
        `(pixels, cells)`; every row sums to 1.
    """
    place = np.clip((np.arange(pixels) + 0.5) * (cells / pixels) - 0.5, 0, cells - 1)
    before = np.floor(place).astype(np.int64)
    after = np.minimum(before + 1, cells - 1)
    share = place - before
    weights = np.zeros((pixels, cells))
    rows = np.arange(pixels)
    np.add.at(weights, (rows, before), 1 - share)
    np.add.at(weights, (rows, after), share)
    return weights


@lru_cache(maxsize=64)
def window_means(pixels: int, cells: int, side: int) -> NDArray[np.float64]:
    """A: weights of the mean over `side` interpolated pixels, at every offset along one axis.

    Arguments:
        pixels: Length of the picture.
        cells: Length of the map.
        side: Length of the window, from 1 to `pixels`.

    Returns:
        `(pixels - side + 1, cells)`, read-only.
    """
    sums = np.zeros((pixels + 1, cells))
    np.cumsum(interpolation(pixels, cells), axis=0, out=sums[1:])
    means: NDArray[np.float64] = (sums[side:] - sums[:-side]) / side
    means.flags.writeable = False
    return means


def patch_means(
    values: NDArray[np.float32], height: int, width: int, side: int
) -> NDArray[np.float32]:
    """The mean of a map over every patch of one side.

    Arguments:
        values: The map, `(h, w)`.
        height: Of the picture, in working pixels.
        width: Of the picture, in working pixels.
        side: Of the patches, at most the shorter of the two.

    Returns:
        `(height - side + 1, width - side + 1)`: entry `[i, j]` is the patch whose top left pixel
        is row i, column j. Computed in double precision; rounded, so that patches that are
        equal but for the order of summation are equal here too.
    """
    down = window_means(height, values.shape[0], side)
    across = window_means(width, values.shape[1], side)
    return (down @ values.astype(np.float64) @ across.T).astype(np.float32)


def patch_readings(
    maps: NDArray[np.floating], height: int, width: int, patches: Sequence[Patch]
) -> NDArray[np.float32]:
    """The means of several maps over a few patches.

    Arguments:
        maps: `(G, h, w)`.
        height: Of the picture, in working pixels.
        width: Of the picture, in working pixels.
        patches: P patches, of any sides.

    Returns:
        `(P, G)`.
    """
    if not patches:
        return np.zeros((0, len(maps)), np.float32)
    down = np.stack([window_means(height, maps.shape[1], p.side)[p.row] for p in patches])
    across = np.stack([window_means(width, maps.shape[2], p.side)[p.column] for p in patches])
    columns = np.tensordot(down, maps.astype(np.float64), axes=(1, 1))  # (P, G, w)
    return (columns * across[:, None]).sum(2).astype(np.float32)


def best_patches(
    scores: Sequence[NDArray[np.float32]], sides: Sequence[int], count: int
) -> list[Patch]:
    """Patches of the greatest scores, best first, of which no two overlap.

    Repeatedly the best is taken and all that overlap it are dropped. Boxes that touch count as
    overlapping (as in the paper's program): two patches of side k are more than k apart along
    at least one axis. Equal scores are taken from top to bottom, left to right, small to large.

    Arguments:
        scores: One array of offsets (rows, columns) per side; minus infinity is never taken.
        sides: The side of each.
        count: How many are wanted.

    Returns:
        At most `count` patches; fewer where no more fit.
    """
    left = [np.array(score, dtype=np.float32) for score in scores]
    picks: list[Patch] = []
    while len(picks) < count:
        tops: list[tuple[float, Patch]] = []
        for score, side in zip(left, sides, strict=True):
            if score.size:
                row, column = divmod(int(score.argmax()), score.shape[1])
                tops.append((-float(score[row, column]), Patch(row, column, side)))
        negated, pick = min(tops, default=(np.inf, Patch(0, 0, 0)))
        if negated == np.inf:  # every patch that is left overlaps a pick, or may not be taken
            break
        picks.append(pick)
        for score, side in zip(left, sides, strict=True):
            # offsets from which a patch of this side reaches, or is reached by, the pick
            rows = slice(max(0, pick.row - side), pick.row + pick.side + 1)
            columns = slice(max(0, pick.column - side), pick.column + pick.side + 1)
            score[rows, columns] = -np.inf
    return picks
