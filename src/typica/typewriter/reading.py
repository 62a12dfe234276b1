"""What the typewriter says of one line, in plain values: the glyphs, where, how sure.

A `LineReading` is made from a `Decomposition` (tensors, one batch) by
`typica.typewriter.decoding`, and is what evaluation, exports and reports take.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..lines.line import SPACE, Box

__all__ = ["LineReading", "PlacedGlyph"]


@dataclass(frozen=True)
class PlacedGlyph:
    """One sprite as it was placed on a line.

    Arguments:
        symbol: The character that the sprite stands for.
        sprite: The index of the sprite, from 0.
        box: The tight box of its visible ink, in pixels of the line image as it was given.
        confidence: The probability of the selected sprite at its position, between 0 and 1.
        scale: Size relative to the sprite's native size (1 = as drawn in the alphabet).
        colour: Mean red, green, blue, each between 0 and 1.
        space_before: True if a word space separates it from the glyph before it.
        placements: How many sprites were drawn for it: 1, or more if the decoding merged
            repeats of one sprite that stand side by side, or if a naming joined several; 0 if
            the sprite was counted with the glyph before, which shares it.
        also: The other sprites that were drawn for it, if a naming joined several.
    """

    symbol: str
    sprite: int
    box: Box
    confidence: float
    scale: float
    colour: tuple[float, float, float]
    space_before: bool = False
    placements: int = 1
    also: tuple[int, ...] = ()


@dataclass(frozen=True)
class LineReading:
    """One line as the typewriter read it: its glyphs in reading order.

    Arguments:
        line: The id of the line.
        width: Width of the line image as it was given, in pixels.
        height: Height of the line image as it was given, in pixels.
        glyphs: The placed glyphs in reading order.
        reconstruction: Mean squared error per pixel and channel, images in [0, 1]; None if it
            was not computed.
        unread: Glyphs that were placed but stand for nothing, where a naming says so.
    """

    line: str
    width: int
    height: int
    glyphs: tuple[PlacedGlyph, ...]
    reconstruction: float | None = None
    unread: tuple[PlacedGlyph, ...] = ()

    @property
    def letters(self) -> tuple[str, ...]:
        """The symbols read, without word spaces."""
        return tuple(glyph.symbol for glyph in self.glyphs)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols read, with `SPACE` for word spaces."""
        symbols: list[str] = []
        for glyph in self.glyphs:
            if glyph.space_before and symbols:
                symbols.append(SPACE)
            symbols.append(glyph.symbol)
        return tuple(symbols)

    @property
    def text(self) -> str:
        """The line as one string, with word spaces."""
        return "".join(self.symbols)
