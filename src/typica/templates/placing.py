r"""The row of templates that explains a line best.

Where template m is placed on darkness y, the squared error falls from :math:`\sum y^2` to
:math:`\sum (y - m)^2`, so it explains :math:`g = \sum (2 y m - m^2)`. Neighbours do not overlap
(but for a pixel), so gains add up, and the best row over all rows follows column by column:
:math:`V(x) = \max(V(x - 1), \max_k V(x - a_k) + g_k(x) - price)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from .templates import Templates

__all__ = ["PlacedTemplate", "best_rows", "columns_taken", "gains", "place", "stacks", "values"]

_BATCH = 24
"""Lines explained together."""
_NEVER = np.float32(-1e9)


@dataclass(frozen=True)
class PlacedTemplate:
    """A template on a line.

    Arguments:
        template: Its index.
        left: The column of the line at which its ink begins, from 0.
        down: How many pixels it is moved down.
        gain: The squared darkness that it explains.
    """

    template: int
    left: int
    down: int
    gain: float


def gains(
    lines: NDArray[np.float32], templates: Templates, shift: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What every template explains with its ink beginning at every column.

    Arguments:
        lines: Darkness `(B, H, W)`.
        templates: K of them.
        shift: Largest vertical shift in pixels; the best one is taken.

    Returns:
        Gains `(B, K, W)` and the shifts down in pixels, of the same shape.
    """
    width, canvas = lines.shape[2], templates.pictures.shape[2]
    with torch.no_grad():
        room = F.pad(torch.from_numpy(lines)[:, None], (canvas, canvas, shift, shift))
        products = F.conv2d(room, torch.from_numpy(templates.pictures)[:, None])
        best, row = products.max(2)
    energy = np.square(templates.pictures, dtype=np.float64).sum((1, 2)).astype(np.float32)
    # the canvas begins that much left of the ink
    at = canvas - templates.columns[:, 0][:, None] + np.arange(width)
    where = np.broadcast_to(at[None], (len(lines), *at.shape))
    found = 2 * np.take_along_axis(best.numpy(), where, 2) - energy[:, None]
    return found, np.take_along_axis(row.numpy(), where, 2) - shift


def values(
    gain: NDArray[np.float32], advance: NDArray[np.int64], price: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What the best row of templates explains of every line up to every column.

    Arguments:
        gain: `(B, K, W)`, with the ink beginning at every column.
        advance: Columns that every template takes up, `(K,)`, at least 1; K is at least 1.
        price: What a placement must explain to be worth having.

    Returns:
        What is explained, prices taken off, `(B, W + 1)`; and the template that ends at that
        column, -1 for none, of the same shape.
    """
    lines, count, width = gain.shape
    ending = np.full((lines, count, width + 1), _NEVER, np.float32)
    for k, columns in enumerate(advance.tolist()):
        if columns <= width:
            ending[:, k, columns:] = gain[:, k, : width + 1 - columns] - price
    value = np.zeros((lines, width + 1), np.float32)
    choice = np.full((lines, width + 1), -1, np.int64)
    every = np.arange(lines)
    for x in range(1, width + 1):
        tried = value[:, np.maximum(0, x - advance)] + ending[:, :, x]
        best = tried.argmax(1)
        found = tried[every, best]
        better = found > value[:, x - 1]
        value[:, x] = np.where(better, found, value[:, x - 1])
        choice[:, x] = np.where(better, best, -1)
    return value, choice


def best_rows(
    gain: NDArray[np.float32], advance: NDArray[np.int64], price: float
) -> list[list[tuple[int, int]]]:
    """The best row of templates for every line, by dynamic programming.

    Arguments:
        gain: `(B, K, W)`, with the ink beginning at every column.
        advance: Columns that every template takes up, `(K,)`, at least 1.
        price: What a placement must explain to be worth having.

    Returns:
        For every line the pairs (template, first column), from left to right. What would end
        beyond the line is not placed.
    """
    lines, count, width = gain.shape
    if not count:
        return [[] for _ in range(lines)]
    _, choice = values(gain, advance, price)
    rows = []
    for chosen in choice:
        x, row = width, []
        while x > 0:
            k = int(chosen[x])
            if k < 0:
                x -= 1
            else:
                x -= int(advance[k])
                row.append((k, x))
        rows.append(row[::-1])
    return rows


def columns_taken(templates: Templates, overlap: int) -> NDArray[np.int64]:
    """Columns that no neighbour of a template may use, `(K,)`, at least 1 each."""
    widths: NDArray[np.int64] = templates.columns[:, 1] - templates.columns[:, 0] - overlap
    return np.maximum(1, widths)


def stacks(
    lines: Sequence[NDArray[np.float32]], overlap: int
) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
    """Lines of similar width together.

    Arguments:
        lines: Darkness `(H, w)` each.
        overlap: Columns that neighbours may share.

    Yields:
        Indices of some lines, and their darkness `(B, H, W)`, zero beyond their ends. There is
        room on the right, so that a line's last letter may reach beyond its end by a little.
    """
    order = np.argsort([line.shape[1] for line in lines], kind="stable").tolist()
    for start in range(0, len(order), _BATCH):
        some = order[start : start + _BATCH]
        width = max(lines[i].shape[1] for i in some) + overlap
        stack = np.zeros((len(some), lines[some[0]].shape[0], width), np.float32)
        for row, i in zip(stack, some, strict=True):
            row[:, : lines[i].shape[1]] = lines[i]
        yield some, stack


def place(
    lines: Sequence[NDArray[np.float32]],
    templates: Templates,
    price: float,
    shift: int,
    overlap: int,
    advance: Callable[[int], object] | None = None,
) -> list[list[PlacedTemplate]]:
    """The best row of templates for every line.

    Arguments:
        lines: Darkness `(H, w)` each.
        templates: At least one.
        price: What a placement must explain, in squared darkness.
        shift: Largest vertical shift in pixels.
        overlap: Columns that neighbours may share.
        advance: Called with the number of lines done since the last call.

    Returns:
        For every line its placements from left to right.
    """
    found: list[list[PlacedTemplate]] = [[] for _ in lines]
    taken = columns_taken(templates, overlap)
    for some, stack in stacks(lines, overlap):
        gain, down = gains(stack, templates, shift)
        for b, (i, row) in enumerate(zip(some, best_rows(gain, taken, price), strict=True)):
            found[i] = [
                PlacedTemplate(k, x, int(down[b, k, x]), float(gain[b, k, x])) for k, x in row
            ]
        if advance is not None:
            advance(len(some))
    return found
