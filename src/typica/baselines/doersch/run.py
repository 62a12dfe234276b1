"""The whole job: descriptors once, then for every label seeds, detectors, clusters.

What is whole is not done again; a label that was cut short goes on after its last stage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from ... import __version__
from ...errors import DataError, RunError
from ...hardware import choose_device, describe
from ...images.collection import digest, read_pictures
from ...images.options import PictureOptions
from ...images.picture import PictureCollection
from ...reports.wording import flat
from ...runs import require_outside
from .folder import DoerschAbout, DoerschFolder
from .label_run import mine_label
from .options import DoerschOptions
from .store import CellStore

__all__ = ["begin_doersch", "open_store", "run_doersch"]


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
