"""The folder of a run of the baseline: what each stage leaves for the next.

    config.json                    options, labels, pictures, versions, hardware
    cells/*.safetensors            cells of all pictures, in pieces, for every label
    labels/NN/candidates.safetensors
    labels/NN/seeds/*.safetensors  matches of the candidates, a chunk at a time
    labels/NN/selected.safetensors
    labels/NN/round-R.safetensors  detectors after each round
    labels/NN/clusters.json        the result of a label
    index.html                     the page
    beside.html, beside.json       the comparison with a mining run

NN is the label's place among the sorted labels of the collection: a label may hold characters that
a path cannot.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...configs import from_plain
from ...errors import DAMAGE, RunError, reason
from ...files import write_json
from ...runs import Run
from .options import DoerschOptions

__all__ = ["DoerschAbout", "DoerschFolder", "LabelClusters", "Member", "PatchCluster"]

FORMAT = 1
"""Version of `clusters.json`."""


@dataclass(frozen=True)
class Member:
    """A patch found by a detector.

    Arguments:
        picture: Its id.
        x: Left edge, in pixels of the original picture; likewise the next three.
        y: Top edge.
        width: Across.
        height: Down.
        score: Of the detector, bias included.
    """

    picture: str
    x: float
    y: float
    width: float
    height: float
    score: float


@dataclass(frozen=True)
class PatchCluster:
    """A detector as a cluster: it is what it finds.

    Arguments:
        rank: By `share`, from 0.
        share: Of the best matches, one per picture, the share inside the label.
        unseen_share: The same among pictures that no round trained this detector on (its
            negatives' subset apart): None where nothing was left.
        seed: The patch it began with.
        members: Best matches within the label, one per picture, best first.
        inside: Negatives that the last round left inside the margin.
    """

    rank: int
    share: float
    unseen_share: float | None
    seed: Member
    members: tuple[Member, ...]
    inside: int


@dataclass(frozen=True)
class LabelClusters:
    """The result of one label.

    Arguments:
        label: Its name.
        pictures: That have it.
        candidates: That were tried.
        detectors: That were trained.
        seconds: By stage, by the clock.
        processor_seconds: By stage, of all threads: what is left of a busy machine's clock.
        clusters: Best first.
    """

    label: str
    pictures: int
    candidates: int
    detectors: int
    seconds: dict[str, float]
    processor_seconds: dict[str, float]
    clusters: tuple[PatchCluster, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @property
    def minutes(self) -> float:
        """By the clock, all stages together, that of the descriptors included."""
        return sum(self.seconds.values()) / 60

    @property
    def processor_minutes(self) -> float:
        """The same of the processor's time."""
        return sum(self.processor_seconds.values()) / 60


@dataclass(frozen=True)
class DoerschAbout:
    """What decides a run; kept in its `config.json`.

    Arguments:
        options: All options.
        labels: All labels of the collection, sorted.
        data: Its name, path and digest.
        record: Hardware, versions, dates, how it was read: for people.
    """

    options: DoerschOptions
    labels: tuple[str, ...]
    data: dict[str, str]
    record: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "instrument": "doersch",
            "config": self.options.as_dict(),
            "labels": list(self.labels),
            "data": self.data,
            "record": self.record,
        }


@dataclass(frozen=True)
class DoerschFolder(Run):
    """The paths of a run, and its results."""

    WRITTEN_LOCKED: ClassVar[tuple[str, ...]] = (
        *Run.WRITTEN_LOCKED,
        "cells/*.safetensors",
        "labels/*/*.safetensors",
        "labels/*/clusters.json",
    )

    @property
    def cells(self) -> Path:
        return self.folder / "cells"

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    def label(self, number: int) -> Path:
        """The folder of a label, by its place among the sorted labels."""
        return self.folder / "labels" / f"{number:02d}"

    def about(self) -> DoerschAbout:
        """What decides this run.

        Raises:
            RunError: If there is none, or it is damaged or of another command.
        """
        values = self.read_config()
        if values.get("instrument") != "doersch":
            raise RunError(
                f"{self.folder}: not a run of `typica baseline doersch`. Give another --out."
            )
        try:
            return DoerschAbout(
                from_plain(DoerschOptions, values["config"]),
                tuple(values["labels"]),
                dict(values["data"]),
                dict(values["record"]),
            )
        except DAMAGE as error:
            raise RunError(f"{self.config}: damaged ({reason(error)}). Start a new run.") from error

    def write_clusters(self, number: int, found: LabelClusters) -> Path:
        """Write the result of a label."""
        path = self.label(number) / "clusters.json"
        write_json(path, {"format": FORMAT, **found.as_dict()})
        return path

    def read_clusters(self, number: int) -> LabelClusters | None:
        """The result of a label; None if there is none yet.

        Raises:
            RunError: If the file is damaged or of a later format.
        """
        path = self.label(number) / "clusters.json"
        if not path.exists():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            version = int(values.pop("format"))
            clusters = tuple(map(_cluster, values.pop("clusters")))
            found = LabelClusters(**values, clusters=clusters)
        except DAMAGE as error:
            raise RunError(
                f"{path}: damaged ({reason(error)}). Delete it and run again."
            ) from error
        if version > FORMAT:
            raise RunError(f"{path}: written by a later typica. Update typica.")
        return found

    def done(self) -> tuple[LabelClusters, ...]:
        """The results of all labels that have one."""
        found = [self.read_clusters(number) for number in range(len(self.about().labels))]
        return tuple(one for one in found if one is not None)


def _cluster(values: dict[str, Any]) -> PatchCluster:
    members = tuple(Member(**one) for one in values.pop("members"))
    return PatchCluster(**{**values, "seed": Member(**values["seed"])}, members=members)
