"""How varied a set of elements is: three readings of its features.

All of them grow with the number of elements or are noisier with few, so sets of as many elements
are compared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .representation import shares

__all__ = ["effective_number", "mean_distance", "vendi_score"]


def vendi_score(features: NDArray[np.floating]) -> float:
    """The Vendi score with the cosine kernel (Friedman and Dieng 2023): how many kinds there are.

    The exponential of the entropy of the eigenvalues of K / n, where K holds the cosines of all
    pairs.

    Arguments:
        features: `(n, D)`, rows of unit length.

    Returns:
        From 1 (all the same) to n (all orthogonal); NaN for none.
    """
    if not len(features):
        return float("nan")
    points = features.astype(np.float64)
    # X X^T and X^T X have the same eigenvalues above 0: take the smaller
    kernel = points @ points.T if len(points) <= points.shape[1] else points.T @ points
    values = np.linalg.eigvalsh(kernel / len(points))
    return effective_number(values.clip(0))


def effective_number(counts: NDArray[np.floating]) -> float:
    """The exponential of the entropy of shares: as many equal clusters would be as varied.

    Arguments:
        counts: `(K,)`, at least 0.

    Returns:
        From 1 to K; NaN if all counts are 0.
    """
    if counts.sum() <= 0:
        return float("nan")
    parts = shares(counts.astype(np.float64))
    parts = parts[parts > 0]
    return float(np.exp(-(parts * np.log(parts)).sum()))


def mean_distance(features: NDArray[np.floating], picture: NDArray[np.int64]) -> float:
    """The mean of 1 - cosine over pairs of elements of different pictures.

    Arguments:
        features: `(n, D)`, rows of unit length.
        picture: Of every row, `(n,)`.

    Returns:
        From 0 to 2; NaN if there is no such pair.
    """
    points = features.astype(np.float64)
    place = np.unique(picture, return_inverse=True)[1]
    sums = np.zeros((int(place.max()) + 1 if len(place) else 0, points.shape[1]))
    np.add.at(sums, place, points)
    sizes = np.bincount(place, minlength=len(sums)).astype(np.float64)
    pairs = sizes.sum() ** 2 - np.square(sizes).sum()
    if pairs <= 0:
        return float("nan")
    cosines = np.square(sums.sum(0)).sum() - np.square(sums).sum()
    return float(1 - cosines / pairs)
