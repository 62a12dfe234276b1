r"""DDIM inversion (Song et al. 2021): from a picture to the noise that would become it.

DDIM without added noise moves a latent from level \(t\) to level \(s\) by

\[ x_s = \sqrt{a_s}\,\frac{x_t - \sqrt{1 - a_t}\,\epsilon}{\sqrt{a_t}}
   + \sqrt{1 - a_s}\,\epsilon, \qquad \epsilon = \epsilon_\theta(x_t, t, c). \tag{*} \]

Inversion goes from \(s\) up to \(t\). The plain form (the paper's) takes
\(\epsilon_\theta(x_s, t, c)\), as \(x_t\) is not known yet; what that leaves out adds up over the
steps, which is why the paper takes 999 of them. The exact form solves (*) for \(x_t\) by
fixed-point iteration, Anderson-accelerated, so that denoising returns the latent to the accuracy
of the iteration with any number of steps. One plain iteration from \(x_s\) is the plain form.

As in the paper's program the latent of a picture counts as being at time 0 of the schedule
(\(a_0\) a little below 1), no guidance is used, the latent is the mean of the codec's posterior,
and the condition is the prompt of the source label. Unlike there, that is the run's own prompt,
and a translation starts at the very time that the inversion ends at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..denoiser import Denoiser
from ..sampling import timesteps
from ..schedule import NoiseSchedule
from .options import TranslationConfig

__all__ = [
    "Inversion",
    "denoise_along",
    "inversion_times",
    "invert",
    "moved",
    "psnr",
    "rmse",
    "solve_step",
    "translation_times",
]

_HISTORY = 5
"""Earlier iterates that Anderson acceleration combines."""


@dataclass(frozen=True)
class Inversion:
    """The latents that a picture passes through on its way to noise.

    Arguments:
        times: From 0 upwards, at which latents are kept.
        latents: Of every time, `(B, C, h, w)`; the first is that of the picture.
        residual: Largest relative error left in a step, per picture, `(B,)`; None for plain.
        evaluations: Of the UNet, of one picture each.
    """

    times: tuple[int, ...]
    latents: tuple[Tensor, ...]
    residual: Tensor | None
    evaluations: int

    def at(self, time: int) -> Tensor:
        """The latents at one of the times."""
        return self.latents[self.times.index(time)]


def translation_times(total: int, config: TranslationConfig) -> list[int]:
    """The times that a translation visits, from the noisiest.

    Arguments:
        total: Number of times of the schedule.
        config: `steps` and `start`.

    Returns:
        From `round(start * total) - 1` downwards, evenly spaced, all above 0.
    """
    level = max(2, round(config.start * total))
    return [time for time in timesteps(level, config.steps) if time > 0]


def inversion_times(total: int, config: TranslationConfig) -> list[int]:
    """The times that the inversion visits: `inversion_steps` of the schedule, and all of the
    translation's, up to the one that the translation starts at.

    Returns:
        Ascending, above 0.
    """
    wanted = translation_times(total, config)
    visited = set(timesteps(total, config.inversion_steps)) | set(wanted)
    return sorted(time for time in visited if 0 < time <= wanted[0])


def moved(schedule: NoiseSchedule, noise: Tensor, latents: Tensor, now: int, then: int) -> Tensor:
    """DDIM between any two times, up or down, with a noise that is given: equation (*).

    Arguments:
        schedule: The mixing strengths.
        noise: eps, `(B, C, h, w)`.
        latents: x at the time `now`, `(B, C, h, w)`.
        now: A time of the schedule.
        then: Another.
    """
    scale, slope = _coefficients(schedule, now, then)
    return scale * latents + slope * noise


def _coefficients(schedule: NoiseSchedule, now: int, then: int) -> tuple[float, float]:
    """Equation (*) as x_then = scale x_now + slope eps."""
    a, b = schedule.signal[now].double(), schedule.signal[then].double()
    scale = (b / a).sqrt()
    return float(scale), float((1 - b).sqrt() - scale * (1 - a).sqrt())


@torch.no_grad()
def invert(
    denoiser: Denoiser, latents: Tensor, labels: Sequence[str | None], config: TranslationConfig
) -> Inversion:
    """Invert pictures of one shape.

    Arguments:
        denoiser: The model.
        latents: Of the pictures, `(B, C, h, w)`.
        labels: Their own labels, B.
        config: Steps, plain or exact.

    Returns:
        The latents at the times of the translation, and the picture's.
    """
    schedule = denoiser.schedule
    condition = denoiser.condition(labels)
    kept = set(translation_times(schedule.steps, config))
    exact = config.inversion == "exact"
    now, current = 0, latents.to(denoiser.device)
    times, found = [0], [current]
    worst = torch.zeros(len(latents), device=current.device)
    evaluations = 0
    for time in inversion_times(schedule.steps, config):
        if exact:
            current, left, cost = solve_step(denoiser, current, condition, now, time, config)
            worst, evaluations = torch.maximum(worst, left), evaluations + cost
        else:
            noise = _noise(denoiser, current, condition, time)
            current = moved(schedule, noise, current, now, time)
            evaluations += len(current)
        now = time
        if time in kept:
            times.append(time)
            found.append(current)
    return Inversion(tuple(times), tuple(found), worst.cpu() if exact else None, evaluations)


def _noise(denoiser: Denoiser, latents: Tensor, condition: Tensor, time: int) -> Tensor:
    when = torch.full((len(latents),), time, device=latents.device)
    return denoiser.predict_noise(latents, when, condition)


def solve_step(
    denoiser: Denoiser,
    target: Tensor,
    condition: Tensor,
    below: int,
    time: int,
    config: TranslationConfig,
) -> tuple[Tensor, Tensor, int]:
    """The latent at `time` that denoising takes to `target`: equation (*) solved for x_t.

    Every picture iterates until it has converged, whatever its neighbours do, so that a result
    does not depend on the batch.

    Arguments:
        denoiser: The model.
        target: Latents at the time `below`, `(B, C, h, w)`.
        condition: Hidden states, `(B, L, D)`.
        below: A time.
        time: A later, noisier one.
        config: `iterations` and `tolerance`.

    Returns:
        Latents at `time`; the relative error left in equation (*), `(B,)`; evaluations.
    """
    scale, slope = _coefficients(denoiser.schedule, time, below)
    best, error = target.clone(), torch.full((len(target),), torch.inf, device=target.device)
    active = torch.arange(len(target), device=target.device)
    guess = target
    history: list[tuple[Tensor, Tensor]] = []
    evaluations = 0
    for _ in range(config.iterations):
        noise = _noise(denoiser, guess, condition[active], time)
        evaluations += len(active)
        image = (target[active] - slope * noise) / scale
        step = (image - guess).flatten(1)
        size = image.flatten(1).norm(dim=1).clamp(min=1e-12)
        left = step.norm(dim=1) / size
        better = left < error[active]
        # what is kept is the guess whose error was measured
        best[active[better]] = guess[better]
        error[active[better]] = left[better]
        going = left > config.tolerance
        if not bool(going.any()):
            break
        history = [*history, (image.flatten(1), step)][-_HISTORY:]
        history = [(g[going], f[going]) for g, f in history]
        active = active[going]
        guess = _accelerated(history).view(len(active), *target.shape[1:])
    return best, error, evaluations


def _accelerated(history: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Anderson acceleration: the combination of the last images whose steps nearly cancel.

    Arguments:
        history: Images g(x) and steps g(x) - x, `(B, N)` each, oldest first.

    Returns:
        The next guess, `(B, N)`.
    """
    images, steps = (torch.stack([pair[k] for pair in history], dim=1) for k in (0, 1))
    count = len(history)
    gram = (steps @ steps.transpose(1, 2)).double()
    # a little of the diagonal keeps steps that are nearly parallel from blowing up
    ridge = 1e-10 * gram.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-30)
    gram = gram + ridge[:, None, None] * torch.eye(count, dtype=gram.dtype, device=gram.device)
    ones = torch.ones(len(gram), count, 1, dtype=gram.dtype, device=gram.device)
    weights = torch.linalg.solve(gram, ones)
    weights = (weights / weights.sum(1, keepdim=True)).to(images.dtype)
    return (weights * images).sum(1)


