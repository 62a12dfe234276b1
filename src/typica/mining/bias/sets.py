"""The elements and pictures of one label as arrays, and fair parts of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .mined import MinedSet

__all__ = ["LabelSet", "draw_pictures", "label_pictures", "label_set"]


@dataclass(frozen=True)
class LabelSet:
    """What was mined of one label.

    Arguments:
        features: Of its typical elements, the most typical first, `(E, D)`.
        picture: Of every element, from 0, `(E,)`.
        cluster: Of every element among those of its own set, `(E,)`.
        row: Of every element in the table, `(E,)`.
        pictures: How many there are, those without an element included.
        vectors: Of whole pictures, by the name of the features, each `(pictures, D')`.
    """

    features: NDArray[np.float32]
    picture: NDArray[np.int64]
    cluster: NDArray[np.int64]
    row: NDArray[np.int64]
    pictures: int
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def of(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of the elements that some pictures have, ascending."""
        return np.flatnonzero(np.isin(self.picture, chosen))


def label_pictures(mined: MinedSet, label: str) -> list[str]:
    """The ids of a label's pictures, in the order of the collection: picture i is the i-th."""
    return [one.id for one in mined.collection if label in one.labels]


def label_set(
    mined: MinedSet, label: str, vectors: Mapping[str, NDArray[np.float32]] | None = None
) -> LabelSet:
    """The typical elements of one label.

    Arguments:
        mined: A set.
        label: Which label.
        vectors: Of its pictures, if they are known.
    """
    names = label_pictures(mined, label)
    places = {name: place for place, name in enumerate(names)}
    rows = mined.table.rows(label, "typical")
    return LabelSet(
        mined.features[rows],
        np.array([places[name] for name in mined.table.picture[rows].tolist()], dtype=np.int64),
        mined.table.cluster[rows].astype(np.int64),
        rows,
        len(names),
        vectors or {},
    )


def draw_pictures(
    real: int, sampled: int, seed: int, label: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Which pictures of a label are compared.

    Both sets are cut to the number of the smaller one. Of the real pictures, up to as many again
    are drawn: the other half that calibrates what chance and the method alone bring about.

    Arguments:
        real: Number of real pictures.
        sampled: Number of samples.
        seed: Of the draw.
        label: Number of the label.

    Returns:
        Real pictures in random order (the first n are compared), the n samples, and n.
    """
    number = min(real, sampled)
    draws = np.random.default_rng([seed, label, 1])
    pool = draws.permutation(real)[: 2 * number]
    return pool, np.sort(draws.permutation(sampled)[:number]), number
