"""The job of `typica palaeography compare`: from a file of prototypes to tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DAMAGE, RunError, reason
from .comparing import compare
from .comparison_files import write_comparison
from .comparison_options import ComparisonOptions
from .criteria import read_criteria
from .prototypes import load_prototypes

__all__ = ["compare_files", "kept_effective_pixels"]


def compare_files(
    prototypes: Path, out: Path, options: ComparisonOptions, criteria: Path | None = None
) -> list[str]:
    """Compare the prototypes of a file and write the tables.

    Arguments:
        prototypes: A file of prototypes, or the folder that holds `prototypes.safetensors`.
        out: Folder for the tables.
        options: The choices.
        criteria: A table of criteria.

    Returns:
        Lines for a terminal.

    Raises:
        ConfigError: If an option cannot work.
        DataError: If the criteria cannot be read, or there is only one group.
        RunError: If there are no prototypes.
    """
    path = Path(prototypes)
    if path.is_dir():
        path = path / "prototypes.safetensors"
        if not path.exists():
            raise RunError(
                f"{prototypes}: holds no prototypes.safetensors. Make it with `typica palaeography "
                "adapt`, or go on with --resume if that was stopped."
            )
    drawn, about = load_prototypes(path)
    table = () if criteria is None else read_criteria(criteria)
    made = compare(drawn, options, table, kept_effective_pixels(about, len(drawn.letters), path))
    write_comparison(Path(out), made)
    return [*made.summary(), f"tables: {out}"]


def kept_effective_pixels(
    about: dict[str, Any], letters: int, path: Path
) -> NDArray[np.float64] | None:
    """The effective pixels that adaptation measured (`typica.palaeography.noise`), where it did.

    Arguments:
        about: How the prototypes were made.
        letters: How many sprites there are.
        path: Their file, for messages.

    Raises:
        RunError: If there are not as many as letters.
    """
    values = about.get("effective_pixels")
    if values is None:
        return None
    try:
        found = np.array([np.nan if v is None else float(v) for v in values], np.float64)
        if found.shape != (letters,):
            raise ValueError(f"{len(found)} effective pixels for {letters} letters")
    except DAMAGE as error:
        raise RunError(f"{path}: damaged ({reason(error)}). Make the prototypes again.") from error
    return found
