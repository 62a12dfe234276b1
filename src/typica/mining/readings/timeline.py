r"""Trends of typicality along ordered labels, such as decades.

An element is read under every label, not only under its own: its profile T(patch|c_1), ...,
T(patch|c_K). Two linear readings of a profile say how it goes: its slope (least squares, per step
of one label), and its curvature (the coefficient of the square that is left beside the slope).

Three things could feign a trend, and are kept out:

- an element was chosen because its typicality under its own label is large, so that label is left
  out of its profile: an element of the last decade would rise by choice alone;
- a label can be worth more than others for any patch, so the mean over random patches under that
  label is taken off (`levels`);
- pictures share their draws of noise, so their errors agree: the error of a mean over pictures
  counts the spread over pictures and the error over groups of draws, both.

Of many clusters some trend by chance; p-values of all of them, slopes and curvatures together, are
corrected by Holm (1979), those of single elements by Benjamini and Hochberg (1995).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from ...configs import require
from ...errors import ConfigError
from ..intervals import Estimate
from ..typicality import standard_error

__all__ = [
    "LEAST_PICTURES",
    "ClusterTrend",
    "Profiles",
    "Shape",
    "benjamini_hochberg",
    "cluster_trends",
    "element_trends",
    "holm",
    "label_order",
    "levels",
    "rank_correlations",
    "trend_weights",
]

Floats = NDArray[np.float64]
Shape = Literal["rising", "falling", "peaking", "dipping", "level"]

LEVEL = 0.05
"""Chance that anything at all is called a trend where there is none."""
LEAST_PICTURES = 4
"""Clusters of fewer pictures are shown without a test."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Profiles:
    """Elements read under all labels, in their order.

    Arguments:
        values: T of every element under every label, `(N, K)`.
        deviations: Means of the groups of draws less that, `(N, K, G)`.
        own: Column of its own label, `(N,)`.
        picture: Id of its picture, N.
    """

    values: Floats
    deviations: Floats
    own: NDArray[np.int64]
    picture: tuple[str, ...]


@dataclass(frozen=True)
class ClusterTrend:
    """How the typicality of a cluster goes along the labels.

    Arguments:
        cluster: Its number.
        pictures: How many it has elements of.
        slope: Per step, with its 95 % interval.
        curvature: Per step squared, likewise.
        slope_p: Corrected for all clusters; 1 if there were too few pictures for a test.
        curvature_p: Likewise.
        shape: What may be said of it.
        profile: Mean T less the level under every label, `(K,)`; NaN where no element of another
            label is in it.
        correlation: Rank correlation of the profile with the order.
    """

    cluster: int
    pictures: int
    slope: Estimate
    curvature: Estimate
    slope_p: float
    curvature_p: float
    shape: Shape
    profile: Floats
    correlation: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "cluster": self.cluster,
            "pictures": self.pictures,
            "shape": self.shape,
            "slope": [self.slope.mean, self.slope.low, self.slope.high],
            "slope_p": self.slope_p,
            "curvature": [self.curvature.mean, self.curvature.low, self.curvature.high],
            "curvature_p": self.curvature_p,
            "rank_correlation": self.correlation,
            "profile": self.profile.tolist(),
        }


def label_order(labels: Sequence[str], given: Sequence[str] = ()) -> tuple[str, ...]:
    """The labels from first to last.

    Arguments:
        labels: All of them.
        given: Their order, or a part of them in order; empty for that of the first number in
            each, such as 1920 in `1920s`.

    Raises:
        ConfigError: If there are fewer than four, a label is unknown or named twice, or numbers
            are missing or equal.
    """
    if given:
        for one in given:
            require(one in labels, f"--order {one}: no such label; there are {', '.join(labels)}")
        require(len(set(given)) == len(given), "--order: a label is named twice")
        found = tuple(given)
    else:
        numbers = {}
        for label in labels:
            match = _NUMBER.search(label)
            if match is None:
                raise ConfigError(f"{label!r}: holds no number to order by. Give --order.")
            numbers[label] = float(match[0])
        require(len(set(numbers.values())) == len(numbers), "labels share a number: give --order")
        found = tuple(sorted(labels, key=numbers.__getitem__))
    require(len(found) >= 4, "a trend needs at least four labels in order")
    return found


