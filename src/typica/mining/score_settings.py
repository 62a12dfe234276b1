"""What decides the maps of a collection, as plain values: two jobs that agree in them are one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

from ..hardware import matrix_bfloat16
from ..images.picture import PictureCollection
from .denoiser import Denoiser
from .folder import MiningAbout
from .rounds import round_settings

__all__ = ["model_digest", "score_settings"]


def model_digest(denoiser: Denoiser) -> str:
    """A digest of everything in a denoiser that decides its output: all weights, the schedule."""
    digest = hashlib.blake2b(digest_size=16)
    tensors = {**denoiser.state_dict(), "schedule": denoiser.schedule.signal}
    for name, tensor in sorted(tensors.items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.view(-1).view(torch.uint8).numpy().data)
    digest.update(denoiser.schedule.prediction.encode())
    return digest.hexdigest()


def score_settings(
    denoiser: Denoiser, collection: PictureCollection, about: MiningAbout, bfloat16: bool = False
) -> dict[str, Any]:
    """What decides the maps of a collection, as plain values; kept in every piece.

    The batch size is not in it, and neither is the device: they change the last digits only, of a
    surrogate's weights more than that, which is why it is made once. Reduced precision is.
    """
    config = about.config.typicality
    pictures = [[p.id, p.identity, p.width, p.height] for p in collection]
    names = (
        "draws",
        "t_min",
        "t_max",
        "sampling",
        "posterior",
        "labels",
        "groups",
        "piece",
        "seed",
    )
    balanced = {} if config.noise == "independent" else {"noise": config.noise}
    surrogate = (
        {}
        if config.surrogate is None
        else {"surrogate": config.surrogate, "surrogate_width": config.surrogate_width}
    )
    return {
        **{name: getattr(config, name) for name in names},
        # not named where they are not used, as in maps of former versions
        **balanced,
        **surrogate,
        **round_settings(about),
        "pictures": len(collection),
        "collection": hashlib.blake2b(
            json.dumps(pictures, ensure_ascii=False).encode(), digest_size=16
        ).hexdigest(),
        "size": about.config.size,
        "prompt": [about.prompt.label, about.prompt.null],
        "all_labels": list(about.labels),
        "model": model_digest(denoiser),
        "precision": "bfloat16" if bfloat16 and matrix_bfloat16(denoiser.device) else "float32",
    }
