"""Every choice of translation in one validated value.

Plug-and-play translation (Tumanyan et al. 2023) as section 4.5.1 uses it. What departs from the
paper's program says so beside its default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...configs import require

__all__ = ["TranslationConfig"]


@dataclass(frozen=True)
class TranslationConfig:
    """How pictures are inverted and carried over to other labels."""

    steps: int = 50
    """Times that a translation visits."""
    guidance: float = 7.5
    """How strongly the target label is followed; 1 is no guidance."""
    start: float = 1.0
    """Share of the diffusion time that a translation begins at: 1 is pure noise (paper). Below
    1 less of the picture is undone, so less can change."""
    inversion: Literal["plain", "exact"] = "plain"
    """plain: the noise is predicted at the last, less noisy latent (paper). exact: the step is
    solved for the latent that denoising would have come from."""
    inversion_steps: int = 999
    """Times that the inversion visits (999 in the paper); those of the translation are among
    them in any case. 50 is enough for `exact`."""
    iterations: int = 50
    """Most evaluations of the UNet per step of an exact inversion."""
    tolerance: float = 1e-6
    """An exact step ends where the latent changes by less than this share of its norm."""
    features_share: float = 0.8
    """Share of the steps in which features of the source are injected."""
    attention_share: float = 0.5
    """Share of the steps in which self-attention's queries and keys are injected."""
    block: int | None = None
    """Index of the upsampling block whose features are injected; None chooses by resolution
    (the published one, 1 of 4, in Stable Diffusion)."""
    labels: tuple[str, ...] = ()
    """Translate only among these labels; empty for all."""

    def __post_init__(self) -> None:
        require(self.steps >= 1, "steps: at least 1")
        require(self.guidance >= 0, "guidance: at least 0")
        require(0 < self.start <= 1, "start: above 0, at most 1")
        require(self.inversion_steps >= 1, "inversion_steps: at least 1")
        require(self.iterations >= 1, "iterations: at least 1")
        require(0 < self.tolerance < 1, "tolerance: between 0 and 1")
        require(0 <= self.features_share <= 1, "features_share: between 0 and 1")
        require(0 <= self.attention_share <= 1, "attention_share: between 0 and 1")
        require(self.block is None or self.block >= 0, "block: at least 0, or none")
        require(len(set(self.labels)) == len(self.labels), "labels: one is given twice")
        require(len(self.labels) != 1, "labels: at least two, or none for all")


PRESETS: dict[str, TranslationConfig] = {
    "default": TranslationConfig(),
    "small": TranslationConfig(inversion_steps=50, guidance=5.0),
}
"""`default`, for Stable Diffusion, is the paper's. `small`, for the small base, inverts in few
steps: it cannot draw fine detail, so the better an inversion is, the more of that detail it hides
in noise that is far from white (a standard deviation of 4 instead of 1 where it is exact), which no
label changes. And it is guided less, because it draws pixels, whose contrast overshoots."""


def translation_preset(name: str) -> TranslationConfig:
    """The options of a preset.

    Raises:
        ConfigError: If there is no such preset.
    """
    require(name in PRESETS, f"preset: no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
