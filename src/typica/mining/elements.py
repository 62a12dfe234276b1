"""Elements: the most typical patches of every label, with random and least typical ones beside.

From every picture, under each of its labels, a few patches are taken that do not overlap, and of
every label the best are kept (section 4.3.3: per label, as in the paper's program; its sentence
says "over all the data set"). Pictures are read one after another, and only what can still be
among the best is held.

Patches are picked where the estimate is greatest, so the typicality of a pick is on average a
little too high; its standard error tells by how much it may be.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import RunError
from ..images.loading import load_pixels
from ..images.picture import Picture, PictureCollection
from ..images.sizes import Scaling
from ..values import Box
from .artefacts import FLAT, grey, patch_spreads, spreads, touches_border
from .config import ElementConfig
from .folder import MiningAbout
from .patches import Patch, best_patches, patch_means, patch_readings, patch_sides
from .table import COLUMNS, KINDS, ElementsTable, Kind
from .typicality import standard_error

if TYPE_CHECKING:
    from .maps import PictureMaps

__all__ = ["Element", "Shortlist", "label_elements", "mine_elements", "picture_elements"]


class Element(NamedTuple):
    """A patch of a picture.

    Arguments:
        key: What it is ranked by, smallest first; two elements never have the same.
        picture: Index of its picture in the collection.
        patch: In working pixels.
        typicality: Mean of T(x|c) over it.
        error: Standard error of that.
    """

    key: tuple[float, int, Patch]
    picture: int
    patch: Patch
    typicality: float
    error: float


class Shortlist:
    """The elements with the smallest keys among those added, in any order.

    Holds at most twice as many as are wanted.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: list[Element] = []

    def add(self, elements: Iterable[Element]) -> None:
        """Take elements into account."""
        self._held += elements
        if len(self._held) >= 2 * self.limit:
            self._held = self.best()

    def best(self) -> list[Element]:
        """At most `limit` elements, by key."""
        return sorted(self._held)[: self.limit]


def picture_elements(
    typicality: NDArray[np.float32],
    groups: NDArray[np.floating],
    height: int,
    width: int,
    config: ElementConfig,
    sides: tuple[int, ...],
    name: str,
    index: int,
    values: NDArray[np.int64] | None = None,
    kinds: Sequence[Kind] = KINDS,
) -> dict[Kind, list[Element]]:
    """The typical, random and least typical patches of one picture.

    Arguments:
        typicality: T(x|c) of its label, `(h, w)`.
        groups: Deviations of the groups of draws, `(G, h, w)`.
        height: Of the picture, in working pixels.
        width: Of the picture, in working pixels.
        config: How many, and what they must be like.
        sides: Of the patches; those that do not fit are cut to the picture's short side.
        name: The picture's id; with the seed it decides what is drawn at random.
        index: Of the picture in the collection.
        values: Grey values `(height, width)`, needed if a contrast is asked for.
        kinds: Those that are wanted; what is picked of one depends on no other.

    Returns:
        At most `config.per_picture` of each kind, best first.
    """
    sides = tuple(sorted({min(side, height, width) for side in sides}))
    means = [patch_means(typicality, height, width, side) for side in sides]
    rng = _generator(config.seed, name)
    chances = [rng.random(mean.shape, dtype=np.float32) for mean in means]
    scores: dict[Kind, list[NDArray[np.float32]]] = {
        "typical": means,
        "random": chances,
        "least": [-mean for mean in means],
    }
    if config.contrast > 0:
        assert values is not None
        plain = [spreads(values, side) < config.contrast for side in sides]
        for kind, found in scores.items():
            scores[kind] = [
                np.where(flat, np.float32(-np.inf), score)
                for flat, score in zip(plain, found, strict=True)
            ]
    elements: dict[Kind, list[Element]] = {}
    for kind in kinds:
        picks = best_patches(scores[kind], sides, config.per_picture)
        errors = standard_error(patch_readings(groups, height, width, picks))
        elements[kind] = []
        for pick, error in zip(picks, errors, strict=True):
            value = float(means[sides.index(pick.side)][pick.row, pick.column])
            first = {"typical": -value, "random": float(rng.random()), "least": value}[kind]
            key = (first, index, pick)
            elements[kind].append(Element(key, index, pick, value, float(error)))
    return elements


def label_elements(
    maps: PictureMaps,
    collection: PictureCollection,
    about: MiningAbout,
    kinds: Sequence[Kind] = KINDS,
) -> dict[str, dict[Kind, list[Element]]]:
    """The patches of one picture under each of its own labels, from its maps.

    Arguments:
        maps: Of the picture.
        collection: The pictures that were scored.
        about: Configuration of the run.
        kinds: Those that are wanted.

    Returns:
        By label and kind, as from `picture_elements`; nothing of a picture without labels.

    Raises:
        RunError: If the maps are not those of the picture, or not finite.
        DataError: If the picture cannot be read (only where a contrast is asked for).
    """
    config = about.config.elements
    picture = _picture_of(maps, collection)
    width, height = Scaling.of(picture, about.config.size, about.factor).working
    values = _grey_of(picture, about) if config.contrast > 0 and picture.labels else None
    elements = {}
    for label in picture.labels:
        own = maps.of(label)
        typicality = own.typicality[0]
        _check(typicality, picture, height, width, about.factor)
        elements[label] = picture_elements(
            typicality,
            own.groups[0],
            height,
            width,
            config,
            patch_sides(about.config.size, config),
            # other random patches for every label of a picture
            picture.id if len(picture.labels) == 1 else f"{picture.id}\n{label}",
            maps.index,
            values,
            kinds,
        )
    return elements


