"""Adapting to many groups, each a piece of one job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..engines.engine import Engine
from ..engines.pieces import run_pieces
from ..engines.worker import Function, Piece, Report
from ..errors import RunError, damage
from ..hardware import cores, describe
from ..interrupts import interruptible
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..runs import load_tensors, save_tensors
from ..typewriter.storage import load_typewriter
from .adaptation import adapt_group
from .groups import Group
from .options import AdaptOptions
from .scene_file import load_scenes

__all__ = ["adapt_groups", "group_file"]


def group_file(folder: Path, number: int) -> Path:
    """The file of one group's difference to the reference."""
    return folder / "groups" / f"{number}.safetensors"


@dataclass(frozen=True)
class _Adapting:
    """Adapting to groups as the work of any process."""

    reference: Path
    collection: LineCollection
    folder: Path
    options: AdaptOptions

    def open(self) -> Function:
        """Load the reference, the lines, and how it took them apart."""
        model, about = load_typewriter(self.reference)
        cache = LineCache(self.collection, model.config.height, self.folder / "cache")
        number = {symbol: i for i, symbol in enumerate(about.symbols)}
        scenes = load_scenes(self.folder / "scenes.safetensors")[0]
        targets = [
            [number[letter] for letter in line.letters if letter in number]
            for line in cache.collection
        ]

        def adapt_one(given: tuple[int, Group, Path | None], report: Report) -> float:
            """Adapt to one group, write its file, and give the seconds that it took."""
            began, worked = time.perf_counter(), time.process_time()
            place, group, start = given
            found = adapt_group(
                model,
                about.paper,
                [np.asarray(cache[i]) for i in group.lines],
                [scenes[i] for i in group.lines],
                [targets[i] for i in group.lines],
                self.options,
                None if start is None else load_tensors(start)[0],
            )
            seconds = time.perf_counter() - began
            told = {
                "kind": "adapted",
                "group": group.name,
                "field": group.field,
                "family": group.family,
                "lines": len(group.lines),
                "before": found.before,
                "after": found.after,
                "losses": [round(loss, 7) for loss in found.losses],
                "seconds": round(seconds, 2),
                # what it would have taken if nothing else had used the cores
                "processor_seconds": round(time.process_time() - worked, 2),
                "hardware": describe(torch.device("cpu")),
            }
            save_tensors(group_file(self.folder, place), found.difference, told)
            return seconds

        return adapt_one


def _seconds(path: Path) -> float | None:
    """How long a finished group took; None if it is not there or damaged."""
    try:
        return float(load_tensors(path)[1]["seconds"])
    except damage(RunError):
        return None


def adapt_groups(
    reference: Path,
    collection: LineCollection,
    folder: Path,
    groups: list[Group],
    options: AdaptOptions,
    engine: Engine,
    progress: bool,
) -> tuple[int, int, float]:
    """Adapt to the groups that are not done yet.

    Arguments:
        reference: The run folder of the reference.
        collection: The lines.
        folder: That of the job; it holds the scenes.
        groups: Coarse levels first.
        options: What learns and how long.
        engine: Where; a shard does every n-th group of each level.
        progress: Show progress on standard error.

    Returns:
        How many are done, how many of this shard are left because of a signal, and the seconds
        that all those took which are done.

    Raises:
        RunError: If a group starts from one that another shard has not done yet.
    """
    known = [_seconds(group_file(folder, number)) for number in range(len(groups))]
    if engine.name == "local" and engine.workers is None:
        engine = replace(engine, workers=cores())
    work = _Adapting(reference, collection, folder, options)
    left = 0
    with interruptible() as signals:
        for field in dict.fromkeys(group.field for group in groups):
            level = [number for number, group in enumerate(groups) if group.field == field]
            missing = [number for number in engine.own(level) if known[number] is None]
            left += len(missing)
            if signals:
                continue
            # the longest first, so that no process is left alone with it at the end
            missing.sort(key=lambda number: -len(groups[number].lines))
            pieces = [
                Piece(groups[n].name, 1, (n, groups[n], _start(folder, groups, n, options)))
                for n in missing
            ]
            for piece, seconds in run_pieces(
                work,
                pieces,
                engine,
                title=f"adapting, by {field}",
                unit="groups",
                before=len(engine.own(level)) - len(missing),
                signals=signals,
                show_progress=progress,
            ):
                known[piece.given[0]] = seconds
                left -= 1
    took = [one for one in known if one is not None]
    return len(took), left, float(sum(took))


def _start(
    folder: Path, groups: Sequence[Group], number: int, options: AdaptOptions
) -> Path | None:
    """The file of the group of the level above, if that is where a group starts."""
    if options.start == "reference" or not groups[number].family:
        return None
    for other in range(number):
        if groups[other].name == groups[number].family:
            return _there(group_file(folder, other), groups[other])
    return None


def _there(path: Path, group: Group) -> Path:
    if not path.exists():
        raise RunError(
            f"{path}: {group.name} is not adapted to yet, and a group of this shard starts from "
            "it. Run all shards once more when they have ended."
        )
    return path
