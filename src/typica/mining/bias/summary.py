"""From a comparison to its page: gathers the patches and numbers that it shows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...images.picture import Picture
from ...reports.bias import write_bias_report
from ...reports.bias_values import (
    BiasReport,
    Cell,
    Curve,
    LabelPage,
    RealCluster,
    Summary,
    SummaryCluster,
    Whiskers,
)
from ...reports.wording import flat, hardware
from ...values import Box
from ..clustering import Cluster
from ..intervals import Estimate
from ..opening import OpenRun
from ..record import credit_lines
from ..thumbnails import Detail, photograph
from .comparison import Calibration, LabelComparison, Measure, Real
from .mined import MinedSet
from .options import BiasOptions
from .representation import nearest
from .sample_folder import Samples, guidance_name
from .sets import label_pictures
from .tables import overall_measures

__all__ = ["write_page"]

REAL = "real"
BUDGET = 11_000_000
"""Bytes of patches and pictures on a page."""
PATCH_BYTES = 1500
"""About, of one patch in base64 with its element."""
LEVELS = ((16, 6, 3, 12), (12, 5, 3, 10), (8, 4, 2, 8), (6, 4, 2, 6), (4, 3, 2, 4), (3, 3, 1, 4))
"""Clusters, members of a real cluster, members of a cell, whole pictures: from most to least."""

CURVES: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "How far the shares of clusters are off",
        "total variation distance; lower is closer",
        (("variation", "elements", "samples"),),
    ),
    (
        "Elements unlike any real cluster",
        "share of elements; lower is closer",
        (("outside", "elements", "samples"),),
    ),
    (
        "Kinds of elements",
        "Vendi score; higher is more varied",
        (("vendi", "elements", "samples"),),
    ),
    (
        "Clusters in use",
        "effective number; higher is more varied",
        (("effective_clusters", "elements", "samples"),),
    ),
    (
        "Precision and recall, by the model's features",
        "share of pictures",
        (("precision", "dift", "precision"), ("recall", "dift", "recall")),
    ),
    (
        "Precision and recall, by gradients and colours",
        "share of pictures",
        (("precision", "appearance", "precision"), ("recall", "appearance", "recall")),
    ),
    (
        "Density and coverage, by the model's features",
        "",
        (("density", "dift", "density"), ("coverage", "dift", "coverage")),
    ),
    (
        "Density and coverage, by gradients and colours",
        "",
        (("density", "appearance", "density"), ("coverage", "appearance", "coverage")),
    ),
)


@dataclass
class Camera:
    """Small pictures of one set, each picture decoded once."""

    mined: MinedSet
    detail: Detail

    def __post_init__(self) -> None:
        self._pictures: dict[str, Picture] = {one.id: one for one in self.mined.collection}
        self._boxes: dict[str, list[Box]] = {}
        self._made: dict[tuple[str, Box], bytes] = {}
        self._whole: dict[str, bytes] = {}

    def want(self, rows: Sequence[int]) -> None:
        """Note the elements that will be shown."""
        for row in rows:
            name = str(self.mined.table.picture[row])
            self._boxes.setdefault(name, []).append(self.mined.table.box(row))

    def develop(self) -> None:
        """Make what was noted; pictures that cannot be read any more stay empty."""
        for name, boxes in self._boxes.items():
            shot, _ = photograph(self._pictures[name], boxes, self.detail)
            self._whole[name] = shot.image
            for box, image in shot.patches.items():
                self._made[name, box] = image

    def patches(self, rows: Sequence[int]) -> tuple[bytes, ...]:
        """Elements that were noted."""
        table = self.mined.table
        return tuple(self._made.get((str(table.picture[row]), table.box(row)), b"") for row in rows)

    def whole(self, name: str) -> bytes:
        """A whole picture."""
        if name not in self._whole:
            self._whole[name] = photograph(self._pictures[name], (), self.detail)[0].image
        return self._whole[name]


def write_page(
    path: Path,
    run: OpenRun,
    samples: Samples,
    real: MinedSet,
    mined: Mapping[float, MinedSet],
    prepared: Mapping[str, Real],
    found: Sequence[LabelComparison],
    calibrations: Mapping[str, Calibration],
    options: BiasOptions,
) -> Path:
    """Gather what the page shows, and write it.

    Arguments:
        path: The page.
        run: The run.
        samples: What was sampled.
        real: What the run found in its pictures.
        mined: What was found in the samples, by strength.
        prepared: The real set of every label.
        found: All labels and strengths.
        calibrations: By label.
        options: Of the comparison.
    """
    shown = _choose(real, mined, prepared, found)
    pages = [
        _label_page(shown, label, run.about.prompt(label), prepared[label], calibrations[label])
        for label in prepared
    ]
    overall = {g: overall_measures([shown.found[x, g] for x in prepared]) for g in mined}
    report = BiasReport(
        title=str(run.about.data.get("name") or run.folder.folder.name),
        strengths=tuple(_title(g) for g in mined),
        labels=tuple(pages),
        curves=tuple(_curve(*one, overall=overall) for one in CURVES),
        pictures=min(one.number for one in prepared.values()),
        halves=min(one.pictures for one in calibrations.values()),
        splits=max(len(one.variation) for one in calibrations.values()),
        called=tuple(_called([shown.found[x, g] for x in prepared]) for g in mined),
        alarms=float(np.mean([one.alarms for one in calibrations.values()])),
        level=options.level,
        null_prompt=run.about.prompt.null,
        steps=None,
        hardware=hardware(run.about.record.get("hardware")),
        settings=(*flat(options.as_dict()), *flat(samples.settings)),
        commands=(
            f"typica mine sample RUN --out SAMPLES --per-label {samples.per_label} "
            f"--guidance {' '.join(map(guidance_name, samples.guidance))} "
            f"--steps {samples.settings.get('steps')} --seed {samples.settings.get('seed')}",
            "typica mine bias RUN SAMPLES --out BIAS",
        ),
        credits=credit_lines(run.about.record.get("credits")),
        sampler=f"{samples.settings.get('sampler')}, {samples.settings.get('steps')} steps",
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )
    return write_bias_report(report, path)


@dataclass(frozen=True)
class _Shown:
    """What the page shows of every label, and the pictures of it.

    Arguments:
        level: How many clusters, members of a real cluster, members of a cell, whole pictures.
        sets: Elements and clusters by strength; those of the real pictures under None.
        found: The comparisons, by label and strength.
        assigned: Rows of the samples' elements, by label and strength: of every real cluster.
        clusters: The real clusters that are shown, by label, in their order.
        cameras: Of every set, developed.
    """

    level: tuple[int, int, int, int]
    sets: dict[float | None, MinedSet]
    found: dict[tuple[str, float], LabelComparison]
    assigned: dict[tuple[str, float], dict[int, tuple[int, ...]]]
    clusters: dict[str, list[int]]
    cameras: dict[float | None, Camera]

    @property
    def strengths(self) -> list[float]:
        """Those that were sampled with."""
        return [g for g in self.sets if g is not None]

    def summarised(self, label: str, g: float | None) -> list[Cluster]:
        """The first clusters of a set's own."""
        return list(self.sets[g].clusters.typical.get(label, ())[: self.level[0]])

    def members(self, label: str, k: int) -> tuple[int, ...]:
        """Elements of a real cluster."""
        return self.sets[None].clusters.typical[label][k].members[: self.level[1]]

    def cell(self, label: str, g: float, k: int) -> tuple[int, ...]:
        """Elements of samples that belong to a real cluster."""
        return self.assigned[label, g][k][: self.level[2]]


