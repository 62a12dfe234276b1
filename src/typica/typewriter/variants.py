"""Allographs: which sprites stand for which character (section 3.5.1, Fig. 3.6d).

The sprites of one character stand side by side; their probabilities are summed for the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .config import SpriteConfig

__all__ = ["Variants", "variants_of"]


@dataclass(frozen=True)
class Variants:
    """How many sprites every character has.

    Arguments:
        counts: Of each character, at least 1.
    """

    counts: tuple[int, ...]

    @property
    def characters(self) -> int:
        """Their number, without the empty sprite."""
        return len(self.counts)

    @property
    def sprites(self) -> int:
        """Their number, without the empty one."""
        return sum(self.counts)

    @property
    def single(self) -> bool:
        """Whether every character has one sprite."""
        return self.sprites == self.characters

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """The character of every sprite; of the empty sprite (the last) the number of characters.

        `(K + 1,)`.
        """
        return np.repeat(np.arange(self.characters + 1), [*self.counts, 1])

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """The first sprite of every character, `(characters,)`."""
        return np.cumsum([0, *self.counts])[:-1]

    @cached_property
    def table(self) -> Tensor:
        """The sprites of every character, `(characters, most)`; K, where it has no more."""
        table = torch.full((self.characters, max(self.counts, default=1)), self.sprites)
        for character, count in enumerate(self.counts):
            first = int(self.first[character])
            table[character, :count] = torch.arange(first, first + count)
        return table

    def number(self, sprite: int) -> int:
        """Which of its character's sprites one is, from 0."""
        return sprite - int(self.first[self.owner[sprite]])

    def gathered(self, logits: Tensor) -> Tensor:
        """The values of each character's sprites, minus infinity where it has no more.

        Arguments:
            logits: `(..., K + 1)`, the empty sprite last.

        Returns:
            `(..., characters, most)`.
        """
        none = torch.full_like(logits[..., :1], -torch.inf)
        padded = torch.cat([logits[..., :-1], none], dim=-1)
        return padded[..., self.table.to(logits.device)]


def variants_of(config: SpriteConfig, symbols: tuple[str, ...]) -> Variants:
    """How many sprites every character of an alphabet gets.

    Arguments:
        config: Its L (`allographs`) and the characters that get more (`more`).
        symbols: The alphabet; empty if there is none, then `config.count` decides.
    """
    if not symbols:
        return Variants((config.allographs,) * ((config.count or 0) // config.allographs))
    return Variants(tuple(config.allographs + config.more.count(one) for one in symbols))
