r"""The templates that a line's best rows and those nearly as good are made of.

A placement of template k at column x is kept if the best row through it,
:math:`V(x) + g_k(x) - price + U(x + a_k)`, explains nearly as much as the best row of all. V is
what can be explained before a column (`placing.py`), U what can be explained from there on. What
else is known of a line, its language say, can then choose among these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .placing import PlacedTemplate, columns_taken, gains, stacks, values
from .templates import Templates

__all__ = ["Arc", "arcs_of"]


@dataclass(frozen=True)
class Arc:
    """A placement that may be part of a row.

    Arguments:
        placed: The placement.
        end: The first column that the next one may begin at.
        value: What it explains, in squared darkness, its price taken off.
    """

    placed: PlacedTemplate
    end: int
    value: float


def arcs_of(
    lines: Sequence[NDArray[np.float32]],
    templates: Templates,
    price: float,
    shift: int,
    overlap: int,
    margin: float,
    advance: Callable[[int], object] | None = None,
) -> list[list[Arc]]:
    """The placements of every line that are on a row nearly as good as the best.

    Arguments:
        lines: Darkness `(H, w)` each.
        templates: Any number.
        price: What a placement must explain, in squared darkness.
        shift: Largest vertical shift in pixels.
        overlap: Columns that neighbours may share.
        margin: By how much less a row may explain than the best one, in squared darkness.
        advance: Called with the number of lines done since the last call.

    Returns:
        For every line its arcs by their first column.
    """
    found: list[list[Arc]] = [[] for _ in lines]
    if not len(templates):
        return found
    taken = columns_taken(templates, overlap)
    for some, stack in stacks(lines, overlap):
        gain, down = gains(stack, templates, shift)
        through, value = _through(gain, taken, price)
        least = value - margin
        for b, i in enumerate(some):
            for x, k in np.argwhere(least[b] <= through[b].T).tolist():
                placed = PlacedTemplate(k, x, int(down[b, k, x]), float(gain[b, k, x]))
                found[i].append(Arc(placed, x + int(taken[k]), placed.gain - price))
        if advance is not None:
            advance(len(some))
    return found


def _through(
    gain: NDArray[np.float32], taken: NDArray[np.int64], price: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the best row through each placement explains `(B, K, W)`, and the best of all."""
    width = gain.shape[2]
    before, _ = values(gain, taken, price)
    # from the right: a placement begins there where it ends here
    turned = np.full_like(gain, -np.inf)
    for k, columns in enumerate(taken.tolist()):
        if columns <= width:
            turned[:, k, : width + 1 - columns] = gain[:, k, : width + 1 - columns][:, ::-1]
    after = values(turned, taken, price)[0][:, ::-1]
    through = np.full_like(gain, -np.inf)
    for k, columns in enumerate(taken.tolist()):
        if columns <= width:
            fits = slice(width + 1 - columns)
            through[:, k, fits] = (
                before[:, fits] + gain[:, k, fits] - price + after[:, columns : width + 1]
            )
    return through, before[:, -1]
