"""Two groups side by side: which letters, and their figure."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ConfigError
from ..reports.drawing import Drawing
from ..reports.palaeography_figures import most_different
from ..reports.palaeography_pairs import pair_figure
from ..reports.palaeography_values import PalaeographyReport
from .glyphs import safe_name

__all__ = ["draw_pair"]

_MOST = 3


def draw_pair(
    report: PalaeographyReport, pair: tuple[str, str], letters: Sequence[str] = ()
) -> tuple[str, Drawing]:
    """The figure of two groups, and a name for its file.

    Arguments:
        report: The values, with occurrences.
        pair: Names of the groups.
        letters: Labels of letters; by default the three that differ most.

    Raises:
        ConfigError: If a group or a letter is not there, or nothing can be compared.
    """
    made, groups, labels = report.comparison, report.prototypes.groups, report.prototypes.labels
    for name in pair:
        if name not in groups:
            raise ConfigError(f"--pair: no group {name!r}; there are {', '.join(groups)}")
    if pair[0] == pair[1] or made is None:
        raise ConfigError("--pair: name two different groups")
    one, other = (groups.index(name) for name in pair)
    for letter in letters:
        if letter not in labels:
            raise ConfigError(f"--letters: no letter {letter!r}; there are {' '.join(labels)}")
        k = labels.index(letter)
        few = [name for name in pair if not report.use[groups.index(name), k]]
        gone = [name for name in pair if made.left_out[groups.index(name), k]]
        if gone and not few:
            raise ConfigError(
                f"--letters: {letter!r} of {' and '.join(gone)} was left out of the comparison for "
                "its flag. Compare without leave_out to draw it"
            )
        if few:
            raise ConfigError(
                f"--letters: {letter!r} has fewer than {report.least} occurrences in "
                f"{' and '.join(few)}, so it is not compared"
            )
    low, high = min(one, other), max(one, other)
    chosen = [labels.index(letter) for letter in letters]
    chosen = chosen or [k for k, _, _ in most_different(made, _MOST, (low, high))]
    if not chosen:
        raise ConfigError(f"--pair: no letter differs beyond chance between {' and '.join(pair)}")
    name = f"pair-{safe_name(pair[0])}-{safe_name(pair[1])}"
    return name, pair_figure(report, (one, other), chosen)
