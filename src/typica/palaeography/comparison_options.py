"""Every choice of a comparison in one validated value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from ..configs import require
from .cleaning import CleaningOptions
from .tree import Linkage

__all__ = ["FLAGS", "ComparisonOptions", "DistanceName"]

DistanceName = Literal["l2", "ssim", "ink_ssim"]
FLAGS = ("orange", "red", "coloured")
"""What a prototype can be flagged as: the first two by `cleaning`, the last by `tints`."""


@dataclass(frozen=True)
class ComparisonOptions:
    """How prototypes are compared (section 3.5.2)."""

    least: int = 5
    """Occurrences that a letter needs in a group: a prototype of fewer shows the reference and
    chance rather than the document."""
    letters: tuple[str, ...] = ()
    """Letters to use, such as `letters=["m","a"]`, all if empty; with allographs a single one can
    be named, such as `d (2)`. The published comparison uses a to u without j and k."""
    distance: DistanceName = "l2"
    """`l2` (published): root of the sum of squared differences of ink. `ssim`: 1 - structural
    similarity. `ink_ssim`: the same where there is ink, so that empty paper beside a narrow letter
    does not make it alike."""
    clean: bool = True
    """Take off the ink that lies outside of the letter before comparing (published)."""
    cleaning: CleaningOptions = field(default_factory=CleaningOptions)
    """How it is taken off, and what is flagged."""
    leave_out: tuple[str, ...] = ()
    """Flags, such as `leave_out=coloured` or `leave_out=["coloured","red"]`, whose prototypes take
    no part in the comparison. By default all do, and flags are told; but red and coloured ones
    lead no list of letters that differ most."""
    leave_one_out: bool = True
    """Compare a document with its family without it. The published graphs leave it in, where it
    draws its family's mean towards itself: in a family of n documents by 1/n of the way, which
    hides outliers of small families. The tests always leave it out."""
    linkage: Linkage = "average"
    """How far two clusters of the tree are."""
    permutations: int = 9999
    """Ways to deal families to documents that a test looks at: all if there are no more, else so
    many random ones."""
    draws: int = 1000
    """Of letters, for the support of the tree's branches."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        require(self.least >= 1, "least: at least 1")
        require(all(self.letters), "letters: an empty name")
        require(self.distance in get_args(DistanceName), f"distance: no such {self.distance!r}")
        for flag in self.leave_out:
            require(flag in FLAGS, f"leave_out: no flag {flag!r}; there are {', '.join(FLAGS)}")
        require(self.linkage in get_args(Linkage), f"linkage: no such {self.linkage!r}")
        require(self.permutations >= 19, "permutations: at least 19, or no p can be below 0.05")
        require(self.draws >= 0, "draws: at least 0")
        require(0 <= self.seed < 2**32, "seed: from 0 to 4294967295")
