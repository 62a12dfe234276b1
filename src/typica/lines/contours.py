r"""The outlines of glyphs as arrays: reading, bending, thickening, cutting, and writing them.

A contour is a closed chain of pieces, each an array of points: 2 for a straight line, 3 for a
quadratic and 4 for a cubic Bézier curve. The kind of a curve is kept, so that an outline goes back
into the table it came from. What is inside follows the non-zero winding rule, as in every font.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from fontTools.pens.basePen import BasePen
from numpy.typing import NDArray

__all__ = [
    "Contour",
    "Points",
    "area",
    "cut_convex",
    "draw_contours",
    "flatten",
    "offset",
    "read_contours",
    "split_at_heights",
    "transform",
]

Points = NDArray[np.float64]
"""x, y of some points, `(N, 2)`, font units, y upwards."""

Contour = list[Points]
"""The pieces of a closed curve; each starts where the one before ends."""

_SAME = 1e-6  # font units: nearer than this is the same place
_MITRE = 2.0  # a sharp corner moves at most this many times as far as a straight edge
_SHARE = 0.4  # a contour moves at most this share of the way to the next one


class _Collector(BasePen):
    """Takes a glyph apart into contours, its components included."""

    def __init__(self, glyphs: Mapping[str, Any]) -> None:
        super().__init__(glyphs)
        self.contours: list[Contour] = []
        self.start = np.zeros(2)

    def _add(self, *points: tuple[float, float]) -> None:
        first = np.array(self._getCurrentPoint(), np.float64)
        self.contours[-1].append(np.array([first, *points], np.float64))

    def _moveTo(self, pt: tuple[float, float]) -> None:
        self.contours.append([])
        self.start = np.array(pt, np.float64)

    def _lineTo(self, pt: tuple[float, float]) -> None:
        if np.abs(np.subtract(self._getCurrentPoint(), pt)).max() > _SAME:
            self._add(pt)

    def _qCurveToOne(self, pt1: tuple[float, float], pt2: tuple[float, float]) -> None:
        self._add(pt1, pt2)

    def _curveToOne(
        self, pt1: tuple[float, float], pt2: tuple[float, float], pt3: tuple[float, float]
    ) -> None:
        self._add(pt1, pt2, pt3)

    def _closePath(self) -> None:
        own = self.contours[-1]
        if own and np.abs(own[-1][-1] - self.start).max() > _SAME:
            own.append(np.array([own[-1][-1], self.start]))

    _endPath = _closePath


def read_contours(glyphs: Mapping[str, Any], name: str) -> list[Contour]:
    """The contours of one glyph.

    Arguments:
        glyphs: From `TTFont.getGlyphSet`.
        name: Of the glyph.

    Returns:
        Its contours in font units; components are taken in, points without extent left out.
    """
    pen = _Collector(glyphs)
    glyphs[name].draw(pen)
    return [contour for contour in pen.contours if len(contour) > 1]


def draw_contours(contours: Sequence[Contour], pen: Any) -> None:
    """Draw contours with a segment pen of fontTools."""
    for contour in contours:
        pen.moveTo(tuple(contour[0][0]))
        for number, piece in enumerate(contour, 1):
            points = [tuple(point) for point in piece[1:]]
            if len(points) == 1:
                if number < len(contour):  # closing draws the last line
                    pen.lineTo(points[0])
            elif len(points) == 2:
                pen.qCurveTo(*points)
            else:
                pen.curveTo(*points)
        pen.closePath()


def transform(contours: Sequence[Contour], move: Callable[[Points], Points]) -> list[Contour]:
    """Move every point, those that control a curve included.

    Arguments:
        contours: The contours.
        move: From points `(N, 2)` to as many.
    """
    return [[move(piece) for piece in contour] for contour in contours]


def _at(piece: Points, t: float) -> list[Points]:
    """The two parts of a piece cut at t (de Casteljau)."""
    rows = [piece]
    while len(rows[-1]) > 1:
        last = rows[-1]
        rows.append((1 - t) * last[:-1] + t * last[1:])
    return [np.array([row[0] for row in rows]), np.array([row[-1] for row in reversed(rows)])]


def _crossings(piece: Points, height: float) -> list[float]:
    """Where, strictly within a piece, y passes a height."""
    y = piece[:, 1] - height
    if y.min() >= 0 or y.max() <= 0:  # a curve does not leave the hull of its points
        return []
    if len(y) == 2:
        powers = [y[1] - y[0], y[0]]
    elif len(y) == 3:
        powers = [y[0] - 2 * y[1] + y[2], 2 * (y[1] - y[0]), y[0]]
    else:
        third, second = y[3] - 3 * y[2] + 3 * y[1] - y[0], 3 * (y[0] - 2 * y[1] + y[2])
        powers = [third, second, 3 * (y[1] - y[0]), y[0]]
    if not np.abs(powers[:-1]).max() > _SAME:
        return []
    roots = np.roots(powers)
    real = roots.real[np.abs(roots.imag) < 1e-9]
    return sorted(float(t) for t in real if 1e-6 < t < 1 - 1e-6)


def split_at_heights(contours: Sequence[Contour], heights: Sequence[float]) -> list[Contour]:
    """The same contours, every piece cut where it passes a height.

    What is then bent at these heights and straight between them moves the curve itself, not only
    the points that control it.

    Arguments:
        contours: The contours.
        heights: y, in font units.
    """
    found = []
    for contour in contours:
        pieces = list(contour)
        for height in heights:
            parts: list[Points] = []
            for piece in pieces:
                done = 0.0
                for t in _crossings(piece, height):
                    first, piece = _at(piece, (t - done) / (1 - done))
                    parts.append(first)
                    done = t
                parts.append(piece)
            pieces = parts
        found.append(pieces)
    return found


def flatten(contour: Contour, step: float) -> Points:
    """Points along a contour, the last one not repeated.

    Arguments:
        contour: The contour.
        step: Largest distance of neighbours along a curve, in font units; straight lines have
            only their ends.
    """
    parts = []
    for piece in contour:
        if len(piece) == 2:
            parts.append(piece[:1])
            continue
        length = np.linalg.norm(np.diff(piece, axis=0), axis=1).sum()
        t = np.arange(max(2, int(np.ceil(length / step)))) / max(2, int(np.ceil(length / step)))
        rows = np.repeat(piece[None], len(t), axis=0)
        while rows.shape[1] > 1:
            rows = rows[:, :-1] * (1 - t)[:, None, None] + rows[:, 1:] * t[:, None, None]
        parts.append(rows[:, 0])
    return np.concatenate(parts)


def area(ring: Points) -> float:
    """Signed area of a polygon; positive if it runs counter-clockwise."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _cross(a: Points, b: Points) -> NDArray[np.float64]:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _unit(vectors: Points) -> Points:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > _SAME, length, 1))


