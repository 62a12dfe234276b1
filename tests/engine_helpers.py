"""Pieces of work for tests of engines, and a pool without processes."""

from __future__ import annotations

import os
import pickle
import signal
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from typica.engines.pieces import Event
from typica.engines.worker import Function, Piece, Report, Work, Worker
from typica.errors import DataError
from typica.files import write_bytes


@dataclass(frozen=True)
class Sums:
    """Writes sums of random numbers; of some pieces the first worker dies, in the middle.

    Arguments:
        folder: Where to write.
        kills: Numbers of pieces that kill their first worker.
        bad: Numbers of pieces that cannot be done.
    """

    folder: Path
    kills: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()

    def open(self) -> Function:
        weights = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))

        def piece(number: int, report: Report) -> int:
            with open(self.folder / f"tries-{number}.log", "a") as log:
                log.write(".")
            report(0.5)
            if number in self.bad:
                raise DataError(f"{number}: cannot be done")
            random = torch.Generator().manual_seed(number)
            values = torch.randn(64, 64, generator=random) @ weights
            if number in self.kills and (self.folder / f"tries-{number}.log").stat().st_size == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            write_bytes(self.folder / f"{number}.bin", values.numpy().tobytes())
            return number * number

        return piece


def pieces(count: int) -> list[Piece]:
    return [Piece(f"piece {number}", 1, number) for number in range(count)]


class SentPool:
    """Workers that are objects: all goes through pickle, as to another process, last piece first.

    Arguments:
        work: What is to be done.
        count: Workers.
        deaths: Which beginnings of pieces, counted from 0, end in the death of the worker.
    """

    def __init__(self, work: Work, count: int, deaths: frozenset[int] = frozenset()) -> None:
        self.sent, self.count, self.deaths = pickle.dumps(work), count, deaths
        self.begun, self.alive = 0, 0
        self.waiting: deque[tuple[Any, bytes]] = deque()

    def start(self) -> Any:
        self.alive += 1
        assert self.alive <= self.count
        worker = Worker(pickle.loads(self.sent), 0, 1, os.getcwd())
        return worker

    def give(self, worker: Any, piece: Piece) -> None:
        assert worker not in [other for other, _ in self.waiting]
        self.waiting.append((worker, pickle.dumps(piece.given)))

    def wait(self, seconds: float) -> list[Event]:
        worker, given = self.waiting.pop()
        self.begun += 1
        if self.begun - 1 in self.deaths:
            self.alive -= 1
            return [Event(worker, "share", 0.25), Event(worker, "died", "SIGKILL")]
        kind, value = pickle.loads(pickle.dumps(worker.do(pickle.loads(given))))
        return [Event(worker, kind, value)]

    def close(self) -> None:
        self.waiting.clear()
