"""Where a picture passes a level: closed rings of points, by marching squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["level_rings", "ring_area"]

Points = NDArray[np.float64]

_TOP, _RIGHT, _BOTTOM, _LEFT = range(4)
# For the four corners of a cell (top left 1, top right 2, bottom right 4, bottom left 8, set if
# above the level): from which edge to which the ring runs, what is above on its right.
_RUNS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((_TOP, _LEFT),),
    2: ((_RIGHT, _TOP),),
    3: ((_RIGHT, _LEFT),),
    4: ((_BOTTOM, _RIGHT),),
    6: ((_BOTTOM, _TOP),),
    7: ((_BOTTOM, _LEFT),),
    8: ((_LEFT, _BOTTOM),),
    9: ((_TOP, _BOTTOM),),
    11: ((_RIGHT, _BOTTOM),),
    12: ((_LEFT, _RIGHT),),
    13: ((_TOP, _RIGHT),),
    14: ((_LEFT, _TOP),),
}
# Two corners that face each other: joined if the middle of the cell is above the level.
_SADDLES = {
    (5, True): ((_TOP, _RIGHT), (_BOTTOM, _LEFT)),
    (5, False): ((_TOP, _LEFT), (_BOTTOM, _RIGHT)),
    (10, True): ((_LEFT, _TOP), (_RIGHT, _BOTTOM)),
    (10, False): ((_RIGHT, _TOP), (_LEFT, _BOTTOM)),
}


def ring_area(points: Points) -> float:
    """The area in a closed polygon: positive if it runs clockwise as seen (y points down).

    Arguments:
        points: Corners x, y, `(N, 2)`; the last is joined to the first.
    """
    x, y = (points - points[:1]).T
    return float(0.5 * (x * np.roll(y, -1) - np.roll(x, -1) * y).sum())


def level_rings(values: NDArray[np.floating], level: float) -> list[Points]:
    """The closed rings along which a picture passes a level; linear between the pixels.

    What is above the level lies on a ring's right: around it a ring runs clockwise as seen
    (positive `ring_area`), around a hole the other way. Rings never cross or touch. Beyond its
    edges the picture counts as 0, so `level` must be above 0.

    Arguments:
        values: The picture, `(H, W)`.
        level: The level, above 0.

    Returns:
        For every ring its points x, y, `(N, 2)`, in pixels; pixel (row, column) has its middle
        at (column + 0.5, row + 0.5).
    """
    padded = np.pad(np.asarray(values, np.float64), 1)
    height, width = padded.shape
    above = padded > level
    a, b, c, d = above[:-1, :-1], above[:-1, 1:], above[1:, 1:], above[1:, :-1]
    kind = a + 2 * b + 4 * c + 8 * d
    middle = (padded[:-1, :-1] + padded[:-1, 1:] + padded[1:, 1:] + padded[1:, :-1]) / 4 > level

    # Every edge of the grid is crossed at most once and has a number: first the level ones,
    # from node (i, j) to (i, j + 1), then the upright ones, to (i + 1, j).
    def edge(side: int, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.int64]:
        if side in (_TOP, _BOTTOM):
            return (i + (side == _BOTTOM)) * width + j
        return height * width + i * width + j + (side == _RIGHT)

    following: dict[int, int] = {}

    def run(cells: NDArray[np.bool_], runs: tuple[tuple[int, int], ...]) -> None:
        i, j = np.nonzero(cells)
        for start, end in runs:
            pairs = zip(edge(start, i, j).tolist(), edge(end, i, j).tolist(), strict=True)
            following.update(pairs)

    for number, runs in _RUNS.items():
        run(kind == number, runs)
    for (number, joined), runs in _SADDLES.items():
        run((kind == number) & (middle == joined), runs)

    rings = []
    while following:
        first, place = following.popitem()
        chain = [first]
        while place != first:
            chain.append(place)
            place = following.pop(place)
        rings.append(_crossings(np.array(chain), padded, level) - 0.5)
    return rings


def _crossings(edges: NDArray[np.int64], padded: Points, level: float) -> Points:
    """Where the level is passed on each of these edges: x, y in nodes of the padded picture."""
    height, width = padded.shape
    upright = edges >= height * width
    i, j = np.divmod(np.where(upright, edges - height * width, edges), width)
    start, end = padded[i, j], padded[i + upright, j + ~upright]
    # never on a node itself: two rings could touch there
    share = np.clip((level - start) / (end - start), 1e-3, 1 - 1e-3)
    return np.stack([j + share * ~upright, i + share * upright], axis=1)
