r"""Known changes to the outlines of a font: what palaeographic comparison is checked against.

A hand differs from another in slant, in the thickness of its strokes, in the proportions of its
letters, and in whether its bowls are closed. Each of these is done here to the outlines of a font,
by amounts that are given, and written as a new font file. Rendered with `typica.lines.render`, two
such fonts are two documents whose difference is known exactly.

However the changes are listed, a letter is first stretched, then its strokes are thickened, then
its bowl is opened, at last it is slanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, TTLibError

from ..configs import require
from ..errors import DataError
from ..files import atomic_path
from .contours import (
    Contour,
    Points,
    area,
    cut_convex,
    draw_contours,
    flatten,
    offset,
    read_contours,
    split_at_heights,
    transform,
)

__all__ = ["Heights", "OutlineChange", "change_contours", "change_font", "measure_heights"]

_RANGES: dict[str, tuple[float, float]] = {
    "slant": (-25, 25),
    "stroke": (-0.08, 0.08),
    "width": (0.6, 1.6),
    "x_height": (0.7, 1.4),
    "ascender": (0.4, 2),
    "descender": (0.4, 2),
    "gap": (0, 0.3),
    "clock": (0, 12),
}
_FINE = 4.0  # font units of 1000 to the em: the step of polygons that stand for a cut curve


@dataclass(frozen=True)
class OutlineChange:
    """What is done to the outlines of some letters. Nothing is, with the defaults."""

    slant: float = 0.0
    """Lean to the right in degrees, -25 to 25; half the x-height stays where it is."""
    stroke: float = 0.0
    """By how much strokes get thicker, in em, -0.08 to 0.08: half on either side. The letter grows
    by as much, and so does its advance."""
    width: float = 1.0
    """Factor of the width, 0.6 to 1.6, advance included."""
    x_height: float = 1.0
    """Factor of what stands between the baseline and the x-height, 0.7 to 1.4. What is above
    moves along."""
    ascender: float = 1.0
    """Factor of the height above the x-height, 0.4 to 2, of capitals too if they are among the
    letters."""
    descender: float = 1.0
    """Factor of the depth below the baseline, 0.4 to 2."""
    gap: float = 0.0
    """Opening cut into the bowl, in em, 0 to 0.3: a strip of this width, from the middle of the
    largest counter out through the stroke around it. Letters without a counter stay closed, and so
    do bowls that lie between overlapping outlines, without one of their own."""
    clock: float = 12.0
    """Where the bowl is opened, as on the face of a clock, 0 to 12: 3 is the right."""
    letters: str = ""
    """The characters that this concerns; empty for all that the font has."""

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            require(low <= value <= high, f"{name}: {value} is not from {low} to {high}")

    def apply(self, font: Path, out: Path) -> Path:
        """Write the font with this change; see `change_font`."""
        return change_font(font, [self], out)


@dataclass(frozen=True)
class Heights:
    """The lines that a font's letters stand between, in font units.

    Arguments:
        bottom: Foot of the round letter o, a little below the baseline.
        x_height: Top of the letter x.
        top: Top of o; what is above is an ascender.
    """

    bottom: float
    x_height: float
    top: float


def measure_heights(font: TTFont, path: Path) -> Heights:
    """Measure the letters o and x of an open font.

    Arguments:
        font: The font.
        path: Its file, for messages.

    Raises:
        DataError: If it lacks one of them.
    """
    glyphs, names = font.getGlyphSet(), font.getBestCmap() or {}
    boxes = {}
    for letter in "ox":
        contours = read_contours(glyphs, names[ord(letter)]) if ord(letter) in names else []
        if not contours:
            raise DataError(
                f"{path}: has no letter {letter}, by which its x-height is measured. Give a font "
                "with Latin letters."
            )
        y = np.concatenate([flatten(contour, 5.0) for contour in contours])[:, 1]
        boxes[letter] = float(y.min()), float(y.max())
    return Heights(min(boxes["o"][0], 0.0), boxes["x"][1], max(boxes["o"][1], boxes["x"][1]))


def change_contours(
    contours: Sequence[Contour],
    changes: Sequence[OutlineChange],
    heights: Heights,
    em: float,
) -> tuple[list[Contour], float, float]:
    """Change the outline of one glyph.

    Arguments:
        contours: Of the glyph, font units.
        changes: Those that concern it.
        heights: Of its font.
        em: Font units to the em.

    Returns:
        The changed contours, and what the advance becomes: its factor, and font units that are
        then added.
    """
    found = list(contours)
    if any((one.x_height, one.ascender, one.descender) != (1, 1, 1) for one in changes):
        found = split_at_heights(found, [heights.bottom, heights.top])
    top, middle, factor, added = heights.top, heights.x_height / 2, 1.0, 0.0
    bottom = heights.bottom
    for one in changes:
        if (one.x_height, one.ascender, one.descender, one.width) != (1, 1, 1, 1):
            found = transform(found, _stretch(one, bottom, top))
            top, bottom, middle = (v * one.x_height for v in (top, bottom, middle))
            factor *= one.width
    for one in changes:
        if one.stroke:
            found = offset(found, one.stroke * em / 2)
            shift = np.array([one.stroke * em / 2, 0.0])
            found = transform(found, lambda p, by=shift: p + by)  # type: ignore[misc]
            added += one.stroke * em
    for one in changes:
        if one.gap:
            found = _opened(found, one.gap * em, one.clock, em)
    lean = sum(math.tan(math.radians(one.slant)) for one in changes)
    if lean:
        found = transform(
            found, lambda p: np.stack([p[:, 0] + lean * (p[:, 1] - middle), p[:, 1]], axis=1)
        )
    return found, factor, added


def _stretch(one: OutlineChange, bottom: float, top: float) -> Any:
    """The map of points that stretches a letter between, above and below its lines."""

    def move(points: Points) -> Points:
        x, y = points.T
        high = np.maximum(y - top, 0) * one.ascender
        low = np.minimum(y - bottom, 0) * one.descender
        return np.stack([x * one.width, np.clip(y, bottom, top) * one.x_height + high + low], 1)

    return move


def _opened(contours: list[Contour], gap: float, clock: float, em: float) -> list[Contour]:
    """A glyph with a strip cut from its largest counter outwards; unchanged if it has none."""
    rings = [flatten(contour, _FINE * em / 1000) for contour in contours]
    counter = _counter(rings)
    if counter is None:
        return contours
    angle = math.radians(90 - 30 * clock)
    way = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-way[1], way[0]])
    centre = _centroid(counter)
    # out of the counter, through the stroke, and no farther than its outer edge at either side
    ends = [_through(centre + side * gap / 2 * across, way, rings) for side in (-1, 0, 1)]
    reach = max((end for end in ends if end is not None), default=None)
    if reach is None:
        return contours
    half = gap / 2 * across
    far = centre + way * (reach + 0.002 * em)
    strip = np.array([centre - half, far - half, far + half, centre + half])
    return [_as_lines(ring) for ring in cut_convex(rings, strip)]


def _counter(rings: Sequence[Points]) -> Points | None:
    """The largest ring that runs against the others; None if there is none."""
    areas = [area(ring) for ring in rings]
    ink = 1.0 if sum(areas) > 0 else -1.0
    against = [-ink * value for value in areas]
    return rings[int(np.argmax(against))] if against and max(against) > 0 else None


def _centroid(ring: Points) -> Points:
    x, y = ring.T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    return np.array(
        [((x + np.roll(x, -1)) * cross).sum(), ((y + np.roll(y, -1)) * cross).sum()]
    ) / (6 * area(ring))


def _through(start: Points, way: Points, rings: Sequence[Points]) -> float | None:
    """How far it is from a point in a counter to where the stroke around it ends."""
    crossings: list[tuple[float, int]] = []
    for ring in rings:
        following = np.roll(ring, -1, 0)
        side = way[0] * (ring[:, 1] - start[1]) - way[1] * (ring[:, 0] - start[0])
        other = np.roll(side, -1)
        for i in np.flatnonzero((side > 0) != (other > 0)):
            t = side[i] / (side[i] - other[i])
            along = float(((1 - t) * ring[i] + t * following[i] - start) @ way)
            crossings.append((along, 1 if side[i] > 0 else -1))
    crossings.sort()
    # far to the left is outside; the winding number is summed up along the line
    winding, inside = 0, False
    for along, turn in crossings:
        winding += turn
        if along > 0:
            if winding and not inside:
                inside = True
            elif not winding and inside:
                return along
    return None


def _as_lines(ring: Points) -> Contour:
    return [np.array(pair) for pair in zip(ring, np.roll(ring, -1, 0), strict=True)]


def change_font(font: Path, changes: Iterable[OutlineChange], out: Path) -> Path:
    """Write a font with changed outlines.

    Advances follow the changes of width and stroke; kerning stays as it was, the hints of
    changed glyphs are dropped.
    Marks that stand on letters are changed only if their characters are named. The same font and
    changes give the same bytes.

    Arguments:
        font: A `.ttf`, `.otf` or `.woff` file with Latin letters, no variable font.
        changes: What is done, to which letters.
        out: The file to write, `.ttf` or `.otf` as the outlines are.

    Returns:
        `out`.

    Raises:
        DataError: If the font cannot be used, lacks a letter that is named, or none of the letters
            named for an opening has a counter.
    """
    font, out = Path(font), Path(out)
    listed = list(changes)
    try:
        with TTFont(font, recalcTimestamp=False) as tables:
            _require_usable(tables, font)
            _change(tables, font, listed)
            tables.flavor = None
            _rename(tables, out.stem)
            with atomic_path(out) as aside:
                tables.save(aside)
    except (OSError, TTLibError, KeyError, ValueError, AssertionError) as error:
        raise DataError(
            f"{font}: damaged, or no font that can be changed ({error}). Give another."
        ) from error
    return out


def _require_usable(tables: TTFont, path: Path) -> None:
    if "fvar" in tables:
        raise DataError(
            f"{path}: is a variable font. Make a static one first (`fonttools varLib.instancer`)."
        )
    if "glyf" not in tables and "CFF " not in tables:
        raise DataError(f"{path}: has neither TrueType nor CFF outlines. Give another font.")


def _concerned(
    names: dict[int, str], changes: Sequence[OutlineChange], path: Path
) -> dict[str, list[OutlineChange]]:
    """Of every glyph that changes its changes."""
    found: dict[str, list[OutlineChange]] = {}
    for one in changes:
        missing = [letter for letter in one.letters if ord(letter) not in names]
        if missing:
            raise DataError(f"{path}: lacks {' '.join(missing)}. Name letters that it has.")
        codes = sorted(set(map(ord, one.letters))) if one.letters else sorted(names)
        for name in dict.fromkeys(names[code] for code in codes):
            found.setdefault(name, []).append(one)
    return found


def _change(tables: TTFont, path: Path, changes: Sequence[OutlineChange]) -> None:
    heights = measure_heights(tables, path)
    em = float(tables["head"].unitsPerEm)
    glyphs = tables.getGlyphSet()
    concerned = _concerned(tables.getBestCmap() or {}, changes, path)
    made: dict[str, tuple[list[Contour], int]] = {}
    opened: set[int] = set()
    for name, own in concerned.items():
        before = read_contours(glyphs, name)
        contours, factor, added = change_contours(before, own, heights, em)
        width = round(glyphs[name].width * factor + (added if before else 0))
        made[name] = contours, max(0, width)
        if _counter([flatten(contour, 10.0) for contour in before]) is not None:
            opened.update(id(one) for one in own if one.gap)
    for one in changes:
        if one.gap and one.letters and id(one) not in opened:
            raise DataError(
                f"{path}: none of the letters {one.letters} has a bowl to open. Name others."
            )
    # what is built of a changed glyph keeps the outline that it had, unless it is named as well
    for name in _built_of(tables, set(made)) - set(made):
        made[name] = read_contours(glyphs, name), glyphs[name].width
    if "glyf" in tables:
        _write_glyf(tables, made)
    else:
        _write_cff(tables, made)
    for table in (
        "hdmx",
        "LTSH",
        "VDMX",
        "DSIG",
    ):  # advances at sizes, and a signature: not true now
        if table in tables:
            del tables[table]


def _built_of(tables: TTFont, parts: set[str]) -> set[str]:
    """The glyphs that have one of these as a component, directly or not."""
    if "glyf" not in tables:
        return set()
    glyf, found = tables["glyf"], set(parts)
    components = {
        name: {part.glyphName for part in glyf[name].components}
        for name in tables.getGlyphOrder()
        if glyf[name].isComposite()
    }
    size = -1
    while size != len(found):
        size = len(found)
        found |= {name for name, own in components.items() if own & found}
    return found


def _write_glyf(tables: TTFont, made: dict[str, tuple[list[Contour], int]]) -> None:
    glyf, metrics = tables["glyf"], tables["hmtx"]
    for name, (contours, width) in made.items():
        pen = TTGlyphPen(None)
        draw_contours(contours, pen)
        glyf[name] = pen.glyph()
        glyf[name].recalcBounds(glyf)
        # a left side bearing other than xMin would shift the outline
        metrics[name] = (width, getattr(glyf[name], "xMin", 0))


def _write_cff(tables: TTFont, made: dict[str, tuple[list[Contour], int]]) -> None:
    strings = tables["CFF "].cff.topDictIndex[0].CharStrings
    for name, (contours, width) in made.items():
        old = strings[name]
        private = old.private
        own = None if width == private.defaultWidthX else width - private.nominalWidthX
        pen = T2CharStringPen(own, None)
        draw_contours(contours, pen)
        strings[name] = pen.getCharString(private=private, globalSubrs=old.globalSubrs)
        corners = [piece for contour in contours for piece in contour]
        left = round(float(np.concatenate(corners)[:, 0].min())) if corners else 0
        tables["hmtx"][name] = (width, left)


def _rename(tables: TTFont, name: str) -> None:
    """Give the font a name of its own: a changed font must not go by the reserved one."""
    for record in tables["name"].names:
        if record.nameID in (1, 3, 4, 6, 16, 18):
            plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in name)
            record.string = plain if record.nameID == 6 else f"{name} (changed outlines)"
