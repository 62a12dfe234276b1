r"""Documents against families: family prototypes, comparison graphs, outliers (Figs. 3.8, 3.9).

The published graphs compare a document with the prototype of a family that it is part of. That
draws every document towards its own family: in a family of n its distance to the mean of all is
(n - 1)/n of that to the mean of the others, half of it in a family of two, which hides outliers.
The default here leaves the document out of its family; the published form is an option.

The tests deal the families to the documents anew. They use one statistic of all letters: the mean
over letters of the distance to the centre of each family. A centre's distance follows from the
distances of the documents alone,

    d(i, S)^2 = mean_j D_ij^2 - 1/2 mean_jl D_jl^2        (j, l in S)

which is exact for L2 and needs no pictures for any of the thousands of ways (for another distance
it is the distance to the centroid in the space of its principal coordinates).

References:
    J. C. Gower, Euclidean distance geometry, The Mathematical Scientist 7, 1982. M. J. Anderson,
    Distance-based tests for homogeneity of multivariate dispersions, Biometrics 62, 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .differences import Distance, family_names, mean_distances
from .labellings import labellings, share_at_least
from .prototypes import Prototypes

__all__ = [
    "DocumentGraph",
    "FamilyTests",
    "LetterGraph",
    "document_graph",
    "family_prototypes",
    "family_tests",
    "letter_graph",
]

_CELLS = 2_000_000
"""Numbers in the arrays of one piece of the ways to deal families."""


def family_prototypes(
    prototypes: Prototypes, use: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The mean of the prototypes of every family's documents.

    Arguments:
        prototypes: Groups are documents here.
        use: `(G, K)`.

    Returns:
        `(F, K, h, w)`, families in alphabetical order, NaN where no document has the letter; and
        how many documents it is the mean of, `(F, K)`.
    """
    names = family_names(prototypes.families)
    own = np.array(prototypes.families, dtype=object)
    shape = prototypes.pictures.shape[1:]
    centres = np.full((len(names), *shape), np.nan)
    members = np.zeros((len(names), shape[0]), np.int64)
    for f, name in enumerate(names):
        here = use & (own == name)[:, None]
        members[f] = here.sum(axis=0)
        for k in np.flatnonzero(members[f]):
            centres[f, k] = prototypes.pictures[here[:, k], k].mean(axis=0, dtype=np.float64)
    return centres, members


@dataclass(frozen=True)
class LetterGraph:
    """Where the documents stand, letter by letter (Fig. 3.8).

    Arguments:
        families: The axes.
        distances: To the prototype of every family, `(G, K, F)`; NaN where document or family has
            the letter too rarely.
        members: Documents that each prototype is the mean of, `(G, K, F)`.
        nearest: The number of the nearest family, `(G, K)`; -1 where a distance is not known.
        outlier: Whether another family is nearer than the own, `(G, K)`; false where not known or
            for documents without a family.
    """

    families: tuple[str, ...]
    distances: NDArray[np.float64]
    members: NDArray[np.int64]
    nearest: NDArray[np.int64]
    outlier: NDArray[np.bool_]


