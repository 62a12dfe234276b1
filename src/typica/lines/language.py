r"""What a language looks like: a character n-gram model, learned from plain text.

Smoothing is that of Kneser and Ney, interpolated: after a context h, with T(h) different symbols
seen behind it,

.. math:: p(w \mid h) = \frac{c(hw) - D + D\, T(h)\, p(w \mid h')}{\sum_v c(hv)}

for a symbol seen there (for others without the first two terms), where h' is h without its first
symbol. c counts occurrences behind the longest contexts; behind shorter ones it counts how many
different symbols stood before hw, since these are asked only where the longer one is not known.
Below the empty context every symbol, and one more for all that the text does not hold, is as
probable as any other. The discount D is estimated from what was seen once and twice, for every
length of context. On a book (24 000 symbols, order 4) a symbol of other pages costs 2.36 bits so,
2.41 with the smoothing of Witten and Bell.

The contexts that occur are the states of an automaton, so that a step costs two look-ups whatever
the order. With word spaces kept, a line begins and ends at the edge of a word; otherwise it begins
with nothing known.

References:
    Kneser and Ney, Improved backing-off for m-gram language modeling, ICASSP 1995.
    Ney, Essen and Kneser, On structuring probabilistic dependences, Computer Speech and Language
    8, 1994 (the discount).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..configs import require
from ..errors import DataError
from .line import SPACE
from .text import TextOptions, tokenize

__all__ = ["Language", "learn_language", "read_text", "text_digest"]

Context = tuple[int, ...]

_PLAIN = TextOptions()
_DISCOUNT = 0.75
"""Where too little was seen to estimate it."""


@dataclass(frozen=True, eq=False)
class Language:
    """A character n-gram model.

    Arguments:
        symbols: A of them, sorted; with `SPACE` if word spaces are kept.
        order: Its symbols depend on so many before them, and one.
        log_p: Natural logarithm of the probability of every symbol after every context, `(S, A+1)`;
            the last column is for any one symbol that is not among `symbols`.
        after: The context after that symbol, `(S, A + 1)`. Context 0 is: nothing is known.
        pairs: How often every symbol followed every other, most frequent first.
    """

    symbols: tuple[str, ...]
    order: int
    log_p: NDArray[np.float32]
    after: NDArray[np.int32]
    pairs: tuple[tuple[tuple[str, str], int], ...]

    @property
    def spaces(self) -> bool:
        """Whether word spaces are symbols."""
        return SPACE in self.symbols

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The column of every symbol."""
        return {symbol: k for k, symbol in enumerate(self.symbols)}

    @property
    def start(self) -> int:
        """The context at the beginning of a line."""
        return int(self.after[0, self.numbers[SPACE]]) if self.spaces else 0

    def codes(self, symbols: Sequence[str]) -> tuple[int, ...]:
        """The columns of some symbols; word spaces are dropped if the model has none."""
        kept = symbols if self.spaces else [s for s in symbols if s != SPACE]
        return tuple(self.numbers.get(symbol, len(self.symbols)) for symbol in kept)

    def bits(self, line: Sequence[str]) -> float:
        """What a line costs to write down: minus log2 of its probability."""
        codes = self.codes(line)
        state, total = self.start, 0.0
        for code in (*codes, self.numbers[SPACE]) if self.spaces else codes:
            total -= float(self.log_p[state, code])
            state = int(self.after[state, code])
        return total / math.log(2)

    def bits_per_symbol(self, lines: Sequence[Sequence[str]]) -> float:
        """Log2 perplexity of some lines; the end of a line counts as a word space, if they count.

        Raises:
            DataError: If there is no symbol in them.
        """
        count = sum(len(self.codes(line)) + self.spaces for line in lines)
        if not count:
            raise DataError("perplexity: there is no text")
        return sum(self.bits(line) for line in lines) / count


