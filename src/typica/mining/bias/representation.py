"""Which clusters of the real elements the samples show more, or less, often.

Every element of either set belongs to the nearest cluster of the real set. What is compared are
the shares of the clusters in two sets of as many pictures. Pictures, not elements, are drawn
anew and dealt anew: elements of one picture resemble each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..intervals import Estimate

__all__ = [
    "ClusterShare",
    "Representation",
    "compare_counts",
    "corrected_p",
    "nearest",
    "nearest_without_own_picture",
    "picture_counts",
    "shares",
    "total_variation",
]

_SMOOTH = 0.5
"""Added to every count before ratios are taken, so that an absent cluster has one."""


@dataclass(frozen=True)
class ClusterShare:
    """One real cluster in both sets.

    Arguments:
        cluster: Its rank among the real clusters of the label.
        real: Its share of the real elements.
        sampled: Its share of the samples' elements.
        difference: `sampled - real`, with a bootstrap interval.
        log_ratio: log2 of their ratio, of counts with a half added, with a bootstrap interval;
            an end is NaN (open) where the cluster is absent from a set.
        p: Of a difference as large by chance, corrected for the number of clusters.
        verdict: `over` or `under` if p is at most the level, else empty.
    """

    cluster: int
    real: float
    sampled: float
    difference: Estimate
    log_ratio: Estimate
    p: float
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "cluster": self.cluster,
            "real": round(self.real, 5),
            "sampled": round(self.sampled, 5),
            "difference": self.difference.as_dict(),
            "log2_ratio": self.log_ratio.as_dict(),
            "p": round(self.p, 5),
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Representation:
    """All clusters of a label in two sets.

    Arguments:
        clusters: By rank.
        variation: Total variation distance of the two lists of shares, 0 to 1.
        chance: What it is on average where pictures are dealt to the sets at random.
        p: Of a distance as large by chance.
        pictures: In each set.
        elements: In the real set, and in the samples.
    """

    clusters: tuple[ClusterShare, ...]
    variation: float
    chance: float
    p: float
    pictures: int
    elements: tuple[int, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "pictures": self.pictures,
            "elements": list(self.elements),
            "variation": round(self.variation, 5),
            "chance": round(self.chance, 5),
            "p": round(self.p, 5),
            "clusters": [one.as_dict() for one in self.clusters],
        }


def nearest(
    features: NDArray[np.floating], centres: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest centroid of every point, and its distance.

    Arguments:
        features: `(E, D)`.
        centres: `(K, D)`, K at least 1.

    Returns:
        Numbers of centroids and Euclidean distances, both `(E,)`.
    """
    points, middles = features.astype(np.float64), centres.astype(np.float64)
    squares = np.square(points).sum(1)[:, None] + np.square(middles).sum(1) - 2 * points @ middles.T
    place = squares.argmin(1).astype(np.int64)
    found = squares[np.arange(len(points)), place] if len(points) else np.zeros(0)
    return place, np.sqrt(np.maximum(found, 0))


