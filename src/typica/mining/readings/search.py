"""Search by example: the elements whose features are nearest to those of a patch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...configs import require
from ...values import Box
from ..intervals import Estimate
from ..table import Kind
from .proportions import wilson

__all__ = ["LabelCount", "Query", "label_counts", "nearest", "parse_box"]


@dataclass(frozen=True)
class Query:
    """What is looked for, and among what.

    Arguments:
        row: Row of the elements table to start from; or
        picture: id of a picture of the collection, or a picture file.
        box: Part of the picture as `x,y,w,h`; None for the whole.
        label: Told to the model about a picture from elsewhere; None tells it nothing.
        kind: Among which elements; None for all.
        count: So many are found.
        other_pictures: Without elements of the same picture.
        blind: By features that were made without telling the model any label.
    """

    row: int | None = None
    picture: str | None = None
    box: str | None = None
    label: str | None = None
    kind: Kind | None = None
    count: int = 60
    other_pictures: bool = False
    blind: bool = False

    def __post_init__(self) -> None:
        require(
            (self.row is None) != (self.picture is None), "give either --row or --picture, not both"
        )
        require(self.box is None or self.picture is not None, "--box: needs --picture")
        require(self.count >= 1, f"--count {self.count}: at least 1")


@dataclass(frozen=True)
class LabelCount:
    """A label among what was found.

    Arguments:
        label: Its name.
        count: How many elements have it.
        share: Of those found, with its interval; neighbours of one picture are not independent,
            so it is rather too narrow.
        expected: Its share of all elements looked among.
    """

    label: str
    count: int
    share: Estimate
    expected: float


def parse_box(text: str, width: int, height: int) -> Box:
    """A box in pixels of a picture.

    Arguments:
        text: `x,y,w,h`.
        width: Of the picture.
        height: Of the picture.

    Raises:
        ConfigError: If it is no box, or not inside the picture.
    """
    parts = text.split(",")
    try:
        x, y, w, h = (float(part) for part in parts)
    except ValueError:
        x = y = w = h = np.nan
    inside = x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= width and y + h <= height
    require(
        bool(inside),
        f"--box {text}: write x,y,w,h in pixels, inside the {width} x {height} picture",
    )
    return Box(x, y, x + w, y + h)


def nearest(
    features: NDArray[np.float32],
    query: NDArray[np.float32],
    among: NDArray[np.int64],
    count: int,
    itself: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The rows with the greatest cosine to a query, the nearest first.

    Of equals (to six digits: two patches of a picture can cover the same cells) the example itself
    comes first, then the first row.

    Arguments:
        features: `(N, D)`, of unit length.
        query: `(D,)`, of unit length.
        among: Rows to look among.
        count: So many at most.
        itself: Row of the example, if it is one.

    Returns:
        Rows, and their cosines.
    """
    cosines = features[among] @ query
    another = among != (-1 if itself is None else itself)
    order = np.lexsort((among, another, -np.round(cosines, 6)))[:count]
    return among[order], cosines[order].astype(np.float32)


def label_counts(found: Sequence[str], among: Sequence[str]) -> tuple[LabelCount, ...]:
    """How often every label occurs among what was found, the most frequent first.

    Arguments:
        found: Label of every element found.
        among: Label of every element looked among.
    """
    hits, base = Counter(found), Counter(among)
    counts = [
        LabelCount(label, hits[label], wilson(hits[label], len(found)), base[label] / len(among))
        for label in sorted(base)
    ]
    return tuple(sorted(counts, key=lambda one: (-one.count, one.label)))
