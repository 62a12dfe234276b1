"""The size that a picture is worked on at, and coordinates there and in the file.

Every step resizes by the same rule, so a box that one step finds is where every other looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from ..values import Box
from .picture import Picture

__all__ = ["Scaling", "working_size"]

_WHOLE = 1e-7
"""Closer to a whole pixel than this is that pixel: what is off is the rounding of a double."""


def working_size(width: int, height: int, size: int, factor: int) -> tuple[int, int]:
    """The size that a picture is brought to: aspect kept, as near as multiples of `factor` allow.

    The shorter side becomes the multiple of `factor` nearest to `size`; the longer side the
    multiple nearest to what keeps the proportions. Halves are rounded up.

    Arguments:
        width: Of the picture as it is shown, in pixels.
        height: Of the picture, in pixels.
        size: Wanted length of the shorter side, in pixels.
        factor: Pixels per cell of the codec.

    Returns:
        Width and height in pixels, both positive multiples of `factor`.

    Raises:
        ConfigError: If any of the four is below 1.
    """
    if min(width, height, size, factor) < 1:
        raise ConfigError(
            f"a picture of {width} x {height} at size {size} with factor {factor}: "
            "all must be at least 1."
        )
    short = _nearest(size, 1, factor)
    if width <= height:
        return short, _nearest(height * short, width, factor)
    return _nearest(width * short, height, factor), short


def _nearest(top: int, bottom: int, factor: int) -> int:
    """The positive multiple of `factor` nearest to `top / bottom`, in whole numbers."""
    step = bottom * factor
    return max(1, (2 * top + step) // (2 * step)) * factor


@dataclass(frozen=True)
class Scaling:
    """Coordinates of a picture file and of the same picture at its working size.

    Both axes have their own ratio, because a working size is rounded to multiples. Coordinates
    that are whole in one of the two come back as exactly the same numbers from the other (for
    sides up to a million pixels).

    Arguments:
        original: Width and height of the file as it is shown, in pixels.
        working: Width and height that it is worked on at, in pixels.
    """

    original: tuple[int, int]
    working: tuple[int, int]

    @classmethod
    def of(cls, picture: Picture, size: int, factor: int) -> Scaling:
        """The scaling of a picture by the rule of `working_size`."""
        return cls(
            (picture.width, picture.height),
            working_size(picture.width, picture.height, size, factor),
        )

    def to_working(self, box: Box) -> Box:
        """A box of the file, in pixels of the working size."""
        return _scaled(box, self.original, self.working)

    def to_original(self, box: Box) -> Box:
        """A box of the working size, in pixels of the file."""
        return _scaled(box, self.working, self.original)


def _scaled(box: Box, old: tuple[int, int], new: tuple[int, int]) -> Box:
    return Box(
        _moved(box.left, old[0], new[0]),
        _moved(box.top, old[1], new[1]),
        _moved(box.right, old[0], new[0]),
        _moved(box.bottom, old[1], new[1]),
    )


def _moved(value: float, old: int, new: int) -> float:
    moved = value * new / old
    whole = round(moved)
    # A whole coordinate is carried to a multiple of 1 / old: never this close without being it.
    return float(whole) if abs(moved - whole) < _WHOLE else moved