def _generator(seed: int, name: str) -> np.random.Generator:
    """Random numbers that depend on the seed and the picture's id only."""
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), np.uint32)
    return np.random.default_rng([seed, *words.tolist()])


def mine_elements(
    maps: Iterable[PictureMaps],
    collection: PictureCollection,
    about: MiningAbout,
    show_progress: bool = True,
) -> ElementsTable:
    """The elements of every label.

    Arguments:
        maps: Typicality maps of pictures of the collection, in any order.
        collection: The pictures that were scored.
        about: Configuration of the run.
        show_progress: Show bars on standard error.

    Returns:
        At most `per_label` typical, random and least typical elements of every label, in no
        cluster yet. The table does not depend on the order of the maps.

    Raises:
        RunError: If the maps are not those of these pictures, or not finite.
        DataError: If a picture cannot be read.
    """
    config = about.config.elements
    sides = patch_sides(about.config.size, config)
    lists: dict[tuple[str, Kind], Shortlist] = defaultdict(lambda: Shortlist(config.per_label))
    seen = tqdm(maps, "picking patches", len(collection), unit="picture", disable=not show_progress)
    for one in seen:
        for label, found in label_elements(one, collection, about).items():
            for kind, elements in found.items():
                lists[label, kind].add(elements)
    labels = sorted({label for label, _ in lists})
    kept = {
        (label, kind): lists[label, kind].best()
        for label in labels
        for kind in KINDS
    }  # fmt: skip
    return _table(kept, collection, about, sides, show_progress)


def _picture_of(maps: PictureMaps, collection: PictureCollection) -> Picture:
    """The picture that maps belong to."""
    known = 0 <= maps.index < len(collection)
    picture = collection.pictures[maps.index] if known else None
    if picture is None or picture.id != maps.id:
        raise RunError(
            f"the maps of {maps.id!r} belong to no picture of {collection.root}: the collection "
            "changed since it was scored. Run `typica mine score` with another --out."
        )
    return picture


def _check(
    typicality: NDArray[np.float32], picture: Picture, height: int, width: int, factor: int
) -> None:
    """Refuse maps of another size, and those of a model that has diverged."""
    if typicality.shape != (height // factor, width // factor):
        raise RunError(
            f"{picture.id}: its map is of another size than the picture. The collection changed "
            "since it was scored: run `typica mine score` with another --out."
        )
    if not np.isfinite(typicality).all():
        raise RunError(
            f"{picture.id}: its typicality is not finite, so the model's weights are unusable. "
            "Train again with a smaller finetune.learning_rate, or without bfloat16."
        )


def _grey_of(picture: Picture, about: MiningAbout) -> NDArray[np.int64]:
    return grey(load_pixels(picture, about.config.size, about.factor))


def _table(
    kept: Mapping[tuple[str, Kind], list[Element]],
    collection: PictureCollection,
    about: MiningAbout,
    sides: tuple[int, ...],
    show_progress: bool,
) -> ElementsTable:
    """Columns of the elements that were kept."""
    columns: dict[str, list[Any]] = defaultdict(list)
    rows: dict[int, list[tuple[int, Patch]]] = defaultdict(list)  # of every picture
    for (label, kind), elements in kept.items():
        for rank, element in enumerate(elements):
            picture, patch = collection.pictures[element.picture], element.patch
            scaling = Scaling.of(picture, about.config.size, about.factor)
            column, line, side = patch.column, patch.row, patch.side
            box = scaling.to_original(Box(column, line, column + side, line + side))
            rows[element.picture].append((len(columns["rank"]), patch))
            row = {
                "picture": picture.id,
                "label": label,
                "kind": kind,
                "rank": rank,
                "x": box.left,
                "y": box.top,
                "width": box.width,
                "height": box.height,
                "work_x": column,
                "work_y": line,
                "side": side,
                "typicality": element.typicality,
                "error": element.error,
                "cluster": -1,
                "distance": np.nan,
                "border": touches_border(patch, *reversed(scaling.working)),
                "flat": False,
            }
            for name, value in row.items():
                columns[name].append(value)
    bar = tqdm(sorted(rows), "looking for flat patches", unit="picture", disable=not show_progress)
    for index in bar:
        numbers, patches = zip(*rows[index], strict=True)
        found = patch_spreads(_grey_of(collection.pictures[index], about), patches)
        for number, spread in zip(numbers, found, strict=True):
            columns["flat"][number] = bool(spread < FLAT)
    return ElementsTable.from_columns(
        {name: columns[name] for name in COLUMNS},
        {
            "size": about.config.size,
            "factor": about.factor,
            "sides": list(sides),
            "prompt": {"label": about.prompt.label, "null": about.prompt.null},
            "base": about.base,
            "data": about.data,
            "config": about.config.as_dict(),
        },
    )
