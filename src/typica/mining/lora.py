"""Low-rank additions to the attention layers of a UNet (LoRA), through peft."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import DependencyError

__all__ = ["add_lora", "merge_lora"]

_LAYERS = ["to_q", "to_k", "to_v", "to_out.0"]
_NAME = "typica"


def add_lora(unet: Any, rank: int, seed: int) -> None:
    """Freeze a UNet and add trainable low-rank matrices to its attention layers, of no effect yet.

    Arguments:
        unet: A `diffusers.UNet2DConditionModel`, changed in place.
        rank: Of the additions.
        seed: Of their first values; the global random state is left alone.

    Raises:
        DependencyError: If peft is missing.
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise DependencyError(
            "finetune.lora_rank needs peft: pip install 'typica[peft]'"
        ) from error
    unet.requires_grad_(False)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=_LAYERS), _NAME)


def merge_lora(unet: Any) -> None:
    """Add the low-rank matrices to the layers themselves, so that an ordinary UNet is left."""
    unet.fuse_lora(adapter_names=[_NAME])
    unet.unload_lora()
