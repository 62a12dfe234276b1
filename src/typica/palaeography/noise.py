r"""Telling a difference between two prototypes from chance, by their standard errors.

The squared L2 distance of two prototypes of the same true shape is, on average, the sum over pixels
of their two squared standard errors. The ratio

    T = sum (a - b)^2 / sum (e_a^2 + e_b^2)

is therefore about 1 without a difference. How far it scatters about 1 depends on how many pixels
vary independently of each other: neighbouring pixels move together, and so do the two edges of a
stroke. With C the covariance of the pixels and n = (tr C)^2 / tr(C^2) *effective pixels*, T follows
about F with n and n m degrees of freedom, where m are those of the standard errors. This is
Dempster's test for means in many dimensions. The errors are those of lines as clusters, and m is
counted in lines too (`occurrences.effective_lines`): twenty occurrences on four lines tell little
about an error. Pixels do not weigh by their own error here, unlike in
a chi-square of z-scores: five occurrences estimate no single pixel's error well enough to divide by
it, but the sum over all pixels well.

The errors say how certain the mean of the occurrences is. That is the uncertainty of an adapted
prototype only as far as adaptation draws that mean.

References:
    A. P. Dempster, A significance test for the separation of two highly multivariate small samples,
    Biometrics 16, 1960. Z. Bai and H. Saranadasa, Effect of high dimension: by an example of a two
    sample problem, Statistica Sinica 6, 1996 (the estimate of tr(C^2)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri_exp
from scipy.stats import f as f_distribution

from .occurrences import Occurrences
from .prototypes import Prototypes

__all__ = [
    "DifferenceTests",
    "adjust",
    "difference_tests",
    "effective_pixels_of_documents",
    "effective_pixels_of_occurrences",
    "overall_tests",
]

_LEAST_FREEDOM = 3
"""Degrees of freedom from which effective pixels are estimated at all."""


@dataclass(frozen=True)
class DifferenceTests:
    """Whether two groups differ in a letter; every array is symmetric in its last two axes.

    Arguments:
        noise: The distance that chance alone would give (root of the mean square), `(K, G, G)`.
        ratio: T, about 1 without a difference, `(K, G, G)`.
        p: Chance of so large a ratio without a difference, `(K, G, G)`.
        z: The same on the scale of a normal distribution: 2 is p = 0.023, `(K, G, G)`.
    """

    noise: NDArray[np.float64]
    ratio: NDArray[np.float64]
    p: NDArray[np.float64]
    z: NDArray[np.float64]


def difference_tests(
    prototypes: Prototypes, use: NDArray[np.bool_], effective: NDArray[np.float64]
) -> DifferenceTests:
    """Test every two groups in every letter.

    Pixels whose error is not known in one of the two groups are left out of the test.

    Arguments:
        prototypes: With errors.
        use: Which letters of which groups count, `(G, K)`.
        effective: Effective pixels of every letter, `(K,)`; NaN where not known: no test then.

    Returns:
        NaN where there is no test.
    """
    groups, letters = use.shape
    shape = (letters, groups, groups)
    noise, ratio, p, z = (np.full(shape, np.nan) for _ in range(4))
    off = ~np.eye(groups, dtype=bool)
    for k in range(letters):
        parts = _sums(prototypes, use, k)
        both = use[:, k, None] & use[None, :, k] & off & (parts.pixels > 0)
        total = parts.own + parts.own.T
        noise[k] = np.where(both, np.sqrt(total), np.nan)
        positive = both & (total > 0)
        ratio[k] = np.where(positive, parts.squares / np.where(positive, total, 1), np.nan)
        free = prototypes.freedom[:, k]
        p[k], z[k] = _tail(ratio[k], effective[k], _freedom(parts.own, free))
    return DifferenceTests(noise, ratio, p, z)


def overall_tests(
    prototypes: Prototypes,
    use: NDArray[np.bool_],
    effective: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Test every two groups in all their common letters at once.

    The same test on the pixels of all letters together; the noise of two letters is independent,
    because their occurrences are different ones.

    Arguments:
        prototypes: With errors.
        use: `(G, K)`.
        effective: `(K,)`.

    Returns:
        The ratio T and its p-value, `(G, G)` each; NaN where no letter can be tested.
    """
    groups, letters = use.shape
    squares, total, second, weight = (np.zeros((groups, groups)) for _ in range(4))
    off = ~np.eye(groups, dtype=bool)
    for k in range(letters):
        if not np.isfinite(effective[k]):
            continue
        parts = _sums(prototypes, use, k)
        own = parts.own + parts.own.T
        both = use[:, k, None] & use[None, :, k] & off & (own > 0)
        free = prototypes.freedom[:, k]
        squares += np.where(both, parts.squares, 0)
        total += np.where(both, own, 0)
        # tr(C^2) of a letter, and the variance of its sum of squared errors (up to a factor 2)
        second += np.where(both, own**2 / effective[k], 0)
        spread = own**2 / effective[k] / np.where(both, _freedom(parts.own, free), 1)
        weight += np.where(both, spread, 0)
    some = total > 0
    ratio = np.where(some, squares / np.where(some, total, 1), np.nan)
    pixels = np.where(some, total**2 / np.where(some, second, 1), np.nan)
    freedom = np.where(some, second / np.where(some, weight, 1), np.nan)
    return ratio, _tail(ratio, pixels, freedom)[0]


