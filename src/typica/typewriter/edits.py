r"""Edit distance between what a line says and what was read: pairs, error rate, interval, counts.

The character error rate of a corpus is the sum of edits over the sum of true symbols,

.. math:: \mathrm{CER} = \sum_i d(t_i, r_i) \; / \; \sum_i |t_i|

with the Levenshtein distance `d` on symbols (grapheme clusters, not code points). Of a single line
it is eq. 3.6; the paper's program reports the mean over lines of :math:`d(t_i, r_i) / |t_i|`. Both
are given here. Spaces are dropped before, by who makes the pairs: the functions take symbols as
they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

from ..errors import DataError

__all__ = [
    "Confusion",
    "ErrorRate",
    "Pair",
    "bootstrap_interval",
    "character_error_rate",
    "count_confusions",
    "count_edits",
    "edit_operations",
]

Pair = tuple[str | None, str | None]
"""A true symbol and the symbol read for it; None stands for nothing."""

_BLOCK = 1 << 20  # resampled lines held at once: 8 MB of indices, whatever the corpus


@dataclass(frozen=True)
class Confusion:
    """One kind of error and how often it happened.

    Arguments:
        truth: The true symbol; None for an insertion.
        read: The symbol read; None for a deletion.
        count: How often, at least 1.
    """

    truth: str | None
    read: str | None
    count: int

    @property
    def kind(self) -> str:
        """`insertion`, `deletion` or `substitution`."""
        if self.truth is None:
            return "insertion"
        return "deletion" if self.read is None else "substitution"


@dataclass(frozen=True)
class ErrorRate:
    """The character error rate of a corpus.

    Arguments:
        corpus: Sum of edits over sum of true symbols. Can exceed 1.
        line_mean: Mean over lines of edits over true symbols (the paper's number).
        edits: Sum of edits.
        symbols: Sum of true symbols.
    """

    corpus: float
    line_mean: float
    edits: int
    symbols: int


def edit_operations(truth: Sequence[str], read: Sequence[str]) -> tuple[Pair, ...]:
    """Align what was read with the truth by the fewest edits.

    Of several alignments with the same number of edits, which one is chosen is fixed but
    not specified.

    Arguments:
        truth: The true symbols, any length.
        read: The symbols read, any length.

    Returns:
        Pairs (true symbol, read symbol) in reading order; a deletion has None as read symbol,
        an insertion None as true symbol. The pairs that differ are the edits.
    """
    codes: dict[str, int] = {}
    # Numbers instead of strings: the library hashes a string of several characters, and with
    # numbers a grapheme cluster can never be mistaken for another symbol.
    left = [codes.setdefault(symbol, len(codes)) for symbol in truth]
    right = [codes.setdefault(symbol, len(codes)) for symbol in read]
    pairs: list[Pair] = []
    for step in Levenshtein.opcodes(left, right):
        true_part = truth[step.src_start : step.src_end]
        read_part = read[step.dest_start : step.dest_end]
        if step.tag == "delete":
            pairs.extend((symbol, None) for symbol in true_part)
        elif step.tag == "insert":
            pairs.extend((None, symbol) for symbol in read_part)
        else:
            pairs.extend(zip(true_part, read_part, strict=True))
    return tuple(pairs)


def count_edits(pairs: Iterable[Pair]) -> int:
    """The number of edits in an alignment: of pairs whose two symbols differ."""
    return sum(truth != read for truth, read in pairs)


def character_error_rate(lines: Iterable[Sequence[Pair]]) -> ErrorRate:
    """The error rate of some aligned lines, over the corpus and as mean over lines.

    A line with no true symbol adds its insertions to the corpus rate, and is left out of the
    mean over lines, where it has no rate.

    Arguments:
        lines: The alignment of each line, from `edit_operations`.

    Returns:
        The rates and the counts that they come from.

    Raises:
        DataError: If there is no true symbol at all.
    """
    counts = [(count_edits(pairs), sum(truth is not None for truth, _ in pairs)) for pairs in lines]
    edits = sum(count for count, _ in counts)
    symbols = sum(length for _, length in counts)
    if symbols == 0:
        raise DataError("no error rate without true symbols: give lines that have a transcription")
    rates = [count / length for count, length in counts if length]
    return ErrorRate(edits / symbols, sum(rates) / len(rates), edits, symbols)


def bootstrap_interval(
    edits: Sequence[int] | np.ndarray,
    lengths: Sequence[int] | np.ndarray,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the corpus error rate, lines drawn with replacement.

    Lines, not symbols, are drawn, because errors come in bad lines. With few lines (under
    about ten) the interval is too narrow; with one line it is a point.

    Arguments:
        edits: Edits of each line, with shape `(N,)`, not negative.
        lengths: True symbols of each line, with shape `(N,)`, at least 1 each.
        level: Share of the draws inside the interval, between 0 and 1.
        draws: How many corpora to draw, at least 1.
        seed: Seed of the draws: the same input gives the same interval.

    Returns:
        The lower and upper end of the interval.

    Raises:
        DataError: If there is no line, or the shapes or lengths are not as above.
    """
    wrong = np.asarray(edits, dtype=np.int64)
    total = np.asarray(lengths, dtype=np.int64)
    if wrong.ndim != 1 or wrong.shape != total.shape or wrong.size == 0 or total.min() < 1:
        raise DataError(
            "a bootstrap interval needs lines with at least one true symbol each: "
            "leave out lines without text"
        )
    if not 0 < level < 1 or draws < 1:
        raise DataError("a bootstrap interval needs a level between 0 and 1 and at least one draw")
    random = np.random.default_rng(seed)
    rates = np.empty(draws)
    step = max(1, _BLOCK // wrong.size)
    for start in range(0, draws, step):
        stop = min(start + step, draws)
        chosen = random.integers(0, wrong.size, size=(stop - start, wrong.size))
        rates[start:stop] = wrong[chosen].sum(axis=1) / total[chosen].sum(axis=1)
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def count_confusions(lines: Iterable[Sequence[Pair]]) -> tuple[Confusion, ...]:
    """Which symbols were taken for which, lost, or made up.

    Arguments:
        lines: The alignment of each line, from `edit_operations`.

    Returns:
        Every kind of error once, the most frequent first, ties in the order of the symbols.
    """
    counts = Counter(pair for pairs in lines for pair in pairs if pair[0] != pair[1])
    found = [Confusion(truth, read, count) for (truth, read), count in counts.items()]
    return tuple(sorted(found, key=lambda one: (-one.count, one.truth or "", one.read or "")))
