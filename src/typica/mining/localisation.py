"""How well typicality finds what annotators boxed: average precision over pixels (section 4.5.3).

The paper sweeps thresholds from 2e-2 to 2e-7 and integrates precision over the recalls that these
happen to reach. That number depends on the scale of the losses: a map that is right everywhere
but above 2e-2 gets 0, and noise gets half of what chance is, because T is negative for half of
it. It is kept here for comparison (`paper_area`); the measure is average precision, which takes
every value of the map as a threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, RunError
from ..images.picture import Picture, PictureCollection
from .boxes import Boxes, box_mask
from .intervals import Estimate, mean_of_labels
from .maps import PictureMaps
from .patches import interpolation

__all__ = [
    "LabelLocalisation",
    "Localisation",
    "PictureLocalisation",
    "Reading",
    "average_precision",
    "localise",
    "paper_area",
    "pixel_map",
    "reading_map",
]

Reading = Literal["typicality", "others", "influence", "information", "null", "centre"]
"""What is compared with the boxes: typicality; typicality less its mean under the labels that the
picture has not (under its others, if it has all), which tells the label from these rather than
from none (needs maps of all labels); how much the label matters at a place, for or
against it (T's distance from its median in the picture: a model that knows the label may expect
the plain ground, and so be surprised by what the label is named for); how much the label changes
the prediction there (`information_map`: against no label, or the mean of the other labels where all
were scored); or what they must beat: the loss without a label (what is hard to denoise at all), or
nearness to the centre (where annotators' boxes lie)."""

_POOLED = 65_536  # pixels of one picture in the pooled measure, at most about this many


_weights = lru_cache(maxsize=64)(interpolation)


def pixel_map(
    values: NDArray[np.float32], width: int, height: int, blur: float = 0.0
) -> NDArray[np.float32]:
    """A map of cells, interpolated to the pixels of the original picture.

    Arguments:
        values: `(h, w)`, a cell per latent cell; they cover the whole picture.
        width: Of the original picture.
        height: Of the original picture.
        blur: Standard deviation of a Gaussian over the shorter side; 0 for none (1/16 in the
            paper's pictures).

    Returns:
        `(height, width)`.
    """
    down, across = _weights(height, values.shape[0]), _weights(width, values.shape[1])
    pixels = (down @ values.astype(np.float64) @ across.T).astype(np.float32)
    if blur > 0:
        from scipy.ndimage import gaussian_filter

        pixels = gaussian_filter(pixels, blur * min(width, height), mode="mirror", truncate=2.0)
    return pixels


def _counts(
    scores: NDArray[np.floating], truth: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct scores from the highest down; how many pixels, and true ones, reach each."""
    order = np.argsort(-scores.ravel())  # the order of equal scores does not matter
    ranked, hits = scores.ravel()[order], np.cumsum(truth.ravel()[order])
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return ranked[last], last + 1, hits[last]


def average_precision(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Average precision: the mean, over the true pixels, of the precision when each is reached.

    Equal scores are reached together, so the order of pixels does not matter:
    AP = sum_n (R_n - R_{n-1}) P_n over distinct scores.

    Arguments:
        scores: Any shape, finite.
        truth: Same shape.

    Returns:
        Between 0 and 1; NaN if nothing is true. The expectation for random scores is the share
        of true pixels.
    """
    return _average_precision(*_counts(scores, truth)[1:])


def _average_precision(reached: NDArray[np.int64], hits: NDArray[np.int64]) -> float:
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    return float((np.diff(hits, prepend=0) * (hits / reached)).sum() / hits[-1])


PAPER_THRESHOLDS = 2 * 10.0 ** -np.linspace(2, 7, 1000)
"""The paper's thresholds on T, from 2e-2 to 2e-7, falling."""


def paper_area(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """The paper's AUC-PR: precision over recall by trapezoids, at its 1000 thresholds.

    Precision is 0 where nothing is above a threshold; the curve is anchored nowhere.

    Arguments:
        scores: T in the units of the loss (mean over channels), any shape.
        truth: Same shape.

    Returns:
        Between 0 and 1; NaN if nothing is true.
    """
    return _paper_area(*_counts(scores, truth))


def _paper_area(
    values: NDArray[np.floating], reached: NDArray[np.int64], hits: NDArray[np.int64]
) -> float:
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    # number of distinct scores above each threshold
    above = np.searchsorted(-values.astype(np.float64), -PAPER_THRESHOLDS, side="left")
    chosen = np.append(0, reached)[above], np.append(0, hits)[above]
    precision = chosen[1] / np.maximum(chosen[0], 1)
    recall = chosen[1] / hits[-1]
    return float(np.trapezoid(precision, recall))


@dataclass(frozen=True)
class PictureLocalisation:
    """One picture, or one label of a picture that has several.

    Arguments:
        id: Of the picture.
        label: Its label, or one of them, whose boxes and typicality are compared.
        precision: Average precision.
        paper: The paper's AUC-PR.
        chance: Share of its pixels that are in boxes.
    """

    id: str
    label: str
    precision: float
    paper: float
    chance: float


@dataclass(frozen=True)
class LabelLocalisation:
    """One label, or the mean over all.

    Arguments:
        label: Its name.
        pictures: How many have boxes.
        precision: Mean over pictures of the average precision, with its interval.
        pooled: Average precision over the pixels of all its pictures together.
        paper: Mean of the paper's AUC-PR, with its interval.
        chance: Mean share of pixels in boxes: what random scores get.
        pooled_chance: Share of the pooled pixels that are in boxes.
    """

    label: str
    pictures: int
    precision: Estimate
    pooled: float
    paper: Estimate
    chance: float
    pooled_chance: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rest = ("pooled", "chance", "pooled_chance")
        return {
            "label": self.label,
            "pictures": self.pictures,
            "precision": self.precision.as_dict(),
            "paper": round(self.paper.mean, 5),
            **{name: round(float(getattr(self, name)), 5) for name in rest},
        }


@dataclass(frozen=True)
class Localisation:
    """The measure of a collection.

    Arguments:
        labels: Every label that has boxes, sorted.
        overall: Mean over these labels, each counting the same.
        pictures: Every picture that has boxes of its own label; several of several labels.
        reading: What was compared.
        blur: Of the maps, over the shorter side.
    """

    labels: tuple[LabelLocalisation, ...]
    overall: LabelLocalisation
    pictures: tuple[PictureLocalisation, ...]
    reading: Reading
    blur: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the single pictures."""
        return {
            "reading": self.reading,
            "blur": self.blur,
            "overall": self.overall.as_dict(),
            "labels": [label.as_dict() for label in self.labels],
        }


def localise(
    maps: Iterable[PictureMaps],
    collection: PictureCollection,
    boxes: Boxes,
    *,
    reading: Reading = "typicality",
    blur: float = 0.0,
    seed: int = 0,
) -> Localisation:
    """Compare typicality with boxes, picture by picture.

    A picture is scored under its own label, against the boxes of that label only: a defect of
    another kind that happens to be in it is not what the label claims. One with several labels is
    taken once for each that has boxes.

    Arguments:
        maps: Typicality of the pictures (`read_maps`).
        collection: The same pictures.
        boxes: By picture id and label (`match_boxes`).
        reading: What is compared: typicality, or a baseline.
        blur: Standard deviation of a Gaussian over the shorter side.
        seed: Of the intervals.

    Raises:
        DataError: If no picture has a box of its own label.
    """
    pictures = {picture.id: picture for picture in collection}
    results: list[PictureLocalisation] = []
    pools: dict[str, list[tuple[NDArray[np.float32], NDArray[np.bool_]]]] = {}
    for one in maps:
        picture = pictures.get(one.id)
        for label in picture.labels if picture else ():
            here = boxes.get((one.id, label))
            if picture is None or not here:
                continue
            truth = box_mask(here, picture.width, picture.height)
            if not truth.any():  # boxes that lie outside of the picture
                continue
            scores = reading_map(one, picture, label, reading, blur)
            values, reached, hits = _counts(scores, truth)
            results.append(
                PictureLocalisation(
                    one.id,
                    label,
                    _average_precision(reached, hits),
                    _paper_area(values, reached, hits),
                    float(truth.mean()),
                )
            )
            step = max(1, round((scores.size / _POOLED) ** 0.5))
            pools.setdefault(label, []).append(
                (scores[::step, ::step].ravel(), truth[::step, ::step].ravel())
            )
    if not results:
        raise DataError(
            "boxes: none belongs to a picture of the collection and to its label. Are the files "
            "and labels in the CSV those of the collection?"
        )
    labels = tuple(_label(label, results, pools[label], seed) for label in sorted(pools))
    return Localisation(labels, _overall(labels, results, seed), tuple(results), reading, blur)


def reading_map(
    one: PictureMaps, picture: Picture, label: str, reading: Reading, blur: float = 0.0
) -> NDArray[np.float32]:
    """What is compared with the boxes, `(height, width)` of the original picture.

    Arguments:
        one: Maps of the picture.
        picture: The same.
        label: One of its labels.
        reading: What to make of them.
        blur: As of `pixel_map`.

    Raises:
        RunError: If the picture was not scored under the label, or `information` is asked of maps
            of former versions.
        DataError: If it was scored under no other label, and `others` is asked for.
    """
    width, height = picture.width, picture.height
    if reading == "centre":
        down, across = (np.square((np.arange(side) + 0.5) / side - 0.5) for side in (height, width))
        return -(down[:, None] + across).astype(np.float32)
    values = one.null if reading == "null" else one.of(label).typicality[0]
    if reading == "information":
        if (matters := one.of(label).information) is None:
            raise RunError(
                f"{one.id}: its maps are of a former version of typica, without `information`. "
                "Delete them and run `typica mine score` again."
            )
        values = matters[0]
    if reading == "others":
        others = [row for row, name in enumerate(one.labels) if name not in picture.labels]
        if not others:  # it has them all: the other ones of its own
            others = [row for row, name in enumerate(one.labels) if name != label]
        if not others:
            raise DataError(
                f"{one.id}: has no maps of other labels to compare with. Score it under all labels."
            )
        values = values - one.typicality[others].mean(0)
    if reading == "influence":
        values = np.abs(values - np.median(values))
    return pixel_map(values, width, height, blur)


def _values(
    results: Sequence[PictureLocalisation], label: str, name: Literal["precision", "paper"]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = np.array([getattr(one, name) for one in results if one.label == label])
    return found, np.ones(len(found))


def _label(
    label: str,
    results: Sequence[PictureLocalisation],
    pool: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]],
    seed: int,
) -> LabelLocalisation:
    own = [one for one in results if one.label == label]
    scores = np.concatenate([scores for scores, _ in pool])
    truth = np.concatenate([truth for _, truth in pool])
    return LabelLocalisation(
        label,
        len(own),
        mean_of_labels([_values(results, label, "precision")], seed),
        average_precision(scores, truth),
        mean_of_labels([_values(results, label, "paper")], seed),
        float(np.mean([one.chance for one in own])),
        float(truth.mean()),
    )


def _overall(
    labels: Sequence[LabelLocalisation], results: Sequence[PictureLocalisation], seed: int
) -> LabelLocalisation:
    def mean(values: Iterable[float]) -> float:
        return float(np.mean(list(values)))

    return LabelLocalisation(
        "mean over labels",
        len({one.id for one in results}),
        mean_of_labels([_values(results, one.label, "precision") for one in labels], seed),
        mean(one.pooled for one in labels),
        mean_of_labels([_values(results, one.label, "paper") for one in labels], seed),
        mean(one.chance for one in labels),
        mean(one.pooled_chance for one in labels),
    )