def read_text(
    path: Path | str, options: TextOptions = _PLAIN, spaces: bool = True
) -> list[tuple[str, ...]]:
    """The lines of a plain text file, as the symbols that a transcription would have.

    Arguments:
        path: A UTF-8 file. Where it is broken into lines does not matter much.
        options: How text becomes symbols; those of the transcriptions to be compared with.
        spaces: Keep word spaces.

    Returns:
        The symbols of every line that has any.

    Raises:
        DataError: If it cannot be read, is no UTF-8, or holds no letter.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is no UTF-8 text (byte {error.start}). Save it as UTF-8 and try again."
        ) from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Give a plain text file."
        ) from error
    lines = [
        tuple(s for s in tokenize(line, options) if spaces or s != SPACE)
        for line in text.splitlines()
    ]
    lines = [line for line in lines if line]
    if not lines:
        raise DataError(f"{path}: holds no letter. Give some pages of text in the language.")
    return lines


def text_digest(lines: Sequence[Sequence[str]]) -> str:
    """A digest of some lines of text."""
    rows = "\n".join("\t".join(line) for line in lines)
    return hashlib.sha256(rows.encode()).hexdigest()[:16]


def learn_language(
    lines: Sequence[Sequence[str]], order: int = 4, *, spaces: bool = True
) -> Language:
    """A character n-gram model of some lines.

    Arguments:
        lines: The symbols of each, with or without word spaces.
        order: n: how many symbols are looked at together.
        spaces: Take the word space for a symbol.

    Raises:
        ConfigError: If the order is below 1.
        DataError: If there is no letter.
    """
    require(order >= 1, "order: at least 1")
    kept = [[s for s in line if s != SPACE] for line in lines]
    if not any(kept):
        raise DataError("no text to learn a language from")
    if spaces:
        kept = [[SPACE, *line, SPACE] for line in lines if line]
    symbols = tuple(sorted({symbol for line in kept for symbol in line}))
    number = {symbol: k for k, symbol in enumerate(symbols)}
    counts = _counts([[number[symbol] for symbol in line] for line in kept], order, int(spaces))
    pairs = Counter(pair for line in kept for pair in pairwise(line))
    log_p, after = _automaton(counts, len(symbols), order)
    ranked = sorted(pairs.items(), key=lambda one: (-one[1], one[0]))
    return Language(symbols, order, log_p, after, tuple(ranked))


def _counts(lines: Sequence[Sequence[int]], order: int, begin: int) -> dict[Context, Counter[int]]:
    """What follows every context: how often, or behind how many different symbols.

    Arguments:
        lines: Columns of symbols.
        order: n.
        begin: How many symbols at the beginning of a line are known, not read.
    """
    counts: dict[Context, Counter[int]] = {(): Counter()}
    longer: set[tuple[int, ...]] = set()
    for line in lines:
        for place in range(begin, len(line)):
            for size in range(min(order, place + 1)):
                seen = counts.setdefault(tuple(line[place - size : place]), Counter())
                if size == order - 1:
                    seen[line[place]] += 1
                    continue
                # the edge of a line is a symbol like any other
                before = line[place - size - 1] if place > size else -1
                gram = (before, *line[place - size : place + 1])
                if gram not in longer:
                    longer.add(gram)
                    seen[line[place]] += 1
    return counts


def _discounts(counts: Mapping[Context, Counter[int]], order: int) -> list[float]:
    """What is taken off every count, by the length of the context."""
    once, twice = [0] * order, [0] * order
    for context, seen in counts.items():
        for count in seen.values():
            once[len(context)] += count == 1
            twice[len(context)] += count == 2
    return [a / (a + 2 * b) if a and b else _DISCOUNT for a, b in zip(once, twice, strict=True)]


def _automaton(
    counts: Mapping[Context, Counter[int]], size: int, order: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Probabilities and transitions of all contexts, the shortest first."""
    discounts = _discounts(counts, order)
    contexts = sorted(counts, key=lambda context: (len(context), context))
    state = {context: k for k, context in enumerate(contexts)}
    chance = np.full((len(contexts), size + 1), 1 / (size + 1))
    after = np.zeros((len(contexts), size + 1), np.int32)
    for context, k in state.items():
        seen = counts[context]
        shorter = state[context[1:]] if context else 0
        discount = discounts[len(context)]
        row = discount * len(seen) * chance[shorter]
        row[list(seen)] += np.array(list(seen.values())) - discount
        chance[k] = row / sum(seen.values())
        after[k] = after[shorter]
        if len(context) < order - 1:
            for code in seen:
                after[k, code] = state.get((*context, code), after[k, code])
    return np.log(chance).astype(np.float32), after
