"""Latents of the pictures that are scored, and the labels that they are scored under."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import DataError
from ..images.loading import load_pixels
from ..images.picture import Picture, PictureCollection
from .denoiser import Denoiser
from .draws import posterior_noise
from .folder import MiningAbout
from .maps import Skipped
from .pixels import to_tensor

__all__ = ["encode_pictures", "labels_asked", "labels_to_score"]


def labels_to_score(picture: Picture, about: MiningAbout) -> tuple[str, ...]:
    """The labels that a picture is scored under, each alone."""
    return picture.labels if about.config.typicality.labels == "own" else about.labels


def labels_asked(collection: PictureCollection, about: MiningAbout) -> tuple[str, ...]:
    """All labels that a job scores pictures under, sorted."""
    return about.labels if about.config.typicality.labels == "all" else collection.labels


@torch.inference_mode()
def encode_pictures(
    denoiser: Denoiser, pictures: Mapping[int, Picture], about: MiningAbout
) -> tuple[dict[int, Tensor], list[Skipped]]:
    """Latents of some pictures by their index, and those that cannot be decoded.

    One at a time: next to hundreds of evaluations of the UNet it costs nothing, needs little
    memory, and no latent depends on its neighbours.

    Arguments:
        denoiser: Its codec is used.
        pictures: By their index in the collection.
        about: Of the run: working size, mean or sample of the posterior, seed.

    Returns:
        Latents `(C, h, w)` on the denoiser's device, by index, and what was left out.
    """
    config = about.config
    latents, faults = {}, []
    for index, picture in pictures.items():
        try:
            array = load_pixels(picture, config.size, denoiser.codec.factor)
        except (DataError, OSError) as error:
            faults.append(Skipped(index, picture.id, str(error)))
            continue
        pixels = to_tensor([array]).to(denoiser.device)
        noise = None
        if config.typicality.posterior == "sample":
            grid = tuple(side // denoiser.codec.factor for side in pixels.shape[-2:])
            shape = (denoiser.codec.channels, *grid)
            noise = posterior_noise(config.typicality.seed, picture.id, shape)[None]
            noise = noise.to(denoiser.device)
        latents[index] = denoiser.codec.encode(pixels, noise)[0]
    return latents, faults
