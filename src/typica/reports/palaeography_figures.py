"""The figures of a palaeographical job, for its page and for a paper (Figs. 3.6 to 3.9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..palaeography.colours import difference_colours
from ..palaeography.comparison import Comparison
from ..palaeography.differences import family_names
from .drawing import Circle, Drawing, Label, Path, Picture, Rectangle
from .palaeography_values import PalaeographyReport
from .pdf import text_width
from .plots import ticks
from .wording import alphabetical, decimals, shown

__all__ = [
    "DIFFERENCE_LIMIT",
    "FAMILY_COLOURS",
    "alphabet_figure",
    "clipped",
    "differences_figure",
    "family_colour",
    "group_order",
    "ink_bytes",
    "letter_order",
    "most_different",
    "probability",
    "scatter_figure",
]

FAMILY_COLOURS = ("#9a2f22", "#2f5f8a", "#5b7a2e", "#8a5a9e", "#b0741a", "#3f7f7a")
"""As on the page; they repeat after six."""
DIFFERENCE_LIMIT = 0.6
"""The difference of ink that gets the full colour."""
_INK, _SOFT, _RULE = "#211e1a", "#6b645a", "#d8d0c0"
_LEVEL = 0.05


def ink_bytes(ink: NDArray[np.floating], strength: float = 1.0) -> NDArray[np.uint8]:
    """Ink as black on white.

    Arguments:
        ink: 0 to 1; NaN is paper.
        strength: Below 1 for a pale picture.
    """
    clean = np.nan_to_num(np.asarray(ink, np.float64), nan=0.0).clip(0, 1)
    return np.asarray(np.rint(255 * (1 - strength * clean)), np.uint8)


def group_order(families: Sequence[str], leaves: Sequence[int]) -> list[int]:
    """Groups by family, within a family and the families themselves as in the tree.

    Arguments:
        families: Of every group; empty for none.
        leaves: Groups in the order of the tree; those that it lacks come last.
    """
    order = [*leaves, *(g for g in range(len(families)) if g not in set(leaves))]
    place: dict[str, int] = {}
    for position, g in enumerate(order):
        place.setdefault(families[g], position)
    return sorted(order, key=lambda g: (families[g] == "", place[families[g]], order.index(g)))


def letter_order(letters: Sequence[str]) -> list[int]:
    """Letters as a reader expects them."""
    return sorted(range(len(letters)), key=lambda k: (alphabetical(letters[k]), k))


def family_colour(family: str, names: Sequence[str]) -> str:
    """The colour of a family among all; ink for none."""
    return FAMILY_COLOURS[names.index(family) % len(FAMILY_COLOURS)] if family in names else _INK


def _class(family: str, names: Sequence[str]) -> str:
    return f"f{names.index(family) % len(FAMILY_COLOURS)}" if family in names else "fx"


def probability(value: float) -> str:
    """A p or q in a form that promises no more than it can."""
    if np.isnan(value):
        return "–"
    if value < 0.001:
        return "<\u00a00.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def most_different(
    comparison: Comparison, most: int, pair: tuple[int, int] | None = None
) -> list[tuple[int, int, int]]:
    """The letters that differ most between any two groups, or two given ones, each with those two.

    Arguments:
        comparison: Where differences beyond chance (q at most 0.05) are known, only these count;
            prototypes flagged red or coloured never do.
        most: How many at most.
        pair: The numbers of two groups, to look at these alone.

    Returns:
        Letter, group, group; the largest distance beyond chance (`Comparison.beyond`) first.
    """
    upper = np.triu(np.ones(comparison.means.shape, bool), 1)
    if pair is not None:
        upper = np.zeros_like(upper)
        upper[pair] = True
    known = np.isfinite(comparison.q)
    counts = comparison.q <= _LEVEL if known.any() else np.isfinite(comparison.distances)
    sound = (comparison.quality != "red") & ~comparison.coloured
    distances = comparison.beyond
    found = []
    for k in range(len(distances)):
        both = sound[:, k, None] & sound[None, :, k]
        some = np.where(counts[k] & upper & both, distances[k], -np.inf)
        if np.isfinite(some).any():
            a, b = np.unravel_index(int(some.argmax()), some.shape)
            found.append((float(some[a, b]), k, int(a), int(b)))
    found.sort(key=lambda row: (-row[0], row[1]))
    return [(k, a, b) for _, k, a, b in found[:most]]


def clipped(text: str, size: float, width: float) -> str:
    """A name that fits a width in CSS pixels, the full one being told elsewhere."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def alphabet_figure(report: PalaeographyReport, columns: int = 26, zoom: float = 1.0) -> Drawing:
    """Groups by letters (Fig. 3.6a): letters that at least two groups have often enough.

    Arguments:
        report: The values.
        columns: Letters in a row; more go on below.
        zoom: Size of a prototype in CSS pixels for each of its own.

    Returns:
        Cells with too few occurrences are pale and struck through.
    """
    prototypes = report.prototypes
    labels = prototypes.labels
    tree = report.comparison.tree if report.comparison else None
    leaves = [] if tree is None else [prototypes.groups.index(tree.names[i]) for i in tree.order]
    groups = group_order(prototypes.families, leaves)
    several = min(2, len(groups))
    letters = [k for k in letter_order(labels) if report.use[:, k].sum() >= several]
    names = family_names(prototypes.families)
    high, wide = (zoom * side for side in prototypes.reference.shape[1:])
    left = min(180.0, max([text_width(prototypes.groups[g], 11) for g in groups], default=0) + 14)
    blocks = [letters[i : i + columns] for i in range(0, len(letters), columns)]
    block_height = 20 + high * (len(groups) + 1) + 16
    drawing = Drawing(
        left + wide * max([len(block) for block in blocks], default=1) + 6,
        block_height * len(blocks) + 4,
        f"Prototypes of {len(letters)} letters in {len(groups)} groups",
    )
    for number, block in enumerate(blocks):
        top = number * block_height + 20
        for column, k in enumerate(block):
            middle = left + wide * (column + 0.5)
            drawing.add(
                Label(middle, top - 5, shown(labels[k]), 13, "middle", _SOFT, room=wide - 3)
            )
        rows = [("reference", "", prototypes.reference, np.ones(len(labels), bool))]
        rows += [
            (prototypes.groups[g], prototypes.families[g], prototypes.pictures[g], report.use[g])
            for g in groups
        ]
        for row, (name, family, pictures, use) in enumerate(rows):
            y = top + row * high
            colour = _SOFT if not row else family_colour(family, names)
            drawing.add(Label(0, y + high / 2 + 4, clipped(name, 11, left - 8), 11, colour=colour))
            for column, k in enumerate(block):
                x = left + column * wide
                seen = row == 0 or report.prototypes.counts[groups[row - 1], k] > 0
                if seen:
                    pale = 1.0 if use[k] else 0.3
                    drawing.add(Picture(x, y, wide, high, ink_bytes(pictures[k], pale)))
                if seen and not use[k]:
                    way = ((x + 3, y + high - 3), (x + wide - 3, y + 3))
                    drawing.add(Path(way, _RULE, 1))
            drawing.add(Path(((0, y), (drawing.width, y)), _RULE, 0.5))
    return drawing


