"""Adapting to many groups, several side by side, each in a process with one thread."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ..errors import DAMAGE, RunError
from ..hardware import describe, tune_process
from ..interrupts import interruptible
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..runs import load_tensors, save_tensors
from ..typewriter.storage import load_typewriter
from .adaptation import Difference, adapt_group
from .groups import Group
from .options import AdaptOptions
from .scene_file import load_scenes

__all__ = ["adapt_groups", "group_file"]


def group_file(folder: Path, number: int) -> Path:
    """The file of one group's difference to the reference."""
    return folder / "groups" / f"{number}.safetensors"


_worker: dict[str, Any] = {}
"""What every group needs, loaded once in each process."""


def _start_worker(
    reference: Path, collection: LineCollection, folder: Path, options: AdaptOptions
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    torch.set_num_threads(1)
    tune_process()
    _prepare(reference, collection, folder, options)


def _prepare(
    reference: Path, collection: LineCollection, folder: Path, options: AdaptOptions
) -> None:
    model, about = load_typewriter(reference)
    cache = LineCache(collection, model.config.height, folder / "cache")
    number = {symbol: i for i, symbol in enumerate(about.symbols)}
    _worker.update(
        model=model,
        about=about,
        cache=cache,
        scenes=load_scenes(folder / "scenes.safetensors")[0],
        targets=[
            [number[letter] for letter in line.letters if letter in number]
            for line in cache.collection
        ],
        options=options,
        folder=folder,
    )


def _adapt_one(number: int, group: Group, start: Path | None) -> float:
    """Adapt to one group, write its file, and give the seconds that it took."""
    began, worked = time.perf_counter(), time.process_time()
    cache, options = _worker["cache"], _worker["options"]
    first: Difference | None = None if start is None else load_tensors(start)[0]
    found = adapt_group(
        _worker["model"],
        _worker["about"].paper,
        [np.asarray(cache[i]) for i in group.lines],
        [_worker["scenes"][i] for i in group.lines],
        [_worker["targets"][i] for i in group.lines],
        options,
        first,
    )
    seconds = time.perf_counter() - began
    about = {
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
    save_tensors(group_file(_worker["folder"], number), found.difference, about)
    return seconds


def _seconds(path: Path) -> float | None:
    """How long a finished group took; None if it is not there or damaged."""
    try:
        return float(load_tensors(path)[1]["seconds"])
    except (*DAMAGE, RunError):
        return None


def adapt_groups(
    reference: Path,
    collection: LineCollection,
    folder: Path,
    groups: list[Group],
    options: AdaptOptions,
    jobs: int | None,
    progress: bool,
) -> tuple[int, float]:
    """Adapt to the groups that are not done yet.

    Arguments:
        reference: The run folder of the reference.
        collection: The lines.
        folder: That of the job; it holds the scenes.
        groups: Coarse levels first.
        options: What learns and how long.
        jobs: Groups at a time; by default one per core.
        progress: Show a progress bar on standard error.

    Returns:
        How many are done, and the seconds that all of them took.
    """
    known = [_seconds(group_file(folder, number)) for number in range(len(groups))]
    if jobs is None:
        jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    bar = tqdm(total=len(groups), unit="group", disable=not progress, desc="adapting")
    bar.update(sum(one is not None for one in known))
    with interruptible() as signals:
        for field in dict.fromkeys(group.field for group in groups):
            missing = [
                number
                for number, group in enumerate(groups)
                if group.field == field and known[number] is None
            ]
            # the longest first, so that no process is left alone with it at the end
            missing.sort(key=lambda number: -len(groups[number].lines))
            starts = {number: _start(folder, groups, number, options) for number in missing}
            made = (reference, collection, folder, options)
            for number, seconds in _run_groups(groups, missing, starts, jobs, made, signals):
                known[number] = seconds
                bar.update(1)
            if signals:
                break
    bar.close()
    took = [one for one in known if one is not None]
    return len(took), float(sum(took))


def _start(folder: Path, groups: list[Group], number: int, options: AdaptOptions) -> Path | None:
    """The file of the group of the level above, if that is where a group starts."""
    if options.start == "reference" or not groups[number].family:
        return None
    for other in range(number):
        if groups[other].name == groups[number].family:
            return group_file(folder, other)
    return None


def _run_groups(
    groups: list[Group],
    missing: list[int],
    starts: dict[int, Path | None],
    jobs: int,
    made: tuple[Path, LineCollection, Path, AdaptOptions],
    signals: list[int],
) -> Iterator[tuple[int, float]]:
    """Adapt to some groups side by side; yields each as it is done."""
    if min(jobs, len(missing)) <= 1:
        if missing:
            _prepare(*made)
        for number in missing:
            if signals:
                return
            yield number, _adapt_one(number, groups[number], starts[number])
        return
    with ProcessPoolExecutor(
        min(jobs, len(missing)), get_context("spawn"), _start_worker, made
    ) as pool:
        waiting: dict[Future[float], int] = {
            pool.submit(_adapt_one, number, groups[number], starts[number]): number
            for number in missing
        }
        while waiting:
            done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                number = waiting.pop(future)
                if not future.cancelled():
                    yield number, future.result()
            if signals:  # those under way are finished
                for future in list(waiting):
                    if future.cancel():
                        del waiting[future]
