"""Translating a few pictures of one shape and writing what comes out into a parallel set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...errors import RunError
from ...files import atomic_path, half_written
from ..denoiser import Denoiser
from ..opening import OpenRun
from ..pixels import to_arrays, to_tensor
from .injection import Places
from .inversion import Inversion, denoise_along, invert, psnr, rmse, translation_times
from .parallel import ParallelAbout, ParallelFolder, Translation
from .translating import translate

__all__ = ["translate_pictures"]


@torch.no_grad()
def translate_pictures(
    denoiser: Denoiser,
    run: OpenRun,
    folder: ParallelFolder,
    about: ParallelAbout,
    places: Places,
    arrays: dict[int, NDArray[np.uint8]],
    batch_size: int,
) -> Iterator[tuple[int, list[Translation]]]:
    """Translate some pictures of one shape and write their files.

    Arguments:
        denoiser: The model.
        run: Whose pictures.
        folder: Of the set.
        about: What decides it.
        places: Where to inject.
        arrays: Pixels of the pictures by their index, of one shape.
        batch_size: Evaluations of the UNet at a time.

    Returns:
        Index and rows of each picture, once its files are written; the rows are not written.

    Raises:
        RunError: If the model gives numbers that are not finite.
    """
    indices, config, codec = list(arrays), about.config, denoiser.codec
    pictures = [run.collection.pictures[index] for index in indices]
    sources = [picture.label for picture in pictures]
    real = to_tensor(list(arrays.values())).to(denoiser.device)
    latents = codec.encode(real)
    inversion = invert(denoiser, latents, sources, config)
    times = translation_times(denoiser.schedule.steps, config)
    again = codec.decode(denoise_along(denoiser, inversion.at(times[0]), sources, times))
    error = rmse(real, again).tolist()
    floor = rmse(real, codec.decode(latents)).tolist()
    pairs = [(k, t) for k, own in enumerate(sources) for t in about.labels if t != own]
    made = _translated(denoiser, inversion, sources, pairs, about, places, batch_size)
    if not (bool(torch.isfinite(made).all()) and bool(torch.isfinite(again).all())):
        raise RunError(
            f"{pictures[0].id}: the translation is not finite. Lower --set guidance, or train the "
            "run again with a smaller finetune.learning_rate."
        )
    reconstructed = to_arrays(again)
    for k, index in enumerate(indices):
        where = folder.picture(index)
        for leftover, _ in half_written(where):  # of a job that was killed
            leftover.unlink(missing_ok=True)
        real_file, again_file = where / "real.png", where / "reconstruction.png"
        _write(real_file, arrays[index])
        _write(again_file, reconstructed[k])
        rows = []
        for number, (owner, target) in enumerate(pairs):
            if owner != k:
                continue
            file = folder.translation(index, about.labels, target)
            _write(file, to_arrays(codec.decode(made[number : number + 1].to(denoiser.device)))[0])
            rows.append(
                Translation(
                    index,
                    pictures[k].id,
                    sources[k],
                    target,
                    _name(folder, file),
                    _name(folder, real_file),
                    _name(folder, again_file),
                    round(error[k], 4),
                    _rounded(psnr(error[k])),
                    round(floor[k], 4),
                    None if inversion.residual is None else float(inversion.residual[k]),
                )
            )
        yield index, rows


def _translated(
    denoiser: Denoiser,
    inversion: Inversion,
    sources: Sequence[str],
    pairs: Sequence[tuple[int, str]],
    about: ParallelAbout,
    places: Places,
    batch_size: int,
) -> Tensor:
    """Latents of all pairs, on the processor; more than a batch of labels go in turns."""
    room = batch_size - len(sources)
    at_once = max(1, room // (1 if about.config.guidance == 1 else 2))
    made = [
        translate(
            denoiser, inversion, sources, pairs[first : first + at_once], about.config, places
        ).cpu()
        for first in range(0, len(pairs), at_once)
    ]
    return torch.cat(made)


def _name(folder: ParallelFolder, path: Path) -> str:
    return path.relative_to(folder.folder).as_posix()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _write(path: Path, array: NDArray[np.uint8]) -> None:
    with atomic_path(path) as aside:
        Image.fromarray(array).save(aside, "PNG")