def differences_figure(report: PalaeographyReport, rows: Sequence[tuple[int, int, int]]) -> Drawing:
    """Letters in two groups and what differs (Fig. 3.7).

    Arguments:
        report: The values, with a comparison.
        rows: Letter, group, group.
    """
    prototypes, made = report.prototypes, report.comparison
    assert made is not None
    high, wide = (1.5 * side for side in prototypes.reference.shape[1:])
    labels = prototypes.labels
    step = high + 26
    drawing = Drawing(560, step * len(rows) + 24, "Letters that differ most")
    red, blue = ("#" + bytes(difference_colours(np.array([s]))[0]).hex() for s in (1.0, -1.0))
    for row, (k, a, b) in enumerate(rows):
        y = 12 + row * step
        drawing.add(Label(4, y + high / 2 + 8, shown(labels[k]), 24, room=48))
        signed = prototypes.pictures[a, k].astype(np.float64) - prototypes.pictures[b, k]
        pictures = (
            ink_bytes(prototypes.pictures[a, k]),
            ink_bytes(prototypes.pictures[b, k]),
            difference_colours(signed, DIFFERENCE_LIMIT),
        )
        for column, pixels in enumerate(pictures):
            x = 60 + column * (wide + 26)
            drawing.add(Picture(x, y, wide, high, pixels))
            drawing.add(Rectangle(x, y, wide, high, colour=_RULE, line=0.5))
        for column, (g, colour) in enumerate(((a, red), (b, blue))):
            x = 60 + column * (wide + 26)
            name = clipped(prototypes.groups[g], 9, wide + 22)
            drawing.add(Label(x, y + high + 11, name, 9, colour=colour))
        x = 60 + 3 * (wide + 26)
        drawing.add(
            Label(x, y + 16, f"distance {decimals(made.distances[k, a, b])}", 11),
            Label(x, y + 32, f"chance alone {decimals(made.tests.noise[k, a, b])}", 11),
            Label(x, y + 48, f"q {probability(made.q[k, a, b])}", 11),
            Label(
                *(x, y + 64, f"{prototypes.counts[a, k]} and {prototypes.counts[b, k]} seen", 11)
            ),
        )
    y = 12 + len(rows) * step + 2
    drawing.add(
        Label(60, y, "red: ink of the first only", 9, colour=red),
        Label(200, y, "blue: ink of the second only", 9, colour=blue),
    )
    return drawing


