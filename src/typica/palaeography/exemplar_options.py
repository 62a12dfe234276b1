"""Every choice of a comparison with exemplars in one validated value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from ..configs import require
from .cleaning import CleaningOptions

__all__ = ["Average", "Binarise", "ExemplarOptions"]

Binarise = Literal["both", "exemplars", "neither"]
Average = Literal["median", "mean"]


@dataclass(frozen=True)
class ExemplarOptions:
    """How learned sprites are compared with exemplars (section 3.4.2, Fig. 3.5)."""

    letters: tuple[str, ...] = ()
    """Letters to compare; all that both sides have if empty."""
    binarise: Binarise = "both"
    """What is made black and white after the two were laid on each other. The published exemplars
    are, and the sprites are post-processed; one alone would lose by the other's soft edges.
    `neither` compares the grey of the edges too."""
    threshold: float = 0.5
    """Ink from which on a pixel is black, once the darkest of a picture is 1."""
    scales: tuple[float, ...] = tuple(round(1.05**k, 3) for k in sorted(range(-7, 8), key=abs))
    """Sizes of an exemplar that are tried, beside the one that suits most letters: 0.71 to 1.41. A
    typewriter draws each sprite larger or smaller than it is, so its own size says little."""
    fine: bool = True
    """Also try quarters of a pixel when an exemplar is laid on a sprite: half a pixel costs a thin
    stroke most of its likeness."""
    cleaning: CleaningOptions = field(default_factory=CleaningOptions)
    """Both sides are cleaned with a mask of their own: what lies beside the letter goes."""
    least: int = 1
    """Occurrences in the training lines that a sprite needs: others were never seen."""
    average: Average = "median"
    """What is made of the glyphs cut out of a data set with boxes."""
    occurrences: int = 100
    """At most so many of them for every letter."""
    draws: int = 2000
    """Of letters, for the intervals of the means."""
    seed: int = 0
    """Of these draws."""

    def __post_init__(self) -> None:
        require(all(self.letters), "letters: an empty name")
        require(self.binarise in get_args(Binarise), f"binarise: no such {self.binarise!r}")
        require(self.average in get_args(Average), f"average: no such {self.average!r}")
        require(0 < self.threshold < 1, "threshold: between 0 and 1")
        require(bool(self.scales), "scales: give at least one")
        require(all(0.2 <= s <= 5 for s in self.scales), "scales: from 0.2 to 5")
        require(self.least >= 0, "least: at least 0")
        require(self.occurrences >= 1, "occurrences: at least 1")
        require(self.draws >= 1, "draws: at least 1")
        require(0 <= self.seed < 2**32, "seed: from 0 to 4294967295")
