"""Every choice of an adaptation in one validated value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..configs import require

__all__ = ["AdaptOptions"]


@dataclass(frozen=True)
class AdaptOptions:
    """How a reference typewriter is adapted to a group of lines (section 3.5)."""

    what: Literal["generator", "generator+background", "sprites", "everything", "nothing"] = (
        "generator"
    )
    """Which parameters learn. `generator` (paper): those of g, so that positions, sizes and colours
    stay those of the reference and the prototypes stay aligned. `sprites`: the codes z too.
    `everything`: also encoder and placement; the prototypes may then move. `nothing`: the prototype
    is the mean of the occurrences where the reference places them; it is had in seconds, but
    neighbours that touch a letter are in it too."""
    steps: int = 400
    """Gradient steps for every group; 2000 to 2500 in the published program, at a twentieth of
    our rate."""
    learning_rate: float = 2e-3
    """Of Adam; lowered to nothing over the last third (published program: 1e-4 throughout)."""
    batch_size: int = 8
    """Lines in a step; 16 in the published program."""
    follow_text: bool = True
    """Place the letters of the transcription where there is one. The published program takes what
    the reference reads, with its errors."""
    start: Literal["reference", "level-above"] = "reference"
    """What the groups of a lower level start from. From the level above, documents of one family
    would look alike already because they start alike; comparing them would prove nothing."""
    splits: Literal["train", "all"] = "train"
    """Which lines are used. `all` is right for looking at documents; `train` leaves lines on which
    the result can be judged."""
    least: int = 5
    """Letters with fewer occurrences in a group are marked."""
    seed: int = 0
    """Decides the order of the lines."""

    def __post_init__(self) -> None:
        require(
            self.what in ("generator", "generator+background", "sprites", "everything", "nothing"),
            f"what: no such part {self.what!r}",
        )
        require(self.start in ("reference", "level-above"), f"start: no such {self.start!r}")
        require(self.splits in ("train", "all"), f"splits: no such {self.splits!r}")
        require(self.steps >= 1, "steps: at least 1")
        require(self.learning_rate > 0, "learning_rate: above 0")
        require(self.batch_size >= 1, "batch_size: at least 1")
        require(self.least >= 1, "least: at least 1")
        require(0 <= self.seed < 2**32, "seed: from 0 to 4294967295")
