"""HOG and colour of every patch of a regular grid (Doersch et al. 2012; Dalal and Triggs 2005).

A descriptor is made of cells: histograms of gradient directions, and the mean Lab a and b. The
patches of a picture share their cells, so only the grid of cells is computed and kept, a
64th of the descriptors of overlapping patches of 8 x 8 cells; `windows` cuts the
descriptors out just before they are multiplied, with the same result:

    h = hys(cells of the window),    d = [h, colours / 255] / |[h, colours / 255]|,

where hys is Lowe's normalisation: to unit length, cut at 0.2, to unit length again, over the
patch as one block. As in the re-implementation by the chapter's authors, the gradient of a pixel
is that of the channel where it is largest, and directions are not interpolated. Unlike it,
colours are means over their cell instead of four of its pixels, and have no offset (`options`).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...mining.appearance import lab

__all__ = ["cell_colours", "cell_histograms", "grid", "picture_cells", "windows"]

_CUT = 0.2
_LEAST = 1e-5  # as long as a histogram must be to count as one


def cell_histograms(pixels: NDArray[np.uint8], cell: int, orientations: int) -> NDArray[np.float32]:
    """Histograms of the gradients' directions in every cell.

    Arguments:
        pixels: `(H, W, 3)`; what is beyond the last whole cell is left out.
        cell: Side of a cell in pixels.
        orientations: Directions, over half a turn.

    Returns:
        `(H // cell, W // cell, orientations)`: sums of the gradients' lengths (values from 0 to 1)
        over the area of the cell; not normalised. At the border of the picture, where the
        difference of the two neighbours is not defined, a gradient's component is zero.
    """
    rows, columns = pixels.shape[0] // cell, pixels.shape[1] // cell
    values = pixels.astype(np.float32) / np.float32(255)
    down, across = np.zeros_like(values), np.zeros_like(values)
    down[1:-1] = values[2:] - values[:-2]
    across[:, 1:-1] = values[:, 2:] - values[:, :-2]
    strength = np.hypot(down, across)
    channel = strength.argmax(2)[..., None]
    strength, down, across = (
        np.take_along_axis(one, channel, 2)[: rows * cell, : columns * cell, 0]
        for one in (strength, down, across)
    )
    angle = np.rad2deg(np.arctan2(down, across)) % 180
    direction = np.minimum((angle * (orientations / 180)).astype(np.int64), orientations - 1)
    place = np.arange(rows * cell)[:, None] // cell * columns + np.arange(columns * cell) // cell
    count = rows * columns * orientations
    sums = np.bincount(
        (place * orientations + direction).ravel(), weights=strength.ravel(), minlength=count
    )
    return (sums / cell**2).reshape(rows, columns, orientations).astype(np.float32)


def cell_colours(pixels: NDArray[np.uint8], cell: int) -> NDArray[np.float32]:
    """Lab a and b of the mean colour of every cell.

    Arguments:
        pixels: `(H, W, 3)`.
        cell: Side of a cell in pixels.

    Returns:
        `(H // cell, W // cell, 2)`, about -100 to 100; exactly zero where all pixels are grey.
    """
    rows, columns = pixels.shape[0] // cell, pixels.shape[1] // cell
    blocks = pixels[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell, 3)
    means = blocks.mean((1, 3), dtype=np.float32) / np.float32(255)
    colours = lab(means)[..., 1:]
    grey = (means == means[..., :1]).all(-1, keepdims=True)
    return np.where(grey, np.float32(0), colours)  # the white point is rounded: not quite grey


def picture_cells(
    pixels: NDArray[np.uint8], cell: int, orientations: int, offset: float = 0.0
) -> NDArray[np.float16]:
    """All that is kept of a picture.

    Arguments:
        pixels: `(H, W, 3)`.
        cell: Side of a cell in pixels.
        orientations: Directions of gradients.
        offset: Added to Lab a and b.

    Returns:
        `(H // cell, W // cell, orientations + 2)`: histograms, then colours over 255.
    """
    colours = (cell_colours(pixels, cell) + np.float32(offset)) / np.float32(255)
    parts = [cell_histograms(pixels, cell, orientations), colours]
    return np.concatenate(parts, axis=2).astype(np.float16)


def grid(rows: int, columns: int, cells: int, step: int) -> tuple[int, int]:
    """How many patches fit down and across a picture of so many cells; 0 and 0 if none does."""
    if min(rows, columns) < cells:
        return 0, 0
    return (rows - cells) // step + 1, (columns - cells) // step + 1


def windows(
    cells: Tensor, side: int, step: int = 1, chosen: NDArray[np.int64] | None = None
) -> Tensor:
    """Descriptors of the patches of one picture, or of several of one size.

    Arguments:
        cells: `(h, w, orientations + 2)`, of `picture_cells`, in any float type; or
            `(pictures, h, w, orientations + 2)`.
        side: Of a patch, in cells; at most h and w.
        step: Between patches, in cells.
        chosen: Of one picture, numbers of the patches wanted, in rows from top to bottom; None
            for all.

    Returns:
        `(patches, side * side * (orientations + 2))`, float32, of unit length, cell after cell;
        zeros where a patch has neither gradient nor colour. Several pictures come one after
        the other.
    """
    *_, channels = cells.shape
    views = cells.to(torch.float32).unfold(-3, side, step).unfold(-3, side, step)
    # (..., rows, columns, channels, s, s): channels go last, where a row of cells is contiguous
    views = views.movedim(-3, -1)
    if chosen is not None:
        places, columns = torch.as_tensor(chosen, device=cells.device), views.shape[1]
        views = views[places // columns, places % columns]
    found = views.reshape(-1, side * side, channels)
    if found.data_ptr() == cells.data_ptr():  # a single patch: not a copy
        found = found.clone()
    shape, colour = found[..., :-2], found[..., -2:]
    for limit in (_CUT, None):
        shape /= torch.sqrt(shape.square().sum((1, 2), keepdim=True) + _LEAST**2)
        if limit is not None:
            shape.clamp_(max=limit)
    length = torch.sqrt(shape.square().sum((1, 2)) + colour.square().sum((1, 2)))
    found /= torch.where(length > 0, length, 1.0)[:, None, None]
    return found.flatten(1)
