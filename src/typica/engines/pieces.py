"""A job in pieces: every piece once, wherever there is a free worker, and how far it has come.

A piece is a function of what it is given and leaves its result in files, so it does not matter
which worker does it, after which others, or whether it was begun before by one that was killed.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tqdm import tqdm

from ..errors import RunError
from .engine import Engine
from .worker import Piece, Work

__all__ = ["Event", "Pool", "run_pieces"]

_TRIES = 3
"""Workers that may die of one piece before the job is given up."""


@dataclass(frozen=True)
class Event:
    """What became known of a worker.

    Arguments:
        worker: Which.
        kind: `share`, a part of its piece is done; `done`; `failed`, with an error; `died`, with
            the reason as far as it is known.
        value: The share, the result, the error, the reason.
    """

    worker: Any
    kind: Literal["share", "done", "failed", "died"]
    value: Any


class Pool(Protocol):
    """Workers on some machines."""

    count: int
    """How many there can be."""

    def start(self) -> Any:
        """A new worker."""

    def give(self, worker: Any, piece: Piece) -> None:
        """Let a worker that has nothing to do begin a piece."""

    def wait(self, seconds: float) -> list[Event]:
        """What has become known, as soon as there is anything."""

    def close(self) -> None:
        """End all workers at once."""


class _Bar:
    """Progress over the whole job, in parts of pieces."""

    def __init__(self, total: float, before: float, title: str, unit: str, show: bool) -> None:
        self.parts: dict[str, float] = {}
        self.bar = tqdm(
            total=total,
            initial=before,
            disable=not show,
            file=sys.stderr,
            smoothing=0.05,  # pieces of a job cost about the same: a long memory
            bar_format=f"{title} {{percentage:3.0f}}%|{{bar}}| {{n:.0f}}/{{total:.0f}} {unit} "
            "[{elapsed}<{remaining}{postfix}]",
        )

    def share(self, piece: Piece, size: float) -> None:
        """A part of a piece is done; parts need not sum to whole numbers, nor to all of it."""
        known = self.parts.get(piece.name, 0.0)
        size = min(size, piece.size - known, self.bar.total - self.bar.n)
        self.parts[piece.name] = known + size
        self.bar.update(size)

    def done(self, piece: Piece) -> None:
        self.share(piece, piece.size)
        del self.parts[piece.name]

    def lost(self, piece: Piece, message: str) -> None:
        self.bar.update(-self.parts.pop(piece.name, 0.0))
        self.bar.write(message, file=sys.stderr)

    def close(self) -> None:
        self.bar.close()


def run_pieces(
    work: Work,
    pieces: Sequence[Piece],
    engine: Engine,
    *,
    title: str,
    unit: str,
    before: float = 0.0,
    signals: Sequence[int] = (),
    show_progress: bool = True,
) -> Iterator[tuple[Piece, Any]]:
    """Do the pieces of a job that are not done yet.

    Arguments:
        work: What is to be done with each.
        pieces: Those that are to be done; the caller leaves out what is there already, and what
            another shard does (`Engine.own`).
        engine: Where. A worker that dies costs its piece, which another one does again; said on
            standard error.
        title: Of the progress.
        unit: Of the sizes of pieces, in the plural.
        before: Size of what was done before, for the progress.
        signals: When it is no longer empty nothing new is begun, and what is under way finished.
        show_progress: Show progress and time left on standard error.

    Yields:
        Every piece as it is done, in no certain order, with what the function gave.

    Raises:
        RunError: If one piece is the end of three workers.
        Exception: Whatever the function raises; pieces that are done stay done.
    """
    if not pieces:
        return
    total = before + sum(piece.size for piece in pieces)
    with closing(_Bar(total, before, title, unit, show_progress)) as bar:
        if engine.here:
            yield from _one_by_one(work, pieces, bar, signals)
            return
        with closing(_pool(work, engine, len(pieces))) as pool:
            yield from _side_by_side(pool, pieces, bar, signals)


def _one_by_one(
    work: Work, pieces: Sequence[Piece], bar: _Bar, signals: Sequence[int]
) -> Iterator[tuple[Piece, Any]]:
    """In this process."""
    function = work.open()
    for piece in pieces:
        if signals:
            return
        found = function(piece.given, lambda share, piece=piece: bar.share(piece, share))  # type: ignore[misc]
        bar.done(piece)
        yield piece, found


def _pool(work: Work, engine: Engine, pieces: int) -> Pool:
    if engine.name == "ray":
        from .cluster import RayPool

        return RayPool(work, engine, pieces)
    from .local import LocalPool

    assert engine.workers is not None
    return LocalPool(work, min(engine.workers, pieces), engine.workers)


def _side_by_side(
    pool: Pool, pieces: Sequence[Piece], bar: _Bar, signals: Sequence[int]
) -> Iterator[tuple[Piece, Any]]:
    """On several workers."""
    waiting, tries = deque(pieces), Counter[str]()
    busy: dict[Any, Piece] = {}

    def give(worker: Any) -> None:
        if waiting and not signals:
            busy[worker] = waiting.popleft()
            pool.give(worker, busy[worker])

    for _ in range(min(pool.count, len(waiting))):
        give(pool.start())
    while busy:
        for event in pool.wait(0.5):
            piece = busy.get(event.worker)
            if piece is None:  # it had nothing to do when it died
                continue
            if event.kind == "share":
                bar.share(piece, event.value)
                continue
            del busy[event.worker]
            if event.kind == "failed":
                raise event.value
            if event.kind == "done":
                bar.done(piece)
                give(event.worker)  # before the caller looks at the result: nobody waits
                yield piece, event.value
                continue
            tries[piece.name] += 1
            if tries[piece.name] == _TRIES:
                raise RunError(
                    f"{piece.name}: {_TRIES} workers in a row died of it ({event.value}). If "
                    "memory was short, give fewer --workers or a smaller batch size; the same "
                    "command goes on with what is missing."
                )
            bar.lost(piece, f"note: a worker died ({event.value}); {piece.name} is done again")
            waiting.appendleft(piece)
            if not signals:
                give(pool.start())
