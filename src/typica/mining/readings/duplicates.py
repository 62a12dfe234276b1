r"""Pictures and patches that show the same thing twice.

Collections hold the same photograph under two names, cropped or saved again; its patches then
make a cluster of their own, which looks typical because it repeats. Exact copies are found by
`typica images check`; this finds near ones, in two steps, because either alone is not enough:

- a perceptual hash proposes pairs (signs of the 63 lowest frequencies of a cosine transform);
- the correlation of the grey values of small versions confirms them.

Patches are proposed by their features instead of a hash.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from tqdm import tqdm

from ...errors import DataError
from ...images.decoding import shrink
from ...images.loading import load_pixels
from ...images.picture import Picture, PictureCollection
from ..appearance import SIDE, raw_pixels
from ..artefacts import grey
from ..independent import Places, cut_patches
from ..table import KINDS, ElementsTable

__all__ = [
    "ELEMENT_CORRELATION",
    "ELEMENT_COSINE",
    "HASH_DISTANCE",
    "PICTURE_CORRELATION",
    "element_repeats",
    "perceptual_hash",
    "picture_repeats",
]

HASH_DISTANCE = 12
"""At most so many of the 63 signs of two near-duplicate pictures differ (chance gives 31)."""
PICTURE_CORRELATION = 0.95
"""Least correlation of the small grey versions of two near-duplicate pictures."""
ELEMENT_COSINE = 0.9
"""Least cosine of the features of two near-duplicate elements."""
ELEMENT_CORRELATION = 0.95
"""Least correlation of the grey values of two near-duplicate elements."""

_LOW = 8


def perceptual_hash(small: NDArray[np.number]) -> NDArray[np.bool_]:
    """Signs of the low frequencies of a picture against their median, `(63,)`.

    Arguments:
        small: Grey values of the picture brought to a square, `(SIDE, SIDE)`.
    """
    low = dctn(np.asarray(small, np.float64), norm="ortho")[:_LOW, :_LOW].ravel()[1:]
    signs: NDArray[np.bool_] = low > np.median(low)
    return signs


def _small(picture: Picture) -> NDArray[np.uint8]:
    """The whole picture as a square patch, whatever its proportions, `(SIDE, SIDE, 3)`."""
    return shrink(load_pixels(picture, 2 * SIDE, 1), SIDE, SIDE)


def _first_of(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Who is left out, and for whom: of two that are alike, the later, unless the first is out.

    Arguments:
        pairs: (earlier, later), sorted.
    """
    out: dict[int, int] = {}
    for first, later in pairs:
        if first not in out and later not in out:
            out[later] = first
    return out


def picture_repeats(
    collection: PictureCollection, wanted: set[str] | None = None, show_progress: bool = True
) -> dict[str, str]:
    """Pictures that nearly repeat an earlier one of the same label.

    Two labels may well hold the same thing (the same object by two designers): that is no fault.

    Arguments:
        collection: The pictures, in their order.
        wanted: Ids of those to look at; None for all.
        show_progress: Show a bar on standard error.

    Returns:
        By the id of a repetition, the id of the picture that is kept in its place. Pictures that
        cannot be read repeat nothing.
    """
    by_label: dict[str, list[tuple[str, NDArray[np.uint8]]]] = {}
    looked = [one for one in collection if wanted is None or one.id in wanted]
    for picture in tqdm(looked, "comparing pictures", unit="picture", disable=not show_progress):
        try:
            by_label.setdefault(picture.label, []).append((picture.id, _small(picture)))
        except (DataError, OSError):
            continue
    repeats: dict[str, str] = {}
    for found in by_label.values():
        smalls = np.stack([small for _, small in found])
        signs = np.stack([perceptual_hash(grey(one)) for one in smalls]).astype(np.float32) * 2 - 1
        # of two vectors of +1 and -1: product = length - 2 x number of differences
        near = signs @ signs.T >= signs.shape[1] - 2 * HASH_DISTANCE
        vectors = raw_pixels(smalls)
        near &= vectors @ vectors.T >= PICTURE_CORRELATION
        pairs = np.argwhere(np.triu(near, 1)).tolist()
        for later, first in _first_of((a, b) for a, b in pairs).items():
            repeats[found[later][0]] = found[first][0]
    return repeats


def element_repeats(
    table: ElementsTable,
    features: NDArray[np.float32],
    collection: PictureCollection,
    size: int,
    factor: int,
    show_progress: bool = True,
) -> NDArray[np.bool_]:
    """Elements that nearly repeat one of a better rank, of the same label and kind.

    Arguments:
        table: N elements.
        features: Of its rows, of unit length, `(N, D)`.
        collection: Their pictures.
        size: Short side of the working size.
        factor: Pixels per latent cell.
        show_progress: Show a bar on standard error.

    Returns:
        `(N,)`, true for a repetition. Patches of a single grey repeat nothing.
    """
    candidates: list[tuple[int, int]] = []
    for label in table.labels:
        for kind in KINDS:
            rows = table.rows(label, kind)
            near = np.triu(features[rows] @ features[rows].T >= ELEMENT_COSINE, 1)
            candidates += [(int(rows[a]), int(rows[b])) for a, b in np.argwhere(near)]
    repeats = np.zeros(len(table), bool)
    if not candidates:
        return repeats
    rows = np.array(sorted({row for pair in candidates for row in pair}), np.int64)
    squares = Places(
        table.picture[rows],
        table.work_x[rows].astype(np.int64),
        table.work_y[rows].astype(np.int64),
        table.side[rows].astype(np.int64),
    )
    pictures = {picture.id: picture for picture in collection}
    (patches,), (good,), _ = cut_patches((squares,), pictures, size, factor, show_progress)
    vectors = np.where(good[:, None], raw_pixels(patches), 0)  # what cannot be read is like nothing
    ends = np.searchsorted(rows, np.array(candidates))  # (pairs, 2)
    alike = np.einsum("nd,nd->n", vectors[ends[:, 0]], vectors[ends[:, 1]])
    pairs = [candidates[i] for i in np.flatnonzero(alike >= ELEMENT_CORRELATION)]
    repeats[list(_first_of(sorted(pairs)))] = True
    return repeats
