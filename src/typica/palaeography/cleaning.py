r"""Cleaning prototypes and telling which of them can be trusted (appendix F.2).

The published program works on pictures of bytes, ink black: :math:`I = 255 (1 - x)` for ink x from
0 to 1. What it does is, in ink,

- reference mask :math:`m`: where the reference has :math:`x > 0.2` (:math:`I < 0.8 \cdot 255`),
  dilated twice by a cross of 3 × 3, the largest 4-connected piece, blurred with
  :math:`\sigma = 1`; the program's mask is :math:`M = 255 m`;
- cleaned prototype :math:`m x`, because :math:`255 - M + I M / 255 = 255 (1 - m x)`: no ink
  outside of the mask;
- deviation: the sum of :math:`1 - m` over the largest piece of :math:`x > 0.35`
  (:math:`I < 0.65 \cdot 255`) of a document, that is the number of its ink pixels that the
  reference does not have; suspect from 15.5, bad above 30 on sprites of 48 × 48.

A pixel of a larger sprite is a smaller part of the letter, so the two limits grow with the area of
the sprites: the same share of the picture has the same flag at every size.

All this takes for granted that the reference knows the letter. A letter that is rare in its lines,
or a reference that was trained for minutes, leaves out the stroke over an ã or the third leg of an
m, and what every document then draws rightly would be cut off and flagged. So the letter is by
default what the reference *or the mean of the documents* has (`CleaningOptions.letter`), and a
document is flagged for ink that neither the reference nor the other documents have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..configs import require
from .prototypes import Prototypes

__all__ = [
    "CleaningOptions",
    "Components",
    "Flag",
    "LetterOf",
    "clean",
    "clean_prototypes",
    "deviations",
    "kept_pieces",
    "letter_masks",
    "quality",
    "reference_masks",
]

Components = Literal["largest", "reaching", "all"]
Flag = Literal["good", "orange", "red", "unknown"]
LetterOf = Literal["reference", "documents"]

_CROSS = ndimage.generate_binary_structure(2, 1)
_PUBLISHED_AREA = 48 * 48
_LEAST_PIECE = 0.04
_ALIKE = 0.5


@dataclass(frozen=True)
class CleaningOptions:
    """How prototypes are cleaned and flagged; numbers are the published ones where there are."""

    letter: LetterOf = "documents"
    """What a letter is. `reference` (published): what the reference drew. `documents`
    (recommended): that, and what is dark in the mean of the documents that show the letter often
    enough; a reference that never learned a rare letter takes little away from it then."""
    reference_ink: float = 0.2
    """The reference has ink where it exceeds this."""
    documents_ink: float = 0.5
    """Beside the columns of the reference's letter the mean of the documents has ink where it
    exceeds this; within them, where no neighbour stands, where it exceeds `reference_ink`. Remains
    of neighbours differ from place to place and stay paler: at 0.5 rendered documents were compared
    as well as with the reference alone, with 0.2 everywhere less well."""
    dilations: int = 2
    """By how many pixels the mask is wider than the ink, so that a document may differ a little."""
    components: Components = "reaching"
    """Which pieces of the mask stay. `largest` (published) takes the dots off i, j, ä and the
    accent off é, which lie more than four pixels from the body, and one half off „ and :.
    `reaching` (recommended) also keeps pieces above or below the largest, and those at least half
    as large; a neighbour's remains, which stand beside the letter, still go. `all` keeps
    everything."""
    blur: float = 1.0
    """Standard deviation of the mask's soft edge, in pixels; 0 for none."""
    document_ink: float = 0.35
    """A document has ink where it exceeds this."""
    flagged_components: Components = "largest"
    """Which pieces count for the flag, of the reference and of the document. With the published
    `largest` a dot that moved does not make a letter suspect."""
    orange: float = 15.5
    """From so many unexpected ink pixels on a prototype is suspect, on sprites of
    48 × 48; in proportion to the area on others."""
    red: float = 30.0
    """Above so many it is not to be used, likewise."""
    coloured: float = 1.7
    """From so many times the median tint of its document's letters a prototype is flagged as of
    another colour than the document's ink: a wash, a rubric, a painted initial (`tints`)."""
    coloured_least: float = 0.05
    """And from this tint, so that a document without noise of colour has no flags by it."""

    def __post_init__(self) -> None:
        for name in ("reference_ink", "documents_ink", "document_ink"):
            require(0 < getattr(self, name) < 1, f"{name}: between 0 and 1")
        for name in ("components", "flagged_components"):
            given = getattr(self, name)
            require(given in get_args(Components), f"{name}: no such {given!r}")
        require(self.letter in get_args(LetterOf), f"letter: no such {self.letter!r}")
        require(self.dilations >= 0, "dilations: at least 0")
        require(self.blur >= 0, "blur: at least 0")
        require(self.coloured >= 1, "coloured: at least 1, the median of the letters")
        require(0 <= self.coloured_least <= 1, "coloured_least: from 0 to 1")
        require(0 < self.orange <= self.red, "orange, red: above 0, orange not above red")


