r"""How much of a letter has another colour than the ink of its document.

Scribes fill capitals with a wash, stroke them with red, write rubrics, and painters make initials.
A prototype knows darkness alone, so a wash is ink to it, and a washed E differs from every other E
more than any two hands do. Darkness does not tell a wash from ink; colour does:

- The density of a pixel is :math:`d_c = -\log(x_c / p_c)`, with the paper p beside the letter. What
  absorbs light twice lets through the product of both, so densities of ink and of a wash add up
  (Beer and Lambert).
- The ink u of a document is the median density of its letters' dark pixels.
- A pixel holds at most :math:`a = \min_c d_c / u_c` of this ink: more would absorb more light in
  some channel than was lost there. The rest, :math:`d - a u`, has another colour.
- The *tint* of a letter is the rest's share of the density of its occurrences, their median.

Noise of the camera leaves a rest in black letters too, the same in all of a document. So a letter
is flagged by its tint in proportion to the median of the document's letters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..lines.line import Box
from .cuts import Pixels, cut_box, occurrence_box
from .occurrences import Occurrences

__all__ = ["coloured_letters", "densities", "letter_tints", "tint"]

_PAPER = 90
"""Percentile of every channel around an occurrence that is taken for paper."""
_DARKEST = 5.0
"""Densities above this, e^-5 of the paper's light, are less than one step of a byte."""
_BODY, _STRONG = 0.5, 0.7
"""Shares of a prototype's greatest ink from which a pixel belongs to the letter, and to the pixels
that tell the document's ink."""
_LEAST_CLEAR = 0.5
"""Pixels that a neighbour covers by more take no part, as for the means of occurrences."""
_MOST = 60
"""Occurrences of a letter that are looked at, evenly from the first line to the last."""
_FAINT_CHANNEL = 0.25
"""A channel that absorbs less than this share of the strongest tells nothing of the ink's amount;
without it a red document would divide by noise."""

Densities = NDArray[np.float64]


def densities(pictures: Pixels) -> Densities:
    """Optical density of pixels against the paper beside them, channel by channel.

    Arguments:
        pictures: Bytes `(N, h, w, 3)`, each with some paper in it.

    Returns:
        `(N, h, w, 3)`, from 0 (paper, or lighter) to 5.
    """
    paper = np.percentile(pictures, _PAPER, axis=(1, 2), keepdims=True)
    light = np.maximum(pictures, 1) / np.maximum(paper, 1)
    return np.asarray(np.clip(-np.log(light), 0, _DARKEST))


def tint(density: Densities, ink: Densities, weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """The share of a letter's density that the document's ink cannot explain.

    Arguments:
        density: Of the pixels, `(N, ..., 3)`, at least 0.
        ink: Of the document, `(3,)`, above 0 in one channel.
        weight: How much a pixel belongs to the letter, `(N, ...)`, at least 0.

    Returns:
        From 0 to 1, `(N,)`; NaN where nothing has weight and density.
    """
    used = ink >= _FAINT_CHANNEL * ink.max()
    amount = (density[..., used] / ink[used]).min(-1)
    rest = np.maximum(density - amount[..., None] * ink, 0).sum(-1)
    axes = tuple(range(1, weight.ndim))
    whole = (weight * density.sum(-1)).sum(axes)
    with np.errstate(invalid="ignore"):
        return np.asarray((weight * rest).sum(axes) / np.where(whole > 0, whole, np.nan))


def letter_tints(
    line: Callable[[int], Pixels],
    occurrences: Occurrences,
    pictures: NDArray[np.floating],
) -> NDArray[np.float32]:
    """The tint of every letter of one document.

    Arguments:
        line: The picture of the line with a number, `(height, width, 3)`, bytes.
        occurrences: Those on the lines of the document.
        pictures: Its prototypes, cleaned, ink in [0, 1], `(K, h, w)`.

    Returns:
        Median over occurrences, from 0 to 1, `(K,)`; NaN for a letter without any, or without ink.
    """
    high, wide = pictures.shape[1:]
    whole = Box(0, 0, wide, high)
    most = pictures.max(axis=(1, 2), keepdims=True)
    found = np.full(len(pictures), np.nan, np.float32)
    kept: dict[int, tuple[Densities, NDArray[np.float64]]] = {}
    dark: list[Densities] = []
    for sprite in np.unique(occurrences.sprites):
        if not most[sprite] > 0:
            continue
        own = np.flatnonzero(occurrences.sprites == sprite)
        if len(own) > _MOST:
            own = own[np.linspace(0, len(own) - 1, _MOST).round().astype(int)]
        cut = [
            cut_box(
                line(int(occurrences.lines[n])), occurrence_box(occurrences, n, whole), (high, wide)
            )
            for n in own.tolist()
        ]
        density = densities(np.stack(cut))
        clear = occurrences.clear[own] / 255.0
        clear[clear < _LEAST_CLEAR] = 0
        kept[int(sprite)] = density, clear * (pictures[sprite] > _BODY * most[sprite])
        strong = (pictures[sprite] > _STRONG * most[sprite]) & (clear > 0)
        dark += [
            np.median(one[on], axis=0) for one, on in zip(density, strong, strict=True) if on.any()
        ]
    if not dark or not (ink := np.median(dark, axis=0)).max() > 0:
        return found
    for sprite, (density, weight) in kept.items():
        shares = tint(density, ink, weight)
        if np.isfinite(shares).any():
            found[sprite] = np.nanmedian(shares)
    return found


def coloured_letters(
    tints: NDArray[np.floating] | None,
    use: NDArray[np.bool_],
    ratio: float,
    least: float,
) -> NDArray[np.bool_]:
    """Which prototypes hold another colour than the ink of their document.

    Arguments:
        tints: From `letter_tints`, `(G, K)`; None where they were not measured.
        use: Prototypes with enough occurrences, `(G, K)`; others are never flagged.
        ratio: Flagged from so many times the median tint of the document's letters.
        least: And from this tint.

    Returns:
        `(G, K)`.
    """
    found = np.zeros(use.shape, bool)
    if tints is None:
        return found
    for g, row in enumerate(tints):
        own = use[g] & np.isfinite(row)
        if own.any():
            found[g] = own & (row >= max(ratio * float(np.median(row[own])), least))
    return found
