"""Pieces of ink that look alike: k-means on their pictures, and the first templates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.vq import kmeans2, vq

from .segments import Segment
from .templates import Templates, centred, trimmed

__all__ = ["canvases", "first_templates", "groups_of", "seeds"]

_BLUR = 1.0
"""Standard deviation in pixels: a shift by a pixel shall not make a letter another."""
_DIRECTIONS = 60
"""Principal directions that hold nearly all that differs between blurred letters."""
_SAMPLE = 12_000
"""Pieces looked at to find directions and centres."""
_ITERATIONS = 15


def canvases(pieces: Sequence[Segment], height: int, width: int) -> NDArray[np.float32]:
    """Pieces in the middle columns of canvases of one size; wider ones are left out.

    Returns:
        `(n, height, width)`.
    """
    fitting = [piece for piece in pieces if piece.right - piece.left <= width]
    out = np.zeros((len(fitting), height, width), np.float32)
    for canvas, piece in zip(out, fitting, strict=True):
        left = (width - (piece.right - piece.left)) // 2
        canvas[:, left : left + piece.picture.shape[1]] = piece.picture
    return out


def seeds(
    points: NDArray[np.float64], count: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Starts for k-means, by the rule of k-means++: far from those chosen before.

    Arguments:
        points: `(n, D)`, at least one.
        count: How many starts; fewer are given if there are fewer different points.
        generator: Source of chance.
    """
    chosen = [int(generator.integers(len(points)))]
    away = np.square(points - points[chosen[0]]).sum(1)
    while len(chosen) < count and away.max() > 0:
        chosen.append(int(generator.choice(len(points), p=away / away.sum())))
        away = np.minimum(away, np.square(points - points[chosen[-1]]).sum(1))
    return points[chosen]


def groups_of(pictures: NDArray[np.float32], count: int, seed: int) -> NDArray[np.int64]:
    """The group of every picture.

    Arguments:
        pictures: `(n, H, w)`, at least one.
        count: How many groups at most.
        seed: Decides sample and starts.

    Returns:
        `(n,)`, from 0; a number may be unused.
    """
    generator = np.random.default_rng(seed)
    blurred = ndimage.gaussian_filter(pictures, (0, _BLUR, _BLUR))[:, ::2, ::2]
    points = blurred.reshape(len(pictures), -1)
    sample = generator.permutation(len(points))[:_SAMPLE]
    middle = points[sample].mean(0)
    _, _, directions = np.linalg.svd(points[sample[:4000]] - middle, full_matrices=False)
    low = ((points - middle) @ directions[:_DIRECTIONS].T).astype(np.float64)
    starts = seeds(low[sample], count, generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a group may become empty: it is not used
        centres, _ = kmeans2(low[sample], starts, iter=_ITERATIONS, minit="matrix")
    return vq(low, centres)[0].astype(np.int64)


def first_templates(
    pieces: Sequence[Segment], height: int, width: int, groups: int, least: int, seed: int
) -> Templates:
    """The median picture of every group of pieces of ink.

    Arguments:
        pieces: From any number of lines.
        height: H in pixels.
        width: Of the canvas, in pixels.
        groups: How many groups at most.
        least: A smaller group gives no template.
        seed: Of the grouping.

    Returns:
        Templates, the most used first; none if nothing fits on the canvas.
    """
    pictures = canvases(pieces, height, width)
    found: list[tuple[int, NDArray[np.float32]]] = []
    if len(pictures):
        groups_found = groups_of(pictures, groups, seed)
        for number in np.unique(groups_found):
            mine = pictures[groups_found == number]
            picture = centred(trimmed(np.median(mine, axis=0), 0, width))
            if picture is not None and len(mine) >= least:
                found.append((len(mine), picture))
    found.sort(key=lambda one: -one[0])
    if not found:
        return Templates(np.zeros((0, height, width), np.float32), np.zeros(0, np.int64))
    return Templates(
        np.stack([picture for _, picture in found]), np.array([n for n, _ in found], np.int64)
    )
