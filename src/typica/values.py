"""Values that both instruments share: boxes, splits, and what was wrong with a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import DataError

__all__ = ["SPLITS", "SPLIT_NAMES", "Box", "Problem", "Split", "as_problem"]

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names under which splits occur in files and folders, in lower case."""


@dataclass(frozen=True)
class Box:
    """An upright rectangle in pixels of an image, origin at the top left.

    `right` and `bottom` are exclusive: a box of one pixel has `right - left == 1`.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return max(0.0, self.right - self.left)

    @property
    def height(self) -> float:
        return max(0.0, self.bottom - self.top)

    @property
    def area(self) -> float:
        return self.width * self.height

    def intersection_over_union(self, other: Box) -> float:
        """Intersection over union (Jaccard index) with another box, between 0 and 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True)
class Problem:
    """Something that was set aside or looks wrong, for a person to read.

    Arguments:
        file: The file at fault.
        message: What is wrong.
        remedy: What to do about it.
        line: The id of the text line, if one is at fault.
        fatal: True if the line (or file) was set aside, False for a warning.
    """

    file: Path
    message: str
    remedy: str
    line: str | None = None
    fatal: bool = True

    def __str__(self) -> str:
        where = f"{self.file} (line {self.line})" if self.line else f"{self.file}"
        return f"{where}: {self.message}. {self.remedy}"

    def as_dict(self) -> dict[str, Any]:
        """The same in plain values, for JSON."""
        return {
            "file": str(self.file),
            "line": self.line,
            "message": self.message,
            "remedy": self.remedy,
            "set_aside": self.fatal,
        }


def as_problem(file: Path, error: DataError | str, line: str | None = None) -> Problem:
    """An error about a file as something to report while the rest goes on.

    Arguments:
        file: The file at fault.
        error: The error, or its message: "file: what is wrong. What to do".
        line: The id of the text line, if one is at fault.
    """
    what, _, remedy = str(error).removeprefix(f"{file}: ").partition(". ")
    return Problem(file, what, remedy, line)
