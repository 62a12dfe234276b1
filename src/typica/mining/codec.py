"""Between pixels and the grid that the denoiser works on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Codec", "FoldCodec", "VaeCodec"]


class Codec(nn.Module, ABC):
    """Pixels to latents and back. Has no trainable parameters."""

    factor: int
    """Pixels per latent cell; picture sides must be multiples of it."""
    channels: int
    """Channels of a latent."""

    @abstractmethod
    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Latents of pictures.

        Arguments:
            pixels: `(B, 3, H, W)`, in [-1, 1], sides multiples of `factor`.
            noise: Standard normal `(B, channels, H / factor, W / factor)` to sample the
                posterior with; None takes its mean.

        Returns:
            `(B, channels, H / factor, W / factor)`, float32, of about unit variance.
        """

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of latents, `(B, 3, H, W)`, about in [-1, 1]."""


class FoldCodec(Codec):
    """The identity, with squares of `factor` x `factor` pixels moved into the channels.

    Nothing is lost and noise stays white. With `factor` 1 it is the identity.
    """

    def __init__(self, factor: int, scale: float = 1.0) -> None:
        super().__init__()
        self.factor, self.channels, self.scale = factor, 3 * factor * factor, scale

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        return F.pixel_unshuffle(pixels.float(), self.factor) * self.scale

    def decode(self, latents: Tensor) -> Tensor:
        return F.pixel_shuffle(latents / self.scale, self.factor)


class VaeCodec(Codec):
    """The variational autoencoder of a latent diffusion model, frozen."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae.eval().requires_grad_(False)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.channels = int(vae.config.latent_channels)
        self.scale = float(vae.config.scaling_factor)
        self.shift = float(getattr(vae.config, "shift_factor", None) or 0.0)

    def encode(self, pixels: Tensor, noise: Tensor | None = None) -> Tensor:
        posterior = self._posterior(pixels)
        mean = posterior.mean
        return self._scaled(mean if noise is None else mean + posterior.std * noise)

    @torch.no_grad()
    def moments(self, pixels: Tensor) -> Tensor:
        """Mean and standard deviation of the posterior, scaled like latents.

        `mean + std * noise` is what `encode(pixels, noise)` gives.

        Arguments:
            pixels: `(B, 3, H, W)`, in [-1, 1].

        Returns:
            `(B, 2 * channels, H / factor, W / factor)`, float32: means, then deviations.
        """
        posterior = self._posterior(pixels)
        return torch.cat([self._scaled(posterior.mean), posterior.std.float() * self.scale], dim=1)

    def _posterior(self, pixels: Tensor) -> Any:
        return self.vae.encode(pixels.to(self.vae.dtype)).latent_dist

    def _scaled(self, latents: Tensor) -> Tensor:
        return (latents.float() - self.shift) * self.scale

    def decode(self, latents: Tensor) -> Tensor:
        plain = latents / self.scale + self.shift
        pixels: Tensor = self.vae.decode(plain.to(self.vae.dtype)).sample
        return pixels.float()
