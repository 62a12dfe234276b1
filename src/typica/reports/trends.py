r"""The page of trends, what translations add and remove: it only lays out what comes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from .page import data_uri, render_page, write_page
from .plots import number, ticks
from .run_values import RunReport, run_views

__all__ = ["TrendBar", "TrendExample", "TrendLabel", "TrendsReport", "bar_plot", "write_trends"]


@dataclass(frozen=True)
class TrendBar:
    r"""A change of one class.

    Arguments:
        name: The class.
        swatch: Its colour as `#rrggbb`; empty if it is none.
        mean: Difference of shares.
        low: Of its interval; None where there is none.
        high: Likewise.
        stands: Whether it differs from 0 with all comparisons taken together.
    """

    name: str
    swatch: str
    mean: float
    low: float | None
    high: float | None
    stands: bool


@dataclass(frozen=True)
class TrendExample:
    r"""A source picture and its translation, WebP, and the change of a class between them."""

    picture: str
    before: bytes
    after: bytes
    change: float


@dataclass(frozen=True)
class TrendLabel:
    r"""One target label.

    Arguments:
        name: Of it.
        pictures: Source pictures.
        source: Changes against the source, in the order drawn.
        others: Against the mean of the other targets.
        shown: The class that the examples are of; empty without examples.
        swatch: Its colour, if it is one.
        examples: Pictures in which it changes most.
    """

    name: str
    pictures: int
    source: tuple[TrendBar, ...]
    others: tuple[TrendBar, ...]
    shown: str
    swatch: str
    examples: tuple[TrendExample, ...]


@dataclass(frozen=True, kw_only=True)
class TrendsReport(RunReport):
    r"""What the page shows.

    Arguments:
        title: Name of the collection.
        segmenter: In words.
        colours: Whether classes are colours, not things.
        labels: By name.
        pictures: Source pictures.
        classes: Number of classes.
        left_out: How many classes of each label are not drawn, at most.
        comparisons: Against the source, in all.
        standing: Of them, those that differ from 0 with all taken together.
        factor: Standard errors that this takes.
        fewest: Source pictures below which nothing is said to stand.
        drift: Largest mean change of a class from the source to its reconstruction.
        model: That translated, in words.
    """

    title: str
    segmenter: str
    colours: bool
    labels: tuple[TrendLabel, ...]
    pictures: int
    classes: int
    left_out: int
    comparisons: int
    standing: int
    factor: float
    fewest: int
    drift: float
    model: str


def bar_plot(bars: Sequence[TrendBar], ends: tuple[float, float], title: str) -> Markup:
    r"""Changes as bars to the left and right of 0, with their intervals as whiskers.

    Arguments:
        bars: From top to bottom.
        ends: Of the axis, so that the plots of a page agree; 0 is within.
        title: What is drawn, for those who cannot see it.

    Returns:
        One `<svg>` element, all names escaped. A bar that stands is filled, another hollow.
    """
    left, right, line, top, width = 168, 14, 23, 6, 540
    height = top + line * len(bars) + 30
    low, high = ends
    scale = (width - left - right) / (high - low)

    def place(value: float) -> float:
        return left + (min(max(value, low), high) - low) * scale

    floor = top + line * len(bars) + 4
    parts = [
        Markup(
            '<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
            '<text class="tick" x="{0:.1f}" y="{3}" text-anchor="middle">{4}</text>'
        ).format(place(v), top, floor, floor + 17, ("+" if v > 0 else "") + number(v, True))
        for v in ticks(low, high, most=5)
    ]
    told = []
    for k, one in enumerate(bars):
        middle = top + line * (k + 0.5)
        start, end = sorted((place(0), place(one.mean)))
        name = one.name if len(one.name) <= 22 else one.name[:21] + "…"
        swatch = Markup("")
        if one.swatch:
            swatch = Markup(
                '<rect x="{}" y="{:.1f}" width="15" height="15" rx="2" fill="{}" class="swatch"/>'
            ).format(left - 25, middle - 7.5, one.swatch)
        whisker = Markup("")
        if one.low is not None and one.high is not None:
            whisker = Markup(
                '<path class="whisker" d="M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v6M{1:.1f} '
                '{3:.1f}v6"/>'
            ).format(place(one.low), place(one.high), middle, middle - 3)
        words = f"{one.name}: {100 * one.mean:+.2f} %"
        if one.low is not None and one.high is not None:
            words += f" ({100 * one.low:+.2f} to {100 * one.high:+.2f})"
        words += ", stands" if one.stands else ""
        told.append(words)
        parts.append(
            Markup(
                '<g><text class="tick class" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>{}'
                '<rect class="change {} {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="13"/>{}'
                "<title>{}</title></g>"
            ).format(
                left - (32 if one.swatch else 8),
                middle + 4,
                name,
                swatch,
                "more" if one.mean > 0 else "less",
                "stands" if one.stands else "doubtful",
                start,
                middle - 6.5,
                max(end - start, 0.5),
                whisker,
                words,
            )
        )
    parts.append(
        Markup('<line class="axis" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>').format(
            place(0), top, floor
        )
    )
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(width, height, f"{title}: {'; '.join(told)}", Markup("").join(parts))


def write_trends(report: TrendsReport, path: Path) -> Path:
    r"""Write the page: one file, which fetches nothing.

    Arguments:
        report: What to show.
        path: The file to write, in one step.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    drawn = [bar for one in report.labels for bar in (*one.source, *one.others)]
    values = [v for bar in drawn for v in (bar.mean, bar.low, bar.high) if v is not None]
    reach = max((abs(v) for v in values), default=0.0) or 0.01
    ends = (min(0.0, *values, -0.05 * reach), max(0.0, *values, 0.05 * reach)) if values else (0, 1)
    views = {
        **run_views(report, ()),
        "webp": lambda image: data_uri("webp", image),
        "bars": lambda bars, title: bar_plot(bars, ends, title),
        "signed": lambda value: f"{100 * value:+.1f}\u00a0%".replace("-", "\u2212"),
    }
    return write_page(render_page("trends.html", views), path)
