"""The data behind a report as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..files import write_text
from ..reports.palaeography_values import PalaeographyReport
from ..reports.wording import code_points
from .comparison_files import write_comparison

__all__ = ["write_tables"]


def write_tables(folder: Path, report: PalaeographyReport) -> int:
    """Write the comparison's tables, `prototypes.csv`, and, if looked for, `allographs.csv`.

    Arguments:
        folder: To write into.
        report: The values of the page.

    Returns:
        How many files.
    """
    number = 1
    if report.comparison is not None:
        number += len(write_comparison(folder, report.comparison))
    prototypes = report.prototypes
    tints = prototypes.tints
    if tints is None:
        tints = np.full(prototypes.counts.shape, np.nan)
    rows: list[Sequence[object]] = [
        (
            *("group", "family", "letter", "code_points", "occurrences", "enough", "quality"),
            *("tint", "coloured"),
        )
    ]
    for g, group in enumerate(prototypes.groups):
        for k, label in enumerate(prototypes.labels):
            rows.append(
                (
                    *(group, prototypes.families[g], label, code_points(prototypes.letters[k])),
                    *(int(prototypes.counts[g, k]), str(bool(report.use[g, k])).lower()),
                    str(report.quality[g, k]),
                    "" if np.isnan(tints[g, k]) else f"{tints[g, k]:.4g}",
                    str(bool(report.coloured[g, k])).lower(),
                )
            )
    write_text(folder / "prototypes.csv", _csv(rows))
    if report.looked_for_allographs:
        number += 1
        heading = ("letter", "group", "occurrences", "separation", "share_of_the_rarer")
        found = [
            (prototypes.labels[one.letter], one.group, one.count, one.separation, one.share)
            for one in report.allographs
        ]
        write_text(folder / "allographs.csv", _csv([heading, *found]))
    return number


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
