"""Two groups side by side: the letters that differ most, each with its occurrences on the lines.

What a reader needs to agree or disagree: both prototypes, what is said to differ, and real letters
of both, taken evenly from the first line to the last and not chosen by what they look like.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..palaeography.colours import difference_colours
from .drawing import Drawing, Label, Path, Picture, Rectangle
from .palaeography_figures import DIFFERENCE_LIMIT, clipped, ink_bytes, probability
from .palaeography_sheets import spread_out
from .palaeography_values import PalaeographyReport
from .pdf import text_width
from .wording import decimals, shown

__all__ = ["OCCURRENCES", "pair_figure"]

OCCURRENCES = 12
"""Of either group, in a row."""
_SOFT, _RULE = "#6b645a", "#d8d0c0"
_LARGE, _SMALL = 1.7, 0.9
"""CSS pixels for a pixel of a prototype, and of an occurrence."""


def pair_figure(
    report: PalaeographyReport, pair: tuple[int, int], letters: Sequence[int]
) -> Drawing:
    """Prototypes, differences and occurrences of some letters in two groups.

    Arguments:
        report: The values, with a comparison and occurrences.
        pair: Numbers of the two groups.
        letters: Numbers of the letters, from above to below.
    """
    prototypes, made = report.prototypes, report.comparison
    assert made is not None
    one, other = pair
    names = [prototypes.groups[g] for g in pair]
    colours = ["#" + bytes(difference_colours(np.array([s]))[0]).hex() for s in (1.0, -1.0)]
    high, wide = prototypes.reference.shape[1:]
    large, small = (_LARGE * wide, _LARGE * high), (_SMALL * wide, _SMALL * high)
    head, gap = 60.0, 8.0
    room = 3 * (large[0] + gap)
    said = min(150.0, max(text_width(name, 10) for name in names) + 12)
    right = head + room + said
    step = max(2 * small[1] + 6, large[1] + 16) + 14
    drawing = Drawing(
        right + OCCURRENCES * (small[0] + 2) + 8,
        30 + step * len(letters) + 8,
        f"Letters of {names[0]} and {names[1]}, with occurrences",
    )
    titles = (*((clipped(name, 10, large[0] + gap - 4)) for name in names), "difference")
    for column, (title, colour) in enumerate(zip(titles, (*colours, _SOFT), strict=True)):
        drawing.add(Label(head + column * (large[0] + gap), 16, title, 10, colour=colour))
    told = "the same letter on the lines, evenly from the first line to the last"
    drawing.add(Label(right, 16, told, 10, colour=_SOFT))
    for row, k in enumerate(letters):
        top = 28 + row * step
        drawing.add(Path(((0, top - 5), (drawing.width, top - 5)), _RULE, 0.6))
        label = shown(prototypes.labels[k])
        drawing.add(Label(head / 2, top + large[1] / 2 + 6, label, 24, "middle", room=head - 12))
        drawn = [prototypes.pictures[g, k].astype(np.float64) for g in pair]
        signed = difference_colours(drawn[0] - drawn[1], DIFFERENCE_LIMIT)
        for column, pixels in enumerate((*(ink_bytes(ink) for ink in drawn), signed)):
            x = head + column * (large[0] + gap)
            drawing.add(Picture(x, top, *large, pixels))
            drawing.add(Rectangle(x, top, *large, colour=_RULE, line=0.5))
        numbers = (
            f"distance {decimals(made.distances[k, one, other], 1)}, chance alone "
            f"{decimals(made.tests.noise[k, one, other], 1)}, "
            f"q {probability(made.q[k, one, other])}"
        )
        drawing.add(Label(head, top + large[1] + 14, numbers, 10, colour=_SOFT))
        for line, (g, name, colour) in enumerate(zip(pair, names, colours, strict=True)):
            y = top + line * (small[1] + 6)
            count = int(prototypes.counts[g, k])
            x = head + room
            drawing.add(
                Label(x, y + small[1] / 2 - 2, clipped(name, 10, said - 8), 10, colour=colour)
            )
            drawing.add(Label(x, y + small[1] / 2 + 11, f"{count} seen", 9, colour=_SOFT))
            for place, card in enumerate(
                spread_out(report.occurrences.get((g, k), ()), OCCURRENCES)
            ):
                x = right + place * (small[0] + 2)
                drawing.add(Picture(x, y, *small, card.picture, title=card.line))
    y = drawing.height - 6
    drawing.add(Label(head, y, f"red: ink of {names[0]} only", 9, colour=colours[0]))
    drawing.add(Label(right, y, f"blue: ink of {names[1]} only", 9, colour=colours[1]))
    return drawing
