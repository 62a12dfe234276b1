"""What a comparison with boxes found, as values for JSON, CSV and the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .boxes import FittedBoxes
from .intervals import Estimate, mean_of_labels
from .localisation import LabelLocalisation, Localisation, PictureLocalisation, Reading
from .localisation_options import LocalisationOptions

__all__ = ["Comparison", "Judged", "change", "rows_as_csv", "table_lines"]


@dataclass(frozen=True)
class Judged:
    """One model against the boxes.

    Arguments:
        name: `finetuned`, `base` or `before`.
        title: In words.
        maps: What decided its maps: times, draws, labels.
        readings: What was found, by reading; `typicality` is always there.
    """

    name: str
    title: str
    maps: dict[str, Any]
    readings: dict[Reading, Localisation]

    @property
    def main(self) -> Localisation:
        """The reading that the paper takes."""
        return self.readings["typicality"]


@dataclass(frozen=True)
class Comparison:
    """All that `typica mine localise` finds.

    Arguments:
        data: Name of the collection.
        judged: The models, the one that counts first.
        boxes: What they were compared with.
        options: How.
        notes: What a person should know, in sentences.
    """

    data: str
    judged: tuple[Judged, ...]
    boxes: FittedBoxes
    options: LocalisationOptions
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """One JSON object: the model that counts at the top, everything under `models`."""
        first = self.judged[0]
        found: dict[str, Any] = {
            "data": self.data,
            "model": first.name,
            "reading": "typicality",
            **_table(first.main),
        }
        if len(self.judged) > 1:
            found["change"] = {
                "from": self.judged[1].name,
                **change(self.judged[1].main, first.main, self.options.seed),
            }
        found["models"] = {
            one.name: {
                "title": one.title,
                "maps": one.maps,
                "readings": {name: _table(each) for name, each in one.readings.items()},
            }
            for one in self.judged
        }
        found["boxes"] = {
            "used": self.boxes.count,
            "clipped": self.boxes.clipped,
            "unknown_files": list(self.boxes.unknown),
            "unknown_boxes": self.boxes.unknown_rows,
            "other_labels": [list(pair) for pair in self.boxes.other],
        }
        return {**found, "options": self.options.as_dict(), "notes": list(self.notes)}


def _table(found: Localisation) -> dict[str, Any]:
    """Every label and their mean."""
    return {
        "labels": {one.label: _row(one) for one in found.labels},
        "mean": _row(found.overall),
    }


def _row(one: LabelLocalisation) -> dict[str, Any]:
    return {
        "average_precision": round(one.precision.mean, 5),
        "average_precision_interval": _interval(one.precision),
        "auc_pr": round(one.paper.mean, 5),
        "auc_pr_interval": _interval(one.paper),
        "chance": round(one.chance, 5),
        "pictures": one.pictures,
    }


def _interval(found: Estimate) -> list[float]:
    return [round(found.low, 5), round(found.high, 5)]


def change(before: Localisation, after: Localisation, seed: int = 0) -> dict[str, Any]:
    """By how much average precision differs, picture by picture, with 95 % intervals.

    Arguments:
        before: Of one model.
        after: Of another, on the same pictures; what only one of them has is left out.
        seed: Of the bootstrap.

    Returns:
        `labels`, and `mean` over them: each `average_precision` (after less before) with its
        interval.
    """
    old = {(one.id, one.label): one.precision for one in before.pictures}
    both = [one for one in after.pictures if (one.id, one.label) in old]
    by_label = {
        label: np.array([one.precision - old[one.id, label] for one in both if one.label == label])
        for label in sorted({one.label for one in both})
    }
    sums = {label: (values, np.ones(len(values))) for label, values in by_label.items()}

    def row(found: Estimate) -> dict[str, Any]:
        return {
            "average_precision": round(found.mean, 5),
            "average_precision_interval": _interval(found),
        }

    return {
        "labels": {label: row(mean_of_labels([one], seed)) for label, one in sums.items()},
        "mean": row(mean_of_labels(list(sums.values()), seed)),
    }


def rows_as_csv(judged: Sequence[Judged]) -> str:
    """Every picture and label, one row for each model and reading."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("picture", "label", "model", "reading", "average_precision", "auc_pr", "chance")
    writer.writerow(names)
    for model in judged:
        for reading, found in model.readings.items():
            writer.writerows(
                [one.id, one.label, model.name, reading, *_numbers(one)] for one in found.pictures
            )
    return out.getvalue()


def _numbers(one: PictureLocalisation) -> list[str]:
    return [f"{value:.6g}" for value in (one.precision, one.paper, one.chance)]


def table_lines(comparison: Comparison) -> list[str]:
    """The table for a terminal: average precision of every label, against chance."""
    first, *rest = comparison.judged
    names = [one.title for one in rest]
    head = f"{'pictures':>8} {'chance':>7} {'precision':>10}  {'95 % interval':<14} {'AUC-PR':>7}"
    found = [head + "".join(f"  {name}" for name in names) + "  label"]
    for row in (*first.main.labels, first.main.overall):
        others = []
        for model, name in zip(rest, names, strict=True):
            rows = (*model.main.labels, model.main.overall)
            value = next((r.precision.mean for r in rows if r.label == row.label), float("nan"))
            others.append(f"  {value:>{len(name)}.3f}")
        interval = f"{row.precision.low:.3f} to {row.precision.high:.3f}"
        found.append(
            f"{row.pictures:>8} {row.chance:>7.3f} {row.precision.mean:>10.3f}  {interval:<14} "
            f"{row.paper.mean:>7.3f}{''.join(others)}  {row.label}"
        )
    return found
