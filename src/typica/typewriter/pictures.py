r"""Pictures of what was learned and read: colours of sprites, sprite sheets.

Everything is a numpy array of bytes, with shape `(H, W)` for grey or `(H, W, 3)` for red, green
and blue, 0 black and 255 full light. Ink is black on white.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import DataError
from ..files import atomic_path

__all__ = [
    "Font",
    "caption_font",
    "caption_picture",
    "in_font",
    "label_colours",
    "sprite_sheet",
    "stack_pictures",
    "write_png",
]

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "FreeSans.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "Arial.ttf",
    "segoeui.ttf",
)
"""Fonts with many letters that systems carry; Pillow looks for them where fonts are kept."""

_CAPTION = 12  # height of a caption's letters, in pixels
_GRID = 14  # steps of each primary colour among which label colours are chosen


def label_colours(count: int) -> np.ndarray:
    r"""Colours that tell labels apart, the same for a label however many there are.

    Each colour is the one farthest, in CIELAB, from white, black and all colours before it, so
    the first are the easiest to tell apart; very light and very dark ones are left out, for
    they must show on paper and beside ink. They repeat after some hundreds.

    Arguments:
        count: How many colours, at least 0.

    Returns:
        Colours as bytes, with shape `(count, 3)`.
    """
    base = _all_colours()
    return base[np.arange(count) % len(base)].copy()


@lru_cache(maxsize=1)
def _all_colours(count: int = 256) -> np.ndarray:
    steps = np.linspace(0, 255, _GRID).round()
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _to_lab(grid)
    usable = (lab[:, 0] > 25) & (lab[:, 0] < 85)
    grid, lab = grid[usable], lab[usable]
    white_black = _to_lab(np.array([[255.0, 255.0, 255.0], [0.0, 0.0, 0.0]]))
    # Greedy farthest point: the distance of each candidate to the nearest colour taken so far.
    nearest = np.linalg.norm(lab[:, None] - white_black, axis=-1).min(axis=1)
    chosen = np.empty(count, dtype=np.int64)
    for index in range(count):
        chosen[index] = nearest.argmax()
        nearest = np.minimum(nearest, np.linalg.norm(lab - lab[chosen[index]], axis=-1))
    return grid[chosen].astype(np.uint8)


def _to_lab(colours: np.ndarray) -> np.ndarray:
    """sRGB between 0 and 255, with shape `(N, 3)`, to CIELAB (D65)."""
    light = colours / 255.0
    linear = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def sprite_sheet(
    masks: np.ndarray,
    symbols: Sequence[str] | None = None,
    columns: int = 12,
    gap: int = 4,
    font: Path | None = None,
) -> np.ndarray:
    """All sprites side by side, ink black on white, a caption under each if symbols are given.

    Arguments:
        masks: Opacity of each sprite, between 0 (paper) and 1 (ink), with shape `(K, h, w)`.
        symbols: What each sprite stands for, K of them; None for no captions. Characters that
            the caption font lacks are given by their code points (`U+017F`).
        columns: Sprites in a row, at least 1; fewer if there are fewer sprites.
        gap: White pixels around each sprite, at least 0.
        font: A font file for the captions; if not given, Pillow's own (little more than ASCII)
            or that font of the system which has most of the symbols.

    Returns:
        Grey picture with shape `(H, W)`.

    Raises:
        DataError: If the shapes or numbers do not fit, or the font cannot be read.
    """
    masks = np.asarray(masks)
    if masks.ndim != 3 or 0 in masks.shape:
        raise DataError(f"a sprite sheet needs masks with shape (K, h, w), got {masks.shape}")
    if columns < 1 or gap < 0 or (symbols is not None and len(symbols) != len(masks)):
        raise DataError("a sprite sheet needs at least one column and one symbol for each sprite")
    count, height, width = masks.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    ink = np.clip(np.nan_to_num(masks.astype(np.float64)), 0, 1)
    tiles = np.full((rows * columns, height, width), 255, dtype=np.uint8)
    tiles[:count] = np.rint(255 * (1 - ink)).astype(np.uint8)
    below = 0
    if symbols is not None:
        letters = caption_font(path=font, text="".join(symbols))
        captions = [_caption(symbol, letters) for symbol in symbols]
        below = max(caption.shape[0] for caption in captions)
        wide = max(width, *(caption.shape[1] for caption in captions))
        left = (wide - width) // 2
        tiles = np.pad(
            tiles, ((0, 0), (0, below), (left, wide - width - left)), constant_values=255
        )
        for tile, caption in zip(tiles, captions, strict=False):
            start = (wide - caption.shape[1]) // 2
            tile[height : height + caption.shape[0], start : start + caption.shape[1]] = caption
    tiles = np.pad(tiles, ((0, 0), (gap, gap), (gap, gap)), constant_values=255)
    tall, wide = tiles.shape[1:]
    grid = tiles.reshape(rows, columns, tall, wide).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(grid.reshape(rows * tall, columns * wide))


def caption_font(size: float = _CAPTION, path: Path | None = None, text: str = "") -> Font:
    """A font for captions.

    Arguments:
        size: In pixels.
        path: A font file.
        text: Without a file: what it has to write. Pillow's own font is taken, or where that lacks
            some of it, the font among `SYSTEM_FONTS` that is installed and lacks the least.

    Raises:
        DataError: If the file cannot be read.
    """
    if path is not None:
        try:
            return ImageFont.truetype(str(path), size)
        except OSError as error:
            raise DataError(f"{path}: cannot be read as a font ({error}): give another") from error
    found: Font = ImageFont.load_default(size)
    characters = {c for c in text if c.isprintable() and c != " "}
    lacking = _lacking(characters, found)
    for name in SYSTEM_FONTS:
        if not lacking:
            break
        try:
            other = ImageFont.truetype(name, size)
        except OSError:  # not on this system
            continue
        if (without := _lacking(characters, other)) < lacking:
            found, lacking = other, without
    return found


def _lacking(characters: Iterable[str], font: Font) -> int:
    return sum(not in_font(character, font) for character in characters)


def caption_picture(text: str, font: Path | None = None) -> np.ndarray:
    """A line of text as a grey picture of bytes, `(H, W)`.

    Arguments:
        text: What to write; characters that the font lacks are given by their code points.
        font: A font file; chosen as by `caption_font` if not given.
    """
    drawn = caption_font(path=font, text=text)
    shown = (c if c == " " or in_font(c, drawn) else f"U+{ord(c):04X}" for c in text)
    return _drawn("".join(shown), drawn)


def _caption(symbol: str, font: Font) -> np.ndarray:
    """A caption as grey picture: the symbol, with code points below for what the font lacks."""
    has = [c for c in symbol if c.isprintable() and in_font(c, font)]
    lacks = [f"U+{ord(c):04X}" for c in symbol if c not in has]
    return _drawn("\n".join(["".join(has), *lacks] if has else lacks), font)


def _drawn(text: str, font: Font) -> np.ndarray:
    draw = ImageDraw.Draw(Image.new("L", (1, 1)))
    right, bottom = (
        math.ceil(v) for v in draw.multiline_textbbox((0, 0), text, font=font, align="center")[2:]
    )
    picture = Image.new("L", (max(1, right), max(_CAPTION + 4, bottom)), 255)
    ImageDraw.Draw(picture).multiline_text((0, 0), text, fill=0, font=font, align="center")
    return np.array(picture)


def in_font(text: str, font: Font) -> bool:
    """Whether a font has every character of a text (and not only the box of a missing one).

    Arguments:
        text: Without spaces, which leave no ink.
        font: From `caption_font`.
    """
    # after a letter: alone, a mark that is missing is drawn as a circle and the box
    missing = bytes(font.getmask("o\U0010fffd"))
    return all(
        bytes(font.getmask(character)) != b"" and bytes(font.getmask(f"o{character}")) != missing
        for character in text
    )


def stack_pictures(pictures: Sequence[np.ndarray], gap: int = 4) -> np.ndarray:
    """Pictures one above the other, flush left, on white.

    Arguments:
        pictures: At least one picture of bytes, grey or in colours, of any size.
        gap: White pixels between two pictures, at least 0.

    Returns:
        Grey picture if all are grey, else one in colours.

    Raises:
        DataError: If there is no picture, or something is not a picture of bytes.
    """
    if not pictures:
        raise DataError("there is no picture to stack: give at least one")
    for picture in pictures:
        _check(picture)
    colour = any(picture.ndim == 3 for picture in pictures)
    height = sum(picture.shape[0] for picture in pictures) + gap * (len(pictures) - 1)
    width = max(picture.shape[1] for picture in pictures)
    sheet = np.full((height, width, 3) if colour else (height, width), 255, dtype=np.uint8)
    top = 0
    for picture in pictures:
        shown = _in_colours(picture) if colour else picture
        sheet[top : top + picture.shape[0], : picture.shape[1]] = shown
        top += picture.shape[0] + gap
    return sheet


def write_png(path: Path, picture: np.ndarray) -> Path:
    """Write a picture as PNG, in one step.

    Arguments:
        path: The file to write.
        picture: Picture of bytes, grey or in colours.

    Returns:
        The file.

    Raises:
        DataError: If it is not a picture of bytes.
    """
    _check(picture)
    with atomic_path(path) as aside:
        Image.fromarray(np.ascontiguousarray(picture)).save(aside, format="PNG", optimize=True)
    return path


def _check(picture: np.ndarray) -> None:
    grey = picture.ndim == 2
    if picture.dtype != np.uint8 or not (grey or (picture.ndim == 3 and picture.shape[2] == 3)):
        raise DataError(
            "a picture is an array of bytes with shape (H, W) or (H, W, 3), "
            f"got {picture.dtype} {picture.shape}"
        )
    if 0 in picture.shape:
        raise DataError(f"a picture needs at least one pixel, got {picture.shape}")


def _in_colours(picture: np.ndarray) -> np.ndarray:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
