"""Names for sprites from a language alone: no line of which the text is known.

What is given is rows of sprites, and text in the same language, about anything. First every sprite
gets the one letter that a hidden Markov chain over pairs of letters finds behind it
(`letter_chain.py`), from several starts, of which the likeliest is kept. Then names are tried on a
longer memory of the language: other letters, two letters, none (`language_search.py`). Where word
spaces are kept, the gap between glyphs that is one is chosen so that they are as frequent as in
the text.

In the role of the language model of Ocular (Berg-Kirkpatrick, Durrett and Klein 2013), and after
the decipherment of simple ciphers by expectation-maximisation (Knight et al. 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..configs import require
from ..errors import DataError
from ..lines.language import Language, learn_language
from ..lines.line import SPACE
from .decoding import apply_spaces, gaps
from .language_search import LanguageSearch, Letters
from .letter_chain import learn_chain, stacked
from .naming import Naming
from .reading import LineReading

__all__ = [
    "Decipherment",
    "DeciphermentOptions",
    "decipher",
    "decipher_readings",
    "rows_of",
    "space_gap_of",
]


_SHORT = 3
"""Letters that are judged together at first."""


@dataclass(frozen=True)
class DeciphermentOptions:
    """How names are found from a language."""

    order: int = 5
    """Letters that are judged together, in the end; names are first tried on three. With the text
    of half a book, 24 000 symbols, one of other pages costs 2.68, 2.36 and 2.28 bits at 3, 4, 5."""
    starts: int = 3
    """Starts of the hidden Markov chain. With word spaces nearly all of them end alike."""
    steps: int = 60
    """Iterations from each start at most."""
    lines: int = 700
    """Lines looked at, evenly spread; more take longer and add little."""
    pairs: int = 250
    """How many pairs of letters are tried as names, the most frequent of the language first."""
    one: float = 1.0
    """Bits that each placement of a sprite with one letter costs. A sprite that stands here for
    this, there for that, hardly saves anything by any name; it is better off without."""
    more: float = 4.0
    """Bits that each placement costs for every further letter of its name: one piece of ink in
    sixteen, then, holds two letters. Without these two costs, stray strokes get the name of
    whatever pair of letters the language misses beside them."""
    sweeps: int = 6
    """Passes over all sprites at most; fewer if one changes nothing."""
    seed: int = 0
    """Decides the starts."""

    def __post_init__(self) -> None:
        require(self.order >= 2, "order: at least 2")
        require(self.starts >= 1, "starts: at least 1")
        require(self.steps >= 1, "steps: at least 1")
        require(self.lines >= 1, "lines: at least 1")
        require(self.pairs >= 0, "pairs: at least 0")
        require(self.one >= 0, "one: at least 0")
        require(self.more >= 0, "more: at least 0")
        require(self.sweeps >= 0, "sweeps: at least 0")
        require(self.seed >= 0, "seed: at least 0")


@dataclass(frozen=True)
class Decipherment:
    """What was found.

    Arguments:
        naming: A name for every sprite; none for those never placed.
        margins: For every sprite the bits by which its name is better than the next best, per
            placement; 0 for those never placed. Below about 2 a name is doubtful.
        bits: What the rows cost to write down, per placed sprite.
        space_gap: White between two glyphs, in line heights, that was taken for a word space;
            None if word spaces were not looked at.
    """

    naming: Naming
    margins: tuple[float, ...]
    bits: float
    space_gap: float | None = None


def space_gap_of(readings: Sequence[LineReading], text: Sequence[Sequence[str]]) -> float | None:
    """The gap from which on white is a word space, so that they are as frequent as in a text.

    Arguments:
        readings: Lines in sprites.
        text: Lines of text with word spaces, not the same ones.

    Returns:
        The gap in line heights; None if the text has no word space, or hardly anything is placed.
    """
    spaces = sum(symbol == SPACE for line in text for symbol in line)
    letters = sum(len(line) for line in text) - spaces
    found = np.sort([gap for reading in readings for gap in gaps(reading)])
    wanted = round(spaces / max(1, letters) * sum(len(reading.glyphs) for reading in readings))
    if not 0 < wanted < len(found):
        return None
    return float((found[-wanted] + found[-wanted - 1]) / 2)


def rows_of(readings: Sequence[LineReading], gap: float | None) -> list[list[int | None]]:
    """The sprites of each line; None stands for a word space.

    Arguments:
        readings: Lines in sprites.
        gap: As from `space_gap_of`; None for no word spaces.
    """
    rows: list[list[int | None]] = []
    for reading in readings:
        rows.append([])
        for glyph in apply_spaces(reading, gap).glyphs:
            rows[-1] += [None, glyph.sprite] if glyph.space_before else [glyph.sprite]
    return rows


def decipher_readings(
    readings: Sequence[LineReading],
    text: Sequence[Sequence[str]],
    count: int,
    options: DeciphermentOptions | None = None,
) -> Decipherment:
    """Names for the sprites of some lines, from text in their language.

    Arguments:
        readings: Lines in sprites.
        text: Lines of text, best with word spaces; not the text of these lines.
        count: K, how many sprites there are.
        options: How they are found.

    Raises:
        DataError: If there is no text, or nothing is placed.
    """
    options = options or DeciphermentOptions()
    gap = space_gap_of(readings, text)
    found = decipher(rows_of(readings, gap), text, count, options)
    return Decipherment(found.naming, found.margins, found.bits, gap)


def decipher(
    rows: Sequence[Sequence[int | None]],
    text: Sequence[Sequence[str]],
    count: int,
    options: DeciphermentOptions | None = None,
) -> Decipherment:
    """Names for sprites, from rows of them and text in their language.

    Arguments:
        rows: The sprites of each line, from 0 to `count - 1`; None for a word space.
        text: Lines of text. Word spaces count if there are some in the rows, too.
        count: K, how many sprites there are.
        options: How they are found.

    Raises:
        DataError: If there is no text, or nothing is placed.
    """
    options = options or DeciphermentOptions()
    spaces = any(k is None for row in rows for k in row) and any(SPACE in line for line in text)
    language = learn_language(text, options.order, spaces=spaces)
    # the word space is one more sprite, whose name is known
    given = [[count if k is None else k for k in row if spaces or k is not None] for row in rows]
    if not any(k < count for row in given for k in row):
        raise DataError("nothing is placed on any line, so no sprite can get a name")
    space = language.numbers[SPACE] if spaces else None
    names = _first_names(given, text, space, count, options)
    tried = _tried(language, space, options.pairs)
    # a short memory is less easily misled by what is still wrong beside a sprite
    for order in sorted({min(_SHORT, options.order), options.order}):
        memory = language
        if order != options.order:
            memory = learn_language(text, order, spaces=spaces)
        search = LanguageSearch(given, memory, names, options.one, options.more, fixed=[count])
        for _ in range(options.sweeps):
            if not search.sweep(tried):
                break
        names = search.names
    margins = [_margin(search, k, tried) for k in range(count)]
    found = [name if search.placed[k] else () for k, name in enumerate(search.names[:count])]
    symbols = language.symbols
    naming = Naming(tuple(tuple(symbols[letter] for letter in name) for name in found))
    bits = search.cost() / float(search.placed[:count].sum())
    return Decipherment(naming, tuple(margins), bits)


def _first_names(
    rows: Sequence[Sequence[int]],
    text: Sequence[Sequence[str]],
    space: int | None,
    count: int,
    options: DeciphermentOptions,
) -> list[Letters]:
    """The letter that is most often behind each sprite, by the likeliest of some chains."""
    pairs = learn_language(text, 2, spaces=space is not None)
    letters = len(pairs.symbols)
    chance = np.exp(pairs.log_p[:, :letters].astype(np.float64))
    chance /= chance.sum(1, keepdims=True)
    possible = np.ones((letters, count + 1), np.bool_)
    possible[:, count] = False
    if space is not None:
        possible[space] = False
        possible[space, count] = True
    stack = stacked(rows)
    follows = chance[pairs.after[0, :letters]]
    found = [
        learn_chain(stack, chance[pairs.start], follows, possible, options.steps, seed)
        for seed in range(options.seed, options.seed + options.starts)
    ]
    _, behind = max(found, key=lambda one: one[0])
    return [(letter,) for letter in behind[:, :count].argmax(0).tolist()] + [
        () if space is None else (space,)
    ]


def _tried(language: Language, space: int | None, pairs: int) -> list[Letters]:
    """All names that are tried: none, every letter, and frequent pairs of letters."""
    two = [
        (language.numbers[left], language.numbers[right])
        for (left, right), _ in language.pairs
        if SPACE not in (left, right)
    ]
    ones: list[Letters] = [(k,) for k in range(len(language.symbols)) if k != space]
    return [(), *ones, *two[:pairs]]


def _margin(search: LanguageSearch, sprite: int, tried: Sequence[Letters]) -> float:
    """By how many bits a placement's name is better than the next best."""
    times = int(search.placed[sprite])
    others = [name for name in tried if name != search.names[sprite]]
    if not times or not others:
        return 0.0
    return max(0.0, float(search.best(sprite, others).min()) / times)