@torch.no_grad()
def denoise_along(
    denoiser: Denoiser, noisy: Tensor, labels: Sequence[str | None], times: Sequence[int]
) -> Tensor:
    """Plain DDIM from the first of some times down to time 0, without guidance.

    Arguments:
        denoiser: The model.
        noisy: x at `times[0]`, `(B, C, h, w)`.
        labels: B.
        times: Descending, above 0.

    Returns:
        Latents at time 0.
    """
    condition = denoiser.condition(labels)
    current = noisy
    for time, below in zip(times, [*times[1:], 0], strict=True):
        noise = _noise(denoiser, current, condition, time)
        current = moved(denoiser.schedule, noise, current, time, below)
    return current


def rmse(pixels: Tensor, others: Tensor) -> Tensor:
    """Root mean squared difference of pictures in grey levels, 0 to 255, `(B,)`.

    Arguments:
        pixels: `(B, 3, H, W)` in [-1, 1]; what lies outside is cut off, as in a file.
        others: The same.
    """
    difference = (pixels.clamp(-1, 1) - others.clamp(-1, 1)) * 127.5
    return difference.square().mean(dim=(1, 2, 3)).sqrt()


def psnr(error: float) -> float | None:
    """Peak signal-to-noise ratio in decibels of a root mean squared error in grey levels; None
    (it is infinite) for no error."""
    return None if error <= 0 else float(20 * torch.log10(torch.tensor(255 / error)))
