"""Every choice of sampling and of the comparison, with its reason."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ...configs import require

__all__ = ["BiasOptions", "SampleOptions"]


@dataclass(frozen=True)
class SampleOptions:
    """How pictures are drawn from a model; the negative is the null sentence of the run."""

    per_label: int = 200
    """Pictures of each label and guidance (1000 in the paper). May grow later: what is there is
    kept."""
    guidance: tuple[float, ...] = (1.0, 3.0, 7.5)
    """Strengths of classifier-free guidance; 1 is the model's own distribution, 7.5 the paper's.
    More may be added later."""
    steps: int = 50
    """Steps of DDIM with eta 0, as for the samples of the paper's trainings."""
    batch_size: int = 16
    """Pictures drawn together. They are the unit of work: what a kill costs at most."""
    bfloat16: bool = False
    """Compute the UNet in bfloat16 where the hardware does."""
    seed: int = 0
    """With label, guidance and index it decides the noise that a picture starts from."""

    def __post_init__(self) -> None:
        require(1 <= self.per_label <= 99_999, "--per-label: from 1 to 99999")
        require(bool(self.guidance), "--guidance: at least one")
        require(
            all(math.isfinite(g) and 0 <= g <= 1000 for g in self.guidance),
            "--guidance: each from 0 to 1000",
        )
        require(len(set(self.guidance)) == len(self.guidance), "--guidance: each only once")
        require(1 <= self.steps <= 1000, "--steps: from 1 to 1000")
        require(self.batch_size >= 1, "--batch-size: at least 1")
        require(0 <= self.seed < 2**32, "--seed: from 0 to 4294967295")


@dataclass(frozen=True)
class BiasOptions:
    """How samples are compared with the pictures of a run."""

    permutations: int = 2000
    """Pictures are dealt anew to the two sets so often; the smallest p is one over this."""
    resamples: int = 1000
    """Bootstrap samples of pictures, for the intervals of shares and of their ratios."""
    parts: int = 20
    """Groups of pictures that are left out in turn (jackknife), for the intervals of diversity,
    precision and recall: drawing pictures twice would make a set look less diverse than it is."""
    splits: int = 20
    """How often the real pictures are split in two, to see what differs without any bias."""
    level: float = 0.05
    """A cluster is called over- or under-represented if its p, corrected for the number of
    clusters of its label, is at most this."""
    neighbours: int = 5
    """k of precision, recall, density and coverage (5 in Naeem et al., 3 in Kynkaanniemi et
    al.)."""
    outside: float = 0.95
    """An element is unlike its cluster if it is farther from the centroid than this share of the
    label's real elements are from theirs."""
    seed: int = 0
    """Of permutations, bootstrap samples and splits."""

    def __post_init__(self) -> None:
        require(self.permutations >= 99, "permutations: at least 99")
        require(self.resamples >= 100, "resamples: at least 100")
        require(self.parts >= 2, "parts: at least 2")
        require(self.splits >= 0, "splits: at least 0")
        require(0 < self.level < 1, "level: between 0 and 1")
        require(self.neighbours >= 1, "neighbours: at least 1")
        require(0 < self.outside < 1, "outside: between 0 and 1")
        require(0 <= self.seed < 2**32, "seed: from 0 to 4294967295")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
