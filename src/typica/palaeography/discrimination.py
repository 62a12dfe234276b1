"""The letters that tell two families apart best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from .labellings import labellings, share_at_least
from .noise import adjust

__all__ = ["Discrimination", "discriminative_letters"]


@dataclass(frozen=True)
class Discrimination:
    """How well each letter tells two families apart; every array is `(K,)`.

    Arguments:
        families: The two.
        between: Mean distance of a document of one to a document of the other.
        within: Mean distance of two documents of the same.
        effect: `between / within`: 1 for a letter that tells nothing.
        p: Share of all ways to deal the two families to the documents with so large an effect.
        q: The same, adjusted for the number of letters (Benjamini and Hochberg).
        smallest_p: What p can be at least with so few documents; 1 where there is no test.
        documents: How many documents of either family have the letter, `(K, 2)`.
    """

    families: tuple[str, str]
    between: NDArray[np.float64]
    within: NDArray[np.float64]
    effect: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    smallest_p: NDArray[np.float64]
    documents: NDArray[np.int64]

    def order(self) -> list[int]:
        """The letters with a known effect, the most discriminative first."""
        known = np.flatnonzero(~np.isnan(self.effect))
        return [int(k) for k in known[np.argsort(-self.effect[known], kind="stable")]]


def discriminative_letters(
    by_letter: NDArray[np.float64],
    families: Sequence[str],
    pair: tuple[str, str],
    permutations: int = 9999,
    seed: int = 0,
) -> Discrimination:
    """Rank letters by how much farther apart the families are than their own documents.

    Arguments:
        by_letter: From `letter_distances`, `(K, G, G)`.
        families: Of every document.
        pair: The two families.
        permutations: All ways are looked at if there are no more, else so many random ones.
        seed: Of these.

    Returns:
        NaN for letters without a distance between, or without one within.
    """
    count = len(by_letter)
    between, within, effect, p = (np.full(count, np.nan) for _ in range(4))
    smallest = np.ones(count)
    documents = np.zeros((count, 2), np.int64)
    ways: dict[tuple[int, ...], tuple[NDArray[np.int64], bool]] = {}
    own = np.array([pair.index(name) if name in pair else -1 for name in families], np.int64)
    for k in range(count):
        part = np.flatnonzero((own >= 0) & np.isfinite(np.diagonal(by_letter[k])))
        documents[k] = np.bincount(own[part], minlength=2)
        if documents[k].min() < 1 or documents[k].max() < 2:
            continue
        labels = tuple(own[part].tolist())
        if labels not in ways:
            ways[labels] = labellings(labels, permutations, seed)
        rows, exact = ways[labels]
        one, other = _means(by_letter[k][np.ix_(part, part)], rows)
        between[k], within[k] = one[0], other[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = one / other
        effect[k] = ratios[0]
        p[k] = share_at_least(ratios)
        first, second = (int(n) for n in documents[k])
        alike = 2 if first == second else 1
        smallest[k] = alike / comb(first + second, first) if exact else 1 / len(rows)
    return Discrimination(pair, between, within, effect, p, adjust(p), smallest, documents)


def _means(
    distances: NDArray[np.float64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean distance between and within, of every way, `(N,)` each."""
    total = distances.sum()
    size = len(distances)
    inside = np.zeros(len(rows))
    pairs = np.zeros(len(rows))
    for label in (0, 1):
        here = (rows == label).astype(np.float64)
        number = here.sum(axis=1)
        inside += ((here @ distances) * here).sum(axis=1)
        pairs += number * (number - 1)
    return (total - inside) / (size * (size - 1) - pairs), inside / pairs
