r"""The exemplars of an alphabet as the matcher takes them: one to five of every character.

Where they come from is in `matcher_sources`, what one is in `lines.exemplars`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..lines.exemplars import Exemplar

__all__ = ["canvas_columns", "chosen_exemplars", "on_canvas"]

Floats = NDArray[np.float32]


def on_canvas(exemplars: Sequence[Exemplar], columns: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Exemplars in the middle of empty pictures of one width.

    Arguments:
        exemplars: At least one, of one height H.
        columns: Columns of two pixels, an odd number; the middle of a glyph comes to lie in the
            middle one. What is wider loses both ends.

    Returns:
        Pictures `(M, H, 2 * columns)` and which columns hold a part of the glyph `(M, columns)`.
    """
    wide = 2 * columns
    out = np.zeros((len(exemplars), exemplars[0].ink.shape[0], wide), np.float32)
    held = np.zeros((len(exemplars), columns), bool)
    for picture, mask, one in zip(out, held, exemplars, strict=True):
        ink = one.ink
        if one.width > wide:
            start = (one.width - wide) // 2
            ink = ink[:, start : start + wide]
        left = (wide - ink.shape[1]) // 2
        picture[:, left : left + ink.shape[1]] = ink
        mask[left // 2 : -(-(left + ink.shape[1]) // 2)] = True
    return out, held


def canvas_columns(exemplars: Iterable[Exemplar], longest: int) -> int:
    """The odd number of columns that `on_canvas` needs: the widest glyph's and one on each side.

    Arguments:
        exemplars: At least one.
        longest: Odd; no more than this.
    """
    widest = max(one.width for one in exemplars)
    return min(longest, 2 * (-(-widest // 4)) + 3)


def chosen_exemplars(found: Iterable[Exemplar], each: int, seed: int = 0) -> tuple[Exemplar, ...]:
    """At most `each` exemplars of every character, drawn at random, sorted by character.

    Arguments:
        found: All that there are, in a fixed order.
        each: How many to keep of one character, at least 1.
        seed: Another one draws others.

    Returns:
        The exemplars of one character after each other.
    """
    groups: dict[str, list[Exemplar]] = {}
    for one in found:
        groups.setdefault(one.symbol, []).append(one)
    kept: list[Exemplar] = []
    for number, symbol in enumerate(sorted(groups)):
        some = groups[symbol]
        rng = np.random.default_rng([seed, number])
        # drawn one after the other: more exemplars are the fewer ones and others
        kept += [some[int(i)] for i in rng.permutation(len(some))[:each]]
    return tuple(kept)
