r"""The values that the pages of further readings show: confusions, timeline, search."""

from __future__ import annotations

from dataclasses import dataclass

from .run_values import RunReport

__all__ = [
    "ConfusedPicture",
    "ConfusionsPage",
    "PairView",
    "SearchHit",
    "SearchPage",
    "StripCell",
    "StripRow",
    "TimelinePage",
]

Interval = tuple[float, float, float]
r"""A value with the ends of its 95 % interval."""


@dataclass(frozen=True)
class ConfusedPicture:
    r"""A picture that was given another label.

    Arguments:
        id: In the collection.
        gain: Typicality under the given label less that under the true one.
        image: WebP; empty if it cannot be read.
        overlay: The same under the map of that difference.
    """

    id: str
    gain: float
    image: bytes
    overlay: bytes


@dataclass(frozen=True)
class PairView:
    r"""Pictures of one label that were given another.

    Arguments:
        truth: Their label.
        given: The other.
        count: How many.
        share: Of the pictures of the label.
        settled: How many more draws would hardly change.
        pictures: Those that are shown.
    """

    truth: str
    given: str
    count: int
    share: Interval
    settled: int
    pictures: tuple[ConfusedPicture, ...]


@dataclass(frozen=True, kw_only=True)
class ConfusionsPage(RunReport):
    r"""The page of confusions.

    Arguments:
        title: Of the page.
        labels: K.
        counts: Of a true label (row) given a label (column).
        shares: The same as shares of the row, with intervals.
        splits: Name, pictures, share right with interval; the first is of all.
        chance: Of always naming the most frequent label.
        settled: Share of decisions that more draws would hardly change.
        pairs: The most confused.
        more: Pairs that are not shown.
    """

    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    shares: tuple[tuple[Interval, ...], ...]
    splits: tuple[tuple[str, int, float, float, float], ...]
    chance: float
    settled: float
    pairs: tuple[PairView, ...]
    more: int = 0


@dataclass(frozen=True)
class StripCell:
    r"""A cluster at one label.

    Arguments:
        value: Mean typicality less the level of the label; NaN if unknown.
        count: Elements of the cluster with this label.
        patches: (WebP, words) of those that are shown.
    """

    value: float
    count: int
    patches: tuple[tuple[bytes, str], ...]


@dataclass(frozen=True)
class StripRow:
    r"""A cluster along the labels.

    Arguments:
        shape: rising, falling, peaking, dipping or level.
        pictures: How many it has elements of.
        slope: Per step.
        slope_p: Corrected.
        curvature: Per step squared.
        curvature_p: Corrected.
        correlation: Of the profile with the order.
        cells: One per label.
    """

    shape: str
    pictures: int
    slope: Interval
    slope_p: float
    curvature: Interval
    curvature_p: float
    correlation: float
    cells: tuple[StripCell, ...]


@dataclass(frozen=True, kw_only=True)
class TimelinePage(RunReport):
    r"""The page of a timeline.

    Arguments:
        title: Of the page.
        labels: In order.
        counts: Clusters by shape.
        elements: How many were read.
        trending: How many of them have a slope beyond their noise.
        rows: Clusters.
        scale: Value of a cell at which the colours end.
        more: Clusters that are not shown.
    """

    title: str
    labels: tuple[str, ...]
    counts: dict[str, int]
    elements: int
    trending: int
    rows: tuple[StripRow, ...]
    scale: float
    more: int = 0


@dataclass(frozen=True)
class SearchHit:
    r"""An element that was found.

    Arguments:
        row: Of the elements table.
        picture: Id.
        label: Of the picture.
        kind: typical, random or least.
        cosine: With the example.
        typicality: Of the element.
        image: WebP; empty if the picture cannot be read.
    """

    row: int
    picture: str
    label: str
    kind: str
    cosine: float
    typicality: float
    image: bytes


@dataclass(frozen=True, kw_only=True)
class SearchPage(RunReport):
    r"""The page of a search.

    Arguments:
        title: Of the page.
        example: The picture of the example, WebP.
        box: Left, top, width, height as shares of it.
        patch: The example, cut out.
        name: Of its picture.
        told: The label the model was told; empty for none.
        among: Which elements were looked among.
        blind: True if the features know no label.
        hits: The nearest first.
        counts: Label, count, share with interval, and the share expected.
    """

    title: str
    example: bytes
    box: tuple[float, float, float, float]
    patch: bytes
    name: str
    told: str
    among: str
    blind: bool
    hits: tuple[SearchHit, ...]
    counts: tuple[tuple[str, int, float, float, float, float], ...]
