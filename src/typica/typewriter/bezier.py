"""Smooth curves through closed rings of points: cubic Bezier pieces within a tolerance.

Least squares for one piece with given tangents, better places of the points along it, and a cut
where the piece is farthest off, as long as it is too far off.

References:
    P. J. Schneider, An Algorithm for Automatically Fitting Digitized Curves, Graphics Gems, 1990.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .contours import Points

__all__ = ["crosses_itself", "fit_ring", "flatten", "straight_ring"]

Curves = NDArray[np.float64]
"""Cubic Bezier pieces, `(M, 4, 2)`: start, two handles, end; a piece ends where the next starts."""

_ROUNDS = 4  # improvements of the places along a piece, before it is cut


def fit_ring(points: Points, tolerance: float, corner: float, reach: float) -> Curves:
    """A closed curve along a ring of points.

    Arguments:
        points: x, y, `(N, 2)`, evenly dense, N at least 8.
        tolerance: No point is farther than this from the curve.
        corner: Where the ring turns by more than this, in degrees, the curve may have a corner.
        reach: Length along the ring over which directions are taken.

    Returns:
        The pieces. They are smooth at their joints except at corners.
    """
    length = np.linalg.norm(np.roll(points, -1, 0) - points, axis=1).mean()
    span = int(np.clip(round(reach / length), 1, len(points) // 4))
    after, before = np.roll(points, -span, 0) - points, points - np.roll(points, span, 0)
    turn = _angle(before, after)
    corners = _peaks(turn, np.radians(corner), span)
    extremes = {int(f(points[:, axis])) for f in (np.argmin, np.argmax) for axis in (0, 1)}
    far = [e for e in extremes if all(_around(e, c, len(points)) > span for c in corners)]
    # the extremes of the ring are joints, so that the box of the curve is the box of the ring
    cuts = sorted({*corners, *_apart(far, span, len(points))})
    if len(cuts) < 2:
        cuts = sorted({cuts[0] if cuts else 0, ((cuts[0] if cuts else 0) + len(points) // 2)})
        cuts = sorted({cut % len(points) for cut in cuts})
    smooth = np.roll(points, -span, 0) - np.roll(points, span, 0)
    for axis in (0, 1):
        for e in (int(points[:, axis].argmin()), int(points[:, axis].argmax())):
            if e in cuts and e not in corners:  # the direction there is known
                smooth[e, axis] = 0.0
    pieces = []
    for number, start in enumerate(cuts):
        end = cuts[(number + 1) % len(cuts)]
        count = (end - start) % len(points) or len(points)
        piece = points[(start + np.arange(count + 1)) % len(points)]
        first = after[start] if start in corners else smooth[start]
        last = -before[end] if end in corners else -smooth[end]
        if count < 2 * span:  # too short for directions of its own
            first, last = piece[-1] - piece[0], piece[0] - piece[-1]
        pieces += _fit(piece, _unit(first), _unit(last), tolerance, span)
    return np.array(pieces)


def straight_ring(points: Points) -> Curves:
    """The polygon through these points, as straight pieces."""
    ends = np.roll(points, -1, 0)
    return np.stack([points, (2 * points + ends) / 3, (points + 2 * ends) / 3, ends], axis=1)


def flatten(curves: Curves, steps: int = 8) -> Points:
    """Points along a closed curve, `(M * steps, 2)`: the start of each piece and between."""
    t = np.arange(steps)[:, None] / steps
    return _curve(curves[:, None], t[None]).reshape(-1, 2)


def crosses_itself(rings: list[Points]) -> NDArray[np.bool_]:
    """Which of some closed polygons cross themselves or another one.

    Arguments:
        rings: Corners of each, `(N, 2)`.

    Returns:
        One truth value for each ring.
    """
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    if not len(owner):
        return np.zeros(len(rings), bool)
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, 0) for ring in rings])
    low, high = np.minimum(start, end), np.maximum(start, end)
    near = (low[:, None] < high[None]).all(-1) & (low[None] < high[:, None]).all(-1)
    i, j = np.nonzero(np.triu(near, 1))

    def side(p: Points, q: Points, r: Points) -> NDArray[np.float64]:
        return np.asarray(_cross(q - p, r - p))

    apart = side(start[i], end[i], start[j]) * side(start[i], end[i], end[j]) < 0
    astride = side(start[j], end[j], start[i]) * side(start[j], end[j], end[i]) < 0
    found = apart & astride
    result = np.zeros(len(rings), bool)
    result[owner[i[found]]] = result[owner[j[found]]] = True
    return result


def _cross(a: Points, b: Points) -> NDArray[np.float64]:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _angle(a: Points, b: Points) -> NDArray[np.float64]:
    return np.abs(np.arctan2(_cross(a, b), (a * b).sum(-1)))


def _around(a: int, b: int, count: int) -> int:
    """Steps between two places of a ring, the short way."""
    return min((a - b) % count, (b - a) % count)


def _apart(places: list[int], span: int, count: int) -> list[int]:
    """Those of some places that are more than `span` from those kept before."""
    kept: list[int] = []
    for place in places:
        if all(_around(place, other, count) > span for other in kept):
            kept.append(place)
    return kept


def _peaks(turn: NDArray[np.float64], least: float, span: int) -> list[int]:
    """The sharpest turns, each at least `least`, more than `span` apart."""
    order = [int(i) for i in np.argsort(-turn, kind="stable") if turn[i] > least]
    return sorted(_apart(order, span, len(turn)))


def _unit(vector: Points) -> Points:
    size = np.hypot(*vector)
    return vector / size if size > 0 else np.array([1.0, 0.0])


def _curve(piece: Points, t: Points) -> Points:
    """Points of a piece (..., 4, 2) at t (..., 1)."""
    s = 1 - t
    p0, p1, p2, p3 = (piece[..., k, :] for k in range(4))
    return np.asarray(s**3 * p0 + 3 * s**2 * t * p1 + 3 * s * t**2 * p2 + t**3 * p3)


def _fit(points: Points, first: Points, last: Points, tolerance: float, span: int) -> list[Points]:
    """Pieces along open points, with the directions that they leave both ends in."""
    if len(points) == 2:
        return [_third(points, first, last)]
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    t = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    for _ in range(_ROUNDS):
        piece = _least_squares(points, t, first, last)
        off = np.linalg.norm(_curve(piece, t[:, None]) - points, axis=1)
        worst = int(off.argmax())
        if off[worst] <= tolerance:
            return [piece]
        if off[worst] > 6 * tolerance:
            break
        t = _better_places(piece, points, t)
    worst = min(max(worst, 1), len(points) - 2)
    reach = min(span, worst, len(points) - 1 - worst)
    middle = _unit(points[worst - reach] - points[worst + reach])
    return [
        *_fit(points[: worst + 1], first, middle, tolerance, span),
        *_fit(points[worst:], -middle, last, tolerance, span),
    ]


def _third(points: Points, first: Points, last: Points) -> Points:
    """A piece with handles of a third of its length."""
    third = np.linalg.norm(points[-1] - points[0]) / 3
    return np.stack([points[0], points[0] + third * first, points[-1] + third * last, points[-1]])


def _least_squares(points: Points, t: Points, first: Points, last: Points) -> Points:
    """The piece with given directions whose points at t are nearest to the given ones."""
    s = 1 - t
    ends = np.outer(s**3 + 3 * s**2 * t, points[0]) + np.outer(t**3 + 3 * s * t**2, points[-1])
    a, b = np.outer(3 * s**2 * t, first), np.outer(3 * s * t**2, last)
    rest = points - ends
    aa, ab, bb = (a * a).sum(), (a * b).sum(), (b * b).sum()
    ra, rb = (rest * a).sum(), (rest * b).sum()
    determinant = aa * bb - ab * ab
    chord = np.linalg.norm(points[-1] - points[0])
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    if determinant > 1e-12 * aa * bb:
        left, right = (ra * bb - rb * ab) / determinant, (aa * rb - ab * ra) / determinant
        # handles that point backwards or are longer than the piece make loops
        if 0.01 * chord < left < length and 0.01 * chord < right < length:
            return np.stack(
                [points[0], points[0] + left * first, points[-1] + right * last, points[-1]]
            )
    return _third(points, first, last)


def _better_places(piece: Points, points: Points, t: Points) -> Points:
    """One step of Newton's method towards the nearest place of the piece, for every point."""
    d1 = 3 * np.diff(piece, axis=0)
    d2 = 2 * np.diff(d1, axis=0)
    u = t[:, None]
    rest = _curve(piece, u) - points
    one = (1 - u) ** 2 * d1[0] + 2 * (1 - u) * u * d1[1] + u**2 * d1[2]
    two = (1 - u) * d2[0] + u * d2[1]
    slope = (one * one).sum(1) + (rest * two).sum(1)
    step = np.where(slope > 1e-9, (rest * one).sum(1) / np.maximum(slope, 1e-9), 0.0)
    moved = np.clip(t - step, 0.0, 1.0)
    moved[0], moved[-1] = 0.0, 1.0
    return moved if (np.diff(moved) > 0).all() else t