def kept_pieces(ink: NDArray[np.bool_], components: Components) -> NDArray[np.bool_]:
    """The 4-connected pieces of a letter.

    Arguments:
        ink: `(h, w)`.
        components: `largest` (the first one of equals); `reaching`: it, those that share a column
            with it and have 4 % of its size, and those with half of its size; `all`.

    Returns:
        `(h, w)`, a part of `ink`.
    """
    if components == "all":
        return ink.copy()
    pieces, count = ndimage.label(ink, structure=_CROSS)
    if count < 2:
        return ink.copy()
    sizes = np.bincount(pieces.ravel())[1:]
    largest = int(sizes.argmax())
    keep = np.arange(count) == largest
    if components == "reaching":
        columns = (pieces == largest + 1).any(axis=0)
        shared = np.bincount(pieces[:, columns].ravel(), minlength=count + 1)[1:] > 0
        keep |= shared & (sizes >= _LEAST_PIECE * sizes[largest])
        keep |= sizes >= _ALIKE * sizes[largest]
    return np.asarray(np.concatenate([[False], keep])[pieces])


def reference_masks(
    reference: NDArray[np.floating],
    options: CleaningOptions = CleaningOptions(),
    components: Components | None = None,
) -> NDArray[np.float64]:
    """Where each letter may have ink: 1 inside, 0 outside, a soft edge between.

    Arguments:
        reference: Prototypes of the reference, ink in [0, 1], `(..., h, w)`.
        options: The choices.
        components: Instead of those of the options.

    Returns:
        The same shape, in [0, 1]; 0 everywhere for a prototype without ink.
    """
    pictures = np.asarray(reference)
    masks = np.zeros(pictures.shape)
    for place in np.ndindex(pictures.shape[:-2]):
        ink = pictures[place] > options.reference_ink
        if options.dilations:  # for scipy 0 means: until nothing changes
            ink = ndimage.binary_dilation(ink, _CROSS, options.dilations)
        mask = kept_pieces(ink, components or options.components).astype(np.float64)
        masks[place] = ndimage.gaussian_filter(mask, options.blur) if options.blur else mask
    return masks


def letter_masks(
    prototypes: Prototypes, options: CleaningOptions = CleaningOptions(), *, least: int = 1
) -> NDArray[np.float64]:
    """Where each letter may have ink in any document (`CleaningOptions.letter`).

    Arguments:
        prototypes: As adapted.
        options: The choices.
        least: Occurrences that a document needs to have a say.

    Returns:
        `(K, h, w)`, in [0, 1].
    """
    letters = prototypes.reference.astype(np.float64)
    if options.letter == "documents":
        mean = _mean_of_documents(prototypes, least)
        plain = replace(options, dilations=0, blur=0.0)
        columns = (reference_masks(letters, plain) > 0).any(axis=1, keepdims=True)
        limit = np.where(columns, options.reference_ink, options.documents_ink)
        letters = np.where(mean > limit, 1.0, letters)
    return reference_masks(letters, options)


def _mean_of_documents(
    prototypes: Prototypes, least: int, without: int | None = None
) -> NDArray[np.float64]:
    """Mean ink over the documents that show a letter often enough, `(K, h, w)`; 0 for none."""
    known = np.isfinite(prototypes.pictures).all(axis=(2, 3)) & (prototypes.counts >= least)
    if without is not None:
        known[without] = False
    total = np.where(known[..., None, None], prototypes.pictures, 0).sum(axis=0, dtype=np.float64)
    return np.asarray(total / np.maximum(known.sum(axis=0), 1)[:, None, None])


