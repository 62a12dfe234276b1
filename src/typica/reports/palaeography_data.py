r"""What the script of a palaeographical page knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..palaeography.colours import difference_colours
from ..palaeography.comparison import Comparison
from .page import ink_data_uri
from .palaeography_figures import DIFFERENCE_LIMIT
from .palaeography_sheets import ERROR_LIMIT, PAD, across, error_sheet
from .palaeography_values import PalaeographyReport
from .wording import code_points, names, percent, shown

__all__ = ["page_data", "signs"]


def signs() -> list[list[int]]:
    r"""The colours of ink of the first only, of the second only, and of what is not known."""
    return [difference_colours(np.array(sign)).tolist() for sign in (1.0, -1.0, np.nan)]


def page_data(report: PalaeographyReport, sheets: Sequence[dict[str, Any]]) -> dict[str, Any]:
    r"""What the script knows: no pictures of prototypes, which the style sheet holds."""
    prototypes, made = report.prototypes, report.comparison
    columns = across(report)
    return {
        "size": list(prototypes.reference.shape[1:]),
        "columns": columns,
        "pad": PAD,
        "letters": [
            {"label": shown(label), "codes": code_points(letter), "names": names(letter)}
            for label, letter in zip(prototypes.labels, prototypes.letters, strict=True)
        ],
        "sheets": [
            {name: one[name] for name in ("name", "family", "kind", "group")} for one in sheets
        ],
        "counts": prototypes.counts.tolist(),
        "use": report.use.astype(int).tolist(),
        "quality": report.quality.tolist(),
        "coloured": report.coloured.astype(int).tolist(),
        "leftOut": made.left_out.astype(int).tolist() if made else None,
        "least": report.least,
        "errors": [error_sheet(errors, columns) for errors in prototypes.errors],
        "errorLimit": ERROR_LIMIT,
        "signs": signs(),
        "limit": DIFFERENCE_LIMIT,
        "pairs": pair_data(made) if made else None,
        "criteria": criteria_data(report),
        "allographs": [
            {
                "k": one.letter,
                "group": one.group,
                "count": one.count,
                "share": percent(one.share, 0),
                "images": [ink_data_uri(mean, 2) for mean in one.means] if one.means else [],
                "lines": [list(lines) for lines in one.lines],
            }
            for one in report.allographs
        ],
        "looked": report.looked_for_allographs,
    }


def pair_data(made: Comparison) -> dict[str, list[list[float | None]]]:
    r"""The tests of every letter (outer list) and every two groups a < b, in their order."""
    one, other = np.triu_indices(len(made.groups), 1)
    arrays = {
        "distance": made.distances,
        "noise": made.tests.noise,
        "ratio": made.tests.ratio,
        "z": made.tests.z,
        "p": made.tests.p,
        "q": made.q,
    }
    return {
        name: [[short(value) for value in row] for row in array[:, one, other].tolist()]
        for name, array in arrays.items()
    }


def short(value: float) -> float | None:
    r"""A number with three digits, as JSON can hold it."""
    return float(f"{value:.3g}") if np.isfinite(value) else None


def criteria_data(report: PalaeographyReport) -> dict[str, list[list[str]]]:
    r"""What is said of letters, by their numbers: family, criterion, text."""
    found: dict[str, list[list[str]]] = {}
    for one in report.comparison.criteria if report.comparison else ():
        for k, letter in enumerate(report.prototypes.letters):
            if letter == one.letter:
                found.setdefault(str(k), []).append([one.family, one.criterion, one.text])
    return found
