"""Plug-and-play translation of pictures to labels: the loop (section 4.5.1).

One pass of the UNet sees [sources, no label, targets]: every source at its inverted latent, and
every translation twice, for guidance. All start at the source's inverted latent, at the very
time of it.

Departures from the paper's program, which starts the 50-step schedule at t = 981 with the latent
of t = 999: start and latent agree. The source is shown with the prompt of its own label, with
which it was inverted (there with an empty one), and targets with the run's own prompt (there the
bare name). The source's latents are those of the inversion, as there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..codec import FoldCodec
from ..denoiser import Denoiser
from ..sampling import guided
from .injection import Places, injecting
from .inversion import Inversion, moved, translation_times
from .options import TranslationConfig

__all__ = ["translate"]


@torch.no_grad()
def translate(
    denoiser: Denoiser,
    inversion: Inversion,
    sources: Sequence[str],
    pairs: Sequence[tuple[int, str]],
    config: TranslationConfig,
    places: Places,
) -> Tensor:
    """Latents of translations of some pictures of one shape.

    Arguments:
        denoiser: The model.
        inversion: Of P pictures, with these options.
        sources: Labels of the P pictures.
        pairs: What to make: index of a picture, 0 to P - 1, and a label.
        config: Guidance, start, shares.
        places: Where to inject.

    Returns:
        Latents of the pairs, `(len(pairs), C, h, w)`, on the denoiser's device.
    """
    schedule, device = denoiser.schedule, denoiser.device
    times = translation_times(schedule.steps, config)
    picture = torch.tensor([index for index, _ in pairs], device=device)
    targets = [label for _, label in pairs]
    # without guidance the null condition is not needed
    twice = config.guidance != 1
    nulls: list[str | None] = [None] * len(pairs) if twice else []
    condition = denoiser.condition([*sources, *nulls, *targets])
    source = torch.cat([torch.arange(len(sources), device=device), *[picture] * (1 + twice)])
    # small models draw pixels: guidance would leave their range
    codec = denoiser.codec
    limit = codec.scale if twice and isinstance(codec, FoldCodec) else None
    current = inversion.at(times[0])[picture]
    with injecting(denoiser.unet, places) as injection:
        injection.source = source
        for number, (time, below) in enumerate(zip(times, [*times[1:], 0], strict=True)):
            injection.features = number < config.features_share * len(times)
            injection.attention = number < config.attention_share * len(times)
            needed = injection.features or injection.attention
            first = 0 if needed else len(sources)
            batch = [inversion.at(time)] if needed else []
            latents = torch.cat([*batch, *[current] * (1 + twice)])
            when = torch.full((len(latents),), time, device=device)
            noise = denoiser.predict_noise(latents, when, condition[first:])
            noise = noise[len(sources) - first :]
            if twice:
                untold, told = noise.chunk(2)
                noise = guided(told, untold, config.guidance)
            if limit is not None:
                noise = _within(denoiser, noise, current, when[: len(current)], limit)
            current = moved(schedule, noise, current, time, below)
    return current


def _within(
    denoiser: Denoiser, noise: Tensor, noisy: Tensor, times: Tensor, limit: float
) -> Tensor:
    """The noise whose denoised estimate is cut to the range of pixels (as in sampling)."""
    schedule = denoiser.schedule
    clean = schedule.clean_from(noise, noisy, times).clamp(-limit, limit)
    signal = schedule.signal.to(noisy.device)[times].view(-1, 1, 1, 1)
    return (noisy - signal.sqrt() * clean) / (1 - signal).sqrt()
