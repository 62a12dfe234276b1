"""Every choice of co-typicality in one validated value.

Scoring, patch sides and features are those of the mining run, so that sequences compare with its
elements. What departs from the paper's program says so beside its default.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ...configs import require
from ..config import ClusterConfig

__all__ = ["CotypicalConfig", "ProjectionConfig"]


@dataclass(frozen=True)
class ProjectionConfig:
    """How the features of each label's patches are brought to fewer dimensions."""

    method: Literal["auto", "umap", "pca"] = "auto"
    """umap as in the paper (needs `typica[umap]`); pca needs nothing more and has no parameter to
    tune; auto takes umap where it is installed and there are `least` sequences, else pca, and
    the record says which and why."""
    components: int = 32
    """Dimensions of a label."""
    neighbours: int = 15
    """Of UMAP."""
    least: int = 128
    """Fewest sequences for which `auto` takes UMAP: with fewer, a graph of 15 neighbours says
    little that 32 dimensions could keep."""
    seed: int = 10
    """Of UMAP, which is unseeded in the program."""

    def __post_init__(self) -> None:
        require(self.components >= 1, "projection.components: at least 1")
        require(self.neighbours >= 2, "projection.neighbours: at least 2")
        require(self.least >= 3, "projection.least: at least 3")
        require(0 <= self.seed < 2**32, "projection.seed: from 0 to 4294967295")


@dataclass(frozen=True)
class CotypicalConfig:
    """How sequences of patches are scored, picked and clustered (section 4.5.1, eq. 4.12)."""

    draws: int | None = None
    """Pairs (t, noise) per picture; None takes those of the mining run (100 in the paper). A
    multiple of its `typicality.groups`."""
    per_picture: int = 5
    """Non-overlapping sequences taken from a source picture."""
    count: int = 10_000
    """Sequences kept in all, the most co-typical of all sources together."""
    projection: ProjectionConfig = field(default_factory=ProjectionConfig)
    clusters: ClusterConfig = field(default_factory=lambda: ClusterConfig(merge=None))
    """k-means on the projections; nothing is merged, as the cosine of two centroids means nothing
    in them."""

    def __post_init__(self) -> None:
        require(self.draws is None or self.draws >= 1, "draws: at least 1, or none")
        require(self.per_picture >= 1, "per_picture: at least 1")
        require(self.count >= 1, "count: at least 1")

    def as_dict(self) -> dict[str, Any]:
        """Plain nested values, for JSON."""
        return asdict(self)
