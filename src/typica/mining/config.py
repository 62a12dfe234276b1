"""Every choice of mining in one validated value.

A choice that departs from the paper says so beside its default, with the reason. The resolved
configuration is written into the run folder.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..configs import require

__all__ = [
    "ClusterConfig",
    "ElementConfig",
    "FeatureConfig",
    "FinetuneConfig",
    "MiningConfig",
    "SmallConfig",
    "TypicalityConfig",
]


@dataclass(frozen=True)
class SmallConfig:
    """The base `small`: a pixel-space denoiser that trains from scratch on a processor."""

    fold: int = 4
    """Pixels of a square of this side become the channels of one cell (an orthonormal change of
    basis, so nothing is lost): a grid 16 times smaller costs a fraction of the time."""
    channels: tuple[int, ...] = (64, 64, 128)
    """Channels of the UNet's levels, finest first."""
    layers: int = 1
    """Residual blocks per level (one more on the way up)."""
    label_features: int = 128
    """Size of a label's learnt embedding."""

    def __post_init__(self) -> None:
        require(self.fold in (1, 2, 4, 8), "small.fold: choose 1, 2, 4 or 8")
        require(
            len(self.channels) >= 2 and all(c % 32 == 0 and c > 0 for c in self.channels),
            "small.channels: at least two levels, each a multiple of 32",
        )
        require(self.layers >= 1, "small.layers: at least 1")
        require(
            self.label_features % 64 == 0 and self.label_features > 0,
            "small.label_features: a multiple of 64",
        )


