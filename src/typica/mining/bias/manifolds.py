"""Precision, recall, density and coverage of samples in a space of features.

The real set is described by balls around its points, each as large as the distance to the k-th
nearest other real point; the samples likewise.

- precision: share of samples within some real ball; recall: share of real points within some
  ball of a sample (Kynkaanniemi et al. 2019, k = 3 there);
- density: how many real balls a sample lies in, over k; coverage: share of real balls that hold
  a sample (Naeem et al. 2020, k = 5), both less at the mercy of single outliers.

Recall and coverage fall where samples are less varied than the pictures, precision and density
where they look unlike any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEASURES", "Distances", "between", "manifold_measures"]

MEASURES = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Distances:
    """Euclidean distances in and between two sets.

    Arguments:
        real: `(n, n)`.
        sampled: `(m, m)`.
        across: `(n, m)`: real points down, samples across.
    """

    real: NDArray[np.float64]
    sampled: NDArray[np.float64]
    across: NDArray[np.float64]

    @classmethod
    def of(cls, real: NDArray[np.floating], sampled: NDArray[np.floating]) -> Distances:
        """Those of points `(n, D)` and `(m, D)`."""
        return cls(between(real, real), between(sampled, sampled), between(real, sampled))

    def part(self, real: NDArray[np.int64], sampled: NDArray[np.int64]) -> Distances:
        """Those of some points of either set."""
        return Distances(
            self.real[np.ix_(real, real)],
            self.sampled[np.ix_(sampled, sampled)],
            self.across[np.ix_(real, sampled)],
        )


def between(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float64]:
    """Euclidean distances of all pairs of points `(n, D)` and `(m, D)`, `(n, m)`."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def radii(distances: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Distance of every point to its k-th nearest other one, from distances `(n, n)`."""
    others = distances.copy()
    np.fill_diagonal(others, np.inf)  # a point is no neighbour of itself, nor are rounding errors
    k = min(k, len(others) - 1)
    result: NDArray[np.float64] = np.partition(others, k - 1, axis=1)[:, k - 1]
    return result


def manifold_measures(distances: Distances, neighbours: int) -> dict[str, float]:
    """Precision, recall, density and coverage.

    Arguments:
        distances: Of real points and samples.
        neighbours: k; one less than the points of the smaller set, if that is less.

    Returns:
        By name; NaN where either set has fewer than two points.
    """
    if min(len(distances.real), len(distances.sampled)) < 2:
        return dict.fromkeys(MEASURES, float("nan"))
    k = min(neighbours, len(distances.real) - 1, len(distances.sampled) - 1)
    inside_real = distances.across <= radii(distances.real, k)[:, None]
    inside_sampled = distances.across <= radii(distances.sampled, k)[None, :]
    return {
        "precision": float(inside_real.any(0).mean()),
        "recall": float(inside_sampled.any(1).mean()),
        "density": float(inside_real.sum(0).mean() / k),
        "coverage": float(inside_real.any(1).mean()),
    }
