"""Stopping long work between two steps rather than in the middle of one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interruptible"]


@contextmanager
def interruptible() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list, which the work looks at after every step.

    A second SIGINT stops the process at once, as without this. Outside of the main thread, where
    signals cannot be caught, the list stays empty.
    """
    caught: list[int] = []

    def catch(number: int, frame: FrameType | None) -> None:
        if caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        caught.append(number)

    kept = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            kept[number] = signal.signal(number, catch)
        except ValueError:  # not the main thread
            break
    try:
        yield caught
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
