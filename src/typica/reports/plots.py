r"""Small line plots as inline SVG: no script, no library, readable in light and dark.

Colours come from the page's style sheet (classes `s0` to `s5`); every series also has its own
dash pattern, so that a print in black and white still tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

__all__ = ["Panel", "Series", "draw_panels", "line_plot", "ticks"]

COLOURS = 6
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 58, 18, 14, 44
MOST_POINTS = 600


@dataclass(frozen=True)
class Series:
    r"""One line of a plot.

    Arguments:
        name: What it is called in the legend.
        x: Its places on the horizontal axis.
        y: Its values, as many as `x`. What cannot be drawn (NaN, infinite, and on a logarithmic
            axis zero or less) leaves a gap.
        style: Which colour and dash it has, from 0 (they repeat after six), so that plots on
            one page can agree.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: int = 0

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.name!r}: {len(self.x)} places, {len(self.y)} values")


@dataclass(frozen=True)
class Panel:
    r"""One plot of the training.

    Arguments:
        title: What stands above it.
        series: What it shows.
        log: True for a logarithmic axis.
        percent: True if the values are fractions to be written as percentages.
    """

    title: str
    series: tuple[Series, ...]
    log: bool = False
    percent: bool = False


def draw_panels(panels: Iterable[Panel]) -> list[dict[str, Any]]:
    r"""What a page shows of each panel: its title, whether it is logarithmic, its drawing."""
    return [
        {
            "title": one.title,
            "log": one.log,
            "svg": line_plot(one.series, one.title, log=one.log, percent=one.percent),
        }
        for one in panels
    ]


def ticks(low: float, high: float, log: bool = False, most: int = 6) -> tuple[float, ...]:
    r"""Round numbers between two bounds, for an axis.

    Arguments:
        low: The lower bound; above 0 if `log`.
        high: The upper bound, not below `low`.
        log: True for an axis that grows by factors.
        most: About how many at most.

    Returns:
        Ascending values within the bounds. On a logarithmic axis 1, 2, 5 times powers of ten,
        or only powers of ten if there would be too many; at least two where `low < high`.
    """
    if log and high > low > 0:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        for factors, stride in (((1, 2, 5), 1), ((1,), 1), ((1,), 2), ((1,), 4)):
            values = [f * 10.0**e for e in range(first, last + 1, stride) for f in factors]
            inside = tuple(v for v in values if low * 0.999 <= v <= high * 1.001)
            if 2 <= len(inside) <= most + 1:
                return inside
    if high <= low:
        return (low,)
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next((f for f in (1, 2, 2.5, 5) if (high - low) / (step * f) <= most), 10)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(index * step for index in range(first, last + 1))


def line_plot(
    series: Sequence[Series],
    title: str,
    x_label: str = "step",
    y_label: str = "",
    log: bool = False,
    percent: bool = False,
    width: int = 560,
    height: int = 270,
) -> Markup:
    r"""Draw series over a common axis.

    Arguments:
        series: What to draw; may be empty.
        title: A name for readers who cannot see the plot; not drawn.
        x_label: The name of the horizontal axis.
        y_label: The name of the vertical axis.
        log: True for a logarithmic vertical axis; linear is used instead if nothing is above 0.
        percent: True to write the values, fractions of 1, as percentages.
        width: Width of the drawing in its own units (it scales with the page).
        height: Its height.

    Returns:
        One `<svg>` element, all names escaped.
    """
    log = log and any(value > 0 and math.isfinite(value) for one in series for value in one.y)
    # A series that is alone needs no dashes to be told from others.
    alone = " solid" if len(series) == 1 else ""
    drawn = [(one.name, f"s{one.style % COLOURS}{alone}", runs_of(one, log)) for one in series]
    points = [point for _, _, runs in drawn for run in runs for point in run]
    if not points:
        return Markup('<p class="empty">Nothing to draw for “{}”.</p>').format(title)
    across = bounds([x for x, _ in points], False)
    upward = bounds([y for _, y in points], log)
    if not log:
        upward = upward[0], upward[1] + 0.04 * (upward[1] - upward[0])

    def place(x: float, y: float) -> tuple[float, float]:
        if log:
            share = math.log(y / upward[0]) / math.log(upward[1] / upward[0])
        else:
            share = (y - upward[0]) / (upward[1] - upward[0])
        left = (x - across[0]) / (across[1] - across[0])
        return (
            MARGIN_LEFT + left * (width - MARGIN_LEFT - MARGIN_RIGHT),
            height - MARGIN_BOTTOM - share * (height - MARGIN_BOTTOM - MARGIN_TOP),
        )

    body = [
        grid_line(place(across[0], value)[1], number(value, percent), width)
        for value in ticks(*upward, log=log)
    ]
    floor = height - MARGIN_BOTTOM
    for value in ticks(*across):
        x = place(value, upward[0])[0]
        body.append(
            Markup(
                '<line class="axis" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>'
                '<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>'
            ).format(x, x, floor, floor + 5, x, floor + 19, number(value, False))
        )
    body.append(floor_line(floor, width))
    body.append(axis_names(x_label, y_label, width, height))
    for name, style, runs in drawn:
        body.append(curve(name, [[place(*point) for point in run] for run in runs], style))
    legend = Markup("").join(
        legend_entry(style, name, last_value(runs, percent)) for name, style, runs in drawn
    )
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        '<ul class="legend">{}</ul>'
    ).format(width, height, describe(title, drawn, percent), Markup("").join(body), legend)