def nearest_without_own_picture(
    features: NDArray[np.floating],
    cluster: NDArray[np.int64],
    picture: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As `nearest`, for the points that the clusters were made of.

    A point is drawn to the centroid that it took part in. A sample has no such advantage, so
    the centroids that a real element is held against are those of the other pictures.

    Arguments:
        features: `(E, D)`.
        cluster: Of every point, `(E,)`, from 0 without gaps.
        picture: Of every point, `(E,)`.

    Returns:
        Numbers of clusters and distances, both `(E,)`. A cluster that only one picture has is
        not offered to that picture.
    """
    points = features.astype(np.float64)
    count = int(cluster.max()) + 1 if len(cluster) else 0
    member = np.eye(count)[cluster]  # (E, K)
    sums, sizes = member.T @ points, member.sum(0)
    place = np.zeros(len(points), np.int64)
    distance = np.zeros(len(points))
    for one in np.unique(picture):
        own = np.flatnonzero(picture == one)
        rest = sizes - member[own].sum(0)
        left = np.flatnonzero(rest > 0)
        if not len(left):  # no other picture: nothing else to be held against
            place[own], distance[own] = cluster[own], np.nan
            continue
        centres = (sums - member[own].T @ points[own])[left] / rest[left, None]
        which, distance[own] = nearest(points[own], centres)
        place[own] = left[which]
    return place, distance


def picture_counts(
    cluster: NDArray[np.int64], picture: NDArray[np.int64], pictures: int, clusters: int
) -> NDArray[np.float64]:
    """How many elements of every cluster every picture has, `(pictures, clusters)`."""
    counts = np.zeros((pictures, clusters))
    np.add.at(counts, (picture, cluster), 1)
    return counts


def shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts `(..., K)` as shares of their sum; all 0 where there is none."""
    total = counts.sum(-1, keepdims=True)
    result: NDArray[np.float64] = counts / np.where(total > 0, total, 1)
    return result


def total_variation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the sum of absolute differences of shares `(..., K)`: what would have to be moved."""
    result: NDArray[np.float64] = np.abs(one - other).sum(-1) / 2
    return result


def corrected_p(observed: NDArray[np.float64], dealt: NDArray[np.float64]) -> NDArray[np.float64]:
    """p of every difference, corrected for their number by the largest one (Westfall and Young).

    Arguments:
        observed: Differences, `(K,)`.
        dealt: The same where pictures were dealt at random, `(B, K)`.

    Returns:
        `(K,)`: how often the largest standardised difference of a random deal is at least as
        large as this one, the observed deal counted as one of them.
    """
    scale = dealt.std(0)
    usable = scale > 0
    scale = np.where(usable, scale, 1)
    largest = np.where(usable, np.abs(dealt) / scale, 0).max(1)
    sizes = np.where(usable, np.abs(observed) / scale, 0)
    exceeded = (largest[:, None] >= sizes * (1 - 1e-12)).sum(0)
    result: NDArray[np.float64] = (1 + exceeded) / (1 + len(dealt))
    return result


def compare_counts(
    real: NDArray[np.float64],
    sampled: NDArray[np.float64],
    *,
    permutations: int,
    resamples: int,
    level: float,
    seed: Sequence[int],
) -> Representation:
    """Compare the shares of clusters in two sets of as many pictures.

    Chance is what happens when the pictures of both sets are put together and dealt anew.

    Arguments:
        real: Elements of every cluster in every picture, `(n, K)`.
        sampled: The same of the samples, `(n, K)`.
        permutations: Random deals.
        resamples: Bootstrap samples of pictures.
        level: Of the verdicts.
        seed: Of both.

    Raises:
        ValueError: If the sets are not of as many pictures.
    """
    if len(real) != len(sampled):
        raise ValueError(f"{len(real)} real pictures and {len(sampled)} samples: take as many")
    draws = np.random.default_rng(list(seed))
    number = len(real)
    pooled = np.concatenate([real, sampled])
    side = np.repeat([1.0, 0.0], number)
    dealt = draws.permuted(np.tile(side, (permutations, 1)), axis=1)
    # sums of either side of every deal: (permutations, K)
    one, other = shares(dealt @ pooled), shares((1 - dealt) @ pooled)
    ours, theirs = shares(real.sum(0)), shares(sampled.sum(0))
    p = corrected_p(theirs - ours, other - one)
    distances = total_variation(one, other)
    variation = float(total_variation(ours, theirs))
    exceeded = int((distances >= variation * (1 - 1e-12)).sum())
    again = [draws.multinomial(number, np.full(number, 1 / number), resamples) for _ in range(2)]
    sums = again[0] @ real, again[1] @ sampled
    difference = _estimates(theirs - ours, shares(sums[1]) - shares(sums[0]))
    ratio = _estimates(_log_ratio(real.sum(0), sampled.sum(0)), _log_ratio(*sums))
    clusters = []
    for k in range(real.shape[1]):
        low = np.nan if sampled[:, k].sum() == 0 else ratio[k].low
        high = np.nan if real[:, k].sum() == 0 else ratio[k].high
        verdict = "" if p[k] > level else "over" if theirs[k] > ours[k] else "under"
        open_ended = Estimate(ratio[k].mean, low, high)
        clusters.append(
            ClusterShare(
                k, float(ours[k]), float(theirs[k]), difference[k], open_ended, float(p[k]), verdict
            )
        )
    return Representation(
        tuple(clusters),
        variation,
        float(distances.mean()),
        (1 + exceeded) / (1 + permutations),
        number,
        (int(real.sum()), int(sampled.sum())),
    )


def _log_ratio(real: NDArray[np.float64], sampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """log2 of the ratio of shares, from counts `(..., K)` with a half added."""
    result: NDArray[np.float64] = np.log2(shares(sampled + _SMOOTH) / shares(real + _SMOOTH))
    return result


def _estimates(values: NDArray[np.float64], again: NDArray[np.float64]) -> list[Estimate]:
    """Values `(K,)` with the range of 95 % of their resamples `(R, K)`."""
    low, high = np.quantile(again, (0.025, 0.975), axis=0)
    return [Estimate(*map(float, row)) for row in zip(values, low, high, strict=True)]
