"""An OpenType font from a learned hand.

TrueType outlines, kerning (`kern`), letters of several code points (`ccmp`), ligatures (`liga`)
and other shapes of a letter (`salt`, `ss01` to `ss20`).
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..configs import require
from ..errors import DataError
from ..lines.text import clusters
from .bezier import Curves
from .hand import Hand
from .outlines import Outline

if TYPE_CHECKING:
    from fontTools.ttLib.tables._g_l_y_f import Glyph

__all__ = ["FontGlyphs", "FontOptions", "build_font", "font_features", "font_glyphs"]

_PRIVATE = range(0xE000, 0xF900)
_NOTDEF, _SPACE = ".notdef", "space"
_STYLES = 20  # stylistic sets that OpenType knows


@dataclass(frozen=True)
class FontOptions:
    """How the font is called and drawn."""

    family: str = ""
    """Name under which it is installed; that of the data with ` typica` if empty."""
    license: str = ""
    """What the font says of its licence; nothing if empty."""
    units: int = 2048
    """Units per em, from the lowest to the highest ink of the hand."""
    tolerance: float = 1.0
    """How far, in units, the quadratic curves of the font may be from those of the outline."""
    line_gap: float = 0.2
    """White between two lines in em."""

    def __post_init__(self) -> None:
        require(64 <= self.units <= 8192, "units: from 64 to 8192")
        require(self.tolerance > 0, "tolerance: above 0")
        require(0 <= self.line_gap <= 4, "line_gap: from 0 to 4 em")


@dataclass(frozen=True)
class FontGlyphs:
    """Which glyph of a font is which sprite, and how texts reach it.

    Arguments:
        sprites: The name of every sprite that is in the font.
        characters: Glyph names by code point.
        sequences: Glyph names that become one: parts, whole. For `ccmp`.
        ligatures: The same for letters that one sprite joins. For `liga`.
        variants: For a glyph its other shapes, the most frequent first.
        helpers: Glyphs of code points that occur only as parts; drawn as the missing box.
    """

    sprites: dict[int, str]
    characters: dict[int, str]
    sequences: tuple[tuple[tuple[str, ...], str], ...]
    ligatures: tuple[tuple[tuple[str, ...], str], ...]
    variants: dict[str, tuple[str, ...]]
    helpers: tuple[str, ...]


def font_glyphs(hand: Hand) -> FontGlyphs:
    """Give the sprites of a hand their glyph names and code points.

    A symbol of one code point, in its composed normal form, is reached directly, its decomposed
    form through `ccmp`, as are symbols that no single code point stands for. Names of tokens and
    sprites without a name get code points for private use.

    Arguments:
        hand: The hand.
    """
    names: dict[int, str] = {}
    characters: dict[int, str] = {}
    variants: dict[str, tuple[str, ...]] = {}
    sequences: dict[tuple[int, ...], str] = {}
    joined: list[tuple[tuple[str, ...], str]] = []
    whole: dict[str, str] = {}
    used = {ord(c) for letters in hand.variants for symbol in letters for c in symbol}
    private = iter(code for code in _PRIVATE if code not in used)

    def take(sprites: Sequence[int], name: str) -> str:
        names[sprites[0]] = name
        others = tuple(f"{name}.alt{i}" for i in range(1, len(sprites)))
        names.update(zip(sprites[1:], others, strict=True))
        if others:
            variants[name] = others
        return name

    for letters, sprites in sorted(hand.variants.items(), key=lambda item: len(item[0])):
        if len(letters) > 1:
            joined.append((letters, take(sprites, "_".join(map(_symbol_name, letters)))))
            continue
        symbol = letters[0]
        forms = {unicodedata.normalize(form, symbol) for form in ("NFC", "NFD")} | {symbol}
        single = [ord(form) for form in forms if len(form) == 1]
        if not single and clusters(symbol) != [symbol]:  # the name of a token
            code = next(private)
            whole[symbol] = characters[code] = take(sprites, _symbol_name(chr(code)))
            continue
        name = _symbol_name(unicodedata.normalize("NFC", symbol))
        if name in names.values():  # two spellings of one symbol: the first has the name
            name = f"{name}.{len(names)}"
        whole[symbol] = take(sprites, name)
        for code in single:
            characters.setdefault(code, name)
        for form in forms:
            if len(form) > 1:
                sequences.setdefault(tuple(map(ord, form)), name)
    for sprite, letters in enumerate(hand.letters):
        if not letters and hand.boxes[sprite].area > 0 and (free := next(private, None)):
            characters[free] = take([sprite], _symbol_name(chr(free)))
    for code in (0x20, 0xA0):
        characters[code] = _SPACE
    helpers = []
    for code in sorted({code for parts in sequences for code in parts} - set(characters)):
        characters[code] = _symbol_name(chr(code))
        helpers.append(characters[code])
    return FontGlyphs(
        names,
        characters,
        tuple((tuple(characters[c] for c in parts), to) for parts, to in sequences.items()),
        # a ligature of letters that have no sprite of their own cannot be reached
        tuple(
            (tuple(whole[s] for s in letters), to)
            for letters, to in joined
            if all(s in whole for s in letters)
        ),
        variants,
        tuple(helpers),
    )


def _symbol_name(symbol: str) -> str:
    """A glyph name by the rules of Adobe's list, from which programs get the text back."""
    from fontTools.agl import UV2AGL

    return "_".join(UV2AGL.get(ord(c)) or _code_name(ord(c)) for c in symbol)


