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

    parts: list[Markup] = []
    for value in ticks(low, high):
        parts.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(
                MARGIN_LEFT,
                width - MARGIN_RIGHT,
                down(value),
                down(value),
                MARGIN_LEFT - 8,
                down(value) + 4,
                number(value, False),
            )
        )
    for place, name in enumerate(names):
        parts.append(
            Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                MARGIN_LEFT + (place + 0.5) * room, floor + 19, name
            )
        )
    parts.append(
        Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            MARGIN_LEFT, width - MARGIN_RIGHT, floor, floor
        )
    )
    for style, (name, reference, values) in enumerate(curve.lines):
        shift = (style - (len(curve.lines) - 1) / 2) * SHIFT
        places = [MARGIN_LEFT + (k + 0.5) * room + shift for k in range(len(names))]
        look = f"s{style % COLOURS}"
        if reference.mean is not None:
            parts.append(
                Markup(
                    '<line class="curve {}" style="stroke-width:1;stroke-dasharray:1 4" '
                    'x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
                ).format(
                    look,
                    places[0],
                    width - MARGIN_RIGHT,
                    down(reference.mean),
                    down(reference.mean),
                )
            )
        points = [(x, one) for x, one in zip(places, (reference, *values), strict=True)]
        way = " ".join(f"{x:.1f},{down(v.mean):.1f}" for x, v in points[1:] if v.mean is not None)
        parts.append(Markup('<polyline class="curve {}" points="{}"/>').format(look, way))
        parts += [_point(x, one, down, look, name) for x, one in points]
    legend = Markup("").join(
        Markup(
            '<li><svg viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">'
            '<line class="curve s{}" x1="0" x2="26" y1="4" y2="4"/></svg>{}</li>'
        ).format(style % COLOURS, name)
        for style, (name, _, _) in enumerate(curve.lines)
    )
    told = "; ".join(
        f"{name}: "
        + ", ".join(
            f"{place} {number(one.mean, False)}"
            for place, one in zip(names, (reference, *values), strict=True)
            if one.mean is not None
        )
        for name, reference, values in curve.lines
    )
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>{}'
    ).format(
        width,
        height,
        f"{curve.title}: {told}",
        Markup("").join(parts),
        Markup('<ul class="legend">{}</ul>').format(legend) if len(curve.lines) > 1 else "",
    )


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
