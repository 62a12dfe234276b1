"""The models that a run starts from, and how a denoiser is kept on the disk.

A Stable Diffusion pipeline is kept as a whole pipeline folder, which diffusers and other tools
load. The small model is kept as `unet/` and `scheduler/`, which diffusers loads too, with
`conditioner.safetensors` and `codec.json` beside them. Weights are safetensors, never pickles.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ..errors import DAMAGE, DataError, RunError, WriteError, damage, reason
from ..files import write_json, writing
from ..runs import load_tensors, save_tensors
from .codec import FoldCodec, VaeCodec
from .conditioner import LabelTable, TextConditioner
from .config import MiningConfig
from .denoiser import Denoiser
from .folder import MiningAbout
from .pipelines import check_pipeline, fetch, fetch_file, load_part
from .schedule import NoiseSchedule
from .small import build_small, small_scheduler

__all__ = ["PipelineDenoiser", "codec_factor", "load_base", "load_denoiser", "save_denoiser"]

SMALL = "small"
"""The name of the base that is not a pipeline."""


class PipelineDenoiser(Denoiser):
    """A denoiser made of a diffusers pipeline, with what it takes to write one again.

    Arguments:
        parts: `unet`, `vae`, `text_encoder`, `tokenizer` and `scheduler`.
        about: The prompt template is taken from it.
    """

    def __init__(self, parts: dict[str, Any], about: MiningAbout) -> None:
        super().__init__(
            VaeCodec(parts["vae"]),
            TextConditioner(parts["tokenizer"], parts["text_encoder"], about.prompt),
            parts["unet"],
            NoiseSchedule.from_scheduler(parts["scheduler"]),
        )
        self.scheduler = parts["scheduler"]


def codec_factor(base: str, config: MiningConfig) -> int:
    """Pixels per latent cell of a base, without loading it.

    Arguments:
        base: `small`, a diffusers pipeline folder, or the id of one on the hub.
        config: Holds the fold of `small`.

    Raises:
        DataError: If there is no such base.
    """
    if base == SMALL:
        return config.small.fold
    file = fetch_file(base, "vae/config.json")
    try:
        levels = json.loads(file.read_text(encoding="utf-8"))["block_out_channels"]
        return int(2 ** (len(levels) - 1))
    except DAMAGE as error:
        raise DataError(
            f"{base}: its vae/config.json cannot be read ({reason(error)}). Give a whole diffusers "
            "pipeline folder."
        ) from error


def load_base(base: str, about: MiningAbout, device: torch.device | str = "cpu") -> Denoiser:
    """The model before fine-tuning.

    Arguments:
        base: `small` (untrained, of the seed of the fine-tuning), a diffusers pipeline folder, or
            the id of one on the hub.
        about: Options, labels and prompts of the run.
        device: Where to put it.

    Returns:
        The denoiser, in evaluation mode, float32.

    Raises:
        DataError: If there is no such base, or it lacks something, or is of another kind.
        DependencyError: If diffusers or transformers is missing.
    """
    config = about.config
    if base == SMALL:
        denoiser = build_small(config.small, about.labels, config.finetune.seed)
    else:
        denoiser = _load_pipeline(fetch(base), about)
    return _placed(denoiser, device)


def _placed(denoiser: Denoiser, device: torch.device | str) -> Denoiser:
    # Tensors read from a file lie in its memory at any address. Some processors' libraries choose
    # their kernels, and with them the last digits, by the address: every tensor gets memory of
    # its own, which torch aligns, so that a model computes the same before and after its file.
    for tensor in (*denoiser.parameters(), *denoiser.buffers()):
        tensor.data = tensor.data.clone()
    # this order of the bytes makes convolutions faster, on processors and GPUs alike
    denoiser.unet.to(memory_format=torch.channels_last)
    return denoiser.to(device).eval()


def _load_pipeline(folder: Path, about: MiningAbout) -> Denoiser:
    """The denoiser of a pipeline folder."""
    classes = check_pipeline(folder)
    parts = {name: load_part(folder, name, kind) for name, kind in classes.items()}
    unet, vae, text = parts["unet"].config, parts["vae"].config, parts["text_encoder"].config
    fits = (
        unet.in_channels == unet.out_channels == vae.latent_channels
        and unet.cross_attention_dim == text.hidden_size
        and unet.addition_embed_type is None
        and unet.class_embed_type is None
    )
    if not fits:
        raise DataError(
            f"{folder}: its UNet takes more or other things than a latent, a time and a text "
            "(inpainting, upscaling or depth models do). Give a plain text-to-image pipeline, "
            "such as Stable Diffusion 1.5 or 2.1."
        )
    return PipelineDenoiser(parts, about)


def save_denoiser(denoiser: Denoiser, folder: Path, about: MiningAbout) -> None:
    """Keep a denoiser as a folder that diffusers loads; written aside and renamed.

    Arguments:
        denoiser: From `load_base`, fine-tuned or not.
        folder: What is there is replaced.
        about: What decides the run.

    Raises:
        WriteError: If there is no room or no permission; what was at `folder` stays.
    """
    aside, old = _aside(folder, "new"), _aside(folder, "old")
    _recover(folder)
    for leftover in (aside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        with writing(aside):
            aside.mkdir(parents=True)
        if isinstance(denoiser, PipelineDenoiser):
            _write_pipeline(denoiser, aside)
        else:
            _write_small(denoiser, aside, about)
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
    except SafetensorError as error:  # from diffusers: its only word for all that the system says
        raise WriteError(
            f"{aside}: cannot be written ({reason(error)}). Make room there, and give the same "
            "command again."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _aside(folder: Path, what: str) -> Path:
    return folder.with_name(f".{folder.name}-{what}")


def _recover(folder: Path) -> None:
    """Folders cannot be exchanged in one step: undo or finish an exchange cut short."""
    old = _aside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    elif old.exists():
        shutil.rmtree(old, ignore_errors=True)


def _write_unet(unet: Any, folder: Path) -> None:
    """Write a UNet, its bytes in the usual order, whatever order it computes in."""
    unet.to(memory_format=torch.contiguous_format)
    unet.save_pretrained(folder)
    unet.to(memory_format=torch.channels_last)


def _write_pipeline(denoiser: PipelineDenoiser, folder: Path) -> None:
    conditioner, codec = denoiser.conditioner, denoiser.codec
    assert isinstance(conditioner, TextConditioner)
    assert isinstance(codec, VaeCodec)
    _write_unet(denoiser.unet, folder / "unet")
    parts = {
        "vae": ("diffusers", codec.vae),
        "text_encoder": ("transformers", conditioner.text_encoder),
        "tokenizer": ("transformers", conditioner.tokenizer),
        "scheduler": ("diffusers", denoiser.scheduler),
    }
    for name, (_, part) in parts.items():
        part.save_pretrained(folder / name)
    index: dict[str, Any] = {
        name: [library, type(part).__name__]
        for name, (library, part) in {**parts, "unet": ("diffusers", denoiser.unet)}.items()
    }
    # parts that mining has no use for; diffusers reads a pair of nulls as "left out"
    unused = ("safety_checker", "feature_extractor", "image_encoder")
    nothing: dict[str, Any] = {name: [None, None] for name in unused}
    write_json(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "requires_safety_checker": False,
            **nothing,
            **dict(sorted(index.items())),
        },
    )


def _write_small(denoiser: Denoiser, folder: Path, about: MiningAbout) -> None:
    conditioner, codec = denoiser.conditioner, denoiser.codec
    if not isinstance(conditioner, LabelTable) or not isinstance(codec, FoldCodec):
        raise TypeError("only denoisers of load_base can be kept")
    _write_unet(denoiser.unet, folder / "unet")
    small_scheduler().save_pretrained(folder / "scheduler")
    labels = {"labels": list(conditioner.labels), "data": about.data}
    save_tensors(folder / "conditioner.safetensors", conditioner.state_dict(), labels)
    write_json(
        folder / "codec.json", {"kind": "fold", "factor": codec.factor, "scale": codec.scale}
    )


def load_denoiser(folder: Path, about: MiningAbout, device: torch.device | str = "cpu") -> Denoiser:
    """Read what `save_denoiser` wrote.

    Returns:
        The denoiser, in evaluation mode, float32.

    Raises:
        RunError: If it is missing, damaged, or was made for other labels.
    """
    _recover(folder)
    if not folder.is_dir():
        raise RunError(
            f"{folder}: there is no fine-tuned model in this run yet. Train it with "
            "`typica mine finetune` (the same command goes on with a training that was "
            "interrupted), or take the base with --model base."
        )
    read: Callable[[Path, MiningAbout], Denoiser]
    read = _read_small if (folder / "codec.json").exists() else _load_pipeline
    try:
        return _placed(read(folder, about), device)
    except damage(DataError) as error:
        raise RunError(
            f"{folder}: damaged, or not written by typica ({reason(error)}). Train the run again."
        ) from error


def _read_small(folder: Path, about: MiningAbout) -> Denoiser:
    codec = json.loads((folder / "codec.json").read_text(encoding="utf-8"))
    weights, known = load_tensors(folder / "conditioner.safetensors")
    if tuple(known["labels"]) != about.labels:
        raise RunError(
            f"{folder}: was trained with the labels {', '.join(known['labels'])}, and this run "
            f"has {', '.join(about.labels)}. Train it again."
        )
    conditioner = LabelTable(about.labels, weights["table.weight"].shape[1])
    conditioner.load_state_dict(weights)
    scheduler = load_part(folder, "scheduler", "DDIMScheduler")
    unet = load_part(folder, "unet", "UNet2DConditionModel")
    schedule = NoiseSchedule.from_scheduler(scheduler)
    fold = FoldCodec(int(codec["factor"]), float(codec["scale"]))
    return Denoiser(fold, conditioner, unet, schedule)
