"""What every baseline comes down to: something that reads the lines of a cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..lines.cache import LineCache
from ..typewriter.reading import LineReading

__all__ = ["Reader"]


class Reader(Protocol):
    """A trained baseline. `evaluate_readings` judges what it yields as it judges a typewriter."""

    def read(self, cache: LineCache, progress: bool = False) -> Iterator[LineReading]:
        """Read every line of a cache, each once.

        Arguments:
            cache: Lines at the height of the baseline.
            progress: Show a progress bar on standard error.

        Yields:
            Readings in any order, boxes in pixels of the line images as they were given
            (`typica.lines.images.line_size`). What one line is read as must not depend on the
            others.
        """
        ...