def _free_way(points: Points, ways: Points, rings: Sequence[Points]) -> NDArray[np.float64]:
    """How far from points along unit ways to the next edge of some rings; infinite for none."""
    start = np.concatenate(rings)
    edge = np.concatenate([np.roll(ring, -1, 0) for ring in rings]) - start
    rest = start[None] - points[:, None]
    slope = _cross(ways[:, None], edge[None])
    safe = np.where(np.abs(slope) > 1e-12, slope, np.inf)
    along = _cross(rest, edge[None]) / safe
    across = _cross(rest, ways[:, None]) / safe
    # edges that touch the point itself are no obstacle
    hit = (np.abs(slope) > 1e-12) & (across >= 0) & (across <= 1) & (along > 1.0)
    return np.asarray(np.where(hit, along, np.inf).min(axis=1))


def offset(contours: Sequence[Contour], amount: float) -> list[Contour]:
    """Move outlines along their normals, so that strokes grow or shrink on both sides.

    All points of the control polygon move, so curves stay curves. A corner moves along its bisector
    as far as keeps its edges parallel, at most twice the amount. Nothing moves more than two fifths
    of the way to what lies opposite, so that neither a hairline turns inside out nor a counter
    closes; there the stroke changes by less than was asked.

    Arguments:
        contours: Of one glyph.
        amount: Font units; positive makes strokes thicker, by twice this.
    """
    if not contours or not amount:
        return list(contours)
    rings = [flatten(contour, 20.0) for contour in contours]
    # ink lies to the left of a counter-clockwise outline; all contours of a glyph agree on it
    side = 1.0 if sum(area(ring) for ring in rings) > 0 else -1.0
    found = []
    for contour in contours:
        points = np.concatenate([piece[:-1] for piece in contour])
        way = _unit(_next_distinct(points) - points)
        came = _unit(points - _next_distinct(points[::-1])[::-1])
        normal = side * np.stack([way[:, 1] + came[:, 1], -way[:, 0] - came[:, 0]], 1) / 2
        # |normal| is the cosine of half the turn: a mitre is as much longer than the edge's shift
        size = np.linalg.norm(normal, axis=1)
        outward = np.where(size[:, None] > 1e-3, _unit(normal), 0)
        reach = abs(amount) * np.minimum(1 / np.maximum(size, 1e-9), _MITRE)
        towards = outward * np.sign(amount)
        # a point that controls a curve lies off it: the way is free or not where the curve is
        places = np.concatenate([_beside(piece) for piece in contour])
        reach = np.minimum(reach, _SHARE * _free_way(places, towards, rings))
        moved = points + towards * reach[:, None]
        pieces, first = [], 0
        for piece in contour:
            last = first + len(piece) - 1
            pieces.append(moved[np.arange(first, last + 1) % len(moved)])
            first = last
        found.append(pieces)
    return found


