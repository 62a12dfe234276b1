r"""Alignments of sprite sequences with texts: the best one, or all of them, for many lines at once.

An alignment goes through a line's sprites :math:`s_1..s_N` and its text :math:`t_1..t_M` together,
and at every step passes a sprite and a letter (the sprite stands for it), a sprite alone (it
stands for nothing), or a letter alone (no sprite stands for it). With a weight for each step,

.. math:: D_{ij} = \oplus (D_{i-1,j-1} + \mathrm{both}_{ij},\; D_{i-1,j} + \mathrm{sprite}_i,\;
          D_{i,j-1} + \mathrm{letter}_j)

gives the edit distance if :math:`\oplus` is the minimum and the weights are costs, and the
logarithm of the sum over all alignments if it is log-sum-exp and they are log-probabilities. Cells
with the same i + j do not depend on each other, so a whole anti-diagonal of all lines is one
operation. The gradient of the second with respect to a log-probability is the expected number of
times that the step is taken: the backward half of forward-backward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["LineBlock", "best_distances", "blocks", "log_sums", "position_overlaps"]

_NEVER = 1e9
"""The cost of what cannot happen: finite, so that no gradient is undefined."""


@dataclass(frozen=True)
class LineBlock:
    """Some lines as padded indices.

    Arguments:
        sprites: `(B, N)`, 0 beyond a line's own end.
        letters: `(B, M)`, 0 beyond a text's own end.
        sprite_counts: `(B,)`.
        letter_counts: `(B,)`.
    """

    sprites: Tensor
    letters: Tensor
    sprite_counts: Tensor
    letter_counts: Tensor


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    counts = torch.tensor([len(row) for row in rows])
    out = torch.zeros(len(rows), max(1, int(counts.max())), dtype=torch.long)
    for place, row in zip(out, rows, strict=True):
        place[: len(row)] = torch.tensor(list(row), dtype=torch.long)
    return out, counts


def blocks(
    sprites: Sequence[Sequence[int]], letters: Sequence[Sequence[int]], size: int = 256
) -> Iterator[LineBlock]:
    """Lines as padded blocks of at most `size`, lines of similar length together."""
    order = sorted(range(len(sprites)), key=lambda i: (len(sprites[i]), len(letters[i])))
    for start in range(0, len(order), size):
        some = order[start : start + size]
        left, left_counts = _padded([sprites[i] for i in some])
        right, right_counts = _padded([letters[i] for i in some])
        yield LineBlock(left, right, left_counts, right_counts)


def _joined(both: Tensor, sprite: Tensor, letter: Tensor, block: LineBlock, never: float) -> Tensor:
    """The value of the last cell of every line, `(B,)`.

    Arguments:
        both: `(B, N, M)`.
        sprite: `(B, N)`.
        letter: `(B, M)`.
        block: The lengths.
        never: Large and positive for the minimum, negative for log-sum-exp.
    """
    lines, size, _ = both.shape
    wall = both.new_full((lines, size), never)
    along = _diagonals(letter[:, None].expand(-1, size + 1, -1), never)
    across = (wall, *_diagonals(both, never))  # the first diagonal has no such step
    before = both.new_full((lines, size + 1), never)
    now = torch.cat([both.new_zeros(lines, 1), wall], 1)
    cells = [now]
    for both_here, letter_here in zip(across, along, strict=True):
        ways = torch.stack(
            [
                pad(before[:, :-1] + both_here, (1, 0), value=never),
                pad(now[:, :-1] + sprite, (1, 0), value=never),
                now + letter_here,
            ]
        )
        # ties share the gradient of the minimum: no alignment is preferred for its direction
        before, now = now, ways.amin(0) if never > 0 else ways.logsumexp(0)
        cells.append(now)
    last = block.sprite_counts + block.letter_counts
    return torch.stack(cells, 1)[torch.arange(lines), last, block.sprite_counts]


def _diagonals(table: Tensor, never: float) -> tuple[Tensor, ...]:
    """The anti-diagonals of `(B, R, C)`: R + C - 1 of `(B, R)`, `never` where one has no cell.

    Rows with R more columns, read as if they had one column less, each start one further left.
    """
    lines, rows, columns = table.shape
    flat = pad(table, (0, rows), value=never).flatten(1)[:, :-rows]
    # unbind, not indexing: the backward pass of an index writes a whole array of zeros each time
    return flat.view(lines, rows, rows + columns - 1).unbind(2)


def _steps(table: Tensor, block: LineBlock) -> Tensor:
    """`table[s_i, t_j]` for all sprites and letters of every line, `(B, N, M)`."""
    rows = table[block.sprites]
    return rows.gather(2, block.letters[:, None].expand(-1, rows.shape[1], -1))


def best_distances(costs: Tensor, block: LineBlock) -> Tensor:
    """The soft edit distance of every line: sprites and letters that are left alone cost 1.

    Arguments:
        costs: What it costs that a sprite stands for a letter, `(K, A)`.
        block: The lines.

    Returns:
        `(B,)`, differentiable through the best alignment; where several are best, through all.
    """
    both = _steps(costs, block)
    ones = costs.new_ones(())
    return _joined(
        both, ones.expand(both.shape[:2]), ones.expand(len(both), both.shape[2]), block, _NEVER
    )


def log_sums(both: Tensor, sprite: Tensor, letter: Tensor, block: LineBlock) -> Tensor:
    """Logarithm of the summed probability of all alignments of every line.

    Arguments:
        both: Log-probability that a sprite stands for a letter, `(K, A)`.
        sprite: That it stands for nothing, `(K,)`.
        letter: That a letter has no sprite, `(A,)`.
        block: The lines.

    Returns:
        `(B,)`.
    """
    return _joined(
        _steps(both, block), sprite[block.sprites], letter[block.letters], block, -_NEVER
    )


def position_overlaps(block: LineBlock) -> Tensor:
    """How much of the line sprite i and letter j share if both are spread evenly, `(B, N, M)`."""
    size, length = block.sprites.shape[1], block.letters.shape[1]
    n = block.sprite_counts[:, None, None].clamp(min=1).double()
    m = block.letter_counts[:, None, None].clamp(min=1).double()
    i, j = torch.arange(size)[None, :, None], torch.arange(length)[None, None, :]
    shared = torch.minimum((i + 1) / n, (j + 1) / m) - torch.maximum(i / n, j / m)
    return torch.where((i < n) & (j < m), shared.clamp(min=0), 0.0)
