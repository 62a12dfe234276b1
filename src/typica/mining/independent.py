"""A check of mined elements with eyes that took no part in mining them.

If an element is typical of its label, then patches of other pictures that look like it should
carry its label more often than chance. What looks alike is decided by gradients and colours
(`appearance`), which neither typicality nor its model has seen. The same is measured for the
random and the least typical elements, which say how easy the collection is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..configs import require
from ..errors import DataError, RunError
from ..images.loading import load_pixels
from ..images.picture import Picture, PictureCollection
from ..images.sizes import working_size
from .appearance import SIDE, crop, gradients, thumbnails
from .intervals import Estimate, grouped_sums, mean_of_labels
from .table import KINDS, ElementsTable, Kind

__all__ = [
    "Agreement",
    "AgreementOptions",
    "LabelAgreement",
    "Places",
    "cut_patches",
    "descriptors",
    "label_agreement",
    "neighbour_shares",
    "random_places",
]

_BLOCK = 512  # elements whose distances to the whole pool are in memory at a time


@dataclass(frozen=True)
class AgreementOptions:
    """How the check is made."""

    neighbours: int = 50
    """Nearest patches of other pictures that are asked."""
    pool: int = 600
    """Random patches of every label that neighbours are sought among."""
    elements: int = 300
    """At most this many elements of a label and kind, those of the first ranks."""
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.neighbours >= 1, "neighbours: at least 1")
        require(self.pool >= 1, "pool: at least 1")
        require(self.elements >= 1, "elements: at least 1")


@dataclass(frozen=True)
class LabelAgreement:
    """Elements of one kind, of one label or of all.

    Arguments:
        label: Its name.
        kind: Typical, random or least typical.
        elements: How many were asked about.
        share: Of the neighbours that carry the element's label: mean, interval over pictures.
        chance: What random neighbours would give.
    """

    label: str
    kind: Kind
    elements: int
    share: Estimate
    chance: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "label": self.label,
            "kind": self.kind,
            "elements": self.elements,
            "share": self.share.as_dict(),
            "chance": round(self.chance, 5),
        }


@dataclass(frozen=True)
class Agreement:
    """The check of a table.

    Arguments:
        labels: Every label and kind that has elements.
        overall: Of each kind the mean over labels, each counting the same.
        pool: Patches in the pool.
        skipped: What could not be decoded.
    """

    labels: tuple[LabelAgreement, ...]
    overall: tuple[LabelAgreement, ...]
    pool: int
    skipped: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "pool": self.pool,
            "overall": [one.as_dict() for one in self.overall],
            "labels": [one.as_dict() for one in self.labels],
            "skipped": list(self.skipped),
        }


@dataclass(frozen=True)
class Places:
    """Patches to look at, as columns of equal length: ids of pictures, squares in them."""

    picture: NDArray[np.object_]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    side: NDArray[np.int64]


def descriptors(
    patches: NDArray[np.uint8], pool: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Descriptors of patches and of a pool, gradients and colours counting the same over it.

    Arguments:
        patches: `(N, SIDE, SIDE, 3)`.
        pool: `(P, SIDE, SIDE, 3)`.

    Returns:
        `(N, 516)` and `(P, 516)`: each of the two parts has a total variance of 1 in the pool.
    """
    ours: list[NDArray[np.float32]] = []
    theirs: list[NDArray[np.float32]] = []
    for part in (_lightness_gradients, thumbnails):
        own, other = _in_blocks(part, patches), _in_blocks(part, pool)
        centre = other.mean(0)
        scale = float(np.sqrt(np.square(other - centre).sum(1).mean())) or 1.0
        ours.append((own - centre) / np.float32(scale))
        theirs.append((other - centre) / np.float32(scale))
    return np.concatenate(ours, 1), np.concatenate(theirs, 1)


def _lightness_gradients(patches: NDArray[np.uint8]) -> NDArray[np.float32]:
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32) / np.float32(255)
    return gradients(patches.astype(np.float32) @ weights)


def _in_blocks(
    compute: Callable[[NDArray[np.uint8]], NDArray[np.float32]], patches: NDArray[np.uint8]
) -> NDArray[np.float32]:
    starts = range(0, max(1, len(patches)), _BLOCK)
    return np.concatenate([compute(patches[i : i + _BLOCK]) for i in starts])


