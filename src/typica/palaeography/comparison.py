"""The comparison of prototypes, all of it, as one value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError
from ..files import finite
from ..reports.wording import visible
from .cleaning import clean_prototypes
from .comparison_options import ComparisonOptions, DistanceName
from .criteria import Criterion, criteria_of_letter, criteria_without_letter
from .differences import (
    Distance,
    Spread,
    family_names,
    letter_distances,
    mean_distances,
    spreads,
    usable,
)
from .discrimination import Discrimination, discriminative_letters
from .families import (
    DocumentGraph,
    FamilyTests,
    LetterGraph,
    document_graph,
    family_tests,
    letter_graph,
)
from .noise import (
    DifferenceTests,
    adjust,
    difference_tests,
    effective_pixels_of_documents,
    overall_tests,
)
from .prototypes import Prototypes
from .similarity import ink_ssim, l2, ssim
from .tints import coloured_letters
from .tree import Tree, document_tree

__all__ = ["Comparison", "compare", "distance_named"]

_SHARE = 0.05
"""The level below which a summary calls a finding one."""
_TOLD = 8
"""Groups that a note names; the tables hold all."""


@dataclass(frozen=True)
class Comparison:
    """What comparing prototypes gave; G groups, K letters, F families.

    Arguments:
        options: The choices.
        letters: A distinct label for every letter or allograph.
        groups: Their names.
        families: Of every group; empty for none.
        use: Which letters of which groups count, `(G, K)`.
        coloured: Which of those with enough occurrences have another colour than the ink of their
            group, `(G, K)`.
        left_out: Which have enough occurrences and do not count, for a flag, `(G, K)`.
        quality: Flag of every prototype, `good`, `orange`, `red` or `unknown`, `(G, K)`.
        distances: `(K, G, G)`; NaN where one of the two has a letter too rarely.
        tests: Whether they are more than chance, letter by letter.
        q: Of `tests.p`, over all letters and pairs of groups (Benjamini and Hochberg).
        means: Mean distance over the letters that both have, `(G, G)`.
        shared: How many letters these are, `(G, G)`.
        overall_ratio: As `tests.ratio`, all letters together, `(G, G)`.
        overall_p: Its p-value, `(G, G)`.
        overall_q: Of `overall_p`, over all pairs.
        effective: Effective pixels of every letter, `(K,)`.
        effective_of: What they were estimated from.
        spread: Of every family.
        by_letter: The comparison graphs of the letters.
        by_document: The comparison graph of the documents.
        family_tests: Separation, accuracy, outliers.
        outlier_q: Of `family_tests.outlier_p`, over the documents.
        discriminative: For every two families.
        tree: Of the groups.
        criteria: What is said of the letters.
        notes: What could not be computed and why, in sentences.
    """

    options: ComparisonOptions
    letters: tuple[str, ...]
    groups: tuple[str, ...]
    families: tuple[str, ...]
    use: NDArray[np.bool_]
    coloured: NDArray[np.bool_]
    left_out: NDArray[np.bool_]
    quality: NDArray[np.str_]
    distances: NDArray[np.float64]
    tests: DifferenceTests
    q: NDArray[np.float64]
    means: NDArray[np.float64]
    shared: NDArray[np.int64]
    overall_ratio: NDArray[np.float64]
    overall_p: NDArray[np.float64]
    overall_q: NDArray[np.float64]
    effective: NDArray[np.float64]
    effective_of: str
    spread: Spread
    by_letter: LetterGraph
    by_document: DocumentGraph
    family_tests: FamilyTests
    outlier_q: NDArray[np.float64]
    discriminative: tuple[Discrimination, ...]
    tree: Tree
    criteria: tuple[Criterion, ...]
    notes: tuple[str, ...]

    @property
    def beyond(self) -> NDArray[np.float64]:
        """What is left of the distances without what chance gives on average, `(K, G, G)`.

        The root of the squared distance less the squared `tests.noise`: a rare letter is not far
        from another document for being rare. The distances themselves where their noise is not
        known, or where they are no L2 distances and have another unit.
        """
        if self.options.distance != "l2":
            return self.distances
        noise = np.nan_to_num(self.tests.noise, nan=0.0)
        return np.asarray(np.sqrt(np.maximum(self.distances**2 - noise**2, 0)))

    def coloured_of(self, letter: int, families: Sequence[str]) -> list[str]:
        """The groups of some families in which a letter counts though it is flagged coloured.

        Arguments:
            letter: Its number.
            families: Their names.
        """
        own = self.coloured[:, letter] & self.use[:, letter]
        return [self.groups[g] for g in np.flatnonzero(own) if self.families[g] in families]

    def as_dict(self) -> dict[str, Any]:
        """Plain nested values for JSON, None for NaN; the long tables are files of their own."""
        tests = {
            name: value
            for name, value in _plain(asdict(self.family_tests)).items()
            if not name.startswith("outlier")
        }
        graph = self.by_document
        documents = [
            {
                "group": group,
                "family": self.families[g],
                "letters": int(graph.letters[g]),
                "distances": dict(zip(graph.families, graph.distances[g].tolist(), strict=True)),
                "nearest": graph.families[graph.nearest[g]] if graph.nearest[g] >= 0 else None,
                "outlier": bool(graph.outlier[g]),
                "letters_nearer_other": int(graph.nearer_other[g]),
                "beyond": float(self.family_tests.outlier[g]),
                "p": float(self.family_tests.outlier_p[g]),
                "q": float(self.outlier_q[g]),
            }
            for g, group in enumerate(self.groups)
        ]
        return dict(
            finite(
                {
                    "kind": "comparison",
                    "options": asdict(self.options),
                    "letters": list(self.letters),
                    "groups": list(self.groups),
                    "families": list(self.families),
                    "quality": self.quality.tolist(),
                    "coloured": self.coloured.tolist(),
                    "distances": self.means.tolist(),
                    "letters_shared": self.shared.tolist(),
                    "overall_ratio": self.overall_ratio.tolist(),
                    "overall_p": self.overall_p.tolist(),
                    "overall_q": self.overall_q.tolist(),
                    "effective_pixels": self.effective.tolist(),
                    "effective_pixels_of": self.effective_of,
                    "spread": _plain(asdict(self.spread)),
                    "documents": documents,
                    "confusion": graph.confusion.tolist(),
                    "leave_one_out_accuracy": graph.accuracy,
                    "family_tests": tests,
                    "discriminative": [
                        {"families": list(one.families)}
                        | {"letters": [self.letters[k] for k in one.order()]}
                        for one in self.discriminative
                    ],
                    "tree": _plain(asdict(self.tree)),
                    "criteria": [asdict(one) for one in self.criteria],
                    "notes": list(self.notes),
                }
            )
        )

    def summary(self) -> list[str]:
        """Lines for a terminal."""
        upper = np.triu_indices(len(self.groups), 1)
        rows = [f"{len(self.groups)} groups, {len(self.letters)} letters"]
        known = np.isfinite(self.q[:, *upper])
        if known.any():
            real = int((self.q[:, *upper][known] <= _SHARE).sum())
            rows.append(
                f"differences beyond chance: {real} of {known.sum()} (two groups and a letter, "
                f"q <= {_SHARE})"
            )
        tests = self.family_tests
        if not tests.reason:
            ways = f"{'all' if tests.exact else 'random'} {tests.ways} ways to deal the families"
            rows.append(
                f"families: {tests.separation:.3g} farther apart than within, "
                f"p = {tests.separation_p:.2g} ({ways})"
            )
        if np.isfinite(self.by_document.accuracy):
            how = "leave-one-out" if self.options.leave_one_out else "each also in its own family"
            rows.append(f"nearest to their own family: {self.by_document.accuracy:.0%} ({how})")
        for g in np.flatnonzero(self.by_document.outlier):
            other = self.by_document.families[self.by_document.nearest[g]]
            rows.append(
                f"  {self.groups[g]} ({self.families[g]}) is nearer to {other}, "
                f"p = {tests.outlier_p[g]:.2g}"
            )
        for one in self.discriminative:
            best = [self.letters[k] for k in one.order()[:5]]
            if best:
                rows.append(
                    f"{one.families[0]} and {one.families[1]} differ most in {' '.join(best)}"
                )
        return rows + [f"note: {note}" for note in self.notes]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}


def distance_named(name: DistanceName) -> Distance:
    """The distance of that name."""
    if name == "l2":
        return l2
    alike = ssim if name == "ssim" else ink_ssim
    return lambda a, b: 1 - alike(a, b)


def _chosen(prototypes: Prototypes, names: Sequence[str]) -> list[int]:
    """The sprites with these labels, and all allographs of these letters; all if none is named."""
    labels = prototypes.labels
    for name in names:
        if name not in labels and name not in prototypes.letters:
            raise ConfigError(
                f"letters: the prototypes have no {name!r}; there are {' '.join(labels)}"
            )
    return [
        k
        for k, letter in enumerate(prototypes.letters)
        if not names or labels[k] in names or letter in names
    ]


def compare(
    prototypes: Prototypes,
    options: ComparisonOptions | None = None,
    criteria: Sequence[Criterion] = (),
    effective: NDArray[np.float64] | None = None,
) -> Comparison:
    """Compare the prototypes of all groups.

    Arguments:
        prototypes: At least two groups.
        options: The choices.
        criteria: What is said of letters, to stand beside their differences.
        effective: Effective pixels of every letter, from `effective_pixels_of_occurrences`,
            `(K,)`; estimated from the prototypes if not given.

    Raises:
        ConfigError: If a letter of the options does not exist.
        DataError: If there are fewer than two groups.
    """
    options = options or ComparisonOptions()
    if len(prototypes.groups) < 2:
        raise DataError("only one group has prototypes: adapt to at least two to compare them")
    chosen = _chosen(prototypes, options.letters)
    every = prototypes.labels
    labels = tuple(every[k] for k in chosen)
    some = prototypes.some_letters(chosen)
    cleaned, _, quality = clean_prototypes(some, options.cleaning, least=options.least)
    if options.clean:
        some = cleaned
    enough = usable(some, options.least)
    rule = options.cleaning
    coloured = coloured_letters(some.tints, enough, rule.coloured, rule.coloured_least)
    left_out = enough & np.isin(quality, options.leave_out)
    left_out |= coloured if "coloured" in options.leave_out else False
    use = enough & ~left_out
    effective_of = "the lines of each document"
    guess = effective_pixels_of_documents(some, use)
    if effective is None:
        effective, effective_of = guess, "the differences between documents"
    else:
        effective = np.where(np.isfinite(effective[chosen]), effective[chosen], guess)
    distance = distance_named(options.distance)
    distances = letter_distances(some.pictures, use, distance)
    means, shared = mean_distances(distances)
    tests = difference_tests(some, use, effective)
    ratio, overall = overall_tests(some, use, effective)
    names = family_names(some.families)
    by_letter = letter_graph(some, use, distance, options.leave_one_out)
    tested = family_tests(distances, some.families, options.permutations, options.seed)
    made = Comparison(
        options=options,
        letters=labels,
        groups=some.groups,
        families=some.families,
        use=use,
        coloured=coloured,
        left_out=left_out,
        quality=quality,
        distances=distances,
        tests=tests,
        q=_adjust_pairs(tests.p),
        means=means,
        shared=shared,
        overall_ratio=ratio,
        overall_p=overall,
        overall_q=_adjust_pairs(overall[None])[0],
        effective=effective,
        effective_of=effective_of,
        spread=spreads(some, use),
        by_letter=by_letter,
        by_document=document_graph(by_letter, some.families),
        family_tests=tested,
        outlier_q=adjust(tested.outlier_p),
        discriminative=tuple(
            discriminative_letters(
                distances, some.families, pair, options.permutations, options.seed
            )
            for pair in combinations(names, 2)
        ),
        tree=document_tree(distances, some.groups, options.linkage, options.draws, options.seed),
        criteria=tuple(
            one
            for letter in dict.fromkeys(some.letters)
            for one in criteria_of_letter(criteria, letter)
        ),
        notes=(),
    )
    unmatched = criteria_without_letter(criteria, prototypes.letters)
    return replace(made, notes=tuple(_notes(made, some, unmatched)))


def _adjust_pairs(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """q of `(K, G, G)` symmetric p-values, every pair counted once."""
    one, other = np.triu_indices(p.shape[1], 1)
    found = np.full_like(p, np.nan)
    found[:, one, other] = found[:, other, one] = adjust(p[:, one, other])
    return found


def _notes(made: Comparison, some: Prototypes, unmatched: Sequence[str]) -> Iterator[str]:
    """What could not be computed, and why."""
    enough = made.use | made.left_out
    few = [letter for k, letter in enumerate(made.letters) if enough[:, k].sum() < 2]
    if few:
        yield (
            f"compared nowhere, for fewer than two groups have {made.options.least} occurrences: "
            f"{_some(few)} ({len(few)} in all)"
        )
    for flag in ("red", "orange"):
        flagged = enough & (made.quality == flag)
        if flagged.any():
            yield (
                f"flagged {flag}, for ink where neither the reference nor the other groups have "
                f"any: {_where(made, flagged)}"
            )
    if made.coloured.any():
        yield (
            "flagged coloured, for another colour than the ink of the group (a wash, a rubric, a "
            f"painted initial): {_where(made, made.coloured)}"
        )
    if made.left_out.any():
        yield f"left out for their flags: {made.left_out.sum()} prototypes"
    elif made.coloured.any():
        yield "to compare without these: typica palaeography compare with --set leave_out=coloured"
    none = [group for g, group in enumerate(made.groups) if not made.use[g].any()]
    if none:
        yield f"no letter occurs {made.options.least} times in {', '.join(none)}"
    if made.use.any() and not np.isfinite(some.errors[made.use]).any():
        yield "no standard errors are known: a difference cannot be told from chance"
    elif not np.isfinite(made.effective).any():
        yield (
            "too few documents to estimate how pixels depend on each other: no p-values of "
            "single differences"
        )
    if made.family_tests.reason:
        yield f"no test of families: {made.family_tests.reason}"
    for name in made.spread.families:
        if made.families.count(name) == 1:
            yield (
                f"the family {name} has one document: it has no spread, and "
                + ("no prototype to compare it with" if made.options.leave_one_out else "is itself")
            )
    if made.tree.left_out:
        yield f"not in the tree for want of common letters: {', '.join(made.tree.left_out)}"
    if unmatched:
        yield f"criteria for letters that have no prototype: {_some(unmatched)}"


def _where(made: Comparison, flagged: NDArray[np.bool_]) -> str:
    """Which letters of which groups, for a sentence."""
    told = [
        f"{_some([made.letters[k] for k in np.flatnonzero(row)])} in {group}"
        for group, row in zip(made.groups, flagged, strict=True)
        if row.any()
    ]
    more = f"; and in {len(told) - _TOLD} more groups" if len(told) > _TOLD else ""
    return "; ".join(told[:_TOLD]) + more


def _some(letters: Sequence[str], most: int = 20) -> str:
    """Letters for a sentence; those that no font shows by their code points."""
    return " ".join(map(visible, letters[:most])) + (" ..." if len(letters) > most else "")
