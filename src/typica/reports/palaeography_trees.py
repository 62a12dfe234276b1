"""The tree of documents and their distances as figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..palaeography.comparison import Comparison
from ..palaeography.differences import family_names
from .drawing import Circle, Drawing, Label, Path, Rectangle
from .palaeography_figures import family_colour
from .pdf import text_width
from .plots import ticks
from .wording import decimals

__all__ = ["matrix_figure", "tree_figure"]

_INK, _SOFT = "#211e1a", "#6b645a"
_DEEP = np.array([52, 62, 92])
"""The colour of the largest distance."""
_MOST_WRITTEN = 14
"""Groups up to which the distances are written into the cells."""


def tree_figure(made: Comparison, width: float = 760) -> Drawing:
    """The dendrogram, with the share of draws of letters that bear each branch out."""
    tree = made.tree
    names = family_names(made.families)
    size = len(tree.names)
    step = 26.0 if size <= 40 else 18.0
    longest = max([text_width(name, 12) for name in tree.names], default=0)
    left, right, top = 14.0, width - longest - 26, 14.0
    bottom = top + step * max(size, 1)
    drawing = Drawing(width, bottom + 46, f"Tree of {size} groups")
    highest = float(tree.merges[-1, 2]) if len(tree.merges) else 1.0
    highest = highest or 1.0
    at = {leaf: (right, top + step * (row + 0.5)) for row, leaf in enumerate(tree.order)}
    for leaf, (x, y) in at.items():
        family = made.families[made.groups.index(tree.names[leaf])]
        told = f"family {family}" if family else ""
        style = f"f{names.index(family) % 6}" if family in names else "fx"
        colour = family_colour(family, names)
        name = tree.names[leaf]
        drawing.add(Label(x + 10, y + 4, name, 12, colour=colour, style=style, title=told))
    nodes: list[tuple[float, float, float]] = []
    for number, row in enumerate(tree.merges):
        one, other = at[int(row[0])], at[int(row[1])]
        x = right - (right - left) * float(row[2]) / highest
        path = (one, (x, one[1]), (x, other[1]), other)
        told = f"these {int(row[3])} meet at a distance of {decimals(float(row[2]))}"
        drawing.add(Path(path, _INK, 1.4, style="branch", title=told))
        at[size + number] = (x, (one[1] + other[1]) / 2)
        nodes.append((*at[size + number], float(tree.support[number])))
    for x, y, share in nodes:
        if np.isfinite(share):
            told = f"{100 * share:.0f} of 100 draws of letters have this group"
            drawing.add(
                Circle(x, y, 2.6, _INK, style="node", title=told),
                Label(x - 5, y - 4, f"{100 * share:.0f}", 10, "end", _SOFT, style="tick"),
            )
    drawing.add(Path(((left, bottom + 8), (right, bottom + 8)), _SOFT, 1, style="axis"))
    for value in ticks(0, highest):
        x = right - (right - left) * value / highest
        drawing.add(
            Path(((x, bottom + 8), (x, bottom + 13)), _SOFT, 1, style="axis"),
            Label(x, bottom + 26, f"{value:g}", 10, "middle", _SOFT, style="tick"),
        )
    middle = (left + right) / 2
    drawing.add(Label(middle, bottom + 42, "distance", 11, "middle", _SOFT, style="tick"))
    return drawing


def matrix_figure(made: Comparison, order: Sequence[int], width: float = 640) -> Drawing:
    """Mean distances of every two groups, the darker the farther.

    Arguments:
        made: The comparison.
        order: Of the groups.
        width: At most.
    """
    names = family_names(made.families)
    longest = max([text_width(made.groups[g], 11) for g in order], default=0)
    label = min(longest, 190) + 12
    cell = max(14.0, min(52.0, (width - label) / max(len(order), 1)))
    turned = cell < longest
    top = label if turned else 24.0
    drawing = Drawing(
        label + cell * len(order) + 2, top + cell * len(order) + 2, "Mean distances of groups"
    )
    # shades from the least to the largest distance: they would all be dark from zero on
    known = made.means[np.isfinite(made.means) & ~np.eye(len(made.means), dtype=bool)]
    least, most = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    for row, a in enumerate(order):
        colour = family_colour(made.families[a], names)
        style = f"f{names.index(made.families[a]) % 6}" if made.families[a] in names else "fx"
        middle = cell * (row + 0.5)
        name = made.groups[a]
        drawing.add(Label(label - 8, top + middle + 4, name, 11, "end", colour, style=style))
        if turned:
            at = (label + middle + 4, top - 6)
            drawing.add(Label(*at, name, 11, colour=colour, turned=True, style=style))
        else:
            drawing.add(Label(label + middle, top - 8, name, 11, "middle", colour, style=style))
        for column, b in enumerate(order):
            value = float(made.means[a, b])
            x, y = label + cell * column, top + cell * row
            if np.isnan(value):
                told = f"{name} and {made.groups[b]}: no common letter"
                drawing.add(Rectangle(x, y, cell, cell, "#e0e0e0", "#ffffff", title=told))
                continue
            share = 0.12 + 0.88 * (value - least) / (most - least) if most > least else 0.5
            share = 0.0 if a == b else share
            fill = "#" + bytes(np.rint(255 + share * (_DEEP - 255)).astype(np.uint8)).hex()
            told = (
                f"{name} and {made.groups[b]}: {decimals(value)} over {made.shared[a, b]} letters"
            )
            drawing.add(Rectangle(x, y, cell, cell, fill, "#ffffff", title=told))
            if len(order) <= _MOST_WRITTEN and a != b:
                ink = "#ffffff" if share > 0.55 else _INK
                size = min(11.0, cell / 3.2)
                text = decimals(value, 1 if value >= 10 else 2)
                drawing.add(Label(x + cell / 2, y + cell / 2 + size / 3, text, size, "middle", ink))
    return drawing
