"""One label: candidates, seeds, detectors in rounds, and the clusters of the best of them.

Every stage leaves a file; the same command goes on after the last one that is whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import RunError
from ...images.sizes import Scaling
from ...runs import load_tensors, save_tensors
from .candidates import draw_candidates, label_shares, select_seeds
from .detectors import deal, train_round
from .folder import DoerschFolder, LabelClusters, Member, PatchCluster
from .search import Matches, joined, search, without_own
from .store import CellStore, Clock, short_side

__all__ = ["mine_label"]


def mine_label(
    folder: DoerschFolder,
    store: CellStore,
    label: str,
    device: torch.device,
    show_progress: bool = True,
) -> LabelClusters:
    """All stages for one label, those left out whose files are there.

    Arguments:
        folder: Of the run.
        store: Of its pictures, whole.
        label: Which.
        device: Where to multiply.
        show_progress: Show bars on standard error.

    Raises:
        DataError: If there are too few pictures.
        RunError: If a file of a stage is damaged, or of another label.
    """
    inside = np.array([label in picture.labels for picture in store.pictures])
    usable = store.shapes[:, 0] > 0
    subset = deal(inside, usable, store.options.rounds, store.options.seed)  # before the work
    seconds = {"descriptors": store.spent("seconds")}
    busy = {"descriptors": store.spent("processor_seconds")}
    where = folder.label(folder.about().labels.index(label))
    job = _Job(
        store, label, device, show_progress, where, inside, usable, subset, seconds, busy
    )  # fmt: skip
    candidates = _candidates(job)
    chosen = _chosen(job, _matches(job, candidates))
    seeds = {name: one[chosen] for name, one in candidates.items()}
    detectors = _detectors(job, seeds)
    clock = Clock()
    clusters = _clusters(job, seeds, detectors)
    seconds["ranking"], busy["ranking"] = clock.spent().values()
    count = len(candidates["picture"])
    return LabelClusters(label, int(inside.sum()), count, len(chosen), seconds, busy, clusters)


@dataclass(frozen=True)
class _Job:
    """What the stages of a label share.

    Arguments:
        store: Of the pictures.
        label: Which.
        device: Where to multiply.
        show_progress: Show bars on standard error.
        where: Folder of the stages' files.
        inside: Which pictures have the label, `(pictures,)`.
        usable: Which have cells at all, likewise.
        subset: In which round a picture is trained on, likewise.
        seconds: By stage, filled as they are done or read.
        busy: The same, of the processor.
    """

    store: CellStore
    label: str
    device: torch.device
    show_progress: bool
    where: Path
    inside: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    subset: NDArray[np.int64]
    seconds: dict[str, float]
    busy: dict[str, float]

    def stage(self, name: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """The tensors of a stage, made or read."""
        path = self.where / f"{name}.safetensors"
        if not path.exists():
            clock = Clock()
            tensors = make()
            save_tensors(path, tensors, {**clock.spent(), "label": self.label})
        tensors, about = load_tensors(path)
        if about.get("label") != self.label:
            raise RunError(f"{path}: of another label. Delete {self.where} and run again.")
        kind = name.partition("/")[0]
        for spent, key in ((self.seconds, "seconds"), (self.busy, "processor_seconds")):
            spent[kind] = spent.get(kind, 0.0) + float(about[key])
        return tensors

    def look(self, weights: Tensor, pictures: NDArray[np.int64], top: int, what: str) -> Matches:
        """The best places for some templates, in some pictures."""
        return search(
            weights, self.store, pictures, top, device=self.device,
            title=f"{self.label}: {what}", show_progress=self.show_progress,
        )  # fmt: skip


def _candidates(job: _Job) -> dict[str, NDArray[np.int64]]:
    """Patches of the label: the numbers of their pictures and places."""

    def drawn() -> dict[str, Tensor]:
        pictures = np.flatnonzero(job.inside)
        picture, place = draw_candidates(job.store, pictures, job.show_progress)
        return {"picture": torch.from_numpy(picture), "place": torch.from_numpy(place)}

    return {name: value.numpy() for name, value in job.stage("candidates", drawn).items()}


def _matches(job: _Job, candidates: dict[str, NDArray[np.int64]]) -> Matches:
    """The nearest patches of every candidate in all other pictures, a chunk a stage."""
    options = job.store.options
    count = len(candidates["picture"])

    def sought(start: int) -> dict[str, Tensor]:
        some = {name: one[start : start + options.chunk] for name, one in candidates.items()}
        templates = job.store.descriptors(some["picture"], some["place"])
        found = job.look(
            templates, np.flatnonzero(job.usable), options.seed_matches + 1,
            f"candidates {start} of {count}",
        )  # fmt: skip
        found = without_own(found, some["picture"])
        return {name: torch.from_numpy(value) for name, value in vars(found).items()}

    parts = []
    for start in range(0, count, options.chunk):
        kept = job.stage(f"seeds/{start:06d}", partial(sought, start))
        parts.append(Matches(**{name: value.numpy() for name, value in kept.items()}))
    return joined(parts)


def _chosen(job: _Job, matches: Matches) -> NDArray[np.int64]:
    """The candidates that detectors are trained for, by what share of their matches is inside."""

    def selected() -> dict[str, Tensor]:
        shares = label_shares(matches, job.inside, job.store.options.seed_top)
        return {"chosen": torch.from_numpy(select_seeds(matches, shares, job.store))}

    return job.stage("selected", selected)["chosen"].numpy()


def _detectors(job: _Job, seeds: dict[str, NDArray[np.int64]]) -> dict[str, Tensor]:
    """A detector of every seed, trained on another part of the pictures in every round."""

    def trained(weights: Tensor, turn: int) -> dict[str, Tensor]:
        here = job.subset == turn
        return train_round(
            weights, job.store, np.flatnonzero(here & job.inside),
            np.flatnonzero(here & ~job.inside), device=job.device,
            title=f"{job.label}: round {turn + 1}", show_progress=job.show_progress,
        ).as_tensors()  # fmt: skip

    detectors = {"weights": job.store.descriptors(seeds["picture"], seeds["place"])}
    for turn in range(job.store.options.rounds):
        detectors = job.stage(f"round-{turn + 1}", partial(trained, detectors["weights"], turn))
    return detectors


def _clusters(
    job: _Job, seeds: dict[str, NDArray[np.int64]], detectors: dict[str, Tensor]
) -> tuple[PatchCluster, ...]:
    """The detectors whose matches in all pictures are furthest inside, with what they find."""
    options = job.store.options
    everything = np.flatnonzero(job.usable)
    weights, bias = detectors["weights"], detectors["bias"].numpy()
    final = job.look(weights, everything, options.matches, "ranking")
    ranking = label_shares(final, job.inside, options.matches)
    # of equal shares, the detector whose matches are further inside comes first
    firmness = np.where(final.picture >= 0, final.score, 0).mean(1) + bias
    best = np.lexsort((-firmness, -ranking))[: options.keep]
    kept = weights[torch.from_numpy(best)]
    own = np.flatnonzero(job.inside & job.usable)
    members = job.look(kept, own, options.members, "members")
    unseen = everything[job.subset[everything] != options.rounds - 1]
    fresh = job.look(kept, unseen, options.matches, "unseen") if len(unseen) else None
    fresh_shares = label_shares(fresh, job.inside, options.matches) if fresh else None
    return tuple(
        PatchCluster(
            rank,
            float(ranking[one]),
            None if fresh_shares is None else float(fresh_shares[rank]),
            _member(job.store, int(seeds["picture"][one]), int(seeds["place"][one]), 1.0),
            _members(job.store, members, rank, float(detectors["bias"][one])),
            int(detectors["inside"][one]),
        )
        for rank, one in enumerate(best.tolist())
    )


def _members(store: CellStore, matches: Matches, row: int, bias: float) -> tuple[Member, ...]:
    """The matches of one detector, with its output as their score."""
    found = (matches.picture, matches.place, matches.score)
    return tuple(
        _member(store, picture, place, score + bias)
        for picture, place, score in zip(*(one[row].tolist() for one in found), strict=True)
        if picture >= 0
    )


def _member(store: CellStore, picture: int, place: int, score: float) -> Member:
    """A patch with its box in the original picture."""
    one = store.pictures[picture]
    scaling = Scaling.of(one, short_side(one, store.options), store.options.cell)
    box = scaling.to_original(store.box(picture, place))
    return Member(one.id, box.left, box.top, box.width, box.height, score)
