"""What comparing prototypes gave (`comparing.py`), all of it, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import finite
from .comparison_options import ComparisonOptions
from .criteria import Criterion
from .differences import Spread
from .discrimination import Discrimination
from .families import DocumentGraph, FamilyTests, LetterGraph
from .noise import DifferenceTests
from .tree import Tree

__all__ = ["Comparison"]

_SHARE = 0.05
"""The level below which a summary calls a finding one."""


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
