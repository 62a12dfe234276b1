r"""Which letter a sprite stands for, by three methods, from sprite sequences and their texts.

Sprites and letters are indices. A result is one letter for every sprite, or None; many sprites
may get the same letter. What follows on the edit distance itself is in `name_search.py`.

- `soft_edit_letters` is the paper's (appendix D): a table of scores, softmax over the letters,
  learned by gradient descent on the summed soft edit distance with substitution cost
  :math:`1 - P(letter | sprite)`. It follows the best alignment of the moment.
- `em_letters` sums over all alignments: before every sprite letters without a sprite may be put
  in; then the sprite gives one letter or none. Expectation-maximisation of
  :math:`p(letter | sprite)`, :math:`p(nothing | sprite)` and :math:`p(letter\ put\ in)`.
- `overlap_letters` aligns nothing: sprites and letters at the same share of their line are
  counted together, and the letter that is there more often than chance would have it is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .lattice import LineBlock, best_distances, blocks, log_sums, position_overlaps

__all__ = ["em_letters", "overlap_letters", "soft_edit_letters"]

Rows = Sequence[Sequence[int]]


def _seen(sprites: Rows, count: int) -> Tensor:
    """How often every sprite is placed, `(K,)`."""
    flat = torch.tensor([s for row in sprites for s in row], dtype=torch.long)
    return torch.bincount(flat, minlength=count)


def _chosen(scores: Tensor, seen: Tensor, letters: int) -> list[int | None]:
    """The best column of every row; None for a sprite never seen, or for a column beyond."""
    best = scores.argmax(1).tolist()
    return [
        k if times and k < letters else None for k, times in zip(best, seen.tolist(), strict=True)
    ]


def soft_edit_letters(
    sprites: Rows, texts: Rows, count: int, letters: int, steps: int, rate: float
) -> list[int | None]:
    """The paper's assignment.

    Arguments:
        sprites: Sprite indices of every line.
        texts: Letter indices of every line.
        count: K, how many sprites there are.
        letters: A, how many letters there are.
        steps: Passes over the lines.
        rate: Length of the steps of gradient descent on the summed distance.

    Returns:
        For every sprite its letter; None for a sprite that was never placed.
    """
    parts = list(blocks(sprites, texts))
    scores = torch.zeros(count, letters, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        costs = 1 - scores.softmax(1)
        total = torch.stack([best_distances(costs, part).sum() for part in parts]).sum()
        (slope,) = torch.autograd.grad(total, scores)
        with torch.no_grad():
            scores -= rate * slope
    return _chosen(scores.detach(), _seen(sprites, count), letters)


def _expected(
    parts: Sequence[LineBlock], gives: Tensor, puts: Tensor
) -> tuple[float, Tensor, Tensor]:
    """Log-likelihood and expected counts of `gives` `(K, A + 1)` and `puts` `(A + 1,)`.

    `gives` is the log-probability of each letter, then of nothing; `puts` that of each letter
    put in, then of none (any more), which is paid once before every sprite and at the end.
    """
    gives, puts = gives.detach().requires_grad_(), puts.detach().requires_grad_()
    counts = [torch.zeros_like(gives), torch.zeros_like(puts)]
    likelihood = 0.0
    for part in parts:
        sums = log_sums(gives[:, :-1] + puts[-1], gives[:, -1] + puts[-1], puts[:-1], part)
        total = (sums + puts[-1]).sum()
        likelihood += total.item()
        for sofar, more in zip(counts, torch.autograd.grad(total, (gives, puts)), strict=True):
            sofar += more
    return likelihood, counts[0], counts[1]


def em_letters(
    sprites: Rows,
    texts: Rows,
    count: int,
    letters: int,
    steps: int,
    prior: float = 0.05,
    enough: float = 1e-3,
) -> list[int | None]:
    """Letters by expectation-maximisation over all alignments.

    It starts with every sprite giving any letter alike, so the first expectations follow the
    places in the line alone.

    Arguments:
        sprites: Sprite indices of every line.
        texts: Letter indices of every line.
        count: K, how many sprites there are.
        letters: A, how many letters there are.
        steps: Iterations at most.
        prior: Times that every possibility is taken to have been seen beforehand.
        enough: It ends when the log-likelihood of a letter grows by less.

    Returns:
        For every sprite its most probable letter; None if nothing is more probable, or if the
        sprite was never placed.
    """
    parts = list(blocks(sprites, texts))
    total = sum(len(text) for text in texts)
    share = torch.bincount(torch.tensor([c for text in texts for c in text]), minlength=letters)
    share = share.double() / total
    gives = torch.full((count, letters + 1), 0.9 / letters, dtype=torch.float64)
    gives[:, -1] = 0.1
    puts = torch.cat([0.1 * share, torch.tensor([0.9])])
    before = -float("inf")
    for _ in range(steps):
        likelihood, given, put = _expected(parts, gives.log(), puts.clamp(min=1e-12).log())
        if likelihood - before < enough * total:
            break
        before = likelihood
        given = given + prior
        gives = given / given.sum(1, keepdim=True)
        put = put + prior * torch.cat([share, torch.ones(1)])
        puts = put / put.sum()
    return _chosen(gives, _seen(sprites, count), letters)


def overlap_letters(sprites: Rows, texts: Rows, count: int, letters: int) -> list[int | None]:
    """Letters by the places in the line alone.

    Arguments:
        sprites: Sprite indices of every line.
        texts: Letter indices of every line.
        count: K, how many sprites there are.
        letters: A, how many letters there are.

    Returns:
        For every sprite the letter whose count exceeds what chance would give by the most
        standard deviations; None for a sprite that was never placed.
    """
    table = torch.zeros(count, letters, dtype=torch.float64)
    for part in blocks(sprites, texts):
        shared = position_overlaps(part) * part.sprite_counts[:, None, None]
        where = part.sprites[:, :, None] * letters + part.letters[:, None, :]
        table.view(-1).index_add_(0, where.flatten(), shared.flatten())
    chance = table.sum(1, keepdim=True) * table.sum(0, keepdim=True) / table.sum().clamp(min=1e-9)
    return _chosen((table - chance) / chance.clamp(min=1e-9).sqrt(), _seen(sprites, count), letters)
