"""The forward process: how noise and picture are mixed (eq. 4.1), and eps or v prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import ConfigError

__all__ = ["NoiseSchedule"]

_LEAST_NOISE = 0.1
"""Share of noise below which the loss of a predicted picture weighs no more."""

Prediction = Literal["epsilon", "v_prediction", "sample"]


@dataclass(frozen=True)
class NoiseSchedule:
    """The mixing strengths a_t and what the UNet predicts.

    Arguments:
        signal: a_t of eq. 4.1 (the running product of 1 - beta), `(steps,)`, float32 in (0, 1).
        prediction: What the UNet's output means.
    """

    signal: Tensor
    prediction: Prediction

    @classmethod
    def from_scheduler(cls, scheduler: Any) -> NoiseSchedule:
        """Read a diffusers scheduler.

        Raises:
            ConfigError: If it predicts something that is not supported (flow matching).
        """
        kind = getattr(scheduler.config, "prediction_type", None)
        if kind not in ("epsilon", "v_prediction", "sample") or not hasattr(
            scheduler, "alphas_cumprod"
        ):
            raise ConfigError(
                f"the base's scheduler ({type(scheduler).__name__}, prediction {kind!r}) is not "
                "supported: choose a base that predicts epsilon, v or the sample"
            )
        return cls(scheduler.alphas_cumprod.float().clone(), kind)

    @property
    def steps(self) -> int:
        """Number of discrete times (1000 in Stable Diffusion)."""
        return len(self.signal)

    def _mix(self, times: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        signal = self.signal.to(like.device)[times].view(-1, *[1] * (like.dim() - 1))
        return signal.sqrt(), (1 - signal).sqrt()

    def add_noise(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """x_t = sqrt(a_t) x + sqrt(1 - a_t) eps (eq. 4.1).

        Arguments:
            latents: x, `(B, C, h, w)`, float32.
            noise: eps, `(B, C, h, w)`.
            times: t, `(B,)`, integers below `steps`.
        """
        keep, add = self._mix(times, latents)
        return keep * latents + add * noise

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the UNet's output should be: eps, v = sqrt(a) eps - sqrt(1 - a) x, or x."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "sample":
            return latents
        keep, add = self._mix(times, latents)
        return keep * noise - add * latents

    def loss_weight(self, times: Tensor) -> Tensor:
        """Factor of the squared error of `target`, `(B,)`.

        1, but for a model that predicts the picture 1 / (1 - a_t), which makes its error that of
        v; no more than that of a tenth of noise, so that nearly clean pictures do not rule.
        """
        if self.prediction != "sample":
            return torch.ones_like(times, dtype=torch.float32)
        return 1 / (1 - self.signal.to(times.device)[times]).clamp(min=_LEAST_NOISE)

    def noise_from(self, output: Tensor, noisy: Tensor, times: Tensor) -> Tensor:
        """eps_theta, whatever the UNet predicts.

        Arguments:
            output: The UNet's output, `(B, C, h, w)`.
            noisy: x_t, `(B, C, h, w)`.
            times: t, `(B,)`.
        """
        if self.prediction == "epsilon":
            return output
        keep, add = self._mix(times, noisy)
        if self.prediction == "v_prediction":
            return keep * output + add * noisy
        return (noisy - keep * output) / add

    def clean_from(self, noise: Tensor, noisy: Tensor, times: Tensor) -> Tensor:
        """The denoised estimate of eq. 4.3, from eps_theta."""
        keep, add = self._mix(times, noisy)
        clean: Tensor = (noisy - add * noise) / keep
        return clean

    def times(self, fractions: Tensor) -> Tensor:
        """Discrete times of fractions in [0, 1): floor(steps x fraction)."""
        return (fractions * self.steps).long().clamp(0, self.steps - 1)
