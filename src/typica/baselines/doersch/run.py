"""The whole job: descriptors once, then for every label seeds, detectors, clusters.

Every stage leaves a file; the same command goes on after the last one that is whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ... import __version__
from ...errors import DataError, RunError
from ...hardware import choose_device, describe
from ...images.collection import digest, read_pictures
from ...images.options import PictureOptions
from ...images.picture import PictureCollection
from ...images.sizes import Scaling
from ...reports.wording import flat
from ...runs import load_tensors, require_outside, save_tensors
from .candidates import draw_candidates, label_shares, select_seeds
from .detectors import deal, train_round
from .folder import DoerschAbout, DoerschFolder, LabelClusters, Member, PatchCluster
from .options import DoerschOptions
from .search import Matches, joined, search, without_own
from .store import CellStore, Clock, short_side

__all__ = ["begin_doersch", "mine_label", "open_store", "run_doersch"]


def begin_doersch(
    data: Path, out: Path, options: DoerschOptions, reading: PictureOptions, device: str = "auto"
) -> tuple[DoerschFolder, PictureCollection]:
    """Read a collection and write down what decides the run; an existing run is compared.

    Arguments:
        data: The pictures.
        out: The run folder.
        options: All options.
        reading: How the pictures are read.
        device: Recorded.

    Raises:
        RunError: If the folder holds something else, or a run with other choices.
    """
    require_outside(out, data)
    folder = DoerschFolder(out)
    collection = read_pictures(data, reading)
    mark = digest(collection)
    if folder.config.exists():
        old = folder.about()
        if old.data["digest"] != mark:
            raise RunError(f"{out}: was begun with other pictures. Give another --out.")
        if old.options != options:
            before, now = dict(flat(old.options.as_dict())), dict(flat(options.as_dict()))
            differ = ", ".join(f"{k}={before[k]}" for k in now if before[k] != now[k])
            raise RunError(
                f"{out}: was begun with other options ({differ}). Give the same, or another --out."
            )
        return folder, collection
    if out.exists() and any(path.name != ".lock" for path in out.iterdir()):
        raise RunError(f"{out}: holds something that is no run. Give another --out.")
    read = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(reading).items()}
    about = DoerschAbout(
        options,
        collection.labels,
        {"name": data.name, "path": str(data.resolve()), "digest": mark},
        {
            "reading": read,
            "hardware": describe(choose_device(device)),
            "typica": __version__,
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        },
    )
    with folder.locked():
        folder.write_config(about.as_dict())
    return folder, collection


def open_store(folder: DoerschFolder, collection: PictureCollection) -> CellStore:
    """The cells of a run."""
    return CellStore(folder.cells, collection.pictures, folder.about().options)


def run_doersch(
    folder: DoerschFolder,
    collection: PictureCollection,
    labels: Sequence[str],
    device: str = "auto",
    show_progress: bool = True,
) -> Iterator[str]:
    """Mine labels one after the other.

    Arguments:
        folder: Of a run that was begun.
        collection: Its pictures.
        labels: To mine; those that have a result are not done again.
        device: Where to multiply.
        show_progress: Show bars on standard error.

    Returns:
        Lines for people, while the work goes on.

    Raises:
        DataError: If there is no such label, or too few pictures.
        RunError: If another process writes to the folder, or it is damaged.
    """
    unknown = [label for label in labels if label not in collection.labels]
    if unknown or not labels:
        what = f"no label {unknown[0]!r}" if unknown else "no label was given"
        raise DataError(
            f"{collection.root}: {what}. Give --label with one of {', '.join(collection.labels)}."
        )
    store = open_store(folder, collection)
    place = choose_device(device)
    with folder.locked():
        made = store.build(show_progress)
        spent = store.spent("seconds")
        yield f"descriptors: {made} of {store.pieces} pieces made, {spent:.0f} s in all"
        for problem in store.problems():
            yield f"set aside: {problem}"
        for label in labels:
            number = collection.labels.index(label)
            found = folder.read_clusters(number)
            if found is not None:
                yield f"{label}: done before, in {found.minutes:.1f} minutes"
                continue
            found = mine_label(folder, store, label, place, show_progress)
            path = folder.write_clusters(number, found)
            first = found.clusters[0].share if found.clusters else 0.0
            yield (
                f"{label}: {len(found.clusters)} clusters, the best with {100 * first:.0f} % "
                f"of its matches inside, {found.minutes:.1f} minutes: {path}"
            )


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
    """
    options = store.options
    number = folder.about().labels.index(label)
    where = folder.label(number)
    inside = np.array([label in picture.labels for picture in store.pictures])
    usable = store.shapes[:, 0] > 0
    subset = deal(inside, usable, options.rounds, options.seed)  # complains before the work
    seconds = {"descriptors": store.spent("seconds")}
    busy = {"descriptors": store.spent("processor_seconds")}

    def stage(name: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """The tensors of a stage, made or read."""
        path = where / f"{name}.safetensors"
        if not path.exists():
            clock = Clock()
            tensors = make()
            save_tensors(path, tensors, {**clock.spent(), "label": label})
        tensors, about = load_tensors(path)
        if about.get("label") != label:
            raise RunError(f"{path}: of another label. Delete {where} and run again.")
        kind = name.partition("/")[0]
        for spent, name in ((seconds, "seconds"), (busy, "processor_seconds")):
            spent[kind] = spent.get(kind, 0.0) + float(about[name])
        return tensors

    def look(weights: Tensor, pictures: NDArray[np.int64], top: int, what: str) -> Matches:
        return search(
            weights, store, pictures, top, device=device, title=f"{label}: {what}",
            show_progress=show_progress,
        )  # fmt: skip

    everything = np.flatnonzero(usable)

    def drawn() -> dict[str, Tensor]:
        picture, place = draw_candidates(store, np.flatnonzero(inside), show_progress)
        return {"picture": torch.from_numpy(picture), "place": torch.from_numpy(place)}

    candidates = {k: v.numpy() for k, v in stage("candidates", drawn).items()}
    parts = []
    count = len(candidates["picture"])
    for start in range(0, count, options.chunk):
        some = {k: v[start : start + options.chunk] for k, v in candidates.items()}

        def sought(some: dict[str, Any] = some, title: str = f"{start} of {count}") -> Any:
            templates = store.descriptors(some["picture"], some["place"])
            found = look(templates, everything, options.seed_matches + 1, f"candidates {title}")
            found = without_own(found, some["picture"])
            return {name: torch.from_numpy(value) for name, value in vars(found).items()}

        kept = stage(f"seeds/{start:06d}", sought)
        parts.append(Matches(**{name: value.numpy() for name, value in kept.items()}))
    matches = joined(parts)
    shares = label_shares(matches, inside, options.seed_top)

    def selected() -> dict[str, Tensor]:
        return {"chosen": torch.from_numpy(select_seeds(matches, shares, store))}

    chosen = stage("selected", selected)["chosen"].numpy()
    seeds = candidates["picture"][chosen], candidates["place"][chosen]
    weights = store.descriptors(*seeds)
    detectors: dict[str, Tensor] = {}
    for turn in range(options.rounds):

        def trained(weights: Tensor = weights, turn: int = turn) -> dict[str, Tensor]:
            here = subset == turn
            own, others = np.flatnonzero(here & inside), np.flatnonzero(here & ~inside)
            title = f"{label}: round {turn + 1}"
            made = train_round(
                weights, store, own, others, device=device, title=title,
                show_progress=show_progress,
            )  # fmt: skip
            return made.as_tensors()

        detectors = stage(f"round-{turn + 1}", trained)
        weights = detectors["weights"]

    clock = Clock()
    final = look(weights, everything, options.matches, "ranking")
    ranking = label_shares(final, inside, options.matches)
    # of equal shares, the detector whose matches are further inside comes first
    firmness = np.where(final.picture >= 0, final.score, 0).mean(1) + detectors["bias"].numpy()
    best = np.lexsort((-firmness, -ranking))[: options.keep]
    kept_weights = weights[torch.from_numpy(best)]
    members = look(kept_weights, np.flatnonzero(inside & usable), options.members, "members")
    unseen = everything[subset[everything] != options.rounds - 1]
    fresh = look(kept_weights, unseen, options.matches, "unseen") if len(unseen) else None
    fresh_shares = label_shares(fresh, inside, options.matches) if fresh else None
    clusters = tuple(
        PatchCluster(
            rank,
            float(ranking[one]),
            None if fresh_shares is None else float(fresh_shares[rank]),
            _member(store, int(seeds[0][one]), int(seeds[1][one]), 1.0),
            tuple(
                _member(store, p, at, score + float(detectors["bias"][one]))
                for p, at, score in zip(
                    members.picture[rank].tolist(),
                    members.place[rank].tolist(),
                    members.score[rank].tolist(),
                    strict=True,
                )
                if p >= 0
            ),
            int(detectors["inside"][one]),
        )
        for rank, one in enumerate(best.tolist())
    )
    seconds["ranking"], busy["ranking"] = clock.spent().values()
    return LabelClusters(label, int(inside.sum()), count, len(chosen), seconds, busy, clusters)


def _member(store: CellStore, picture: int, place: int, score: float) -> Member:
    """A patch with its box in the original picture."""
    one = store.pictures[picture]
    scaling = Scaling.of(one, short_side(one, store.options), store.options.cell)
    box = scaling.to_original(store.box(picture, place))
    return Member(one.id, box.left, box.top, box.width, box.height, score)
