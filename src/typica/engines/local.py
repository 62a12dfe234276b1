"""Processes of this machine, each with a line to the one that gives out the work."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from itertools import count
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from .engine import threads_of
from .pieces import Event
from .worker import Piece, Work, Worker

__all__ = ["LocalPool"]


class LocalPool:
    """Worker processes, started from nothing rather than forked: threads do not survive a fork.

    Arguments:
        work: What is to be done.
        workers: Most processes at a time.
        sharing: Among how many the cores are shared out; more than `workers` where a job is too
            short to keep all of them busy, because its results are to be the same.
    """

    def __init__(self, work: Work, workers: int, sharing: int) -> None:
        self.work, self.count = work, workers
        self._threads = threads_of(sharing)
        self._context = get_context("spawn")
        self._numbers = count()
        self._processes: dict[Connection, BaseProcess] = {}

    def start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        given = (theirs, self.work, next(self._numbers), self._threads, os.getcwd())
        process = self._context.Process(target=_work, args=given, daemon=True)
        process.start()
        theirs.close()  # so that the line ends with the worker
        self._processes[ours] = process
        return ours

    def give(self, worker: Connection, piece: Piece) -> None:
        with contextlib.suppress(OSError):  # it has died: the next wait tells
            worker.send(piece.given)

    def wait(self, seconds: float) -> list[Event]:
        found = []
        for line in wait(list(self._processes), seconds):
            assert isinstance(line, Connection)
            try:
                kind, value = line.recv()
            except (EOFError, OSError):
                process = self._processes.pop(line)
                process.join()
                line.close()
                found.append(Event(line, "died", _reason(process.exitcode)))
            else:
                found.append(Event(line, kind, value))
        return found

    def close(self) -> None:
        for line, process in self._processes.items():
            line.close()
            process.kill()  # whatever it was writing is not there until it is whole
        for process in self._processes.values():
            process.join()
        self._processes = {}


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        known = signal.Signals(-code).name
        return f"{known}, perhaps for want of memory" if known == "SIGKILL" else known
    return f"it ended with {code}"


def _work(line: Connection, work: Work, number: int, threads: int, folder: str) -> None:
    """The life of a worker: until the line ends, or the process at its other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who gives out the work decides when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker = Worker(work, number, threads, folder)

    def report(share: float) -> None:
        line.send(("share", share))

    try:
        while True:
            given: Any = line.recv()
            line.send(worker.do(given, report))
    except (EOFError, BrokenPipeError):
        return


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
