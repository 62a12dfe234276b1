"""The job of `typica palaeography adapt`: from a reference and lines to prototypes of every group.

What it leaves in its folder:

    config.json               options, groups, the reference (its digest)
    groups.json               the lines of every group
    scenes-*.safetensors      the lines taken apart by the reference
    groups/N.safetensors      the difference of one group to the reference, and how it went
    occurrences.safetensors   every placed glyph on the grid of its sprite
    prototypes.safetensors    the prototypes of the groups of the last level
    FIELD.safetensors         those of every level above
    problems.json             lines that were set aside

A group that is done is not done again, and a group is a function of the options alone, so a job
that was stopped at any instant ends with the same files.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..engines.engine import DEFAULT, Engine
from ..errors import DataError, RunError
from ..files import write_json
from ..hardware import tune_process
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..runs import Run, load_tensors
from ..typewriter.model import Typewriter
from ..typewriter.storage import TypewriterAbout, load_typewriter
from .adaptation import apply_difference
from .drawing import draw_prototypes
from .group_jobs import adapt_groups, group_file
from .groups import Group, Table, find_groups, save_groups
from .occurrences import Occurrences, take_occurrences
from .options import AdaptOptions
from .scene_file import load_occurrences, load_scenes, save_occurrences, save_scenes
from .scenes import Scene, take_scenes

__all__ = ["AdaptResult", "adapt", "load_adapted"]


@dataclass(frozen=True)
class AdaptResult:
    """How the job ended.

    Arguments:
        folder: Where everything is.
        groups: The groups, coarse levels first.
        done: How many of them are adapted.
        left: How many a signal has left undone, of those of this shard.
        minutes: Time spent on adapting, over all groups (processes run side by side).
        without_field: Lines that lack one of the fields and were left out.
        few: Of every group of the last level the letters with too few occurrences.
    """

    folder: Path
    groups: tuple[Group, ...]
    done: int
    left: int
    minutes: float
    without_field: int
    few: dict[str, tuple[str, ...]]

    @property
    def finished(self) -> bool:
        """Whether the prototypes are there."""
        prototypes = self.folder / "prototypes.safetensors"
        return self.done == len(self.groups) and prototypes.exists()

    def summary(self) -> list[str]:
        """Lines for a terminal."""
        last = [g for g in self.groups if g.field == self.groups[-1].field]
        rows = [f"{self.done} of {len(self.groups)} groups adapted, {self.minutes:.1f} minutes"]
        if self.without_field:
            rows.append(f"{self.without_field} lines lack a field of --by and were left out")
        for group in last:
            marked = self.few.get(group.name, ())
            if marked:
                shown = " ".join(marked[:20]) + (" ..." if len(marked) > 20 else "")
                rows.append(f"  {group.name}: few occurrences of {len(marked)} letters: {shown}")
        if self.finished:
            rows.append(f"prototypes: {self.folder / 'prototypes.safetensors'}")
        elif not self.left:
            rows.append("when all shards are done: the same command with --resume, without --shard")
        else:
            rows.append("stopped: the same command with --resume goes on")
        return rows


def _record(
    reference: Path,
    about: TypewriterAbout,
    collection: LineCollection,
    levels: tuple[str, ...],
    groups: list[Group],
    options: AdaptOptions,
) -> dict[str, Any]:
    """What a job is of, as `_begin` compares it and the page tells it."""
    model_file = Run(reference).model if reference.is_dir() else reference
    return {
        "kind": "palaeography",
        "options": asdict(options),
        "reference": str(reference.resolve()),
        "reference_digest": _file_digest(model_file),
        "reference_training": {
            name: about.training.get(name) for name in ("minutes", "steps", "hardware")
        },
        "data": collection.root.name,
        "data_digest": collection.digest(),
        "levels": list(levels),
        "groups": [asdict(group) | {"lines": len(group.lines)} for group in groups],
        "groups_digest": _digest([[g.name, g.field, g.family, list(g.lines)] for g in groups]),
    }


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def adapt(
    reference: Path,
    collection: LineCollection,
    out: Path,
    levels: tuple[str, ...] = ("document",),
    options: AdaptOptions | None = None,
    *,
    table: Table | None = None,
    families: str | None = None,
    engine: Engine = DEFAULT,
    resume: bool = False,
    progress: bool = True,
) -> AdaptResult:
    """Adapt a reference typewriter to every group of lines and draw their prototypes.

    Arguments:
        reference: The run folder of a trained typewriter.
        collection: The lines.
        out: Folder to make.
        levels: Fields by which the lines are grouped, from coarse to fine.
        options: What learns and how long.
        table: Fields of documents that the data itself does not have.
        families: A field that names families of the groups of the first level, for comparison.
        engine: Where groups are adapted to, one process per core if it names no number; a shard
            leaves the rest, and the prototypes, to the others and to the same job without it.
        resume: Go on with what is in `out`; shards always do.
        progress: Show progress bars on standard error.

    Raises:
        ConfigError: If a field does not exist.
        DataError: If no line is left.
        RunError: If `out` holds another job, or the reference is not trained.
    """
    tune_process()
    options = options or AdaptOptions()
    if options.splits == "train":
        collection = collection.part("train")
    groups, without = find_groups(collection, levels, table, families)
    if not groups:
        raise DataError(f"{collection.root}: no line has all fields of --by")
    model, about = load_typewriter(reference)
    run = Run(Path(out))
    record = _record(Path(reference), about, collection, levels, groups, options)
    # shards write different groups, so only whole jobs hold the folder
    with run.locked() if engine.whole else nullcontext():
        _begin(run, record, resume or not engine.whole)
        save_groups(run.folder / "groups.json", groups, [line.id for line in collection])
        with LineCache(collection, model.config.height, run.folder / "cache") as cache:
            if len(cache) < len(collection):
                broken = len(collection) - len(cache)
                raise DataError(
                    f"{collection.root}: {broken} pictures cannot be read, the first: "
                    f"{cache.collection.problems[-1]}. `typica lines check` lists them; mend or "
                    "remove them first, so that groups stay what they are."
                )
            scenes = _scenes(run.folder, model, about, cache, options, record, progress)
            done, left, seconds = len(groups), 0, 0.0
            if options.what != "nothing":
                done, left, seconds = adapt_groups(
                    Path(reference), collection, run.folder, groups, options, engine, progress
                )
            if done < len(groups) or not engine.whole:
                minutes = seconds / 60
                return AdaptResult(run.folder, tuple(groups), done, left, minutes, len(without), {})
            occurrences = _occurrences(run.folder, model, cache, scenes, progress)
            few = draw_prototypes(
                run.folder, record, model, groups, options, occurrences, cache.__getitem__
            )
        write_json(
            run.folder / "problems.json",
            {"lines_without_field": [collection.lines[n].id for n in without], "few": few},
        )
    return AdaptResult(run.folder, tuple(groups), done, 0, seconds / 60, len(without), few)


def _begin(run: Run, record: dict[str, Any], resume: bool) -> None:
    """Take the folder for this job, or refuse."""
    if not run.config.exists():
        run.write_config(record)
        return
    if not resume:
        raise RunError(
            f"{run.folder}: holds a run already. Give --resume to go on with it, or another --out."
        )
    kept = run.read_config()
    for name in ("kind", "options", "reference_digest", "data_digest", "groups_digest"):
        if kept.get(name) != record[name]:
            raise RunError(
                f"{run.folder}: was begun with another {name.removesuffix('_digest')}. Give the "
                "same command as then, or another --out."
            )


def _scenes(
    folder: Path,
    model: Typewriter,
    about: TypewriterAbout,
    cache: LineCache,
    options: AdaptOptions,
    record: dict[str, Any],
    progress: bool,
) -> list[Scene]:
    """The lines taken apart by the reference: from the folder, if they are there."""
    path = folder / "scenes.safetensors"
    mark = _digest(record["reference_digest"], record["data_digest"], options.follow_text)
    if path.exists():
        kept, found = load_scenes(path)
        if found == mark and len(kept) == len(cache):
            return kept
    scenes = take_scenes(
        model,
        about,
        cache,
        follow_text=options.follow_text,
        keep_features=options.what == "generator+background",
        progress=progress,
    )
    save_scenes(path, scenes, mark)
    return scenes


def _occurrences(
    folder: Path, model: Typewriter, cache: LineCache, scenes: list[Scene], progress: bool
) -> Occurrences:
    path = folder / "occurrences.safetensors"
    if path.exists():
        return load_occurrences(path)[0]
    found = take_occurrences(model, cache, scenes, progress=progress)
    save_occurrences(path, found, [line.id for line in cache.collection])
    return found


def load_adapted(folder: Path, group: str) -> Typewriter:
    """The typewriter of one group: the reference with the group's difference.

    Arguments:
        folder: That of `typica palaeography adapt`.
        group: Its name.

    Raises:
        RunError: If there is no such group, or the reference is gone or has changed.
    """
    record = Run(folder).read_config()
    reference = Path(record["reference"])
    file = Run(reference).model if reference.is_dir() else reference
    if not file.exists():
        raise RunError(
            f"{folder}: the reference {reference} is not there any more. Put it back, or adapt "
            "again."
        )
    if _file_digest(file) != record["reference_digest"]:
        raise RunError(f"{reference}: has changed since {folder} was made. Adapt again.")
    if record["options"]["what"] == "nothing":
        raise RunError(f"{folder}: nothing was adapted there (what=nothing)")
    names = [one["name"] for one in record["groups"]]
    if group not in names:
        raise RunError(f"{folder}: no group {group!r}; there are {', '.join(names)}")
    difference, _ = load_tensors(group_file(folder, names.index(group)))
    return apply_difference(load_typewriter(reference)[0], difference).eval()