def trend_weights(labels: int, own: int) -> Floats:
    """Weights of a profile whose sums are its slope and its curvature, `(2, K)`.

    Arguments:
        labels: K, at least 4.
        own: Column that is left out: its weights are 0.
    """
    kept = np.arange(labels) != own
    x = np.arange(labels, dtype=np.float64)[kept]
    slope = x - x.mean()
    # what is left of the square beside a constant and the slope
    square = x**2 - (x**2).mean()
    square = square - slope * (square @ slope) / (slope @ slope)
    weights = np.zeros((2, labels))
    weights[0, kept] = slope / (slope @ slope)
    weights[1, kept] = square / (square @ square)
    return weights


def levels(random: Profiles) -> tuple[Floats, Floats]:
    """What a label is worth for any patch: mean T of random patches of the other labels.

    Arguments:
        random: Profiles of random elements of all labels.

    Returns:
        `(K,)`, and its groups of draws `(K, G)`. Pictures of every label count the same. 0 without
        any random elements.
    """
    count, groups = random.values.shape[1], random.deviations.shape[2]
    both = np.concatenate([random.values[:, :, None], random.deviations], 2)  # (N, K, 1 + G)
    found = np.zeros((count, 1 + groups))
    labels = sorted(set(random.own.tolist()))
    means = {label: both[random.own == label].mean(0) for label in labels}
    for column in range(count):
        others = [means[label][column] for label in labels if label != column]
        if others:
            found[column] = np.mean(others, axis=0)
    return found[:, 0], found[:, 1:]


def rank_correlations(values: Floats) -> Floats:
    """Spearman's correlation of every row with the order of the columns, NaN left out, `(N,)`."""
    found = np.full(len(values), np.nan)
    for i, row in enumerate(values):
        kept = np.isfinite(row)
        ranks = rankdata(row[kept])
        if len(ranks) > 1 and ranks.std() > 0:
            found[i] = np.corrcoef(ranks, np.flatnonzero(kept).argsort())[0, 1]
    return found


def holm(p: Floats) -> Floats:
    """p-values corrected so that with chance `LEVEL` at most one or more is falsely below it."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    found = np.empty(len(p))
    found[order] = np.minimum(steps, 1)
    return found


def benjamini_hochberg(p: Floats) -> Floats:
    """p-values as false discovery rates: of those below q, at most q are expected to be false."""
    order = np.argsort(p)
    steps = np.asarray(p)[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty(len(p))
    found[order] = np.minimum.accumulate(np.minimum(steps, 1)[::-1])[::-1]
    return found


def _readings(profiles: Profiles, level: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Slope and curvature of every element, `(N, 2)`, and of its groups, `(N, 2, G)`."""
    labels = profiles.values.shape[1]
    weights = np.stack([trend_weights(labels, own) for own in range(labels)])[profiles.own]
    values = np.einsum("nwk,nk->nw", weights, profiles.values - level[0])
    groups = np.einsum("nwk,nkg->nwg", weights, profiles.deviations - level[1])
    return values, groups


def element_trends(profiles: Profiles, level: tuple[Floats, Floats]) -> dict[str, Floats]:
    """The slope of every element, with what is known of it.

    The error is over draws of noise only: it says whether this patch of this picture is read
    reliably, not whether others like it would do the same (`cluster_trends`).

    Arguments:
        profiles: N elements.
        level: From `levels`.

    Returns:
        `slope`, `error`, `low` and `high` (95 %), `p`, `q` (corrected for all elements) and
        `rank_correlation`, each `(N,)`.
    """
    values, groups = _readings(profiles, level)
    slope = values[:, 0]
    error = standard_error(groups[:, 0], axis=1).astype(np.float64)
    freedom = profiles.deviations.shape[2] - 1
    p = _p_values(slope, error, freedom)
    half = t.ppf(0.975, freedom) * error
    left = profiles.values - level[0]
    left[np.arange(len(left)), profiles.own] = np.nan
    return {
        "slope": slope,
        "error": error,
        "low": slope - half,
        "high": slope + half,
        "p": p,
        "q": benjamini_hochberg(p),
        "rank_correlation": rank_correlations(left),
    }


