"""The values that the report of a palaeographical job shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..palaeography.comparison import Comparison
from ..palaeography.prototypes import Prototypes
from .run_values import RunReport

__all__ = ["AllographCard", "GroupCard", "OccurrenceCard", "PalaeographyReport"]


@dataclass(frozen=True)
class OccurrenceCard:
    """One occurrence as it stands on the parchment.

    Arguments:
        line: The id of its line.
        picture: The part of the line where the sprite was put, at the size of the sprite, bytes
            `(h, w, 3)`.
    """

    line: str
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class AllographCard:
    """A letter that seems to have two shapes.

    Arguments:
        letter: Its number among the prototypes.
        group: Where it has them; empty for all lines together.
        count: Occurrences.
        separation: Distance of the two, in standard deviations of one.
        share: Of the rarer shape.
        means: Mean of either shape, ink in [0, 1], the rarer last; None where not known.
        lines: Ids of lines that show either.
    """

    letter: int
    group: str
    count: int
    separation: float
    share: float
    means: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    lines: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class GroupCard:
    """How adapting to one group went; None where it was not recorded.

    Arguments:
        name: Of the group.
        lines: How many it has.
        before: Reconstruction error of its lines with the reference's sprites.
        after: The same with its own.
        seconds: That it took.
    """

    name: str
    lines: int | None = None
    before: float | None = None
    after: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class PalaeographyReport(RunReport):
    """All that the page of a job shows, beside what any run tells of itself.

    Arguments:
        title: The name of the collection.
        description: A sentence on what was compared.
        kind: What a group is, such as `document`.
        prototypes: As they were compared: cleaned, if they were.
        cleaned: Whether they were.
        comparison: What comparing them gave, of the same groups and letters; None for one group.
        use: Which prototypes have enough occurrences, `(G, K)`.
        quality: The flag of every prototype, `(G, K)`.
        coloured: Which are flagged as of another colour than the ink of their group, `(G, K)`;
            none if not given.
        least: Occurrences that were asked for.
        levels: Prototypes of coarser levels, such as families, of the same letters.
        groups: How adapting went, in the order of the prototypes.
        occurrences: Some of them by the numbers of group and letter.
        allographs: Letters with two shapes.
        looked_for_allographs: Whether anybody looked.
        warnings: Sentences: what to know before trusting this.
        reference_minutes: How long training the reference took; None if not known.
    """

    title: str
    prototypes: Prototypes
    use: NDArray[np.bool_]
    quality: NDArray[np.str_]
    coloured: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), bool))
    description: str = ""
    kind: str = "document"
    cleaned: bool = True
    comparison: Comparison | None = None
    least: int = 5
    levels: tuple[Prototypes, ...] = ()
    groups: tuple[GroupCard, ...] = ()
    occurrences: Mapping[tuple[int, int], tuple[OccurrenceCard, ...]] = field(default_factory=dict)
    allographs: tuple[AllographCard, ...] = ()
    looked_for_allographs: bool = False
    warnings: tuple[str, ...] = ()
    reference_minutes: float | None = None

    def __post_init__(self) -> None:
        if not self.coloured.size:
            object.__setattr__(self, "coloured", np.zeros(self.use.shape, bool))

    @property
    def minutes_each(self) -> float | None:
        """How long adapting to one group took, on average; None if not known."""
        timed = sum(one.seconds is not None for one in self.groups)
        return self.minutes / timed if self.minutes is not None and timed else None

    @property
    def saved(self) -> float | None:
        """The share of the reference's training that adapting to a group saves; None if unknown.

        Negative where adapting took longer.
        """
        if self.minutes_each is None or not self.reference_minutes:
            return None
        return 1 - self.minutes_each / self.reference_minutes
