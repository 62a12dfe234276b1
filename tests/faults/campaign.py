"""Killing jobs at random instants, going on, and comparing what is left in the end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .jobs import Job, Places
from .tree import differences, half_written, tree

__all__ = ["Campaign", "Reference"]

_MOST_IN_A_ROUND = 4


@dataclass(frozen=True)
class Reference:
    """A job that nobody disturbed: what it left, how long it took, its file operations."""

    files: dict[str, str]
    seconds: float
    events: int


@dataclass
class Campaign:
    """Kills of all jobs.

    Arguments:
        places: What the jobs need.
        folder: For the work; every round has a folder of its own, removed if nothing is wrong.
        seed: Decides the instants.
    """

    places: Places
    folder: Path
    seed: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    _references: dict[str, Reference] = field(default_factory=dict)

    def reference(self, job: Job) -> Reference:
        """What a job leaves that nobody disturbs."""
        if job.name not in self._references:
            work = self.folder / f"{job.name.replace(' ', '-')}-whole"
            out = self.places.begin(job, work)
            ended = self.places.server.run(
                *job.argv(self.places.place, out, False), watched=str(work)
            )
            assert ended.status == 0, f"{job.name}: {ended.said}"
            self._references[job.name] = Reference(tree(work), ended.seconds, ended.events)
            shutil.rmtree(work)
        return self._references[job.name]

    def round(self, job: Job, kills: int) -> list[str]:
        """Kill a job some times, let it end, and compare.

        Returns:
            What is wrong; empty if nothing is.
        """
        whole = self.reference(job)
        random = np.random.default_rng([self.seed, self.rounds])
        self.rounds += 1
        name = job.name.replace(" ", "-")
        work = self.folder / f"{name}-{self.rounds}"
        out = self.places.begin(job, work)
        wrong, instants = [], []
        for attempt in range(kills):
            order: dict[str, Any] = {"watched": str(work)}
            if whole.events and random.random() < 0.5:
                order["event"] = int(random.integers(whole.events))
            else:
                order["seconds"] = float(random.uniform(0, whole.seconds))
            ended = self.places.server.run(*job.argv(self.places.place, out, attempt > 0), **order)
            if ended.status == -9:
                instants.append({k: v for k, v in order.items() if k != "watched"})
                self.kills[job.name] = self.kills.get(job.name, 0) + 1
            elif ended.status != 0:
                wrong.append(f"ended with {ended.status}: {ended.said[-2000:]}")
            if ended.orphans:
                wrong.append("a process of it goes on")
            wrong += [f"half written after a kill: {one}" for one in half_written(work)]
        ended = self.places.server.run(*job.argv(self.places.place, out, bool(kills)))
        if ended.status != 0:
            wrong.append(f"does not go on ({ended.status}): {ended.said[-2000:]}")
        else:
            wrong += differences(tree(work), whole.files)
        if not wrong:
            shutil.rmtree(work)
        return [f"{job.name}, killed at {instants}: {one} ({work})" for one in wrong]

    def run(self, job: Job, kills: int) -> list[str]:
        """Rounds of a job until it was killed so many times; what is wrong.

        Some instants come after the end of a job that had not far to go: they do not count.
        """
        wrong: list[str] = []
        random = np.random.default_rng([self.seed, 1 << 20, len(self.kills)])
        for _ in range(4 * kills):
            left = kills - self.kills.get(job.name, 0)
            if left <= 0 or wrong:
                break
            wrong += self.round(job, min(int(random.integers(1, _MOST_IN_A_ROUND + 1)), left))
        return wrong
