"""Tiny random models for tests: a whole Stable Diffusion pipeline and the small base, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from typica.images.prompts import PromptTemplate
from typica.mining.config import FinetuneConfig, MiningConfig, SmallConfig
from typica.mining.folder import MiningAbout

LABELS = ("a", "b", "c")


def tiny_parts(
    prediction_type: str = "epsilon", factor: int = 4, seed: int = 0, width: int = 32
) -> dict[str, Any]:
    """The parts of a random Stable Diffusion pipeline, by name.

    Arguments:
        prediction_type: `epsilon` or `v_prediction`.
        factor: Pixels per latent cell, a power of 2.
        seed: Of the weights.
        width: Features of the text encoder.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    levels = factor.bit_length()
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(32, 32, 64, 64),
            layers_per_block=1,
            cross_attention_dim=width,
            attention_head_dim=4,
            norm_num_groups=16,
        )
        vae = AutoencoderKL(
            block_out_channels=(16,) * levels,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            latent_channels=4,
            norm_num_groups=8,
            sample_size=16 * factor,
        )
        tokenizer = tiny_tokenizer()
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=16,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,
    )
    return {
        "unet": unet,
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "scheduler": scheduler,
    }


def tiny_tokenizer() -> Any:
    """A CLIP tokenizer that knows single characters only."""
    from transformers import CLIPTokenizer

    characters = [chr(c) for c in range(33, 127)]
    words = characters + [f"{c}</w>" for c in characters] + ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=16
    )


def tiny_pipeline(
    folder: Path, prediction_type: str = "epsilon", factor: int = 4, seed: int = 0, width: int = 32
) -> Path:
    """Build and save a whole random pipeline (a few MB), offline.

    Returns:
        The folder, which `diffusers.StableDiffusionPipeline.from_pretrained` reads.
    """
    parts = tiny_parts(prediction_type, factor, seed, width)
    index: dict[str, Any] = {"_class_name": "StableDiffusionPipeline"}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        library = "transformers" if name in ("text_encoder", "tokenizer") else "diffusers"
        index[name] = [library, type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def tiny_config(size: int = 16, **finetune: Any) -> MiningConfig:
    """Options for runs of a second or two."""
    given = {"steps": 6, "batch_size": 4, "samples": 0, "evaluations": 1} | finetune
    small = SmallConfig(fold=2, channels=(32, 32), layers=1, label_features=64)
    return MiningConfig(size=size, small=small, finetune=FinetuneConfig(**given))


def tiny_about(
    base: str | Path = "small",
    config: MiningConfig | None = None,
    labels: tuple[str, ...] = LABELS,
    factor: int = 2,
) -> MiningAbout:
    """What decides a tiny run; `factor` 2 suits `small`, 4 the tiny pipeline."""
    return MiningAbout(
        config or tiny_config(),
        str(base),
        PromptTemplate(),
        labels,
        factor,
        {"name": "test", "digest": "0"},
        {},
    )


def tiny_small(seed: int = 0, labels: tuple[str, ...] = LABELS) -> Any:
    """A random small denoiser that takes 16 px pictures on a grid of 8 x 8."""
    from typica.mining.small import build_small

    denoiser = build_small(tiny_config().small, labels, seed)
    return denoiser.eval()


def tiny_pictures(folder: Path, count: int = 8, side: int = 16, split_val: int = 1) -> Any:
    """Noisy pictures whose colour is their label's, as PNG files; not all of them square.

    Arguments:
        folder: Where to write them.
        count: Pictures per label.
        side: Short side.
        split_val: How many of a label are in the val split.

    Returns:
        A `PictureCollection`.
    """
    import numpy as np
    from PIL import Image

    from typica.images.picture import Picture, PictureCollection

    random = np.random.default_rng(0)
    pictures = []
    for k, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            height, width = (side, side + 4) if i % 3 == 1 else (side, side)
            values = random.normal(128, 20, (height, width, 3))
            values[..., k] += 90
            name = f"{label}/{i:02d}.png"
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / name)
            split = "val" if i < split_val else "train"
            pictures.append(Picture(name, folder / name, label, split, width, height))
    return PictureCollection(folder, tuple(pictures))
