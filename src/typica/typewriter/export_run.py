"""A run's hand as files that other programs use: sprites, their table, a font.

    font.ttf        an OpenType font
    sprites.csv     one row per sprite: letter, code points, occurrences, widths, quality
    kerning.csv     pairs of letters that stand nearer or farther than others
    metrics.json    the same measures, and more, in pixels at the model's height
    png/            every sprite as it was learned, ink black, paper transparent
    svg/            its outline

Lengths in the tables are units of the font.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..configs import require
from ..errors import ConfigError
from ..files import atomic_path, finite, write_bytes, write_json, write_text
from ..lines.line import LineCollection
from ..reports.wording import code_points
from .export_values import number
from .font import FontGlyphs, FontOptions, build_font, font_glyphs
from .hand import SEEN, Hand, load_hand
from .ink import ink_pieces
from .outlines import agreement, svg_path
from .pictures import write_png
from .typesetting import SettingOptions, set_text, setting_picture, setting_svg

__all__ = ["SPRITE_COLUMNS", "ExportResult", "TypeResult", "export_run", "quality", "type_text"]

SPRITE_COLUMNS = (
    "sprite",
    "letter",
    "code_points",
    "glyph",
    "occurrences",
    "training_occurrences",
    "confidence",
    "scale",
    "advance",
    "left_bearing",
    "right_bearing",
    "top",
    "bottom",
    "opacity",
    "agreement",
    "quality",
    "png",
    "svg",
)
"""Columns of `sprites.csv`. `top` and `bottom` are measured from the baseline upwards, `opacity`
is the greatest of the sprite, `agreement` is that of outline and ink (intersection over union)."""

_FAINT = 0.75
_SPECKS = 0.02
_ROUGH = 0.85


@dataclass(frozen=True)
class ExportResult:
    """What `export_run` wrote.

    Arguments:
        out: The folder.
        hand: What was exported.
        glyphs: What is in the font.
        doubtful: The letters whose quality is not good.
    """

    out: Path
    hand: Hand
    glyphs: FontGlyphs
    doubtful: tuple[str, ...]

    def summary(self) -> Iterator[str]:
        """The result in a few lines."""
        metrics, glyphs = self.hand.metrics, self.glyphs
        yield f"{len(self.hand.sprites)} sprites, {len(glyphs.sprites)} in the font: {self.out}"
        yield f"measured on {self.hand.source}; {len(metrics.kerning)} kerning pairs"
        yield from (f"note: {note}" for note in self.hand.notes)
        if self.doubtful:
            named = ", ".join(self.doubtful[:20]) + (" ..." if len(self.doubtful) > 20 else "")
            yield f"look at these before you use them (sprites.csv says why): {named}"


@dataclass(frozen=True)
class TypeResult:
    """What `type_text` wrote.

    Arguments:
        out: The picture.
        missing: Letters that the alphabet lacks.
        hand: What was typed with.
    """

    out: Path
    missing: tuple[str, ...]
    hand: Hand

    def summary(self) -> Iterator[str]:
        """The result in a few lines."""
        yield str(self.out)
        yield from (f"note: {note}" for note in self.hand.notes)
        if self.missing:
            named = ", ".join(f"{symbol} ({code_points(symbol)})" for symbol in self.missing)
            yield f"not in the alphabet: {named}"


def quality(hand: Hand, sprite: int) -> str:
    """What a person should know of a sprite before using it: `good`, or what is wrong.

    Arguments:
        hand: The hand.
        sprite: Its number.
    """
    picture = hand.sprites[sprite]
    if not hand.boxes[sprite].area > 0:
        return "no ink"
    seen, most = int(hand.metrics.counts[sprite]), float(picture.max())
    ink = picture > 0.5 * most
    words = []
    if not hand.letters[sprite]:
        words.append("no name")
    if hand.metrics.lines and not seen:
        words.append("never placed")
    elif hand.metrics.lines and seen < SEEN:
        words.append(f"placed {seen} times" if seen > 1 else "placed once")
    if most < _FAINT:
        words.append("faint")
    if (ink & ~ink_pieces(picture)).sum() > _SPECKS * ink.sum():
        words.append("specks")
    if agreement(hand.outlines[sprite], picture) < _ROUGH:
        words.append("rough")
    return "; ".join(words) or "good"


def export_run(
    run: Path | str,
    out: Path | str,
    collection: LineCollection | None = None,
    options: FontOptions | None = None,
    lines: int = 400,
    device: str = "auto",
    progress: bool = True,
) -> ExportResult:
    """Write sprites, tables and font of a run's hand.

    Arguments:
        run: The run folder.
        out: The folder to write into.
        collection: Lines to measure the hand on; see `load_hand`.
        options: How the font is called and drawn.
        lines: At most so many of them.
        device: `auto`, `cpu`, `cuda`, ...
        progress: Show a progress bar on standard error while lines are read.

    Raises:
        RunError: If the run cannot be used.
        DataError: If there is nothing to export, or no line can be read.
    """
    out, options = Path(out), options or FontOptions()
    hand = load_hand(run, collection, lines, device, progress=progress)
    font = build_font(hand, options)
    glyphs = font_glyphs(hand)
    unit = options.units / hand.metrics.em
    digits = len(str(len(hand.sprites)))
    rows, doubtful = [], []
    for sprite in range(len(hand.sprites)):
        stem = f"{sprite + 1:0{digits}d}-{glyphs.sprites.get(sprite, 'unused')}"
        png, svg = Path("png", f"{stem}.png"), Path("svg", f"{stem}.svg")
        _write_sprite(out / png, hand.sprites[sprite])
        write_text(out / svg, _sprite_svg(hand, sprite))
        row = _sprite_row(hand, sprite, glyphs, unit)
        rows.append((*row, png.as_posix(), svg.as_posix()))
        if row[-1] != "good" and hand.letters[sprite]:
            doubtful.append("".join(hand.letters[sprite]))
    _write_csv(out / "sprites.csv", SPRITE_COLUMNS, rows)
    _write_csv(
        out / "kerning.csv",
        ("left", "right", "left_glyph", "right_glyph", "units"),
        (
            (
                "".join(hand.letters[a]),
                "".join(hand.letters[b]),
                glyphs.sprites.get(a, ""),
                glyphs.sprites.get(b, ""),
                round(value * unit),
            )
            for (a, b), value in sorted(hand.metrics.kerning.items(), key=lambda item: item[1])
        ),
    )
    about = {"data": hand.name, "source": hand.source, "line_height": hand.height}
    write_json(out / "metrics.json", finite({**about, "unit": unit, **hand.metrics.as_dict()}))
    write_bytes(out / "font.ttf", font)
    return ExportResult(out, hand, glyphs, tuple(dict.fromkeys(doubtful)))


def _sprite_row(hand: Hand, sprite: int, glyphs: FontGlyphs, unit: float) -> tuple[str | int, ...]:
    metrics, box = hand.metrics, hand.boxes[sprite]
    letters = "".join(hand.letters[sprite])
    counted = hand.training_counts.get(letters) if hand.training_counts else None
    confidence = float(metrics.confidence[sprite])
    depth = float(metrics.depth[sprite])
    return (
        sprite + 1,
        letters,
        code_points(letters),
        glyphs.sprites.get(sprite, ""),
        int(metrics.counts[sprite]),
        "" if counted is None else counted,
        "" if math.isnan(confidence) else number(confidence),
        number(float(metrics.scale[sprite])),
        round(hand.advance(sprite) * unit),
        round(float(metrics.left[sprite]) * unit),
        round(float(metrics.right[sprite]) * unit),
        round((box.height * float(metrics.scale[sprite]) - depth) * unit),
        round(-depth * unit),
        number(float(hand.sprites[sprite].max())),
        number(agreement(hand.outlines[sprite], hand.sprites[sprite])),
        quality(hand, sprite),
    )


def _write_sprite(path: Path, sprite: NDArray[np.float32]) -> None:
    """A sprite as PNG: black, as opaque as it is."""
    picture = np.zeros((*sprite.shape, 4), np.uint8)
    picture[..., 3] = np.rint(255 * np.clip(sprite, 0, 1))
    with atomic_path(path) as aside:
        Image.fromarray(picture).save(aside, format="PNG", optimize=True)


def _sprite_svg(hand: Hand, sprite: int) -> str:
    height, width = hand.sprites[sprite].shape
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}"><path d="{svg_path(hand.outlines[sprite])}"/></svg>\n'
    )


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def type_text(
    run: Path | str,
    text: str,
    out: Path | str,
    collection: LineCollection | None = None,
    options: SettingOptions | None = None,
    height: int | None = None,
    lines: int = 400,
    device: str = "auto",
    progress: bool = True,
) -> TypeResult:
    """Set a text in the hand of a run and write the picture.

    Arguments:
        run: The run folder.
        text: The text; a line break starts a new line.
        out: A file that ends in `.png` or `.svg`.
        collection: Lines to measure the hand on; see `load_hand`.
        options: How it is set.
        height: Height of one line in pixels; the model's if not given.
        lines: At most so many lines are read.
        device: `auto`, `cpu`, `cuda`, ...
        progress: Show a progress bar on standard error while lines are read.

    Raises:
        ConfigError: If the file has another ending, or the height cannot work.
        DataError: If a letter is missing, or there is nothing to set.
        RunError: If the run cannot be used.
    """
    out = Path(out)
    kind = out.suffix.lower()
    if kind not in (".png", ".svg"):
        raise ConfigError(f"--out {out}: give a file that ends in .png or .svg.")
    require(height is None or 4 <= height <= 4000, "--height: from 4 to 4000 pixels")
    hand = load_hand(run, collection, lines, device, progress=progress)
    setting = set_text(hand, text, options or SettingOptions())
    if kind == ".png":
        write_png(out, setting_picture(setting, hand, height))
    else:
        write_text(out, setting_svg(setting, hand, height))
    return TypeResult(out, setting.missing, hand)
