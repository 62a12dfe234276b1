r"""Whether the glyphs are where they should be: placements per character, and overlap of boxes.

Two boxes agree by their intersection over union. Exact boxes are known on rendered lines only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..errors import DataError
from ..lines.line import SPACE, Box, Glyph
from .edits import Pair, edit_operations
from .reading import PlacedGlyph

__all__ = [
    "Localisation",
    "Placements",
    "box_overlaps",
    "glyph_localisation",
    "match_glyphs",
    "placements_per_character",
]


@dataclass(frozen=True)
class Placements:
    """How many sprites were placed for each true character: 1 is right, 2 is a doubled one.

    Arguments:
        corpus: Placed sprites over true letters.
        placed: Number of placed sprites.
        letters: Number of true letters.
        per_symbol: For each true symbol the sprites placed for it over its occurrences,
            the farthest from 1 first. Made-up glyphs that repeat no neighbour belong to no
            symbol and count in `corpus` only.
    """

    corpus: float
    placed: int
    letters: int
    per_symbol: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Localisation:
    """How many true glyphs were found in their place.

    Arguments:
        found: Share of true glyphs matched one to one with a placed glyph of the same symbol
            whose box overlaps by more than `threshold`.
        found_any_symbol: The same, whatever the symbol.
        mean_iou: Mean over the true glyphs of the overlap with their match of the same symbol,
            0 for a glyph without any.
        spurious: Share of placed glyphs that match no true glyph of their symbol; 0 if none
            was placed.
        glyphs: Number of true glyphs.
        placed: Number of placed glyphs.
        threshold: The intersection over union that a match must exceed.
        per_symbol: For each true symbol the share found and its count, worst first.
    """

    found: float
    found_any_symbol: float
    mean_iou: float
    spurious: float
    glyphs: int
    placed: int
    threshold: float
    per_symbol: tuple[tuple[str, float, int], ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        return {
            "found": self.found,
            "found_any_symbol": self.found_any_symbol,
            "mean_iou": self.mean_iou,
            "spurious": self.spurious,
            "glyphs": self.glyphs,
            "placed": self.placed,
            "threshold": self.threshold,
            "per_symbol": [
                {"symbol": symbol, "found": share, "count": count}
                for symbol, share, count in self.per_symbol
            ],
        }


def placements_per_character(
    truth: Sequence[Sequence[str]], placed: Sequence[Sequence[PlacedGlyph]]
) -> Placements:
    """Count the sprites placed for each true letter.

    A glyph counts `PlacedGlyph.placements` times. Through the alignment of symbols it counts
    for the true letter that it stands for, right or wrong; a made-up glyph counts for the
    letter beside it if it repeats it (the double placement that collapsing repeats hides), and
    else for none.

    Arguments:
        truth: The true letters of each line, without spaces.
        placed: The placed glyphs of each line, in the same order of lines.

    Returns:
        The ratio over the corpus and for each symbol.

    Raises:
        DataError: If there is no true letter.
    """
    wanted: Counter[str] = Counter()
    given: Counter[str] = Counter()
    total = 0
    for letters, glyphs in zip(truth, placed, strict=True):
        wanted.update(letters)
        total += sum(glyph.placements for glyph in glyphs)
        pairs = edit_operations(letters, [glyph.symbol for glyph in glyphs])
        owners = _owners(pairs)
        for owner, glyph in zip(owners, glyphs, strict=True):
            if owner is not None:
                given[owner] += glyph.placements
    count = sum(wanted.values())
    if count == 0:
        raise DataError("no placements per character without true letters: give lines with text")
    ratios = [(symbol, given[symbol] / wanted[symbol]) for symbol in sorted(wanted)]
    ratios.sort(key=lambda one: -abs(one[1] - 1))
    return Placements(total / count, total, count, tuple(ratios))


def _owners(pairs: Sequence[Pair]) -> list[str | None]:
    """For each read symbol of an alignment, the true symbol that it was placed for, or None."""
    owners: list[str | None] = []
    for index, (true_symbol, read_symbol) in enumerate(pairs):
        if read_symbol is None:
            continue
        if true_symbol is None and (
            _repeats(pairs, index, read_symbol, -1) or _repeats(pairs, index, read_symbol, 1)
        ):
            true_symbol = read_symbol
        owners.append(true_symbol)
    return owners


def _repeats(pairs: Sequence[Pair], index: int, symbol: str, step: int) -> bool:
    """Whether, on one side, an insertion repeats a letter that was rightly read as `symbol`."""
    index += step
    while 0 <= index < len(pairs) and pairs[index] == (None, symbol):
        index += step
    return 0 <= index < len(pairs) and pairs[index] == (symbol, symbol)


def box_overlaps(left: Sequence[Box], right: Sequence[Box]) -> np.ndarray:
    """Intersection over union of every box with every other.

    Arguments:
        left: N boxes.
        right: M boxes.

    Returns:
        Overlaps with shape `(N, M)`, between 0 and 1; 0 where a box is empty.
    """
    a, b = _edges(left)[:, None], _edges(right)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    area_a = np.clip(a[..., 2:] - a[..., :2], 0, None).prod(axis=-1)
    area_b = np.clip(b[..., 2:] - b[..., :2], 0, None).prod(axis=-1)
    union = area_a + area_b - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def _edges(boxes: Sequence[Box]) -> np.ndarray:
    edges = [(box.left, box.top, box.right, box.bottom) for box in boxes]
    return np.array(edges, dtype=np.float64).reshape(-1, 4)


def match_glyphs(
    truth: Sequence[Glyph],
    placed: Sequence[PlacedGlyph],
    threshold: float = 0.5,
    same_symbol: bool = True,
) -> tuple[tuple[int, int, float], ...]:
    """Match true with placed glyphs of one line, one to one.

    Of all matchings this is one with the most pairs above the threshold, and among these one
    with the largest sum of overlaps, so the order of the glyphs plays no part.

    Arguments:
        truth: The true glyphs.
        placed: The placed glyphs.
        threshold: Intersection over union that a good pair exceeds, at least 0, under 1.
        same_symbol: Whether only glyphs of the same symbol may be paired.

    Returns:
        Triples (index in truth, index in placed, overlap above 0), ordered by the first.
    """
    if not truth or not placed:
        return ()
    overlaps = box_overlaps([glyph.box for glyph in truth], [glyph.box for glyph in placed])
    if same_symbol:
        overlaps *= np.array([[t.symbol == p.symbol for p in placed] for t in truth])
    # One pair above the threshold must outweigh all overlaps together.
    gain = overlaps + (overlaps > threshold) * (min(len(truth), len(placed)) + 1.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return tuple(
        (int(row), int(column), float(overlaps[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if overlaps[row, column] > 0
    )


def glyph_localisation(
    truth: Sequence[Sequence[Glyph]],
    placed: Sequence[Sequence[PlacedGlyph]],
    threshold: float = 0.5,
) -> Localisation:
    """Share of the true glyphs that were found in their place.

    Arguments:
        truth: The true glyphs of each line; word spaces are left out.
        placed: The placed glyphs of each line, in the same order of lines.
        threshold: Intersection over union that a pair must exceed, at least 0, under 1.

    Returns:
        Shares and means over all glyphs of all lines.

    Raises:
        DataError: If there is no true glyph.
    """
    wanted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    any_symbol = given = 0
    overlap = 0.0
    for all_glyphs, guesses in zip(truth, placed, strict=True):
        glyphs = [glyph for glyph in all_glyphs if glyph.symbol != SPACE]
        wanted.update(glyph.symbol for glyph in glyphs)
        given += len(guesses)
        pairs = match_glyphs(glyphs, guesses, threshold)
        overlap += sum(shared for _, _, shared in pairs)
        found.update(glyphs[index].symbol for index, _, shared in pairs if shared > threshold)
        any_symbol += _above(match_glyphs(glyphs, guesses, threshold, False), threshold)
    count = sum(wanted.values())
    if count == 0:
        raise DataError(
            "no glyph localisation without true glyph boxes: they are known on rendered lines only"
        )
    hits = sum(found.values())
    shares = [(symbol, found[symbol] / wanted[symbol], wanted[symbol]) for symbol in sorted(wanted)]
    shares.sort(key=lambda one: (one[1], -one[2]))
    return Localisation(
        found=hits / count,
        found_any_symbol=any_symbol / count,
        mean_iou=overlap / count,
        spurious=(given - hits) / given if given else 0.0,
        glyphs=count,
        placed=given,
        threshold=threshold,
        per_symbol=tuple(shares),
    )


def _above(pairs: Iterable[tuple[int, int, float]], threshold: float) -> int:
    return sum(shared > threshold for _, _, shared in pairs)
