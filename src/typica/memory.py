"""When memory runs out: smaller batches where their size does not change the result, else a word.

Python, numpy and torch tell it in different ways, and torch in different words on processors and
on graphics cards.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

from .errors import ConfigError

__all__ = ["Room", "enough_memory", "ran_out"]

T = TypeVar("T")
R = TypeVar("R")

_WORDS = ("out of memory", "allocate memory", "not enough memory")


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that there is no memory left."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in text for word in _WORDS)
    )


@contextmanager
def enough_memory(what: str, remedy: str) -> Iterator[None]:
    """Say what memory was too small for, and what to do.

    Raises:
        ConfigError: If it runs out inside.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        raise ConfigError(f"out of memory in {what}. {remedy}") from error


class Room:
    """How many things are worked on at a time: half as many whenever memory runs out.

    Arguments:
        size: To start with, at least 1.
        one: What one of them is, for messages: `one line`.
    """

    def __init__(self, size: int, one: str) -> None:
        self.size, self._one = size, one

    def fit(self, work: Callable[[int], R]) -> R:
        """Call `work` with a size that memory is large enough for.

        Arguments:
            work: Is called again from its beginning, with half the size, if memory runs out.

        Raises:
            ConfigError: If it runs out with a size of 1.
        """
        while True:
            try:
                return work(self.size)
            except (MemoryError, RuntimeError) as error:
                if not ran_out(error):
                    raise
                if self.size == 1:
                    raise ConfigError(
                        f"the memory is too small for {self._one}. Choose a smaller size, or "
                        "another --device."
                    ) from error
            # here, where the exception no longer holds what was computed
            self._halve()

    def parts(
        self, items: Sequence[T], work: Callable[[Sequence[T]], R]
    ) -> Iterator[tuple[Sequence[T], R]]:
        """Work through a sequence.

        Yields:
            As many items as fit, in their order, and what `work` made of them.
        """
        done = 0
        while done < len(items):
            start = done
            part, made = self.fit(
                lambda size, start=start: (  # type: ignore[misc]
                    items[start : start + size],
                    work(items[start : start + size]),
                )
            )
            yield part, made
            done += len(part)

    def _halve(self) -> None:
        self.size //= 2
        tqdm.write(f"memory ran out: going on with {self.size} at a time", file=sys.stderr)
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
