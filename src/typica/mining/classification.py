r"""Labels of pictures and regions, read from typicality: eqs. 4.6 and 4.8.

Both equations compare losses that the text defines as squared norms, *sums* over the elements of
a latent. Our typicality is a mean over channels and cells, so it is multiplied by the number of
elements n (channels times cells of the region):

    p(c | x)   = 1 / (1 + exp(-n T(x|c) / tau))                          (eq. 4.8)
    p(c_i | x) = exp(n T(x|c_i) / tau) / sum_j exp(n T(x|c_j) / tau)     (eq. 4.6)

In eq. 4.6 the loss under the null condition cancels, so typicality serves as well as the losses.
With the text's tau = 1 both are close to 0 or 1 nearly always: neighbouring elements tell the
same thing, yet are counted as independent witnesses. The temperature that fits the true labels
best (`calibrated_temperature`) makes them probabilities that can be believed; it changes neither
an order nor a decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from ..errors import DataError
from .maps import PictureMaps
from .typicality import Typicality, image_typicality, region_typicality, standard_error

__all__ = [
    "Classification",
    "binary_probability",
    "calibrated_temperature",
    "classify",
    "elements_of",
    "label_probabilities",
    "region_probability",
]

Floats = NDArray[np.float64]


def binary_probability(
    typicality: NDArray[np.floating], elements: float, temperature: float = 1.0
) -> Floats:
    """p(c|x) of eq. 4.8: the label against the null condition, between 0 and 1.

    Arguments:
        typicality: T, means over elements, any shape.
        elements: n, which the means were taken over.
        temperature: tau, above 0; 1 is the text's.
    """
    found: Floats = expit(np.asarray(typicality, np.float64) * elements / temperature)
    return found


def label_probabilities(
    typicality: NDArray[np.floating], elements: NDArray[np.floating], temperature: float = 1.0
) -> Floats:
    """p(c_i|x) of eq. 4.6: every label against all others, rows that sum to 1.

    Arguments:
        typicality: T under each of K labels, `(N, K)`.
        elements: n of every row, `(N,)`.
        temperature: tau, above 0; 1 is the text's.
    """
    found: Floats = softmax(_scores(typicality, elements) / temperature, axis=1)
    return found


def _scores(typicality: NDArray[np.floating], elements: NDArray[np.floating]) -> Floats:
    """Sums over elements, `(N, K)`."""
    return np.asarray(typicality, np.float64) * np.asarray(elements, np.float64)[:, None]


def calibrated_temperature(
    typicality: NDArray[np.floating], elements: NDArray[np.floating], truth: NDArray[np.integer]
) -> float:
    """The tau of eq. 4.6 under which the true labels are most probable.

    Arguments:
        typicality: T under each of K labels, `(N, K)`.
        elements: n of every row, `(N,)`.
        truth: Column of the true label of every row, `(N,)`.

    Returns:
        Between 1e-3 and 1e9; the upper end says that typicality tells nothing about the labels.
    """
    scores = _scores(typicality, elements)

    def surprise(power: float) -> float:
        return _surprise(scores / 10.0**power, truth)

    # The surprise is convex in 1 / tau, so it has one minimum in any monotone measure of tau.
    return float(10.0 ** minimize_scalar(surprise, bounds=(-3, 9), method="bounded").x)


def _surprise(scores: Floats, truth: NDArray[np.integer]) -> float:
    """Mean negative log probability of the true labels, in nats."""
    return float(-log_softmax(scores, axis=1)[np.arange(len(truth)), truth].mean())


def elements_of(maps: PictureMaps, mask: NDArray[np.generic] | None = None) -> float:
    """Number n of elements of a latent in a picture, or in a region of it.

    Arguments:
        maps: Of the picture.
        mask: As for `region_typicality`; of pixels, its area is converted to cells.
    """
    cells = float(np.prod(maps.typicality.shape[-2:]))
    if mask is not None:
        cells *= float(np.asarray(mask, np.float64).mean())
    return maps.channels * cells


def region_probability(
    maps: PictureMaps, mask: NDArray[np.generic] | None = None, temperature: float = 1.0
) -> Floats:
    """p(c|x) of eq. 4.8 for a picture, or for a region of it, under each of its K labels, `(K,)`.

    Arguments:
        maps: Of the picture.
        mask: As for `region_typicality`; None for the whole picture.
        temperature: tau; 1 is the text's.
    """
    reading = image_typicality(maps) if mask is None else region_typicality(maps, mask)
    return binary_probability(reading.value, elements_of(maps, mask), temperature)


@dataclass(frozen=True)
class Classification:
    """What the diffusion classifier of eq. 4.6 says about pictures.

    Arguments:
        ids: Of the N pictures.
        labels: The K labels.
        truth: Column of the true label, `(N,)`.
        typicality: T of the whole picture under every label, `(N, K)`.
        elements: n of every picture, `(N,)`.
        margin: T under the best label less that under the second, with its standard error from
            the same draws, each `(N,)`.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    typicality: NDArray[np.float32]
    elements: Floats
    margin: Typicality

    @property
    def decisions(self) -> NDArray[np.int64]:
        """Column of the most probable label, `(N,)`; the first of equals."""
        return self.typicality.argmax(1)

    @property
    def accuracy(self) -> float:
        """Share of right decisions."""
        return float((self.decisions == self.truth).mean())

    @property
    def accuracy_error(self) -> float:
        """Standard error of `accuracy`, over pictures."""
        share = self.accuracy
        return float(np.sqrt(share * (1 - share) / len(self.ids)))

    @property
    def chance(self) -> float:
        """Accuracy of always naming the most frequent label."""
        return float(np.bincount(self.truth).max() / len(self.truth))

    @property
    def settled(self) -> float:
        """Share of decisions that more draws would hardly change: margin above 2 errors."""
        return float((self.margin.value > 2 * self.margin.error).mean())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Number of pictures of a true label (row) that are given a label (column), `(K, K)`."""
        count = len(self.labels)
        flat = np.bincount(self.truth * count + self.decisions, minlength=count * count)
        return flat.reshape(count, count)

    def per_label(self) -> dict[str, float]:
        """Share of right decisions for the pictures of each label that has any."""
        table = self.confusion
        return {
            label: float(table[i, i] / table[i].sum())
            for i, label in enumerate(self.labels)
            if table[i].sum()
        }

    def probabilities(self, temperature: float = 1.0) -> Floats:
        """p(c_i|x) of eq. 4.6, `(N, K)`."""
        return label_probabilities(self.typicality, self.elements, temperature)

    def surprise(self, temperature: float = 1.0) -> float:
        """Mean negative log probability of the true labels, in nats."""
        return _surprise(_scores(self.typicality, self.elements) / temperature, self.truth)

    def temperature(self) -> float:
        """The calibrated temperature on these pictures."""
        return calibrated_temperature(self.typicality, self.elements, self.truth)

    def as_dict(self) -> dict[str, object]:
        """The figures, as plain values."""
        temperature = self.temperature()
        return {
            "pictures": len(self.ids),
            "labels": list(self.labels),
            "accuracy": self.accuracy,
            "accuracy_error": self.accuracy_error,
            "chance": self.chance,
            "settled": self.settled,
            "per_label": self.per_label(),
            "confusion": self.confusion.tolist(),
            "temperature": temperature,
            "surprise": self.surprise(temperature),
            "surprise_at_1": self.surprise(),
        }


def classify(maps: Iterable[PictureMaps], truth: Mapping[str, str]) -> Classification:
    """The diffusion classifier of eq. 4.6, from maps of all labels.

    Arguments:
        maps: Of pictures that were scored under all labels (`typicality.labels=all`).
        truth: The true label of every picture's id; pictures that are not in it are left out,
            so that a split can be judged alone.

    Raises:
        DataError: If there is no picture, pictures were scored under one label only or under
            different ones, or a true label is not among them.
    """
    labels: tuple[str, ...] = ()
    ids, columns, elements, readings, margins = [], [], [], [], []
    for one in maps:
        if one.id not in truth:
            continue
        labels = labels or one.labels
        if len(one.labels) < 2 or one.labels != labels:
            raise DataError(
                f"{one.id}: was scored under {', '.join(one.labels)} only; the classifier "
                "compares all labels. Score with typicality.labels=all."
            )
        if truth[one.id] not in labels:
            raise DataError(
                f"{one.id}: its label {truth[one.id]!r} is not among those that were scored "
                f"({', '.join(labels)}). Score again with this collection."
            )
        reading = image_typicality(one)
        second, best = np.argsort(reading.value, kind="stable")[-2:]
        groups = one.groups.mean((-2, -1), dtype=np.float64)
        margins.append(
            (
                reading.value[best] - reading.value[second],
                standard_error(groups[best] - groups[second], 0),
            )
        )
        ids.append(one.id)
        columns.append(labels.index(truth[one.id]))
        elements.append(elements_of(one))
        readings.append(reading.value)
    if not ids:
        raise DataError("none of the scored pictures is among those to classify")
    margin, error = np.asarray(margins, np.float32).T
    return Classification(
        tuple(ids),
        labels,
        np.asarray(columns, np.int64),
        np.stack(readings),
        np.asarray(elements, np.float64),
        Typicality(margin, error),
    )
