"""The objective: reconstruction (eq. 3.4), text (eq. 3.5), and the optional regularisers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
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

    The text writes the squared norm, a sum; the errors in its tables are means, as here.

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
    temperature: float = 1.0,
) -> Tensor:
    """The text loss of every line per character (the CTC term of eq. 3.5).

    Divided by the number of characters, as in the paper's program, so that a long line weighs no
    more than a short one.

    At a temperature below 1 the sum over the alignments of p(alignment) becomes
    (sum p^(1 / temperature))^temperature, which leans towards the best alignment: a character
    whose probability is shared by two neighbouring positions gathers on one of them.

    Arguments as for `typica.typewriter.alignment.one_to_one_loss`, and:
        config: For the topology.
        temperature: Above 0, at most 1.

    Returns:
        `(B,)`, 0 for a line without text (its transcription is not known) and for one whose
        text cannot be laid on its positions.
    """
    kind = one_to_one_loss if config.alignment == "one-to-one" else ctc_loss
    loss = kind(log_probabilities / temperature, targets, lengths, target_lengths) * temperature
    useful = (target_lengths > 0) & (target_lengths <= lengths)
    loss = torch.where(useful, loss, 0.0)
    return loss / target_lengths.clamp(min=1)


def overlap_penalty(opacity: Tensor, step: int, cells: Tensor) -> Tensor:
    """How much the layers of a line cover each other, per pixel of the line.

    At every pixel `sum_(i<j) a_i a_j = ((sum a)^2 - sum a^2) / 2`, so no pair is visited. The
    paper's program takes the sum over the pixels; its weight of 1e-5 on crops of 96 x 192
    pixels is a weight of 0.18 here.

    Arguments:
        opacity: Opacity of every window, `(B, T, H, window)`.
        step: Pixels between two windows.
        cells: Number of positions of each line, `(B,)`.

    Returns:
        `(B,)`, at least 0.
    """
    _, positions, height, window = opacity.shape
    canvas = F.fold(
        opacity.permute(0, 2, 3, 1).flatten(1, 2),
        (height, (positions - 1) * step + window),
        (height, window),
        stride=(1, step),
    )
    pairs = (canvas.square().sum(dim=(1, 2, 3)) - opacity.square().sum(dim=(1, 2, 3))) / 2
    return pairs / (height * step * cells)


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
