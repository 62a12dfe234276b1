"""What a worker does: it loads what a job needs with its first piece, then does piece by piece."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from ..errors import TypicaError
from ..hardware import tune_process

__all__ = ["Function", "Piece", "Report", "Work", "Worker"]

Report = Callable[[float], None]
"""Told now and then how much of a piece's size is newly done."""
Function = Callable[[Any, Report], Any]
"""From what a piece is given to what is told of it; it leaves files, written aside and renamed."""


@dataclass(frozen=True)
class Piece:
    """One part of a job, the least that is done or lost.

    Arguments:
        name: For messages; distinct in its job.
        size: How much there is to do, in the unit of the job's progress.
        given: What the function gets: plain values that can be sent to another process.
    """

    name: str
    size: float
    given: Any


class Work(Protocol):
    """What is to be done with every piece; itself plain values that can be sent."""

    def open(self) -> Function:
        """Load what every piece needs, once in each process, and give the function."""


class Worker:
    """One process at work.

    Arguments:
        work: What is to be done.
        number: Of the worker, from 0; the GPUs of a machine are dealt out by it.
        threads: To compute with.
        folder: From which paths are looked up.
    """

    def __init__(self, work: Work, number: int, threads: int, folder: str) -> None:
        self.work = work
        self.function: Function | None = None
        os.chdir(folder)
        torch.set_num_threads(threads)
        tune_process()
        if torch.cuda.is_available():
            torch.cuda.set_device(number % torch.cuda.device_count())

    def do(self, given: Any, report: Report = lambda share: None) -> tuple[str, Any]:
        """One piece.

        Returns:
            `done` and what the function gave, or `failed` and the error. Errors that people are
            told of come as they are, any other as its traceback.
        """
        try:
            if self.function is None:
                self.function = self.work.open()
            return "done", self.function(given, report)
        except (TypicaError, MemoryError, OSError) as error:
            return "failed", error
        except Exception:
            return "failed", RuntimeError(f"in a worker:\n{traceback.format_exc()}")