def neighbour_shares(
    features: NDArray[np.float32],
    picture: NDArray[np.int64],
    label: NDArray[np.int64],
    pool_features: NDArray[np.float32],
    pool_picture: NDArray[np.int64],
    pool_label: NDArray[np.generic],
    neighbours: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of every element, the share of its nearest patches of other pictures with its label.

    Arguments:
        features: Of the elements, `(N, D)`.
        picture: Their pictures as numbers, `(N,)`.
        label: Their labels as numbers, `(N,)`.
        pool_features: Of the pool, `(P, D)`.
        pool_picture: `(P,)`.
        pool_label: `(P,)`; or where pictures may have several labels, which of all labels each
            patch's picture has, `(P, L)`, bool.
        neighbours: How many are asked; all, where there are fewer.

    Returns:
        The shares, and what random neighbours would give, both `(N,)`; NaN where the pool has
        no patch of another picture.
    """
    shares, chances = np.full((2, len(features)), np.nan)
    lengths = np.square(pool_features).sum(1)
    for start in range(0, len(features), _BLOCK):
        block = slice(start, start + _BLOCK)
        # squared distances, less each element's own squared length, which changes no order
        distances = lengths - 2 * (features[block] @ pool_features.T)
        other = picture[block, None] != pool_picture
        if pool_label.ndim == 1:
            same = pool_label == label[block, None]
        else:
            same = pool_label[:, label[block]].T.astype(bool)
        distances[~other] = np.inf
        counts = other.sum(1)
        for i in range(len(distances)):
            asked = min(neighbours, int(counts[i]))
            if asked:
                nearest = np.argpartition(distances[i], asked - 1)[:asked]
                shares[start + i] = same[i, nearest].mean()
                chances[start + i] = (same[i] & other[i]).sum() / counts[i]
    return shares, chances


def label_agreement(
    table: ElementsTable,
    collection: PictureCollection,
    size: int,
    factor: int,
    options: AgreementOptions | None = None,
    *,
    progress: bool = True,
) -> Agreement:
    """Ask independent descriptors whether the elements of a label look like that label.

    Arguments:
        table: The elements.
        collection: The pictures they are from.
        size: Short side of the working size, as they were mined at.
        factor: Pixels per latent cell.
        options: How the check is made.
        progress: Show progress on standard error.

    Raises:
        RunError: If the table is empty or names a picture that the collection has not.
    """
    options = options or AgreementOptions()
    pictures = {picture.id: picture for picture in collection}
    rows = _chosen(table, options.elements)
    unknown = next((name for name in table.picture[rows] if name not in pictures), None)
    if not len(rows) or unknown is not None:
        what = f"names {unknown!r}, which is not in the collection" if unknown else "is empty"
        raise RunError(f"the elements table {what}. Give the data that was mined.")
    ours = Places(
        table.picture[rows],
        table.work_x[rows].astype(np.int64),
        table.work_y[rows].astype(np.int64),
        table.side[rows].astype(np.int64),
    )
    sides = np.unique(ours.side)
    theirs = random_places(collection, sides, size, factor, options)
    patches, good, skipped = cut_patches((ours, theirs), pictures, size, factor, progress)
    numbers = {label: i for i, label in enumerate(collection.labels)}
    places = {name: i for i, name in enumerate(pictures)}
    shares, chances = np.full((2, len(rows)), np.nan)
    features, pool_features = descriptors(patches[0][good[0]], patches[1][good[1]])
    shares[good[0]], chances[good[0]] = neighbour_shares(
        features,
        np.array([places[name] for name in ours.picture[good[0]]]),
        np.array([numbers[label] for label in table.label[rows][good[0]]]),
        pool_features,
        np.array([places[name] for name in theirs.picture[good[1]]]),
        np.array(
            [
                [name in pictures[place].labels for name in collection.labels]
                for place in theirs.picture[good[1]]
            ]
        ),
        options.neighbours,
    )
    labels, overall = _summary(table, rows, shares, chances, options.seed)
    return Agreement(labels, overall, int(good[1].sum()), skipped)


def _chosen(table: ElementsTable, most: int) -> NDArray[np.int64]:
    """Rows of the first ranks of every label and kind."""
    parts = [
        table.rows(label, kind)[:most] for label in table.labels for kind in KINDS
    ]  # rows of a label and kind are in the order of their ranks
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def random_places(
    collection: PictureCollection,
    sides: NDArray[np.int64],
    size: int,
    factor: int,
    options: AgreementOptions,
) -> Places:
    """Random squares, as many of every label, spread over its pictures, in random order.

    The order matters where distances are equal, as among empty patches: sorted by label, the
    first label would win.

    Arguments:
        collection: The pictures.
        sides: Drawn from, in pixels of the working size.
        size: Short side of the working size.
        factor: Pixels per latent cell.
        options: `pool` of every label, from `seed`.
    """
    found: list[tuple[str, int, int, int]] = []
    for number, label in enumerate(collection.labels):
        draws = np.random.default_rng([options.seed, number])
        own = [picture for picture in collection if label in picture.labels]
        order = draws.permutation(len(own))
        for i in range(options.pool):
            picture = own[order[i % len(own)]]
            width, height = working_size(picture.width, picture.height, size, factor)
            side = min(int(draws.choice(sides)), width, height)
            x, y = int(draws.integers(width - side + 1)), int(draws.integers(height - side + 1))
            found.append((picture.id, x, y, side))
    mixed = np.random.default_rng([options.seed, len(collection.labels)])
    found = [found[i] for i in mixed.permutation(len(found))]
    names, *numbers = zip(*found, strict=True)
    columns = [np.array(column, dtype=np.int64) for column in numbers]
    return Places(np.array(names, dtype=object), *columns)


def cut_patches(
    places: Sequence[Places],
    pictures: dict[str, Picture],
    size: int,
    factor: int,
    progress: bool,
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]], tuple[str, ...]]:
    """The pixels of all places, every picture decoded once.

    Arguments:
        places: Any number of sets of them.
        pictures: By id.
        size: Short side of the working size, that the places are in.
        factor: Pixels per latent cell.
        progress: Show a bar on standard error.

    Returns:
        Of every set the patches, `(N, SIDE, SIDE, 3)`, and which of them are good, `(N,)`; and
        what could not be decoded.

    Raises:
        DataError: If of a set nothing could be decoded.
    """
    patches = [np.zeros((len(p.picture), SIDE, SIDE, 3), dtype=np.uint8) for p in places]
    good = [np.ones(len(p.picture), dtype=bool) for p in places]
    wanted: dict[str, list[tuple[int, int]]] = {}
    for which, part in enumerate(places):
        for i, name in enumerate(part.picture):
            wanted.setdefault(name, []).append((which, i))
    skipped = []
    for name in tqdm(sorted(wanted), desc="looking", unit="picture", disable=not progress):
        try:
            pixels = load_pixels(pictures[name], size, factor)
        except DataError as error:
            skipped.append(str(error))
            for which, i in wanted[name]:
                good[which][i] = False
            continue
        for which, i in wanted[name]:
            part = places[which]
            patches[which][i] = crop(pixels, int(part.x[i]), int(part.y[i]), int(part.side[i]))
    if not all(flags.any() for flags in good):
        raise DataError(f"no picture could be decoded. The first: {skipped[0]}")
    return patches, good, tuple(skipped)


def _summary(
    table: ElementsTable,
    rows: NDArray[np.int64],
    shares: NDArray[np.float64],
    chances: NDArray[np.float64],
    seed: int,
) -> tuple[tuple[LabelAgreement, ...], tuple[LabelAgreement, ...]]:
    """Means of every label and kind, and of every kind over the labels."""
    single: list[LabelAgreement] = []
    overall: list[LabelAgreement] = []
    for kind in KINDS:
        sums, means = [], []
        for label in table.labels:
            own = (table.label[rows] == label) & (table.kind[rows] == kind) & np.isfinite(shares)
            if not own.any():
                continue
            sums.append(grouped_sums(shares[own], table.picture[rows][own].tolist()))
            estimate = mean_of_labels(sums[-1:], seed)
            means.append(
                LabelAgreement(label, kind, int(own.sum()), estimate, float(chances[own].mean()))
            )
        single += means
        if means:
            chance = float(np.mean([one.chance for one in means]))
            total = sum(one.elements for one in means)
            name = "mean over labels"
            overall.append(LabelAgreement(name, kind, total, mean_of_labels(sums, seed), chance))
    return tuple(sorted(single, key=lambda one: one.label)), tuple(overall)
