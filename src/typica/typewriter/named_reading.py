"""A reading in sprite numbers, read again with the names of the sprites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..lines.line import Box
from .naming import Naming
from .reading import LineReading, PlacedGlyph

__all__ = ["named_reading"]


def named_reading(reading: LineReading, naming: Naming) -> LineReading:
    """The same reading with one glyph for every symbol that the sprites stand for.

    Sprites that have a name together become one glyph with the box around them; a sprite that
    stands for several symbols becomes as many glyphs, its box divided evenly, for want of
    anything better; glyphs that stand for nothing go to `unread`.

    Arguments:
        reading: What was placed, one glyph for each sprite.
        naming: The names.
    """
    glyphs: list[PlacedGlyph] = []
    unread: list[PlacedGlyph] = []
    for start, stop, symbols in naming.pieces([glyph.sprite for glyph in reading.glyphs]):
        some = reading.glyphs[start:stop]
        if symbols:
            glyphs += _shared(some, symbols)
        else:
            unread += [replace(glyph, symbol="") for glyph in some]
    return replace(reading, glyphs=tuple(glyphs), unread=(*reading.unread, *unread))


def _shared(some: Sequence[PlacedGlyph], symbols: Sequence[str]) -> Iterator[PlacedGlyph]:
    """One glyph for each symbol, from the glyphs that stand for them together."""
    size, wanted = len(some), len(symbols)
    if wanted <= size:
        for j, symbol in enumerate(symbols):
            yield _joined(some[j * size // wanted : (j + 1) * size // wanted], symbol)
        return
    for i, glyph in enumerate(some):
        yield from _divided(glyph, symbols[i * wanted // size : (i + 1) * wanted // size])


def _joined(some: Sequence[PlacedGlyph], symbol: str) -> PlacedGlyph:
    box = Box(
        min(glyph.box.left for glyph in some),
        min(glyph.box.top for glyph in some),
        max(glyph.box.right for glyph in some),
        max(glyph.box.bottom for glyph in some),
    )
    return replace(
        some[0],
        symbol=symbol,
        box=box,
        confidence=min(glyph.confidence for glyph in some),
        placements=sum(glyph.placements for glyph in some),
        also=tuple(glyph.sprite for glyph in some[1:]),
    )


def _divided(glyph: PlacedGlyph, symbols: Sequence[str]) -> Iterator[PlacedGlyph]:
    box, part = glyph.box, glyph.box.width / len(symbols)
    for place, symbol in enumerate(symbols):
        left = box.left + place * part
        yield replace(
            glyph,
            symbol=symbol,
            box=replace(box, left=left, right=left + part),
            placements=0 if place else glyph.placements,
        )
