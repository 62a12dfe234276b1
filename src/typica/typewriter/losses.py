"""The objective: reconstruction (eq. 3.4), text (eq. 3.5), and the optional regularisers."""

from __future__ import annotations

import torch
from torch import Tensor

from .alignment import ctc_loss, one_to_one_loss
from .config import LossConfig

__all__ = [
    "frequency_penalty",
    "overlap_penalty",
    "reconstruction_loss",
    "sparsity_penalty",
    "text_loss",
]


def reconstruction_loss(picture: Tensor, image: Tensor, widths: Tensor) -> Tensor:
    """Mean squared error of every line over its own pixels and channels (eq. 3.4).

    Arguments:
        picture: The reconstruction, `(B, 3, H, W)`, in [0, 1].
        image: The line, `(B, 3, H, W)`, in [0, 1].
        widths: True widths in pixels, `(B,)`; what lies right of them does not count.

    Returns:
        `(B,)`. Every line weighs the same in their mean, whatever its length.
    """
    columns = (picture - image).square().mean(dim=(1, 2))
    inside = torch.arange(columns.shape[1], device=columns.device)[None] < widths[:, None]
    return (columns * inside).sum(1) / widths


def text_loss(
    log_probabilities: Tensor,
    targets: Tensor,
    lengths: Tensor,
    target_lengths: Tensor,
    config: LossConfig,
) -> Tensor:
    """The text loss of every line per character (the CTC term of eq. 3.5).

    Arguments as for `typica.typewriter.alignment.one_to_one_loss`.

    Returns:
        `(B,)`, 0 for a line whose text cannot be laid on its positions.
    """
    kind = one_to_one_loss if config.alignment == "one-to-one" else ctc_loss
    loss = kind(log_probabilities, targets, lengths, target_lengths)
    loss = torch.where(target_lengths <= lengths, loss, 0.0)
    return loss / target_lengths.clamp(min=1)


def overlap_penalty(opacity: Tensor, step: int) -> Tensor:
    """Sum over pixels and pairs of layers of the product of their opacities, per line.

    `sum_(i<j) a_i a_j = ((sum a)^2 - sum a^2) / 2` at every pixel, so no pair is visited.

    Arguments:
        opacity: Opacity of every window, `(B, T, H, window)`.
        step: Pixels between two windows.

    Returns:
        `(B,)`.
    """
    batch, positions, height, window = opacity.shape
    flat = opacity.transpose(1, 3).reshape(batch, window * height, positions)
    canvas = torch.nn.functional.fold(
        opacity.permute(0, 2, 3, 1).flatten(1, 2),
        (height, (positions - 1) * step + window),
        (height, window),
        stride=(1, step),
    )
    return (canvas.square().sum(dim=(1, 2, 3)) - flat.square().sum(dim=(1, 2))) / 2


def sparsity_penalty(probabilities: Tensor, valid: Tensor) -> Tensor:
    """Mean probability of the empty sprite over the valid positions: discourages blanks.

    Arguments:
        probabilities: `(B, T, K + 1)`, blank last.
        valid: True for the positions within the line, `(B, T)`.
    """
    return probabilities[..., -1][valid].mean()


def frequency_penalty(probabilities: Tensor, valid: Tensor, least: float = 0.1) -> Tensor:
    """How far the sprites are from being used at least `least` times the uniform share.

    1 - (1 / e) sum_k min(mu_k, e / (K + 1)), mu_k the mean probability of sprite k.

    Arguments:
        probabilities: `(B, T, K + 1)`, blank last.
        valid: True for the positions within the line, `(B, T)`.
        least: e, between 0 and 1.
    """
    use = probabilities[valid].mean(0)
    return 1 - use.clamp(max=least / use.numel()).sum() / least