def _choose(
    real: MinedSet,
    mined: Mapping[float, MinedSet],
    prepared: Mapping[str, Real],
    found: Sequence[LabelComparison],
) -> _Shown:
    """Decide what is shown, and make the small pictures of it, each picture decoded once."""
    level = _level(list(prepared), len(mined))
    detail = Detail(level[0], level[1], 0, 56, 68, 96, 62, 8)
    sets: dict[float | None, MinedSet] = {None: real}
    for strength, samples in mined.items():
        sets[strength] = samples
    by_label = {(one.label, one.guidance): one for one in found}
    assigned = {
        (label, g): _assigned(mined[g], label, one.centres)
        for label, one in prepared.items()
        for g in mined
    }
    clusters = {x: _order([by_label[x, g] for g in mined])[: level[0]] for x in prepared}
    cameras = {g: Camera(one, detail) for g, one in sets.items()}
    shown = _Shown(level, sets, by_label, assigned, clusters, cameras)
    for label in prepared:
        for g in sets:
            for cluster in shown.summarised(label, g):
                cameras[g].want(cluster.members[: level[1]])
        for k in clusters[label]:
            cameras[None].want(shown.members(label, k))
            for g in mined:
                cameras[g].want(shown.cell(label, g, k))
    for camera in cameras.values():
        camera.develop()
    return shown


