r"""From the matcher's probabilities to glyphs: the best set of placements that do not overlap.

A character in a column gains the logarithm of its probability over that of nothing, both taken
over the column and its two neighbours, because the middle of a glyph may fall between two; only
columns where its probability peaks are taken. Of all sets of placements whose cores (a share of
the glyph's width, at least two columns) do not overlap, the one with the highest sum is found
exactly, from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Placement", "best_placements"]

_TINY = 1e-9


@dataclass(frozen=True)
class Placement:
    """A character with its middle in a column.

    Arguments:
        character: Its index.
        column: From 0.
        middle: The middle of the glyph between the columns beside it, in columns, weighted by
            the probabilities there.
        confidence: Its probability there and in the two columns beside, at most 1.
    """

    character: int
    column: int
    middle: float
    confidence: float


def _gains(chances: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gain and confidence `(K, T)` of every placement, from `(K + 1, T)`, the last for none."""
    padded = np.pad(chances, ((0, 0), (1, 1)), constant_values=0.0)
    padded[-1, [0, -1]] = 1.0
    around = np.stack([padded[:, :-2], padded[:, 1:-1], padded[:, 2:]])
    before, here, after = around[:, :-1]
    confidence = np.minimum(before + here + after, 1.0)
    gains = np.log(confidence + _TINY) - np.log(around[:, -1].min(0) + _TINY)
    # neighbours see the same probability: only its peak may use it
    return np.where((here > before) & (here >= after), gains, -np.inf), confidence


def best_placements(
    chances: NDArray[np.float64],
    widths: Sequence[float] | NDArray[np.float64],
    core: float = 0.5,
) -> list[Placement]:
    """The set of placements with the highest gain whose cores do not overlap.

    Arguments:
        chances: `(K + 1, T)`: of every character, and last of none, in every column; each column
            sums to 1.
        widths: Width of each character in columns, `(K,)`.
        core: Share of the width that must not overlap with another's, in (0, 1].

    Returns:
        The placements from left to right; each gains more than nothing.
    """
    count = chances.shape[0] - 1
    if not count or not chances.shape[1]:
        return []
    sizes = np.maximum(2, np.rint(core * np.asarray(widths, np.float64))).astype(np.int64)
    reach = sizes // 2  # columns of the core before the middle
    # a core may stick out at either end: at the right into columns in which nothing stands
    padded = np.pad(np.asarray(chances, np.float64), ((0, 0), (0, int(sizes.max()))))
    padded[-1, chances.shape[1] :] = 1.0
    gains, confidence = _gains(padded)
    length = padded.shape[1]
    best = np.zeros(length + 1)
    chosen = np.full(length + 1, -1)
    everyone = np.arange(count)
    for end in range(1, length + 1):
        best[end] = best[end - 1]
        middle = end - sizes + reach
        found = best[np.maximum(end - sizes, 0)] + gains[everyone, np.maximum(middle, 0)]
        found[middle < 0] = -np.inf
        pick = int(found.argmax())
        if found[pick] > best[end]:
            best[end], chosen[end] = found[pick], pick
    placements = []
    end = length
    while end > 0:
        pick = int(chosen[end])
        if pick < 0:
            end -= 1
            continue
        column = int(end - sizes[pick] + reach[pick])
        near = np.arange(max(0, column - 1), min(length, column + 2))
        weights = padded[pick, near] + _TINY
        centre = float((near * weights).sum() / weights.sum())
        placements.append(Placement(pick, column, centre, float(confidence[pick, column])))
        end = max(0, end - int(sizes[pick]))
    return placements[::-1]
