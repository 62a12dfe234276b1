r"""Lines that the matcher learns on: sheets rendered in many types, and episodes drawn from them.

A sheet is a few lines in one font with one look. Its first lines are a specimen (every symbol of
a random alphabet at least once), the others random words of that alphabet, so that no language
can be learnt. An episode takes some lines to read, and cuts the exemplars out of the other lines
of the same sheet, as a person with a few transcribed lines would.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..lines.exemplars import Exemplar, cut_exemplar, ink_of, scaled
from ..lines.fonts import Font, missing_symbols
from ..lines.images import resize_line
from ..lines.line import Box
from ..lines.render import render_line
from ..lines.render_options import RenderOptions
from .matcher_options import MatcherOptions

__all__ = ["Episode", "SetLine", "Sheet", "make_episode", "make_sheet"]

Floats = NDArray[np.float32]

_RENDERED = 48  # pixels; lines are reduced from it, as scans are
_SCRIPTS = {
    "latin": (range(0x21, 0x250), ("LATIN", "DIGIT")),
    "greek": (range(0x370, 0x400), ("GREEK",)),
    "cyrillic": (range(0x400, 0x460), ("CYRILLIC",)),
}
_MARKS = ".,:;!?-()'„“»«—*"


@dataclass(frozen=True)
class SetLine:
    """A rendered line as the matcher sees it.

    Arguments:
        ink: Height × width, 0 for paper and 1 for full ink.
        glyphs: Symbol and box of every glyph, in pixels of `ink`, in reading order.
    """

    ink: Floats
    glyphs: tuple[tuple[str, Box], ...]


@dataclass(frozen=True)
class Sheet:
    """Lines of one type; the first `specimen` lines hold every symbol of `alphabet`."""

    alphabet: tuple[str, ...]
    specimen: int
    lines: tuple[SetLine, ...]


@dataclass(frozen=True)
class Episode:
    """One task: read these lines by these exemplars.

    Arguments:
        lines: The lines to read.
        symbols: The alphabet, in an order that means nothing.
        exemplars: One or more of every symbol, in the order of `symbols`.
        places: For every line (index into `symbols`, or -1 for a glyph without exemplar;
            its middle in pixels) of every glyph.
    """

    lines: tuple[Floats, ...]
    symbols: tuple[str, ...]
    exemplars: tuple[Exemplar, ...]
    places: tuple[tuple[tuple[int, float], ...], ...]


@lru_cache(maxsize=256)
def _candidates(font: Font, script: str) -> tuple[str, ...]:
    codes, names = _SCRIPTS[script]
    found = [
        chr(code)
        for code in codes
        if code in font.characters
        and unicodedata.category(chr(code)) in ("Lu", "Ll", "Nd")
        and unicodedata.name(chr(code), "").startswith(names)
    ]
    return tuple(found)


def _alphabet(font: Font, size: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Random symbols of one script and some marks; one script only, because A is also Greek."""
    scripts = [script for script in _SCRIPTS if len(_candidates(font, script)) >= 20]
    # most of what is read is Latin, and plain letters are the ones that words are made of
    script = str(rng.choice(scripts)) if rng.random() < 0.3 and scripts else "latin"
    letters = _candidates(font, script)
    weights = np.array(
        [(25.0 if ord(c) < 0x80 else 1.0) * (2 if c.islower() else 1) for c in letters]
    )
    marks = [mark for mark in _MARKS if ord(mark) in font.characters]
    kept = min(len(letters), max(2, round(0.85 * size)))
    chosen = list(rng.choice(letters, kept, replace=False, p=weights / weights.sum()))
    some = min(len(marks), size - kept)
    chosen += list(rng.choice(marks, some, replace=False)) if some > 0 else []
    lacking = set(missing_symbols(font, chosen))
    return tuple(str(symbol) for symbol in chosen if symbol not in lacking)


def _words(symbols: Sequence[str], rng: np.random.Generator) -> str:
    """The symbols in this order, broken into words of 2 to 9."""
    parts, rest = [], list(symbols)
    while rest:
        count = int(rng.integers(2, 10))
        parts.append("".join(rest[:count]))
        rest = rest[count:]
    return " ".join(parts)