def _expected(
    prototypes: Prototypes, options: CleaningOptions, least: int, document: int
) -> NDArray[np.float64]:
    """Where one document may have ink without being flagged, `(K, h, w)`.

    The mean of the others is a second reference here: the same ink counts in both.
    """
    letters = prototypes.reference.astype(np.float64)
    if options.letter == "documents":
        letters = np.fmax(letters, _mean_of_documents(prototypes, least, document))
    return reference_masks(letters, options, options.flagged_components)


def clean(pictures: NDArray[np.floating], masks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Prototypes without the ink that lies outside of the letter.

    Arguments:
        pictures: Ink in [0, 1], `(..., h, w)`.
        masks: From `reference_masks`; broadcast against the pictures, so `(K, h, w)` serves
            `(G, K, h, w)`.
    """
    return np.asarray(pictures, np.float64) * masks


def deviations(
    pictures: NDArray[np.floating],
    masks: NDArray[np.floating],
    options: CleaningOptions = CleaningOptions(),
) -> NDArray[np.float64]:
    """How many ink pixels of every prototype the reference does not have.

    Arguments:
        pictures: Prototypes before cleaning, ink in [0, 1], `(..., h, w)`.
        masks: From `reference_masks` with the components of the flag; broadcast.
        options: The choices.

    Returns:
        Pixels, `(...)`; NaN for a picture with a NaN.
    """
    drawn = np.asarray(pictures)
    outside = np.broadcast_to(1 - masks, drawn.shape)
    found = np.empty(drawn.shape[:-2])
    for place in np.ndindex(found.shape):
        ink = kept_pieces(drawn[place] > options.document_ink, options.flagged_components)
        found[place] = outside[place][ink].sum()
    return np.where(np.isnan(drawn).any(axis=(-2, -1)), np.nan, found)


def quality(
    found: NDArray[np.floating],
    size: tuple[int, int],
    options: CleaningOptions = CleaningOptions(),
) -> NDArray[np.str_]:
    """The flag of every prototype: `good`, `orange` (suspect), `red` (bad) or `unknown`.

    Arguments:
        found: From `deviations`, any shape.
        size: Height and width of the sprites in pixels; the limits are scaled to their area.
        options: The limits at 48 × 48.

    Returns:
        The same shape; `unknown` for NaN.
    """
    values = np.asarray(found, np.float64)
    scale = size[0] * size[1] / _PUBLISHED_AREA
    suspect, bad = values >= options.orange * scale, values > options.red * scale
    return np.select([np.isnan(values), bad, suspect], ["unknown", "red", "orange"], "good")


def clean_prototypes(
    prototypes: Prototypes, options: CleaningOptions = CleaningOptions(), *, least: int = 1
) -> tuple[Prototypes, NDArray[np.float64], NDArray[np.str_]]:
    """All prototypes cleaned, each letter by one mask, so that differences stay those of documents.

    Arguments:
        prototypes: As adapted.
        options: The choices.
        least: Occurrences that a document needs to have a say in what a letter is.

    Returns:
        The same prototypes cleaned, reference and standard errors too (a pixel outside of the mask
        has neither ink nor an error); the deviations `(G, K)` and the flags `(G, K)`, both of the
        prototypes before cleaning. With `letter=documents` a document is judged by the reference
        and the other documents, for by itself it would always be in the right.
    """
    masks = letter_masks(prototypes, options, least=least)
    found = np.stack(
        [
            deviations(pictures, _expected(prototypes, options, least, number), options)
            for number, pictures in enumerate(prototypes.pictures)
        ]
    )
    size = prototypes.reference.shape[-2:]
    cleaned = replace(
        prototypes,
        reference=clean(prototypes.reference, masks).astype(np.float32),
        pictures=clean(prototypes.pictures, masks).astype(np.float32),
        errors=clean(prototypes.errors, masks).astype(np.float32),
    )
    return cleaned, found, quality(found, (size[0], size[1]), options)
