"""From a run folder to its report page: gathers what scoring, mining and training left there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .. import __version__
from ..errors import RunError
from ..images.picture import Picture, PictureCollection
from ..reports.mining import write_mining_report
from ..reports.mining_values import (
    ClusterCard,
    ElementCard,
    HeatMap,
    LabelCard,
    LabelResult,
    MiningReport,
    ModelCard,
    PictureCard,
)
from ..reports.wording import flat, hardware
from ..values import Box, Problem
from .artefacts import share
from .clustering import Cluster, Clustering, read_clusters
from .folder import MiningAbout, MiningFolder, ModelName
from .maps import read_maps
from .overlays import COLOURS, symmetric_scale
from .readings.filters import left_out
from .record import (
    commands,
    credit_lines,
    minutes,
    notes,
    panels,
    read_samples,
    short_base,
)
from .table import ElementsTable, read_table
from .thumbnails import (
    BUDGET,
    Detail,
    Selection,
    Shot,
    choose_detail,
    photograph,
    select,
    small_map,
)

__all__ = ["summarise", "write_report"]

TITLES: dict[ModelName, str] = {"finetuned": "after fine-tuning", "base": "before fine-tuning"}


@dataclass(frozen=True)
class Found:
    """What one model left: elements, clusters, and which of them are shown, by label."""

    table: ElementsTable
    clusters: Clustering
    chosen: Mapping[str, Selection]


Screen = Callable[[ElementsTable, Clustering], tuple[ElementsTable, Clustering]]
"""Leaves elements of a table and its clusters out."""


def write_report(
    folder: MiningFolder, collection: PictureCollection, show_progress: bool = True
) -> Path:
    """Write `report/index.html` of a run folder, from what the folder holds.

    Arguments:
        folder: The run.
        collection: Its pictures; those that cannot be found any more are shown as grey tiles
            and reported.
        show_progress: Show bars on standard error.

    Returns:
        The page.

    Raises:
        RunError: If the folder is no mining run, has no elements, or is damaged.
        DataError: If the page cannot be written.
    """
    report = summarise(folder, collection, show_progress)
    return write_mining_report(report, folder.folder / "report" / "index.html")


def summarise(
    folder: MiningFolder,
    collection: PictureCollection,
    show_progress: bool = True,
    budget: int = BUDGET,
    titles: Mapping[ModelName, str] = TITLES,
    screen: Screen = lambda table, clusters: (table, clusters),
) -> MiningReport:
    """Gather all that the page of a run shows.

    Arguments:
        folder: The run.
        collection: Its pictures.
        show_progress: Show bars on standard error.
        budget: Bytes that the page may have; what is shown is reduced to fit.
        titles: What the page calls the models, by their names in the folder.
        screen: Leaves elements out of what is shown.

    Raises:
        RunError: If the folder is no mining run, has no elements, or is damaged.
    """
    about = folder.about()
    models = folder.scored()
    if not models:
        raise RunError(
            f"{folder.folder}: nothing to report, there are no elements. Run `typica mine select` "
            "first."
        )
    tables: dict[ModelName, ElementsTable] = {}
    clusters: dict[ModelName, Clustering] = {}
    for name in models:
        table = read_table(folder.elements(name))
        tables[name], clusters[name] = screen(table, _clusters(folder, name, table))
    pictures = {picture.id: picture for picture in collection}
    present = {label for table in tables.values() for label in table.labels}
    labels = [label for label in about.labels if label in present]
    labels += sorted(present - set(labels))
    typical = {name: found.typical for name, found in clusters.items()}
    detail = choose_detail(tables, typical, labels, pictures, budget, show_progress)
    found = {
        name: Found(
            tables[name],
            clusters[name],
            {
                label: select(tables[name], label, typical[name].get(label, ()), detail)
                for label in labels
            },
        )
        for name in models
    }
    shots, problems = _shots(found, pictures, detail, show_progress)
    maps, scales, scored = _maps(folder, found, detail)
    cards = tuple(
        _label_card(label, about, found, collection.counts().get(label), pictures, shots, maps)
        for label in labels
    )
    samples, broken = read_samples(folder.samples)
    rows = folder.read_log()
    return MiningReport(
        title=str(about.data.get("name") or folder.folder.name),
        labels=cards,
        models=tuple(
            ModelCard(
                name,
                titles[name] if len(models) > 1 or name != "finetuned" else "fine-tuned",
                _patch_scale(found[name]),
                scales[name],
            )
            for name in models
        ),
        colours=COLOURS,
        pictures=scored or len(collection),
        elements={name: len(table.rows(kind="typical")) for name, table in tables.items()},
        draws=about.config.typicality.draws,
        fewest=about.config.typicality.adaptive,
        base=short_base(about.base),
        null_prompt=about.prompt.null,
        steps=int(rows[-1]["step"]) if rows else None,
        minutes=minutes(about.record, rows),
        hardware=hardware(about.record.get("hardware")),
        panels=tuple(panels(rows)),
        samples=samples,
        settings=tuple(flat(about.config.as_dict())),
        problems=left_out(tables)
        + tuple(_relative(one, collection.root) for one in collection.problems)
        + tuple(_relative(one, collection.root) for one in problems)
        + broken
        + tuple(notes(folder, rows)),
        commands=commands(folder, about),
        credits=credit_lines(about.record.get("credits")),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )


def _clusters(folder: MiningFolder, name: ModelName, table: ElementsTable) -> Clustering:
    """The clusters of a model; none if they were not made yet."""
    path = folder.clusters(name)
    return read_clusters(path, table) if path.exists() else Clustering({}, {}, {})


def _shots(
    found: Mapping[ModelName, Found],
    pictures: Mapping[str, Picture],
    detail: Detail,
    show_progress: bool,
) -> tuple[dict[str, Shot], list[Problem]]:
    """The small pictures of every picture that is shown; each is decoded once."""
    boxes: dict[str, list[Box]] = {}
    for one in found.values():
        for selection in one.chosen.values():
            for row in selection.rows:
                boxes.setdefault(str(one.table.picture[row]), []).append(one.table.box(row))
    shots: dict[str, Shot] = {}
    problems: list[Problem] = []
    names = sorted(boxes)
    for name in tqdm(names, "pictures", unit="picture", disable=not show_progress):
        if name not in pictures:
            shots[name] = Shot(b"", {})
            problems.append(
                Problem(
                    Path(name),
                    "was mined, and is not in the collection that the report was made with",
                    "Give the folder that the run was made with",
                    fatal=False,
                )
            )
            continue
        shots[name], problem = photograph(pictures[name], boxes[name], detail)
        if problem is not None:
            problems.append(problem)
    return shots, problems


MapsOf = dict[tuple[ModelName, str, str], HeatMap]
"""Heat-maps by model, label and picture."""


def _maps(
    folder: MiningFolder, found: Mapping[ModelName, Found], detail: Detail
) -> tuple[MapsOf, dict[ModelName, float], int]:
    """Heat-maps of every picture that is shown, of every model the scale of single cells, and
    how many pictures were scored."""
    wanted: dict[str, set[str]] = {}
    for one in found.values():
        for label, selection in one.chosen.items():
            for row in selection.rows:
                wanted.setdefault(str(one.table.picture[row]), set()).add(label)
    maps: MapsOf = {}
    scales: dict[ModelName, float] = {}
    scored = 0
    for name in found:
        seen: list[NDArray[np.float64]] = []
        if folder.maps(name).is_dir():  # a run can be handed on without its maps
            for count, picture in enumerate(read_maps(folder.maps(name)), 1):
                scored = max(scored, count)
                for label in sorted(wanted.get(picture.id, set()) & set(picture.labels)):
                    small, cells, unit = small_map(picture.of(label).typicality[0], detail)
                    rows, columns = cells.shape
                    maps[name, label, picture.id] = HeatMap(rows, columns, unit, cells.tobytes())
                    seen.append(small.ravel())
        scales[name] = symmetric_scale(np.concatenate(seen) if seen else np.zeros(0))
    return maps, scales, scored


def _patch_scale(found: Found) -> float:
    """The scale of patches: that of the elements that are shown."""
    rows = [row for selection in found.chosen.values() for row in selection.rows]
    return symmetric_scale(found.table.typicality[rows])


def _label_card(
    label: str,
    about: MiningAbout,
    found: Mapping[ModelName, Found],
    count: int | None,
    pictures: Mapping[str, Picture],
    shots: Mapping[str, Shot],
    maps: MapsOf,
) -> LabelCard:
    """One label with all that is shown of it."""
    ids = sorted(
        {str(f.table.picture[row]) for f in found.values() for row in f.chosen[label].rows}
    )
    places = {name: place for place, name in enumerate(ids)}
    cards = []
    for name in ids:
        width, height = _size(name, pictures, found)
        own: dict[str, HeatMap] = {
            model: maps[model, label, name] for model in found if (model, label, name) in maps
        }
        cards.append(PictureCard(name, width, height, shots[name].image, own))
    return LabelCard(
        label,
        about.prompt(label),
        count,
        tuple(cards),
        {str(model): _result(label, one, places, shots) for model, one in found.items()},
    )


def _size(
    name: str,
    pictures: Mapping[str, Picture],
    found: Mapping[ModelName, Found],
) -> tuple[int, int]:
    """Width and height of a picture's original; of one that is gone, as the boxes tell."""
    if name in pictures:
        return pictures[name].width, pictures[name].height
    right = bottom = 1.0
    for one in found.values():
        for row in np.flatnonzero(one.table.picture == name):
            box = one.table.box(int(row))
            right, bottom = max(right, box.right), max(bottom, box.bottom)
    return int(np.ceil(right)), int(np.ceil(bottom))


