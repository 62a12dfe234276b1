r"""The values that the report of a mining run shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..values import Box
from .plots import Panel
from .run_values import RunReport

__all__ = [
    "ClusterCard",
    "ElementCard",
    "HeatMap",
    "LabelCard",
    "LabelResult",
    "MiningReport",
    "ModelCard",
    "PictureCard",
]


@dataclass(frozen=True)
class HeatMap:
    r"""The typicality of one picture by one model, coarse enough for a page.

    Arguments:
        rows: Cells from top to bottom.
        columns: Cells from left to right.
        unit: Typicality of one step of `cells`.
        cells: `rows x columns` signed bytes, row by row; typicality = `unit` x byte.
    """

    rows: int
    columns: int
    unit: float
    cells: bytes

    def __post_init__(self) -> None:
        if len(self.cells) != self.rows * self.columns:
            raise ValueError(f"{self.rows} x {self.columns} cells in {len(self.cells)} bytes")


@dataclass(frozen=True)
class PictureCard:
    r"""One whole picture, reduced.

    Arguments:
        id: Its id in the collection.
        width: Of the original, in pixels.
        height: Of the original, in pixels.
        image: WebP; empty if the picture cannot be found or read any more.
        maps: By the name of the model, its typicality for the label of the card it is in.
    """

    id: str
    width: int
    height: int
    image: bytes
    maps: Mapping[str, HeatMap] = field(default_factory=dict)


@dataclass(frozen=True)
class ElementCard:
    r"""One element: a patch of a picture.

    Arguments:
        row: Its row in the elements table, which names it on the page.
        picture: Index in `LabelCard.pictures`.
        box: Where it is, in pixels of the original.
        kind: `typical`, `random` or `least`.
        rank: From 0, within its label and kind.
        typicality: T(x|c), mean over the patch.
        error: Its standard error.
        distance: To the centroid of its cluster; None without a cluster.
        border: True if it touches the edge of the picture.
        flat: True if it has hardly any contrast.
        thumbnail: WebP; empty if the picture cannot be read any more.
    """

    row: int
    picture: int
    box: Box
    kind: str
    rank: int
    typicality: float
    error: float
    distance: float | None = None
    border: bool = False
    flat: bool = False
    thumbnail: bytes = b""


@dataclass(frozen=True)
class ClusterCard:
    r"""One cluster of a label.

    Arguments:
        rank: From 0, by median typicality.
        size: How many elements it has.
        median: Median typicality of its elements.
        error: Standard error of the median; None if unknown.
        stability: How well it is found again from other seeds, 0 to 1; None if not measured.
        members: Rows of the elements that are shown, the nearest to the centroid first.
        merged: How many clusters of k-means it was merged from.
        border_share: Share of its elements that touch the edge of their picture.
        flat_share: Share of its elements that have hardly any contrast.
        border_expected: The share at the edge among the least typical elements of the label, which
            is what it would be without any frame.
    """

    rank: int
    size: int
    median: float
    error: float | None
    stability: float | None
    members: tuple[int, ...]
    merged: int = 1
    border_share: float = 0.0
    flat_share: float = 0.0
    border_expected: float = 0.0


@dataclass(frozen=True)
class LabelResult:
    r"""What one model found for one label.

    Arguments:
        elements: By row, all elements that are shown anywhere.
        clusters: In the order of their ranks.
        typical: Rows of the most typical elements, the first first.
        random: Rows of random elements.
        least: Rows of the least typical elements, the least first.
        total: How many typical elements the label has, shown or not.
        hidden_clusters: Clusters that the page leaves out.
    """

    elements: Mapping[int, ElementCard]
    clusters: tuple[ClusterCard, ...]
    typical: tuple[int, ...] = ()
    random: tuple[int, ...] = ()
    least: tuple[int, ...] = ()
    total: int = 0
    hidden_clusters: int = 0


@dataclass(frozen=True)
class LabelCard:
    r"""One label: its name, the sentence it is told with, its pictures, and every model's result.

    Arguments:
        name: The label.
        prompt: What the model is told.
        count: How many pictures have it; None if unknown.
        pictures: Those that are shown.
        results: By the name of the model.
    """

    name: str
    prompt: str
    count: int | None
    pictures: tuple[PictureCard, ...]
    results: Mapping[str, LabelResult]


@dataclass(frozen=True)
class ModelCard:
    r"""One model that scored the pictures.

    Arguments:
        name: `finetuned` or `base`.
        title: What the reader calls it.
        patch_scale: Typicality of a patch at which the colours of the heat-map end.
        cell_scale: The same for single cells, which scatter more.
    """

    name: str
    title: str
    patch_scale: float
    cell_scale: float


@dataclass(frozen=True)
class MiningReport(RunReport):
    r"""All that the page of a mining run shows, beside what any run tells of itself.

    Arguments:
        title: The name of the collection.
        labels: In the order to be shown.
        models: Those that scored, the most trained first.
        colours: Red, green, blue of the heat-map, from most negative to most positive, evenly
            spaced, zero in the middle.
        pictures: How many pictures were scored.
        elements: How many typical elements there are, by the name of the model.
        draws: Noise draws per picture.
        fewest: Of the pictures that got fewest, where draws are given by need.
        base: The model that it started from.
        null_prompt: The sentence without a label.
        panels: Plots of the training.
        samples: (caption, WebP) of pictures that the model drew during the training.
        lead: What the page is of, in a sentence; empty for what is typical of each label.
        reading: What a reader must know beside what typicality is; empty for nothing.
    """

    title: str
    labels: tuple[LabelCard, ...]
    models: tuple[ModelCard, ...]
    colours: tuple[tuple[int, int, int], ...]
    pictures: int = 0
    elements: Mapping[str, int] = field(default_factory=dict)
    draws: int = 0
    fewest: int | None = None
    base: str = ""
    null_prompt: str = ""
    panels: tuple[Panel, ...] = ()
    samples: tuple[tuple[str, bytes], ...] = ()
    lead: str = ""
    reading: str = ""
