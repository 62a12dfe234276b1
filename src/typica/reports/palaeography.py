r"""The report of a palaeographical job: everything it shows comes in, it only lays out.

The prototypes of a group lie on one sheet, a background picture of which every cell of the page
shows a part; so the page needs one picture for a group, not one for each letter. The signed
differences are not in the page: its script subtracts one sheet from another where they are asked
for, which any two groups can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..palaeography.colours import difference_colours
from ..palaeography.comparison import Comparison
from ..palaeography.differences import family_names
from .drawing import Drawing, svg
from .page import data_block, ink_data_uri, render_page, write_page
from .palaeography_data import page_data, signs
from .palaeography_figures import (
    DIFFERENCE_LIMIT,
    FAMILY_COLOURS,
    alphabet_figure,
    differences_figure,
    group_order,
    letter_order,
    most_different,
    probability,
    scatter_figure,
)
from .palaeography_sheets import PAD, across, occurrence_sheet, packed, sheet_views
from .palaeography_trees import matrix_figure, tree_figure
from .palaeography_values import PalaeographyReport
from .run_values import run_views
from .wording import code_points, is_private, names, percent, shown

__all__ = ["page_figures", "render_palaeography_report", "write_palaeography_report"]

MOST_BYTES = 15_000_000
"""The size that a page should stay under."""
FEWER = (24, 16, 12, 8, 6, 4, 2)
"""Occurrences of a letter in a group that are tried until the page is small enough."""
MOST_AXES = 6
"""Pairs of families that get graphs on the page; the table of all is written beside it."""
RANKED = 12
"""Letters among those that differ most."""

Pixels = NDArray[np.uint8]


def write_palaeography_report(report: PalaeographyReport, path: Path) -> Path:
    r"""Write the page of a job: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, usually `index.html`; written in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    return write_page(render_palaeography_report(report), path)


def render_palaeography_report(report: PalaeographyReport) -> str:
    r"""Lay out the page of a job.

    Arguments:
        report: What to show.

    Returns:
        The page; fewer occurrences are shown if it would be larger than `MOST_BYTES` otherwise.
    """
    prototypes, made = report.prototypes, report.comparison
    order = order_of_groups(report)
    sheets = sheet_views(report, order)
    letters = letter_views(report)
    graphs, more_axes = graph_views(report) if made else ([], 0)
    values = {
        **run_views(report, ()),
        "sheets": sheets,
        "rows": row_views(report, order),
        "letters": letters,
        "columns": letter_order(prototypes.labels),
        "size": prototypes.reference.shape[1:],
        "pad": PAD,
        "across": across(report),
        "sheet_width": across(report) * (prototypes.reference.shape[2] + 2 * PAD),
        "colours": FAMILY_COLOURS,
        "families": family_names(prototypes.families),
        "made": made,
        "compared": None if made is None else comparison_views(report, made, order),
        "graphs": graphs,
        "more_axes": more_axes,
        "tree": svg(tree_figure(made)) if made and len(made.tree.merges) else None,
        "matrix": svg(matrix_figure(made, order)) if made else None,
        "allographs": allograph_views(report),
        "usable": int(report.use.sum()),
        "signs": ["rgb({},{},{})".format(*c) for c in signs()],
        "limit": DIFFERENCE_LIMIT,
        "probability": probability,
        "letter_name": lambda k: shown(prototypes.labels[k]),
    }
    base = page_data(report, sheets)
    fixed = len(render(values, {**base, "occurrences": []}).encode("utf-8"))
    most = max((len(cards) for cards in report.occurrences.values()), default=0)
    tries = [most, *(number for number in FEWER if number < most)] if most else [0]
    for number in tries:
        found = [occurrence_sheet(report, g, number) for g in range(len(prototypes.groups))]
        if fixed + sum(len(one["uri"]) for one in found) < MOST_BYTES:
            break
    return render({**values, "occurrences": number}, {**base, "occurrences": found})


def render(values: dict[str, Any], data: dict[str, Any]) -> str:
    r"""The page with its data."""
    shown_values = {"occurrences": 0, **values, "page_data": data_block(data)}
    return render_page("palaeography.html", shown_values, script="palaeography.js")


