r"""A measure at several strengths of guidance, with intervals, beside what real pictures give.

Strengths are places in a row rather than numbers on an axis: what matters is their order, and
7.5 would push 1 and 3 together. What carries a class is recoloured by the page's style.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from .bias_values import Curve, Whiskers
from .plots import (
    COLOURS,
    MARGIN_BOTTOM,
    MARGIN_LEFT,
    MARGIN_RIGHT,
    MARGIN_TOP,
    bounds,
    floor_line,
    grid_line,
    legend_entry,
    number,
    ticks,
)

__all__ = ["whisker_plot"]

SHIFT = 9
"""Pixels between two measures at one strength, so that their whiskers do not cover each other."""


def whisker_plot(
    curve: Curve, strengths: Sequence[str], width: int = 560, height: int = 270
) -> Markup:
    r"""Draw the lines of a curve.

    Arguments:
        curve: What to draw.
        strengths: Names of the places after the first, which is the real set.
        width: Of the drawing in its own units (it scales with the page).
        height: Its height.

    Returns:
        One `<svg>` element and its legend, all names escaped.
    """
    known = [
        value
        for _, reference, values in curve.lines
        for one in (reference, *values)
        for value in one
        if value is not None
    ]
    if not known:
        return Markup('<p class="empty">Nothing to draw for “{}”.</p>').format(curve.title)
    low, high = bounds(known, False)
    low, high = (0.0 if min(known) >= 0 else low), high + 0.06 * (high - low)
    names = ("real", *strengths)
    room = (width - MARGIN_LEFT - MARGIN_RIGHT) / len(names)
    floor = height - MARGIN_BOTTOM

    def down(value: float) -> float:
        return floor - (value - low) / (high - low) * (floor - MARGIN_TOP)

    parts = [grid_line(down(v), number(v, False), width) for v in ticks(low, high)]
    for place, name in enumerate(names):
        parts.append(
            Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                MARGIN_LEFT + (place + 0.5) * room, floor + 19, name
            )
        )
    parts.append(floor_line(floor, width))
    for style, (name, reference, values) in enumerate(curve.lines):
        shift = (style - (len(curve.lines) - 1) / 2) * SHIFT
        places = [MARGIN_LEFT + (k + 0.5) * room + shift for k in range(len(names))]
        points = list(zip(places, (reference, *values), strict=True))
        parts.append(_measure(name, f"s{style % COLOURS}", points, down, width))
    legend = Markup("").join(
        legend_entry(f"s{style % COLOURS}", name) for style, (name, _, _) in enumerate(curve.lines)
    )
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>{}'
    ).format(
        width,
        height,
        _in_words(curve, names),
        Markup("").join(parts),
        Markup('<ul class="legend">{}</ul>').format(legend) if len(curve.lines) > 1 else "",
    )


def _measure(
    name: str,
    look: str,
    points: Sequence[tuple[float, Whiskers]],
    down: Callable[[float], float],
    width: int,
) -> Markup:
    r"""One measure: its points, a line through those of the samples, a dotted one of the real."""
    parts = []
    left, reference = points[0]
    if reference.mean is not None:
        level = down(reference.mean)
        parts.append(
            Markup(
                '<line class="curve {}" style="stroke-width:1;stroke-dasharray:1 4" '
                'x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
            ).format(look, left, width - MARGIN_RIGHT, level, level)
        )
    way = " ".join(f"{x:.1f},{down(v.mean):.1f}" for x, v in points[1:] if v.mean is not None)
    parts.append(Markup('<polyline class="curve {}" points="{}"/>').format(look, way))
    parts += [_point(x, one, down, look, name) for x, one in points]
    return Markup("").join(parts)


def _in_words(curve: Curve, names: Sequence[str]) -> str:
    r"""What a plot shows, for those who cannot see it: every value at its place."""
    told = []
    for name, reference, values in curve.lines:
        known = [
            f"{place} {number(one.mean, False)}"
            for place, one in zip(names, (reference, *values), strict=True)
            if one.mean is not None
        ]
        told.append(f"{name}: {', '.join(known)}")
    return f"{curve.title}: {'; '.join(told)}"


def _point(x: float, one: Whiskers, down: Callable[[float], float], look: str, name: str) -> Markup:
    r"""A dot with its whiskers; nothing where there is no value."""
    if one.mean is None:
        return Markup("")
    whiskers = Markup("")
    if one.low is not None and one.high is not None:
        whiskers = Markup(
            '<line class="curve {}" style="stroke-dasharray:none" x1="{:.1f}" x2="{:.1f}" '
            'y1="{:.1f}" y2="{:.1f}"/>'
        ).format(look, x, x, down(one.low), down(one.high))
    return Markup(
        '<g>{}<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3.4"/><title>{}: {}</title></g>'
    ).format(whiskers, look, x, down(one.mean), name, number(float(f"{one.mean:.3g}"), False))
