"""What differs between prototypes: distances, spread within a family (3.5.2).

A letter that a group has too rarely takes no part: its values are NaN, never zero, and every mean
over letters says how many it is a mean of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .prototypes import Prototypes

__all__ = [
    "Distance",
    "Spread",
    "family_names",
    "l2",
    "letter_distances",
    "mean_distances",
    "spreads",
    "usable",
]

Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""From two stacks of pictures `(P, h, w)`, ink in [0, 1], to a distance of each pair, `(P,)`."""

_PAIRS = 512
"""Pairs of pictures that are compared at once: bounds the memory."""


def l2(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The root of the sum of squared differences of ink: the published distance.

    Arguments:
        a: Pictures, `(P, h, w)`, ink in [0, 1].
        b: The same.

    Returns:
        `(P,)`.
    """
    return np.asarray(np.sqrt(np.square(a - b).sum(axis=(1, 2))))


def usable(prototypes: Prototypes, least: int) -> NDArray[np.bool_]:
    """Which letters of which groups are based on enough occurrences.

    Arguments:
        prototypes: The prototypes.
        least: Occurrences that a letter needs.

    Returns:
        `(G, K)`; a picture with a NaN in it is not usable either.
    """
    whole = np.isfinite(prototypes.pictures).all(axis=(2, 3))
    return np.asarray((prototypes.counts >= least) & whole)


def letter_distances(
    pictures: NDArray[np.floating], use: NDArray[np.bool_], distance: Distance
) -> NDArray[np.float64]:
    """The distance of every two groups, letter by letter.

    Arguments:
        pictures: `(G, K, h, w)`, ink in [0, 1].
        use: Which of them count, `(G, K)`.
        distance: Symmetric, 0 for equal pictures.

    Returns:
        `(K, G, G)`, symmetric; NaN where one of the two groups has no usable picture of the letter.
    """
    groups, letters = use.shape
    found = np.full((letters, groups, groups), np.nan)
    one, other = np.triu_indices(groups, 1)
    for k in range(letters):
        own = np.flatnonzero(use[:, k])
        found[k, own, own] = 0
        pairs = np.flatnonzero(use[one, k] & use[other, k])
        for start in range(0, len(pairs), _PAIRS):
            some = pairs[start : start + _PAIRS]
            a, b = one[some], other[some]
            values = distance(
                pictures[a, k].astype(np.float64, copy=False),
                pictures[b, k].astype(np.float64, copy=False),
            )
            found[k, a, b] = values
            found[k, b, a] = values
    return found


def mean_distances(
    by_letter: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The mean distance over the letters that both groups have.

    Arguments:
        by_letter: From `letter_distances`, `(K, G, G)`.

    Returns:
        `(G, G)`, NaN for two groups without a common letter; and the number of letters, `(G, G)`.
    """
    known = np.isfinite(by_letter)
    letters = known.sum(axis=0)
    total = np.where(known, by_letter, 0).sum(axis=0)
    return np.where(letters > 0, total / np.maximum(letters, 1), np.nan), letters


def family_names(families: Sequence[str]) -> tuple[str, ...]:
    """The families that occur, in the order of the alphabet; the empty name is none."""
    return tuple(sorted({name for name in families if name}))


@dataclass(frozen=True)
class Spread:
    """How much the documents of a family differ, letter by letter.

    Arguments:
        families: Their names.
        values: The published measure: the root of the sum over pixels of the variance over
            documents, `(F, K)`, in units of ink; NaN for fewer than two documents.
        documents: Documents that it is based on, `(F, K)`.
        noise: What the same measure would be if the documents did not differ and only chance told
            them apart, by the standard errors, `(F, K)`; NaN where these are not known.
    """

    families: tuple[str, ...]
    values: NDArray[np.float64]
    documents: NDArray[np.int64]
    noise: NDArray[np.float64]


def spreads(prototypes: Prototypes, use: NDArray[np.bool_]) -> Spread:
    """The spread of every family and letter (Fig. 3.7).

    A document with few occurrences has a prototype that is uncertain, which spreads its family too:
    compare each value with its `noise` before saying that one family varies more than another.

    Arguments:
        prototypes: Groups are documents here.
        use: From `usable`, `(G, K)`.
    """
    names = family_names(prototypes.families)
    letters = len(prototypes.letters)
    values = np.full((len(names), letters), np.nan)
    noise = np.full((len(names), letters), np.nan)
    documents = np.zeros((len(names), letters), np.int64)
    own = np.array(prototypes.families, dtype=object)
    for f, name in enumerate(names):
        for k in range(letters):
            members = np.flatnonzero((own == name) & use[:, k])
            documents[f, k] = len(members)
            if len(members) < 2:
                continue
            pictures = prototypes.pictures[members, k].astype(np.float64)
            values[f, k] = np.sqrt(pictures.var(axis=0, ddof=1).sum())
            variance = prototypes.errors[members, k].astype(np.float64) ** 2
            known = np.isfinite(variance)
            if known.any(axis=(1, 2)).all():
                # a pixel that no two lines show is taken to be as certain as the mean of the others
                inside = known.sum(axis=(1, 2))
                total = np.where(known, variance, 0).sum(axis=(1, 2)) * known[0].size / inside
                noise[f, k] = np.sqrt(total.mean())
    return Spread(names, values, documents, noise)
