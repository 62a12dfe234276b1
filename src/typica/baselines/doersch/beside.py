"""Discriminative patches beside a mining run: the same measures of both (Fig. 4.8).

Of each label, the first clusters of both methods and the members that lead each are asked, as many
of both, and random patches of the label for comparison:

- do patches of other pictures that look alike carry the label (`mining.independent`)? Asked
  twice: of gradients and colours, which are what this baseline mines by and so favour it; and of
  raw grey values by correlation, a cruder measure that neither method uses;
- how many different pictures of the label are shown, and how many patches show a place that
  another cluster shows too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...configs import require
from ...errors import RunError
from ...images.picture import Picture, PictureCollection
from ...images.sizes import Scaling
from ...mining.appearance import raw_pixels
from ...mining.clustering import read_clusters
from ...mining.folder import MiningFolder
from ...mining.independent import (
    AgreementOptions,
    Places,
    cut_patches,
    descriptors,
    neighbour_shares,
    random_places,
)
from ...mining.intervals import Estimate, grouped_sums, mean_of_labels
from ...mining.table import read_table
from ...values import Box
from .folder import LabelClusters
from .page import member_box

__all__ = ["BesideOptions", "LabelBeside", "PatchSet", "compare", "measure", "mined_sets",
           "repeated_share"]  # fmt: skip

_SIZE = 256  # short side at which patches of both methods are looked at: rounds boxes by 0.2 %
METHODS = ("mining", "doersch", "random")
MEASURES = ("gradients and colours", "raw pixels")


@dataclass(frozen=True)
class BesideOptions:
    """How two methods are compared."""

    clusters: int = 12
    """First clusters of each label that are measured."""
    members: int = 6
    """First members of each that are measured and shown, as in the paper's figure."""
    neighbours: int = 50
    """Nearest patches of other pictures that are asked."""
    pool: int = 600
    """Random patches of every label that neighbours are sought among."""
    overlap: float = 0.3
    """Patches of different clusters show one place if they share more of their area."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("clusters", "members", "neighbours", "pool"):
            require(getattr(self, name) >= 1, f"{name}: at least 1")
        require(0 < self.overlap < 1, "overlap: between 0 and 1")


@dataclass(frozen=True)
class PatchSet:
    """Patches of one label by one method.

    Arguments:
        label: Of all of them.
        method: One of `METHODS`.
        pictures: Ids, N.
        boxes: In pixels of the original, N.
        clusters: The place of each one's cluster, from 0, N.
    """

    label: str
    method: str
    pictures: tuple[str, ...]
    boxes: tuple[Box, ...]
    clusters: tuple[int, ...]


@dataclass(frozen=True)
class LabelBeside:
    """The measures of one set.

    Arguments:
        label: Its label.
        method: Its method.
        patches: How many were measured.
        shares: By measure: of the neighbours, the share that carries the label; interval over
            pictures.
        chance: What random neighbours would give.
        by_cluster: By measure, the mean share of every cluster.
        pictures: Different pictures among them.
        repeated: Share of the patches that show a place which another cluster shows.
    """

    label: str
    method: str
    patches: int
    shares: dict[str, Estimate]
    chance: float
    by_cluster: dict[str, tuple[float, ...]]
    pictures: int
    repeated: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **asdict(self),
            "shares": {name: share.as_dict() for name, share in self.shares.items()},
            "by_cluster": {
                name: [None if np.isnan(v) else round(v, 4) for v in values]
                for name, values in self.by_cluster.items()
            },
            "chance": round(self.chance, 5),
        }


def doersch_set(found: LabelClusters, options: BesideOptions) -> PatchSet:
    """The patches that are compared of the baseline."""
    rows = [
        (member.picture, member_box(member), number)
        for number, cluster in enumerate(found.clusters[: options.clusters])
        for member in cluster.members[: options.members]
    ]
    return _set(found.label, "doersch", rows)


def mined_sets(folder: MiningFolder, label: str, options: BesideOptions) -> tuple[PatchSet, ...]:
    """The patches that are compared of a mining run, and as many random ones of the label.

    Arguments:
        folder: Of the mining run; its first model that has clusters is taken.
        label: Which.
        options: How many.

    Raises:
        RunError: If the run has no clusters of this label.
    """
    models = folder.scored()
    if not models:
        raise RunError(f"{folder.folder}: has no elements. Run `typica mine select` first.")
    table = read_table(folder.elements(models[0]))
    found = read_clusters(folder.clusters(models[0]), table).typical.get(label, ())
    if not found:
        raise RunError(f"{folder.folder}: has no clusters of {label!r}. Give the run's own data.")
    chosen = [
        (str(table.picture[row]), table.box(row), number)
        for number, cluster in enumerate(found[: options.clusters])
        for row in cluster.members[: options.members]
    ]
    drawn = table.rows(label, "random")[: options.clusters * options.members]
    reference = [(str(table.picture[row]), table.box(row), 0) for row in drawn.tolist()]
    return _set(label, "mining", chosen), _set(label, "random", reference)


def _set(label: str, method: str, rows: Sequence[tuple[str, Box, int]]) -> PatchSet:
    names, boxes, clusters = zip(*rows, strict=True) if rows else ((), (), ())
    return PatchSet(label, method, tuple(names), tuple(boxes), tuple(clusters))


def repeated_share(found: PatchSet, overlap: float) -> float:
    """Of the patches, the share that overlaps one of another cluster in the same picture.

    Arguments:
        found: The patches.
        overlap: Intersection over union above which two show one place.

    Returns:
        From 0 to 1; 0 of none.
    """
    rows = list(zip(found.pictures, found.boxes, found.clusters, strict=True))
    repeated = 0
    for picture, box, cluster in rows:
        repeated += any(
            other == picture and number != cluster and _union_share(box, there) > overlap
            for other, there, number in rows
        )
    return repeated / len(rows) if rows else 0.0


def _union_share(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = max(0.0, min(one.right, other.right) - max(one.left, other.left))
    height = max(0.0, min(one.bottom, other.bottom) - max(one.top, other.top))
    common = width * height
    total = one.width * one.height + other.width * other.height - common
    return common / total if total > 0 else 0.0


def _places(found: PatchSet, pictures: dict[str, Picture]) -> Places:
    """The patches at the size that they are looked at."""
    rows = []
    for name, box in zip(found.pictures, found.boxes, strict=True):
        if name not in pictures:
            raise RunError(f"{name} is not in the collection. Give the data that was mined.")
        scaling = Scaling.of(pictures[name], _SIZE, 1)
        there = scaling.to_working(box)
        width, height = scaling.working
        side = max(1, min(round(there.width), width, height))
        x = min(max(0, round(there.left)), width - side)
        rows.append((x, min(max(0, round(there.top)), height - side), side))
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return Places(np.array(found.pictures, dtype=object), *columns.T)


def measure(
    sets: Sequence[PatchSet],
    collection: PictureCollection,
    options: BesideOptions,
    show_progress: bool = True,
) -> tuple[LabelBeside, ...]:
    """The same measures of every set, with one pool of patches for all.

    Arguments:
        sets: What is compared.
        collection: The pictures.
        options: How.
        show_progress: Show a bar on standard error.

    Returns:
        One result per set that has patches, in their order.

    Raises:
        RunError: If a picture is not in the collection.
        DataError: If no picture can be decoded.
    """
    sets = [one for one in sets if one.pictures]
    pictures = {picture.id: picture for picture in collection}
    places = [_places(one, pictures) for one in sets]
    sides = np.unique(np.concatenate([one.side for one in places]))
    asked = AgreementOptions(options.neighbours, options.pool, seed=options.seed)
    pool = random_places(collection, sides, _SIZE, 1, asked)
    patches, good, _ = cut_patches([pool, *places], pictures, _SIZE, 1, show_progress)
    number = {name: i for i, name in enumerate(pictures)}

    def numbers(found: Places, flags: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.array([number[name] for name in found.picture[flags]], np.int64)

    pool_picture = numbers(pool, good[0])
    pool_names = pool.picture[good[0]].tolist()

    def grey(own: NDArray[np.uint8], other: NDArray[np.uint8]) -> Any:
        return raw_pixels(own), raw_pixels(other)

    Describe = Callable[[NDArray[np.uint8], NDArray[np.uint8]], Any]
    describe: tuple[Describe, ...] = (descriptors, grey)
    results = []
    for i, one in enumerate(sets):
        kept = good[i + 1]
        cluster = np.array(one.clusters)[kept]
        own = np.ones(int(kept.sum()), np.int64)  # a picture may have other labels beside this
        pool_label = np.array([one.label in pictures[name].labels for name in pool_names], np.int64)
        shares, by_cluster, chance = {}, {}, float("nan")
        for name, make in zip(MEASURES, describe, strict=True):
            ours, theirs = make(patches[i + 1][kept], patches[0][good[0]])
            found, chances = neighbour_shares(
                ours, numbers(places[i], kept), own, theirs, pool_picture, pool_label,
                options.neighbours,
            )  # fmt: skip
            names = places[i].picture[kept].tolist()
            shares[name] = mean_of_labels([grouped_sums(found, names)], options.seed)
            by_cluster[name] = tuple(
                float(found[cluster == k].mean()) if (cluster == k).any() else float("nan")
                for k in range(max(one.clusters) + 1)
            )
            chance = float(chances.mean())
        results.append(
            LabelBeside(
                one.label,
                one.method,
                int(kept.sum()),
                shares,
                chance,
                by_cluster,
                len(set(one.pictures)),
                repeated_share(one, options.overlap) if one.method != "random" else 0.0,
            )
        )
    return tuple(results)


def compare(
    results: Sequence[LabelClusters],
    mining: MiningFolder,
    collection: PictureCollection,
    options: BesideOptions | None = None,
    show_progress: bool = True,
) -> tuple[tuple[PatchSet, ...], tuple[LabelBeside, ...]]:
    """Measure both methods on every label that the baseline has mined.

    Arguments:
        results: Of the baseline.
        mining: A mining run of the same pictures.
        collection: The pictures.
        options: How.
        show_progress: Show a bar on standard error.

    Returns:
        The sets of patches (mining, doersch, random, for each label), and their measures.
    """
    options = options or BesideOptions()
    sets: list[PatchSet] = []
    for found in results:
        mined, random = mined_sets(mining, found.label, options)
        sets += [mined, doersch_set(found, options), random]
    return tuple(sets), measure(sets, collection, options, show_progress)
