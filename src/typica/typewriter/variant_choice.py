"""Which of a character's sprites stands at a place: the one that explains the ink there.

The text says which character it is, never which of its sprites. The picture does, but through the
mixed sprite of eq. 3.2, whose gradient for a sprite is as small as its probability: one that
begins a little behind is never drawn, so it never learns to be chosen. So the sprites of a
character are also drawn alone, each where the character is read, and the one with the smaller
error is what the selection is to choose: the assignment of k-means, sprite by sprite.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .placement import warp
from .variants import Variants

__all__ = [
    "choice_penalty",
    "clear_of_others",
    "errors_of_variants",
    "read_with_variants",
    "warped_variants",
]

Places = tuple[Tensor, Tensor]
"""Lines and positions, `(M,)` each."""


def read_with_variants(logs: Tensor, valid: Tensor, variants: Variants) -> Places:
    """Where a character with several sprites is read.

    Arguments:
        logs: Log-probability of every character, `(B, T, characters + 1)`, the blank last.
        valid: True for the positions within the line, `(B, T)`.
        variants: Which sprites stand for which character.
    """
    several = torch.tensor([*(count > 1 for count in variants.counts), False])
    lines, positions = (valid & several.to(valid.device)[logs.argmax(-1)]).nonzero(as_tuple=True)
    return lines, positions


def clear_of_others(opacity: Tensor, places: Places, step: int) -> Tensor:
    """How little the other layers cover each pixel of some windows: prod (1 - o_t').

    Arguments:
        opacity: Of every window, `(B, T, H, window)`, in [0, 1].
        places: The windows.
        step: Pixels between two windows.

    Returns:
        `(M, H, window)`, between 0 and 1.
    """
    _, positions, height, window = opacity.shape
    logs = -torch.log1p(-opacity.clamp(max=1 - 1e-4))
    canvas = F.fold(
        logs.permute(0, 2, 3, 1).flatten(1, 2),
        (height, (positions - 1) * step + window),
        (height, window),
        stride=(1, step),
    )
    every = canvas[:, 0].unfold(2, window, step)  # (B, H, T, window)
    lines, where = places
    return (logs[lines, where] - every[lines, :, where]).clamp(max=0).exp()


def errors_of_variants(
    image: Tensor,
    background: Tensor,
    colours: Tensor,
    masks: Tensor,
    clear: Tensor,
    places: Places,
    step: int,
    offset: int,
) -> Tensor:
    """Squared error of the picture in a window, for each sprite that might be drawn in it.

    Arguments:
        image: The lines, `(B, 3, H, W)`.
        background: Of every column, `(B, 3, W)`.
        colours: Of the layers, `(M, 3)`.
        masks: The sprites in the window, `(M, L, H, window)`.
        clear: What of the window is free of other layers, `(M, H, window)`.
        places: The windows.
        step: Pixels between two windows.
        offset: Left edge of the first window in pixels.

    Returns:
        `(M, L)`: mean over the colours, summed over the pixels that are in the line.
    """
    lines, positions = places
    window, width = masks.shape[-1], image.shape[-1]
    columns = (positions * step + offset)[:, None] + torch.arange(window, device=image.device)
    inside = ((columns >= 0) & (columns < width)).to(image.dtype)
    columns = columns.clamp(0, width - 1)
    seen = image[lines[:, None], :, :, columns].permute(0, 2, 3, 1)  # (M, 3, H, window)
    behind = background[lines[:, None], :, columns].transpose(1, 2)[:, :, None]
    weight = clear * inside[:, None]
    errors = []
    for mask in masks.unbind(1):
        drawn = behind + mask[:, None] * (colours[:, :, None, None] - behind)
        errors.append(((drawn - seen).square().mean(1) * weight).sum((1, 2)))
    return torch.stack(errors, 1)


def choice_penalty(logits: Tensor, errors: Tensor, table: Tensor) -> Tensor:
    """Cross-entropy of the choice among a character's sprites with the best of them.

    Arguments:
        logits: Of every sprite at these places, `(M, K + 1)`.
        errors: `(M, L)`, from `errors_of_variants`.
        table: The sprites of the character of each place, `(M, L)`; K where it has no more.

    Returns:
        Mean over the places.
    """
    none = table == logits.shape[-1] - 1
    best = errors.masked_fill(none, torch.inf).argmin(1)
    among = logits.gather(1, table).masked_fill(none, -torch.inf)
    return F.cross_entropy(among, best)


def warped_variants(
    sprites: Tensor, table: Tensor, scale: Tensor, shift: Tensor, window: tuple[int, int]
) -> Tensor:
    """The sprites of a character, each drawn in its window.

    Arguments:
        sprites: Opacities, `(K, h, w)`.
        table: `(M, L)`; K where a character has no more, for which nothing is drawn.
        scale: `(M,)`.
        shift: `(M, 2)`.
        window: Height and width in pixels.

    Returns:
        `(M, L, H, window)`.
    """
    many = table.shape[1]
    padded = torch.cat([sprites, torch.zeros_like(sprites[:1])])
    drawn = warp(
        padded[table].flatten(0, 1),
        scale.repeat_interleave(many),
        shift.repeat_interleave(many, 0),
        window,
    )
    return drawn.unflatten(0, table.shape)
