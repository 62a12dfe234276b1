r"""Noise fields that cancel one another: fewer draws for the same standard error.

Most of what a draw's typicality has to do with chance is *linear* in its noise: with -eps it
would be off by as much to the other side. So the fields of a job are made dependent, such that
what is linear in them drops out of the mean, also where its strength changes with the time t:

    sum_s p(t_s) eps_s = 0      for every polynomial p up to a degree.

From independent fields \(g_s\) they are \(\epsilon_s = d_s (g_s - \sum_r P_{sr} g_r)\), with the
projection P onto the columns \(p(t_s) d_s\). The factors \(d_s = (1 - P_{ss})^{-1/2}\) make every
single field standard normal again, so each draw alone is one of the paper's, and the mean is
unbiased. (With two draws this is antithetic noise; with more, less is lost on the part that is
even in the noise, which -eps repeats.)

The draws are then no longer independent, and groups of them differ by more than the mean is
off. So they are balanced in two halves that know nothing of each other: what the halves differ
by is honest, and the deviations of the groups are scaled to it, picture by picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["HALVES", "balance", "calibrated", "paired_times", "smoothed"]

HALVES = 2
"""Draw s belongs to half s % 2; halves are independent."""

_ROUNDS = 500
_WINDOW = 3


def paired_times(draws: int, groups: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Stratified shares of the range, where the halves take alternate strata, `(draws,)`.

    As `stratified_times`, each group has one draw in each of the `draws / groups` parts of the
    range; of every two neighbouring strata, one belongs to each half.

    Arguments:
        draws: S, a multiple of `groups`.
        groups: G, even; draw s is of group s % G.
        random: Decides the jitter, and which group takes which stratum.

    Returns:
        In [0, 1).
    """
    parts, pairs = draws // groups, groups // HALVES
    dealt = random.permuted(np.tile(np.arange(pairs), (parts, 1)), axis=1)  # (parts, G / 2)
    first = random.integers(0, HALVES, (parts, pairs))
    strata = np.empty((parts, pairs, HALVES), np.int64)
    for half in range(HALVES):
        strata[..., half] = HALVES * dealt + (first + half) % HALVES
    places = np.arange(parts)[:, None] * groups + strata.reshape(parts, groups)
    return (places.ravel() + random.random(draws)) / draws


def balance(shares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What to make of independent noise fields so that they cancel one another.

    The degree is the largest whose square, one more each, is at most half the number of draws:
    with more, the draws at the ends of the range would have to cancel themselves.

    Arguments:
        shares: Times of the n draws of a half, as shares of their range from 0 to 1, at least 2.

    Returns:
        The columns U, `(n, degree + 1)`, orthonormal, and the factors d, `(n,)`: field s is
        `d[s] * (g[s] - U[s] @ (U.T @ g))`.
    """
    count = len(shares)
    degree = max(0, int(np.sqrt(count / 2)) - 1)
    while True:
        powers = np.asarray(np.polynomial.legendre.legvander(2 * shares - 1, degree), np.float64)
        found = _balanced(powers)
        if found is not None:
            return found
        degree -= 1  # degree 0 always succeeds: all factors are equal


def _balanced(
    powers: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """U and d for given polynomials; None if no factors make every field standard normal."""
    factors = np.ones(len(powers))
    for _ in range(_ROUNDS):
        columns = np.linalg.qr(powers * factors[:, None])[0]
        left = 1 - np.square(columns).sum(1)
        if left.min() < 0.05:
            return None
        new = 1 / np.sqrt(left)
        if np.abs(new / factors - 1).max() < 1e-12:
            return columns, new
        factors = new
    return None


def calibrated(deviations: NDArray[np.floating]) -> NDArray[np.float32]:
    """Deviations of groups, scaled so that their standard error is that of balanced draws.

    One factor for a picture: the root mean square difference of the halves over the one that the
    groups claim, both over squares of 3 x 3 cells, about the size of a patch.

    Arguments:
        deviations: Group means less the mean of all, `(K, G, h, w)`; group g is of half g % 2.

    Returns:
        Of the same shape.
    """
    groups = deviations.shape[1]
    smooth = smoothed(deviations.astype(np.float64))
    claimed = np.square(smooth).sum(1).mean() / (groups * (groups - 1))
    halves = smooth[:, 0::HALVES].mean(1) - smooth[:, 1::HALVES].mean(1)
    actual = np.square(halves / HALVES).mean()
    factor = np.sqrt(actual / claimed) if claimed > 0 else 1.0
    return (deviations * factor).astype(np.float32)


def smoothed(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over all squares of 3 x 3 cells, about the size of a patch, or of what fits.

    Arguments:
        maps: `(..., h, w)`.

    Returns:
        `(..., h - 2, w - 2)`, at least one in each direction.
    """
    sides = tuple(min(_WINDOW, side) for side in maps.shape[-2:])
    squares = np.lib.stride_tricks.sliding_window_view(maps, sides, axis=(-2, -1))
    means: NDArray[np.float64] = squares.mean((-2, -1))
    return means
