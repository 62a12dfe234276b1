"""Comparing the prototypes of all groups: every measure and test, and what could not be had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError
from ..reports.wording import visible
from .cleaning import clean_prototypes
from .comparison import Comparison
from .comparison_options import ComparisonOptions, DistanceName
from .criteria import Criterion, criteria_of_letter, criteria_without_letter
from .differences import (
    Distance,
    family_names,
    letter_distances,
    mean_distances,
    spreads,
    usable,
)
from .discrimination import discriminative_letters
from .families import document_graph, family_tests, letter_graph
from .noise import adjust, difference_tests, effective_pixels_of_documents, overall_tests
from .prototypes import Prototypes
from .similarity import ink_ssim, l2, ssim
from .tints import coloured_letters
from .tree import document_tree

__all__ = ["compare", "distance_named"]

_TOLD = 8
"""Groups that a note names; the tables hold all."""


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
