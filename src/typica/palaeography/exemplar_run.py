"""The job of `typica typewriter compare-exemplars`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ConfigError
from .exemplar_files import ranking_lines, write_exemplars, write_ranking
from .exemplar_options import ExemplarOptions
from .exemplar_sources import learned_letters, read_exemplars
from .exemplars import ExemplarComparison, compare_exemplars

__all__ = ["compare_run", "compare_runs"]


def compare_run(
    run: Path, exemplars: Path, options: ExemplarOptions | None = None
) -> ExemplarComparison:
    """Compare the sprites of a run with exemplars; writes nothing.

    Arguments:
        run: The run folder.
        exemplars: A folder of pictures, a font file, or a folder of lines with glyph boxes.
        options: The choices.

    Raises:
        RunError: If the run cannot be used.
        DataError: If the exemplars cannot, or no letter has both.
    """
    options = options or ExemplarOptions()
    learned = learned_letters(run)
    place = Path(exemplars).resolve()
    name = place.stem if place.is_file() else place.name
    return compare_exemplars(learned, read_exemplars(exemplars, learned, options), name, options)


def compare_runs(
    pairs: Sequence[tuple[Path, Path]], out: Path, options: ExemplarOptions | None = None
) -> list[str]:
    """Compare runs with exemplars, write tables and pictures, and rank them if they are several.

    Arguments:
        pairs: Of each a run folder and its exemplars.
        out: Folder for the files; of several pairs each gets a folder in it.
        options: The choices.

    Returns:
        Lines for a terminal.

    Raises:
        ConfigError: If there is no pair.
        RunError: If a run cannot be used.
        DataError: If exemplars cannot.
    """
    if not pairs:
        raise ConfigError("give a run folder and its exemplars")
    found = [compare_run(run, exemplars, options) for run, exemplars in pairs]
    rows = [row for made in found for row in made.summary()]
    if len(found) == 1:
        write_exemplars(out, found[0])
        return [*rows, f"tables and picture: {out}"]
    names = [f"{made.name}-{made.exemplars}" for made in found]
    if len(set(names)) < len(names):  # folders of one name in different places
        names = [f"{number}-{name}" for number, name in enumerate(names, 1)]
    for name, made in zip(names, found, strict=True):
        write_exemplars(out / name, made)
    write_ranking(out, found)
    return [*rows, *ranking_lines(found), f"tables and pictures: {out}"]