def _code_name(code: int) -> str:
    return f"uni{code:04X}" if code < 0x10000 else f"u{code:05X}"


def font_features(glyphs: FontGlyphs, kerning: dict[tuple[str, str], int]) -> str:
    """The rules of the font in the feature language of Adobe; empty if there are none.

    Arguments:
        glyphs: What substitutes what.
        kerning: Units by which pairs of glyphs are moved together (negative) or apart.
    """
    parts = []
    for tag, pairs in (("ccmp", glyphs.sequences), ("liga", glyphs.ligatures)):
        if pairs:
            rows = "".join(f"  sub {' '.join(run)} by {name};\n" for run, name in sorted(pairs))
            parts.append(f"feature {tag} {{\n{rows}}} {tag};\n")
    if glyphs.variants:
        rows = "".join(
            f"  sub {name} from [{' '.join(others)}];\n" for name, others in glyphs.variants.items()
        )
        parts.append(f"feature salt {{\n{rows}}} salt;\n")
        for number in range(min(_STYLES, max(map(len, glyphs.variants.values())))):
            tag = f"ss{number + 1:02d}"
            rows = "".join(
                f"  sub {name} by {others[number]};\n"
                for name, others in glyphs.variants.items()
                if len(others) > number
            )
            parts.append(f"feature {tag} {{\n{rows}}} {tag};\n")
    if kerning:
        rows = "".join(f"  pos {a} {b} {value};\n" for (a, b), value in sorted(kerning.items()))
        parts.append(f"feature kern {{\n{rows}}} kern;\n")
    if not parts:
        return ""
    scripts = ("DFLT", "cyrl", "grek", "latn")
    return "".join(f"languagesystem {script} dflt;\n" for script in scripts) + "".join(parts)


