r"""Letters behind rows of sprites: a hidden Markov chain, learned by expectation-maximisation.

The letters of a line follow each other as in the language (pairs only), and every letter is drawn
by one sprite: :math:`p(letter_{i+1} \mid letter_i)` is given, :math:`p(sprite \mid letter)` is
learned from rows of which no text is known. Forward and backward sums are scaled to one in every
column, and all rows go along together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Chain", "SpriteRows", "expected", "learn_chain", "stacked"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SpriteRows:
    """Rows of sprites side by side.

    Arguments:
        sprites: `(T, N)`, one row of the lines in each column; what lies beyond a line's end is 0.
        valid: Which are sprites, `(T, N)`.
    """

    sprites: NDArray[np.int64]
    valid: NDArray[np.bool_]


def stacked(rows: Sequence[Sequence[int]]) -> SpriteRows:
    """Rows of different lengths side by side; empty ones are left out."""
    rows = [row for row in rows if len(row)]
    longest = max(map(len, rows), default=0)
    sprites = np.zeros((longest, len(rows)), np.int64)
    valid = np.zeros((longest, len(rows)), np.bool_)
    for column, row in enumerate(rows):
        sprites[: len(row), column] = row
        valid[: len(row), column] = True
    return SpriteRows(sprites, valid)


@dataclass(frozen=True)
class Chain:
    """Which letter comes first, which follows, and which sprite draws it.

    Arguments:
        first: `(A,)`.
        follows: `(A, A)`, each row sums to one.
        draws: `(A, K)`, each row sums to one.
    """

    first: Floats
    follows: Floats
    draws: Floats


def expected(chain: Chain, rows: SpriteRows) -> tuple[float, Floats]:
    """Log-likelihood of the rows, and how often each letter is expected behind each sprite.

    Arguments:
        chain: Its probabilities.
        rows: At least one row.

    Returns:
        The natural logarithm of the probability of all rows, and counts `(A, K)`.
    """
    drawn = chain.draws.T[rows.sprites]  # (T, N, A)
    forward = np.empty_like(drawn)
    likelihood = 0.0
    for t, valid in enumerate(rows.valid):
        before = chain.first if t == 0 else forward[t - 1] @ chain.follows
        now = before * drawn[t]
        total = now.sum(1, keepdims=True)
        likelihood += float(np.log(total[valid]).sum())
        forward[t] = now / total
    behind = np.zeros(chain.draws.shape[::-1])
    backward = np.ones(drawn.shape[1:])
    for t in range(len(drawn) - 1, -1, -1):
        if t + 1 < len(drawn):
            later = (backward * drawn[t + 1]) @ chain.follows.T
            later /= later.sum(1, keepdims=True)
            backward = np.where(rows.valid[t + 1][:, None], later, 1.0)
        valid = rows.valid[t]
        share = forward[t][valid] * backward[valid]
        share /= share.sum(1, keepdims=True)
        np.add.at(behind, rows.sprites[t][valid], share)
    return likelihood, behind.T


def learn_chain(
    rows: SpriteRows,
    first: Floats,
    follows: Floats,
    possible: NDArray[np.bool_],
    steps: int,
    seed: int,
    prior: float = 0.01,
    enough: float = 1e-4,
) -> tuple[float, Floats]:
    """What draws what, from one start drawn by chance.

    Arguments:
        rows: At least one row.
        first: Which letter comes first, `(A,)`.
        follows: Which letter follows, `(A, A)`.
        possible: Which letter may be drawn by which sprite, `(A, K)`; at least one sprite each.
        steps: Iterations at most.
        seed: Decides the start: how often each sprite is placed, and as much chance.
        prior: Times that every possible pair is taken to have been seen beforehand.
        enough: It ends when the log-likelihood of a sprite grows by less.

    Returns:
        The last log-likelihood, and how often each letter is expected behind each sprite `(A, K)`.
    """
    placed = rows.sprites[rows.valid]
    shares = np.bincount(placed, minlength=possible.shape[1]) / len(placed)
    chance = np.random.default_rng(seed).random(possible.shape)
    draws = (0.5 * chance / possible.shape[1] + shares + 1e-9) * possible
    before, behind = -np.inf, draws
    for _ in range(steps):
        chain = Chain(first, follows, draws / draws.sum(1, keepdims=True))
        likelihood, behind = expected(chain, rows)
        if likelihood - before < enough * len(placed):
            before = likelihood
            break
        before = likelihood
        draws = (behind + prior) * possible
    return before, behind
