r"""The page of a comparison of typicality with boxes: a table, and overlays; layout alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .page import data_uri, render_page, write_page
from .run_values import RunReport, run_views

__all__ = [
    "Example",
    "LabelRow",
    "LocalisationReport",
    "ReadingColumn",
    "write_localisation_report",
]

Interval = tuple[float, float, float]
"""A mean, and the ends of its 95 % interval."""


@dataclass(frozen=True)
class ReadingColumn:
    r"""A column for another reading: its name."""

    name: str


@dataclass(frozen=True)
class LabelRow:
    r"""One label, or the mean over all.

    Arguments:
        name: Of the label.
        pictures: That have boxes of it.
        chance: Mean share of pixels in boxes.
        precision: Average precision of typicality.
        area: The paper's AUC-PR.
        change: Of the average precision against the second model; None if there is none.
        others: Average precision of typicality of the further models.
        readings: Average precision of the other readings.
        overall: Whether it is the mean over labels.
    """

    name: str
    pictures: int
    chance: float
    precision: Interval
    area: Interval
    change: Interval | None
    others: tuple[float | None, ...]
    readings: tuple[float, ...]
    overall: bool


@dataclass(frozen=True)
class Example:
    r"""One picture with its overlays.

    Arguments:
        place: best, median or worst.
        id: Of the picture.
        precision: Its average precision.
        chance: Share of its pixels in boxes.
        others: (model, average precision) of the further models.
        image: The panels side by side, WebP.
    """

    place: str
    id: str
    precision: float
    chance: float
    others: tuple[tuple[str, float], ...]
    image: bytes


@dataclass(frozen=True, kw_only=True)
class LocalisationReport(RunReport):
    r"""All that the page shows.

    Arguments:
        title: Name of the collection.
        rows: Of the table, the mean last.
        models: In words, the one that counts first.
        readings: Columns beside typicality.
        examples: By label.
        pictures: How many were compared.
        boxes: How many boxes there are.
        times: Range of the diffusion time.
        draws: Per picture.
        prompts: Of a label and of none.
        notes: Sentences on what was left out.
    """

    title: str
    rows: tuple[LabelRow, ...]
    models: tuple[str, ...]
    readings: tuple[ReadingColumn, ...]
    examples: Mapping[str, tuple[Example, ...]]
    pictures: int
    boxes: int
    times: tuple[float, float]
    draws: int
    prompts: tuple[str, str]
    notes: tuple[str, ...]


def write_localisation_report(report: LocalisationReport, path: Path) -> Path:
    r"""Write the page: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    values = {
        **run_views(report, ()),
        "uri": lambda image: data_uri("webp", image),
        "signed": lambda value: f"{value:+.3f}".replace("-", "\u2212"),
        "overall": report.rows[-1],
        "place": lambda value: round(4 + 192 * min(max(value, 0.0), 1.0), 1),
    }
    return write_page(render_page("localisation.html", values), path)