def build_font(hand: Hand, options: FontOptions = FontOptions()) -> bytes:
    """An OpenType font of a hand; the same hand gives the same bytes.

    Arguments:
        hand: The hand.
        options: Name and drawing.

    Returns:
        The file, TrueType flavoured.

    Raises:
        DataError: If no sprite has ink.
    """
    from fontTools.feaLib.builder import addOpenTypeFeaturesFromString
    from fontTools.fontBuilder import FontBuilder

    glyphs = font_glyphs(hand)
    if not glyphs.sprites:
        raise DataError(f"{hand.name}: no sprite has ink, so there is no font to make.")
    metrics, unit = hand.metrics, options.units / hand.metrics.em
    box = _notdef(metrics.x_height * unit)
    advances = {_NOTDEF: 0.75 * metrics.x_height * unit, _SPACE: metrics.space * unit}
    drawn = {_NOTDEF: box, _SPACE: _glyph(Outline(()), 1, (0, 0), options.tolerance)}
    for name in glyphs.helpers:
        advances[name], drawn[name] = advances[_NOTDEF], box
    for sprite, name in sorted(glyphs.sprites.items()):
        x, y = hand.corner(sprite)
        scale = float(metrics.scale[sprite]) * unit
        drawn[name] = _glyph(hand.outlines[sprite], scale, (x * unit, -y * unit), options.tolerance)
        # a pen that goes back is refused by programs; such bearings are noise
        advances[name] = max(0.0, hand.advance(sprite) * unit)
    order = list(drawn)

    builder = FontBuilder(options.units, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(glyphs.characters)
    builder.setupGlyf(drawn)
    bounds = {name: builder.font["glyf"][name] for name in order}
    builder.setupHorizontalMetrics(
        {name: (round(advances[name]), getattr(bounds[name], "xMin", 0) or 0) for name in order}
    )
    ascent, descent = round(metrics.ascender * unit), round(metrics.descender * unit)
    gap = round(options.line_gap * options.units)
    builder.setupHorizontalHeader(ascent=ascent, descent=-descent, lineGap=gap)
    builder.setupNameTable(_names(hand, options))
    highest = max(getattr(bounds[name], "yMax", 0) or 0 for name in order)
    lowest = min(getattr(bounds[name], "yMin", 0) or 0 for name in order)
    builder.setupOS2(
        version=4,
        sTypoAscender=ascent,
        sTypoDescender=-descent,
        sTypoLineGap=gap,
        usWinAscent=max(ascent, highest),
        usWinDescent=max(descent, -lowest),
        sxHeight=round(metrics.x_height * unit),
        sCapHeight=round((metrics.cap_height or metrics.ascender) * unit),
        xAvgCharWidth=round(sum(advances.values()) / len(advances)),
        fsSelection=0x40 | 0x80,  # regular; lines are as far apart as the typographic values say
        fsType=0,
        achVendID="    ",
    )
    builder.font["OS/2"].recalcUnicodeRanges(builder.font)
    builder.setupPost(underlinePosition=-descent // 2, underlineThickness=options.units // 20)
    _smoothed(builder.font)
    kerning = {
        (glyphs.sprites[a], glyphs.sprites[b]): round(value * unit)
        for (a, b), value in metrics.kerning.items()
        if a in glyphs.sprites and b in glyphs.sprites and round(value * unit)
    }
    rules = font_features(glyphs, kerning)
    if rules:
        addOpenTypeFeaturesFromString(builder.font, rules)
    _dated(builder.font, hand.date)
    file = io.BytesIO()
    builder.font.save(file)
    return file.getvalue()


def _glyph(outline: Outline, scale: float, corner: tuple[float, float], tolerance: float) -> Glyph:
    """The outline in font units, y upwards, as quadratic curves."""
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    smooth = Cu2QuPen(pen, tolerance)

    def point(p: Curves) -> tuple[float, float]:
        return float(p[0]) * scale + corner[0], corner[1] - float(p[1]) * scale

    for ring in outline.rings:
        smooth.moveTo(point(ring[0, 0]))
        for _, a, b, end in ring:
            smooth.curveTo(point(a), point(b), point(end))
        smooth.closePath()
    return pen.glyph()


def _notdef(height: float) -> Glyph:
    """The box of a missing letter."""
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    left, right, line = 0.1 * height, 0.65 * height, 0.06 * height
    outside = [(left, 0.0), (left, height), (right, height), (right, 0.0)]
    inside = [
        (right - line, line),
        (right - line, height - line),
        (left + line, height - line),
        (left + line, line),
    ]
    for ring in (outside, inside):
        pen.moveTo(ring[0])
        for corner in ring[1:]:
            pen.lineTo(corner)
        pen.closePath()
    return pen.glyph()


def _names(hand: Hand, options: FontOptions) -> dict[str, str]:
    """The names of the font; nothing on copyright, and on licence only what was given."""
    family = " ".join((options.family or f"{hand.name} typica").split())
    ascii_name = unicodedata.normalize("NFKD", family).encode("ascii", "ignore").decode()
    post_script = re.sub(r"[^A-Za-z0-9-]", "", ascii_name) or "typica"
    names = {
        "familyName": family,
        "styleName": "Regular",
        "fullName": family,
        "psName": f"{post_script[:50]}-Regular",
        "uniqueFontIdentifier": f"{family}; typica {__version__}; {hand.date}",
        "version": f"Version {_version():.3f}; typica {__version__}",
        "description": f"Learned with typica from {hand.name}. Measured on {hand.source}.",
    }
    if options.license:
        names["licenseDescription"] = options.license
    return names


def _version() -> float:
    """The version of the font: major and minor number of typica."""
    numbers = [int(n) for n in re.findall(r"\d+", __version__)[:2]]
    return numbers[0] + numbers[1] / 1000 if len(numbers) == 2 else 0.001


def _smoothed(font: Any) -> None:
    """Grey edges at all sizes: there are no instructions that would fit them to pixels."""
    from fontTools.ttLib import newTable

    table = newTable("gasp")
    table.version = 1
    table.gaspRange = {0xFFFF: 0x000A}
    font["gasp"] = table


def _dated(font: Any, date: str) -> None:
    """Dates of the training instead of now, so that the bytes do not change."""
    from fontTools.misc.timeTools import epoch_diff

    try:
        started = datetime.fromisoformat(date)
        seconds = int((started - datetime(1970, 1, 1)).total_seconds())
    except (ValueError, TypeError):
        seconds = 0
    font["head"].created = font["head"].modified = seconds - epoch_diff
    font["head"].fontRevision = _version()
    font.recalcTimestamp = False
