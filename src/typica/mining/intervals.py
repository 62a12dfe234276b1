"""Intervals of means by bootstrap over pictures: what comes from one picture stays together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "grouped_sums", "mean_of_labels"]

_RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval; all three are NaN if there is nothing to average."""

    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """Plain values for JSON; None for NaN."""
        values = {"mean": self.mean, "low": self.low, "high": self.high}
        return {name: None if np.isnan(v) else round(v, 5) for name, v in values.items()}


def grouped_sums(
    values: NDArray[np.floating], groups: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and counts of the values of each group, such as the elements of one picture.

    Arguments:
        values: `(N,)`.
        groups: The name of each value's group.

    Returns:
        Two arrays `(G,)`, in the order of the sorted names.
    """
    names, place = np.unique(np.array(list(groups), dtype=str), return_inverse=True)
    sums = np.bincount(place, weights=values, minlength=len(names)).astype(np.float64)
    return sums, np.bincount(place, minlength=len(names)).astype(np.float64)


def mean_of_labels(
    labels: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    seed: int = 0,
    resamples: int = _RESAMPLES,
) -> Estimate:
    """The mean over labels of the mean in each label, with a bootstrap interval.

    The pictures of every label are drawn anew, with replacement; labels are not.

    Arguments:
        labels: Of every label the sums and the counts of its pictures (`grouped_sums`).
        seed: Of the bootstrap.
        resamples: How often.

    Returns:
        Mean, and the 2.5 % and 97.5 % quantiles. One label gives the estimate of that label.
    """
    used = [(sums, counts) for sums, counts in labels if len(sums)]
    if not used:
        return Estimate(np.nan, np.nan, np.nan)
    draws = np.random.default_rng(seed)
    total = np.zeros(resamples)
    for sums, counts in used:
        chosen = draws.integers(len(sums), size=(resamples, len(sums)))
        total += sums[chosen].sum(1) / counts[chosen].sum(1)
    low, high = np.quantile(total / len(used), (0.025, 0.975))
    mean = float(np.mean([sums.sum() / counts.sum() for sums, counts in used]))
    return Estimate(mean, float(low), float(high))
