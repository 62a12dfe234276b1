"""Configurations by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..configs import from_plain, with_changes
from ..errors import ConfigError
from .config import (
    EncoderConfig,
    LossConfig,
    PlacementConfig,
    SpriteConfig,
    TrainingConfig,
    TypewriterConfig,
)

__all__ = ["PRESETS", "config_from_dict", "preset", "with_changes"]


def config_from_dict(values: dict[str, Any]) -> TypewriterConfig:
    """Rebuild a configuration from `as_dict`.

    Raises:
        ConfigError: If a key is unknown or a value cannot work; the message names it.
    """
    return from_plain(TypewriterConfig, values)


def _paper(height: int, learning_rate: float, weight: float, batch: int, steps: int) -> Any:
    """The paper's typewriter, as the text of section 3.3 has it.

    The generator is the text's (two layers, as MarioNette); the paper's program has three on a
    code as large as the sprite (`--set sprites.generator=mlp`). Where the text is silent the
    program is followed: windows at step * t, clamped shifts, sigmoid colours and background,
    weight decay on encoder and selection, batches of 2 for Fontenay. What follows neither: a
    line has ceil(W / 16) positions, batches are padded to the step only and hold lines of
    similar width, and at most 160 lines are read to choose the best weights.
    """
    return TypewriterConfig(
        height=height,
        encoder=EncoderConfig(kind="resnet32", step=16, mask_padding=False, recompute=5),
        sprites=SpriteConfig(
            generator="marionette",
            height=0.5,
            width=0.5,
            initial_opacity=0.5,
            spread=None,
            opening=2.0,
            border=0.0,
        ),
        placement=PlacementConfig(
            centred=False, shift="clamp", colour="paper", learned_start=False
        ),
        loss=LossConfig(
            alignment="ctc", alignment_weight=weight, sharpening=1.0, overlap=0.0, variants=0.0
        ),
        training=TrainingConfig(
            batch_size=batch,
            steps=steps,
            learning_rate=learning_rate,
            schedule="constant",
            warm_start=3000,
            warm_start_share=0.25,
            warm_start_until=None,
            warm_start_reads=False,
            clip=None,
            harden=0.0,
            jitter_shift=0.0,
            jitter_contrast=0.0,
            evaluations=100,
            bfloat16=False,
            guide="off",
            start="random",
        ),
    )


def _paper_unsupervised(height: int, count: int, steps: int) -> Any:
    """The paper's typewriter without texts: crops of 2 H, U-Net, sprites of H / 2."""
    start = _paper(height, 1e-4, 0.01, 32, steps)
    return replace(
        start,
        sprites=replace(start.sprites, generator="unet", count=count),
        training=replace(start.training, crop=2.0, unsupervised=True),
    )


PRESETS: dict[str, Callable[[], TypewriterConfig]] = {
    "default": TypewriterConfig,
    "paper-google": lambda: _paper(64, 1e-4, 0.1, 16, 31_900),
    "paper-copiale": lambda: _paper(96, 1e-4, 0.01, 16, 22_500),
    "paper-fontenay": lambda: _paper(64, 1e-4, 0.01, 2, 16_400),
    "paper-google-unsupervised": lambda: _paper_unsupervised(64, 60, 160_000),
    "paper-copiale-unsupervised": lambda: _paper_unsupervised(96, 120, 115_000),
}
"""Named configurations: our default and the paper's settings, with texts and without."""


def preset(name: str) -> TypewriterConfig:
    """The configuration of a preset.

    Raises:
        ConfigError: If there is no such preset; the message lists them.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset: no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]()
