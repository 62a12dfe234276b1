"""Whole pictures as vectors: what the model sees in them, and what they look like without it.

A model that is judged in its own features may be blind to its own faults, so the samples are
held against the pictures twice: by the mean of the DIFT features over the picture, and by
gradients and colours (`appearance`). Of a picture that is not square the central square is taken,
since samples are squares, as the model was trained on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from tqdm import tqdm

from ...errors import RunError
from ...images.loading import load_pixels
from ...images.picture import Picture
from ...runs import load_tensors, save_tensors
from ..appearance import SIDE, crop
from ..denoiser import Denoiser
from ..features import picture_features
from ..folder import MiningAbout
from ..pixels import to_tensor
from ..score_settings import model_digest

__all__ = ["PictureVectors", "central_square", "picture_vectors"]


@dataclass(frozen=True)
class PictureVectors:
    """Pictures of one label.

    Arguments:
        dift: `(P, D)`, rows of unit length.
        small: The pictures at `(P, SIDE, SIDE, 3)`, from which appearance is described.
    """

    dift: NDArray[np.float32]
    small: NDArray[np.uint8]


def central_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest square in the middle of a picture `(H, W, 3)`."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


@torch.no_grad()
def picture_vectors(
    denoiser: Denoiser,
    about: MiningAbout,
    pictures: Sequence[Picture],
    path: Path,
    show_progress: bool = True,
) -> PictureVectors:
    """Describe pictures of one label, unless the file already does.

    Arguments:
        denoiser: The model.
        about: The run.
        pictures: All of one label.
        path: File that keeps the result.
        show_progress: Show a bar on standard error.

    Raises:
        DataError: If a picture cannot be read.
    """
    config, bfloat16 = about.config.features, about.config.typicality.bfloat16
    options = about.config.as_dict()["features"]
    options.pop("batch_size")  # of no influence on the result
    made_of = {
        "format": 1,
        "pictures": [[one.id, one.identity] for one in pictures],
        "model": model_digest(denoiser),
        "features": options,
        "size": about.config.size,
        "prompt": [about.prompt.label, about.prompt.null],
        "bfloat16": bfloat16,
    }
    with contextlib.suppress(RunError):  # missing, damaged, or of other pictures: made anew
        tensors, found = load_tensors(path)
        if found == made_of:
            return PictureVectors(tensors["dift"].numpy(), tensors["small"].numpy())
    at_once = max(1, config.batch_size // config.ensemble)
    means, small = [], []
    bar = tqdm(
        range(0, len(pictures), at_once),
        f"pictures of {pictures[0].label}",
        unit="batch",
        leave=False,
        disable=not show_progress,
    )
    for first in bar:
        some = pictures[first : first + at_once]
        squares = [
            central_square(load_pixels(one, about.config.size, about.factor)) for one in some
        ]
        small += [crop(square, 0, 0, len(square)) for square in squares]
        latents = denoiser.codec.encode(to_tensor(squares).to(denoiser.device))
        labels = [one.told for one in some]
        maps = picture_features(denoiser, latents, labels, config, bfloat16)
        means.append(F.normalize(maps.mean(dim=(2, 3)), dim=1).cpu())
    dift, shrunk = torch.cat(means), torch.from_numpy(np.stack(small))
    assert shrunk.shape[1:] == (SIDE, SIDE, 3)
    save_tensors(path, {"dift": dift, "small": shrunk}, made_of)
    return PictureVectors(dift.numpy(), shrunk.numpy())
