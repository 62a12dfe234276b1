"""The files of a comparison.

comparison.json      everything but the long tables
distances.csv        every two groups and every letter: distance, and whether chance explains it
pairs.csv            every two groups, all letters together
graphs.csv           every document, letter and family: the comparison graphs of letters
documents.csv        every document: its distance to the families, and whether it is an outlier
spread.csv           every family and letter
discriminative.csv   every two families and letter, the most discriminative first; documents
                     whose letter is flagged coloured are named
tree.nwk             the tree of documents
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import write_json, write_text
from .comparison import Comparison
from .tree import newick

__all__ = ["write_comparison"]

Row = Sequence[Any]


def write_comparison(folder: Path, comparison: Comparison) -> list[Path]:
    """Write all files of a comparison, each in one step.

    CSV is UTF-8 with a heading; a cell is empty where there is no value, and `note` says why.

    Arguments:
        folder: Made if it is not there; files of an earlier comparison are replaced.
        comparison: What to write.

    Returns:
        The files; comparison.json comes last, so that where it is the others are too.
    """
    tables = {
        "distances.csv": _distances(comparison),
        "pairs.csv": _pairs(comparison),
        "graphs.csv": _graphs(comparison),
        "documents.csv": _documents(comparison),
        "spread.csv": _spread(comparison),
        "discriminative.csv": _discriminative(comparison),
    }
    for name, rows in tables.items():
        write_text(folder / name, _csv(rows))
    write_text(folder / "tree.nwk", newick(comparison.tree))
    write_json(folder / "comparison.json", comparison.as_dict())
    return [folder / name for name in (*tables, "tree.nwk", "comparison.json")]


def _csv(rows: Iterable[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def _distances(made: Comparison) -> Iterator[Row]:
    yield "group_a", "group_b", "letter", "distance", "noise", "ratio", "z", "p", "q", "note"
    tests = made.tests
    for a, b in combinations(range(len(made.groups)), 2):
        for k, letter in enumerate(made.letters):
            few = ~(made.use | made.left_out)
            notes = [
                _where(made, k, (a, b), "too few occurrences", few),
                _where(made, k, (a, b), "left out for its flag", made.left_out),
                _where(made, k, (a, b), "coloured", made.coloured & made.use),
            ]
            if made.use[a, k] and made.use[b, k] and np.isnan(tests.p[k, a, b]):
                known = np.isfinite(tests.ratio[k, a, b])
                notes.append("effective pixels not known" if known else "standard errors not known")
            note = "; ".join(filter(None, notes))
            values = (tests.noise, tests.ratio, tests.z, tests.p, made.q)
            yield (
                *(made.groups[a], made.groups[b], letter, made.distances[k, a, b]),
                *(array[k, a, b] for array in values),
                note,
            )


def _where(
    made: Comparison, k: int, pair: tuple[int, int], words: str, holds: NDArray[np.bool_]
) -> str:
    """In which of two groups something holds of a letter; empty for neither."""
    found = [made.groups[g] for g in pair if holds[g, k]]
    return f"{words} in {' and '.join(found)}" if found else ""


def _pairs(made: Comparison) -> Iterator[Row]:
    yield "group_a", "group_b", "distance", "letters", "ratio", "p", "q"
    values = (made.means, made.shared, made.overall_ratio, made.overall_p, made.overall_q)
    for a, b in combinations(range(len(made.groups)), 2):
        yield made.groups[a], made.groups[b], *(array[a, b] for array in values)


def _graphs(made: Comparison) -> Iterator[Row]:
    yield (
        *("group", "family", "letter", "to", "distance", "members", "nearest", "outlier"),
        *("quality", "coloured", "note"),
    )
    graph = made.by_letter
    for g, group in enumerate(made.groups):
        for k, letter in enumerate(made.letters):
            nearest = graph.families[graph.nearest[g, k]] if graph.nearest[g, k] >= 0 else ""
            for f, family in enumerate(graph.families):
                note = ""
                if made.left_out[g, k]:
                    note = "left out for its flag"
                elif not made.use[g, k]:
                    note = "too few occurrences"
                elif not graph.members[g, k, f]:
                    other = "other " if made.families[g] == family else ""
                    note = f"no {other}document of {family} has the letter"
                yield (
                    *(group, made.families[g], letter, family, graph.distances[g, k, f]),
                    *(graph.members[g, k, f], nearest, graph.outlier[g, k]),
                    *(made.quality[g, k], made.coloured[g, k], note),
                )


def _documents(made: Comparison) -> Iterator[Row]:
    graph, tests = made.by_document, made.family_tests
    yield (
        *("group", "family", "letters", "letters_nearer_other", "nearest", "outlier"),
        *("beyond", "p", "q"),
        *(f"to {family}" for family in graph.families),
    )
    for g, group in enumerate(made.groups):
        yield (
            *(group, made.families[g], graph.letters[g], graph.nearer_other[g]),
            graph.families[graph.nearest[g]] if graph.nearest[g] >= 0 else "",
            *(graph.outlier[g], tests.outlier[g], tests.outlier_p[g], made.outlier_q[g]),
            *graph.distances[g],
        )


def _spread(made: Comparison) -> Iterator[Row]:
    yield "family", "letter", "spread", "documents", "noise", "note"
    for f, family in enumerate(made.spread.families):
        for k, letter in enumerate(made.letters):
            number = made.spread.documents[f, k]
            note = "fewer than two documents have the letter" if number < 2 else ""
            yield (
                *(family, letter, made.spread.values[f, k], number, made.spread.noise[f, k]),
                note,
            )


def _discriminative(made: Comparison) -> Iterator[Row]:
    yield (
        *("family_a", "family_b", "letter", "between", "within", "effect", "p", "q"),
        *("smallest_p", "documents_a", "documents_b", "coloured", "note"),
    )
    for one in made.discriminative:
        order = one.order()
        rest = [k for k in range(len(made.letters)) if k not in order]
        for k in [*order, *rest]:
            note = "too few documents have the letter" if k in rest else ""
            values = (one.between, one.within, one.effect, one.p, one.q, one.smallest_p)
            yield (
                *(*one.families, made.letters[k]),
                *(array[k] for array in values),
                *one.documents[k],
                " ".join(made.coloured_of(k, one.families)),
                note,
            )
