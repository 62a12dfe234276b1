"""What translations add and remove: paired differences of class shares, with intervals.

For source picture s, target label c and class k let a(s, c, k) be the share of pixels. A change
is measured against one of

    source           a(s, c, k) - a(s, real picture, k)
    reconstruction   a(s, c, k) - a(s, the picture inverted and denoised again, k)
    others           a(s, c, k) - mean of a(s, c', k) over the other targets c'

The first is the paper's question; the second takes out what the codec and the inversion do to any
picture; the third says what is peculiar to one target. Every number is a mean over source
pictures, whose bootstrap gives the interval: all targets and classes of a picture stay together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

__all__ = ["AGAINST", "FEWEST", "Against", "Changes", "differences", "paired_changes"]

Against = Literal["source", "reconstruction", "others"]
AGAINST: tuple[Against, ...] = get_args(Against)

RESAMPLES = 2000
FEWEST = 10
"""With fewer source pictures nothing is said to stand: a bootstrap of them knows too little."""
_ROUNDING = 1e-12
"""Shares that differ by less are equal."""


@dataclass(frozen=True)
class Changes:
    """Mean differences of C targets and K classes over source pictures.

    Arguments:
        mean: `(C, K)`; NaN where a target has no translation.
        low: Lower end of the 95 % interval, for each number by itself.
        high: Upper end.
        stands: Whether it differs from 0 when all C K comparisons are taken together, at a 5 %
            chance of one false finding or more; never with fewer than `FEWEST` pictures.
        pictures: Source pictures of each target, `(C,)`.
        factor: How many standard errors a difference must have for that (1.96 for one alone).
        comparisons: How many were made: those in which any picture differs.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    stands: NDArray[np.bool_]
    pictures: NDArray[np.int64]
    factor: float
    comparisons: int


def differences(
    shares: NDArray[np.floating],
    own: NDArray[np.int64],
    reconstruction: NDArray[np.floating],
    against: Against,
) -> NDArray[np.float64]:
    """Differences of every source picture, target and class.

    Arguments:
        shares: a(s, c, k), `(S, C, K)`; for the own label of s, those of the real picture.
        own: Place of the own label of each source picture, `(S,)`.
        reconstruction: Shares of the reconstructions, `(S, K)`.
        against: What is subtracted.

    Returns:
        `(S, C, K)`; NaN for the own label, which is no target, and with `others` where there is
        no other target.
    """
    rows = np.arange(len(shares))
    made = shares.astype(np.float64).copy()
    made[rows, own] = np.nan
    if against == "source":
        return made - shares[rows, own][:, None].astype(np.float64)
    if against == "reconstruction":
        return made - reconstruction[:, None].astype(np.float64)
    there = ~np.isnan(made)
    total = np.where(there, made, 0).sum(1, keepdims=True)
    count = there.sum(1, keepdims=True) - there
    others = (total - np.where(there, made, 0)) / np.where(count > 0, count, np.nan)
    return made - others


def paired_changes(
    values: NDArray[np.float64], seed: int = 0, resamples: int = RESAMPLES
) -> Changes:
    """Means over source pictures, with intervals for each and a bound for all together.

    Source pictures are drawn anew with replacement, each with all its targets and classes.
    Quantiles are taken a little further out than at 2.5 %, as a bootstrap of n values is too
    narrow by sqrt((n - 1) / n) and knows nothing of Student's t (Hesterberg 2015, the expanded
    percentile interval).

    The bound for all comparisons is the 95 % quantile of the greatest deviation of any of them
    from its mean, in its own standard errors (the single-step max-T of Westfall and Young 1993):
    it takes into account that classes and targets depend on each other, as Bonferroni's does not.

    Arguments:
        values: From `differences`, `(S, C, K)`, NaN where there is none.
        seed: Of the bootstrap.
        resamples: How often.

    Returns:
        As `Changes`. With fewer than two pictures of a target its intervals are NaN.
    """
    sources, targets, classes = values.shape
    weights = np.random.default_rng([seed, sources]).multinomial(
        sources, np.full(sources, 1 / max(1, sources)), size=resamples
    )
    mean, low, high = (np.full((targets, classes), np.nan) for _ in range(3))
    error = np.zeros((targets, classes))
    changed = np.zeros((targets, classes), bool)
    greatest = np.zeros(resamples)
    pictures = np.zeros(targets, np.int64)
    for c in range(targets):
        used = np.flatnonzero(~np.isnan(values[:, c]).any(1))
        pictures[c] = len(used)
        if not len(used):
            continue
        mean[c] = values[used, c].mean(0)
        changed[c] = (np.abs(values[used, c]) > _ROUNDING).any(0)
        if len(used) < 2:
            continue
        count = len(used)
        student = float(t.ppf(0.975, count - 1))
        tail = float(norm.cdf(-student * np.sqrt(count / (count - 1))))
        mass = weights[:, used].sum(1, keepdims=True)
        drawn = weights[:, used] @ values[used, c] / np.where(mass > 0, mass, np.nan)
        low[c], high[c] = np.nanquantile(drawn, (tail, 1 - tail), axis=0)
        # nothing but rounding differs where all pictures agree
        spread = np.nanstd(drawn, axis=0, ddof=1)
        error[c] = np.where(spread > _ROUNDING, spread * np.sqrt(count / (count - 1)), 0)
        moved = error[c] > 0
        if moved.any():
            off = np.abs(drawn[:, moved] - mean[c, moved]) / spread[moved]
            greatest = np.fmax(greatest, np.nanmax(off * student / norm.ppf(0.975), 1, initial=0))
    factor = float(np.quantile(greatest, 0.95))
    # where all pictures change by the same, there is no error, and no doubt either
    stands = np.abs(np.nan_to_num(mean)) > np.maximum(factor * error, _ROUNDING)
    stands &= pictures[:, None] >= FEWEST
    return Changes(mean, low, high, stands, pictures, factor, int(changed.sum()))
