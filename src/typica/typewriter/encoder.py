"""The encoder e: from a line to the features f_1..f_T (section 3.3.1, appendix B.2).

Two backbones. `ResNet32` is the paper's: the CIFAR network cut after its third stage, and a
fixed Gaussian pooling over the height. `Compact` halves the resolution in its first layer and
learns how to weigh the rows.

With `mask_padding` everything right of a line's own end is zeroed before every convolution,
which is what the zero padding of a convolution would have shown had the line been alone. So a
line's features do not depend on the width of its batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .config import EncoderConfig

__all__ = ["Compact", "Encoder", "ResNet32", "gaussian_pooling_kernel", "position_centre"]


def gaussian_pooling_kernel(rows: int, columns: int, sigma: float = 1.0) -> Tensor:
    """The fixed pooling weights of appendix B.2.

    Arguments:
        rows: Height of the feature map, which the kernel covers whole.
        columns: Width of the kernel in feature columns.
        sigma: Standard deviation in feature pixels, the same on both axes.

    Returns:
        Weights that sum to 1, with shape `(rows, columns)`.
    """
    y = torch.arange(rows) - (rows - 1) / 2
    x = torch.arange(columns) - (columns - 1) / 2
    kernel = torch.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * sigma**2))
    return kernel / kernel.sum()


def position_centre(config: EncoderConfig, centred: bool) -> int:
    """Offset in pixels of x_t from `step * t`.

    The paper's program puts x_t at `step * t`. The layers of `Compact` are symmetric about the
    middle of a cell of `step` pixels; those of `ResNet32` (strided 3x3 convolutions) see
    `step * t + step / 2 - 1.5`.
    """
    if not centred:
        return 0
    return config.step // 2 if config.kind == "compact" else round(config.step / 2 - 1.5)


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (He et al. 2016, option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x: Tensor, mask: Tensor | None, recompute: bool = False) -> Tensor:
        if recompute and torch.is_grad_enabled():
            result: Tensor = checkpoint(
                self._compute, x, mask, use_reentrant=False, context_fn=self._contexts
            )
            return result
        return self._compute(x, mask)

    def _contexts(self) -> tuple[Any, Any]:
        """For the first and the second computation: the second leaves the statistics alone."""
        return nullcontext(), self._statistics_kept()

    @contextmanager
    def _statistics_kept(self) -> Iterator[None]:
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]
        kept = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 0.0
        try:
            yield
        finally:
            for norm, momentum in zip(norms, kept, strict=True):
                norm.momentum = momentum

    def _compute(self, x: Tensor, mask: Tensor | None) -> Tensor:
        shortcut = x
        if self.stride > 1 or self.extra:
            shortcut = F.pad(
                x[:, :, :: self.stride, :: self.stride],
                (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2),
            )
        y = _masked(F.relu(self.norm1(self.conv1(x)), inplace=True), mask)
        y = self.norm2(self.conv2(y)).add_(shortcut)
        return _masked(F.relu(y, inplace=True), mask)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Zero the columns beyond each line's end: mask `(B, 1, 1, columns)` of 0 and 1."""
    return x if mask is None else x * mask.to(x.dtype)


def _column_mask(cells: Tensor, columns: int) -> Tensor | None:
    """A mask `(B, 1, 1, columns)` that is 1 on the first `cells[b]` columns; None if all are."""
    inside = torch.arange(columns, device=cells.device)[None] < cells[:, None]
    return inside[:, None, None, :]


