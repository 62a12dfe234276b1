"""Drawing pictures from a denoiser: DDIM without added noise, with classifier-free guidance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .codec import FoldCodec
from .denoiser import Denoiser

__all__ = ["ddim_step", "denoise", "guided", "sample", "start_noise", "timesteps"]


def timesteps(total: int, steps: int) -> list[int]:
    """The times that sampling visits, from the noisiest, evenly spaced ("trailing").

    Arguments:
        total: Number of times of the schedule.
        steps: How many of them to visit, at most `total`.

    Returns:
        From `total - 1` downwards.
    """
    steps = min(steps, total)
    return [round(total - i * total / steps) - 1 for i in range(steps)]


def guided(with_label: Tensor, without: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance (section 4.3.1): away from no label, towards the label.

    Holds for eps, v and x alike, which depend on each other linearly.

    Arguments:
        with_label: The output told the label.
        without: The output told the null condition.
        guidance: 1 is no guidance, 0 ignores the label.
    """
    return without + guidance * (with_label - without)


def ddim_step(
    denoiser: Denoiser, output: Tensor, noisy: Tensor, time: int, before: int, limit: float | None
) -> Tensor:
    """From x_t to the next less noisy x: eq. 4.3, then eq. 4.1 with the same noise.

    Arguments:
        denoiser: Its schedule says what `output` means.
        output: The UNet's output at x_t, `(B, C, h, w)`.
        noisy: x_t.
        time: t.
        before: The next time; below 0 for the picture itself.
        limit: Largest absolute value of the denoised estimate, or None.

    Returns:
        x at the time `before`, `(B, C, h, w)`.
    """
    schedule = denoiser.schedule
    signal = schedule.signal[time].double()
    keep, add = float(signal.sqrt()), float((1 - signal).sqrt())
    if schedule.prediction == "epsilon":
        clean, noise = (noisy - add * output) / keep, output
    elif schedule.prediction == "v_prediction":
        clean, noise = keep * noisy - add * output, keep * output + add * noisy
    else:
        clean, noise = output, (noisy - keep * output) / add
    if limit is not None:
        clean = clean.clamp(-limit, limit)
        noise = (noisy - keep * clean) / add
    if before < 0:
        return clean
    signal = schedule.signal[before].double()
    return float(signal.sqrt()) * clean + float((1 - signal).sqrt()) * noise


def start_noise(seed: int, index: int, shape: Sequence[int]) -> Tensor:
    """The noise that the picture of an index starts from, float32; a function of both alone."""
    number = int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0] >> 1)
    return torch.randn(*shape, generator=torch.Generator().manual_seed(number))


@torch.no_grad()
def denoise(
    denoiser: Denoiser,
    noise: Tensor,
    labels: Sequence[str | None],
    *,
    steps: int = 50,
    guidance: float = 1.0,
    bfloat16: bool = False,
) -> Tensor:
    """The pictures that noises become: DDIM (eta 0) with classifier-free guidance.

    Arguments:
        denoiser: The model.
        noise: x_T, `(B, C, h, w)`.
        labels: Of the pictures, B; None for no label.
        steps: Times that are visited.
        guidance: How strongly the label is followed; the null condition stands against it.
        bfloat16: Compute the UNet in bfloat16 if the hardware does.

    Returns:
        `(B, 3, height, width)`, about in [-1, 1], on the processor.
    """
    codec = denoiser.codec
    limit = codec.scale if isinstance(codec, FoldCodec) else None
    times = timesteps(denoiser.schedule.steps, steps)
    noisy = noise.to(denoiser.device)
    # without guidance the null condition is not needed
    twice = guidance != 1
    condition = denoiser.condition([*labels, *[None] * len(labels)] if twice else labels)
    for time, before in zip(times, [*times[1:], -1], strict=True):
        both = torch.cat([noisy, noisy]) if twice else noisy
        when = torch.full((len(both),), time, device=denoiser.device)
        output = denoiser.output(both, when, condition, bfloat16)
        if twice:
            told, untold = output.chunk(2)
            output = guided(told, untold, guidance)
        noisy = ddim_step(denoiser, output, noisy, time, before, limit)
    return codec.decode(noisy).cpu()


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    labels: Sequence[str | None],
    shape: tuple[int, int],
    *,
    steps: int = 50,
    guidance: float | None = None,
    seed: int = 0,
    batch_size: int = 16,
    bfloat16: bool = False,
) -> Tensor:
    """Draw pictures of labels.

    Arguments:
        denoiser: To draw from.
        labels: Of the pictures; None for no label. Picture i is a function of the denoiser, its
            label, `seed` and i.
        shape: Height and width in pixels, multiples of the codec's factor.
        steps: Times that are visited.
        guidance: How strongly the label is followed; 1 for not more than it was learnt. None
            takes 7.5 in a latent space (the paper's program) and 3 in pixels, where contrast
            overshoots sooner.
        seed: Of the noise.
        batch_size: Pictures at a time.
        bfloat16: Compute the UNet in bfloat16 if the hardware does.

    Returns:
        `(len(labels), 3, height, width)`, about in [-1, 1], on the processor.
    """
    codec = denoiser.codec
    if guidance is None:
        guidance = 3.0 if isinstance(codec, FoldCodec) else 7.5
    grid = (codec.channels, shape[0] // codec.factor, shape[1] // codec.factor)
    pictures = [torch.empty(0, 3, *shape)]
    for first in range(0, len(labels), batch_size):
        chosen = list(labels[first : first + batch_size])
        noise = torch.stack([start_noise(seed, first + i, grid) for i in range(len(chosen))])
        pictures.append(
            denoise(denoiser, noise, chosen, steps=steps, guidance=guidance, bfloat16=bfloat16)
        )
    return torch.cat(pictures)
