"""Signed differences as colours: white where nothing differs, red and blue where something does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["difference_colours"]

_RED = (178, 24, 43)
_BLUE = (33, 102, 172)
_UNKNOWN = (224, 224, 224)


def difference_colours(difference: NDArray[np.floating], limit: float = 1.0) -> NDArray[np.uint8]:
    """Colours of a signed difference `a - b` of two pictures of ink.

    Red is ink that the first picture has and the second has not; blue is ink that only the second
    has; white is no difference; light grey is not known (NaN). Red and blue of about the same
    lightness, which those who confuse red and green tell apart too.

    Arguments:
        difference: Any shape.
        limit: The size of a difference that gets the full colour, above 0; larger ones get it too.

    Returns:
        The same shape with a last axis of red, green, blue, bytes.
    """
    values = np.asarray(difference, np.float64)
    known = ~np.isnan(values)
    strength = np.clip(np.where(known, values, 0) / limit, -1, 1)[..., None]
    end = np.where(strength > 0, np.array(_RED), np.array(_BLUE))
    mixed = 255 + np.abs(strength) * (end - 255)
    return np.where(known[..., None], np.rint(mixed), np.array(_UNKNOWN)).astype(np.uint8)
