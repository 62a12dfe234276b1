"""Other ways to deal the same families to the same documents: what permutation tests count over."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

__all__ = ["labellings", "share_at_least"]

_TIE = 1e-9
"""Two statistics that differ by less, relatively, are the same number with other rounding."""


def labellings(labels: Sequence[int], limit: int, seed: int) -> tuple[NDArray[np.int64], bool]:
    """Every distinct way to deal some labels, or a sample of them.

    Arguments:
        labels: The label of every document, numbered from 0.
        limit: If there are at most so many ways, all are given; else so many random ones.
        seed: Of the sample.

    Returns:
        `(N, G)`, the given labels first; and whether these are all, each once. A sample has the
        given labels and `limit` random ways, so that counting over all rows gives
        `(1 + number at least as large) / (1 + limit)`.
    """
    given = np.asarray(labels, np.int64)
    sizes = np.bincount(given, minlength=1)
    ways = factorial(len(given))
    for size in sizes:
        ways //= factorial(int(size))
    if ways <= limit:
        rows = _all(len(given), sizes)
        same = (rows == given).all(axis=1)
        return np.concatenate([rows[same], rows[~same]]), True
    draws = np.random.default_rng(seed)
    sampled = draws.permuted(np.tile(given, (limit, 1)), axis=1)
    return np.concatenate([given[None], sampled]), False


def _all(groups: int, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """All ways: label after label is dealt to some of the places that are left."""
    rows = np.full((1, groups), -1, np.int64)
    left = groups
    for label, size in enumerate(sizes.tolist()):
        chosen = np.array(list(combinations(range(left), size)), np.int64).reshape(-1, size)
        free = np.argsort(rows >= 0, axis=1, kind="stable")[:, :left]  # places, of every row
        places = free[:, chosen].reshape(-1, size)
        rows = np.repeat(rows, len(chosen), axis=0)
        np.put_along_axis(rows, places, label, axis=1)
        left -= size
    return rows


def share_at_least(statistic: NDArray[np.float64]) -> NDArray[np.float64]:
    """The p-value of the first row: the share of rows whose statistic is at least as large.

    Arguments:
        statistic: `(N, ...)`, the observed one first. A row that is NaN counts as at least as
            large, which can only make the test more careful.

    Returns:
        `(...)`; NaN where the observed one is.
    """
    observed = statistic[0]
    with np.errstate(invalid="ignore"):
        slack = _TIE * np.maximum(1, np.abs(observed))
        below = statistic < np.where(np.isfinite(observed), observed - slack, observed)
    p = 1 - below.mean(axis=0)
    return np.where(np.isnan(observed), np.nan, p)
