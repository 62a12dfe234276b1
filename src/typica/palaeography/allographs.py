"""Letters whose one sprite averages two shapes (Fig. 3.6d): found in their occurrences.

All occurrences of a letter lie on one grid (`typica.palaeography.occurrences`). Two clusters can
always be formed, and they always lie apart on the line that joins them. So the line is found on one
half of the occurrences and looked at with the other half, and a letter is proposed for two sprites
only if these have two peaks there, with a valley between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.linalg import eigh
from scipy.ndimage import gaussian_filter

from ..configs import require
from .occurrences import Occurrences

__all__ = ["AllographOptions", "Mixture", "Proposal", "fit_mixture", "propose"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AllographOptions:
    """When a letter is proposed for two sprites."""

    least: int = 24
    """Letters with fewer occurrences are not looked at."""
    share: float = 0.1
    """The rarer shape has at least this share of them."""
    separation: float = 2.5
    """Least distance of the two shapes, in standard deviations of one of them. Two equal
    peaks melt into one at 2."""
    valley: float = 0.8
    """Between the two peaks the density falls at least to this share of the lower one."""
    blur: float = 1.0
    """Standard deviation in pixels of the blur before occurrences are compared."""
    components: int = 6
    """Principal components in which clusters are looked for."""
    most: int = 1000
    """Of more occurrences of a letter so many are looked at, spread over the lines."""
    seed: int = 0
    """Decides the halves and where the clusters start."""

    def __post_init__(self) -> None:
        require(self.least >= 8, "least: at least 8")
        require(0 < self.share <= 0.5, "share: above 0, at most 0.5")
        require(self.separation > 0, "separation: above 0")
        require(0 < self.valley <= 1, "valley: above 0, at most 1")
        require(self.blur >= 0, "blur: at least 0")
        require(self.components >= 1, "components: at least 1")
        require(self.most >= self.least, "most: at least as many as `least`")


@dataclass(frozen=True)
class Mixture:
    """Two normal distributions of one variance, and how they compare with one.

    Arguments:
        means: Of both, ascending.
        deviation: Of each.
        share: Of the upper one.
        gain: Log-likelihood more than that of one normal distribution, less the price of its two
            further parameters (BIC), per value.
    """

    means: tuple[float, float]
    deviation: float
    share: float
    gain: float

    @property
    def separation(self) -> float:
        """Distance of the means in deviations."""
        return (self.means[1] - self.means[0]) / self.deviation

    @property
    def valley(self) -> float:
        """Least density between the means over that of the lower peak; 1 if there is no valley."""
        x = np.linspace(*self.means, 101)
        low = (1 - self.share) * np.exp(-0.5 * np.square((x - self.means[0]) / self.deviation))
        high = self.share * np.exp(-0.5 * np.square((x - self.means[1]) / self.deviation))
        density = low + high
        return float(density.min() / min(density[0], density[-1]))


@dataclass(frozen=True)
class Proposal:
    """What was found for one letter.

    Arguments:
        sprite: Its sprite.
        count: Occurrences.
        separation: Mean over the two halves, in deviations.
        valley: The higher of the two halves.
        share: Of the rarer shape.
        gain: The lower of the two halves, per occurrence.
        proposed: Whether it should get two sprites.
        looked_at: Which of the occurrences were looked at, `(M,)`.
        second: Of each of these whether it belongs to the rarer shape, `(M,)`.
    """

    sprite: int
    count: int
    separation: float
    valley: float
    share: float
    gain: float
    proposed: bool
    looked_at: NDArray[np.int64]
    second: NDArray[np.bool_]


def fit_mixture(values: Floats, steps: int = 200) -> Mixture:
    """Two normal distributions of one variance, by expectation and maximisation.

    Arguments:
        values: `(N,)`, at least 4, not all equal.
        steps: Most turns; it ends earlier if nothing changes.
    """
    number, total = len(values), float(values.std())
    one = -0.5 * number * (np.log(2 * np.pi * total**2) + 1)
    best: tuple[float, Mixture] | None = None
    for cut in (0.25, 0.5, 0.75):  # the rarer shape may be the lower or the upper one
        upper = (values > np.quantile(values, cut)).astype(np.float64)
        score = -np.inf
        low = high = deviation = share = 0.0
        for _ in range(steps):
            share = float(np.clip(upper.mean(), 1e-3, 1 - 1e-3))
            low = float(((1 - upper) * values).sum() / max((1 - upper).sum(), 1e-9))
            high = float((upper * values).sum() / max(upper.sum(), 1e-9))
            spread = (1 - upper) * np.square(values - low) + upper * np.square(values - high)
            # no narrower than a part of the whole: one value alone is no shape
            deviation = max(float(np.sqrt(spread.mean())), 0.05 * total)
            log_low = np.log(1 - share) - 0.5 * np.square((values - low) / deviation)
            log_high = np.log(share) - 0.5 * np.square((values - high) / deviation)
            both = np.logaddexp(log_low, log_high)
            upper = np.exp(log_high - both)
            now = float(both.sum() - number * np.log(deviation * np.sqrt(2 * np.pi)))
            if now - score < 1e-7 * number:
                break
            score = now
        gain = (now - one - np.log(number)) / number
        if high < low:
            low, high, share = high, low, 1 - share
        if best is None or now > best[0]:
            best = now, Mixture((low, high), deviation, share, float(gain))
    assert best is not None
    return best[1]


def _features(occurrences: Occurrences, mask: Floats, options: AllographOptions) -> Floats:
    """Occurrences as points: blurred, what is not their own filled in, principal components."""
    ink = occurrences.ink.astype(np.float64) / 255
    clear = (occurrences.clear.astype(np.float64) / 255) * mask
    total = clear.sum(0)
    mean = (clear * ink).sum(0) / np.where(total > 0, total, 1)
    own = clear * (ink - mean)
    if options.blur:
        own = gaussian_filter(own, (0, options.blur, options.blur))
    # only where there is something to see: most of the grid is not the letter's
    points = own.reshape(len(own), -1)[:, (mask > 0.05).ravel()]
    points = points - points.mean(0)
    # the smaller of the two products of a matrix with itself has the same components
    wide = len(points) <= points.shape[1]
    product = points @ points.T if wide else points.T @ points
    first = max(0, len(product) - options.components)
    sizes, vectors = eigh(product, subset_by_index=[first, len(product) - 1])
    found = vectors * np.sqrt(sizes.clip(min=0)) if wide else points @ vectors
    projected: Floats = found[:, sizes > 1e-9]
    return projected


def _axis(points: Floats, seed: int) -> Floats:
    """From one cluster of points to the other, a unit vector."""
    best, axis = np.inf, np.zeros(points.shape[1])
    for start in range(4):
        centres, labels = kmeans2(points, 2, minit="++", seed=seed + start)
        inertia = float(np.square(points - centres[labels]).sum())
        way = centres[1] - centres[0]
        if inertia < best and np.linalg.norm(way) > 0 and len(set(labels.tolist())) == 2:
            best, axis = inertia, way / np.linalg.norm(way)
    return axis


def propose(
    occurrences: Occurrences, mask: Floats, options: AllographOptions | None = None
) -> Proposal | None:
    """Whether the occurrences of one letter have two shapes.

    Arguments:
        occurrences: Of one sprite.
        mask: Where the letter is, 0 to 1, `(h, w)`: what lies elsewhere is its neighbours.
        options: When it is proposed.

    Returns:
        None if there are too few occurrences, or they are all alike.
    """
    options = options or AllographOptions()
    number = len(occurrences)
    if number < options.least:
        return None
    looked_at = np.unique(np.linspace(0, number - 1, min(number, options.most)).astype(int))
    if len(looked_at) < number:
        occurrences = occurrences.at(looked_at)
    points = _features(occurrences, mask, options)
    if not points.shape[1]:
        return None
    # whole lines go to one half: occurrences of one line are not independent
    generator = np.random.default_rng(options.seed)
    names = generator.permutation(np.unique(occurrences.lines))
    first = np.isin(occurrences.lines, names[::2])
    if min(first.sum(), (~first).sum()) < 4:
        return None
    found = []
    for own in (first, ~first):
        axis = _axis(points[own], options.seed)
        values = points[~own] @ axis
        if values.std() < 1e-9:
            return None
        found.append(fit_mixture(values))
    separation = float(np.mean([one.separation for one in found]))
    valley = max(one.valley for one in found)
    share = min(min(one.share, 1 - one.share) for one in found)
    gain = min(one.gain for one in found)
    along = points @ _axis(points, options.seed)
    whole = fit_mixture(along)
    middle = _border(whole)
    second = along > middle
    if second.mean() > 0.5:
        second = ~second
    proposed = (
        gain > 0
        and separation >= options.separation
        and valley <= options.valley
        and share >= options.share
    )
    sprite = int(occurrences.sprites[0])
    return Proposal(sprite, number, separation, valley, share, gain, proposed, looked_at, second)


def _border(mixture: Mixture) -> float:
    """Where a value belongs as likely to one as to the other."""
    low, high = mixture.means
    tilt = mixture.deviation**2 / max(high - low, 1e-12)
    return (low + high) / 2 + tilt * float(np.log((1 - mixture.share) / mixture.share))