def _label_page(
    shown: _Shown, label: str, prompt: str, real: Real, calibration: Calibration
) -> LabelPage:
    """All that the page says of one label."""
    compared = [shown.found[label, g].representation for g in shown.strengths]
    return LabelPage(
        label,
        prompt,
        real.number,
        len(real.centres),
        tuple(_summary(shown, label, g) for g in shown.sets),
        tuple(_real_cluster(shown, label, k) for k in shown.clusters[label]),
        tuple((one.variation, one.p) for one in compared),
        float(np.mean(calibration.variation)) if calibration.variation else None,
        calibration.alarms if calibration.variation else None,
    )


def _summary(shown: _Shown, label: str, g: float | None) -> Summary:
    """What is typical of a label in one set, beside whole pictures of it."""
    camera = shown.cameras[g]
    clusters = tuple(
        SummaryCluster(c.size, c.median_typicality, camera.patches(c.members[: shown.level[1]]))
        for c in shown.summarised(label, g)
    )
    names = _spread(shown.sets[g], label, shown.level[3])
    return Summary(_title(g), tuple(camera.whole(name) for name in names), clusters)


def _real_cluster(shown: _Shown, label: str, k: int) -> RealCluster:
    """A cluster of the real pictures, and at every strength how the samples show it."""
    cells = []
    for g in shown.strengths:
        there = shown.found[label, g].representation.clusters[k]
        patches = shown.cameras[g].patches(shown.cell(label, g, k))
        ratio = _whiskers(there.log_ratio)
        cells.append(Cell(there.sampled, ratio, there.p, there.verdict, patches))
    own = shown.cameras[None].patches(shown.members(label, k))
    first = shown.found[label, shown.strengths[0]].representation.clusters[k]
    return RealCluster(k, first.real, own, tuple(cells))


def _called(found: Sequence[LabelComparison]) -> tuple[int, int]:
    """How many clusters are said to be shown too often or too rarely, and of how many."""
    clusters = [cluster for one in found for cluster in one.representation.clusters]
    return sum(bool(cluster.verdict) for cluster in clusters), len(clusters)


def _title(guidance: float | None) -> str:
    return REAL if guidance is None else f"guidance {guidance_name(guidance)}"


def _level(labels: Sequence[str], strengths: int) -> tuple[int, int, int, int]:
    """How much is shown of every label; the least if nothing fits."""
    for level in LEVELS:
        clusters, members, few, wholes = level
        patches = clusters * (members * (2 + strengths) + few * strengths)
        patches += 2 * wholes * (1 + strengths)  # a whole picture is about twice as large
        if patches * PATCH_BYTES * len(labels) <= BUDGET:
            return level
    return LEVELS[-1]


def _order(found: Sequence[LabelComparison]) -> list[int]:
    """Clusters, the surest and largest differences at any strength first."""
    count = len(found[0].representation.clusters)
    p = [min(one.representation.clusters[k].p for one in found) for k in range(count)]
    size = [
        max(abs(one.representation.clusters[k].difference.mean) for one in found)
        for k in range(count)
    ]
    return sorted(range(count), key=lambda k: (p[k], -size[k]))


def _assigned(
    mined: MinedSet, label: str, centres: NDArray[np.float64]
) -> dict[int, tuple[int, ...]]:
    """The rows of the samples' elements that belong to every real cluster, nearest first."""
    rows = mined.table.rows(label, "typical")
    place, distance = nearest(mined.features[rows], centres)
    order = np.argsort(distance, kind="stable")
    return {k: tuple(int(rows[i]) for i in order if place[i] == k) for k in range(len(centres))}


def _spread(mined: MinedSet, label: str, count: int) -> list[str]:
    """Some pictures of a label, evenly spread over all of them."""
    names = label_pictures(mined, label)
    return [names[i * len(names) // count] for i in range(count)] if len(names) > count else names


def _whiskers(one: Estimate) -> Whiskers:
    mean, low, high = (None if np.isnan(v) else v for v in (one.mean, one.low, one.high))
    return Whiskers(mean, low, high)


def _curve(
    title: str,
    unit: str,
    series: tuple[tuple[str, str, str], ...],
    *,
    overall: Mapping[float, tuple[Measure, ...]],
) -> Curve:
    """Some measures over the strengths, with what real pictures give."""
    lines = []
    for name, space, caption in series:
        same = {
            g: next((one for one in some if (one.name, one.space) == (name, space)), None)
            for g, some in overall.items()
        }
        known = [one for one in same.values() if one is not None]
        if known:
            values = tuple(_whiskers(one.value) for one in known)
            lines.append((caption, _whiskers(known[0].reference), values))
    return Curve(title, unit, tuple(lines))
