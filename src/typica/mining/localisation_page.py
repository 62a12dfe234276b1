"""Overlays and the page of a comparison with boxes, gathered for `typica.reports.localisation`."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from .. import __version__
from ..errors import DataError
from ..files import atomic_path
from ..images.decoding import decode
from ..images.picture import PictureCollection
from ..reports.localisation import (
    Example,
    LabelRow,
    LocalisationReport,
    ReadingColumn,
    write_localisation_report,
)
from ..reports.wording import flat, hardware
from ..values import Problem, as_problem
from .boxes import Boxes
from .localisation import PictureLocalisation
from .localisation_overlays import boxed, overlaid, row_of, sheet_of
from .localisation_values import Comparison, Judged, change
from .maps import PictureMaps
from .opening import OpenRun
from .overlays import encode_webp
from .record import minutes

__all__ = ["chosen_examples", "show"]

PLACES = ("best", "median", "worst")
_READINGS = {
    "typicality": "T",
    "others": "T less the other labels",
    "influence": "influence",
    "information": "information",
    "null": "loss, no label",
    "centre": "centre",
}

Maps = Callable[[], Iterator[PictureMaps]]


def chosen_examples(
    results: Sequence[PictureLocalisation],
) -> dict[str, list[tuple[str, PictureLocalisation]]]:
    """Of every label the picture found best, the middle one and the worst, by average precision.

    Arguments:
        results: Every picture and label.

    Returns:
        By label, (place, picture); fewer where there are fewer pictures.
    """
    chosen = {}
    for label in sorted({one.label for one in results}):
        ranked = sorted(
            (one for one in results if one.label == label), key=lambda one: -one.precision
        )
        ranks = dict(zip(PLACES, (0, len(ranked) // 2, len(ranked) - 1), strict=True))
        taken: dict[int, str] = {}
        for place, rank in ranks.items():
            taken.setdefault(rank, place)
        chosen[label] = [(place, ranked[rank]) for rank, place in taken.items()]
    return chosen


@dataclass(frozen=True)
class _Drawn:
    """One example: its words and panels."""

    place: str
    result: PictureLocalisation
    before: dict[str, float]  # average precision of the other models
    panels: Image.Image


def show(
    run: OpenRun,
    comparison: Comparison,
    chosen: PictureCollection,
    boxes: Boxes,
    maps: Mapping[str, Maps],
    out: Path,
    show_progress: bool = True,
) -> dict[str, Path]:
    """Write overlays, the figure and the page.

    Arguments:
        run: The run.
        comparison: Its figures.
        chosen: The pictures that were compared.
        boxes: What they were compared with.
        maps: How to go through the maps of every model.
        out: Folder.
        show_progress: Show a bar on standard error.

    Returns:
        `overlays`, `figure` and `page`.
    """
    first = comparison.judged[0]
    examples = chosen_examples(first.main.pictures)
    wanted = {(one.id, one.label) for found in examples.values() for _, one in found}
    values = {one.name: _values(maps[one.name], wanted) for one in comparison.judged}
    pictures = {picture.id: picture for picture in chosen}
    drawn: dict[str, list[_Drawn]] = {label: [] for label in examples}
    problems: list[Problem] = []
    todo = [(label, *one) for label, found in examples.items() for one in found]
    others = {
        one.name: {(r.id, r.label): r.precision for r in one.main.pictures}
        for one in comparison.judged[1:]
    }
    for label, place, result in tqdm(todo, "overlays", unit="picture", disable=not show_progress):
        picture, key = pictures[result.id], (result.id, label)
        try:
            pixels = decode(picture.path)
        except (DataError, OSError) as error:
            problems.append(as_problem(picture.path, str(error)))
            continue
        panels = [boxed(pixels, boxes[key])]
        panels += [
            overlaid(pixels, values[one.name][key], boxes[key], comparison.options.blur)
            for one in comparison.judged
            if key in values[one.name]
        ]
        before = {name: found[key] for name, found in others.items() if key in found}
        drawn[label].append(_Drawn(place, result, before, row_of(panels)))
    drawn = {label: found for label, found in drawn.items() if found}
    files = {"overlays": out / "overlays", "figure": out / "figure.png", "page": out / "index.html"}
    _write_pictures(drawn, comparison, files)
    write_localisation_report(_report(run, comparison, drawn, problems), files["page"])
    return files


def _values(maps: Maps, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], NDArray[np.float32]]:
    """T of the pictures that are shown."""
    return {
        (one.id, label): one.of(label).typicality[0]
        for one in maps()
        for label in one.labels
        if (one.id, label) in wanted
    }


def _write_pictures(
    drawn: Mapping[str, Sequence[_Drawn]], comparison: Comparison, files: Mapping[str, Path]
) -> None:
    rows = []
    for number, (label, found) in enumerate(drawn.items(), 1):
        safe = re.sub(r"[^A-Za-z0-9]+", "-", label).strip("-").lower()
        for one in found:
            file = files["overlays"] / f"{number:02d}-{safe}-{one.place}.png"
            with atomic_path(file) as aside:
                one.panels.save(aside)
        rows.append((label, [(_words(one), one.panels) for one in found]))
    if rows:
        with atomic_path(files["figure"]) as aside:
            panels = ", ".join(["boxes", *(one.title for one in comparison.judged)])
            sheet_of(rows, [f"{place}: {panels}" for place in PLACES]).save(aside)


def _words(one: _Drawn) -> str:
    text = f"{one.result.precision:.2f} (chance {one.result.chance:.2f})"
    return text + "".join(f", {name} {value:.2f}" for name, value in one.before.items())


def _report(
    run: OpenRun,
    comparison: Comparison,
    drawn: Mapping[str, Sequence[_Drawn]],
    problems: Sequence[Problem],
) -> LocalisationReport:
    first, *rest = comparison.judged
    second = rest[0] if rest else None
    changes = change(second.main, first.main, comparison.options.seed) if second else None
    found = [*first.main.labels, first.main.overall]
    rows = []
    for one in found:
        overall = one is first.main.overall
        moved = None
        if changes is not None:
            part = changes["mean"] if overall else changes["labels"].get(one.label)
            moved = (
                (part["average_precision"], *part["average_precision_interval"]) if part else None
            )
        rows.append(
            LabelRow(
                one.label,
                one.pictures,
                one.chance,
                (one.precision.mean, one.precision.low, one.precision.high),
                (one.paper.mean, one.paper.low, one.paper.high),
                moved,
                tuple(_precision_of(model, one.label, overall) for model in rest),
                tuple(
                    each.overall.precision.mean
                    if overall
                    else next(r.precision.mean for r in each.labels if r.label == one.label)
                    for name, each in first.readings.items()
                    if name != "typicality"
                ),
                overall,
            )
        )
    about, log = run.about, run.folder.read_log()
    times = first.maps
    return LocalisationReport(
        title=comparison.data,
        rows=tuple(rows),
        models=tuple(one.title for one in comparison.judged),
        readings=tuple(
            ReadingColumn(_READINGS[name]) for name in first.readings if name != "typicality"
        ),
        examples={
            label: tuple(
                Example(
                    one.place,
                    one.result.id,
                    one.result.precision,
                    one.result.chance,
                    tuple(one.before.items()),
                    encode_webp(one.panels, 82),
                )
                for one in each
            )
            for label, each in drawn.items()
        },
        pictures=len({one.id for one in first.main.pictures}),
        boxes=comparison.boxes.count,
        times=(float(times["t_min"]), float(times["t_max"])),
        draws=int(times["draws"]),
        prompts=(about.prompt.label, about.prompt.null),
        notes=comparison.notes,
        minutes=minutes(about.record, log),
        steps=int(log[-1]["step"]) if log else None,
        hardware=hardware(about.record.get("hardware")),
        settings=tuple(flat(comparison.options.as_dict())),
        problems=tuple(problems),
        commands=(_command(run, comparison),),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )


def _precision_of(model: Judged, label: str, overall: bool) -> float | None:
    if overall:
        return model.main.overall.precision.mean
    same = [one.precision.mean for one in model.main.labels if one.label == label]
    return same[0] if same else None


def _command(run: OpenRun, comparison: Comparison) -> str:
    """The command that repeats this; DATA and BOXES stand for the pictures and the boxes."""
    names = [one.name for one in comparison.judged]
    model = "both" if {"base", "finetuned"} <= set(names) else names[0]
    words = ["typica mine localise", shlex.quote(run.folder.folder.name), "DATA --boxes BOXES"]
    words += [f"--model {model}"] if model != "finetuned" else []
    words += ["--before RUN2"] if "before" in names else []
    usual = type(comparison.options)().as_dict()
    for name, value in comparison.options.as_dict().items():
        if value != usual[name]:
            option = f"--{name.replace('_', '-')}"
            words.append(option if value is True else f"{option} {value}")
    return " ".join(words)
