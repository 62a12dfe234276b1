"""A tree of documents, with how many letters bear each branch out.

The *System for Palaeographical Inspection* drew such dendrograms of its letter models. Here every
split says how often it comes back when the letters are drawn anew, with replacement: a split that
one letter decides is lost in about a third of the draws.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from .differences import mean_distances

__all__ = ["Linkage", "Tree", "document_tree", "newick"]

Linkage = Literal["average", "complete", "single", "weighted"]
"""How far two clusters are: those of scipy that never put a branch below its parts."""


@dataclass(frozen=True)
class Tree:
    """A hierarchy of documents.

    Arguments:
        names: Of the leaves.
        merges: As scipy's: two clusters, their distance, number of leaves, `(n - 1, 4)`; cluster
            `n + i` is made by row `i`.
        order: The numbers of the leaves from top to bottom, neighbours alike.
        support: Of every merge the share of draws of letters in which the same leaves form a
            cluster, `(n - 1,)`; NaN for the last, which holds all, and where nothing was drawn.
        draws: How many draws of letters could be used.
        cophenetic: Correlation of the distances with those along the tree; NaN below three leaves.
        left_out: Groups that share too few letters with the others to be placed.
    """

    names: tuple[str, ...]
    merges: NDArray[np.float64]
    order: tuple[int, ...]
    support: NDArray[np.float64]
    draws: int
    cophenetic: float
    left_out: tuple[str, ...]


def document_tree(
    by_letter: NDArray[np.float64],
    names: Sequence[str],
    linkage: Linkage = "average",
    draws: int = 1000,
    seed: int = 0,
) -> Tree:
    """Cluster documents by their mean distance over letters.

    Arguments:
        by_letter: From `letter_distances`, `(K, G, G)`.
        names: Of the groups.
        linkage: How far two clusters are.
        draws: Of letters, for the support.
        seed: Of these.

    Returns:
        The tree; without merges if fewer than two groups are left.
    """
    keep = _comparable(mean_distances(by_letter)[0])
    chosen = tuple(names[i] for i in keep)
    left_out = tuple(name for i, name in enumerate(names) if i not in keep)
    by_letter = by_letter[:, keep][:, :, keep]
    size = len(keep)
    if size < 2:
        none = np.zeros((0, 4))
        return Tree(chosen, none, tuple(range(size)), np.zeros(0), 0, np.nan, left_out)
    distances = mean_distances(by_letter)[0]
    condensed = squareform(distances, checks=False)
    merges = hierarchy.linkage(condensed, linkage, optimal_ordering=True)
    order = tuple(int(i) for i in hierarchy.leaves_list(merges))
    cophenetic = np.nan
    along = hierarchy.cophenet(merges)
    if size > 2 and condensed.std() > 0 and along.std() > 0:
        cophenetic = float(np.corrcoef(condensed, along)[0, 1])
    support, used = _support(by_letter, merges, linkage, draws, seed)
    return Tree(chosen, merges, order, support, used, cophenetic, left_out)


def _comparable(distances: NDArray[np.float64]) -> list[int]:
    """Groups of which every two have a distance: those that lack most are left out first."""
    keep = list(range(len(distances)))
    while True:
        missing = np.isnan(distances[np.ix_(keep, keep)]).sum(axis=1)
        if not missing.any():
            return keep
        keep.pop(int(missing.argmax()))


def _clusters(merges: NDArray[np.float64]) -> list[int]:
    """Of every merge its leaves, as the bits of a number."""
    size = len(merges) + 1
    found = [1 << i for i in range(size)]
    for row in merges:
        found.append(found[int(row[0])] | found[int(row[1])])
    return found[size:]


def _support(
    by_letter: NDArray[np.float64],
    merges: NDArray[np.float64],
    linkage: Linkage,
    draws: int,
    seed: int,
) -> tuple[NDArray[np.float64], int]:
    known = np.isfinite(by_letter)
    size = by_letter.shape[1]
    with_letters = known[:, ~np.eye(size, dtype=bool)].any(axis=1)
    value = np.where(known, by_letter, 0)[with_letters].reshape(-1, size * size)
    weight = known[with_letters].reshape(-1, size * size).astype(np.float64)
    clusters = _clusters(merges)
    found = np.zeros(len(merges))
    used = 0
    if len(value) > 1:
        even = np.full(len(value), 1 / len(value))
        times = np.random.default_rng(seed).multinomial(len(value), even, size=draws)
        for row in times.astype(np.float64):
            count = row @ weight
            if not count.all():  # two groups without a common letter in this draw
                continue
            condensed = squareform((row @ value / count).reshape(size, size), checks=False)
            again = set(_clusters(hierarchy.linkage(condensed, linkage)))
            found += [cluster in again for cluster in clusters]
            used += 1
    support = found / used if used else np.full(len(merges), np.nan)
    support[-1] = np.nan
    return support, used


def newick(tree: Tree) -> str:
    """The tree as Newick text, for programs that draw trees.

    A merge stands at half its distance above the leaves, so that the way from one leaf to another
    is the distance at which they meet. Support is written in per cent behind the bracket of a
    cluster.

    Arguments:
        tree: With at least one leaf.
    """
    size = len(tree.names)
    if not size:
        return ";\n"
    text = [_label(name) for name in tree.names]
    height = [0.0] * size
    for number, row in enumerate(tree.merges):
        top = float(row[2]) / 2
        # the order of the leaves is the one that scipy's ordering gave
        parts = [f"{text[int(i)]}:{top - height[int(i)]:.6g}" for i in row[:2]]
        share = tree.support[number]
        text.append(f"({','.join(parts)}){'' if np.isnan(share) else f'{100 * share:.0f}'}")
        height.append(top)
    return text[-1] + ";\n"


def _label(name: str) -> str:
    """A name as Newick allows it: quoted where it holds marks that mean something there."""
    if re.fullmatch(r"[^\s()\[\]{}:;,'\"_]+", name):
        return name
    return "'" + re.sub(r"[\r\n\t]", " ", name).replace("'", "''") + "'"
