r"""Font files: opening them, knowing what they can draw, and cutting their glyphs.

A font that lacks a character draws its missing-glyph picture instead (an empty frame, or in one
well-known Fraktur a cat). A model would learn that picture as the letter, so the coverage is
checked before anything is drawn, and a missing character is named.

Glyphs are cut one grapheme cluster at a time, `SUPER` times larger than needed, and reduced at
quarter-pixel positions. Everything that changes the shape of the ink (slant, ink spread) happens
to the single glyph before it is set, so its box is exact by construction. Ligatures are switched
off for the same reason: two letters in one picture have no boxes of their own. Kerning is kept.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont, TTLibError
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from ..errors import DataError
from .degradations import spread_ink
from .line import SPACE
from .text import tokenize

__all__ = [
    "INK",
    "SUPER",
    "Font",
    "GlyphPicture",
    "advance",
    "cut_glyph",
    "ink_extent",
    "missing_symbols",
    "open_font",
    "require_coverage",
]

SUPER = 4
"""Glyphs are cut this many times larger than they are set: positions are quarter pixels."""

INK = 0.25
"""A pixel belongs to a glyph's box if the glyph covers at least this share of it."""

_LARGEST_GLYPH = 20  # in em; the longest real ones are dashes and swashes of 2 or 3
_SUFFIXES = (".ttf", ".otf", ".woff")
_NO_LIGATURES = ["-liga", "-rlig", "-clig", "-dlig", "-hlig", "-calt"]
# The letters that reach highest and lowest in most Latin types; Greek and Cyrillic as well.
_EXTENT_SAMPLE = "ÄÖÜHMQJbdfhklgpqyzſßЁЩфβξψ"


@dataclass(frozen=True)
class Font:
    """A font file that was opened and found usable.

    Arguments:
        path: The file.
        name: Full name of the font, as the file gives it.
        licence: What the file says of its licence; empty if it says nothing.
        digest: SHA-256 of the file, as hexadecimal text.
        characters: The code points that the font has a picture for.
    """

    path: Path
    name: str
    licence: str
    digest: str
    characters: frozenset[int] = field(repr=False, compare=False)


@dataclass(frozen=True, eq=False)
class GlyphPicture:
    """The ink of one glyph at its final size, relative to the whole-pixel pen position.

    Arguments:
        ink: Coverage of every pixel, height × width, in [0, 1].
        left: Column of the picture's left edge from the pen, in pixels.
        top: Row of the picture's top edge from the baseline, in pixels (negative: above).
        box: Tight box (left, top, right, bottom) of the pixels covered by `INK` or more, from
            the pen and the baseline; right and bottom exclusive.
    """

    ink: NDArray[np.float32]
    left: int
    top: int
    box: tuple[int, int, int, int]


