"""Where sprites were placed on lines, as plain arrays: what metrics are measured from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from ..lines.line import SPACE, Box
from .reading import LineReading, PlacedGlyph

__all__ = ["Placements", "placements_of"]

_OFF = 0.3  # pixels that a box may differ from that of the sprite at its scale
_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Placements:
    """Placed sprites, in pixels of the lines at the model's height.

    Arguments:
        line: The number of its line, `(N,)`.
        sprite: `(N,)`.
        left: Left edge of its ink, `(N,)`.
        right: Right edge of its ink, `(N,)`.
        bottom: Lower edge of its ink from the top of the line, `(N,)`.
        scale: Displayed over native size, `(N,)`.
        confidence: In [0, 1], `(N,)`.
        before: Of every pair of neighbours the left one, an index into these, `(P,)`.
        after: The right one, `(P,)`.
        space: Whether a word space lies between them, `(P,)`.
        lines: How many lines were read.
        strange: Share of the placed glyphs whose box is not that of their sprite: cut off at
            the edge of a line, or read with other weights. They are left out of the above.
    """

    line: NDArray[np.int64]
    sprite: NDArray[np.int64]
    left: _Numbers
    right: _Numbers
    bottom: _Numbers
    scale: _Numbers
    confidence: _Numbers
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    space: NDArray[np.bool_]
    lines: int
    strange: float

    def __len__(self) -> int:
        return len(self.sprite)


@dataclass(frozen=True)
class _Drawn:
    """One drawn sprite, and which glyphs of the reading it stands for."""

    glyph: PlacedGlyph
    first: int
    last: int


def placements_of(
    readings: Sequence[LineReading],
    truths: Mapping[str, Sequence[str] | None],
    boxes: Sequence[Box],
    height: int,
) -> Placements:
    """The placed sprites of some lines.

    Where the text of a line is known, only what was read right counts, and the text says where
    words end; else everything counts, and the reading says it.

    Arguments:
        readings: What was read.
        truths: By the id of a line its symbols with `SPACE` for word spaces; None if unknown.
        boxes: `ink_boxes` of the sprites.
        height: The model's height in pixels.
    """
    rows: list[tuple[float, ...]] = []
    pairs: list[tuple[int, int, bool]] = []
    seen = strange = 0
    spaced = any(SPACE in (truth or ()) for truth in truths.values())
    for number, reading in enumerate(readings):
        if not reading.height:
            continue
        factor = height / reading.height
        truth = truths.get(reading.line)
        right, spaces = _judged(reading, truth if spaced or truth is None else None)
        if truth is not None and not spaced:
            right, _ = _judged(reading, truth)
        in_between = [(g.box.left + g.box.right) / 2 for g in reading.unread]
        previous: tuple[int, _Drawn] | None = None
        for drawn in _drawn(reading):
            glyph = drawn.glyph
            single = glyph.placements == 1 and not glyph.also
            usable = single and all(right[drawn.first : drawn.last + 1])
            seen += single
            if usable and not _fits(glyph, boxes[glyph.sprite], factor):
                strange += 1
                usable = False
            if not usable:
                previous = None
                continue
            if previous is not None:
                other = previous[1].glyph.box
                ends = ((other.left + other.right) / 2, (glyph.box.left + glyph.box.right) / 2)
                if not any(ends[0] < x < ends[1] for x in in_between) and (
                    right[drawn.first] == right[previous[1].last]
                ):
                    pairs.append((previous[0], len(rows), spaces[drawn.first]))
            previous = (len(rows), drawn)
            rows.append(_row(number, glyph, factor))
        for glyph in reading.unread:
            if glyph.placements == 1 and _fits(glyph, boxes[glyph.sprite], factor):
                rows.append(_row(number, glyph, factor))
    table = np.array(rows, np.float64).reshape(-1, len(_COLUMNS))
    columns = dict(zip(_COLUMNS, table.T, strict=True))
    joined = np.array(pairs, np.int64).reshape(-1, 3)
    return Placements(
        line=columns.pop("line").astype(np.int64),
        sprite=columns.pop("sprite").astype(np.int64),
        **columns,
        before=joined[:, 0],
        after=joined[:, 1],
        space=joined[:, 2].astype(bool),
        lines=len(readings),
        strange=strange / max(1, seen),
    )


_COLUMNS = tuple(f.name for f in fields(Placements))[:7]


def _row(number: int, glyph: PlacedGlyph, factor: float) -> tuple[float, ...]:
    box = glyph.box
    edges = (box.left * factor, box.right * factor, box.bottom * factor)
    return (number, glyph.sprite, *edges, glyph.scale, glyph.confidence)


def _drawn(reading: LineReading) -> Iterator[_Drawn]:
    """The glyphs again, those that share one sprite joined to what was drawn."""
    glyphs = reading.glyphs
    place = 0
    while place < len(glyphs):
        last = place
        while last + 1 < len(glyphs) and glyphs[last + 1].placements == 0:
            last += 1
        one, end = glyphs[place], glyphs[last]
        if last > place:
            box = Box(one.box.left, one.box.top, end.box.right, one.box.bottom)
            one = PlacedGlyph(
                "".join(g.symbol for g in glyphs[place : last + 1]),
                one.sprite,
                box,
                one.confidence,
                one.scale,
                one.colour,
                one.space_before,
                one.placements,
                one.also,
            )
        yield _Drawn(one, place, last)
        place = last + 1


def _fits(glyph: PlacedGlyph, ink: Box, factor: float) -> bool:
    """Whether a box is that of the sprite's ink at its scale."""
    wide = glyph.box.width * factor - ink.width * glyph.scale
    high = glyph.box.height * factor - ink.height * glyph.scale
    return max(abs(wide), abs(high)) < _OFF


def _judged(reading: LineReading, truth: Sequence[str] | None) -> tuple[list[int], list[bool]]:
    """For every glyph the number of the run that it was read right in (0 for wrong), and whether
    a word space comes before it."""
    if truth is None:
        return [1] * len(reading.glyphs), [g.space_before for g in reading.glyphs]
    right, spaces = [0] * len(reading.glyphs), [False] * len(reading.glyphs)
    letters: list[str] = []
    after_space: list[bool] = []
    pending = False
    for symbol in truth:
        if symbol == SPACE:
            pending = True
        else:
            letters.append(symbol)
            after_space.append(pending)
            pending = False
    runs = Levenshtein.opcodes(letters, reading.letters)
    for number, run in enumerate(runs, 1):
        if run.tag == "equal":
            for i, j in zip(
                range(run.src_start, run.src_end), range(run.dest_start, run.dest_end), strict=True
            ):
                right[j], spaces[j] = number, after_space[i]
    return right, spaces