def _judge(
    distances: NDArray[np.float64], own: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    if distances.shape[-1] < 2:  # nothing to choose from
        return np.full(distances.shape[:-1], -1), np.zeros(distances.shape[:-1], bool)
    known = np.asarray(np.isfinite(distances).all(axis=-1))
    nearest = np.where(known, np.where(known[..., None], distances, 0).argmin(axis=-1), -1)
    mine = own.reshape(-1, *(1,) * (nearest.ndim - 1))
    return nearest, known & (mine >= 0) & (nearest != mine)


def _numbers(families: Sequence[str]) -> NDArray[np.int64]:
    """Of every document the number of its family, -1 for none."""
    names = family_names(families)
    return np.array([names.index(name) if name else -1 for name in families], np.int64)


def letter_graph(
    prototypes: Prototypes,
    use: NDArray[np.bool_],
    distance: Distance,
    leave_one_out: bool = True,
) -> LetterGraph:
    """The distance of every document's letters to the families' prototypes.

    Arguments:
        prototypes: Groups are documents here.
        use: `(G, K)`.
        distance: Of two stacks of pictures.
        leave_one_out: Compare a document with its family without it; false is the published form.
            A family of one document has no prototype then: its own distance is NaN.
    """
    own = _numbers(prototypes.families)
    names = family_names(prototypes.families)
    groups, letters = use.shape
    found = np.full((groups, letters, len(names)), np.nan)
    members = np.zeros((groups, letters, len(names)), np.int64)
    centres, counts = family_prototypes(prototypes, use)
    for g in range(groups):
        picture = prototypes.pictures[g].astype(np.float64)
        here, left = centres, counts
        if leave_one_out and own[g] >= 0:
            here, left = centres.copy(), counts.copy()
            left[own[g]] -= use[g]
            size = np.maximum(left[own[g]], 1)[:, None, None]
            without = (here[own[g]] * counts[own[g], :, None, None] - picture) / size
            here[own[g], use[g]] = without[use[g]]
        members[g] = left.T
        f, k = np.nonzero((left > 0) & use[g])
        if len(f):
            found[g, k, f] = distance(picture[k], here[f, k])
    return LetterGraph(names, found, members, *_judge(found, own))


@dataclass(frozen=True)
class DocumentGraph:
    """Where the documents stand, all letters together (Fig. 3.9).

    Arguments:
        families: The axes.
        distances: Mean over letters of the distance to every family's prototype, `(G, F)`; over
            the letters for which all of these are known; NaN if there are none.
        letters: How many these are, `(G,)`.
        nearer_other: For how many of them another family is nearer than the own, `(G,)`.
        nearest: The number of the nearest family, `(G,)`; -1 where not known.
        outlier: Whether another family is nearer than the own, `(G,)`.
        confusion: Documents of family `i` nearest to family `j`, `(F, F)`.
        accuracy: Share of the documents that could be judged which are nearest to their own.
    """

    families: tuple[str, ...]
    distances: NDArray[np.float64]
    letters: NDArray[np.int64]
    nearer_other: NDArray[np.int64]
    nearest: NDArray[np.int64]
    outlier: NDArray[np.bool_]
    confusion: NDArray[np.int64]
    accuracy: float


def document_graph(graph: LetterGraph, families: Sequence[str]) -> DocumentGraph:
    """The mean of a letter graph over letters.

    Arguments:
        graph: From `letter_graph`.
        families: Of every document; empty for none.
    """
    own = _numbers(families)
    known = np.asarray(np.isfinite(graph.distances).all(axis=2))
    if not graph.families:
        known[:] = False
    letters = known.sum(axis=1)
    total = np.where(known[:, :, None], graph.distances, 0).sum(axis=1)
    some = letters > 0
    distances = np.where(some[:, None], total / np.maximum(letters, 1)[:, None], np.nan)
    nearest, outlier = _judge(distances, own)
    size = len(graph.families)
    confusion = np.zeros((size, size), np.int64)
    judged = (nearest >= 0) & (own >= 0)
    np.add.at(confusion, (own[judged], nearest[judged]), 1)
    accuracy = float((~outlier[judged]).mean()) if judged.any() else np.nan
    return DocumentGraph(
        graph.families,
        distances,
        letters,
        graph.outlier.sum(axis=1),
        nearest,
        outlier,
        confusion,
        accuracy,
    )


@dataclass(frozen=True)
class FamilyTests:
    """Whether families are more than a way to deal names to documents.

    Arguments:
        separation: Mean distance of two documents of different families minus that of two of one.
        separation_p: Share of all ways to deal the families that separate at least as well.
        accuracy: Leave-one-out share of documents nearest to their own family.
        accuracy_p: Share of all ways with at least this accuracy.
        outlier: Of every document how much farther its own family is than the nearest other,
            leave-one-out, `(G,)`: above 0 for an outlier; NaN where not known.
        outlier_p: How rarely a document lies so much on the other side when the families of all
            *other* documents are dealt anew, `(G,)`. Small for an outlier that chance does not
            explain; near 1 for a document that belongs where it is.
        smallest_p: The smallest p that so few documents allow for `separation_p`.
        ways: How many ways were looked at.
        exact: Whether these are all.
        reason: Why there are no values, where there are none.
    """

    separation: float
    separation_p: float
    accuracy: float
    accuracy_p: float
    outlier: NDArray[np.float64]
    outlier_p: NDArray[np.float64]
    smallest_p: float
    ways: int
    exact: bool
    reason: str


def family_tests(
    by_letter: NDArray[np.float64],
    families: Sequence[str],
    permutations: int = 9999,
    seed: int = 0,
) -> FamilyTests:
    """Deal the families to the documents in all ways, or in many, and see what that changes.

    Every statistic leaves the document out of its own family. All p-values are exact where the
    families do not differ: they are at most alpha in at most a share alpha of data sets.

    Arguments:
        by_letter: From `letter_distances`, `(K, G, G)`.
        families: Of every document; those without one (empty) take no part.
        permutations: All ways are looked at if there are no more, else so many random ones.
        seed: Of these.
    """
    numbers = _numbers(families)
    part = np.flatnonzero(numbers >= 0)
    own = numbers[part]
    sizes = np.bincount(own) if len(own) else np.zeros(0, np.int64)
    nothing = np.full(len(numbers), np.nan)
    reason = _why_not(sizes)
    if reason:
        return FamilyTests(
            *(np.nan,) * 4, nothing, nothing.copy(), np.nan, 0, exact=False, reason=reason
        )
    by_letter = by_letter[:, part][:, :, part]
    rows, exact = labellings(own.tolist(), permutations, seed)
    separation = _separation(mean_distances(by_letter)[0], rows)
    beyond = _beyond(by_letter, rows, len(sizes))
    judged = np.isfinite(beyond)
    count = judged.sum(axis=1)
    right = (judged & (beyond <= 0)).sum(axis=1)
    accuracy = np.where(count > 0, right / np.maximum(count, 1), np.nan)
    outlier, outlier_p = nothing, nothing.copy()
    for place, document in enumerate(part):
        same = rows[:, place] == own[place]
        outlier[document] = beyond[0, place]
        outlier_p[document] = share_at_least(beyond[same, place])
    # families of one size can change their names, which changes nothing
    alike = np.prod([_factorial(int(n)) for n in np.bincount(sizes)]) if exact else 1
    return FamilyTests(
        float(separation[0]),
        float(share_at_least(separation)),
        float(accuracy[0]),
        float(share_at_least(accuracy)),
        outlier,
        outlier_p,
        float(alike / len(rows)),
        len(rows),
        exact,
        "" if np.isfinite(separation[0]) else "no two documents of one family share a letter",
    )


def _factorial(number: int) -> int:
    return 1 if number < 2 else number * _factorial(number - 1)


def _why_not(sizes: NDArray[np.int64]) -> str:
    if len(sizes) == 0:
        return "no group has a family: name them with --families when adapting"
    if len(sizes) == 1:
        return "all documents are of one family: there is nothing to compare it with"
    if sizes.max() < 2:
        return "every family has a single document: nothing tells what varies within one"
    return ""


def _separation(distances: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean distance between families minus within, of every way, `(N,)`."""
    known = np.isfinite(distances) & ~np.eye(len(distances), dtype=bool)
    value = np.where(known, distances, 0)
    within = np.zeros((2, len(rows)))
    for label in range(int(rows.max()) + 1):
        here = (rows == label).astype(np.float64)
        for place, matrix in enumerate((value, known.astype(np.float64))):
            within[place] += ((here @ matrix) * here).sum(axis=1)
    between = np.array([[value.sum()], [known.sum()]]) - within
    some = (within[1] > 0.5) & (between[1] > 0.5)
    safe = np.where(some, [within[1], between[1]], 1)
    return np.where(some, between[0] / safe[1] - within[0] / safe[0], np.nan)


def _beyond(
    by_letter: NDArray[np.float64], rows: NDArray[np.int64], families: int
) -> NDArray[np.float64]:
    """Distance to the own family minus that to the nearest other, of every way, `(N, G)`.

    Letters count for a document where all its distances are known, as in `document_graph`.
    """
    letters, groups, _ = by_letter.shape
    use = np.isfinite(np.diagonal(by_letter, axis1=1, axis2=2))  # (K, G)
    squared = np.where(np.isfinite(by_letter), by_letter, 0) ** 2
    found = np.empty(rows.shape)
    step = max(1, _CELLS // (letters * groups * families))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        distances = np.empty((families, letters, len(some), groups))
        for f in range(families):
            here = (some == f)[None] & use[:, None]  # (K, n, G)
            member = here.astype(np.float64)
            size = member.sum(axis=2, keepdims=True)
            to_all = member @ squared  # sum of squared distances to the members
            within = (to_all * member).sum(axis=2, keepdims=True)
            # without the document itself, where it is a member
            size = size - member
            within = within - 2 * to_all * member
            safe = np.maximum(size, 1)
            square = to_all / safe - within / (2 * safe**2)
            fits = (size > 0) & use[:, None]
            distances[f] = np.where(fits, np.sqrt(np.maximum(square, 0)), np.nan)
        known = np.isfinite(distances).all(axis=0)
        count = known.sum(axis=0)
        total = np.where(known, distances, 0).sum(axis=1)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)  # (F, n, G)
        own = np.take_along_axis(mean, some[None], axis=0)[0]
        np.put_along_axis(mean, some[None], np.inf, axis=0)
        found[start : start + step] = own - mean.min(axis=0)
    return found
