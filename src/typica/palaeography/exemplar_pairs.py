r"""Pairs of a learned sprite and an exemplar, laid on each other and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .cleaning import clean, reference_masks
from .exemplar_options import ExemplarOptions
from .similarity import RADIUS, align, ink_ssim, l2, seen_ink, ssim

__all__ = ["FAINT", "LearnedLetters", "LetterPicture", "Pair", "measured_pairs"]

Floats = NDArray[np.floating]

FAINT = 0.05
"""A picture without ink of more than this shows nothing."""

_BLOCK = 256  # pairs that are aligned at once: bounds the memory


@dataclass(frozen=True, eq=False)
class LetterPicture:
    """One exemplar.

    Arguments:
        letter: What it shows.
        ink: `(h, w)` of any size, in [0, 1].
        origin: The file or font that it comes from.
    """

    letter: str
    ink: Floats
    origin: str


@dataclass(frozen=True, eq=False)
class LearnedLetters:
    """The sprites of a run and what they stand for.

    Arguments:
        name: Of the run.
        letters: Of every sprite its letter; None if it has none or several.
        sprites: Opacities, `(K, h, w)`.
        counts: Occurrences of every sprite, or of its letter where no more is known, `(K,)`.
    """

    name: str
    letters: tuple[str | None, ...]
    sprites: Floats
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pair:
    """A sprite and an exemplar of the same letter.

    Arguments:
        letter: The letter.
        sprite: Number of the sprite.
        occurrences: Of the sprite in the training lines.
        exemplar: Where the exemplar comes from.
        ssim: Mean structural similarity over the sprite's picture (published).
        ink_ssim: The same over the windows that see ink.
        l2: Root of the sum of squared differences.
        scale: Size of the exemplar, beside the factor common to all.
        down: How far it was moved from middle on middle, in sprite pixels.
        right: Likewise.
        learned: The sprite as compared, `(H, W)`, in [0, 1].
        drawn: The exemplar as compared, `(H, W)`.
    """

    letter: str
    sprite: int
    occurrences: int
    exemplar: str
    ssim: float
    ink_ssim: float
    l2: float
    scale: float
    down: float
    right: float
    learned: Floats
    drawn: Floats

    def numbers(self) -> dict[str, Any]:
        """All but the pictures, plain values."""
        return {k: v for k, v in vars(self).items() if k not in ("learned", "drawn")}


def _ink_height(picture: Floats) -> int:
    """Rows from the first to the last with ink of more than half of the darkest."""
    rows = np.flatnonzero((picture > 0.5 * picture.max()).any(axis=1))
    return int(rows[-1] - rows[0] + 1)


def measured_pairs(
    learned: LearnedLetters,
    chosen: Sequence[tuple[int, LetterPicture]],
    options: ExemplarOptions,
) -> tuple[list[Pair], float]:
    """Lay every exemplar on its sprite and measure.

    Arguments:
        learned: The sprites.
        chosen: Numbers of sprites, and exemplars of the same letter, at least one pair.
        options: The choices.

    Returns:
        The pairs in their order; and how many sprite pixels a pixel of the exemplars is, the
        factor common to all.

    Raises:
        DataError: An exemplar shows no ink.
    """
    for _, one in chosen:
        if not one.ink.max() > FAINT:
            raise DataError(f"{one.origin}: shows no ink. Cut the glyph again, or remove it.")
    numbers = sorted({k for k, _ in chosen})
    drawn = learned.sprites[numbers].astype(np.float64)
    drawn /= drawn.max(axis=(1, 2), keepdims=True)
    drawn = clean(drawn, reference_masks(drawn, options.cleaning))
    place = {k: i for i, k in enumerate(numbers)}
    ratios = [
        _ink_height(drawn[place[k]]) / _ink_height(one.ink)
        for k, one in chosen
        if drawn[place[k]].max() > FAINT
    ]
    factor = float(np.exp(np.median(np.log(ratios))))
    inks = _stacked([_tidied(one.ink, factor, options) for _, one in chosen])
    # room for the largest exemplar at its largest size, and for a window around the ink
    size = drawn.shape[1:]
    needed = [max(options.scales) * factor * side for side in inks.shape[1:]]
    pad = [max(RADIUS, int(np.ceil((n - s) / 2)) + 1) for n, s in zip(needed, size, strict=True)]
    around = [(0, 0), (pad[0], pad[0]), (pad[1], pad[1])]
    sheets = np.pad(drawn, around)
    grid = np.pad(np.ones((1, *size), bool), around)
    scales = [factor * scale for scale in options.scales]
    pairs: list[Pair] = []
    for start in range(0, len(chosen), _BLOCK):
        block = chosen[start : start + _BLOCK]
        onto = sheets[[place[k] for k, _ in block]]
        laid = align(inks[start : start + _BLOCK], onto, scales, options.fine)
        a, b = _black_and_white(onto, laid.pictures, options)
        values = (ssim(a, b, grid | seen_ink(a, b)), ink_ssim(a, b), l2(a, b))
        for i, (k, one) in enumerate(block):
            similarity, where_ink, distance = (float(value[i]) for value in values)
            down, right = (float(move) for move in laid.shift[i])
            scale = float(laid.scale[i]) / factor
            count = int(learned.counts[k])
            pairs.append(
                Pair(
                    *(one.letter, k, count, one.origin, similarity, where_ink, distance),
                    *(scale, down, right, a[i], b[i]),
                )
            )
    return pairs, factor


def _tidied(ink: Floats, factor: float, options: ExemplarOptions) -> NDArray[np.float64]:
    """An exemplar as dark as a sprite, cleaned as one, at its own size."""
    even = np.asarray(ink, np.float64) / ink.max()
    own = replace(
        options.cleaning,
        dilations=round(options.cleaning.dilations / factor),
        blur=options.cleaning.blur / factor,
    )
    # paper around it, or the mask would end at the border
    even = np.pad(even, 1 + own.dilations)
    return clean(even, reference_masks(even, own))


def _stacked(pictures: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Pictures in the middle of empty ones of one size, `(P, h, w)`."""
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    found = np.zeros((len(pictures), height, width))
    for sheet, picture in zip(found, pictures, strict=True):
        top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return found


def _black_and_white(
    learned: NDArray[np.float64], drawn: NDArray[np.float64], options: ExemplarOptions
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both, one or none of two stacks as 0 and 1."""

    def made(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
        return (pictures > options.threshold).astype(np.float64)

    return (
        made(learned) if options.binarise == "both" else learned,
        drawn if options.binarise == "neither" else made(drawn),
    )
