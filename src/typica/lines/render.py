r"""Text lines rendered from a font file, with the exact box of every glyph.

A line is set glyph by glyph (`typica.lines.fonts`), aged (`typica.lines.degradations`), and its
boxes are those of the ink as it was set, after slant, ink spread, baseline and spacing jitter.
Blur and noise come after and move nothing. A space has no ink and no box.

The same seed gives the same pixels; every line has its own random numbers, so a line does not
depend on those before it.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, features

from ..errors import ConfigError, DataError
from ..files import atomic_folder, write_json, write_text
from . import degradations as age
from .fonts import (
    SUPER,
    Font,
    GlyphPicture,
    advance,
    cut_glyph,
    ink_extent,
    open_font,
    require_coverage,
)
from .line import SPACE, SPLITS, Box, Glyph
from .render_options import RenderOptions
from .text import tokenize

__all__ = ["RenderOptions", "render_collection", "render_line"]


@dataclass(frozen=True)
class _Sort:
    """One glyph as it will be printed: its picture and the pixel that its pen stands on."""

    symbol: str
    picture: GlyphPicture
    x: int
    y: int


@dataclass(frozen=True)
class _Place:
    """One glyph before it is cut: where its pen stands (units of 1 / SUPER pixel), in what form."""

    symbol: str
    size: int
    slant: float
    spread: int
    x: float
    y: float


def _own_form(size: int, options: RenderOptions, rng: np.random.Generator) -> tuple[int, float]:
    """Size and lean of one glyph. Draws nothing for a jitter that is off: type stays as it was."""
    slant = options.slant
    if options.size_jitter > 0:
        size = max(4, round(size * (1 + options.size_jitter * _within_two(rng))))
    if options.slant_jitter > 0:
        # whole degrees: a glyph of the same form is cut only once
        slant += round(options.slant_jitter * _within_two(rng))
    return size, slant


def _within_two(rng: np.random.Generator) -> float:
    """A standard normal number, held between -2 and 2."""
    return min(2.0, max(-2.0, float(rng.standard_normal())))


def _set_type(
    symbols: Sequence[str], font: Font, options: RenderOptions, rng: np.random.Generator
) -> tuple[list[_Sort], int]:
    """Place the glyphs of a line; returns them and the width of the image."""
    height = options.height
    above, below = ink_extent(font)
    size = max(4, round(options.ink_height * height / (above + below)))
    # The free height is shared evenly above and below the ink.
    baseline = SUPER * ((height - (above + below) * size) / 2 + above * size)
    unit = SUPER * height
    margin = max(1, round(options.margin * height))
    wave_length = height * rng.uniform(8, 24) * SUPER
    wave_start = rng.uniform(0, 2 * math.pi)
    spread = int(rng.integers(options.ink_spread[0], options.ink_spread[1] + 1))
    least, most = min(0, options.ink_spread[0]), max(0, options.ink_spread[1])
    pen = 0.0
    placed: list[_Place] = []
    for index, symbol in enumerate(symbols):
        following = symbols[index + 1] if index + 1 < len(symbols) else None
        glyph_size, slant = size, options.slant
        if symbol != SPACE:
            glyph_size, slant = _own_form(size, options, rng)
        step = float(advance(font, glyph_size, symbol, following))
        jitter = rng.standard_normal(2).tolist()
        if symbol == SPACE:
            pen += step * max(0.4, 1 + options.space_jitter * jitter[0])
            continue
        own = spread
        if least < most:  # this impression took more or less ink than the line
            own = min(most, max(least, spread + (-1, 0, 0, 1)[rng.integers(4)]))
        rise = options.baseline_jitter * jitter[1]
        rise += options.baseline_wave * math.sin(2 * math.pi * pen / wave_length + wave_start)
        placed.append(_Place(symbol, glyph_size, slant, own, pen, baseline + unit * rise))
        pen += step + unit * (options.tracking + options.spacing_jitter * jitter[0])
    # The first ink stands one margin from the left edge, whatever its side bearing.
    origin = 0
    if placed:
        first = placed[0]
        picture = cut_glyph(font, first.size, first.symbol, first.slant, first.spread)
        origin = SUPER * (margin - picture.box[0]) - round(first.x)
    sorts = []
    for one in placed:
        x, y = origin + round(one.x), round(one.y)
        phase = (x % SUPER, y % SUPER)
        picture = cut_glyph(font, one.size, one.symbol, one.slant, one.spread, phase)
        # However far the baseline strays, a glyph that fits the image stays in it.
        row = max(min(y // SUPER, height - picture.box[3]), -picture.box[1])
        sorts.append(_Sort(one.symbol, picture, x // SUPER, row))
    right = max((sort.x + sort.picture.box[2] for sort in sorts), default=margin)
    return sorts, right + margin


def _print(
    sorts: Sequence[_Sort],
    shape: tuple[int, int],
    uneven: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], tuple[Glyph, ...]]:
    """Press the glyphs onto an empty sheet; returns the coverage and the boxes."""
    height, width = shape
    coverage = np.zeros(shape, np.float32)
    glyphs = []
    for sort in sorts:
        picture = sort.picture
        top, left = sort.y + picture.top, sort.x + picture.left
        cut_top, cut_left = max(0, -top), max(0, -left)
        ink = picture.ink[cut_top : max(0, height - top), cut_left : max(0, width - left)]
        target = coverage[top + cut_top :, left + cut_left :][: ink.shape[0], : ink.shape[1]]
        darkness = np.float32(1 - uneven * rng.random())
        np.maximum(target, ink * darkness, out=target)
        box = picture.box
        glyphs.append(
            Glyph(
                sort.symbol,
                Box(
                    max(0, sort.x + box[0]),
                    max(0, sort.y + box[1]),
                    min(width, sort.x + box[2]),
                    min(height, sort.y + box[3]),
                ),
            )
        )
    return coverage, tuple(glyphs)


def render_line(
    text: str, font: Font, options: RenderOptions, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], tuple[Glyph, ...]]:
    """Render one line of text.

    Arguments:
        text: The line; runs of white space count as one space, the rest is taken as NFC.
        font: A font that covers it (`typica.lines.fonts.open_font`).
        options: How it is set and aged; `options.seed` is not used here.
        rng: The random numbers.

    Returns:
        The image, height × width × 3, 0 to 255, and one glyph per grapheme cluster that is not a
        space, in reading order, with the tight box of its ink in whole pixels.

    Raises:
        DataError: The text is empty, or the font lacks a character of it.
    """
    symbols = tokenize(text)
    if not symbols:
        raise DataError("a line to render has no text. Remove the empty line.")
    lacking = [s for s in set(symbols) - {SPACE} if any(ord(c) not in font.characters for c in s)]
    if lacking:
        require_coverage(font, lacking)
    sorts, width = _set_type(symbols, font, options, rng)
    shape = (options.height, width)
    coverage, glyphs = _print(sorts, shape, options.uneven_inking, rng)
    much = options.degradation
    if much > 0:
        coverage = coverage * age.fading(shape, min(0.8, much * options.fading), rng)
    jitter = min(0.3, much * options.colour_jitter)
    page = age.paper(
        shape,
        age.jitter_colour(options.paper_colour, jitter, rng),
        min(0.2, much * options.paper_texture),
        rng,
    )
    coverage = np.maximum(coverage, age.specks(shape, much * options.specks, rng))
    coverage = age.blur(coverage, min(3.0, much * options.blur * rng.uniform(0.4, 1.0)))
    image = age.lay_ink(page, coverage, age.jitter_colour(options.ink_colour, jitter, rng))
    image *= age.stains(shape, much * options.stains, min(0.6, much * options.stain_strength), rng)
    image *= age.illumination(shape, min(0.6, much * options.illumination), rng)[..., None]
    image = age.add_noise(image, min(0.15, much * options.noise), rng)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8), glyphs


def _splits(
    lines: Sequence[tuple[str, ...]], shares: tuple[float, float, float], seed: int
) -> list[str]:
    """A split for every line; val and test hold no symbol that train lacks."""
    count = len(lines)
    order = np.random.default_rng([seed, 0x5B117]).permutation(count)
    ends = [round(count * share) for share in np.cumsum(shares)]
    splits = [""] * count
    for rank, index in enumerate(order):
        splits[index] = SPLITS[next((i for i in (0, 1) if rank < ends[i]), 2)]
    if shares[0] > 0:
        seen = {
            s for line, split in zip(lines, splits, strict=True) if split == "train" for s in line
        }
        for index in order:
            if splits[index] != "train" and not seen.issuperset(lines[index]):
                splits[index] = "train"
                seen.update(lines[index])
    return splits


def render_collection(
    texts: Sequence[str],
    font: Font | Path,
    out: Path,
    options: RenderOptions | None = None,
    *,
    splits: tuple[float, float, float] = (0.8, 0.1, 0.1),
    document: str = "rendered",
) -> Path:
    """Render lines of text into a folder that every reader of `annotation.json` understands.

    The folder gets `images/*.png`; `annotation.json` ({id: {split, label, script}}, the label as
    plain text); `glyphs.json` ({id: [[symbol, left, top, right, bottom], …]}, pixels of the
    image, right and bottom exclusive); `render.json` (options, font, coverage). It appears whole
    or not at all, and the same arguments give the same bytes.

    Arguments:
        texts: One text per line image.
        font: An open font, or the path of a font file.
        out: The folder to make. An earlier rendering there is replaced; anything else is not.
        options: How the lines are set and aged.
        splits: Shares of train, val and test, each at least 0, together 1. A line that would
            bring val or test a symbol that train lacks goes to train.
        document: Name of the document, the start of every id and the `script` of every line;
            letters, digits, `_`, `-` and `.`.

    Returns:
        `out`.

    Raises:
        DataError: The font cannot be used or lacks characters, a text is empty, or `out` holds
            something else.
        ConfigError: The shares or the document name cannot work.
    """
    options = options or RenderOptions()
    out = Path(out)
    if min(splits) < 0 or abs(sum(splits) - 1) > 1e-6:
        raise ConfigError(f"splits is {splits}: give three shares from 0 to 1 whose sum is 1.")
    if not re.fullmatch(r"\w[\w.-]*", document):
        raise ConfigError(f"document is {document!r}: use letters, digits, '_', '-' and '.' only.")
    if (
        out.exists()
        and not (out / "render.json").is_file()
        and (not out.is_dir() or any(out.iterdir()))
    ):
        raise DataError(f"{out}: exists and is no earlier rendering. Name another folder.")
    font = font if isinstance(font, Font) else open_font(font)
    lines = [tokenize(text) for text in texts]
    if not lines or not all(lines):
        number = next((i for i, line in enumerate(lines, 1) if not line), 0)
        raise DataError(
            f"text {number} of {len(lines)} to render is empty. Give at least one character a line."
        )
    counts = Counter(symbol for line in lines for symbol in line)
    require_coverage(font, counts)
    chosen = _splits(lines, splits, options.seed)
    digits = max(4, len(str(len(lines))))
    with atomic_folder(out) as aside:
        (aside / "images").mkdir()
        annotation: dict[str, dict[str, str]] = {}
        boxes: dict[str, list[list[str | int]]] = {}
        for index, (line, split) in enumerate(zip(lines, chosen, strict=True)):
            rng = np.random.default_rng([options.seed, index])
            text = "".join(line)
            image, glyphs = render_line(text, font, options, rng)
            name = f"{document}_{index:0{digits}d}"
            # Noise has no repeats to look for: Huffman coding alone is as small, and faster.
            Image.fromarray(image).save(
                aside / "images" / f"{name}.png", compress_level=1, compress_type=2
            )
            annotation[name] = {"split": split, "label": text, "script": document}
            boxes[name] = [
                [g.symbol, *(int(v) for v in (g.box.left, g.box.top, g.box.right, g.box.bottom))]
                for g in glyphs
            ]
        write_json(aside / "annotation.json", annotation)
        # One line of text per line image: short, and still easy to read and to compare.
        rows = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in boxes.items()]
        write_text(aside / "glyphs.json", "{\n" + ",\n".join(rows) + "\n}\n")
        write_json(aside / "render.json", _record(font, options, splits, document, counts))
    return out


def _record(
    font: Font,
    options: RenderOptions,
    splits: tuple[float, float, float],
    document: str,
    counts: Counter[str],
) -> dict[str, object]:
    """What made the collection, for people and for repeating it."""
    return {
        "options": asdict(options),
        "splits": dict(zip(SPLITS, splits, strict=True)),
        "document": document,
        "font": {
            "name": font.name,
            "file": font.path.name,
            "sha256": font.digest,
            "licence": font.licence,
        },
        "coverage": {
            "symbols": {s: counts[s] for s in sorted(counts) if s != SPACE},
            "missing": [],
        },
        # The two things outside the arguments that the pixels depend on.
        "pillow": PIL.__version__,
        "layout": "raqm" if features.check("raqm") else "basic",
    }
