"""Batch normalisation over the lines of all processes, as if one process had the whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["SharedBatchNorm2d", "share_statistics"]


class _Sum(torch.autograd.Function):
    """A sum over all processes; the gradient of what all make of it comes back to each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Tensor:
        total: Tensor = gradients[0].clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose mean and variance are those of all processes' pictures together.

    The variance is that of the deviations, not a difference of squares, so it keeps its digits.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        values = x.float()
        count = values.new_full((1,), values.numel() / values.shape[1])
        both: Tensor = _Sum.apply(torch.cat([values.sum((0, 2, 3)), count]))
        number = both[-1]
        mean = (both[:-1] / number)[:, None, None]
        squares: Tensor = _Sum.apply((values - mean).square().sum((0, 2, 3)))
        variance = squares / number
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean[:, 0, 0], self.momentum)
            self.running_var.lerp_(squares / (number - 1), self.momentum)
        spread = (variance + self.eps).rsqrt() * self.weight
        out: Tensor = (values - mean) * spread[:, None, None] + self.bias[:, None, None]
        return out.to(x.dtype)


def share_statistics(model: nn.Module) -> None:
    """Let every batch normalisation of a model take its statistics from all processes.

    Names and values of weights stay what they are.
    """
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d