@dataclass(frozen=True)
class FinetuneConfig:
    """How the denoiser is trained (eq. 4.5; where the text is silent, as the paper's program)."""

    steps: int = 10_000
    """Optimizer steps; `--max-minutes` replaces it by what fits. The paper's models took about
    10 000 to 110 000."""
    batch_size: int = 64
    """Pictures per optimizer step."""
    accumulate: int = 1
    """A step is computed in this many pieces, for devices with little memory."""
    learning_rate: float = 1e-4
    schedule: Literal["constant", "one-cycle"] = "constant"
    null_share: float = 0.1
    """Share of the training pictures that are shown without their label (10 % in the text, 5 %
    in most of the program)."""
    weight_decay: float = 1e-2
    clip: float | None = 1.0
    """Largest norm of the gradient; None for no limit."""
    ema: float | None = None
    """Decay of a moving average of the weights, which is then what is kept; None for none
    (paper)."""
    lora_rank: int | None = None
    """Train low-rank additions to the attention layers instead of the whole UNet; None trains
    the whole (paper). Merged into the UNet when it is saved."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    random_crop: bool = True
    """Train on random squares (paper); otherwise on the central one."""
    flip: bool = False
    """Mirror training pictures at random. Not in the paper: writing and maps have no mirror."""
    bfloat16: bool = True
    """Compute the UNet in bfloat16 where the hardware does; the loss stays float32."""
    samples: int = 2
    """Pictures drawn per label, now and then, to look at; 0 for none."""
    sample_labels: int = 8
    """At most this many labels are sampled, evenly spread."""
    evaluations: int = 4
    """How often samples are drawn and the held-out loss is measured."""
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.steps >= 1, "finetune.steps: at least 1")
        require(self.batch_size >= 1, "finetune.batch_size: at least 1")
        require(
            self.accumulate >= 1 and self.batch_size % self.accumulate == 0,
            "finetune.accumulate: must divide finetune.batch_size",
        )
        require(self.learning_rate > 0, "finetune.learning_rate: above 0")
        require(0 <= self.null_share < 1, "finetune.null_share: at least 0, below 1")
        require(self.weight_decay >= 0, "finetune.weight_decay: at least 0")
        require(self.clip is None or self.clip > 0, "finetune.clip: above 0, or none")
        require(self.ema is None or 0 < self.ema < 1, "finetune.ema: between 0 and 1, or none")
        require(
            self.lora_rank is None or self.lora_rank >= 1,
            "finetune.lora_rank: at least 1, or none",
        )
        require(self.samples >= 0, "finetune.samples: at least 0")
        require(self.sample_labels >= 1, "finetune.sample_labels: at least 1")
        require(self.evaluations >= 1, "finetune.evaluations: at least 1")
        require(0 <= self.seed < 2**32, "finetune.seed: from 0 to 4294967295")


@dataclass(frozen=True)
class TypicalityConfig:
    """How T(x|c) is estimated (eqs. 4.9 to 4.11)."""

    draws: int = 100
    """Pairs (t, noise) per picture."""
    t_min: float = 0.1
    t_max: float = 0.7
    """Range of the diffusion time; the tails contribute uninformative but typical patches."""
    sampling: Literal["stratified", "importance", "uniform"] = "stratified"
    """One time in each of `draws` equal parts of the range; the same with more of them where draws
    vary more, which a pilot of 32 pictures finds out (`time_density.py`); or all uniformly
    (paper)."""
    noise: Literal["independent", "balanced"] = "independent"
    """Noise of its own for each draw (paper), or fields that cancel one another's first-order
    effect: as good a mean from fewer draws (`balance.py`; on steel plates and on scenes 40 do as
    well as 100), so the presets take it, but for the paper's."""
    adaptive: int | None = None
    """Draws of a first pass over all pictures, after which only those get more, up to `draws`,
    that can still have a patch among the elements of a label (`rounds.py`); for long lists of
    pictures of which few elements are kept. None gives every picture `draws` (paper)."""
    surrogate: int | None = None
    """Steps of teaching a small network to find what the UNet finds, as a control variate: it says
    which part of an estimate is chance (`control.py`). 20 draws with it do as well as 100 plain
    ones on two of three small sets. The expectation stays the same, however good or bad the
    surrogate. None does without (paper)."""
    surrogate_width: int = 32
    """Channels of its finest level, a multiple of 4. More follow the UNet more closely and cost
    more, which matters next to the small model only."""
    reach: float = 1.0
    """Standard errors by which a patch may lie below a label's last element, and its picture
    still gets more draws."""
    posterior: Literal["mean", "sample"] = "mean"
    """Which latent of a picture: the mean of the codec's posterior, or one seeded sample (the
    paper's program samples without a seed, so its maps cannot be repeated)."""
    labels: Literal["own", "all"] = "own"
    """Score every picture against its own label, or against all (needed for the classifier of
    eq. 4.6; costs accordingly)."""
    batch_size: int = 64
    """UNet evaluations at a time."""
    groups: int = 10
    """The draws are dealt to this many groups, whose means are kept beside the mean of all: the
    standard error of any region follows from them, however its cells depend on each other."""
    piece: int = 64
    """Pictures per file of results: what an interrupted run repeats at most."""
    bfloat16: bool = False
    """Compute the UNet in bfloat16 where the hardware does; errors and means stay float32. A
    difference of two nearly equal losses loses precision with it: faster, to be checked."""
    seed: int = 42

    def __post_init__(self) -> None:
        require(self.draws >= 1, "typicality.draws: at least 1")
        require(
            0 <= self.t_min < self.t_max <= 1,
            "typicality.t_min, typicality.t_max: between 0 and 1, in this order",
        )
        require(self.batch_size >= 2, "typicality.batch_size: at least 2")
        require(2 <= self.groups <= 100, "typicality.groups: between 2 and 100")
        require(
            self.draws % self.groups == 0,
            "typicality.draws: must be a multiple of typicality.groups",
        )
        require(
            self.noise == "independent" or (self.groups % 2 == 0 and self.draws >= 4),
            "typicality.noise=balanced: needs an even number of typicality.groups, and at least "
            "4 typicality.draws; or take typicality.noise=independent",
        )
        require(
            self.adaptive is None
            or (0 < self.adaptive < self.draws and self.adaptive % self.groups == 0),
            "typicality.adaptive: must be a multiple of typicality.groups below "
            "typicality.draws, or none",
        )
        require(
            self.noise == "independent" or min(self.blocks) >= 4,
            f"typicality.noise=balanced: needs at least 4 draws in every round, not "
            f"{', '.join(map(str, self.blocks))}; or take typicality.noise=independent",
        )
        require(
            self.surrogate is None or 1 <= self.surrogate <= 1_000_000,
            "typicality.surrogate: between 1 and 1000000, or none",
        )
        require(
            4 <= self.surrogate_width <= 1024 and self.surrogate_width % 4 == 0,
            "typicality.surrogate_width: a multiple of 4, at most 1024",
        )
        require(self.reach >= 0, "typicality.reach: at least 0")
        require(self.piece >= 1, "typicality.piece: at least 1")
        require(0 <= self.seed < 2**32, "typicality.seed: from 0 to 4294967295")

    @property
    def blocks(self) -> tuple[int, ...]:
        """The draws of a picture, as they are added: all at once, or as many again each time.

        Each is a multiple of `groups`; their sum is `draws`.
        """
        if self.adaptive is None:
            return (self.draws,)
        blocks = [self.adaptive]
        while (done := sum(blocks)) < self.draws:
            blocks.append(min(done, self.draws - done))
        return tuple(blocks)


