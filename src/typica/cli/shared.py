"""What several commands need: how data is read, and how values are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from ..lines.collection import LineFormat, ReadingOptions
from ..lines.line import LineCollection
from ..lines.text import Normalization, TextOptions
from ..values import Problem

if TYPE_CHECKING:
    from ..engines.engine import Engine

__all__ = [
    "ON_THIS_MACHINE",
    "READ_AS_IS",
    "DataArgument",
    "DataOptions",
    "DataPath",
    "EngineArgument",
    "EngineOptions",
    "JobFolder",
    "MovedData",
    "ParallelFolder",
    "RunFolder",
    "as_json",
    "plain",
    "read_collection",
    "say_problems",
]


RunFolder = Annotated[Positional[Path], arg(metavar="RUN")]
JobFolder = Annotated[Positional[Path], arg(metavar="JOB")]
ParallelFolder = Annotated[Positional[Path], arg(metavar="PAR")]
DataPath = Annotated[Positional[Path], arg(metavar="DATA")]
MovedData = Annotated[Positional[Path | None], arg(metavar="[DATA]")]
"""Where pictures are now; None for where the run found them."""


@dataclass(frozen=True)
class DataOptions:
    """How a data set is read."""

    format: LineFormat = "auto"
    """What the data is; auto finds out."""
    normalization: Normalization = "NFC"
    """Unicode normal form of the transcriptions."""
    sep: str = ""
    """What stands between two symbols; empty for plain text."""
    space: str = " "
    """What stands for a word space."""
    replacements: Path | None = None
    """A replacement table (choco-mufin CSV)."""
    margin: float = 0.05
    """Widen line outlines on a page by this share of the line height."""
    document: str | None = None
    """Regular expression whose first group in a line's id is its document."""
    split_seed: int = 0
    """Deals the splits differently, where the data names none."""

    def options(self) -> ReadingOptions:
        text = TextOptions(self.normalization, self.sep, self.space, self.replacements)
        return ReadingOptions(
            text=text,
            format=self.format,
            margin=self.margin,
            document=self.document,
            seed=self.split_seed,
        )


DataArgument = Annotated[DataOptions, OmitArgPrefixes]
READ_AS_IS = DataOptions()


@dataclass(frozen=True)
class EngineOptions:
    """Where a job in pieces is worked on; it decides no result."""

    engine: Literal["local", "ray"] = "local"
    """local: this machine; ray: a Ray cluster, or Ray on this machine (the extra `ray`)."""
    workers: int | None = None
    """Processes at a time, which share the cores; each takes one GPU where there are any."""
    address: str | None = None
    """Of a Ray cluster: auto, or ray://HOST:10001."""
    shard: str = "0/1"
    """i/n does the i-th of n parts (from 0), for batch systems; the same command without it ends
    the job."""

    def chosen(self) -> Engine:
        from ..engines.engine import Engine, read_shard

        return Engine(self.engine, self.workers, self.address, read_shard(self.shard))


EngineArgument = Annotated[EngineOptions, OmitArgPrefixes]
ON_THIS_MACHINE = EngineOptions()


def say_problems(problems: Sequence[Problem], command: str) -> None:
    """Say on standard error what was set aside, the first ten in full."""
    for problem in problems[:10]:
        print(f"{'set aside' if problem.fatal else 'note'}: {problem}", file=sys.stderr)
    if len(problems) > 10:
        more = len(problems) - 10
        print(f"... and {more} more: `{command}` lists them", file=sys.stderr)


def read_collection(data: Path, options: ReadingOptions) -> LineCollection:
    """Read a collection and say on standard error what was set aside."""
    from ..lines.collection import read_lines

    collection = read_lines(data, options)
    say_problems(collection.problems, f"typica lines check {data}")
    return collection


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Paths as strings, whole, so that they hold in any working folder."""
    return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in values.items()}


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)