@dataclass(frozen=True)
class _Sums:
    """Sums over the pixels that both groups know: `(G, G)` each.

    Arguments:
        squares: Of squared differences.
        own: Of squared errors of the first group.
        pixels: How many pixels.
    """

    squares: NDArray[np.float64]
    own: NDArray[np.float64]
    pixels: NDArray[np.float64]


def _sums(prototypes: Prototypes, use: NDArray[np.bool_], k: int) -> _Sums:
    groups = len(use)
    error = prototypes.errors[:, k].reshape(groups, -1).astype(np.float64)
    known = np.isfinite(error) & use[:, k, None]
    seen = known.astype(np.float64)
    # about the reference, so that differences of squares lose no digits
    picture = (prototypes.pictures[:, k] - prototypes.reference[k]).reshape(groups, -1)
    ink = np.where(known, picture.astype(np.float64), 0)
    square = ink**2 @ seen.T
    squares = np.maximum(square + square.T - 2 * ink @ ink.T, 0)
    own = np.where(known, error, 0) ** 2 @ seen.T
    return _Sums(squares, own, seen @ seen.T)


def _freedom(own: NDArray[np.float64], free: NDArray[np.float64]) -> NDArray[np.float64]:
    """Welch's degrees of freedom of the sum of two estimated variances, per effective pixel."""
    below = own**2 / free[:, None] + (own**2 / free[:, None]).T
    return np.where(below > 0, (own + own.T) ** 2 / np.where(below > 0, below, 1), np.nan)


