r"""Which diffusion times are drawn more often: importance sampling of t in eqs. 4.9 to 4.11.

Near the start of its range a draw's typicality often varies several times as much as near the end,
so draws are better spent there. With times of a density \(q\) in place of the uniform one,

    T = E_{t ~ q} [ T_t / q(t) ],

the same mean; its variance is least where q is proportional to the standard deviation of a draw
(Neyman's allocation of a stratified sample). That is found by a few draws of a few pictures, before
any is scored: the *pilot*. What it finds is smoothed to the exponential of a parabola, and a fifth
of q stays uniform, so no draw weighs more than five times what it would without (a *defensive
mixture*, Hesterberg 1995). A poor pilot costs draws; the mean is unbiased whatever it finds.

    times.json      beside the pieces: the density, and the settings that it belongs to
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.picture import PictureCollection
from .balance import smoothed
from .decided import read_decided, write_decided

__all__ = [
    "PARTS",
    "PILOT_DRAWS",
    "PILOT_PICTURES",
    "TimeDensity",
    "fitted_density",
    "pilot_pictures",
    "read_density",
    "shuffled",
    "spread_by_time",
    "write_density",
]

Floats = NDArray[np.float64]

PARTS = 10
"""Parts of the range whose spreads the density is fitted to."""
PILOT_PICTURES = 32
PILOT_DRAWS = 4 * PARTS

_UNIFORM = 0.2
_GRID = np.linspace(0, 1, 1001)
_STEEPEST = 20.0


@dataclass(frozen=True)
class TimeDensity:
    """Density of times over their range, `0.2 + 0.8 exp(a s + b s^2) / Z` at share s in [0, 1].

    Arguments:
        slope: a.
        bend: b. Both 0 is the uniform density.
    """

    slope: float = 0.0
    bend: float = 0.0

    def __call__(self, shares: Floats) -> Floats:
        """q at shares of the range, at least 0.2; its mean over the range is 1."""
        exponent = self.slope * _GRID + self.bend * _GRID**2
        total = np.trapezoid(np.exp(exponent - exponent.max()), _GRID)
        here = self.slope * shares + self.bend * np.square(shares)
        return np.asarray(_UNIFORM + (1 - _UNIFORM) * np.exp(here - exponent.max()) / total)

    def quantile(self, levels: Floats) -> Floats:
        """The shares below which are `levels` of the draws: uniform numbers to shares of q."""
        density = self(_GRID)
        steps = np.diff(_GRID) * (density[1:] + density[:-1]) / 2
        reached = np.concatenate([[0.0], np.cumsum(steps)])
        return np.asarray(np.interp(levels, reached / reached[-1], _GRID))


def fitted_density(spreads: Sequence[float]) -> TimeDensity:
    """The density for standard deviations of a draw in equal parts of the range.

    Arguments:
        spreads: At least 3, each at least 0. Where all are 0 (the base `small` before training)
            nothing is to be gained, and the density is uniform.

    Returns:
        The least squares fit of log spreads, its coefficients rounded to hundredths.
    """
    found = np.asarray(spreads, np.float64)
    if not np.isfinite(found).all() or found.max() <= 0:
        return TimeDensity()
    centres = (np.arange(len(found)) + 0.5) / len(found)
    logs = np.log(np.maximum(found, found.max() * 1e-3))
    bend, slope, _ = np.polyfit(centres, logs, 2)
    return TimeDensity(
        *(round(float(np.clip(one, -_STEEPEST, _STEEPEST)), 2) for one in (slope, bend))
    )


def spread_by_time(draws: Sequence[NDArray[np.floating]], shares: Floats) -> list[float]:
    """Standard deviation of a draw's typicality in each of the `PARTS` parts of the range.

    Of squares of 3 x 3 cells, about the size of a patch, root mean square over all pictures.

    Arguments:
        draws: Of every picture the typicality of each of its draws, `(S, h, w)`; all spreads are 0
            if there is none.
        shares: The draws' times as shares of the range, `(S,)`, two or more in every part.
    """
    part = np.minimum((shares * PARTS).astype(int), PARTS - 1)
    squares = np.zeros(PARTS)
    for maps in draws:
        smooth = smoothed(np.asarray(maps, np.float64)[None])[0]
        squares += [smooth[part == p].var(0, ddof=1).mean() for p in range(PARTS)]
    return [float(one) for one in np.sqrt(squares / max(1, len(draws)))]


def pilot_pictures(collection: PictureCollection) -> list[int]:
    """Indices of the pictures that the pilot takes: of those with a label, chosen by their ids."""
    known = [i for i, one in enumerate(collection) if one.labels]
    return sorted(shuffled(collection, known)[:PILOT_PICTURES])


def shuffled(collection: PictureCollection, indices: Iterable[int]) -> list[int]:
    """Indices of pictures in an order that depends on their ids alone, and on nothing in them."""
    return sorted(
        indices, key=lambda i: hashlib.blake2b(collection.pictures[i].id.encode()).digest()
    )


def read_density(path: Path, settings: dict[str, Any]) -> TimeDensity | None:
    """The density of a job, if it is known.

    Raises:
        RunError: If the file is damaged, or of other settings.
    """

    def parse(given: dict[str, Any]) -> TimeDensity:
        slope, bend = (float(given["density"][name]) for name in ("slope", "bend"))
        if not max(abs(slope), abs(bend)) <= _STEEPEST:
            raise ValueError("no density")
        return TimeDensity(slope, bend)

    return read_decided(path, path.parent, settings, parse)


def write_density(
    path: Path, settings: dict[str, Any], density: TimeDensity, spreads: Sequence[float]
) -> None:
    """Keep the density of a job, and the spreads that it was fitted to, in one step."""
    about = {"slope": density.slope, "bend": density.bend}
    write_decided(path, settings, {"density": about, "spreads": list(spreads)})
