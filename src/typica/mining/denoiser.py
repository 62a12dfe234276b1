"""The conditional denoiser eps_theta(x_t, t, c): codec, conditioner and UNet, each replaceable.

The same class holds Stable Diffusion and the small model; only its parts differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..hardware import matrix_bfloat16
from ..images.prompts import Told
from .codec import Codec
from .conditioner import Conditioner
from .schedule import NoiseSchedule

__all__ = ["Denoiser"]


class Denoiser(nn.Module):
    """A conditional diffusion model.

    Arguments:
        codec: Pixels to latents.
        conditioner: Labels to hidden states.
        unet: A `diffusers.UNet2DConditionModel`.
        schedule: The forward process.
    """

    def __init__(
        self, codec: Codec, conditioner: Conditioner, unet: Any, schedule: NoiseSchedule
    ) -> None:
        super().__init__()
        self.codec, self.conditioner, self.unet = codec, conditioner, unet
        self.schedule = schedule

    @property
    def device(self) -> torch.device:
        """Where the UNet is."""
        device: torch.device = next(self.unet.parameters()).device
        return device

    def condition(self, labels: Sequence[Told]) -> Tensor:
        """Hidden states of labels, None for the null condition, `(N, L, D)`.

        A tuple stands for several labels told together.
        """
        hidden: Tensor = self.conditioner(labels)
        return hidden.to(self.device)

    def output(
        self,
        noisy: Tensor,
        times: Tensor,
        condition: Tensor,
        bfloat16: bool = False,
        unet: Callable[..., Any] | None = None,
    ) -> Tensor:
        """The UNet's output, `(B, C, h, w)`, float32.

        Arguments:
            noisy: x_t, `(B, C, h, w)`.
            times: t, `(B,)`, integers.
            condition: Hidden states, `(B, L, D)`.
            bfloat16: Compute in bfloat16 if the hardware does.
            unet: Stands in for the UNet: the same one, compiled.
        """
        unet = unet or self.unet
        fast = bfloat16 and matrix_bfloat16(self.device) and not self._too_small(noisy)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast):
            output = unet(noisy, times, encoder_hidden_states=condition, return_dict=False)[0]
        result: Tensor = output.float()
        return result

    def _too_small(self, noisy: Tensor) -> bool:
        """Whether a downsampling layer meets a map of one cell, training on a processor.

        There, on processors with AVX-512 BF16, the gradient of a bfloat16 convolution with stride
        2 reads memory that nobody wrote (oneDNN 3.12), and is now and then not a number.
        """
        if noisy.device.type != "cpu" or not torch.is_grad_enabled():
            return False
        halvings = len(self.unet.config.block_out_channels) - 1
        return min(noisy.shape[-2:]) <= 2 ** (halvings - 1)

    def predict_noise(
        self,
        noisy: Tensor,
        times: Tensor,
        condition: Tensor,
        bfloat16: bool = False,
        unet: Callable[..., Any] | None = None,
    ) -> Tensor:
        """eps_theta(x_t, t, c), `(B, C, h, w)`, float32, whatever the UNet predicts."""
        output = self.output(noisy, times, condition, bfloat16, unet)
        return self.schedule.noise_from(output, noisy, times)

    def loss(
        self,
        latents: Tensor,
        noise: Tensor,
        times: Tensor,
        condition: Tensor,
        bfloat16: bool = False,
    ) -> Tensor:
        """The training loss of every picture, `(B,)` (eq. 4.5; of v for a model that predicts v).

        With the null condition this is eq. 4.2, and in the space of pixels eq. 4.4. The mean over
        all elements of the latent, where the text has their sum. A model that predicts the picture
        itself is trained on the v that follows from it, so that times with little noise count as
        much as for the others.

        Arguments:
            latents: x, `(B, C, h, w)`, float32.
            noise: eps, `(B, C, h, w)`.
            times: t, `(B,)`, integers.
            condition: Hidden states, `(B, L, D)`.
            bfloat16: Compute the UNet in bfloat16 if the hardware does.
        """
        noisy = self.schedule.add_noise(latents, noise, times)
        output = self.output(noisy, times, condition, bfloat16)
        error = output - self.schedule.target(latents, noise, times)
        return error.square().mean(dim=(1, 2, 3)) * self.schedule.loss_weight(times)
