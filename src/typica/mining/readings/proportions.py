"""Intervals of shares of pictures (Wilson 1927), which hold for few pictures and near 0 and 1."""

from __future__ import annotations

import numpy as np

from ..intervals import Estimate

__all__ = ["wilson"]

_Z = 1.959963984540054


def wilson(hits: int, total: int) -> Estimate:
    """A share with its 95 % interval; NaN of nothing.

    Arguments:
        hits: At least 0.
        total: At least `hits`.
    """
    if total == 0:
        return Estimate(np.nan, np.nan, np.nan)
    share = hits / total
    middle = share + _Z**2 / (2 * total)
    half = _Z * np.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    scale = 1 + _Z**2 / total
    low, high = (middle - half) / scale, (middle + half) / scale
    # at the ends the bounds are 0 and 1 but for rounding
    return Estimate(share, float(max(0.0, low)) if hits else 0.0,
                    float(min(1.0, high)) if hits < total else 1.0)  # fmt: skip
