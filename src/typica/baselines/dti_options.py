"""Every choice of the DTI-Sprites baseline, and how our shared modules see it."""

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

__all__ = ["DTIOptions"]


@dataclass(frozen=True)
class DTIOptions:
    """What decides a DTI-Sprites model and its training."""

    height: int = 48
    """H, the height in pixels that every line is resized to."""
    sprites: int = 60
    """K. The number of the paper's unsupervised runs on print."""
    encoder: Literal["compact", "resnet32"] = "compact"
    """The encoder, as for the typewriter."""
    step: int = 8
    """Pixels between two positions, as for the typewriter."""
    sprite_width: float = 0.5
    """Sprite width over line height. The paper's sprites have half the line height; a wider one
    would hold two letters of print, and pixels without a generator keep what they once hold."""
    window: float = 0.75
    """Width over line height of the window that a position draws into."""
    reach_x: float = 0.15
    """Largest horizontal shift over line height: a little more than a step each way."""
    reach_y: float = 0.08
    """Largest vertical shift over line height."""
    scale_range: float = 0.2
    """Largest absolute log-scale."""
    hidden: int = 64
    """Width of the two hidden layers of every sprite's own networks (128 in the original, whose
    batches hold far fewer positions)."""
    start: Literal["crops", "bell"] = "crops"
    """`crops`: every sprite starts as the ink of a random piece of a training line under a bell
    (the original's `sample` start); `bell`: as a faint bell with noise."""
    empty_price: float = 0.0005
    """Price of a sprite that is not empty, as mean squared error of its window: one that explains
    less is not placed. The original's weight of non-empty sprites."""
    rounds: int = 8
    """Most rounds of the greedy selection in training; each places one sprite, or replaces one,
    per stretch of a line in which windows overlap."""
    coarse: int = 2
    """In training the selection looks at everything shrunk by this factor, which costs a fifth and
    tells nearly all letters apart; in reading it always looks at every pixel."""
    candidates: int = 3
    """Sprites per position that learn in a step: the selected one, and the next best by the
    softmin of their errors. 1 is the original, where only the selected one learns."""
    temperature: float = 0.002
    """Temperature of the softmin at the beginning, as mean squared error of a window; it falls
    linearly to 0 at `soft_until`."""
    soft_until: float = 0.5
    """Share of the steps after which only the selected sprites learn, as in the original."""
    colour_from: float = 0.05
    """Share of the steps after which the colours are predicted (first stage: identity)."""
    position_from: float = 0.1
    """Share of the steps after which scales and shifts are predicted as well."""
    reassign_every: int = 100
    """Steps between two looks at how often each sprite is selected."""
    reassign_below: float = 0.2
    """A sprite selected less than this share of the mean use starts again (original)."""
    reassign_noise: float = 0.05
    """Standard deviation of what is added to the copy of a well-used sprite. The original's 0.0001
    leaves copies that share all further work evenly."""
    reassign_until: float = 0.7
    """Share of the steps after which no sprite starts again."""
    batch_size: int = 8
    """Crops in a step."""
    crop: float = 2.0
    """Width of a random crop over line height, as in the paper's unsupervised setting."""
    steps: int = 3000
    """Gradient steps; `--max-minutes` replaces it by what fits."""
    learning_rate: float = 1e-3
    """The highest, of encoder and networks (0.0001 in the original, which trains for days)."""
    sprite_rate: float = 5e-3
    """The same of the pixels, which have no generator that would move many of them at a time."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.sprites >= 1, "sprites: at least 1")
        require(self.hidden >= 1, "hidden: at least 1")
        require(self.start in ("crops", "bell"), f"start: no kind {self.start!r}")
        require(self.empty_price >= 0, "empty_price: at least 0")
        require(self.rounds >= 1, "rounds: at least 1")
        require(self.coarse in (1, 2, 4) and self.step % self.coarse == 0, "coarse: 1, 2 or 4")
        require(
            1 <= self.candidates <= self.sprites,
            "candidates: at least 1, at most as many as sprites",
        )
        require(self.temperature >= 0, "temperature: at least 0")
        require(0 <= self.soft_until <= 1, "soft_until: between 0 and 1")
        require(
            0 <= self.colour_from <= self.position_from <= 1,
            "colour_from, position_from: between 0 and 1, in this order",
        )
        require(self.reassign_every >= 1, "reassign_every: at least 1")
        require(0 <= self.reassign_below < 1, "reassign_below: at least 0 and below 1")
        require(self.reassign_noise >= 0, "reassign_noise: at least 0")
        require(0 <= self.reassign_until <= 1, "reassign_until: between 0 and 1")
        require(self.sprite_rate > 0, "sprite_rate: above 0")
        require(self.clip > 0, "clip: above 0")
        shared = self.typewriter()  # the shared choices are judged where they are used
        sides = (shared.height, shared.sprite_height, shared.sprite_width, shared.window_width // 2)
        require(
            all(side % self.coarse == 0 for side in sides),
            f"coarse: does not divide height, sprite and half window, {sides}",
        )

    def typewriter(self) -> TypewriterConfig:
        """The same choices as encoder, placement, loader and decoding know them."""
        return TypewriterConfig(
            height=self.height,
            encoder=EncoderConfig(kind=self.encoder, step=self.step),
            sprites=SpriteConfig(
                generator="pixels", width=self.sprite_width, count=self.sprites, border=0.0
            ),
            placement=PlacementConfig(
                window=self.window,
                reach_x=self.reach_x,
                reach_y=self.reach_y,
                scale_range=self.scale_range,
            ),
            loss=LossConfig(overlap=0.0),
            training=TrainingConfig(
                batch_size=self.batch_size,
                steps=self.steps,
                learning_rate=self.learning_rate,
                clip=self.clip,
                crop=self.crop,
                seed=self.seed,
            ),
        )
