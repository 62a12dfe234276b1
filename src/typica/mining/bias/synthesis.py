"""The sampling job: pictures of every label at every strength of guidance, one file each.

DDIM with eta 0, the null sentence of the run as the negative (the chapter does not name its
sampler; this is the one of its authors' trainings). The noise of a picture is a function of seed,
label, guidance and index. Pictures are drawn in batches whose members are fixed: another batch
size can change the last digits of a sum, and so a grey value by one, but a shard, an
interruption or the order of the work changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ...configs import require
from ...errors import RunError
from ...files import atomic_path
from ...hardware import choose_device, matrix_bfloat16, tune_process
from ...images.sizes import working_size
from ...interrupts import interruptible
from ...runs import Run, require_outside
from ..bases import load_denoiser
from ..denoiser import Denoiser
from ..folder import MiningAbout, MiningFolder
from ..pixels import to_arrays
from ..sampling import denoise
from ..score_settings import model_digest
from .options import SampleOptions
from .sample_folder import SampleFolder, Samples

__all__ = ["SampleResult", "draw_batch", "sample_noise", "sample_run", "sample_set"]


@dataclass(frozen=True)
class SampleResult:
    """What a sampling job did.

    Arguments:
        drawn: Pictures written by this job.
        kept: Pictures of its shard that were there already.
        seconds: It took.
        finished: False if it was interrupted.
    """

    drawn: int
    kept: int
    seconds: float
    finished: bool


class Batch(NamedTuple):
    """Pictures that are drawn together."""

    label: str
    guidance: float
    indices: range


def sample_noise(
    seed: int, label: str, guidance: float, index: int, shape: tuple[int, ...]
) -> Tensor:
    """The noise that a picture starts from, float32; a function of these values alone.

    Arguments:
        seed: Of the job.
        label: Of the picture.
        guidance: Its strength: pictures of two strengths are independent of each other.
        index: Of the picture among those of its label and guidance.
        shape: Of the latent, `(C, h, w)`.
    """
    text = json.dumps(["sample", seed, label, float(guidance), index, list(shape)])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))


def draw_batch(
    denoiser: Denoiser,
    batch: Batch,
    side: tuple[int, int],
    options: SampleOptions,
) -> list[Image.Image]:
    """Draw some pictures of one label and guidance.

    Arguments:
        denoiser: The model.
        batch: Which pictures.
        side: Height and width in pixels, multiples of the codec's factor.
        options: Steps, seed, precision.

    Returns:
        As many pictures as the batch has indices.
    """
    codec = denoiser.codec
    grid = (codec.channels, side[0] // codec.factor, side[1] // codec.factor)
    noise = torch.stack(
        [sample_noise(options.seed, batch.label, batch.guidance, i, grid) for i in batch.indices]
    )
    pixels = denoise(
        denoiser,
        noise,
        [batch.label] * len(noise),
        steps=options.steps,
        guidance=batch.guidance,
        bfloat16=options.bfloat16,
    )
    if not torch.isfinite(pixels).all():
        raise RunError(
            f"{batch.label}: the model draws no finite picture, so its weights are unusable. "
            "Train the run again with a smaller finetune.learning_rate."
        )
    return [Image.fromarray(array) for array in to_arrays(pixels)]


def batches(samples: Samples, size: int) -> list[Batch]:
    """All batches, strength by strength, label by label."""
    return [
        Batch(label, guidance, range(first, min(first + size, samples.per_label)))
        for guidance in samples.guidance
        for label in samples.labels
        for first in range(0, samples.per_label, size)
    ]


def describe(denoiser: Denoiser, about: MiningAbout, options: SampleOptions) -> Samples:
    """What a folder is to hold, from a run and options."""
    width, height = working_size(1, 1, about.config.size, about.factor)
    fast = options.bfloat16 and matrix_bfloat16(denoiser.device)
    return Samples(
        {
            "model": model_digest(denoiser),
            "prompt": [about.prompt.label, about.prompt.null],
            "sampler": "ddim, eta 0",
            "steps": options.steps,
            "seed": options.seed,
            "precision": "bfloat16" if fast else "float32",
        },
        about.labels,
        tuple(sorted(options.guidance)),
        options.per_label,
        (height, width),
    )


def sample_run(
    run: Path,
    out: Path,
    options: SampleOptions,
    *,
    shard: tuple[int, int] = (0, 1),
    device: str = "auto",
    show_progress: bool = True,
) -> SampleResult:
    """Draw pictures from the fine-tuned model of a run; its data is not needed.

    Arguments:
        run: The run folder.
        out: Folder of the samples; what is there already is kept, more may be added.
        options: How many, and how.
        shard: (i, n): do every n-th batch from the i-th; shards may run at the same time.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show a bar on standard error.

    Returns:
        What was done.

    Raises:
        RunError: If the run has no model yet, or `out` holds other samples.
        ConfigError: If the shard is none.
    """
    tune_process()
    folder = MiningFolder(run)
    about = folder.about()
    require_outside(out, Path(about.data.get("path", out / "none")))
    denoiser = load_denoiser(folder.denoiser, about, choose_device(device))
    return sample_set(denoiser, about, out, options, shard=shard, show_progress=show_progress)


def sample_set(
    denoiser: Denoiser,
    about: MiningAbout,
    out: Path,
    options: SampleOptions,
    *,
    shard: tuple[int, int] = (0, 1),
    show_progress: bool = True,
) -> SampleResult:
    """As `sample_run`, from a model that is loaded already."""
    part, parts = shard
    require(0 <= part < parts, f"--shard {part}/{parts}: write i/n, such as 0/4 to 3/4")
    folder, wanted = SampleFolder(out), describe(denoiser, about, options)
    folder.grown(wanted)  # refuses before anything is written
    # shards draw different pictures, so only whole jobs hold the folder
    with Run(out).locked() if parts == 1 else nullcontext():
        samples = folder.grown(wanted)
        if not folder.about.exists() or folder.read() != samples:
            folder.write(samples)
        return _draw(denoiser, folder, samples, options, shard, show_progress)


def _draw(
    denoiser: Denoiser,
    folder: SampleFolder,
    samples: Samples,
    options: SampleOptions,
    shard: tuple[int, int],
    show_progress: bool,
) -> SampleResult:
    """Draw the pictures of a shard that are not there yet."""
    part, parts = shard
    todo: list[tuple[Batch, list[int]]] = []
    kept = 0
    for batch in batches(samples, options.batch_size)[part::parts]:
        # a file has its name only once it is whole
        missing = [
            i
            for i in batch.indices
            if not folder.picture(samples, batch.label, batch.guidance, i).exists()
        ]
        kept += len(batch.indices) - len(missing)
        if missing:
            todo.append((batch, missing))
    began, drawn = time.monotonic(), 0
    total = sum(len(missing) for _, missing in todo)
    bar = tqdm(total=total, desc="sampling", unit="picture", disable=not show_progress)
    with bar, interruptible() as caught:
        for batch, missing in todo:
            if caught:
                break
            # the whole batch, also where only one of it is missing: same members, same sums
            pictures = draw_batch(denoiser, batch, samples.side, options)
            for index in missing:
                path = folder.picture(samples, batch.label, batch.guidance, index)
                with atomic_path(path) as aside:
                    pictures[index - batch.indices.start].save(aside, "PNG")
            drawn += len(missing)
            bar.update(len(missing))
    return SampleResult(drawn, kept, time.monotonic() - began, drawn == total)
