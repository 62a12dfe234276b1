"""Alpha compositing of the layers over the background: eq. 3.1.

A layer is opaque only inside its window, and windows start every `step` pixels, so a pixel is
covered by `n = window / step` layers at most. The windows are cut into blocks of one step; for
every block of the canvas the n candidates are gathered, sorted front to back, and blended. That
is eq. 3.1 exactly (`composite_plain` is the same sum written out), at a cost linear in the
width of the line.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["composite", "composite_plain", "front_to_back", "upsample_background"]


def front_to_back(positions: int, random: bool, generator: torch.Generator | None = None) -> Tensor:
    """The order of the layers, front first: `(T,)` position indices.

    Eq. 3.1 has the first position on top; in training the order is random, one for the batch.
    """
    if random:
        return torch.randperm(positions, generator=generator)
    return torch.arange(positions)


def composite_plain(
    opacity: Tensor,
    colours: Tensor,
    background: Tensor,
    order: Tensor,
    step: int,
    offset: int,
) -> Tensor:
    """Eq. 3.1 written out on full canvases: slow, the reference for `composite`.

    Arguments and result as for `composite`.
    """
    batch, _, height, window = opacity.shape
    width = background.shape[-1]
    out = torch.zeros(batch, 3, height, width, dtype=opacity.dtype)
    clear = torch.ones(batch, 1, height, width, dtype=opacity.dtype)
    for t in order.tolist():
        start = step * t + offset
        columns = range(max(0, start), min(width, start + window))
        layer = torch.zeros(batch, height, width, dtype=opacity.dtype)
        if columns:
            inner = opacity[:, t, :, columns.start - start : columns.stop - start]
            layer[:, :, columns.start : columns.stop] = inner
        alpha = layer[:, None]
        out = out + clear * alpha * colours[:, t, :, None, None]
        clear = clear * (1 - alpha)
    return out + clear * background[:, :, None]


def composite(
    opacity: Tensor,
    colours: Tensor,
    background: Tensor,
    order: Tensor,
    step: int,
    offset: int,
) -> Tensor:
    """The picture that the layers make over the background (eq. 3.1).

    Arguments:
        opacity: Opacity of every window, `(B, T, H, window)`, between 0 and 1.
        colours: Colour of every layer, `(B, T, 3)`, between 0 and 1.
        background: Colour of every column, `(B, 3, W)` with W = T * step.
        order: Position indices, front first, `(T,)`.
        step: Pixels between two windows.
        offset: Left edge of the first window in pixels (negative: it starts left of the line).

    Returns:
        `(B, 3, H, W)`, between 0 and 1.
    """
    batch, positions, height, window = opacity.shape
    width = background.shape[-1]
    layers = math.ceil(window / step)
    if layers * step > window:
        opacity = torch.nn.functional.pad(opacity, (0, layers * step - window))
    # blocks[:, t * layers + j] is sub-block j of window t; it lies on canvas block t + j.
    blocks = opacity.unflatten(3, (layers, step)).transpose(2, 3)
    blocks = blocks.reshape(batch, positions * layers, height * step)

    first = max(0, -offset // step)  # canvas blocks are numbered from the first window's edge
    last = (width - offset - 1) // step
    columns = torch.arange(first, last + 1)
    part = torch.arange(layers)
    position = columns[:, None] - part  # (blocks, layers): the window whose part j lies there
    rank = torch.empty(positions, dtype=torch.long)
    rank[order] = torch.arange(positions)
    outside = (position < 0) | (position >= positions)
    key = torch.where(outside, positions, rank[position.clamp(0, positions - 1)])
    depth = key.argsort(dim=1, stable=True)
    position = position.gather(1, depth).clamp(0, positions - 1)
    index = position * layers + part.expand_as(depth).gather(1, depth)
    absent = outside.gather(1, depth)

    device = opacity.device
    flat = index.flatten().to(device, non_blocking=True)  # the device is never waited for
    alpha = blocks.index_select(1, flat).unflatten(1, index.shape)
    if absent.any():
        alpha = alpha * (~absent).to(device, alpha.dtype, non_blocking=True)[:, :, None]
    window_of = position.flatten().to(device, non_blocking=True)
    paint = colours.index_select(1, window_of).unflatten(1, index.shape)

    clear = torch.ones_like(alpha[:, :, 0])
    weights = []
    for layer in range(layers):
        weights.append(clear * alpha[:, :, layer])
        clear = clear - weights[-1]
    weight = torch.stack(weights, dim=2)  # (B, blocks, layers, H * step)
    picture = paint.transpose(2, 3) @ weight  # (B, blocks, 3, H * step)

    def unfold(x: Tensor) -> Tensor:
        """(B, blocks, C, H * step) to (B, C, H, W): blocks side by side, the line cut out."""
        x = x.unflatten(3, (height, step)).permute(0, 2, 3, 1, 4).flatten(3)
        start = -offset - first * step
        return x[..., start : start + width]

    return unfold(picture) + unfold(clear[:, :, None]) * background[:, :, None]


def upsample_background(colours: Tensor, cells: Tensor, step: int) -> Tensor:
    """Background colour of every column, linear between the positions' colours.

    Arguments:
        colours: b_t, `(B, T, 3)`, one at the middle of every cell of `step` pixels.
        cells: Number of positions of each line, `(B,)`; the last colour goes on beyond it, so
            that what stands after a line's end cannot reach into it.
        step: Pixels between two positions.

    Returns:
        `(B, 3, T * step)`.
    """
    positions = colours.shape[1]
    place = (torch.arange(positions * step, device=colours.device) + 0.5) / step - 0.5
    place = torch.minimum(place.clamp(min=0)[None], (cells[:, None] - 1).to(place.dtype))
    left = place.floor()
    right_share = (place - left)[..., None]
    first = left.long()
    second = torch.minimum(first + 1, cells[:, None] - 1)
    a = colours.gather(1, first[..., None].expand(-1, -1, 3))
    b = colours.gather(1, second[..., None].expand(-1, -1, 3))
    return (a + (b - a) * right_share).transpose(1, 2)
