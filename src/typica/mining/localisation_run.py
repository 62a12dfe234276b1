"""Comparing a run with boxes from end to end (section 4.5.3): score, measure, show.

Only pictures with boxes of a label of theirs are scored, each label alone, by default over the
whole range of times as in the paper's X-rays. These maps lie in a folder of their own in the run,
named after all that decides them, so that the maps of the mining stay as they are, another choice
lies beside the first, and what was scored once is not scored again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunError
from ..files import write_json, write_text
from ..hardware import choose_device, tune_process
from ..images.picture import Picture, PictureCollection
from ..images.sizes import working_size
from .bases import SMALL, load_denoiser
from .boxes import Boxes, BoxRow, fit_boxes
from .config import TypicalityConfig
from .denoiser import Denoiser
from .finetune_state import checkpoint_denoiser
from .folder import MiningAbout, MiningFolder, ModelName
from .localisation import Reading, localise
from .localisation_options import LocalisationOptions
from .localisation_values import Comparison, Judged, rows_as_csv
from .maps import PictureMaps, maps_settings, read_maps
from .opening import OpenRun
from .run import load_model
from .score_settings import score_settings
from .scoring import score

__all__ = ["Localised", "chosen_pictures", "localise_run", "scoring_options"]

_TITLES = {"finetuned": "fine-tuned", "base": "before fine-tuning"}
_UNTRAINED = (
    "small before fine-tuning is untrained and tells no label from none: its T is exactly 0 "
    "everywhere, so it stands at chance, and its AUC-PR is 0"
)


@dataclass(frozen=True)
class Localised:
    """What a comparison found and wrote.

    Arguments:
        comparison: The figures.
        files: `json`, `csv`, `page`, `figure`, and the folder `overlays`.
        maps: The folder of the maps of every model that was asked.
    """

    comparison: Comparison
    files: dict[str, Path]
    maps: dict[str, Path]


@dataclass(frozen=True)
class _Subject:
    """A model that is compared: its name, and how to go through its maps."""

    name: str
    title: str
    maps: Callable[[], Iterator[PictureMaps]]
    settings: dict[str, Any]
    readings: tuple[Reading, ...]
    folder: Path | None = None


def scoring_options(given: TypicalityConfig, options: LocalisationOptions) -> TypicalityConfig:
    """How pictures are scored for the comparison: as in the run, but for what is asked for.

    Arguments:
        given: Of the run.
        options: Times, draws, labels.
    """
    draws = given.draws if options.draws is None else options.draws
    least = 2 if given.noise == "balanced" else 1  # balanced draws have an even number of groups
    counts = range(least, min(given.groups, draws) + 1, least)
    groups = max((count for count in counts if draws % count == 0), default=given.groups)
    if groups == 1:  # a prime number of draws: each is a group of its own
        groups = min(draws, 100)
        draws -= draws % groups
    return replace(
        given,
        t_min=options.t_min,
        t_max=options.t_max,
        draws=draws,
        groups=groups,
        adaptive=None,  # average precision is over all pixels: all pictures count alike
        surrogate=None,  # of so few pictures, teaching one would take longer than it saves
        labels="all" if options.all_labels else "own",
    )


def chosen_pictures(
    collection: PictureCollection, boxes: Boxes, options: LocalisationOptions
) -> PictureCollection:
    """The pictures that are compared: with boxes, of the split, evenly spread if limited.

    Arguments:
        collection: All pictures.
        boxes: Of pictures and their own labels.
        options: Split and limit.

    Raises:
        RunError: If no picture is left.
    """
    by_label: dict[str, list[Picture]] = {}
    for picture in collection:
        if options.split in ("any", picture.split):
            for label in picture.labels:
                if (picture.id, label) in boxes:
                    by_label.setdefault(label, []).append(picture)
    wanted: set[str] = set()
    for found in by_label.values():
        count = len(found) if options.pictures is None else min(options.pictures, len(found))
        places = np.linspace(0, len(found) - 1, count).round().astype(int)
        wanted |= {found[place].id for place in places}
    if not wanted:
        raise RunError(
            f"no picture with boxes is in split {options.split}. Give --split any, or boxes of it."
        )
    return collection.where(lambda picture: picture.id in wanted)


def localise_run(
    run: OpenRun,
    rows: list[BoxRow],
    out: Path,
    *,
    models: tuple[ModelName, ...] = ("finetuned",),
    before: Path | None = None,
    options: LocalisationOptions | None = None,
    device: str = "auto",
    show_progress: bool = True,
) -> Localised:
    """Score what is boxed, compare, and write figures, overlays and a page.

    Arguments:
        run: From `open_run`.
        rows: The boxes, as read.
        out: Folder for the results.
        models: Which of the run's models; the first is the one that counts.
        before: Another run of the same labels, whose model is compared with: the fine-tuned one,
            or what its checkpoint holds if there is none yet.
        options: How.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show bars on standard error.

    Returns:
        The figures, and the files written.

    Raises:
        DataError: If no box belongs to a picture and its label, or one lies outside.
        RunError: If a model or its maps are missing, or `before` is of other pictures.
    """
    from .localisation_page import show

    options = options or LocalisationOptions()
    tune_process()
    fitted = fit_boxes(rows, run.collection)
    chosen = chosen_pictures(run.collection, fitted.boxes, options)
    ids = {picture.id for picture in chosen}
    boxes = {key: value for key, value in fitted.boxes.items() if key[0] in ids}
    notes = fitted.notes()
    if "base" in models and run.about.base == SMALL:
        notes.append(_UNTRAINED)
    subjects = []
    with run.folder.locked():
        for model in models:
            subjects.append(_subject(run, chosen, model, options, device, show_progress))
        if before is not None:
            subjects.append(_other(run, before, chosen, options, device, show_progress))
    judged = []
    for subject in subjects:
        found = {
            reading: localise(subject.maps(), chosen, boxes, reading=reading, seed=options.seed)
            for reading in subject.readings
        }
        judged.append(Judged(subject.name, subject.title, subject.settings, found))
    missing = len(boxes) - len(judged[0].main.pictures)
    if missing:
        notes.append(f"{missing} pictures with boxes could not be read, and are left out")
    comparison = Comparison(
        str(run.about.data.get("name", "")), tuple(judged), fitted, options, tuple(notes)
    )
    files = {"json": out / "localisation.json", "csv": out / "pictures.csv"}
    write_json(files["json"], comparison.as_dict())
    write_text(files["csv"], rows_as_csv(judged))
    maps = {one.name: one.maps for one in subjects}
    files |= show(run, comparison, chosen, boxes, maps, out, show_progress)
    folders = {one.name: one.folder for one in subjects if one.folder is not None}
    return Localised(comparison, files, folders)


def _readings(maps: Iterator[PictureMaps], labels: object) -> tuple[Reading, ...]:
    """What can be made of maps; those of former versions have no `information`."""
    first = next(maps, None)
    others: tuple[Reading, ...] = ("others",) if labels == "all" else ()
    matters: tuple[Reading, ...] = ()
    if first is not None and first.information is not None:
        matters = ("information",)
    return ("typicality", *others, "influence", *matters, "null", "centre")


def _told(settings: dict[str, Any]) -> dict[str, Any]:
    """What a reader should know of maps."""
    return {name: settings[name] for name in ("t_min", "t_max", "draws", "labels", "prompt")}


def _subject(
    run: OpenRun,
    chosen: PictureCollection,
    model: ModelName,
    options: LocalisationOptions,
    device: str,
    show_progress: bool,
) -> _Subject:
    """One of the models of the run."""
    if model == "base" and run.about.base == SMALL:
        return _untrained(run, chosen, options)
    if options.run_maps:
        folder = run.folder.maps(model)
        settings = maps_settings(folder)
        ids = {picture.id for picture in chosen}

        def maps() -> Iterator[PictureMaps]:
            return (one for one in read_maps(folder) if one.id in ids)

        readings = _readings(maps(), settings["labels"])
        return _Subject(model, _TITLES[model], maps, _told(settings), readings)
    denoiser = load_model(run, model, device)
    return _scored(run, run.about, denoiser, chosen, model, _TITLES[model], options, show_progress)


def _untrained(run: OpenRun, chosen: PictureCollection, options: LocalisationOptions) -> _Subject:
    """`small` before training: its last layer is zero, so it is not asked."""
    config = run.about.config
    given = scoring_options(config.typicality, options)
    factor = run.about.factor

    def maps() -> Iterator[PictureMaps]:
        for index, one in enumerate(chosen):
            width, height = working_size(one.width, one.height, config.size, factor)
            grid = (height // factor, width // factor)
            nothing = np.zeros((len(one.labels), *grid), np.float32)
            groups = np.zeros((len(one.labels), 2, *grid), np.float32)
            yield PictureMaps(
                index, one.id, one.labels, nothing, groups, nothing[0], 3 * factor * factor
            )

    prompt = [run.about.prompt.label, run.about.prompt.null]
    settings = {"t_min": given.t_min, "t_max": given.t_max, "draws": 0, "labels": "own"}
    return _Subject("base", _TITLES["base"], maps, settings | {"prompt": prompt}, ("typicality",))


def _other(
    run: OpenRun,
    before: Path,
    chosen: PictureCollection,
    options: LocalisationOptions,
    device: str,
    show_progress: bool,
) -> _Subject:
    """The model of another run, finished or as far as its checkpoint, on these pictures."""
    folder = MiningFolder(before)
    about = folder.about()
    unknown = sorted(set(chosen.labels) - set(about.labels))
    if unknown:
        raise RunError(f"{before}: its model does not know {unknown[0]!r}. Give a run with it.")
    where = choose_device(device)
    if folder.denoiser.is_dir() or not folder.checkpoint.exists():
        denoiser = load_denoiser(folder.denoiser, about, where)
    else:
        denoiser = checkpoint_denoiser(folder, about, where)
    title = f"the model of {before.name}"
    return _scored(run, about, denoiser, chosen, "before", title, options, show_progress)


def _scored(
    run: OpenRun,
    about: MiningAbout,
    denoiser: Denoiser,
    chosen: PictureCollection,
    name: str,
    title: str,
    options: LocalisationOptions,
    show_progress: bool,
) -> _Subject:
    """Maps of the chosen pictures, scored if they are not there yet."""
    config = replace(about.config, typicality=scoring_options(about.config.typicality, options))
    about = replace(about, config=config)
    bfloat16 = config.typicality.bfloat16
    settings = score_settings(denoiser, chosen, about, bfloat16)
    key = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=5).hexdigest()
    folder = run.folder.localisation / "maps" / f"{name}-{key}"
    score(denoiser, chosen, about, folder, bfloat16=bfloat16, show_progress=show_progress)
    return _Subject(
        name,
        title,
        lambda: read_maps(folder),
        _told(settings),
        _readings(read_maps(folder), config.typicality.labels),
        folder,
    )