def _look(rng: np.random.Generator) -> RenderOptions:
    """A random setting and ageing."""
    low = int(rng.integers(-2, 2))
    return RenderOptions(
        height=_RENDERED,
        ink_height=float(rng.uniform(0.55, 0.92)),
        tracking=float(rng.choice([0.0, rng.uniform(-0.01, 0.06)])),
        spacing_jitter=float(rng.uniform(0.0, 0.02)),
        baseline_jitter=float(rng.uniform(0.0, 0.012)),
        baseline_wave=float(rng.uniform(0.0, 0.03)),
        slant=float(rng.choice([0.0, 0.0, rng.uniform(-4, 10)])),
        ink_spread=(low, low + int(rng.integers(0, 3))),
        uneven_inking=float(rng.uniform(0, 0.3)),
        degradation=float(rng.choice([0.3, 1.0, 1.6])),
        blur=float(rng.uniform(0.2, 1.2)),
    )


def make_sheet(fonts: Sequence[Font], options: MatcherOptions, number: int) -> Sheet:
    """Render a sheet: a function of the fonts, the options and its number.

    Arguments:
        fonts: The types; sheet n takes the one with number n modulo their count.
        options: Seed, height, sizes.
        number: Which sheet, from 0.

    Returns:
        `options.specimen_lines` lines with every symbol, then `options.sheet_lines` of words.
    """
    rng = np.random.default_rng([options.seed, 0x5EE7, number])
    font = fonts[number % len(fonts)]
    size = int(rng.integers(options.least_symbols, options.most_symbols + 1))
    alphabet = _alphabet(font, size, rng)
    look = _look(rng)
    bitonal = rng.random() < 0.3
    order = [alphabet[i] for i in rng.permutation(len(alphabet))]
    texts = [
        _words([order[i] for i in part], rng)
        for part in np.array_split(np.arange(len(order)), options.specimen_lines)
        if len(part)
    ]
    specimen = len(texts)
    # some letters are frequent, as in any language, but other ones on every sheet
    frequent = rng.permutation(1 / (np.arange(len(alphabet)) + 4.0))
    frequent /= frequent.sum()
    for _ in range(options.sheet_lines):
        count = int(rng.integers(options.line_symbols // 2, options.line_symbols + 1))
        texts.append(_words(list(rng.choice(alphabet, count, p=frequent)), rng))
    lines = [_set(text, font, look, bitonal, options.height, rng) for text in texts]
    return Sheet(alphabet, specimen, tuple(lines))


def _set(
    text: str,
    font: Font,
    look: RenderOptions,
    bitonal: bool,
    height: int,
    rng: np.random.Generator,
) -> SetLine:
    image, glyphs = render_line(text, font, look, rng)
    if bitonal:  # as many scans are
        ink = ink_of(image)
        image = np.where(ink > 0.5, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)
    small = resize_line(image, height)
    across, down = small.shape[1] / image.shape[1], height / image.shape[0]
    boxes = tuple((glyph.symbol, scaled(glyph.box, across, down)) for glyph in glyphs)
    return SetLine(ink_of(small), boxes)


def make_episode(
    sheet: Sheet, options: MatcherOptions, seed: tuple[int, ...], lines: int
) -> Episode:
    """Draw a task from a sheet: a function of its arguments.

    Arguments:
        sheet: The sheet.
        options: How many exemplars, how much is left out and jittered.
        seed: Decides the lines, the exemplars and their jitter.
        lines: How many lines to read.

    Returns:
        The task; no exemplar comes from a line that is to be read.
    """
    rng = np.random.default_rng(list(seed))
    texts = np.arange(sheet.specimen, len(sheet.lines))
    read = sorted(int(i) for i in rng.choice(texts, min(lines, len(texts)), replace=False))
    places: dict[str, list[tuple[int, Box]]] = {}
    for index, line in enumerate(sheet.lines):
        if index not in read:
            for symbol, box in line.glyphs:
                places.setdefault(symbol, []).append((index, box))
    symbols = [str(s) for s in rng.permutation(sorted(places))]
    gone = int(rng.binomial(len(symbols), options.unknown_share))
    symbols = symbols[: max(2, len(symbols) - gone)]
    each = 1 + int(rng.random() < 0.25)
    exemplars = []
    for symbol in symbols:
        some = places[symbol]
        for pick in rng.permutation(len(some))[:each]:
            index, box = some[int(pick)]
            shake = rng.normal(0, options.box_jitter, 4)
            left, top = box.left + shake[0], box.top + shake[1]
            loose = Box(
                left, top, max(left + 1, box.right + shake[2]), max(top + 1, box.bottom + shake[3])
            )
            exemplars.append(cut_exemplar(sheet.lines[index].ink, loose, symbol))
    number = {symbol: i for i, symbol in enumerate(symbols)}
    return Episode(
        tuple(sheet.lines[i].ink for i in read),
        tuple(symbols),
        tuple(exemplars),
        tuple(
            tuple((number.get(s, -1), (b.left + b.right) / 2) for s, b in sheet.lines[i].glyphs)
            for i in read
        ),
    )
