r"""Where sprites and exemplars come from: a run; pictures, a font, or lines with glyph boxes."""

from __future__ import annotations

import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..lines.cache import LineCache
from ..lines.collection import read_lines
from ..lines.exemplars import exemplar_files, framed, ink_of, scaled
from ..lines.fonts import cut_glyph, ink_extent, missing_symbols, open_font
from ..lines.glyphs import GLYPHS_FILE, read_glyphs
from ..lines.images import line_size, read_image
from ..typewriter.hand import sprite_letters
from ..typewriter.storage import load_typewriter
from .exemplar_options import Average, ExemplarOptions
from .exemplar_pairs import LearnedLetters, LetterPicture
from .similarity import align

__all__ = [
    "average_glyph",
    "boxed_letters",
    "drawn_letters",
    "font_letters",
    "learned_letters",
    "read_exemplars",
]

_FONTS = (".ttf", ".otf", ".woff")
_FONT_HEIGHT = 192  # pixels from the top of the highest to the foot of the deepest letter
_MARGIN = 3  # pixels around glyphs that are averaged, for their boxes differ by one or two


def learned_letters(run: Path) -> LearnedLetters:
    """The sprites of a run and what they stand for.

    Arguments:
        run: A run folder. One that learned without texts must have names
            (`typica typewriter name`).

    Raises:
        RunError: If it cannot be used.
        DataError: If its sprites have no names.
    """
    model, about = load_typewriter(run)
    if not about.reads_text:
        raise DataError(
            f"{run}: its sprites have no names. Give them names with `typica typewriter name RUN "
            "DATA`."
        )
    names = sprite_letters(model, about)
    if about.naming is not None:
        counts = list(about.naming.placed)
    else:
        counts = [about.counts.get(name[0], 0) for name in names]
    return LearnedLetters(
        Path(run).resolve().name,
        tuple(name[0] if len(name) == 1 else None for name in names),
        model.sprites().detach().numpy(),
        np.array(counts, np.int64),
    )


def read_exemplars(
    path: Path, learned: LearnedLetters, options: ExemplarOptions
) -> list[LetterPicture]:
    """The exemplars of a folder, a font, or a data set with glyph boxes.

    Arguments:
        path: A folder of pictures (`lines.exemplars`), a font file, or a folder of lines with a
            `glyphs.json`.
        learned: What they will be compared with: a font draws its letters and a-z, A-Z.
        options: How glyphs are averaged.

    Raises:
        DataError: If it is none of these, or has no exemplar.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() in _FONTS:
        symbols = {letter for letter in learned.letters if letter} | set(string.ascii_letters)
        return font_letters(path, sorted(set(options.letters) or symbols))
    if (path / GLYPHS_FILE).is_file():
        return boxed_letters(path, learned.sprites.shape[1], options)
    found = drawn_letters(path)
    if not found:
        raise DataError(
            f"{path}: no exemplars. Give a folder with pictures named by their letters (a.png, "
            "U+0041.png, a-2.png, or a/1.png), a .ttf or .otf file, or a folder of lines with "
            f"{GLYPHS_FILE}."
        )
    return found


def drawn_letters(folder: Path) -> list[LetterPicture]:
    """Pictures named by their letters, at their own size, whatever their colours."""
    found = []
    for symbol, path in exemplar_files(folder):
        picture = read_image(path)
        height = picture.shape[0]
        ink = ink_of(framed(picture))[:, height:-height]
        found.append(LetterPicture(symbol, ink, str(path.relative_to(folder))))
    return found


def font_letters(path: Path, symbols: Sequence[str]) -> list[LetterPicture]:
    """The true glyphs of a font, drawn as rendered lines are.

    Arguments:
        path: The font file.
        symbols: What to draw; what the font lacks is passed over.
    """
    font = open_font(path)
    above, below = ink_extent(font)
    size = max(8, round(_FONT_HEIGHT / (above + below)))
    lacking = set(missing_symbols(font, symbols))
    return [
        LetterPicture(symbol, cut_glyph(font, size, symbol).ink, font.name)
        for symbol in symbols
        if symbol not in lacking
    ]


def boxed_letters(folder: Path, height: int, options: ExemplarOptions) -> list[LetterPicture]:
    """One exemplar for every letter of lines whose glyph boxes are known.

    Arguments:
        folder: Lines with a `glyphs.json`.
        height: In pixels, that the lines are brought to: that of the sprites.
        options: How many glyphs of a letter are taken, and what is made of them.

    Raises:
        DataError: If no line with boxes can be read.
    """
    boxes = read_glyphs(folder)
    collection = read_lines(folder)
    taken: Counter[str] = Counter()
    chosen = set()
    for line in collection:  # no more lines are opened than are needed
        letters = Counter(glyph.symbol for glyph in boxes.get(line.id, ()))
        if any(taken[letter] < options.occurrences for letter in letters):
            chosen.add(line.id)
            taken += letters
    cut: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    with LineCache(collection.where(lambda line: line.id in chosen), height) as cache:
        for number, line in enumerate(cache.collection):
            picture = np.asarray(cache[number])
            ink = ink_of(picture).astype(np.float64)
            width, tall = line_size(line)
            across, down = picture.shape[1] / width, picture.shape[0] / tall
            for glyph in boxes[line.id]:
                letter = unicodedata.normalize("NFC", glyph.symbol)
                box = scaled(glyph.box, across, down)
                rows = slice(round(box.top), max(round(box.top) + 1, round(box.bottom)))
                columns = slice(round(box.left), max(round(box.left) + 1, round(box.right)))
                piece = ink[rows, columns]
                if len(cut[letter]) < options.occurrences and piece.size and piece.max() > 0:
                    cut[letter].append(piece)
    if not cut:
        raise DataError(
            f"{folder}: none of its lines has glyph boxes in {GLYPHS_FILE}, or none can be read. "
            "`typica lines check` says why."
        )
    return [
        LetterPicture(
            letter,
            average_glyph(pieces, options.average),
            f"{options.average} of {len(pieces)}" if len(pieces) > 1 else "1 glyph",
        )
        for letter, pieces in sorted(cut.items())
    ]


def average_glyph(
    pieces: Sequence[NDArray[np.float64]], average: Average = "median"
) -> NDArray[np.float64]:
    """One picture of several of the same letter, laid on each other.

    Arguments:
        pieces: Ink, of any sizes.
        average: Of every pixel.

    Returns:
        A picture of the size of the largest and a margin.
    """
    height = max(piece.shape[0] for piece in pieces) + 2 * _MARGIN
    width = max(piece.shape[1] for piece in pieces) + 2 * _MARGIN
    stack = np.zeros((len(pieces), height, width))
    for sheet, piece in zip(stack, pieces, strict=True):
        top, left = (height - piece.shape[0]) // 2, (width - piece.shape[1]) // 2
        sheet[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
    # whole pixels first: the mean of what is not yet laid on each other is too blurred for more
    for fine in (False, True):
        middle = np.broadcast_to(stack.mean(axis=0), stack.shape)
        stack = align(stack, middle, fine=fine).pictures
    return np.asarray(np.median(stack, axis=0) if average == "median" else stack.mean(axis=0))
