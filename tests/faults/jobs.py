"""The jobs that are killed: small ones of every kind, as a person would type them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..helpers import TINY, tiny_lines
from ..mining_helpers import tiny_pictures
from .client import Server

__all__ = ["JOBS", "Job", "Places"]

MINING = (
    "size=16",
    "small.fold=2",
    "small.channels=[32,32]",
    "small.label_features=64",
    "clusters.starts=2",
    "clusters.stability_runs=2",
    "finetune.steps=8",
    "finetune.batch_size=4",
    "finetune.samples=0",
    "finetune.evaluations=3",
    "finetune.bfloat16=false",
    "finetune.ema=0.9",
    "typicality.draws=4",
    "typicality.groups=2",
    "typicality.piece=5",
    "elements.per_label=6",
    "elements.per_picture=2",
    "features.ensemble=1",
)


@dataclass(frozen=True)
class Job:
    """One command that leaves files.

    Arguments:
        name: For messages.
        start: Folder below the prepared one that is copied to be its run folder; None for none.
        command: From the prepared folder and the run folder to the command.
        resume: What is added to the command from the second time on.
        needs: A finished run folder that it reads.
    """

    name: str
    start: str | None
    command: Callable[[Path, Path], list[str]]
    resume: tuple[str, ...] = ()
    needs: str | None = None

    def argv(self, place: Path, out: Path, again: bool) -> list[str]:
        """The command, the first time or again."""
        return self.command(place, out) + (list(self.resume) if again else [])


def _sets(*changes: str) -> list[str]:
    return ["--set", *changes]


def _train(place: Path, out: Path) -> list[str]:
    return [
        "typewriter",
        "train",
        f"{place}/lines",
        "--out",
        f"{out}",
        *_sets(*TINY, "training.steps=18"),
    ]


def _unsupervised(place: Path, out: Path) -> list[str]:
    return [*_train(place, out), "sprites.count=5", "--unsupervised"]


def _mine(command: str, place: Path, out: Path) -> list[str]:
    return ["mine", command, f"{place}/pictures", "--out", f"{out}", *_sets(*MINING)]


def _adapt(place: Path, out: Path, workers: int) -> list[str]:
    given = ["palaeography", "adapt", f"{place}/typewriter", f"{place}/lines", "--out", f"{out}"]
    changes = ["--by", "script", "--workers", str(workers), *_sets("steps=8", "batch_size=4")]
    return given + changes


_BY_NEED = (
    "typicality.sampling=importance",
    "typicality.surrogate=20",
    "typicality.adaptive=4",
    "typicality.draws=16",
)

JOBS = (
    Job("typewriter train", None, _train, ("--resume",)),
    Job("typewriter train, no text", None, _unsupervised, ("--resume",)),
    Job("typewriter report", "typewriter", lambda place, out: ["typewriter", "report", f"{out}"]),
    Job("mine finetune", None, lambda place, out: _mine("finetune", place, out)),
    Job("mine score", "finetuned", lambda place, out: ["mine", "score", f"{out}"]),
    Job(
        "mine score by need, times by importance, with a surrogate",
        "finetuned by need",
        lambda place, out: ["mine", "score", f"{out}"],
    ),
    Job("mine select", "scored", lambda place, out: ["mine", "select", f"{out}"]),
    Job("mine report", "mined", lambda place, out: ["mine", "report", f"{out}"]),
    Job("mine run", None, lambda place, out: _mine("run", place, out)),
    Job(
        "palaeography adapt",
        None,
        lambda place, out: _adapt(place, out, 1),
        ("--resume",),
        "typewriter",
    ),
    Job(
        "palaeography adapt in processes",
        None,
        lambda place, out: _adapt(place, out, 2),
        ("--resume",),
        "typewriter",
    ),
)


class Places:
    """The data, and the run folders that jobs start from, each made when it is first needed.

    Arguments:
        server: Runs the commands.
        place: Folder for all of it.
    """

    def __init__(self, server: Server, place: Path) -> None:
        self.server, self.place = server, place
        tiny_lines(place)
        file = place / "lines" / "annotation.json"
        entries = json.loads(file.read_text())
        for number, entry in enumerate(entries.values()):
            entry["script"] = "one" if number % 3 else "two"
        file.write_text(json.dumps(entries))
        tiny_pictures(place / "pictures", count=6)

    def ready(self, name: str) -> Path:
        """A finished run folder: one of those that `JOBS` start from."""
        out = self.place / name
        if out.exists():
            return out
        if name == "typewriter":
            argv = _train(self.place, out)
        elif name == "finetuned":
            argv = _mine("finetune", self.place, out)
        elif name == "finetuned by need":
            argv = [*_mine("finetune", self.place, out), *_BY_NEED]
        else:
            before, step = {"scored": ("finetuned", "score"), "mined": ("scored", "select")}[name]
            shutil.copytree(self.ready(before), out)
            argv = ["mine", step, f"{out}"]
        ended = self.server.run(*argv)
        assert ended.status == 0, ended.said
        return out

    def begin(self, job: Job, work: Path) -> Path:
        """The run folder of a job, in a new folder, as it is before its first command."""
        work.mkdir(parents=True)
        out = work / "run"
        if job.needs:
            self.ready(job.needs)
        if job.start is not None:
            shutil.copytree(self.ready(job.start), out)
        return out
