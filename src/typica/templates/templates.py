"""Templates: pictures of letters, and how alike two of them are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Templates", "centred", "joined", "letters_of", "mismatch", "trimmed"]

_VISIBLE = 0.3
"""Columns that get no darker than this are not part of a template's width."""
_FAINT = 0.08
"""Fainter pixels of a mean are the neighbours' chance traces."""
_DARK = 0.35
"""A template that gets nowhere as dark as this shows nothing."""
_SIZES = (0.86, 0.93, 1.0, 1.075, 1.16)
"""At which two templates are compared: lines are cut more or less tightly before they are resized
to one height."""
_HIGHER = 0.15
"""Largest vertical distance, over H, of one letter on two lines, for the same reason."""


@dataclass(frozen=True)
class Templates:
    """Some templates, the most used first.

    Arguments:
        pictures: Darkness `(K, H, w)`, ink in the middle columns.
        uses: How often each was found or placed, `(K,)`.
    """

    pictures: NDArray[np.float32]
    uses: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pictures)

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """The first column with ink of every template and one after the last, `(K, 2)`."""
        return np.array([_extent(picture) for picture in self.pictures], np.int64).reshape(-1, 2)


def _extent(picture: NDArray[np.float32]) -> tuple[int, int]:
    dark = np.flatnonzero(picture.max(0) > _VISIBLE)
    return (int(dark[0]), int(dark[-1]) + 1) if len(dark) else (0, 0)


def trimmed(picture: NDArray[np.float32], left: int, right: int) -> NDArray[np.float32]:
    """A mean without its faint traces and without what lies beyond its columns.

    Arguments:
        picture: `(H, w)`.
        left: The first column to keep.
        right: One after the last.
    """
    out = np.zeros_like(picture)
    left = max(0, left)
    out[:, left:right] = picture[:, left:right]
    out[out < _FAINT] = 0
    return out


def centred(picture: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The picture with its ink in the middle columns; None if it shows nothing."""
    if picture.max() < _DARK:
        return None
    left, right = _extent(picture)
    move = (picture.shape[1] - (right - left)) // 2 - left
    out = np.zeros_like(picture)
    width = picture.shape[1]
    into = slice(max(0, move), min(width, width + move))
    out[:, into] = picture[:, into.start - move : into.stop - move]
    return out


def mismatch(
    picture: NDArray[np.float32], others: NDArray[np.float32], down: int, right: int
) -> NDArray[np.float64]:
    """How much of two pictures differs at the best shift.

    Arguments:
        picture: `(H, w)`.
        others: `(n, H, w)`.
        down: Largest vertical shift in pixels.
        right: Largest horizontal shift in pixels.

    Returns:
        `(n,)`: the squared difference over the lower of the two energies, from 0 (the same).
    """
    height, width = picture.shape
    room = np.pad(picture, ((down, down), (right, right)))
    shifts = [
        room[y : y + height, x : x + width].ravel()
        for y in range(2 * down + 1)
        for x in range(2 * right + 1)
    ]
    flat = others.reshape(len(others), -1)
    products = np.stack(shifts) @ flat.T
    mine = np.array([float(s @ s) for s in shifts])
    theirs = np.square(flat, dtype=np.float64).sum(1)
    squares = mine[:, None] + theirs[None] - 2.0 * products
    return (squares / np.maximum(1e-9, np.minimum(mine[:, None], theirs[None]))).min(0)


def joined(templates: Templates, alike: float, down: int, right: int = 2) -> Templates:
    """Leave one of templates that look alike: the one used most, with the uses of all.

    Arguments:
        templates: At least one.
        alike: Largest `mismatch` of two that are one.
        down: Largest vertical shift in pixels at which they are compared.
        right: Largest horizontal shift.
    """
    order = np.argsort(-templates.uses, kind="stable")
    kept: list[int] = []
    uses: dict[int, int] = {}
    for k in order.tolist():
        if kept:
            away = mismatch(templates.pictures[k], templates.pictures[kept], down, right)
            nearest = int(away.argmin())
            if away[nearest] < alike:
                uses[kept[nearest]] += int(templates.uses[k])
                continue
        kept.append(k)
        uses[k] = int(templates.uses[k])
    return Templates(templates.pictures[kept], np.array([uses[k] for k in kept], np.int64))


def letters_of(templates: Templates, alike: float) -> NDArray[np.int64]:
    """Which templates are one letter, at another size or height on the line.

    Arguments:
        templates: K of them, the most used first.
        alike: Largest `mismatch` of two that are one.

    Returns:
        `(K,)`, numbered from 0 in the order of first use.
    """
    height, width = templates.pictures.shape[1:]
    room = (height + height // 3, width + width // 3)
    plain = np.stack([_resized(picture, 1.0, room) for picture in templates.pictures])
    sized = [
        np.stack([_resized(picture, size, room) for picture in templates.pictures])
        for size in _SIZES
    ]
    letters = np.zeros(len(templates), np.int64)
    first: list[int] = []
    for k in range(len(templates)):
        if first:
            away = np.min(
                [mismatch(s[k], plain[first], round(_HIGHER * height), 2) for s in sized], axis=0
            )
            nearest = int(away.argmin())
            if away[nearest] < alike:
                letters[k] = nearest
                continue
        letters[k] = len(first)
        first.append(k)
    return letters


def _resized(
    picture: NDArray[np.float32], size: float, room: tuple[int, int]
) -> NDArray[np.float32]:
    """The picture at another size in the middle of a canvas that is large enough."""
    found = picture if size == 1 else ndimage.zoom(picture, size, order=1)
    out = np.zeros(room, np.float32)
    top, left = ((want - have) // 2 for want, have in zip(room, found.shape, strict=True))
    out[top : top + found.shape[0], left : left + found.shape[1]] = found
    return out