def _result(
    label: str, found: Found, places: Mapping[str, int], shots: Mapping[str, Shot]
) -> LabelResult:
    """What one model found for one label."""
    table, selection = found.table, found.chosen[label]
    elements = {}
    for row in selection.rows:
        name, box = str(table.picture[row]), table.box(row)
        distance = float(table.distance[row])
        elements[row] = ElementCard(
            row=row,
            picture=places[name],
            box=box,
            kind=str(table.kind[row]),
            rank=int(table.rank[row]),
            typicality=float(table.typicality[row]),
            error=float(table.error[row]),
            distance=None if np.isnan(distance) else distance,
            border=bool(table.border[row]),
            flat=bool(table.flat[row]),
            thumbnail=shots[name].patches.get(box, b""),
        )
    clusters = found.clusters.typical.get(label, ())
    expected = share(table.border, table.rows(label, "least").tolist())
    return LabelResult(
        elements,
        tuple(
            _cluster_card(one, members, expected)
            for one, members in zip(clusters, selection.clusters, strict=False)
        ),
        selection.typical,
        selection.random,
        selection.least,
        total=len(table.rows(label, "typical")),
        hidden_clusters=len(clusters) - len(selection.clusters),
    )


def _cluster_card(one: Cluster, members: tuple[int, ...], border_expected: float) -> ClusterCard:
    return ClusterCard(
        one.rank,
        one.size,
        one.median_typicality,
        None if np.isnan(one.error) else one.error,
        one.stability,
        members,
        one.merged,
        one.border_share,
        one.flat_share,
        border_expected,
    )


def _relative(problem: Problem, root: Path) -> Problem:
    """The same problem, its file named as in the collection: pages travel, folders do not."""
    try:
        name = problem.file.relative_to(root)
    except ValueError:
        name = problem.file if not problem.file.is_absolute() else Path(problem.file.name)
    message = problem.message.replace(f"{root}/", "")
    return replace(problem, file=name, message=message)
