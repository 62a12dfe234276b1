"""Samples against pictures, label by label: representation, diversity, precision and recall.

Every number of a set of samples stands beside one that real pictures give, at as many pictures:
the real set itself for diversity, and for what compares two sets, two halves of the real set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..config import ClusterConfig
from ..intervals import Estimate, grouped_sums, mean_of_labels
from ..partitions import centroids, group
from .diversity import effective_number, mean_distance, vendi_score
from .manifolds import MEASURES, Distances, manifold_measures
from .options import BiasOptions
from .representation import (
    Representation,
    compare_counts,
    nearest,
    nearest_without_own_picture,
    picture_counts,
)
from .resampling import jackknife, range_estimate
from .sets import LabelSet

__all__ = ["Calibration", "LabelComparison", "Measure", "Real", "calibrate", "compare", "prepare"]

Space = Literal["elements", "dift", "appearance"]
DIVERSITY = ("vendi", "effective_clusters", "mean_distance")


@dataclass(frozen=True)
class Measure:
    """One number of the samples of a label, and what real pictures give.

    Arguments:
        name: `variation`, `outside`, `vendi`, `effective_clusters`, `mean_distance`,
            `precision`, `recall`, `density`, `coverage`.
        space: Features of `elements`, or of whole pictures: `dift`, `appearance`.
        value: Of the samples, with its 95 % interval; ends are NaN where there is none.
        reference: Of the real set, with its interval; or of halves of it, with their range.
        pictures: In each of the two sets.
        reference_pictures: In the real set, or in each half.
    """

    name: str
    space: Space
    value: Estimate
    reference: Estimate
    pictures: int
    reference_pictures: int


@dataclass(frozen=True)
class Real:
    """The real set of a label, as samples are held against it.

    Arguments:
        elements: All of them.
        place: Cluster of every element, by the centroids of the other pictures, `(E,)`.
        centres: Of the clusters, `(K, D)`.
        limit: Distance to a centroid beyond which an element is unlike its cluster.
        pool: Pictures that take part, in random order; the first `number` are compared.
        number: Pictures of each set.
    """

    elements: LabelSet
    place: NDArray[np.int64]
    centres: NDArray[np.float64]
    limit: float
    pool: NDArray[np.int64]
    number: int

    @property
    def chosen(self) -> NDArray[np.int64]:
        """The pictures that are compared, ascending."""
        return np.sort(self.pool[: self.number])


@dataclass(frozen=True)
class Calibration:
    """What differs between two random halves of a label's real pictures.

    Arguments:
        pictures: In each half.
        variation: Of every split.
        outside: Share of elements unlike any cluster, of every split.
        measures: Of every split, by features and name.
        alarms: Share of the splits in which some cluster was called over- or under-represented.
        clusters: Share of all clusters that were.
    """

    pictures: int
    variation: tuple[float, ...]
    outside: tuple[float, ...]
    measures: dict[tuple[str, str], tuple[float, ...]]
    alarms: float
    clusters: float


@dataclass(frozen=True)
class LabelComparison:
    """The samples of one label and strength against the real set."""

    label: str
    guidance: float
    representation: Representation
    measures: tuple[Measure, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "label": self.label,
            "guidance": self.guidance,
            "representation": self.representation.as_dict(),
            "measures": [
                {
                    "name": one.name,
                    "space": one.space,
                    "value": one.value.as_dict(),
                    "reference": one.reference.as_dict(),
                    "pictures": one.pictures,
                    "reference_pictures": one.reference_pictures,
                }
                for one in self.measures
            ],
        }


def prepare(elements: LabelSet, pool: NDArray[np.int64], number: int, options: BiasOptions) -> Real:
    """The real set of a label, from its elements and the pictures that were drawn."""
    place, distance = nearest_without_own_picture(
        elements.features, elements.cluster, elements.picture
    )
    centres = centroids(elements.features, elements.cluster)
    return Real(elements, place, centres, _limit(distance, options), pool, number)


def _limit(distance: NDArray[np.float64], options: BiasOptions) -> float:
    known = distance[np.isfinite(distance)]
    return float(np.quantile(known, options.outside)) if len(known) else np.inf


def calibrate(real: Real, clusters: ClusterConfig, options: BiasOptions, label: int) -> Calibration:
    """Compare random halves of a label's real pictures as samples are compared with them.

    The other half must be new to the clusters, as samples are: they are made anew without it.

    Arguments:
        real: The label.
        clusters: How its elements were clustered.
        options: Of the comparison.
        label: Its number.
    """
    half = len(real.pool) // 2
    everything = np.arange(real.elements.pictures)
    variation, outside, alarms, called, seen = [], [], 0, 0, 0
    measures: dict[tuple[str, str], list[float]] = {}
    done = 0
    for split in range(options.splits if half else 0):
        draws = np.random.default_rng([options.seed, label, 2, split])
        mixed = draws.permutation(real.pool)
        new, known = np.sort(mixed[:half]), np.sort(mixed[half : 2 * half])
        fit = real.elements.of(np.setdiff1d(everything, new))
        other = real.elements.of(new)
        if not len(fit) or not len(other):
            continue
        done += 1
        features = real.elements.features
        assignment = group(features[fit], clusters, clusters.seed)[0]
        pictures = real.elements.picture
        place, distance = nearest_without_own_picture(features[fit], assignment, pictures[fit])
        centres = centroids(features[fit], assignment)
        there, far = nearest(features[other], centres)
        number = real.elements.pictures
        found = compare_counts(
            picture_counts(place, pictures[fit], number, len(centres))[known],
            picture_counts(there, pictures[other], number, len(centres))[new],
            permutations=options.permutations,
            resamples=100,  # their intervals are not used
            level=options.level,
            seed=(options.seed, label, 3, split),
        )
        variation.append(found.variation)
        outside.append(float((far > _limit(distance, options)).mean()))
        flagged = sum(bool(one.verdict) for one in found.clusters)
        alarms, called = alarms + bool(flagged), called + flagged
        seen += len(found.clusters)
        for space, vectors in real.elements.vectors.items():
            distances = Distances.of(vectors[known], vectors[new])
            for name, value in manifold_measures(distances, options.neighbours).items():
                measures.setdefault((space, name), []).append(value)
    return Calibration(
        half,
        tuple(variation),
        tuple(outside),
        {key: tuple(values) for key, values in measures.items()},
        alarms / done if done else float("nan"),
        called / seen if seen else float("nan"),
    )


def compare(
    real: Real,
    samples: LabelSet,
    chosen: NDArray[np.int64],
    calibration: Calibration,
    options: BiasOptions,
    *,
    label: tuple[int, str],
    guidance: float,
) -> LabelComparison:
    """Compare the samples of one label and strength with the real set.

    Arguments:
        real: The label.
        samples: Its samples.
        chosen: Which of them take part, as many as of the real pictures.
        calibration: Of the label.
        options: How.
        label: Its number and its name.
        guidance: Of the samples.
    """
    count = len(real.centres)
    place, distance = nearest(samples.features, real.centres)
    counts = picture_counts(real.place, real.elements.picture, real.elements.pictures, count)
    theirs = picture_counts(place, samples.picture, samples.pictures, count)
    representation = compare_counts(
        counts[real.chosen],
        theirs[chosen],
        permutations=options.permutations,
        resamples=options.resamples,
        level=options.level,
        seed=(options.seed, label[0], 4, *_words(guidance)),
    )
    inside = samples.of(chosen)
    names = [str(one) for one in samples.picture[inside]]
    far = grouped_sums((distance[inside] > real.limit).astype(np.float64), names)
    number, half = real.number, calibration.pictures
    measures = [
        Measure(
            "variation",
            "elements",
            Estimate(representation.variation, np.nan, np.nan),
            range_estimate(calibration.variation),
            number,
            half,
        ),
        Measure(
            "outside",
            "elements",
            mean_of_labels([far], options.seed, options.resamples),
            range_estimate(calibration.outside),
            number,
            half,
        ),
    ]
    mine, yours = real.elements.of(real.chosen), inside
    equal = min(len(mine), len(yours))  # the most typical of each
    before = _diversity(real.elements, real.place, real.chosen, mine[:equal], options)
    after = _diversity(samples, place, chosen, yours[:equal], options)
    for name, value, reference in zip(DIVERSITY, after, before, strict=True):
        measures.append(Measure(name, "elements", value, reference, number, number))
    for space in ("dift", "appearance"):
        if space in samples.vectors and space in real.elements.vectors:
            distances = Distances.of(
                real.elements.vectors[space][real.chosen], samples.vectors[space][chosen]
            )
            for name in MEASURES:
                value = _manifold(distances, name, options)
                halves = range_estimate(calibration.measures.get((space, name), ()))
                measures.append(Measure(name, space, value, halves, number, half))
    return LabelComparison(label[1], guidance, representation, tuple(measures))


def _words(guidance: float) -> tuple[int, int]:
    """A strength as whole numbers, for a seed."""
    first, second = np.frombuffer(np.float64(guidance).tobytes(), np.uint32)
    return int(first), int(second)


def _diversity(
    elements: LabelSet,
    place: NDArray[np.int64],
    chosen: NDArray[np.int64],
    inside: NDArray[np.int64],
    options: BiasOptions,
) -> tuple[Estimate, Estimate, Estimate]:
    """The three readings of diversity, with intervals over pictures.

    Arguments:
        elements: Of one set.
        place: Cluster of every one of its elements.
        chosen: Pictures that take part.
        inside: Their elements that are looked at.
    """
    features, pictures = elements.features[inside], elements.picture[inside]
    clusters = place[inside]

    def kept(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
        return np.isin(pictures, chosen[parts[0]])

    def vendi(parts: Sequence[NDArray[np.int64]]) -> float:
        return vendi_score(features[kept(parts)])

    def effective(parts: Sequence[NDArray[np.int64]]) -> float:
        return effective_number(np.bincount(clusters[kept(parts)]).astype(np.float64))

    def distance(parts: Sequence[NDArray[np.int64]]) -> float:
        left = kept(parts)
        return mean_distance(features[left], pictures[left])

    sizes = [len(chosen)]
    return (
        jackknife(vendi, sizes, options.parts, options.seed),
        jackknife(effective, sizes, options.parts, options.seed),
        jackknife(distance, sizes, options.parts, options.seed),
    )


def _manifold(distances: Distances, name: str, options: BiasOptions) -> Estimate:
    """One of the four measures, with an interval over the pictures of both sets."""

    def measure(parts: Sequence[NDArray[np.int64]]) -> float:
        return manifold_measures(distances.part(parts[0], parts[1]), options.neighbours)[name]

    sizes = [len(distances.real), len(distances.sampled)]
    found = jackknife(measure, sizes, options.parts, options.seed)
    most = np.inf if name == "density" else 1.0  # a normal interval knows no bounds
    return Estimate(found.mean, *(float(np.clip(end, 0, most)) for end in (found.low, found.high)))
