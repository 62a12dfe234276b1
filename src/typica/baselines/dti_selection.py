"""Selection by reconstruction: at every position the sprite that explains the picture best.

The original of DTI-Sprites goes through its few layers one after another and keeps for each the
sprite with which the whole picture comes out best, given the others. A line has as many layers as
positions, and a position reaches only into its window. So all positions look at once, each at the
picture without itself, and of those whose windows overlap the one that gains most changes its
sprite; then they look again. Every round lowers the error, or nothing changes any more.

A layer that is looked at counts as the topmost, which makes its error quadratic in its opacity:

    sum_p |r + m (c - b)|^2,  r = b - x,

with m the opacity, c the colour, b what the other layers draw, x the line. Multiplied out, it needs
inner products of m and of m^2 with nine pictures that no sprite changes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..typewriter.compositing import composite
from .windows import cut_windows

__all__ = [
    "best_changes",
    "greedy_selection",
    "others_beneath",
    "window_errors",
]


def window_errors(
    masks: Tensor,
    squares: Tensor,
    colours: Tensor,
    beneath: Tensor,
    target: Tensor,
    inside: Tensor,
) -> Tensor:
    """The squared error of each window for each sprite drawn on top of what is beneath.

    Arguments:
        masks: Opacity of every sprite as it would be drawn, `(N, K, P)`, P pixels of a window.
        squares: Their squares, which are wanted again and again.
        colours: Its colour, `(N, K, 3)`.
        beneath: What all other layers draw, `(N, 3, P)`.
        target: The line, `(N, 3, P)`.
        inside: 1 for the pixels of the line, 0 beyond its edges, `(N, P)`.

    Returns:
        `(N, K + 1)`, the sum over pixels and channels; the last is that of the empty sprite.
    """
    b = beneath * inside[:, None]
    r = (beneath - target) * inside[:, None]
    linear = torch.cat([r, (r * b).sum(1, keepdim=True)], dim=1)
    square = torch.cat([b, b.square().sum(1, keepdim=True), inside[:, None]], dim=1)
    first = masks @ linear.transpose(1, 2)  # (N, K, 4)
    second = squares @ square.transpose(1, 2)  # (N, K, 5)
    change = 2 * ((colours * first[..., :3]).sum(-1) - first[..., 3])
    change = change + second[..., 3] - 2 * (colours * second[..., :3]).sum(-1)
    change = change + colours.square().sum(-1) * second[..., 4]
    empty = r.square().sum(dim=(1, 2))[:, None]
    return torch.cat([empty + change, empty], dim=1)


def others_beneath(
    opacity: Tensor, paint: Tensor, background: Tensor, order: Tensor, step: int, offset: int
) -> Tensor:
    """What all other layers draw into the window of each: `(B, T, 3, H, window)`.

    Windows that do not overlap share one picture, in which none of them is drawn.

    Arguments:
        opacity: Of every window, `(B, T, H, window)`.
        paint: Colour of every layer, `(B, T, 3)`.
        background: Colour of every column, `(B, 3, W)`.
        order: Layers front to back, `(T,)`.
        step: Pixels between two windows.
        offset: Left edge of the first window in pixels.
    """
    batch, positions, height, window = opacity.shape
    apart = -(-window // step)
    beneath = opacity.new_empty(batch, positions, 3, height, window)
    for phase in range(min(apart, positions)):
        keep = torch.ones(positions, device=opacity.device)
        keep[phase::apart] = 0
        others = opacity * keep[:, None, None]
        picture = composite(others, paint, background, order, step, offset)
        cut = cut_windows(picture, positions, window, step, offset)
        beneath[:, phase::apart] = cut[:, phase::apart]
    return beneath


def best_changes(errors: Tensor, chosen: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """The positions that change their sprite: of each neighbourhood the one that gains most.

    Arguments:
        errors: `(B, T, K + 1)`, prices included.
        chosen: The sprite of every position now, `(B, T)`.
        radius: Positions up to so far apart have windows that overlap.

    Returns:
        The sprites afterwards, `(B, T)`, and whether each position changed, `(B, T)`.
    """
    best, candidate = errors.min(-1)
    now = errors.gather(-1, chosen[..., None]).squeeze(-1)
    gain = (now - best).clamp(min=0)
    size = gain.shape[1]
    # among equal gains the leftmost: a small tilt would lie, so the places are compared
    highest = F.max_pool1d(gain[:, None], 2 * radius + 1, 1, radius)[:, 0]
    top = (gain == highest) & (gain > 1e-7)
    place = torch.arange(size, 0, -1, device=gain.device).to(gain.dtype) * top
    first = F.max_pool1d(place[:, None], 2 * radius + 1, 1, radius)[:, 0]
    changed = top & (place == first)
    return torch.where(changed, candidate, chosen), changed


def _drawn(masks: Tensor, colours: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity `(B, T, H, window)` and colour `(B, T, 3)` of the chosen sprites."""
    count = masks.shape[2]
    some = chosen.clamp(max=count - 1)
    shape = (*some.shape, 1, *masks.shape[3:])
    opacity = masks.gather(2, some[..., None, None, None].expand(shape)).squeeze(2)
    opacity = opacity * (chosen < count)[..., None, None]
    paint = colours.gather(2, some[..., None, None].expand(*some.shape, 1, 3)).squeeze(2)
    return opacity, paint


