"""Configurations by name: the paper's, and what the small base needs instead."""

from __future__ import annotations

from collections.abc import Callable

from ..configs import require
from .config import (
    ClusterConfig,
    FeatureConfig,
    FinetuneConfig,
    MiningConfig,
    TypicalityConfig,
)

__all__ = ["PRESETS", "preset"]


def _paper(size: int, batch: int) -> MiningConfig:
    """The paper's setting (section 4.3.3), with 10 000 steps of fine-tuning."""
    return MiningConfig(
        size=size,
        finetune=FinetuneConfig(batch_size=batch),
        typicality=TypicalityConfig(sampling="uniform"),
        clusters=ClusterConfig(starts=1, merge=None),
    )


def _small() -> MiningConfig:
    """For `small`, which trains from scratch: a higher rate that falls, averaged weights."""
    return MiningConfig(
        size=96,
        finetune=FinetuneConfig(
            steps=3000,
            batch_size=32,
            learning_rate=1e-3,
            schedule="one-cycle",
            ema=0.995,
        ),
        typicality=TypicalityConfig(draws=50, noise="balanced"),
        features=FeatureConfig(ensemble=4),
    )


PRESETS: dict[str, Callable[[], MiningConfig]] = {
    "default": lambda: MiningConfig(typicality=TypicalityConfig(noise="balanced")),
    "small": _small,
    "paper-256": lambda: _paper(256, 64),
    "paper-512": lambda: _paper(512, 8),
}
"""`default` for Stable Diffusion, `small` for the small base, and the paper's two sizes (256 for
cars and faces, 512 for street views and scenes)."""


def preset(name: str) -> MiningConfig:
    """The configuration of a preset.

    Raises:
        ConfigError: If there is no such preset; the message lists them.
    """
    require(name in PRESETS, f"preset: no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]()
