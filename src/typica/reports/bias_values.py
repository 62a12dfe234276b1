r"""What the page of sampling bias shows, in plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .run_values import RunReport

__all__ = [
    "BiasReport",
    "Cell",
    "Curve",
    "LabelPage",
    "RealCluster",
    "Summary",
    "SummaryCluster",
    "Whiskers",
]


class Whiskers(NamedTuple):
    r"""A number with the ends of its interval; None where there is none."""

    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Curve:
    r"""Measures over the strengths of guidance.

    Arguments:
        title: What stands above it.
        unit: Of the vertical axis, and which way is good.
        lines: Of every measure its name, what real pictures give, and a value per strength.
    """

    title: str
    unit: str
    lines: tuple[tuple[str, Whiskers, tuple[Whiskers, ...]], ...]


@dataclass(frozen=True)
class SummaryCluster:
    r"""A cluster in a summary: its size, median typicality and nearest patches as WebP."""

    size: int
    median: float
    members: tuple[bytes, ...]


@dataclass(frozen=True)
class Summary:
    r"""What was mined of one set: some whole pictures, and its clusters in rank order."""

    title: str
    pictures: tuple[bytes, ...]
    clusters: tuple[SummaryCluster, ...]


@dataclass(frozen=True)
class Cell:
    r"""A real cluster in the samples of one strength.

    Arguments:
        share: Of the samples' elements.
        log_ratio: log2 of sampled over real share.
        p: Corrected for the number of clusters.
        verdict: `over`, `under` or empty.
        members: The nearest sampled patches, as WebP.
    """

    share: float
    log_ratio: Whiskers
    p: float
    verdict: str
    members: tuple[bytes, ...]


@dataclass(frozen=True)
class RealCluster:
    r"""A real cluster: its rank, its share of real elements, its patches; a cell per strength."""

    rank: int
    share: float
    members: tuple[bytes, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class LabelPage:
    r"""One label.

    Arguments:
        name: Of the label.
        prompt: Its sentence.
        pictures: In each set that was compared.
        total: Real clusters, also those that are not shown.
        summaries: The real one, then one per strength.
        clusters: Real clusters, the surest differences first.
        variations: Of every strength the total variation distance and its p.
        chance: What halves of the real set differ by; None if that was not measured.
        alarms: Share of those halves where some cluster was called; None likewise.
    """

    name: str
    prompt: str
    pictures: int
    total: int
    summaries: tuple[Summary, ...]
    clusters: tuple[RealCluster, ...]
    variations: tuple[tuple[float, float], ...]
    chance: float | None
    alarms: float | None


@dataclass(frozen=True, kw_only=True)
class BiasReport(RunReport):
    r"""The page.

    Arguments:
        title: Of the data.
        strengths: How the strengths of guidance are called.
        labels: In the order of the run.
        curves: Means over labels.
        pictures: In each set, of the label with the fewest.
        halves: In each half of the real set.
        splits: How often it was halved.
        called: Of every strength, clusters that are over- or under-represented, and all.
        alarms: Share of halvings in which some cluster of a label was called.
        level: Of significance.
        null_prompt: The sentence of no label.
        sampler: How was sampled.
    """

    title: str
    strengths: tuple[str, ...]
    labels: tuple[LabelPage, ...]
    curves: tuple[Curve, ...]
    pictures: int
    halves: int
    splits: int
    called: tuple[tuple[int, int], ...]
    alarms: float
    level: float
    null_prompt: str
    sampler: str
