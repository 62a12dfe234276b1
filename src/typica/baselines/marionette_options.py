"""Every choice of the MarioNette baseline, and how our shared modules see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..configs import require
from ..typewriter.config import (
    EncoderConfig,
    LossConfig,
    PlacementConfig,
    SpriteConfig,
    TrainingConfig,
    TypewriterConfig,
)

__all__ = ["MarionetteOptions"]


@dataclass(frozen=True)
class MarionetteOptions:
    """What decides a MarioNette and its training."""

    height: int = 48
    """H, the height in pixels that every line is resized to."""
    sprites: int = 60
    """K, the size of the dictionary (150 in the original's program)."""
    layers: int = 2
    """Grids of anchors on top of each other (2 in the original's program)."""
    encoder: Literal["compact", "resnet32"] = "compact"
    """The encoder, as for the typewriter."""
    step: int = 16
    """Pixels between two anchors. A patch is twice as wide, so that neighbours overlap by half;
    with two layers that is a patch per 8 px, as the typewriter has."""
    features: int = 128
    """Size of features and codes (original)."""
    start_opacity: float = 0.5
    """Opacity of a new sprite: what the original's sigmoid starts at. It is not moved to a fainter
    start, as the typewriter's is, for this is the published method."""
    beta_weight: float = 0.002
    """Weight of the Beta(2, 2) density of selection probabilities and presences (original)."""
    sparse_weight: float = 0.005
    """Weight of the mean presence (original)."""
    random_order: bool = True
    """Within a layer, even or odd anchors on top by chance, redrawn every step (original)."""
    batch_size: int = 16
    """Crops in a step (8 larger ones in the original's program)."""
    crop: float = 2.0
    """Width of a random crop over line height, as in the paper's unsupervised setting."""
    steps: int = 4000
    """Gradient steps (200000 in the original); `--max-minutes` replaces it by what fits."""
    learning_rate: float = 1e-3
    """0.0001 in the original, which trains for days."""
    weight_decay: float = 0.01
    """Of everything: what AdamW does where nothing else is asked for, as in the original."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.layers >= 1, "layers: at least 1")
        require(0 < self.start_opacity < 1, "start_opacity: between 0 and 1")
        require(self.features % 8 == 0, "features: a multiple of 8")
        require(self.beta_weight >= 0, "beta_weight: at least 0")
        require(self.sparse_weight >= 0, "sparse_weight: at least 0")
        require(self.weight_decay >= 0, "weight_decay: at least 0")
        require(self.clip > 0, "clip: above 0")
        self.typewriter()  # the shared choices are judged where they are used

    def typewriter(self) -> TypewriterConfig:
        """The same choices as encoder, placement, loader and decoding know them."""
        patch = 2 * self.step / self.height
        reach = self.step / 2 / self.height
        return TypewriterConfig(
            height=self.height,
            encoder=EncoderConfig(kind=self.encoder, step=self.step, features=self.features),
            sprites=SpriteConfig(
                generator="marionette",
                width=patch,
                count=self.sprites,
                initial_opacity=self.start_opacity,
                border=0.0,
            ),
            placement=PlacementConfig(window=patch, reach_x=reach, reach_y=reach, scale_range=0.0),
            loss=LossConfig(overlap=0.0),
            training=TrainingConfig(
                batch_size=self.batch_size,
                steps=self.steps,
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                clip=self.clip,
                crop=self.crop,
                seed=self.seed,
            ),
        )
