r"""Better names by trying, where no text is known: what rows of sprites cost to write down.

A naming turns rows of sprites into letters. Somebody who has the naming and the language writes
the rows down in four parts: whether the next sprite stands for something; for how many letters;
the letters, by the language; and which of the sprites with that name it is. The cost in bits is

.. math::

   N\, h(N_{nothing} / N) + \sum_k n_k\, held(name_k) - \log_2 p(letters)
   + \sum_k n_k \log_2 \frac{N_{name_k}}{n_k} + \log_2 A \cdot letters\ in\ names,

with :math:`n_k` placements of sprite k, :math:`N_u` of all sprites called u, h the entropy of a
choice of two, and the last part for the naming itself. A sprite that stands for nothing so pays
for being there at all; without that, the cheapest text would be none. The search goes through the
sprites and gives each the name with the lowest cost, until nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..lines.language import Language

__all__ = ["LanguageSearch", "Letters"]

Letters = tuple[int, ...]
"""Columns of a language; one or several, or none for nothing."""

_LN2 = math.log(2)
_GAIN = 1e-3
"""Bits below which two names are as good as each other."""


def _plogp(count: float) -> float:
    return count * math.log2(count) if count > 0 else 0.0


class LanguageSearch:
    """Names for the sprites of some rows, changed step by step.

    Arguments:
        rows: The sprites of each row, from 0 to `len(names) - 1`.
        language: What the letters are likely to be.
        names: A name for every sprite; changed.
        one: Bits that a placement with one letter costs for holding one.
        more: Bits that it costs for every further letter that it holds.
        fixed: Sprites whose names stay.
    """

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        language: Language,
        names: Sequence[Letters],
        one: float = 0.0,
        more: float = 0.0,
        fixed: Sequence[int] = (),
    ) -> None:
        self.language, self.one, self.more = language, one, more
        self.fixed = frozenset(fixed)
        self.names = list(names)
        self._rows = [np.array(row, np.int64) for row in rows if len(row)]
        count = len(names)
        flat = np.concatenate(self._rows) if self._rows else np.zeros(0, np.int64)
        self.placed = np.bincount(flat, minlength=count)
        self._where: list[dict[int, NDArray[np.int64]]] = [{} for _ in range(count)]
        for line, row in enumerate(self._rows):
            for k in np.unique(row).tolist():
                self._where[k][line] = np.flatnonzero(row == k)
        self._log = -language.log_p / np.float32(_LN2)
        self._nothing = len(language.symbols) + 1  # a number of no letter
        self._states = [np.zeros(len(row), np.int64) for row in self._rows]
        self._line_bits = np.zeros(len(self._rows))
        self._follow(range(len(self._rows)))

    def cost(self) -> float:
        """All bits: whether, how many, which letters, which sprites, and the names."""
        return float(self._line_bits.sum()) + self._choices(self.names)

    def read(self) -> list[Letters]:
        """The letters of every row that is not empty."""
        return [tuple(c for k in row.tolist() for c in self.names[k]) for row in self._rows]

    def _choices(self, names: Sequence[Letters]) -> float:
        """The bits that do not depend on what stands beside what."""
        together: dict[Letters, int] = {}
        bits = 0.0
        for k, (name, times) in enumerate(zip(names, self.placed.tolist(), strict=True)):
            together[name] = together.get(name, 0) + times
            bits -= _plogp(times)
            if times and name and k not in self.fixed:
                held = self.one + self.more * (len(name) - 1)
                bits += times * held + len(name) * math.log2(len(self.language.symbols))
        total, idle = float(self.placed.sum()), float(together.get((), 0))
        bits += sum(_plogp(n) for n in together.values())
        return bits + _plogp(total) - _plogp(idle) - _plogp(total - idle)

    def _table(self, names: Sequence[Letters]) -> NDArray[np.int64]:
        longest = max((len(name) for name in names), default=0)
        table = np.full((len(names), longest), self._nothing, np.int64)
        for k, name in enumerate(names):
            table[k, : len(name)] = name
        return table

    def _follow(self, lines: Sequence[int]) -> None:
        """Read some lines again: their bits, and the context before every sprite."""
        table = self._table(self.names)
        order = sorted(lines, key=lambda i: -len(self._rows[i]))
        if not order:
            return
        rows = _padded([self._rows[i] for i in order])
        state = np.full(len(order), self.language.start, np.int64)
        bits = np.zeros(len(order))
        states = np.zeros(rows.shape, np.int64)
        for t, now in enumerate(rows.T):
            some = slice(int((now >= 0).sum()))  # the longer ones stand first
            states[some, t] = state[some]
            for letters in table[now[some]].T:
                self._step(bits[some], state[some], letters)
        for line, spent, found in zip(order, bits.tolist(), states, strict=True):
            self._line_bits[line] = spent
            self._states[line] = found[: len(self._rows[line])]

    def _step(
        self, bits: NDArray[np.float64], state: NDArray[np.int64], letters: NDArray[np.int64]
    ) -> None:
        """One letter, or nothing, for many texts at once; changes bits and states."""
        real = letters != self._nothing
        if not real.any():
            return
        where = np.where(real, letters, 0)
        bits += np.where(real, self._log[state, where], 0)
        state[...] = np.where(real, self.language.after[state, where], state)

    def _parts(self, sprite: int) -> tuple[list[NDArray[np.int64]], list[int]]:
        """The stretches of the rows whose bits depend on a sprite's name, and their contexts.

        A stretch begins with the sprite and ends when the language has forgotten it.
        """
        parts, starts = [], []
        sizes = np.array([len(name) for name in self.names])
        for line, places in self._where[sprite].items():
            row = self._rows[line]
            given = np.cumsum(sizes[row])
            # after the sprite, so many letters are judged by what it stands for
            ends = np.searchsorted(given, given[places] + self.language.order - 1) + 1
            first = 0
            for i in range(len(places)):
                if i + 1 == len(places) or ends[i] < places[i + 1]:
                    parts.append(row[places[first] : ends[i]])
                    starts.append(int(self._states[line][places[first]]))
                    first = i + 1
        return parts, starts

    def best(self, sprite: int, tried: Sequence[Letters]) -> NDArray[np.float64]:
        """What every name tried for a sprite adds to the cost, all other names as they are.

        Arguments:
            sprite: Any that is placed.
            tried: Names.

        Returns:
            Bits more than with its present name, one number for each.
        """
        parts, starts = self._parts(sprite)
        order = np.argsort([-len(part) for part in parts], kind="stable").tolist()
        rows = _padded([parts[i] for i in order])
        everything = [self.names[sprite], *tried]
        table, instead = self._table([*self.names, *everything])[: len(self.names)], None
        instead = self._table([*everything, *self.names])[: len(everything)]
        bits = np.zeros((len(order), len(everything)))
        state = np.repeat(np.array(starts)[order][:, None], len(everything), 1)
        for now in rows.T:
            some = slice(int((now >= 0).sum()))
            mine = now[some] == sprite
            for letters, other in zip(table[now[some]].T, instead.T, strict=True):
                self._step(
                    bits[some], state[some], np.where(mine[:, None], other, letters[:, None])
                )
        text = bits.sum(0)
        names = list(self.names)
        choices = []
        for name in everything:
            names[sprite] = name
            choices.append(self._choices(names))
        total = text + np.array(choices)
        return total[1:] - total[0]

    def set(self, sprite: int, name: Letters) -> None:
        """Give a sprite another name."""
        self.names[sprite] = name
        self._follow(list(self._where[sprite]))

    def sweep(self, tried: Sequence[Letters]) -> int:
        """Give every sprite the best of some names, the most frequent first.

        Returns:
            How many got another name.
        """
        changed = 0
        for sprite in np.argsort(-self.placed, kind="stable").tolist():
            if not self.placed[sprite] or sprite in self.fixed:
                continue
            costs = self.best(sprite, tried)
            least = int(costs.argmin())
            if costs[least] < -_GAIN:
                self.set(sprite, tried[least])
                changed += 1
        return changed


def _padded(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows, the longest first, as one array; -1 beyond their ends."""
    out = np.full((len(rows), len(rows[0]) if rows else 0), -1, np.int64)
    for line, row in zip(out, rows, strict=True):
        line[: len(row)] = row
    return out
