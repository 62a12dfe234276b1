"""The comparison as files: one JSON with everything, two tables, one row per number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...files import finite, write_json, write_text
from ..intervals import Estimate
from .comparison import Calibration, LabelComparison, Measure
from .resampling import mean_estimate

__all__ = ["OVERALL", "overall_measures", "write_tables"]

FORMAT = 1
"""Version of the JSON."""

OVERALL = "mean over labels"
"""Stands in the column of labels for the mean of all."""

_MEASURES = (
    *("guidance", "label", "space", "measure", "value", "low", "high"),
    *("reference", "reference_low", "reference_high", "pictures", "reference_pictures"),
)
_CLUSTERS = (
    *("guidance", "label", "cluster", "real_share", "sampled_share"),
    *("difference", "difference_low", "difference_high"),
    *("log2_ratio", "log2_ratio_low", "log2_ratio_high", "p", "verdict", "pictures"),
)


def overall_measures(found: Sequence[LabelComparison]) -> tuple[Measure, ...]:
    """Every measure of one strength as the mean over its labels.

    Arguments:
        found: Of all labels at one strength.
    """
    first = found[0].measures if found else ()
    result = []
    for number, one in enumerate(first):
        same = [label.measures[number] for label in found]
        result.append(
            Measure(
                one.name,
                one.space,
                mean_estimate([each.value for each in same]),
                mean_estimate([each.reference for each in same]),
                min(each.pictures for each in same),
                min(each.reference_pictures for each in same),
            )
        )
    return tuple(result)


def write_tables(
    out: Path,
    found: Sequence[LabelComparison],
    calibrations: dict[str, Calibration],
    about: dict[str, Any],
) -> tuple[Path, Path, Path]:
    """Write `comparison.json`, `measures.csv` and `clusters.csv`.

    Arguments:
        out: Folder.
        found: All labels and strengths.
        calibrations: By label.
        about: What decided the comparison, for the JSON.

    Returns:
        The three files.
    """
    strengths = sorted({one.guidance for one in found})
    overall = {g: overall_measures([one for one in found if one.guidance == g]) for g in strengths}
    files = out / "comparison.json", out / "measures.csv", out / "clusters.csv"
    values = {
        "format": FORMAT,
        **about,
        "calibration": {label: _calibration(one) for label, one in calibrations.items()},
        "overall": [{"guidance": g, **_measure(one)} for g in strengths for one in overall[g]],
        "labels": [one.as_dict() for one in found],
    }
    write_json(files[0], finite(values))
    rows: list[Sequence[Any]] = []
    for g in strengths:
        rows += [_row(g, OVERALL, one) for one in overall[g]]
        for label in (one for one in found if one.guidance == g):
            rows += [_row(g, label.label, one) for one in label.measures]
    _write(files[1], _MEASURES, rows)
    _write(files[2], _CLUSTERS, _cluster_rows(found))
    return files


def _measure(one: Measure) -> dict[str, Any]:
    return {
        "name": one.name,
        "space": one.space,
        "value": one.value.as_dict(),
        "reference": one.reference.as_dict(),
    }


def _calibration(one: Calibration) -> dict[str, Any]:
    def spread(values: tuple[float, ...]) -> dict[str, float]:
        return {"mean": float(np.mean(values)), "sd": float(np.std(values))} if values else {}

    return {
        "pictures": one.pictures,
        "splits": len(one.variation),
        "alarms": one.alarms,
        "clusters_called": one.clusters,
        "variation": spread(one.variation),
        "outside": spread(one.outside),
    }


def _row(guidance: float, label: str, one: Measure) -> list[Any]:
    return [
        f"{guidance:g}",
        label,
        one.space,
        one.name,
        *_ends(one.value),
        *_ends(one.reference),
        one.pictures,
        one.reference_pictures,
    ]


def _ends(one: Estimate) -> list[str]:
    """Mean, low and high; empty where there is none."""
    return ["" if np.isnan(v) else f"{v:.5g}" for v in (one.mean, one.low, one.high)]


def _cluster_rows(found: Sequence[LabelComparison]) -> list[Sequence[Any]]:
    return [
        [
            f"{one.guidance:g}",
            one.label,
            k.cluster,
            f"{k.real:.5g}",
            f"{k.sampled:.5g}",
            *_ends(k.difference),
            *_ends(k.log_ratio),
            f"{k.p:.5g}",
            k.verdict,
            one.representation.pictures,
        ]
        for one in sorted(found, key=lambda one: one.guidance)
        for k in one.representation.clusters
    ]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())