def _tail(
    ratio: NDArray[np.float64],
    pixels: NDArray[np.float64] | np.float64,
    freedom: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """p and z of a ratio."""
    with np.errstate(invalid="ignore", divide="ignore"):
        log = f_distribution.logsf(ratio, pixels, pixels * freedom)
    p = np.where(np.isfinite(ratio), np.exp(log), np.nan)
    # beyond what the tail can be computed to, say so by a large but finite number
    z = -ndtri_exp(np.maximum(np.where(np.isnan(log), 0, log), -700.0))
    return p, np.where(np.isfinite(p), np.clip(z, -37, 37), np.nan)


def adjust(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini and Hochberg's q: the share of false findings among all that are as small.

    Arguments:
        p: p-values of any shape; NaN for none.

    Returns:
        The same shape; NaN stays.
    """
    found = np.full(np.shape(p), np.nan)
    known = np.isfinite(p)
    values = np.asarray(p)[known]
    if not len(values):
        return found
    order = np.argsort(values)
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    q = np.empty(len(values))
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    found[known] = q
    return found


def _traces(residuals: NDArray[np.float64], freedom: float) -> tuple[float, float]:
    """Unbiased estimates of (tr C)^2 and tr(C^2) from residuals `(N, P)`."""
    gram = residuals @ residuals.T / freedom
    trace = float(np.trace(gram))
    second = float((gram**2).sum())
    factor = freedom**2 / ((freedom - 1) * (freedom + 2))
    squared = factor * (second - trace**2 / freedom)
    return trace**2 - 2 * squared / freedom, squared


def effective_pixels_of_documents(
    prototypes: Prototypes, use: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Effective pixels, from how documents differ from the mean of their family.

    For prototypes of which nothing but their pictures is kept. Documents that truly differ do so in
    few ways (slant, width), which makes the number small and the test careful. One number for all
    letters, because few documents say little about each. Groups without a family count as one.

    Arguments:
        prototypes: At least four groups.
        use: `(G, K)`.

    Returns:
        `(K,)`; NaN everywhere if there are too few groups.
    """
    letters = use.shape[1]
    own = np.array(prototypes.families, dtype=object)
    shares = []
    for k in range(letters):
        parts = []
        freedom = 0
        for name in sorted(set(prototypes.families)):
            members = np.flatnonzero((own == name) & use[:, k])
            if len(members) > 1:
                pictures = prototypes.pictures[members, k].reshape(len(members), -1)
                parts.append(pictures.astype(np.float64) - pictures.mean(axis=0, dtype=np.float64))
                freedom += len(members) - 1
        if freedom >= _LEAST_FREEDOM:
            whole, squared = _traces(np.concatenate(parts), freedom)
            if whole > 0:
                shares.append(squared / whole)
    if not shares:
        return np.full(letters, np.nan)
    # one is the fewest there can be; a share that is estimated below zero says: very many
    size = float(np.prod(prototypes.pictures.shape[2:]))
    share = max(float(np.mean(shares)), 1 / size)
    return np.full(letters, max(1 / share, 1))


def effective_pixels_of_occurrences(
    occurrences: Occurrences,
    lines: Sequence[Sequence[int]],
    letters: int,
    least_clear: float = 0.5,
    masks: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Effective pixels, from how the lines of a document differ from their mean.

    The better of the two estimates: it sees chance alone, and each letter by itself.

    Arguments:
        occurrences: Of all lines.
        lines: Of every group the numbers of its lines.
        letters: How many sprites there are.
        least_clear: As in `letter_moments`.
        masks: What prototypes are multiplied with before they are compared, `(letters, h, w)`: what
            lies outside does not count.

    Returns:
        `(letters,)`; NaN where too few lines show the letter.
    """
    whole, squared = np.zeros(letters), np.zeros(letters)
    for numbers in lines:
        own = occurrences.where(np.isin(occurrences.lines, list(numbers)))
        for k in range(letters):
            residuals = _line_residuals(own.where(own.sprites == k), least_clear)
            if masks is not None and len(residuals):
                residuals = residuals * masks[k].ravel()
            freedom = len(residuals) - 1
            total = float(np.square(residuals).sum())
            if freedom >= _LEAST_FREEDOM and total > 0:
                # scaled, for a document of few lines is uncertain everywhere and says little
                one, two = _traces(residuals / np.sqrt(total / freedom), freedom)
                whole[k] += freedom * one
                squared[k] += freedom * two
    size = float(np.prod(occurrences.ink.shape[1:]))
    some = whole > 0
    found = whole[some] / np.maximum(squared[some], whole[some] / size)
    result = np.full(letters, np.nan)
    result[some] = np.maximum(found, 1)
    return result


def _line_residuals(some: Occurrences, least_clear: float) -> NDArray[np.float64]:
    """Of every line the weighted sum of its deviations from the mean, `(lines, P)`."""
    if not len(some):
        return np.zeros((0, 1))
    ink = some.ink.reshape(len(some), -1) / 255.0
    weight = some.clear.reshape(len(some), -1) / 255.0
    weight[weight < least_clear] = 0
    total = weight.sum(axis=0)
    mean = (weight * ink).sum(axis=0) / np.where(total > 0, total, 1)
    names, row = np.unique(some.lines, return_inverse=True)
    found = np.zeros((len(names), ink.shape[1]))
    np.add.at(found, row, weight * (ink - mean))
    return found / np.where(total > 0, total, 1)