def page_figures(report: PalaeographyReport) -> dict[str, Drawing]:
    r"""The figures of a job for a paper, by name."""
    found = {"alphabet": alphabet_figure(report)}
    made = report.comparison
    if made is None:
        return found
    rows = most_different(made, RANKED)
    if rows:
        found["differences"] = differences_figure(report, rows)
    if len(made.tree.merges):
        found["tree"] = tree_figure(made)
    found["distances"] = matrix_figure(made, order_of_groups(report))
    for one in axes(made)[0]:
        name = f"{one[0]}-{one[1]}" if len(made.by_letter.families) > 2 else ""
        for k, drawing in letter_graphs(report, made, one).items():
            found["/".join(["graphs", *([name] if name else []), f"letter-{k:03d}"])] = drawing
        for g, drawing in document_graphs(report, made, one).items():
            found["/".join(["graphs", *([name] if name else []), f"group-{g:03d}"])] = drawing
    return found


def order_of_groups(report: PalaeographyReport) -> list[int]:
    r"""By family, and in the order of the tree."""
    made, groups = report.comparison, report.prototypes.groups
    leaves = [groups.index(made.tree.names[i]) for i in made.tree.order] if made else []
    return group_order(report.prototypes.families, leaves)


def letter_views(report: PalaeographyReport) -> list[dict[str, Any]]:
    r"""What the table shows of each letter, in the order of the prototypes."""
    prototypes, made = report.prototypes, report.comparison
    high, wide = (side + 2 * PAD for side in prototypes.reference.shape[1:])
    place = {k: i for i, k in enumerate(letter_order(prototypes.labels))}
    views = []
    for k, label in enumerate(prototypes.labels):
        distances = made.distances[k] if made else np.zeros((0, 0))
        upper = distances[np.triu_indices(len(distances), 1)]
        known = upper[np.isfinite(upper)]
        views.append(
            {
                "shown": shown(label),
                "codes": code_points(prototypes.letters[k]),
                "names": names(prototypes.letters[k]),
                "x": (k % across(report)) * wide + PAD,
                "y": (k // across(report)) * high + PAD,
                "place": place[k],
                "count": int(prototypes.counts[:, k].sum()),
                "differs": round(float(known.mean()), 4) if known.size else -1,
                "private": is_private(prototypes.letters[k]),
                "rare": bool(report.use[:, k].sum() < min(2, len(prototypes.groups))),
            }
        )
    return views


def row_views(report: PalaeographyReport, order: Sequence[int]) -> list[dict[str, Any]]:
    r"""The rows of the alphabet table: sheet, kind of every cell, what a pointer is told."""
    prototypes = report.prototypes
    found: list[dict[str, Any]] = []
    above = 1 + sum(len(level.groups) for level in report.levels)
    for number in range(above):
        found.append({"sheet": number, "group": None, "cells": None})
    labels = [shown(label) for label in prototypes.labels]
    for number, g in enumerate(order):
        cells = []
        for k, label in enumerate(labels):
            count = int(prototypes.counts[g, k])
            kind = "none" if not count else "" if report.use[g, k] else "few"
            told = f"{label} in {prototypes.groups[g]}: {count} occurrences"
            flag = str(report.quality[g, k])
            if kind == "few":
                told += f", fewer than {report.least}"
            if flag in ("orange", "red") and count:
                told += f", flagged {flag}: ink where neither the reference nor the others have any"
                kind += f" {flag}"
            if report.coloured[g, k]:
                told += ", flagged coloured: not all of it has the colour of the ink"
                kind += " coloured"
            cells.append({"kind": kind, "told": told})
        found.append({"sheet": above + number, "group": g, "cells": cells})
    return found


def allograph_views(report: PalaeographyReport) -> list[dict[str, Any]]:
    r"""What the page shows of letters with two shapes."""
    labels = report.prototypes.labels
    return [
        {
            "card": one,
            "shown": shown(labels[one.letter]),
            "where": one.group or "all lines",
            "images": [ink_data_uri(mean, 2) for mean in one.means] if one.means else [],
            "share": percent(one.share, 0),
        }
        for one in report.allographs
    ]


# ---- comparison ----


def axes(made: Comparison) -> tuple[list[tuple[str, str]], int]:
    r"""The pairs of families that get graphs, and how many do not."""
    pairs = list(combinations(made.by_letter.families, 2))
    return pairs[:MOST_AXES], len(pairs[MOST_AXES:])


def letter_graphs(
    report: PalaeographyReport, made: Comparison, pair: tuple[str, str]
) -> dict[int, Drawing]:
    r"""The graphs of all letters that can be placed (Fig. 3.8)."""
    graph = made.by_letter
    one, other = (graph.families.index(name) for name in pair)
    found = {}
    for k, label in enumerate(report.prototypes.labels):
        points = [
            (
                float(graph.distances[g, k, one]),
                float(graph.distances[g, k, other]),
                name,
                made.families[g],
                (("k", str(k)), ("g", str(g))),
            )
            for g, name in enumerate(made.groups)
            if np.isfinite(graph.distances[g, k, [one, other]]).all()
        ]
        if points:
            title = f"{shown(label)}: distance of every {report.kind} to {pair[0]} and {pair[1]}"
            found[k] = scatter_figure(points, pair, graph.families, title)
    return found


def document_graphs(
    report: PalaeographyReport, made: Comparison, pair: tuple[str, str]
) -> dict[int, Drawing]:
    r"""The graphs of all groups, every letter a point (Fig. 3.9)."""
    graph = made.by_letter
    one, other = (graph.families.index(name) for name in pair)
    found = {}
    for g, name in enumerate(made.groups):
        points = [
            (
                float(graph.distances[g, k, one]),
                float(graph.distances[g, k, other]),
                shown(label),
                made.families[g],
                (("k", str(k)), ("g", str(g))),
            )
            for k, label in enumerate(report.prototypes.labels)
            if np.isfinite(graph.distances[g, k, [one, other]]).all()
        ]
        if points:
            title = f"{name}: distance of every letter to {pair[0]} and {pair[1]}"
            found[g] = scatter_figure(points, pair, graph.families, title, size=360)
    return found


def graph_views(report: PalaeographyReport) -> tuple[list[dict[str, Any]], int]:
    r"""The graphs of every pair of families, and how many pairs are not on the page."""
    made = report.comparison
    assert made is not None
    pairs, more = axes(made)
    views = []
    for pair in pairs:
        by_letter = letter_graphs(report, made, pair)
        if not by_letter:
            continue
        in_order = [k for k in letter_order(report.prototypes.labels) if k in by_letter]
        documents = document_graphs(report, made, pair)
        views.append(
            {
                "pair": pair,
                "letters": [(k, svg(by_letter[k])) for k in in_order],
                "documents": [
                    (g, svg(documents[g])) for g in order_of_groups(report) if g in documents
                ],
            }
        )
    return views, more


def comparison_views(
    report: PalaeographyReport, made: Comparison, order: Sequence[int]
) -> dict[str, Any]:
    r"""The tables of a comparison."""
    upper = np.triu(np.ones(made.means.shape, bool), 1)
    known = np.isfinite(made.q) & upper
    spread = [k for k in letter_order(made.letters) if np.isfinite(made.spread.values[:, k]).any()]
    return {
        "tested": int(known.sum()),
        "real": int((made.q[known] <= 0.05).sum()),
        "ranked": [
            {
                "k": k,
                "a": a,
                "b": b,
                "sheets": [sheet_number(report, order, g) for g in (a, b)],
                "image": packed(difference(report, k, a, b)),
            }
            for k, a, b in most_different(made, RANKED)
        ],
        "pairs": sorted(
            ((a, b) for a, b in combinations(range(len(made.groups)), 2)),
            key=lambda pair: -np.nan_to_num(made.means[pair]),
        ),
        "spread": spread,
        "documents": sorted(order, key=lambda g: -np.nan_to_num(made.family_tests.outlier[g])),
    }


def sheet_number(report: PalaeographyReport, order: Sequence[int], group: int) -> int:
    r"""On which sheet the prototypes of a group are."""
    return 1 + sum(len(level.groups) for level in report.levels) + list(order).index(group)


def difference(report: PalaeographyReport, k: int, a: int, b: int) -> Pixels:
    r"""The signed difference of two groups in a letter, in colours."""
    pictures = report.prototypes.pictures.astype(np.float64)
    return difference_colours(pictures[a, k] - pictures[b, k], DIFFERENCE_LIMIT)
