"""Averages that a few wrong values do not move: medians by group, a mode, straight lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["group_lines", "group_medians", "half_sample_mode", "huber_weights", "spread_of"]

_Numbers = NDArray[np.float64]


def group_medians(values: _Numbers, groups: NDArray[np.int64], count: int) -> _Numbers:
    """The median of the values of every group, `(count,)`; NaN for a group without any.

    Arguments:
        values: `(N,)`.
        groups: The group of each, from 0 to `count - 1`, `(N,)`.
        count: How many groups there are.
    """
    order = np.lexsort((values, groups))
    sizes = np.bincount(groups, minlength=count)
    ends = np.cumsum(sizes)
    result = np.full(count, np.nan)
    some = sizes > 0
    low = (ends - sizes + (sizes - 1) // 2)[some]
    high = (ends - sizes + sizes // 2)[some]
    result[some] = (values[order[low]] + values[order[high]]) / 2
    return result


def half_sample_mode(values: _Numbers) -> float:
    """Where values lie densest: the shortest half of them, its shortest half, and so on.

    Arguments:
        values: At least one.

    References:
        D. R. Bickel and R. Frühwirth, On a fast, robust estimator of the mode, Computational
        Statistics & Data Analysis, 2006.
    """
    ordered = np.sort(values)
    while len(ordered) > 2:
        half = (len(ordered) + 1) // 2
        start = int((ordered[half - 1 :] - ordered[: len(ordered) - half + 1]).argmin())
        if half == len(ordered):
            break
        ordered = ordered[start : start + half]
    return float(ordered.mean())


def spread_of(values: _Numbers) -> float:
    """The standard deviation of a normal distribution with the same median deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if len(values) else 0.0


def huber_weights(residuals: _Numbers, scale: float) -> _Numbers:
    """1 for residuals up to 1.5 scales, then falling with their size."""
    far = np.abs(residuals) / max(1.5 * scale, 1e-9)
    return 1 / np.maximum(far, 1)


def group_lines(
    x: _Numbers, y: _Numbers, groups: NDArray[np.int64], count: int, steady: float, rounds: int = 5
) -> tuple[_Numbers, _Numbers, _Numbers]:
    """A straight line for every group, by least squares with Huber's weights.

    Arguments:
        x: `(N,)`.
        y: `(N,)`.
        groups: The group of each, from 0 to `count - 1`, `(N,)`.
        count: How many groups there are.
        steady: How strongly slopes are held at 0, in units of a sum of squared x: groups with
            few values get a level line.
        rounds: How often the weights are found again.

    Returns:
        Middle x, height there, and slope of every group, `(count,)` each; 0 where it has none.
    """
    weights = np.ones_like(x)

    def total(values: _Numbers) -> _Numbers:
        sums: _Numbers = np.bincount(groups, weights * values, count).astype(np.float64)
        return sums

    middle = height = slope = np.zeros(count)
    for _ in range(rounds):
        size = np.maximum(total(np.ones_like(x)), 1e-9)
        middle, height = total(x) / size, total(y) / size
        dx, dy = x - middle[groups], y - height[groups]
        slope = total(dx * dy) / (total(dx * dx) + steady)
        rest = dy - slope[groups] * dx
        weights = huber_weights(rest, spread_of(rest))
    return middle, height, slope
