"""The base `small`: a pixel-space denoiser that trains from scratch on a processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..errors import DependencyError
from .codec import FoldCodec
from .conditioner import LabelTable
from .config import SmallConfig
from .denoiser import Denoiser
from .schedule import NoiseSchedule

__all__ = ["build_small", "small_scheduler"]

_HEAD = 32
"""Features of one attention head."""


def small_scheduler() -> Any:
    """The forward process of `small`, a diffusers scheduler.

    Stable Diffusion's own betas, so that the paper's range of t in [0.1, 0.7] keeps its meaning:
    a_t falls from 0.89 to 0.08 in it. (The cosine schedule keeps a_t at 0.20 there: neighbouring
    pixels tell so much about each other that most of a picture is still to be seen, and the
    label has nothing left to tell.) The UNet predicts the picture: a cell folds 48 numbers or more
    into one place, and noise, which eps and v carry along, could not pass through a narrow UNet
    (with v the loss stopped at 0.42 and samples stayed noisy), while pictures can.
    """
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="sample",
        timestep_spacing="trailing",
        clip_sample=True,
    )


def build_small(config: SmallConfig, labels: Sequence[str], seed: int) -> Denoiser:
    """The untrained small denoiser.

    The label reaches every residual block, added to the embedding of t, and the attention layers
    of all levels but the finest.

    Arguments:
        config: Its dimensions.
        labels: All labels, sorted.
        seed: Of its weights; the global random state is left alone.

    Returns:
        A denoiser on the processor, in training mode.

    Raises:
        DependencyError: If diffusers is missing.
    """
    try:
        from diffusers import UNet2DConditionModel
    except ImportError as error:
        raise DependencyError("mining needs diffusers: pip install 'typica[mining]'") from error
    codec = FoldCodec(config.fold)
    coarse = len(config.channels) - 1
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        unet: Any = UNet2DConditionModel(
            in_channels=codec.channels,
            out_channels=codec.channels,
            block_out_channels=config.channels,
            layers_per_block=config.layers,
            down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * coarse),
            up_block_types=(*["CrossAttnUpBlock2D"] * coarse, "UpBlock2D"),
            cross_attention_dim=config.label_features,
            # diffusers' name for the number of heads of each level
            attention_head_dim=tuple(channels // _HEAD for channels in config.channels),
            norm_num_groups=32,
            addition_embed_type="text",
            addition_embed_type_num_heads=config.label_features // _HEAD,
        )
        conditioner = LabelTable(labels, config.label_features)
    nn.init.zeros_(unet.conv_out.weight)  # the first guess is zero rather than noise
    nn.init.zeros_(unet.conv_out.bias)
    return Denoiser(codec, conditioner, unet, NoiseSchedule.from_scheduler(small_scheduler()))