@dataclass(frozen=True)
class ElementConfig:
    """Which patches are cut out (section 4.3.3)."""

    scales: tuple[float, ...] = ()
    """Sides of the square patches over the short side of the picture; empty takes the paper's,
    50 px at 256 and 64 px at 512, in proportion below and above, between the two linearly."""
    per_picture: int = 5
    """Non-overlapping patches taken from a picture."""
    per_label: int = 1000
    """Patches kept of a label, the most typical."""
    contrast: float = 0.0
    """Least standard deviation of the grey values (0 to 1) in a patch; flat patches below it are
    not taken. 0 takes all (paper)."""
    seed: int = 0
    """Of the random patches that the typical ones are compared with."""

    def __post_init__(self) -> None:
        require(all(0 < s <= 1 for s in self.scales), "elements.scales: each above 0, at most 1")
        require(self.per_picture >= 1, "elements.per_picture: at least 1")
        require(self.per_label >= 1, "elements.per_label: at least 1")
        require(0 <= self.contrast < 1, "elements.contrast: at least 0, below 1")


@dataclass(frozen=True)
class FeatureConfig:
    """DIFT features (Tang et al. 2023) of patches."""

    timestep: int = 161
    """Of 1000, as in the paper."""
    block: int | None = None
    """Index of the upsampling block whose output is taken; None takes the paper's (1 of 4), or
    the first of a smaller UNet."""
    ensemble: int = 8
    """Noises whose features are averaged (8 in the program)."""
    batch_size: int = 32
    seed: int = 42

    def __post_init__(self) -> None:
        require(0 <= self.timestep < 1000, "features.timestep: from 0 to 999")
        require(self.block is None or self.block >= 0, "features.block: at least 0, or none")
        require(self.ensemble >= 1, "features.ensemble: at least 1")
        require(self.batch_size >= 1, "features.batch_size: at least 1")


@dataclass(frozen=True)
class ClusterConfig:
    """k-means on the features of a label's elements."""

    count: int = 32
    starts: int = 10
    """Seeded starts, of which the best is kept (1 in the program)."""
    stability_runs: int = 5
    """Repetitions with other seeds that the reported stability is measured over."""
    merge: float | None = 0.95
    """Merge clusters whose centroids have at least this cosine; None merges none (paper)."""
    seed: int = 10

    def __post_init__(self) -> None:
        require(self.count >= 1, "clusters.count: at least 1")
        require(self.starts >= 1, "clusters.starts: at least 1")
        require(self.stability_runs >= 0, "clusters.stability_runs: at least 0")
        require(self.merge is None or 0 < self.merge <= 1, "clusters.merge: above 0, at most 1")


@dataclass(frozen=True)
class MiningConfig:
    """Everything that decides a mining run, apart from its base, its prompts and its data."""

    size: int = 512
    """Short side that every picture is resized to, aspect kept (256 or 512 in the paper; 64 to
    128 for `small`)."""
    small: SmallConfig = field(default_factory=SmallConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    typicality: TypicalityConfig = field(default_factory=TypicalityConfig)
    elements: ElementConfig = field(default_factory=ElementConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    clusters: ClusterConfig = field(default_factory=ClusterConfig)

    def __post_init__(self) -> None:
        require(16 <= self.size <= 2048, "size: between 16 and 2048 pixels")

    def as_dict(self) -> dict[str, Any]:
        """Plain nested values, for JSON."""
        return asdict(self)
