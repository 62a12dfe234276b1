"""Where the ink of a sprite is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..lines.line import Box

__all__ = ["ink_boxes", "ink_pieces"]


def ink_pieces(sprite: NDArray[np.float32], least: float = 0.04) -> NDArray[np.bool_]:
    """Which pixels of a sprite are the ink of its letter.

    Ink is what exceeds half of the sprite's greatest opacity; connected pieces with less than
    a share `least` of it are specks and do not count (unless there is nothing else).

    Arguments:
        sprite: Opacity, `(h, w)`, in [0, 1].
        least: Smallest share of the ink that counts as part of the letter.
    """
    ink = sprite > 0.5 * sprite.max()
    pieces, count = ndimage.label(ink, structure=np.ones((3, 3), int))
    if count == 0:
        return np.asarray(ink)
    sizes = ndimage.sum_labels(ink, pieces, np.arange(1, count + 1))
    enough = min(least * sizes.sum(), sizes.max())
    return np.isin(pieces, 1 + np.flatnonzero(sizes >= enough))


def ink_boxes(sprites: NDArray[np.float32], least: float = 0.04) -> list[Box]:
    """The tight box of the ink of every sprite (`ink_pieces`), in sprite pixels.

    A sprite without ink has an empty box in its middle.

    Arguments:
        sprites: Opacities, `(K, h, w)`, in [0, 1].
        least: Smallest share of the ink that counts as part of the letter.
    """
    boxes = []
    for sprite in sprites:
        kept = ink_pieces(sprite, least)
        if not kept.any():
            x, y = sprite.shape[1] / 2, sprite.shape[0] / 2
            boxes.append(Box(x, y, x, y))
            continue
        rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
        boxes.append(
            Box(
                float(columns[0]),
                float(rows[0]),
                float(columns[-1] + 1),
                float(rows[-1] + 1),
            )
        )
    return boxes