def grid_line(y: float, words: str, width: int) -> Markup:
    r"""A line across the plot at a value of the upward axis, and the value left of it."""
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(MARGIN_LEFT, width - MARGIN_RIGHT, y, y, MARGIN_LEFT - 8, y + 4, words)


def floor_line(floor: int, width: int) -> Markup:
    r"""The axis below a plot."""
    return Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        MARGIN_LEFT, width - MARGIN_RIGHT, floor, floor
    )


def axis_names(across: str, upward: str, width: int, height: int) -> Markup:
    r"""The name of an axis below its right end, and of the other beside its middle."""
    middle = MARGIN_TOP + (height - MARGIN_BOTTOM - MARGIN_TOP) / 2
    return Markup(
        '<text class="label" x="{}" y="{}" text-anchor="end">{}</text>'
        '<text class="label" transform="translate(13 {:.1f}) rotate(-90)" '
        'text-anchor="middle">{}</text>'
    ).format(width - MARGIN_RIGHT, height - 6, across, middle, upward)


def legend_entry(style: str, name: str, more: str = "") -> Markup:
    r"""A piece of a curve and what it is; `more` stands behind the name."""
    return Markup(
        '<li><svg viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">'
        '<line class="curve {}" x1="0" x2="26" y1="4" y2="4"/></svg>{}{}</li>'
    ).format(style, name, more)


def curve(name: str, runs: list[list[tuple[float, float]]], style: str) -> Markup:
    r"""Draw one series; a run of one point becomes a dot."""
    parts = []
    for run in runs:
        if len(run) == 1:
            parts.append(
                Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2.6"/>').format(
                    style, *run[0]
                )
            )
        else:
            way = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
            parts.append(Markup('<polyline class="curve {}" points="{}"/>').format(style, way))
    title = Markup("<title>{}</title>").format(name)
    return Markup("<g>{}{}</g>").format(title, Markup("").join(parts))


def runs_of(series: Series, log: bool) -> list[list[tuple[float, float]]]:
    r"""Split a series where it cannot be drawn, and thin it where it is denser than the plot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(series.x, series.y, strict=True):
        if math.isfinite(x) and math.isfinite(y) and (not log or y > 0):
            runs[-1].append((float(x), float(y)))
        elif runs[-1]:
            runs.append([])
    return [thin(run) for run in runs if run]


def thin(run: list[tuple[float, float]]) -> list[tuple[float, float]]:
    r"""Keep the ends, and of each stretch between them the lowest and highest: spikes survive."""
    if len(run) <= MOST_POINTS:
        return run
    length = math.ceil(2 * len(run) / MOST_POINTS)
    kept = {0, len(run) - 1}
    for start in range(0, len(run), length):
        stretch = range(start, min(start + length, len(run)))
        kept.add(min(stretch, key=lambda index: run[index][1]))
        kept.add(max(stretch, key=lambda index: run[index][1]))
    return [run[index] for index in sorted(kept)]


def bounds(values: Sequence[float], log: bool) -> tuple[float, float]:
    r"""The ends of an axis that holds all values, never of length zero."""
    low, high = min(values), max(values)
    if log:
        return (low / 1.15, high * 1.15) if high > low else (low / 2, high * 2)
    if 0 <= low < 0.4 * high:
        # Close enough to zero that leaving it out would exaggerate.
        return 0.0, high
    if high > low:
        return low, high
    return low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2


def number(value: float, percent: bool) -> str:
    r"""Write an axis value briefly."""
    if percent:
        return f"{100 * value:.3g}\u00a0%"
    if abs(value) >= 10000:
        return f"{value / 1000:.4g}k" if abs(value) < 1e6 else f"{value / 1e6:.4g}M"
    return "0" if value == 0 else f"{value:.4g}"


def last_value(runs: list[list[tuple[float, float]]], percent: bool) -> Markup:
    r"""The last drawn value of a series, for the legend."""
    if not runs:
        return Markup("")
    return Markup(" <b>{}</b>").format(number(float(f"{runs[-1][-1][1]:.3g}"), percent))


def describe(
    title: str, drawn: Sequence[tuple[str, str, list[list[tuple[float, float]]]]], percent: bool
) -> str:
    r"""Say in words what a plot shows: from where to where each series goes."""
    parts = [
        f"{name} from {number(runs[0][0][1], percent)} to {number(runs[-1][-1][1], percent)}"
        for name, _, runs in drawn
        if runs
    ]
    return f"{title}: {'; '.join(parts)}"
