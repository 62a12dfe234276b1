"""Tiny models and runs for the tests of translation: random, but with an output that matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from typica.images.options import PictureOptions
from typica.images.prompts import PromptTemplate
from typica.mining.bases import load_base, save_denoiser
from typica.mining.opening import OpenRun, begin

from .mining_helpers import (
    LABELS,
    tiny_about,
    tiny_config,
    tiny_pictures,
    tiny_pipeline,
    tiny_small,
)

__all__ = ["LABELS", "lively", "small_denoiser", "tiny_run", "tiny_stable_diffusion"]


def lively(denoiser: Any, scale: float = 0.02) -> Any:
    """Give a fresh small model an output other than zero, and labels a say in it."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        weight = denoiser.unet.conv_out.weight
        weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return denoiser.eval()


def small_denoiser() -> Any:
    """A random small model that predicts the picture."""
    return lively(tiny_small())


def tiny_stable_diffusion(folder: Path, prediction: str = "epsilon") -> Any:
    """A random Stable Diffusion pipeline, loaded as a denoiser."""
    base = tiny_pipeline(folder, prediction)
    return load_base(str(base), tiny_about(base, tiny_config(32), factor=4))


def tiny_run(folder: Path, count: int = 3) -> OpenRun:
    """A run of the small base whose model was saved without training."""
    tiny_pictures(folder / "data", count)
    run = begin(
        folder / "data",
        folder / "run",
        base="small",
        prompt=PromptTemplate(),
        config=tiny_config(),
        reading=PictureOptions(),
        device="cpu",
    )
    save_denoiser(lively(load_base("small", run.about)), run.folder.denoiser, run.about)
    return run
