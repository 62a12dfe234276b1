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
from ..intervals import Estimate
from ..opening import OpenRun
from ..record import credit_lines
from ..thumbnails import Detail, photograph
from .comparison import Calibration, LabelComparison, Measure, Real
from .mined import MinedSet
from .options import BiasOptions
from .representation import ClusterShare, nearest
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
    labels = list(prepared)
    sets: dict[float | None, MinedSet] = {None: real}
    for strength, some in mined.items():
        sets[strength] = some
    clusters, members, few, wholes = _level(labels, len(mined))
    detail = Detail(clusters, members, 0, 56, 68, 96, 62, 8)
    cameras = {g: Camera(one, detail) for g, one in sets.items()}
    by_label = {(one.label, one.guidance): one for one in found}
    assigned = {
        (label, g): _assigned(mined[g], label, prepared[label].centres)
        for label in labels
        for g in mined
    }
    shown: dict[str, list[int]] = {}
    for label in labels:
        for g, one in sets.items():
            for cluster in one.clusters.typical.get(label, ())[:clusters]:
                cameras[g].want(cluster.members[:members])
        shown[label] = _order([by_label[label, g] for g in mined])[:clusters]
        for k in shown[label]:
            cameras[None].want(_real_members(real, label, k)[:members])
            for g in mined:
                cameras[g].want(assigned[label, g][k][:few])
    for camera in cameras.values():
        camera.develop()
    titles = {g: _title(g) for g in sets}
    pages = []
    for label in labels:
        rows = []
        for k in shown[label]:
            cells = []
            for g in mined:
                there = by_label[label, g].representation.clusters[k]
                cells.append(
                    Cell(
                        there.sampled,
                        _whiskers(there.log_ratio),
                        there.p,
                        there.verdict,
                        cameras[g].patches(assigned[label, g][k][:few]),
                    )
                )
            patches = cameras[None].patches(_real_members(real, label, k)[:members])
            share = by_label[label, next(iter(mined))].representation.clusters[k].real
            rows.append(RealCluster(k, share, patches, tuple(cells)))
        summaries = tuple(
            Summary(
                titles[g],
                tuple(cameras[g].whole(name) for name in _spread(one, label, wholes)),
                tuple(
                    SummaryCluster(
                        c.size, c.median_typicality, cameras[g].patches(c.members[:members])
                    )
                    for c in one.clusters.typical.get(label, ())[:clusters]
                ),
            )
            for g, one in sets.items()
        )
        calibration = calibrations[label]
        variations = tuple(
            (by_label[label, g].representation.variation, by_label[label, g].representation.p)
            for g in mined
        )
        pages.append(
            LabelPage(
                label,
                run.about.prompt(label),
                prepared[label].number,
                len(prepared[label].centres),
                summaries,
                tuple(rows),
                variations,
                float(np.mean(calibration.variation)) if calibration.variation else None,
                calibration.alarms if calibration.variation else None,
            )
        )
    overall = {g: overall_measures([by_label[label, g] for label in labels]) for g in mined}
    report = BiasReport(
        title=str(run.about.data.get("name") or run.folder.folder.name),
        strengths=tuple(titles[g] for g in mined),
        labels=tuple(pages),
        curves=tuple(_curve(*one, overall=overall) for one in CURVES),
        pictures=min(one.number for one in prepared.values()),
        halves=min(one.pictures for one in calibrations.values()),
        splits=max(len(one.variation) for one in calibrations.values()),
        called=tuple(
            (
                sum(bool(k.verdict) for x in labels for k in _clusters(by_label[x, g])),
                sum(len(_clusters(by_label[x, g])) for x in labels),
            )
            for g in mined
        ),
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


def _clusters(one: LabelComparison) -> Sequence[ClusterShare]:
    return one.representation.clusters


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


def _real_members(real: MinedSet, label: str, cluster: int) -> tuple[int, ...]:
    return real.clusters.typical[label][cluster].members


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
