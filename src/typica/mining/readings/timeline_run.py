"""A timeline of a run: read its elements under all labels, in order; figures, table, page."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError
from ...files import finite, write_json, write_text
from ...images.sizes import working_size
from ...reports.readings import write_timeline_page
from ...reports.readings_values import StripCell, StripRow, TimelinePage
from ..folder import ModelName
from ..opening import OpenRun
from ..overlays import symmetric_scale
from ..partitions import centroids, group
from ..patches import Patch, patch_readings
from ..table import ElementsTable, Kind, read_table
from ..thumbnails import DETAILS, photograph
from .blind import blind_features
from .filters import kept_rows
from .label_maps import LabelMaps, label_maps, readings_folder
from .page_facts import page_facts
from .timeline import (
    ClusterTrend,
    Profiles,
    cluster_trends,
    element_trends,
    label_order,
    levels,
)

__all__ = ["TimelineResult", "read_profiles", "timeline_run"]

SHOWN = 2
"""Patches of a cluster that are shown of every label, nearest to its centroid first."""
ROWS = 40
"""Clusters on the page at most: all with a trend first, then the others."""
_DETAIL = DETAILS[6]
_SHAPES = ("rising", "falling", "peaking", "dipping", "level")


@dataclass(frozen=True)
class TimelineResult:
    """What was written.

    Arguments:
        elements: Every element with its trend and its typicality under all labels, CSV.
        clusters: The clusters, JSON.
        page: The page.
        lines: What to print.
    """

    elements: Path
    clusters: Path
    page: Path
    lines: tuple[str, ...]


def read_profiles(
    table: ElementsTable,
    rows: NDArray[np.int64],
    maps: LabelMaps,
    run: OpenRun,
    order: Sequence[str],
) -> Profiles:
    """Elements read under all labels.

    Arguments:
        table: The elements.
        rows: N of them.
        maps: Under all labels, of at least their pictures.
        run: The run.
        order: K labels, those of the elements among them.
    """
    about = run.about
    wanted: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows.tolist()):
        wanted[str(table.picture[row])].append(place)
    values: NDArray[np.float64] | None = None
    deviations = np.zeros((0, 0, 0))
    for one in maps.read(run.collection):
        places = wanted.pop(one.id, None)
        if not places:
            continue
        picture = run.collection.pictures[one.index]
        width, height = working_size(picture.width, picture.height, about.config.size, about.factor)
        patches = [
            Patch(int(table.work_y[r]), int(table.work_x[r]), int(table.side[r]))
            for r in rows[places].tolist()
        ]
        columns = [one.labels.index(label) for label in order]
        groups = one.groups[columns]
        if values is None:
            values = np.zeros((len(rows), len(order)))
            deviations = np.zeros((len(rows), len(order), groups.shape[1]))
        values[places] = patch_readings(one.typicality[columns], height, width, patches)
        flat = groups.reshape(-1, *groups.shape[2:])
        found = patch_readings(flat, height, width, patches)
        deviations[places] = found.reshape(len(places), *groups.shape[:2])
    if wanted or values is None:
        raise RunError(
            f"{run.folder.folder}: no maps of {next(iter(wanted), 'any element')} under all "
            "labels. Run `typica mine select` again."
        )
    own = np.array([order.index(str(label)) for label in table.label[rows]], np.int64)
    return Profiles(values, deviations, own, tuple(map(str, table.picture[rows])))


def timeline_run(
    run: OpenRun,
    order: tuple[str, ...] = (),
    *,
    model: ModelName = "finetuned",
    pictures: int | None = None,
    device: str = "auto",
    show_progress: bool = True,
) -> TimelineResult:
    """Which elements and clusters rise, fall or peak along the labels (`timeline.py`).

    Arguments:
        run: The run, with elements.
        order: Of the labels; empty for that of their numbers.
        model: Whose elements and maps.
        pictures: At most so many of each label, where all labels are still to be scored.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show progress on standard error.

    Raises:
        ConfigError: If the labels have no order.
        RunError: If there are no elements, or no model.
    """
    labels = label_order(run.about.labels, order)
    table = read_table(run.folder.elements(model))
    maps = label_maps(run, model, pictures, device=device, show_progress=show_progress)
    there = {picture.id for picture in maps.pictures} & {
        one.id for one in maps.read(run.collection)
    }

    def rows_of(kind: Kind) -> NDArray[np.int64]:
        rows = table.rows(kind=kind).tolist()
        kept = [r for r in rows if table.label[r] in labels and table.picture[r] in there]
        return np.array(kept, np.int64)

    rows, random = rows_of("typical"), rows_of("random")
    if not len(rows) or not len(random):
        raise RunError(
            f"{run.folder.folder}: none of its elements are in the scored pictures. Give more "
            "--pictures."
        )
    level = levels(read_profiles(table, random, maps, run, labels))
    profiles = read_profiles(table, rows, maps, run, labels)
    # across labels, so by features that do not know them
    features = blind_features(
        run, model, kept_rows(table, rows), "timeline", device=device, show_progress=show_progress
    )
    config = run.about.config.clusters
    cluster, _ = group(features, config, config.seed)
    trends = cluster_trends(profiles, cluster, level)
    single = element_trends(profiles, level)
    folder = readings_folder(run)
    file, json_file = folder / "timeline-elements.csv", folder / "timeline-clusters.json"
    _write_elements(file, table, rows, cluster, profiles, single, labels)
    counts = {shape: sum(one.shape == shape for one in trends) for shape in _SHAPES}
    write_json(
        json_file,
        finite(
            {
                "order": list(labels),
                "model": model,
                "level": level[0].tolist(),
                "counts": counts,
                "clusters": [one.as_dict() for one in trends],
            }
        ),
    )
    far = np.linalg.norm(features - centroids(features, cluster)[cluster], axis=1)
    ranked = sorted(trends, key=lambda one: (_SHAPES.index(one.shape), -_strength(one)))
    trending = int((single["q"] < 0.05).sum())
    page = TimelinePage(
        **page_facts(run, f"typica mine timeline {run.folder.folder.name}"),
        title=f"{run.about.data.get('name') or run.folder.folder.name}: timeline",
        labels=labels,
        counts=counts,
        elements=len(rows),
        trending=trending,
        rows=_strip(ranked[:ROWS], table, rows, cluster, far, labels, run),
        scale=symmetric_scale(np.concatenate([one.profile for one in trends])),
        more=max(0, len(ranked) - ROWS),
    )
    path = write_timeline_page(page, folder / "timeline.html")
    lines = (
        " < ".join(labels),
        ", ".join(f"{count} {shape}" for shape, count in counts.items()) + " clusters",
        f"{trending} of {len(rows)} elements have a slope beyond their noise (5 % false expected)",
    )
    return TimelineResult(file, json_file, path, lines)


def _strength(one: ClusterTrend) -> float:
    """How far a trend is from none, in its own interval: sorts the rows of a shape."""
    which = one.curvature if one.shape in ("peaking", "dipping") else one.slope
    width = which.high - which.low
    return abs(which.mean) / width if width > 0 else 0.0


def _write_elements(
    path: Path,
    table: ElementsTable,
    rows: NDArray[np.int64],
    cluster: NDArray[np.int64],
    profiles: Profiles,
    single: dict[str, NDArray[np.float64]],
    labels: Sequence[str],
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", "picture", "label", "cluster", *single, *(f"T({c})" for c in labels)])
    for i, row in enumerate(rows.tolist()):
        numbers = [*(single[name][i] for name in single), *profiles.values[i]]
        texts = [f"{value:.6g}" if np.isfinite(value) else "" for value in numbers]
        writer.writerow([row, table.picture[row], table.label[row], int(cluster[i]), *texts])
    write_text(path, out.getvalue())


def _strip(
    trends: Sequence[ClusterTrend],
    table: ElementsTable,
    rows: NDArray[np.int64],
    cluster: NDArray[np.int64],
    far: NDArray[np.floating],
    labels: Sequence[str],
    run: OpenRun,
) -> tuple[StripRow, ...]:
    """Rows of the page: of every cluster and label the patches nearest to its centroid."""
    chosen: dict[tuple[int, str], tuple[int, list[int]]] = {}
    wanted: dict[str, list[int]] = defaultdict(list)
    for one in trends:
        for label in labels:
            inside = np.flatnonzero((cluster == one.cluster) & (table.label[rows] == label))
            nearest = rows[inside[np.argsort(far[inside], kind="stable")]][:SHOWN].tolist()
            chosen[one.cluster, label] = len(inside), nearest
            for row in nearest:
                wanted[str(table.picture[row])].append(row)
    pictures = {picture.id: picture for picture in run.collection}
    patches: dict[int, bytes] = {}
    for name, found in wanted.items():
        shot, _ = photograph(pictures[name], [table.box(row) for row in found], _DETAIL)
        patches |= {row: shot.patches.get(table.box(row), b"") for row in found}
    return tuple(
        StripRow(
            one.shape,
            one.pictures,
            (one.slope.mean, one.slope.low, one.slope.high),
            one.slope_p,
            (one.curvature.mean, one.curvature.low, one.curvature.high),
            one.curvature_p,
            one.correlation,
            tuple(
                StripCell(
                    float(value),
                    chosen[one.cluster, label][0],
                    tuple(
                        (patches[row], f"{label}: patch of {table.picture[row]}, row {row}")
                        for row in chosen[one.cluster, label][1]
                    ),
                )
                for label, value in zip(labels, one.profile, strict=True)
            ),
        )
        for one in trends
    )
