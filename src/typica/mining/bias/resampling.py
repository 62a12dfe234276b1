"""Intervals for numbers that a bootstrap would distort: the jackknife over groups of pictures.

A bootstrap draws pictures twice. Of a mean that is harmless; the diversity of a set, or the
distance of a picture to its neighbours, it changes. Leaving groups out does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..intervals import Estimate

__all__ = ["jackknife", "mean_estimate", "range_estimate"]

_NORMAL = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


def jackknife(
    statistic: Callable[[Sequence[NDArray[np.int64]]], float],
    sizes: Sequence[int],
    parts: int,
    seed: int,
) -> Estimate:
    """A statistic of one or several independent sets, with a 95 % interval.

    The delete-a-group jackknife (Shao and Tu 1995, section 2.3): of every set in turn, each of
    `parts` random groups of pictures is left out; the variances that follow are added up.

    Arguments:
        statistic: Of the indices that are kept of every set, ascending.
        sizes: Pictures of every set.
        parts: Groups; at most as many as there are pictures.
        seed: Of the groups.

    Returns:
        The statistic of all pictures and the normal interval; the ends are NaN where a set has
        fewer than two pictures.
    """
    whole = [np.arange(size) for size in sizes]
    value = float(statistic(whole))
    if min(sizes) < 2:
        return Estimate(value, np.nan, np.nan)
    variance = 0.0
    for which, size in enumerate(sizes):
        count = min(parts, size)
        order = np.random.default_rng([seed, which, size]).permutation(size)
        values = []
        for group in np.array_split(order, count):
            kept = list(whole)
            kept[which] = np.setdiff1d(whole[which], group)
            values.append(float(statistic(kept)))
        deviations = np.array(values) - np.mean(values)
        variance += (count - 1) / count * float(np.square(deviations).sum())
    reach = _NORMAL * float(np.sqrt(variance))
    return Estimate(value, value - reach, value + reach)


def mean_estimate(parts: Sequence[Estimate]) -> Estimate:
    """The mean of independent estimates, such as those of the labels; all NaN if there are none.

    Half the width of its interval is the root of the sum of squares of theirs, over their number.
    """
    known = [one for one in parts if not np.isnan(one.mean)]
    if not known:
        return Estimate(np.nan, np.nan, np.nan)
    mean = float(np.mean([one.mean for one in known]))
    down = np.sqrt(np.sum([(one.mean - one.low) ** 2 for one in known])) / len(known)
    up = np.sqrt(np.sum([(one.high - one.mean) ** 2 for one in known])) / len(known)
    return Estimate(mean, float(mean - down), float(mean + up))


def range_estimate(values: Sequence[float]) -> Estimate:
    """The mean of repetitions, with the range that 95 % of them lie in; NaN if there are none."""
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan)
    low, high = np.quantile(values, (0.025, 0.975))
    return Estimate(float(np.mean(values)), float(low), float(high))