def scatter_figure(
    points: Sequence[tuple[float, float, str, str, tuple[tuple[str, str], ...]]],
    axes: tuple[str, str],
    names: Sequence[str],
    title: str,
    size: float = 420,
) -> Drawing:
    """Distances to two families, with the diagonal: above it the first is nearer (Fig. 3.8).

    Arguments:
        points: Distance to the first, to the second, name, family, data for the page's script.
        axes: The two families.
        names: All families, which decide colours.
        title: What it shows.
        size: Of its sides.
    """
    drawing = Drawing(size, size, title)
    left, top, right, bottom = 52.0, 14.0, size - 16, size - 46
    known = [point for point in points if np.isfinite(point[:2]).all()]
    most = 1.08 * max([max(point[:2]) for point in known], default=1.0) or 1.0
    span = right - left

    def place(x: float, y: float) -> tuple[float, float]:
        return left + span * x / most, bottom - (bottom - top) * y / most

    for value in ticks(0, most, most=5):
        x, y = place(value, value)
        drawing.add(
            Path(((left, y), (right, y)), _RULE, 0.6, style="grid"),
            Path(((x, top), (x, bottom)), _RULE, 0.6, style="grid"),
            Label(left - 7, y + 4, f"{value:g}", 10, "end", _SOFT, style="tick"),
            Label(x, bottom + 16, f"{value:g}", 10, "middle", _SOFT, style="tick"),
        )
    drawing.add(
        Path((place(0, 0), place(most, most)), _SOFT, 1, "5 4", style="axis"),
        Label(
            *((left + right) / 2, size - 8, f"distance to {axes[0]}", 11.5, "middle"),
            family_colour(axes[0], names),
            style=_class(axes[0], names),
        ),
        Label(
            *(13, (top + bottom) / 2, f"distance to {axes[1]}", 11.5, "middle"),
            family_colour(axes[1], names),
            turned=True,
            style=_class(axes[1], names),
        ),
    )
    for x, y, name, family, data in known:
        colour = family_colour(family, names)
        told = f"{name}: {decimals(x)} to {axes[0]}, {decimals(y)} to {axes[1]}"
        at = place(x, y)
        style = _class(family, names)
        before = at[0] + 8 + text_width(name, 10) > size
        side, anchor = (-6, "end") if before else (6, "start")
        drawing.add(
            Circle(*at, 4, colour, "#ffffff", style=f"point {style}", title=told, data=data),
            Label(at[0] + side, at[1] - 4, name, 10, anchor, colour, style=style, data=data),
        )
    return drawing