@torch.no_grad()
def greedy_selection(
    masks: Tensor,
    colours: Tensor,
    background: Tensor,
    image: Tensor,
    widths: Tensor,
    cells: Tensor,
    order: Tensor,
    step: int,
    offset: int,
    price: float,
    rounds: int,
) -> tuple[Tensor, Tensor]:
    """The sprites of a batch of lines, found by what they explain.

    Arguments:
        masks: Opacity of every sprite in every window, `(B, T, K, H, window)`.
        colours: Its colour, `(B, T, K, 3)`.
        background: Colour of every column, `(B, 3, W)`.
        image: The lines, `(B, 3, H, W)`.
        widths: Their widths in pixels, `(B,)`; what lies right of them does not count.
        cells: Number of positions of each line, `(B,)`; beyond them all stays empty.
        order: Layers front to back, `(T,)`.
        step: Pixels between two windows.
        offset: Left edge of the first window in pixels.
        price: Of every sprite that is not empty, as mean squared error of a window.
        rounds: Most rounds.

    Returns:
        The sprite of every position, `(B, T)`, K for the empty one; and the errors of all of
        them given the others, prices included, `(B, T, K + 1)`.
    """
    batch, positions, count, height, window = masks.shape
    columns = torch.arange(image.shape[-1], device=image.device)[None] < widths[:, None]
    whole = columns[:, None, None].to(image.dtype).expand(-1, 1, height, -1)
    target = cut_windows(image, positions, window, step, offset).flatten(3)
    inside = cut_windows(whole, positions, window, step, offset).flatten(2)
    valid = torch.arange(positions, device=cells.device)[None] < cells[:, None]
    flat = masks.flatten(3)
    squares = flat.square()
    chosen = torch.full((batch, positions), count, device=masks.device)
    errors = flat.new_empty(batch, positions, count + 1)
    radius = -(-window // step) - 1
    affected = torch.ones_like(chosen, dtype=torch.bool)
    for number in range(rounds + 1):
        opacity, paint = _drawn(masks, colours, chosen)
        beneath = others_beneath(opacity, paint, background, order, step, offset).flatten(3)
        if affected.float().mean() > 0.5:  # cheaper than copying that many windows
            affected = torch.ones_like(affected)
            parts = [x.flatten(0, 1) for x in (flat, squares, colours, beneath, target, inside)]
        else:
            parts = [x[affected] for x in (flat, squares, colours, beneath, target, inside)]
        found = window_errors(*parts) / (3 * height * window)
        found[:, :count] += price
        errors[affected] = found
        errors[..., :count][~valid] = torch.inf
        if number == rounds:
            break
        chosen, changed = best_changes(errors, chosen, radius)
        if not changed.any():
            break
        near = F.max_pool1d(changed[:, None].float(), 2 * radius + 1, 1, radius)[:, 0]
        affected = near > 0
    return chosen, errors
