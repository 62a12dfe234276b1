"""Co-typicality: what is typical of a label and stays typical of the others (eq. 4.12).

    Tbar(x) = med_c T(x^{c0 -> c}, c)

over the labels c of a parallel set, for patches at one place of a picture and its translations.
Of the source label the real picture counts, as in the paper's program, rather than its
translation to itself. From every source a few patches are taken that do not overlap, those of
greatest Tbar, and of all sources together the best: as in the program, not so many per label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..patches import Patch, best_patches, patch_means, patch_readings

__all__ = ["Candidate", "best_candidates", "cotypicality", "jackknife_error", "picture_sequences"]


class Candidate(NamedTuple):
    """A patch of a source picture, and the same place in its translations.

    Arguments:
        number: Index of the source picture in its collection.
        patch: In working pixels.
        cotypicality: Median of `typicality`.
        error: Standard error of that over the draws of noise and time.
        typicality: Under each label of the set, C.
    """

    number: int
    patch: Patch
    cotypicality: float
    error: float
    typicality: tuple[float, ...]


def cotypicality(
    typicality: NDArray[np.float32], height: int, width: int, side: int
) -> NDArray[np.float32]:
    """Tbar of every patch of one side (eq. 4.12).

    Arguments:
        typicality: T of the picture under each label, `(C, h, w)`.
        height: Of the picture, in working pixels.
        width: Of the picture, in working pixels.
        side: Of the patches.

    Returns:
        `(height - side + 1, width - side + 1)`. The median is taken of patches, not of cells:
        the median of means is another number than the mean of medians.
    """
    means = [patch_means(one, height, width, side) for one in typicality]
    return np.median(np.stack(means), axis=0).astype(np.float32)


def jackknife_error(
    typicality: NDArray[np.floating], deviations: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Standard error of medians over labels, by leaving out each group of draws in turn.

    All labels share their draws, so a group is left out of all of them at once.

    Arguments:
        typicality: Of P patches under C labels, `(P, C)`.
        deviations: Of the means of G groups from it, `(P, C, G)`.

    Returns:
        `(P,)`. For one label this is the usual standard error (`typicality.standard_error`).
    """
    groups = deviations.shape[2]
    # the mean of all groups but one
    without = typicality[:, :, None] - deviations / (groups - 1)
    medians = np.median(without.astype(np.float64), axis=1)
    spread = np.square(medians - medians.mean(1, keepdims=True)).sum(1)
    return np.sqrt(spread * (groups - 1) / groups).astype(np.float32)


def picture_sequences(
    index: int,
    typicality: NDArray[np.float32],
    groups: NDArray[np.float32],
    height: int,
    width: int,
    sides: Sequence[int],
    count: int,
) -> list[Candidate]:
    """The most co-typical places of one source picture, no two of which overlap.

    Arguments:
        index: Of the source picture in its collection.
        typicality: `(C, h, w)`.
        groups: Deviations of the groups of draws, `(C, G, h, w)`.
        height: In working pixels.
        width: In working pixels.
        sides: Of the patches; those that do not fit are cut to the short side.
        count: How many at most.

    Returns:
        Best first.
    """
    sides = sorted({min(side, height, width) for side in sides})
    scores = [cotypicality(typicality, height, width, side) for side in sides]
    picks = best_patches(scores, sides, count)
    labels, number = groups.shape[:2]
    values = patch_readings(typicality, height, width, picks)
    flat = groups.reshape(labels * number, *groups.shape[2:])
    parts = patch_readings(flat, height, width, picks).reshape(-1, labels, number)
    errors = jackknife_error(values, parts)
    return [
        Candidate(
            index,
            pick,
            float(scores[sides.index(pick.side)][pick.row, pick.column]),
            float(errors[k]),
            tuple(values[k].tolist()),
        )
        for k, pick in enumerate(picks)
    ]


def best_candidates(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """The most co-typical of all sources together, best first; ties by source, then place.

    Arguments:
        candidates: In any order.
        count: How many at most.
    """
    return sorted(candidates, key=lambda one: (-one.cotypicality, one.number, one.patch))[:count]
