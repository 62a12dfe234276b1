"""Prototypes that are made, not learned: smooth shapes, known differences, known noise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from typica.palaeography.prototypes import Prototypes


@cache
def _blur(size: int, sigma: float) -> NDArray[np.float64]:
    return np.asarray(gaussian_filter1d(np.eye(size), sigma, axis=0))


def smooth(
    draws: np.random.Generator, shape: Sequence[int], sigma: float = 1.5
) -> NDArray[np.float64]:
    """Random fields, smooth over the last two axes, of standard deviation 1."""
    white = draws.standard_normal(shape)
    fields = _blur(shape[-2], sigma) @ white @ _blur(shape[-1], sigma).T
    return np.asarray(fields / fields.std())


def make_prototypes(
    seed: int,
    families: Sequence[str] = ("A", "A", "A", "A", "B", "B", "B", "B"),
    letters: str = "abcde",
    *,
    size: tuple[int, int] = (12, 10),
    family_effect: float = 0.0,
    document_effect: float = 0.0,
    noise: float = 0.1,
    occurrences: int = 12,
    like: dict[int, str] | None = None,
) -> Prototypes:
    """Documents whose letters are reference + family + document + mean of noisy occurrences.

    Arguments:
        seed: Of everything.
        families: Of every document.
        letters: One sprite each.
        size: Of a sprite.
        family_effect: Standard deviation over pixels of what a family adds.
        document_effect: The same of what a document adds.
        noise: The same of an occurrence.
        occurrences: Of every letter in every document.
        like: Documents that look like another family than the one they are named to be of.
    """
    draws = np.random.default_rng(seed)
    groups, count = len(families), len(letters)
    reference = 0.5 + 0.1 * smooth(draws, (count, *size))
    true = {name: family_effect * smooth(draws, (count, *size)) for name in sorted(set(families))}
    looks = [(like or {}).get(g, name) for g, name in enumerate(families)]
    pictures = reference + np.stack([true[name] for name in looks])
    pictures = pictures + document_effect * smooth(draws, (groups, count, *size))
    seen = noise * smooth(draws, (groups, count, occurrences, *size))
    errors = seen.std(axis=2, ddof=1) / np.sqrt(occurrences)
    return Prototypes(
        tuple(letters),
        tuple(f"doc{g}" for g in range(groups)),
        tuple(families),
        reference.astype(np.float32),
        (pictures + seen.mean(axis=2)).astype(np.float32),
        np.full((groups, count), occurrences, np.int64),
        errors.astype(np.float32),
    )