def open_font(path: Path) -> Font:
    """Open a font file and read its name, licence and coverage.

    Arguments:
        path: A `.ttf`, `.otf` or `.woff` file.

    Returns:
        The font.

    Raises:
        DataError: The file is missing, of another kind, or damaged.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise DataError(
            f"{path}: not a font file that can be used. Give a {', '.join(_SUFFIXES)} file "
            "(convert a .woff2 with fontTools: `fonttools ttLib -o font.ttf font.woff2`)."
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    try:
        ImageFont.truetype(str(path), 16)
        with TTFont(path, lazy=True) as tables:
            characters = frozenset(tables.getBestCmap() or {})
            names = tables["name"]
            name = names.getDebugName(4) or path.stem
            licence = _first_paragraphs(names.getDebugName(13) or "")
    except (OSError, TTLibError, KeyError, ValueError, AssertionError) as error:
        raise DataError(
            f"{path}: damaged, or no font at all ({error}). Fetch the file again, or give another."
        ) from error
    if not characters:
        raise DataError(
            f"{path}: the font maps no Unicode characters. Give a font with a Unicode table."
        )
    return Font(path, name, licence, hashlib.sha256(data).hexdigest(), characters)


def _first_paragraphs(licence: str) -> str:
    """The notice without the full licence that some fonts append, on one line."""
    return " ".join(licence.split("-----")[0].split())[:400]


def missing_symbols(font: Font, text: Iterable[str]) -> tuple[str, ...]:
    """The symbols that the font cannot draw, sorted; a blank picture counts as missing.

    Arguments:
        font: The font.
        text: Grapheme clusters, or strings of them.
    """
    symbols = {symbol for part in text for symbol in tokenize(part)} - {SPACE}
    return tuple(
        sorted(
            symbol
            for symbol in symbols
            if any(ord(character) not in font.characters for character in symbol)
            or _master(font, 64, symbol, 0.0, 0) is None
        )
    )


def require_coverage(font: Font, text: Iterable[str]) -> None:
    """Raise unless the font can draw every symbol of the text.

    Arguments:
        font: The font.
        text: Grapheme clusters, or strings of them.

    Raises:
        DataError: Names the font, the missing characters with their code points, the remedy.
    """
    missing = missing_symbols(font, text)
    if missing:
        named = ", ".join(_describe(symbol) for symbol in missing[:12])
        more = f" and {len(missing) - 12} more" if len(missing) > 12 else ""
        raise DataError(
            f"{font.path}: {font.name} has no picture for {named}{more}. "
            "Choose another font, or replace these characters in the text."
        )


def _describe(symbol: str) -> str:
    codes = " ".join(
        f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
        for character in symbol
    )
    return f"'{symbol}' ({codes})"


def _damaged(font: Font, symbol: str, reason: object) -> DataError:
    """The error for a font that opens but cannot draw what it says it can."""
    return DataError(
        f"{font.path}: the picture of {_describe(symbol)} is damaged ({reason}). "
        "Fetch the font file again, or give another."
    )


@lru_cache(maxsize=64)
def _face(font: Font, size: int) -> ImageFont.FreeTypeFont:
    """The font at `size` px per em, times `SUPER`."""
    return ImageFont.truetype(str(font.path), size * SUPER)


def _features() -> list[str] | None:
    """Ligatures off where the layout engine knows them; the basic engine never joins letters."""
    return _NO_LIGATURES if features.check("raqm") else None


@lru_cache(maxsize=65536)
def advance(font: Font, size: int, symbol: str, following: str | None) -> int:
    """How far the pen moves from a symbol to the next one, kerning included.

    Arguments:
        font: The font.
        size: Pixels per em.
        symbol: A grapheme cluster, or `SPACE`.
        following: The next one; None at the end of the line.

    Returns:
        The distance in units of 1 / `SUPER` pixel.
    """
    face = _face(font, size)
    off = _features()
    try:
        if following is None:
            return round(face.getlength(symbol, features=off))
        pair = face.getlength(symbol + following, features=off)
        return round(pair - face.getlength(following, features=off))
    except OSError as error:
        raise _damaged(font, symbol, error) from error


@lru_cache(maxsize=256)
def ink_extent(font: Font) -> tuple[float, float]:
    """How far the ink of a line of text reaches above and below the baseline, in em.

    Measured on the tallest and deepest letters, not taken from the font's own line height,
    which has little to do with the ink in many historical types.
    """
    size = 64
    sample = [c for c in _EXTENT_SAMPLE if ord(c) in font.characters]
    if not sample:
        sample = [chr(code) for code in sorted(font.characters)[:400] if chr(code).isalpha()]
    boxes = [m[2] for m in (_master(font, size, c, 0.0, 0) for c in sample) if m is not None]
    if not boxes:
        return 0.8, 0.2
    scale = size * SUPER
    return max(-box[1] for box in boxes) / scale, max(box[3] for box in boxes) / scale


@lru_cache(maxsize=8192)
def _master(
    font: Font, size: int, symbol: str, slant: float, spread: int
) -> tuple[NDArray[np.uint8], tuple[int, int], tuple[int, int, int, int]] | None:
    """The enlarged picture of a glyph, its top left corner from pen and baseline, its ink box.

    None if the font draws nothing for it.
    """
    face = _face(font, size)
    off = _features()
    try:
        left, top, right, bottom = map(int, face.getbbox(symbol, anchor="ls", features=off))
    except OSError as error:
        raise _damaged(font, symbol, error) from error
    if right <= left or bottom <= top:
        return None
    if max(right - left, bottom - top) > _LARGEST_GLYPH * size * SUPER:
        raise _damaged(font, symbol, "an outline larger than a page")
    # Room for the ink spread, and for what rounding may have cut from the box.
    shear = math.tan(math.radians(slant))
    pad = abs(spread) + 2
    left, top, right, bottom = left - pad, top - pad, right + pad, bottom + pad
    reach = [-shear * top, -shear * bottom]
    left, right = left + math.floor(min(*reach, 0.0)), right + math.ceil(max(*reach, 0.0))
    picture = Image.new("L", (right - left, bottom - top), 0)
    try:
        ImageDraw.Draw(picture).text((-left, -top), symbol, 255, face, anchor="ls", features=off)
    except OSError as error:
        raise _damaged(font, symbol, error) from error
    if slant:
        # A row `y` above the baseline moves right by `y * shear`; transform asks the inverse.
        picture = picture.transform(
            picture.size,
            Image.Transform.AFFINE,
            (1, shear, shear * (top + 0.5), 0, 1, 0),
            Image.Resampling.BILINEAR,
        )
    ink = spread_ink(np.asarray(picture), spread)
    solid = ink >= 128
    if not solid.any():
        return None
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    box = (
        left + int(columns[0]),
        top + int(rows[0]),
        left + int(columns[-1]) + 1,
        top + int(rows[-1]) + 1,
    )
    return ink, (left, top), box


@lru_cache(maxsize=32768)
def cut_glyph(
    font: Font,
    size: int,
    symbol: str,
    slant: float = 0.0,
    spread: int = 0,
    phase: tuple[int, int] = (0, 0),
) -> GlyphPicture:
    """The picture of one glyph at its final size, with its exact ink box.

    Arguments:
        font: The font.
        size: Pixels per em.
        symbol: A grapheme cluster that the font covers.
        slant: Lean to the right, in degrees.
        spread: How far the ink has spread (or shrunk, negative), in units of 1 / `SUPER` pixel.
        phase: The pen's (column, row) within its pixel, in units of 1 / `SUPER` pixel, each
            from 0 to `SUPER` - 1.

    Returns:
        The picture.

    Raises:
        DataError: The font draws nothing for this symbol.
    """
    master = _master(font, size, symbol, slant, spread)
    if master is None and spread < 0:
        # A hairline that would vanish keeps its own thickness.
        master = _master(font, size, symbol, slant, 0)
    if master is None:
        raise DataError(
            f"{font.path}: {font.name} draws nothing for {_describe(symbol)}. "
            "Choose another font, or replace the character in the text."
        )
    enlarged, (left, top), _ = master
    left, top = left + phase[0], top + phase[1]
    # Pad so that the blocks that are averaged start on whole pixels of the line.
    before = (top % SUPER, left % SUPER)
    after = [-(enlarged.shape[axis] + before[axis]) % SUPER for axis in (0, 1)]
    padded = np.pad(enlarged, ((before[0], after[0]), (before[1], after[1])))
    blocks = padded.reshape(padded.shape[0] // SUPER, SUPER, padded.shape[1] // SUPER, SUPER)
    ink = (blocks.mean((1, 3), dtype=np.float32) / 255).astype(np.float32)
    left, top = left // SUPER, top // SUPER
    # Ink too thin or too small to cover a quarter of any pixel: its darkest pixels are the box.
    solid = ink >= min(INK, float(ink.max()))
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    box = (
        left + int(columns[0]),
        top + int(rows[0]),
        left + int(columns[-1]) + 1,
        top + int(rows[-1]) + 1,
    )
    ink.setflags(write=False)
    return GlyphPicture(ink, left, top, box)
