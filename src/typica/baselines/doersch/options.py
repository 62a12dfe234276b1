"""Every choice of the Doersch et al. (2012) baseline, with the published constants as defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ...configs import require
from ...errors import ConfigError

__all__ = ["DoerschOptions", "PresetName", "preset"]

PresetName = Literal["published", "small"]


@dataclass(frozen=True)
class DoerschOptions:
    """How elements are found; each option names whose constant it is."""

    size: int | None = None
    """Short side that pictures are brought to, in pixels; None works on every picture at its own
    size. The paper's pictures are some 500 px high; enlarge small ones, or take smaller cells."""
    cell: int = 8
    """Side of a cell of the descriptor, in pixels; also the smallest stride."""
    cells: int = 8
    """Cells along a side of a patch: 8 cells of 8 px are the published 64 px."""
    step: int = 1
    """Stride of the grid of patches, in cells: 1 is the published 8 px."""
    orientations: int = 31
    """Directions of gradients told apart, over half a turn. The 2012 paper has the 31 features
    per cell of Felzenszwalb's HOG; the re-implementation, followed here, has 31 directions."""
    colour_offset: float = 0.0
    """Added to Lab a and b (before division by 255). The re-implementation adds 128, so that 98 %
    of every descriptor's length is one common direction, which no SVM of this cost turns away
    from; without it grey pictures have no colour part, as is right."""
    candidates: int = 25_000
    """Random patches of the label that are tried as seeds."""
    contrast: float = 0.15
    """Candidates whose grey values, between the 1st and 99th percentile, span less of the whole
    range are not tried."""
    seed_matches: int = 50
    """Nearest patches of a candidate that are kept, one per picture: for the test of repetition."""
    seed_top: int = 20
    """The first of them whose labels rank the candidates."""
    detectors: int = 1000
    """Candidates that become detectors."""
    overlap: float = 0.3
    """Two patches of one picture are the same if the area they share is more than this part of the
    area they cover."""
    most_shared: int = 5
    """A candidate with more matches than this in common with an accepted one is a repetition."""
    rounds: int = 3
    """Times that detectors are trained, and disjoint subsets that the pictures are dealt into."""
    positives: int = 5
    """Best matches within the label that a detector is trained on."""
    cost: float = 0.1
    """C of the linear SVM."""
    hard: int = 100
    """Negatives added at a time: the best matches outside the label, one per picture."""
    passes: int = 3
    """Times that a round looks for negatives inside the margin, over every place of every negative
    picture of its subset; it stops early where there are none, and the SVM is then exact."""
    matches: int = 50
    """Best matches, one per picture, whose share inside the label is the score of a detector (the
    2012 paper and the thesis; the re-implementation takes 100)."""
    keep: int = 32
    """Detectors that are kept as clusters."""
    members: int = 20
    """Best matches within the label that a cluster is said to consist of."""
    piece: int = 256
    """Pictures in one file of descriptors, and in memory at a time."""
    chunk: int = 4096
    """Candidates that are searched for at a time; after each chunk the work is on disk."""
    seed: int = 0
    """Of everything random."""

    def __post_init__(self) -> None:
        least = dict.fromkeys(
            (
                "cell", "cells", "step", "candidates", "seed_top", "detectors", "rounds",
                "positives", "hard", "passes", "matches", "keep", "members", "piece", "chunk",
            ),
            1,
        )  # fmt: skip
        for name, lowest in {**least, "orientations": 2, "most_shared": 0, "seed": 0}.items():
            require(getattr(self, name) >= lowest, f"{name}: at least {lowest}")
        require(self.size is None or self.size >= self.side, f"size: at least {self.side} px")
        require(self.seed_matches >= self.seed_top, "seed_matches: at least seed_top")
        require(0 <= self.contrast < 1, "contrast: from 0, below 1")
        require(0 < self.overlap < 1, "overlap: between 0 and 1")
        require(self.cost > 0, "cost: above 0")

    @property
    def side(self) -> int:
        """Of a patch, in working pixels."""
        return self.cell * self.cells

    @property
    def channels(self) -> int:
        """Numbers per cell: directions, and two of colour."""
        return self.orientations + 2

    @property
    def length(self) -> int:
        """Numbers per descriptor."""
        return self.cells**2 * self.channels

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def preset(name: PresetName) -> DoerschOptions:
    """Options by name.

    Arguments:
        name: `published`, or `small`: minutes on two cores for pictures of about 200 px; patches
            of 35 px, 5 x 5 cells, at 189 px (about the share of the picture that mining's have),
            1000 candidates, 200 detectors. Everything else as published.

    Raises:
        ConfigError: If there is no such preset.
    """
    if name == "published":
        return DoerschOptions()
    if name == "small":
        return DoerschOptions(
            size=189, cell=7, cells=5, orientations=12, candidates=1000, detectors=200
        )
    raise ConfigError(f"--preset {name}: published or small")
