"""A text set in a learned hand: which sprites stand where, and the picture that they make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..configs import require
from ..errors import DataError
from ..lines.line import SPACE
from ..lines.text import tokenize
from ..reports.wording import code_points, shown
from .export_values import replace_forbidden
from .hand import Hand
from .outlines import svg_path

__all__ = [
    "Missing",
    "PlacedSprite",
    "Setting",
    "SettingOptions",
    "set_text",
    "setting_picture",
    "setting_svg",
]

Missing = Literal["error", "box", "skip"]
_LARGEST = 100_000_000  # pixels of a picture
_MOST_OVER = 8  # samples along each axis of a pixel, for pictures smaller than the sprites


@dataclass(frozen=True)
class SettingOptions:
    """How a text is set."""

    missing: Missing = "error"
    """What becomes of a letter that the alphabet lacks: an error that names it, an empty box, or
    nothing."""
    kerning: bool = True
    """Whether pairs of letters that stood nearer or farther than others do so again."""
    margin: float = 0.3
    """Paper around the text, in line heights."""

    def __post_init__(self) -> None:
        require(
            self.missing in get_args(Missing), f"missing: one of {', '.join(get_args(Missing))}"
        )
        require(0 <= self.margin <= 10, "margin: from 0 to 10 line heights")


@dataclass(frozen=True)
class PlacedSprite:
    """A sprite in a setting; lengths in pixels at the model's height.

    Arguments:
        sprite: Its number; -1 for the box of a letter that the alphabet lacks.
        symbols: What it stands for.
        x: Left edge of the sprite's picture, or of the box.
        y: Its upper edge.
        scale: Displayed over native size; for a box 1.
        line: The number of its line.
    """

    sprite: int
    symbols: tuple[str, ...]
    x: float
    y: float
    scale: float
    line: int


@dataclass(frozen=True)
class Setting:
    """A text that was set; lengths in pixels at the model's height.

    Arguments:
        text: The text.
        placed: What stands where, in reading order.
        width: Of the picture.
        height: Of the picture.
        pitch: From one baseline to the next.
        box: Width and height of the box for a missing letter.
        missing: The letters that the alphabet lacks, in the order of the text, each once.
    """

    text: str
    placed: tuple[PlacedSprite, ...]
    width: float
    height: float
    pitch: float
    box: tuple[float, float]
    missing: tuple[str, ...]


def set_text(hand: Hand, text: str, options: SettingOptions = SettingOptions()) -> Setting:
    """Set a text in a learned hand.

    Arguments:
        hand: The hand.
        text: The text, cut into symbols as the run's own texts were; lines end at line breaks.
        options: How it is set.

    Raises:
        DataError: If a letter is missing and `options.missing` is `error`, or if there is
            nothing to set.
    """
    metrics = hand.metrics
    margin = options.margin * hand.height
    # a line as high as the model's, or as the hand needs
    pitch = max(float(hand.height), 1.1 * metrics.em)
    box = (0.6 * metrics.x_height, metrics.x_height)
    longest = max(len(letters) for letters in [*hand.variants, ()])
    rows = [_pieces(hand, tokenize(row, hand.text), longest) for row in text.split("\n")]
    missing = tuple(dict.fromkeys(s[0] for row in rows for s, k in row if k == -1))
    if missing and options.missing == "error":
        raise DataError(
            f"the alphabet of {hand.name} has no "
            + ", ".join(f"{shown(symbol)} ({code_points(symbol)})" for symbol in missing)
            + ". Change the text, or give --missing box or --missing skip."
        )
    placed: list[PlacedSprite] = []
    right = 0.0
    for number, row in enumerate(rows):
        pen = margin
        baseline = margin + number * pitch + (pitch - metrics.em) / 2 + metrics.ascender
        previous = -2
        for symbols, sprite in row:
            if sprite == -2:
                pen += metrics.space
            elif sprite >= 0:
                if options.kerning:
                    pen += metrics.kerning.get((previous, sprite), 0.0)
                x, y = hand.corner(sprite)
                scale = float(metrics.scale[sprite])
                placed.append(PlacedSprite(sprite, symbols, pen + x, baseline + y, scale, number))
                pen += hand.advance(sprite)
            elif options.missing == "box":
                gap = 0.15 * box[0]
                placed.append(PlacedSprite(-1, symbols, pen + gap, baseline - box[1], 1.0, number))
                pen += box[0] + 2 * gap
            else:
                continue
            previous = sprite
        right = max(right, pen)
    if not placed:
        raise DataError("there is nothing to set: the text has no letter that can be shown.")
    width, height = right + margin, 2 * margin + len(rows) * pitch
    return Setting(text, tuple(placed), width, height, pitch, box, missing)


def _pieces(hand: Hand, symbols: Sequence[str], longest: int) -> list[tuple[tuple[str, ...], int]]:
    """Symbols cut into those that one sprite stands for: the sprite, -1 for none, -2 for a
    word space. A ligature goes before its letters."""
    found: list[tuple[tuple[str, ...], int]] = []
    place = 0
    while place < len(symbols):
        if symbols[place] == SPACE:
            found.append(((SPACE,), -2))
            place += 1
            continue
        for size in range(min(longest, len(symbols) - place), 0, -1):
            run = tuple(symbols[place : place + size])
            if run in hand.variants:
                found.append((run, hand.variants[run][0]))
                place += size
                break
        else:
            found.append(((symbols[place],), -1))
            place += 1
    return found


def setting_picture(setting: Setting, hand: Hand, height: int | None = None) -> NDArray[np.uint8]:
    """The picture that the sprites themselves make, in the colours of the collection.

    Arguments:
        setting: What stands where.
        hand: The hand that it was set in.
        height: Height of one line in pixels; as high as the model's lines if not given.

    Returns:
        Red, green and blue, `(H, W, 3)`.

    Raises:
        DataError: If the picture would be too large.
    """
    zoom = (height or setting.pitch) / setting.pitch
    rows, columns = (max(1, round(zoom * side)) for side in (setting.height, setting.width))
    if rows * columns > _LARGEST:
        raise DataError(
            f"a picture of {columns} x {rows} pixels is too large: give a smaller --height, or "
            "less text."
        )
    # where sprites get smaller, every pixel is the mean of several samples
    smallest = min(one.scale for one in setting.placed) * zoom
    over = int(min(_MOST_OVER, max(1, math.ceil(1 / smallest - 0.05))))
    clear = np.ones((rows * over, columns * over), np.float32)
    for one in setting.placed:
        if one.sprite >= 0:
            _draw(clear, hand.clean[one.sprite], one, zoom * over)
        else:
            _draw_box(clear, one, setting.box, zoom * over)
    ink = 1 - clear.reshape(rows, over, columns, over).mean((1, 3))
    colours = np.array([hand.paper, hand.ink], np.float32)
    picture = colours[0] + ink[..., None] * (colours[1] - colours[0])
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def _draw(
    clear: NDArray[np.float32], sprite: NDArray[np.float32], one: PlacedSprite, zoom: float
) -> None:
    """Take away from what is clear what a sprite covers; cubic interpolation."""
    scale = one.scale * zoom
    spans = []
    for start, size, whole in (
        (one.y * zoom, sprite.shape[0] * scale, clear.shape[0]),
        (one.x * zoom, sprite.shape[1] * scale, clear.shape[1]),
    ):
        first, last = max(0, math.floor(start)), min(whole, math.ceil(start + size))
        if last <= first:
            return
        spans.append((first, last, start))
    # a picture's pixel middles in pixels of the sprite
    offset = [(first + 0.5 - start) / scale - 0.5 for first, _, start in spans]
    shape = tuple(last - first for first, last, _ in spans)
    drawn = ndimage.affine_transform(
        sprite, [1 / scale] * 2, offset, shape, order=3, mode="grid-constant"
    )
    (top, bottom, _), (left, right, _) = spans
    clear[top:bottom, left:right] *= 1 - np.clip(drawn, 0, 1)


def _frame(one: PlacedSprite, box: tuple[float, float]) -> tuple[list[float], list[float]]:
    """Left, top, right, bottom of the box of a missing letter, outside and inside."""
    line = 0.1 * box[0]
    outside = [one.x, one.y, one.x + box[0], one.y + box[1]]
    return outside, [
        outside[0] + line,
        outside[1] + line,
        outside[2] - line,
        outside[3] - line,
    ]


def _draw_box(
    clear: NDArray[np.float32], one: PlacedSprite, box: tuple[float, float], zoom: float
) -> None:
    outside, inside = ([round(v * zoom) for v in side] for side in _frame(one, box))
    frame = np.zeros(clear.shape, bool)
    frame[outside[1] : outside[3], outside[0] : outside[2]] = True
    frame[inside[1] : inside[3], inside[0] : inside[2]] = False
    clear[frame] = 0


def setting_svg(setting: Setting, hand: Hand, height: int | None = None) -> str:
    """The same as outlines: an SVG picture with one path for every sprite that is used.

    Arguments:
        setting: What stands where.
        hand: The hand that it was set in.
        height: Height of one line, in pixels.
    """
    zoom = (height or setting.pitch) / setting.pitch
    used = sorted({one.sprite for one in setting.placed if one.sprite >= 0})
    paths = [f'<path id="s{k}" d="{svg_path(hand.outlines[k])}"/>' for k in used]
    marks = []
    for one in setting.placed:
        if one.sprite >= 0:
            place = f"translate({one.x:.2f} {one.y:.2f}) scale({one.scale:.4f})"
            marks.append(f'<use href="#s{one.sprite}" transform="{place}"/>')
        else:
            corners = [
                f"M{a:.2f} {b:.2f}V{d:.2f}H{c:.2f}V{b:.2f}Z"
                for a, b, c, d in _frame(one, setting.box)
            ]
            marks.append(f'<path d="{"".join(corners)}" fill-rule="evenodd"/>')
    wide, high = setting.width, setting.height
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide * zoom:.1f}" '
            f'height="{high * zoom:.1f}" viewBox="0 0 {wide:.2f} {high:.2f}">',
            f"<title>{escape(replace_forbidden(setting.text))}</title>",
            f"<defs>{''.join(paths)}</defs>",
            f'<rect width="100%" height="100%" fill="{_hex(hand.paper)}"/>',
            f'<g fill="{_hex(hand.ink)}">',
            *marks,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _hex(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * min(max(v, 0.0), 1.0)):02x}" for v in colour)