def _beside(piece: Points) -> Points:
    """The places of a curve that its points but the last stand for."""
    count = len(piece) - 1
    return np.array([_at(piece, k / count)[1][0] for k in range(count)])


def _next_distinct(points: Points) -> Points:
    """Of every point of a ring the next one that lies elsewhere."""
    following = np.roll(points, -1, 0)
    for _ in range(len(points)):
        same = np.abs(following - points).max(axis=1) <= _SAME
        if not same.any():
            break
        following[same] = np.roll(following, -1, 0)[same]
    return following


def _with_crossings(ring: Points, normal: Points, level: float) -> Points:
    """A ring with a corner wherever it passes the line `normal · p = level`."""
    side = ring @ normal - level
    following = np.roll(side, -1)
    passes = ((side > _SAME) & (following < -_SAME)) | ((side < -_SAME) & (following > _SAME))
    rows = []
    for i, point in enumerate(ring):
        rows.append(point)
        if passes[i]:
            t = side[i] / (side[i] - following[i])
            rows.append((1 - t) * point + t * ring[(i + 1) % len(ring)])
    return np.array(rows)


def _clip(ring: Points, normal: Points, level: float) -> Points:
    """The part of a ring with `normal · p <= level` (Sutherland and Hodgman); crossings are in."""
    return ring[ring @ normal - level <= _SAME]


def cut_convex(rings: Sequence[Points], shape: Points) -> list[Points]:
    """Take a convex shape out of polygons.

    Each ring is clipped to the shape and added the other way round, which takes its winding number
    away within the shape and nowhere else. Edges that then run both ways cancel, and what is left
    is linked to rings again.

    Arguments:
        rings: Polygons of one glyph, `(N, 2)` each, inside by the non-zero rule.
        shape: Corners of a convex polygon, counter-clockwise, `(M, 2)`.

    Returns:
        Rings without a repeated corner or an edge that runs back on itself.
    """
    edges = np.roll(shape, -1, 0) - shape
    normals = _unit(np.stack([edges[:, 1], -edges[:, 0]], axis=1))
    levels = (normals * shape).sum(axis=1)
    sides = list(zip(normals, levels, strict=True))
    whole = []
    for ring in rings:
        for normal, level in sides:
            ring = _with_crossings(ring, normal, float(level))
        whole.append(ring)
    parts = []
    for ring in whole:
        for normal, level in sides:
            ring = _clip(_with_crossings(ring, normal, float(level)), normal, float(level))
            if len(ring) < 3:
                break
        else:
            parts.append(ring[::-1])
    return _linked(_split_where_touched([*whole, *parts], sides))


def _split_where_touched(
    rings: Sequence[Points], sides: Sequence[tuple[Points, np.float64]]
) -> list[Points]:
    """Rings whose edges along a side of the shape end wherever another corner lies on it."""
    every = np.concatenate(rings)
    found = list(rings)
    for normal, level in sides:
        on_line = every[np.abs(every @ normal - level) <= 1e-4]
        along = np.array([-normal[1], normal[0]])
        places = on_line @ along
        for number, ring in enumerate(found):
            rows = []
            on = np.abs(ring @ normal - level) <= 1e-4
            for i, point in enumerate(ring):
                rows.append(point)
                j = (i + 1) % len(ring)
                if on[i] and on[j]:
                    a, b = point @ along, ring[j] @ along
                    inside = (places > min(a, b) + 1e-4) & (places < max(a, b) - 1e-4)
                    between = on_line[inside][np.argsort(places[inside])]
                    rows.extend(between if b > a else between[::-1])
            found[number] = np.array(rows)
    return found


def _linked(rings: Sequence[Points]) -> list[Points]:
    """Rings from the edges of some rings, those that run both ways left out."""
    names: dict[tuple[int, int], Points] = {}
    count: dict[tuple[tuple[int, int], tuple[int, int]], int] = defaultdict(int)
    for ring in rings:
        keys = [(round(x * 1000), round(y * 1000)) for x, y in ring]
        names.update(zip(keys, ring, strict=True))
        for a, b in zip(keys, [*keys[1:], keys[0]], strict=True):
            if a == b:
                continue
            if count[b, a]:
                count[b, a] -= 1
            else:
                count[a, b] += 1
    following: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for (a, b), number in count.items():
        following[a] += [b] * number
    found = []
    for start in list(following):
        while following[start]:
            path = [start]
            while following[path[-1]] and (len(path) == 1 or path[-1] != start):
                path.append(following[path[-1]].pop())
            if len(path) > 3:
                found.append(np.array([names[key] for key in path[:-1]]))
    return found
