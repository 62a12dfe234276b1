"""The text loss: how probable the transcription is, over all ways of laying it on the line.

Two topologies. CTC (Graves et al. 2006) is the paper's; there a sprite that is repeated on
neighbouring positions counts once. `one_to_one_loss` sums only over the alignments in which
every character is placed at exactly one position and all others are blank (the topology of the
recurrent neural aligner, Sak et al. 2017, without its recurrence).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["ctc_loss", "one_to_one_loss", "one_to_one_loss_plain"]

_NEVER = -1e30  # a log-probability of zero that can still be subtracted from itself


def _emissions(log_probabilities: Tensor, targets: Tensor, lengths: Tensor) -> tuple[Any, ...]:
    """Log-probabilities of the target symbols `(B, T, U)` and of the blank `(B, T)`.

    Beyond a line's end the blank is certain and nothing else is possible, so that every line
    can run to the last position of the batch.
    """
    positions = log_probabilities.shape[1]
    index = targets[:, None].expand(-1, positions, -1)
    symbols = log_probabilities.gather(2, index)
    blank = log_probabilities[..., -1]
    after = torch.arange(positions, device=lengths.device)[None] >= lengths[:, None]
    return symbols.masked_fill(after[..., None], _NEVER), blank.masked_fill(after, 0.0)


class _OneToOne(torch.autograd.Function):
    """Forward-backward over (positions x characters); the gradient is the posterior."""

    @staticmethod
    def forward(ctx: Any, symbols: Tensor, blank: Tensor, lengths: Tensor) -> Tensor:
        batch, positions, size = symbols.shape
        alpha = symbols.new_full((positions + 1, batch, size + 1), _NEVER)
        alpha[0, :, 0] = 0.0
        emit = symbols.transpose(0, 1)
        rest = blank.T[..., None]
        for t in range(positions):
            stay = alpha[t] + rest[t]
            move = alpha[t, :, :-1] + emit[t]
            alpha[t + 1, :, 0] = stay[:, 0]
            torch.logaddexp(stay[:, 1:], move, out=alpha[t + 1, :, 1:])
        total = alpha[-1].gather(1, lengths[:, None]).squeeze(1)
        ctx.save_for_backward(symbols, blank, lengths, alpha, total)
        return -total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        symbols, blank, lengths, alpha, total = ctx.saved_tensors
        batch, positions, size = symbols.shape
        emit = symbols.transpose(0, 1)
        rest = blank.T[..., None]
        beta = symbols.new_full((batch, size + 1), _NEVER)
        beta.scatter_(1, lengths[:, None], 0.0)
        moved = torch.empty_like(emit)
        stayed = torch.empty_like(alpha[:-1])
        for t in reversed(range(positions)):
            torch.add(rest[t], beta, out=stayed[t])
            torch.add(emit[t], beta[:, 1:], out=moved[t])
            beta = stayed[t].clone()
            beta[:, :-1] = torch.logaddexp(beta[:, :-1], moved[t])
        # posteriors; below exp(-80) they are nothing, and denormal numbers are very slow
        start = alpha[:-1] - total[None, :, None]
        possible = (total > _NEVER / 2).to(symbols.dtype)[None, :, None]
        moved = (moved + start[..., :-1]).clamp_(-80, 0).exp_() * possible
        stayed = ((stayed + start).clamp_(-80, 0).exp_() * possible).sum(2)
        scale = gradients[0][:, None]
        return (
            -moved.transpose(0, 1) * scale[..., None],
            -stayed.T * scale,
            None,
        )


def one_to_one_loss(
    log_probabilities: Tensor, targets: Tensor, lengths: Tensor, target_lengths: Tensor
) -> Tensor:
    """Negative log-probability that reading the line gives exactly its text.

    The text is read by writing down the symbol of every position that is not blank, so
    p(y) = sum over t_1 < ... < t_U of prod_u p(y_u | t_u) prod_(other t) p(blank | t).

    Arguments:
        log_probabilities: `(B, T, K + 1)`, blank last.
        targets: Symbol indices, `(B, U)`, padded with any valid index.
        lengths: Positions of each line, `(B,)`.
        target_lengths: Symbols of each line, `(B,)`; may be 0.

    Returns:
        `(B,)`. A line with more symbols than positions has no alignment: its loss is 1e30
        and its gradient 0.
    """
    symbols, blank = _emissions(log_probabilities.float(), targets, lengths)
    loss: Tensor = _OneToOne.apply(symbols, blank, target_lengths)
    return loss


def one_to_one_loss_plain(
    log_probabilities: Tensor, targets: Tensor, lengths: Tensor, target_lengths: Tensor
) -> Tensor:
    """The same by the recursion written out, one line at a time: the reference in tests."""
    losses = []
    for logs, text, positions, size in zip(
        log_probabilities, targets, lengths.tolist(), target_lengths.tolist(), strict=True
    ):
        row = [logs.new_tensor(0.0)] + [logs.new_tensor(_NEVER)] * size
        for t in range(positions):
            stay = [value + logs[t, -1] for value in row]
            move = [row[u] + logs[t, text[u]] for u in range(size)]
            row = [stay[0], *(torch.logaddexp(stay[u + 1], move[u]) for u in range(size))]
        losses.append(-row[size])
    return torch.stack(losses)


def ctc_loss(
    log_probabilities: Tensor, targets: Tensor, lengths: Tensor, target_lengths: Tensor
) -> Tensor:
    """The CTC loss of every line (Graves et al. 2006), blank last.

    Arguments as for `one_to_one_loss`.

    Returns:
        `(B,)`; 0, without gradient, for a line that has no alignment.
    """
    return F.ctc_loss(
        log_probabilities.float().transpose(0, 1),
        targets,
        lengths,
        target_lengths,
        blank=log_probabilities.shape[-1] - 1,
        reduction="none",
        zero_infinity=True,
    )
