"""How a run is compared with boxes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..configs import require

__all__ = ["LocalisationOptions"]


@dataclass(frozen=True)
class LocalisationOptions:
    """What is scored, compared and shown."""

    t_min: float = 0.0
    """Where the range of the diffusion time begins. The whole range is that of the paper's program
    for X-rays (mining takes 0.1 to 0.7)."""
    t_max: float = 1.0
    """Where the range ends."""
    draws: int | None = None
    """Pairs (t, noise) per picture; None takes as many as the run."""
    run_maps: bool = False
    """Compare the maps that the run was mined with, instead of scoring again: its own range of
    times and draws."""
    all_labels: bool = False
    """Score under every label, not only the picture's own: needed for the reading `others`, costs
    accordingly."""
    pictures: int | None = None
    """At most this many pictures of a label, evenly spread; None takes all that have boxes."""
    split: Literal["any", "train", "val", "test"] = "any"
    """Only pictures of this split: `test` for those that the model was not trained on."""
    blur: float = 1 / 16
    """Of the maps that are shown, over the shorter side (the paper's 32 px at 512); what is
    measured is never blurred."""
    seed: int = 0
    """Of the intervals."""

    def __post_init__(self) -> None:
        require(
            0 <= self.t_min < self.t_max <= 1,
            "--t-min, --t-max: between 0 and 1, in this order",
        )
        require(self.draws is None or self.draws >= 2, "--draws: at least 2")
        require(self.pictures is None or self.pictures >= 1, "--pictures: at least 1")
        require(0 <= self.blur <= 1, "--blur: between 0 and 1, a share of the shorter side")
        require(0 <= self.seed < 2**32, "--seed: from 0 to 4294967295")
        require(
            not (self.run_maps and (self.all_labels or self.draws is not None)),
            "--run-maps takes the maps as they are: leave out --all-labels and --draws",
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
