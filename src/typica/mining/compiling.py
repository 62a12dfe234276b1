"""The UNet of a denoiser, compiled by torch: the same sums in fewer and larger steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..errors import ConfigError, reason

__all__ = ["compiled"]


def compiled(unet: Any) -> Callable[..., Any]:
    """A UNet to be called like the given one, compiled; its results agree up to rounding.

    The first call compiles, for a minute or less; so does the first of another shape, after which
    all shapes are served.

    Arguments:
        unet: Its weights are used as they are.

    Raises:
        ConfigError: When it is first called, if torch cannot compile here.
    """
    from torch._dynamo.exc import TorchDynamoException

    inside = torch.compile(unet)

    def evaluate(*given: Any, **named: Any) -> Any:
        try:
            return inside(*given, **named)
        except TorchDynamoException as error:
            raise ConfigError(
                f"--compile: torch cannot compile the UNet here ({reason(error)}). On a processor "
                "it needs a C++ compiler; without --compile nothing is compiled."
            ) from error

    return evaluate
