"""How a labelled picture collection is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..configs import require

__all__ = ["PictureFormat", "PictureOptions"]

PictureFormat = Literal["auto", "folders", "table", "datasets"]


@dataclass(frozen=True)
class PictureOptions:
    """What `read_pictures` needs to know beside the path."""

    format: PictureFormat = "auto"
    """`folders` for `<label>/<file>`, `table` for a CSV, TSV, JSONL or Parquet file, `datasets`
    for Hugging Face data sets; `auto` finds out, but downloads nothing."""
    path_column: str | None = None
    """Column with the paths of the pictures (for `datasets`: with the pictures); None looks for
    the usual names (`file_name`, `path`, `image`, ...)."""
    label_column: str | None = None
    """Column with the labels; None looks for the usual names (`label`, `class`, `year`, ...)."""
    split_column: str | None = None
    """Column with `train`, `val` or `test`; None takes a column named `split`, if there is one."""
    several: bool = False
    """A picture may have several labels: a list in its row, or a row for each. Otherwise such
    pictures are set aside."""
    label_separator: str | None = None
    """What stands between the labels of a picture, such as `|` in `Mass|Effusion`; implies
    `several`. None takes the whole text as one label."""
    unlabelled: str | None = None
    """The text that says that a picture has no label, such as `No Finding`: it is trained on under
    the null prompt and never scored under its own label. None takes it as a label."""
    bin: int | None = None
    """Labels are numbers, such as years, and are rounded down to a multiple of this: 10 makes
    decades of years. None takes labels as they are."""
    val: float = 0.05
    """Share of the pictures that is held out of training, to measure the loss on, where the
    collection itself names no `val` and no `test`."""
    seed: int = 0
    """Of the choice of the pictures that are held out."""
    verify: bool = False
    """Decode every picture while reading, and set aside those that are damaged inside. Without
    it, headers are read and files that end too early are found."""
    subset: str | None = None
    """Name of the configuration of a Hugging Face data set, if it has several."""
    revision: str | None = None
    """Commit or tag of a Hugging Face data set."""
    cache: Path | None = None
    """Where pictures that have no file of their own (Hugging Face data sets) are written out,
    once; None for `typica/pictures` in the user's cache folder."""

    def __post_init__(self) -> None:
        require(self.bin is None or self.bin >= 1, "bin: at least 1, or none")
        require(0 <= self.val < 1, "val: at least 0, below 1")
        require(0 <= self.seed < 2**32, "seed: from 0 to 4294967295")
        for name in ("path_column", "label_column", "split_column", "label_separator"):
            require(getattr(self, name) != "", f"{name}: not empty, or none")
