"""The outline of a sprite: from its opacity to closed curves.

The opacity is enlarged by cubic interpolation, the ring along which it passes half of the
sprite's greatest opacity (0.5 for a sprite with full ink; what `ink` takes for ink) is followed
by marching squares, and smooth curves are laid along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from ..configs import require
from .bezier import Curves, crosses_itself, fit_ring, flatten, straight_ring
from .contours import Points, level_rings, ring_area
from .ink import ink_pieces

__all__ = [
    "Outline",
    "OutlineOptions",
    "agreement",
    "clean_sprite",
    "coverage",
    "outline_of",
    "svg_path",
]

_MARGIN = 2  # empty pixels laid around a sprite before it is enlarged
_HALVINGS = 3  # how often a curve that crosses something is laid closer to its ring


@dataclass(frozen=True)
class OutlineOptions:
    """How outlines are made; lengths in pixels of the sprite."""

    factor: int = 4
    """Enlargement before the ring is followed. 4 leaves steps of a quarter of a pixel, well
    below what the curves smooth away."""
    blur: float = 0.4
    """Standard deviation of the blur before that. Sprites are sigmoids and often nearly black
    and white: without it, slanted strokes show the steps of their pixels."""
    tolerance: float = 0.08
    """The curves are nowhere farther than this from the ring. With 40 pixels to the em it is a
    five-hundredth of the em."""
    corner: float = 70.0
    """The curves may turn sharply where the ring turns by more than this, in degrees."""
    reach: float = 0.75
    """Length along the ring over which its direction is taken."""
    least_piece: float = 0.04
    """Connected pieces of ink smaller than this share of all ink are specks and dropped, as for
    the boxes of readings."""
    least_area: float = 1.0
    """Rings around less than this many square pixels are dropped as well, holes and ink."""

    def __post_init__(self) -> None:
        require(1 <= self.factor <= 16, "factor: from 1 to 16")
        require(0 <= self.blur <= 4, "blur: from 0 to 4 pixels")
        require(self.tolerance > 0, "tolerance: above 0")
        require(0 < self.corner <= 180, "corner: above 0, at most 180 degrees")
        require(self.reach > 0, "reach: above 0")
        require(0 <= self.least_piece < 1, "least_piece: at least 0, below 1")
        require(self.least_area >= 0, "least_area: at least 0")


@dataclass(frozen=True)
class Outline:
    """The outline of one sprite.

    Arguments:
        rings: Closed curves, each as cubic Bezier pieces `(M, 4, 2)`: start, two handles, end,
            x to the right and y down, in pixels of the sprite, its top left corner at (0, 0).
            Rings around ink run clockwise as seen, those around holes the other way.
    """

    rings: tuple[Curves, ...]

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """Left, top, right, bottom of the curves; None if there are none."""
        if not self.rings:
            return None
        points = np.concatenate([flatten(ring, 16) for ring in self.rings])
        return (*points.min(0).tolist(), *points.max(0).tolist())

    @property
    def area(self) -> float:
        """Area of the ink, holes taken away."""
        return sum(ring_area(flatten(ring, 16)) for ring in self.rings)


def clean_sprite(
    sprite: NDArray[np.float32], least_piece: float = OutlineOptions.least_piece
) -> NDArray[np.float32]:
    """The sprite without specks: nothing farther than two pixels from the ink of its letter.

    Arguments:
        sprite: Opacity, `(h, w)`, in [0, 1].
        least_piece: Smallest share of the ink that counts as part of the letter.
    """
    kept = ink_pieces(sprite, least_piece)
    others = (sprite > 0.5 * sprite.max()) & ~kept
    square = np.ones((3, 3), bool)
    near = ndimage.binary_dilation(kept, square, iterations=2)
    # a speck beside the letter goes with its halo, but nothing of the letter does
    halo = ndimage.binary_dilation(others, square) & ~ndimage.binary_dilation(kept, square)
    return np.where(near & ~halo & ~others, sprite, 0).astype(np.float32)


def outline_of(sprite: NDArray[np.float32], options: OutlineOptions = OutlineOptions()) -> Outline:
    """The outline of a sprite.

    Arguments:
        sprite: Opacity, `(h, w)`, in [0, 1].
        options: How it is made.

    Returns:
        The outline; its rings cross neither themselves nor each other. A sprite without ink
        has none.
    """
    if not sprite.max() > 0:
        return Outline(())
    level = 0.5 * float(sprite.max())
    clean = clean_sprite(sprite, options.least_piece)
    padded = np.pad(clean.astype(np.float64), _MARGIN)
    if options.blur:
        padded = ndimage.gaussian_filter(padded, options.blur, mode="constant")
    large = ndimage.zoom(padded, options.factor, order=3, mode="nearest", grid_mode=True)
    rings = [ring / options.factor - _MARGIN for ring in level_rings(large, level)]
    rings = [ring for ring in rings if abs(ring_area(ring)) >= options.least_area]
    rings.sort(key=lambda ring: -abs(ring_area(ring)))  # ink before the holes in it
    return Outline(tuple(_without_crossings(rings, options)))


def _without_crossings(rings: list[Points], options: OutlineOptions) -> list[Curves]:
    """Curves along rings; those that cross something are laid closer, at last as polygons."""

    def fitted(ring: Points, tolerance: float) -> Curves:
        return fit_ring(ring, tolerance, options.corner, options.reach)

    curves = [fitted(ring, options.tolerance) for ring in rings]
    for halving in range(1, _HALVINGS + 2):
        bad = crosses_itself([flatten(curve) for curve in curves])
        if not bad.any():
            return curves
        for i in np.flatnonzero(bad):
            ring, tolerance = rings[i], options.tolerance / 2**halving
            curves[i] = fitted(ring, tolerance) if halving <= _HALVINGS else straight_ring(ring)
    return curves


def coverage(outline: Outline, height: int, width: int, over: int = 8) -> NDArray[np.float32]:
    """How much of every pixel an outline covers.

    Arguments:
        outline: In pixels.
        height: Of the picture.
        width: Of the picture.
        over: Each pixel is sampled at `over` x `over` points.

    Returns:
        Shares, `(height, width)`, in [0, 1].
    """
    picture = Image.new("L", (width * over, height * over), 0)
    draw = ImageDraw.Draw(picture)
    for ring in outline.rings:  # from large to small: a hole is drawn after what is around it
        points = flatten(ring, 16)
        corners = [(float(x), float(y)) for x, y in points * over - 0.5]
        draw.polygon(corners, fill=1 if ring_area(points) > 0 else 0)
    blocks = np.asarray(picture, np.float32).reshape(height, over, width, over)
    return np.asarray(blocks.mean((1, 3)), np.float32)


def agreement(outline: Outline, sprite: NDArray[np.float32]) -> float:
    """How well an outline covers a sprite's ink: intersection over union of their pixels.

    Arguments:
        outline: The outline.
        sprite: Opacity, `(h, w)`; its ink is `ink_pieces`.

    Returns:
        Between 0 and 1; 1 if both are empty.
    """
    drawn = coverage(outline, *sprite.shape) >= 0.5
    ink = ink_pieces(sprite)
    union = int((drawn | ink).sum())
    return float((drawn & ink).sum() / union) if union else 1.0


def svg_path(outline: Outline, scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> str:
    """The outline as the `d` of an SVG path.

    Arguments:
        outline: The outline.
        scale: Factor.
        x: Added after that.
        y: Added after that.
    """

    def point(p: Points) -> str:
        return f"{p[0] * scale + x:.2f} {p[1] * scale + y:.2f}"

    parts = []
    for ring in outline.rings:
        parts.append(f"M{point(ring[0, 0])}")
        parts += [f"C{point(a)} {point(b)} {point(end)}" for _, a, b, end in ring]
        parts.append("Z")
    return "".join(parts)