def _p_values(values: Floats, errors: Floats, freedom: NDArray[Any] | int) -> Floats:
    """Two-sided, of values with errors; 1 where both are 0."""
    ratio = np.abs(values) / np.where(errors > 0, errors, np.inf)
    ratio = np.where((errors == 0) & (values != 0), np.inf, ratio)
    found: Floats = 2 * t.sf(ratio, freedom)
    return found


def cluster_trends(
    profiles: Profiles, cluster: NDArray[np.int64], level: tuple[Floats, Floats]
) -> tuple[ClusterTrend, ...]:
    """How every cluster goes along the labels, corrected for their number.

    A picture counts once in a cluster, however many elements it has there.

    Arguments:
        profiles: N elements.
        cluster: Of each, `(N,)`.
        level: From `levels`.

    Returns:
        In the order of the clusters' numbers.
    """
    values, groups = _readings(profiles, level)
    names = np.array(profiles.picture, dtype=object)
    left = profiles.values - level[0]
    left[np.arange(len(left)), profiles.own] = np.nan
    rows = []
    for number in sorted(set(cluster.tolist())):
        inside = np.flatnonzero(cluster == number)
        means = _picture_means(values[inside], names[inside])  # (pictures, 2)
        drawn = _picture_means(groups[inside], names[inside]).mean(0).T  # (G, 2)
        count = len(means)
        spread = means.std(0, ddof=1) / np.sqrt(count) if count > 1 else np.full(2, np.nan)
        error = np.hypot(spread, standard_error(drawn, axis=0))
        rows.append((number, count, means.mean(0), error, _mean_profile(left[inside])))
    tested = [row[1] >= LEAST_PICTURES for row in rows]
    p = np.ones((len(rows), 2))
    for i, (_, count, mean, error, _) in enumerate(rows):
        if tested[i]:
            p[i] = _p_values(mean, error, count - 1)
    where = np.array(tested)
    if where.any():
        p[where] = holm(p[where].ravel()).reshape(-1, 2)
    found = []
    for (number, count, mean, error, profile), (slope_p, curvature_p) in zip(rows, p, strict=True):
        half = t.ppf(0.975, max(1, count - 1)) * error
        slope, curvature = (
            Estimate(float(mean[w]), float(mean[w] - half[w]), float(mean[w] + half[w]))
            for w in range(2)
        )
        found.append(
            ClusterTrend(
                number,
                count,
                slope,
                curvature,
                float(slope_p),
                float(curvature_p),
                _shape(mean, slope_p, curvature_p, profile),
                profile,
                float(rank_correlations(profile[None])[0]),
            )
        )
    return tuple(found)


def _picture_means(values: Floats, pictures: NDArray[np.object_]) -> Floats:
    """Means over the elements of every picture, `(n, ...)` to `(pictures, ...)`."""
    _, place = np.unique(pictures.astype(str), return_inverse=True)
    member = np.zeros((int(place.max()) + 1, len(place)))
    member[place, np.arange(len(place))] = 1 / np.bincount(place)[place]
    return np.tensordot(member, values, axes=1)


def _mean_profile(left: Floats) -> Floats:
    """Mean over elements of every label that is not their own, NaN where there is none."""
    counts = np.isfinite(left).sum(0)
    sums = np.nan_to_num(left).sum(0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _shape(mean: Floats, slope_p: float, curvature_p: float, profile: Floats) -> Shape:
    """What corrected p-values allow to be said: a bend only where its turn lies inside."""
    if curvature_p < LEVEL:
        kept = np.isfinite(profile)
        place = np.flatnonzero(kept)
        square, line, _ = np.polyfit(place, profile[kept], 2)
        turn = -line / (2 * square) if square else np.inf
        if 0.5 <= turn <= len(profile) - 1.5 and np.sign(square) == np.sign(mean[1]):
            return "peaking" if mean[1] < 0 else "dipping"
    if slope_p < LEVEL:
        return "rising" if mean[0] > 0 else "falling"
    return "level"
