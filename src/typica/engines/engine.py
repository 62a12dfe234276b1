"""Where the pieces of a job are worked on: here, in several processes, on Ray; all or a shard."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from ..configs import require
from ..hardware import cores

__all__ = ["DEFAULT", "Engine", "EngineName", "read_shard", "threads_of"]

EngineName = Literal["local", "ray"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Engine:
    """Where a job is worked on. Nothing here decides a result, only when it is there."""

    name: EngineName = "local"
    """`local`: processes of this machine; `ray`: of a Ray cluster, or of Ray on this machine."""
    workers: int | None = None
    """Processes at a time; None lets the job and the machine decide. One local worker is the
    process that asks: nothing is started, and it keeps its own number of threads."""
    address: str | None = None
    """Of a Ray cluster (`auto`, `ray://HOST:10001`); None starts Ray on this machine."""
    shard: tuple[int, int] = (0, 1)
    """(i, n): only every n-th piece from the i-th, from 0, for batch systems."""

    def __post_init__(self) -> None:
        number, shards = self.shard
        require(
            0 <= number < shards,
            f"--shard {number}/{shards}: give 0/n to {max(shards, 1) - 1}/n",
        )
        require(
            self.workers is None or self.workers >= 1, f"--workers {self.workers}: give at least 1"
        )
        require(self.address is None or self.name == "ray", "--address is of Ray: add --engine ray")

    @property
    def whole(self) -> bool:
        """Whether this is all of the job, not a shard of it."""
        return self.shard[1] == 1

    @property
    def here(self) -> bool:
        """Whether everything happens in this process."""
        return self.name == "local" and self.workers in (None, 1)

    def own(self, pieces: Sequence[_T]) -> Sequence[_T]:
        """The pieces of this shard."""
        return pieces[self.shard[0] :: self.shard[1]]


DEFAULT = Engine()
"""All of a job on this machine, in as many processes as the job likes."""


def read_shard(text: str) -> tuple[int, int]:
    """`i/n` as (i, n).

    Raises:
        ConfigError: If it is written otherwise, or i is not below n.
    """
    first, _, second = text.partition("/")
    fits = first.isdecimal() and second.isdecimal() and int(first) < int(second)
    require(fits, f"--shard {text}: write i/n, such as 0/4 to 3/4")
    return int(first), int(second)


def threads_of(workers: int) -> int:
    """Threads of each of some workers on this machine: what `OMP_NUM_THREADS` says, else a share.

    Together they never have more threads than the machine has cores, as far as one thread each
    allows: threads that wait for each other's cores are slower than fewer threads.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given) >= 1:
        return int(given)
    return max(1, cores() // workers)