class ResNet32(nn.Module):
    """ResNet-32 for CIFAR up to its third stage, then Gaussian pooling: the paper's encoder.

    The step is `4 * pool` pixels; features have 64 channels. The activations of the first
    `recompute` blocks are computed again in the backward pass rather than kept.
    """

    def __init__(self, height: int, step: int, recompute: int = 0) -> None:
        super().__init__()
        self.channels, self.pool, self.step = 64, max(1, step // 4), step
        self.recompute = recompute
        self.stem = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        plan = [(16, 16, 1)] * 5 + [(16, 32, 2)] + [(32, 32, 1)] * 4 + [(32, 64, 2)]
        self.blocks = nn.ModuleList(_Block(*p) for p in [*plan, *[(64, 64, 1)] * 4])
        kernel = gaussian_pooling_kernel(math.ceil(height / 4), self.pool)
        self.register_buffer("kernel", kernel.expand(64, 1, -1, -1).clone(), persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor, cells: Tensor | None) -> Tensor:
        """From `(B, 3, H, W)`, W a multiple of the step, to `(B, 64, T)`."""

        def mask(scale: int, columns: int) -> Tensor | None:
            return None if cells is None else _column_mask(cells * self.step // scale, columns)

        scale, kept = 1, mask(1, x.shape[-1])
        x = _masked(F.relu(self.norm(self.stem(x)), inplace=True), kept)
        for number, block in enumerate(self.blocks):
            assert isinstance(block, _Block)
            if block.stride > 1:
                scale *= 2
                kept = mask(scale, math.ceil(x.shape[-1] / 2))
            x = block(x, kept, number < self.recompute)
        kernel: Tensor = self.kernel  # type: ignore[assignment]
        with torch.autocast(x.device.type, enabled=False):  # a weighted mean needs its digits
            pooled = F.conv2d(x.float(), kernel, stride=(1, self.pool), groups=64)
        return pooled.squeeze(2)


class Compact(nn.Module):
    """Half resolution from the first layer, rows weighed by learning, one layer of context.

    All strided layers have even kernels centred on the cell that they summarise, so position t
    sees `step * t + step / 2` at the centre.
    """

    def __init__(self, height: int, step: int, widths: tuple[int, int] = (32, 64)) -> None:
        super().__init__()
        first, second = widths
        self.channels, self.step = second, step
        self.stem = nn.Conv2d(3, first, 4, 2, 1, bias=False)
        self.stem_norm = nn.BatchNorm2d(first)
        self.fine = nn.ModuleList([_Block(first, first)])
        self.down = nn.Conv2d(first, second, 4, 2, 1, bias=False)
        self.down_norm = nn.BatchNorm2d(second)
        self.coarse = nn.ModuleList([_Block(second, second) for _ in range(3)])
        pool = max(1, step // 4)
        self.collapse = nn.Conv2d(second, second, (height // 4, pool), (1, pool), bias=False)
        self.collapse_norm = nn.BatchNorm2d(second)
        self.context = nn.Conv2d(second, second, (1, 3), 1, (0, 1), bias=False)
        self.context_norm = nn.BatchNorm2d(second)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor, cells: Tensor | None) -> Tensor:
        """From `(B, 3, H, W)`, W a multiple of the step, to `(B, 64, T)`."""

        def mask(scale: int, columns: int) -> Tensor | None:
            return None if cells is None else _column_mask(cells * self.step // scale, columns)

        kept = mask(2, x.shape[-1] // 2)
        x = _masked(F.relu(self.stem_norm(self.stem(x)), inplace=True), kept)
        for block in self.fine:
            x = block(x, kept)
        kept = mask(4, x.shape[-1] // 2)
        x = _masked(F.relu(self.down_norm(self.down(x)), inplace=True), kept)
        for block in self.coarse:
            x = block(x, kept)
        kept = mask(self.step, x.shape[-1] * 4 // self.step)
        x = _masked(F.relu(self.collapse_norm(self.collapse(x)), inplace=True), kept)
        x = x + F.relu(self.context_norm(self.context(x)))
        return _masked(x, kept).squeeze(2).float()


class Encoder(nn.Module):
    """A backbone and the layer normalisation without parameters that ends it.

    Arguments:
        height: H in pixels.
        config: Backbone, step, feature size, masking.
        paper: Colour of the paper, `(3,)` in [0, 1]; it is subtracted from the image if the
            padding is masked, so that the zeros beyond a line's end mean empty paper.
    """

    def __init__(self, height: int, config: EncoderConfig, paper: Tensor) -> None:
        super().__init__()
        self.config = config
        self.backbone: ResNet32 | Compact = (
            ResNet32(height, config.step, config.recompute)
            if config.kind == "resnet32"
            else Compact(height, config.step)
        )
        channels = self.backbone.channels
        self.project: nn.Module = (
            nn.Identity()
            if channels == config.features
            else nn.Conv1d(channels, config.features, 1)
        )
        self.register_buffer("paper", paper.clone())

    def forward(self, images: Tensor, cells: Tensor, autocast: bool = False) -> Tensor:
        """Features of a batch of lines.

        Arguments:
            images: `(B, 3, H, W)` in [0, 1], W a multiple of the step.
            cells: Number of positions of each line, `(B,)`, integer.
            autocast: Run the convolutions in bfloat16.

        Returns:
            `(B, T, D)` with T = W / step, normalised over D.
        """
        masked = self.config.mask_padding
        if masked:
            paper: Tensor = self.paper  # type: ignore[assignment]
            images = images - paper[:, None, None]
            inside = _column_mask(cells * self.config.step, images.shape[-1])
            images = _masked(images, inside)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=autocast):
            features = self.backbone(images, cells if masked else None)
        features = self.project(features.float()).transpose(1, 2)
        return F.layer_norm(features, features.shape[-1:])
