"""How much of a run fits into one page, and the small pictures that it is shown with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import DataError
from ..images.loading import load_pixels
from ..images.picture import Picture
from ..values import Box, Problem, as_problem
from .clustering import Cluster
from .folder import ModelName
from .overlays import crop, encode_webp, quantised, reduced_map, reduced_picture
from .table import ElementsTable, Kind

__all__ = ["DETAILS", "Detail", "Selection", "Shot", "choose_detail", "photograph", "select"]

BUDGET = 13_000_000
"""Bytes that a page may have, as estimated beforehand; the estimate is good to a tenth."""
SAMPLE = 16
"""Pictures that the estimate is made from."""
ELEMENT_BYTES, PICTURE_BYTES = 130, 140
"""Of an element or a picture on a page, apart from its pixels."""


@dataclass(frozen=True)
class Detail:
    """How much is shown, and how finely.

    Arguments:
        clusters: At most so many of a label.
        members: At most so many of a cluster.
        strip: Most typical, random and least typical elements of a label, so many of each.
        thumbnail: Side of a patch, in pixels.
        thumbnail_quality: Of its WebP, 0 to 100.
        picture: Longer side of a whole picture, in pixels.
        picture_quality: Of its WebP.
        cells: Longer side of a heat-map, in cells.
    """

    clusters: int
    members: int
    strip: int
    thumbnail: int
    thumbnail_quality: int
    picture: int
    picture_quality: int
    cells: int


DETAILS: tuple[Detail, ...] = (
    Detail(64, 20, 24, 112, 78, 512, 76, 48),
    Detail(64, 20, 20, 104, 74, 448, 72, 48),
    Detail(64, 16, 20, 96, 70, 384, 68, 40),
    Detail(64, 12, 16, 88, 66, 320, 62, 32),
    Detail(48, 10, 14, 80, 62, 256, 56, 28),
    Detail(40, 8, 12, 72, 56, 208, 50, 24),
    Detail(32, 6, 10, 72, 50, 176, 44, 20),
    Detail(32, 6, 10, 64, 44, 144, 40, 16),
    Detail(24, 6, 8, 64, 40, 128, 36, 16),
    Detail(16, 6, 8, 56, 38, 112, 32, 14),
    Detail(10, 6, 6, 56, 36, 96, 30, 12),
    Detail(6, 6, 6, 48, 32, 80, 26, 10),
)
"""From most to least; the first that fits is taken."""


@dataclass(frozen=True)
class Selection:
    """Rows of one label's elements table that are shown.

    Arguments:
        clusters: Of every shown cluster, its members.
        typical: The most typical.
        random: Random ones.
        least: The least typical.
    """

    clusters: tuple[tuple[int, ...], ...]
    typical: tuple[int, ...]
    random: tuple[int, ...]
    least: tuple[int, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """All of them, each once, ascending."""
        lists = (*self.clusters, self.typical, self.random, self.least)
        return tuple(sorted({row for rows in lists for row in rows}))


@dataclass(frozen=True)
class Shot:
    """The small pictures of one picture: itself and some of its patches, as WebP.

    Arguments:
        image: The whole; empty if it cannot be read.
        patches: By box (left, top, right, bottom in pixels of the original).
    """

    image: bytes
    patches: Mapping[Box, bytes]


def select(
    table: ElementsTable, label: str, clusters: Sequence[Cluster], detail: Detail
) -> Selection:
    """Choose what is shown of one label.

    Arguments:
        table: The elements.
        label: Which label.
        clusters: Its clusters, in rank order.
        detail: How much.
    """

    def first(kind: Kind) -> tuple[int, ...]:
        return tuple(table.rows(label, kind)[: detail.strip].tolist())

    return Selection(
        tuple(one.members[: detail.members] for one in clusters[: detail.clusters]),
        first("typical"),
        first("random"),
        first("least"),
    )


def photograph(
    picture: Picture, boxes: Sequence[Box], detail: Detail
) -> tuple[Shot, Problem | None]:
    """Make the small pictures of one picture.

    Arguments:
        picture: Which one.
        boxes: Its patches, in pixels of the original.
        detail: How finely.

    Returns:
        The pictures, and what is wrong if they could not be made.
    """
    narrow, long = sorted((picture.width, picture.height))
    smallest = min((max(box.width, box.height) for box in boxes), default=float(long))
    # Just large enough for the whole and for the smallest patch; never larger than the original.
    share = min(1.0, max(detail.picture / long, detail.thumbnail / max(smallest, 1.0)))
    try:
        pixels = load_pixels(picture, max(1, round(narrow * share)), 1)
    except DataError as error:
        return Shot(b"", {}), replace(as_problem(picture.path, error), fatal=False)
    except OSError as error:
        problem = Problem(
            picture.path, error.strerror or str(error), "Put the picture back", fatal=False
        )
        return Shot(b"", {}), problem
    patches = {
        box: encode_webp(
            crop(pixels, box, picture.width, picture.height, detail.thumbnail),
            detail.thumbnail_quality,
        )
        for box in dict.fromkeys(boxes)  # both models can have found the same
    }
    whole = reduced_picture(pixels, detail.picture)
    return Shot(encode_webp(whole, detail.picture_quality), patches), None


def small_map(
    values: NDArray[np.floating], detail: Detail
) -> tuple[NDArray[np.float64], NDArray[np.int8], float]:
    """A heat-map for the page: its values, the same as bytes, and the value of one step."""
    small = reduced_map(values, detail.cells)
    cells, unit = quantised(small)
    return small, cells, unit


def choose_detail(
    tables: Mapping[ModelName, ElementsTable],
    clusters: Mapping[ModelName, Mapping[str, Sequence[Cluster]]],
    labels: Sequence[str],
    pictures: Mapping[str, Picture],
    budget: int = BUDGET,
    show_progress: bool = True,
) -> Detail:
    """The finest detail with which the page is expected to stay within a number of bytes.

    Arguments:
        tables: The elements, by model.
        clusters: By model and label.
        labels: That are shown.
        pictures: By id; those that are missing take no room.
        budget: Bytes of the page.
        show_progress: Show a bar on standard error.

    Returns:
        One of `DETAILS`; the last if none fits.
    """
    for detail in tqdm(DETAILS, "fitting the page", disable=not show_progress, leave=False):
        if expected_bytes(tables, clusters, labels, pictures, detail) <= budget:
            return detail
    return DETAILS[-1]


def expected_bytes(
    tables: Mapping[ModelName, ElementsTable],
    clusters: Mapping[ModelName, Mapping[str, Sequence[Cluster]]],
    labels: Sequence[str],
    pictures: Mapping[str, Picture],
    detail: Detail,
) -> float:
    """Estimate the size of a page from a few of its pictures."""
    boxes: dict[str, list[Box]] = {}
    count = 0
    for name, table in tables.items():
        for label in labels:
            for row in select(table, label, clusters[name].get(label, ()), detail).rows:
                boxes.setdefault(str(table.picture[row]), []).append(table.box(row))
                count += 1
    there = sorted(set(boxes) & set(pictures))
    chosen = [there[i * len(there) // SAMPLE] for i in range(SAMPLE)] if there else []
    sample = sorted(set(chosen))
    shots = [photograph(pictures[id], boxes[id][:2], detail)[0] for id in sample]
    thumbs = [len(patch) for shot in shots for patch in shot.patches.values()]
    wholes = [len(shot.image) for shot in shots]
    maps = len(tables) * detail.cells**2
    pixels = count * float(np.mean(thumbs or [0])) + len(there) * (
        float(np.mean(wholes or [0])) + maps
    )
    return 4 / 3 * pixels + count * ELEMENT_BYTES + len(boxes) * PICTURE_BYTES
