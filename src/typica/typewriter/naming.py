"""Names for the sprites of a typewriter that learned without texts: from sprites to letters.

A `Naming` gives every sprite a text of no, one or several symbols, and may give short runs of
sprites (n-grams) a text of their own, because a typewriter that saw no text may build a wide letter
from two sprites, or draw parts that several letters share. `find_naming` finds one from a few
lines of which both are known: the sprites that were placed, and the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ..configs import require
from ..errors import DataError
from .assignment import em_letters, overlap_letters, soft_edit_letters
from .edits import ErrorRate, character_error_rate, edit_operations
from .name_search import MOST_SPRITES, NameSearch, cut, starts_of

__all__ = ["Gram", "Naming", "NamingOptions", "find_naming", "naming_error"]

Gram = tuple[tuple[int, ...], tuple[str, ...]]
"""Sprites in a row, and what they stand for together."""


@dataclass(frozen=True)
class Naming:
    """What the sprites stand for.

    Arguments:
        names: For every sprite the symbols that it stands for; none if it stands for nothing
            or was never seen.
        grams: Names of two or more sprites in a row. Going along a line, the longest that fits
            is taken.
    """

    names: tuple[tuple[str, ...], ...]
    grams: tuple[Gram, ...] = ()

    def __post_init__(self) -> None:
        taken = [gram for gram, _ in self.grams]
        require(len(set(taken)) == len(taken), "naming: a run of sprites has two names")
        for gram in taken:
            require(
                2 <= len(gram) <= MOST_SPRITES and all(0 <= k < len(self.names) for k in gram),
                f"naming: {list(gram)} is no run of 2 to {MOST_SPRITES} of "
                f"{len(self.names)} sprites",
            )

    @cached_property
    def _rules(self) -> Mapping[tuple[int, ...], tuple[str, ...]]:
        return {**{(k,): name for k, name in enumerate(self.names)}, **dict(self.grams)}

    @cached_property
    def _starts(self) -> Mapping[int, Sequence[tuple[int, ...]]]:
        return starts_of(self._rules)

    def pieces(self, sprites: Sequence[int]) -> list[tuple[int, int, tuple[str, ...]]]:
        """A line's sprites cut into those that have a name together.

        Arguments:
            sprites: Sprite indices in reading order.

        Returns:
            Triples (first sprite, one after the last, symbols), which cover the line.
        """
        found, place = [], 0
        for run in cut(tuple(sprites), self._starts):
            found.append((place, place + len(run), self._rules[run]))
            place += len(run)
        return found

    def read(self, sprites: Sequence[int]) -> tuple[str, ...]:
        """The symbols that a line's sprites stand for."""
        return tuple(symbol for _, _, symbols in self.pieces(sprites) for symbol in symbols)


@dataclass(frozen=True)
class NamingOptions:
    """How names are found."""

    method: Literal["em", "soft-edit", "counts"] = "em"
    """`em` sums over all alignments; `soft-edit` (paper) follows the best one; `counts` only
    compares places in the line, the baseline."""
    n_grams: int = 3
    """Up to so many sprites in a row can get a name of their own. The paper's table has single
    sprites (1); with pairs and triples its error on the Copiale cipher fell from 52.6 to 29.9 %."""
    clean_up: Literal["none", "deletions", "names"] = "names"
    """What is tried afterwards on the edit distance itself: `deletions` as in the paper, rare
    sprites first, each is left without a letter unless that costs edits; `names` also tries other
    letters, and two or three for one sprite."""
    price: float = 0.5
    """Edits that every sprite and every letter of a longer name has to save, so that a few lines
    are not learned by heart (minimum description length): to write a name down, each of its sprites
    and letters has to be chosen; to write an edit down, a letter and its place, about twice as
    much. On synthetic lines 0.5 reads other lines better than 0 and 1."""
    steps: int = 30
    """Iterations of `em` (which mostly ends sooner by itself) or steps of `soft-edit`, of which
    the paper takes ten on each of its batches of 256 lines."""
    rate: float = 1.0
    """Step length of `soft-edit` on the summed distance (paper)."""

    def __post_init__(self) -> None:
        methods, tries = ("em", "soft-edit", "counts"), ("none", "deletions", "names")
        require(self.method in methods, f"method: no method {self.method!r}; there are {methods}")
        require(self.clean_up in tries, f"clean_up: no {self.clean_up!r}; there are {tries}")
        require(1 <= self.n_grams <= MOST_SPRITES, f"n_grams: from 1 to {MOST_SPRITES}")
        require(self.price >= 0, "price: at least 0")
        require(self.steps >= 1, "steps: at least 1")
        require(self.rate > 0, "rate: above 0")


def find_naming(
    sprites: Sequence[Sequence[int]],
    texts: Sequence[Sequence[str]],
    count: int,
    options: NamingOptions | None = None,
) -> Naming:
    """Names for sprites, from lines of which both sprites and text are known.

    Arguments:
        sprites: The sprites placed on each line, in reading order, each from 0 to `count - 1`.
        texts: The symbols of each line, without word spaces. A line without any is left out.
        count: K, how many sprites there are.
        options: How they are found.

    Returns:
        The names. A sprite that is on none of the lines gets none.

    Raises:
        DataError: If no line has both sprites and text.
    """
    options = options or NamingOptions()
    known = [(tuple(s), tuple(t)) for s, t in zip(sprites, texts, strict=True) if len(t)]
    if not any(s for s, _ in known):
        raise DataError(
            "no line has both a text and a placed sprite, so no sprite can get a name: give "
            "transcribed lines on which the typewriter places something"
        )
    alphabet = sorted({symbol for _, text in known for symbol in text})
    number = {symbol: index for index, symbol in enumerate(alphabet)}
    rows = [s for s, _ in known]
    targets = [tuple(number[symbol] for symbol in text) for _, text in known]
    found = _letters(rows, targets, count, len(alphabet), options)
    search = NameSearch(
        rows, targets, {(k,): () if c is None else (c,) for k, c in enumerate(found)}, options.price
    )
    if options.clean_up == "deletions":
        search.delete()
    elif options.clean_up == "names":
        search.rename()
    if options.n_grams > 1:
        search.join(options.n_grams)
        if options.clean_up == "names":
            search.rename()
            search.join(options.n_grams)
        search.prune()
    named = {
        run: tuple(alphabet[letter] for letter in letters) for run, letters in search.rules.items()
    }
    return Naming(
        tuple(named[(k,)] for k in range(count)),
        tuple(sorted((run, text) for run, text in named.items() if len(run) > 1)),
    )


def _letters(
    sprites: Sequence[Sequence[int]],
    texts: Sequence[Sequence[int]],
    count: int,
    letters: int,
    options: NamingOptions,
) -> list[int | None]:
    """One letter or none for every sprite, by the chosen method."""
    if options.method == "soft-edit":
        return soft_edit_letters(sprites, texts, count, letters, options.steps, options.rate)
    if options.method == "counts":
        return overlap_letters(sprites, texts, count, letters)
    return em_letters(sprites, texts, count, letters, options.steps)


def naming_error(
    naming: Naming, sprites: Sequence[Sequence[int]], texts: Sequence[Sequence[str]]
) -> ErrorRate:
    """The character error rate of lines read with a naming.

    Arguments:
        naming: The names.
        sprites: The sprites placed on each line.
        texts: The symbols of each line, without word spaces.

    Raises:
        DataError: If no line has a text.
    """
    return character_error_rate(
        [edit_operations(t, naming.read(s)) for s, t in zip(sprites, texts, strict=True)]
    )
