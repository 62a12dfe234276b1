"""Which labels the diffusion classifier takes for one another (eq. 4.6; Li et al. 2023).

A picture is given the label under which its typicality is greatest. Beside the shares, with
intervals over pictures, every confused pair says how many of its decisions more draws would
hardly change (`settled`): the rest are noise of the estimate and not of the eye.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..classification import Classification
from ..intervals import Estimate
from .proportions import wilson

__all__ = ["Confusions", "Pair", "SplitAccuracy", "read_confusions"]


@dataclass(frozen=True)
class Pair:
    """Pictures of one label that are given another.

    Arguments:
        truth: Their label.
        given: What the classifier says.
        count: How many.
        share: Of the pictures of the label, with its interval.
        settled: How many have a margin above 2 standard errors.
        rows: Of the classification, by T under the given label less that under the true one,
            the clearest first.
        gains: That difference for each, above 0.
    """

    truth: str
    given: str
    count: int
    share: Estimate
    settled: int
    rows: tuple[int, ...]
    gains: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "truth": self.truth,
            "given": self.given,
            "count": self.count,
            "share": self.share.as_dict(),
            "settled": self.settled,
        }


@dataclass(frozen=True)
class SplitAccuracy:
    """The share of right decisions among the pictures of a split.

    Arguments:
        split: `train` was trained on, the others not; `all` is all.
        pictures: How many.
        accuracy: With its interval.
    """

    split: str
    pictures: int
    accuracy: Estimate


@dataclass(frozen=True)
class Confusions:
    """The confusions of a classification.

    Arguments:
        labels: K.
        counts: Of a true label (row) that are given a label (column), K rows of K.
        shares: The same over the number of pictures of the true label, with intervals.
        pairs: With at least one picture, the largest shares first.
        splits: All pictures first, then every split there is.
        chance: Accuracy of always naming the most frequent label.
        settled: Share of decisions that more draws would hardly change.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    shares: tuple[tuple[Estimate, ...], ...]
    pairs: tuple[Pair, ...]
    splits: tuple[SplitAccuracy, ...]
    chance: float
    settled: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "labels": list(self.labels),
            "counts": [list(row) for row in self.counts],
            "shares": [[one.as_dict() for one in row] for row in self.shares],
            "pairs": [one.as_dict() for one in self.pairs],
            "splits": [
                {"split": s.split, "pictures": s.pictures, "accuracy": s.accuracy.as_dict()}
                for s in self.splits
            ],
            "chance": self.chance,
            "settled": self.settled,
        }


def read_confusions(found: Classification, splits: Mapping[str, str]) -> Confusions:
    """Count confusions.

    Arguments:
        found: The classification (`classify`).
        splits: By the id of a picture, its split.
    """
    counts, decisions = found.confusion, found.decisions
    totals = counts.sum(1)
    every = np.arange(len(found.ids))
    gain = found.typicality[every, decisions] - found.typicality[every, found.truth]
    sure = found.margin.value > 2 * found.margin.error
    pairs = []
    for i, truth in enumerate(found.labels):
        for j, given in enumerate(found.labels):
            rows = np.flatnonzero((found.truth == i) & (decisions == j))
            if i == j or not len(rows):
                continue
            rows = rows[np.argsort(-gain[rows], kind="stable")]
            pairs.append(
                Pair(
                    truth,
                    given,
                    len(rows),
                    wilson(len(rows), int(totals[i])),
                    int(sure[rows].sum()),
                    tuple(rows.tolist()),
                    tuple(float(value) for value in gain[rows]),
                )
            )
    pairs.sort(key=lambda pair: (-pair.share.mean, -pair.count, pair.truth, pair.given))
    right = decisions == found.truth
    parts = np.array([splits[name] for name in found.ids])
    accuracies = [SplitAccuracy("all", len(right), wilson(int(right.sum()), len(right)))]
    for split in sorted(set(parts.tolist())):
        own = right[parts == split]
        accuracies.append(SplitAccuracy(split, len(own), wilson(int(own.sum()), len(own))))
    return Confusions(
        found.labels,
        tuple(tuple(map(int, row)) for row in counts.tolist()),
        tuple(
            tuple(wilson(int(value), int(total)) for value in row)
            for row, total in zip(counts, totals, strict=True)
        ),
        tuple(pairs),
        tuple(accuracies),
        found.chance,
        found.settled,
    )
