"""The files of a comparison with exemplars.

exemplars.json   means and every pair of a sprite and an exemplar
exemplars.csv    the pairs as a table, and the letters that one side lacks
exemplars.png    exemplar, learned sprite and signed difference, letter by letter (Fig. 3.5)
options.json     the choices

Several typefaces: each in a folder of its own, and

ranking.json, ranking.csv   the typefaces by mean similarity, the most alike first
ranking.png                 all of them, one below the other
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import finite, write_json, write_text
from ..typewriter.pictures import caption_picture, stack_pictures, write_png
from .colours import difference_colours
from .exemplar_pairs import Pair
from .exemplars import ExemplarComparison, letter_order

__all__ = ["exemplar_figure", "ranked", "ranking_lines", "write_exemplars", "write_ranking"]

_COLUMNS = 26
_HEIGHT = 84  # pixels, about, of a tile: small sprites are enlarged by whole numbers
_GAP = 3
_ROWS = ("exemplar", "learned", "difference")


def write_exemplars(folder: Path, made: ExemplarComparison) -> list[Path]:
    """Write the files of one comparison, each in one step.

    Arguments:
        folder: Made if it is not there; files of an earlier comparison are replaced.
        made: What to write.

    Returns:
        The files; exemplars.json comes last.
    """
    write_json(folder / "options.json", asdict(made.options))
    write_text(folder / "exemplars.csv", _csv(_pair_rows(made)))
    write_png(folder / "exemplars.png", exemplar_figure(made))
    write_json(folder / "exemplars.json", made.as_dict())
    names = ("options.json", "exemplars.csv", "exemplars.png", "exemplars.json")
    return [folder / name for name in names]


def ranked(found: Sequence[ExemplarComparison]) -> list[ExemplarComparison]:
    """The comparisons by their mean similarity, the most alike first."""
    return sorted(found, key=lambda made: -made.score.ssim)


def write_ranking(folder: Path, found: Sequence[ExemplarComparison]) -> list[Path]:
    """Write the tables and the picture of several comparisons, the most alike first.

    Arguments:
        folder: Made if it is not there.
        found: At least one.
    """
    order = ranked(found)
    rows = [
        {"rank": number, "run": made.name, "exemplars": made.exemplars, **asdict(made.score)}
        | {"missing": len(made.no_exemplar) + len(made.no_sprite) + len(made.not_seen)}
        for number, made in enumerate(order, 1)
    ]
    write_text(folder / "ranking.csv", _csv([list(rows[0]), *(row.values() for row in rows)]))
    pictures = []
    for made in order:
        title = f"{made.name} - {made.exemplars} - SSIM {made.score.ssim:.3f}"
        pictures += [caption_picture(title), exemplar_figure(made)]
    write_png(folder / "ranking.png", stack_pictures(pictures, gap=8))
    write_json(folder / "ranking.json", finite({"kind": "exemplar ranking", "ranking": rows}))
    return [folder / name for name in ("ranking.csv", "ranking.png", "ranking.json")]


def ranking_lines(found: Sequence[ExemplarComparison]) -> list[str]:
    """The ranking for a terminal."""
    return [
        f"{number}. SSIM {made.score.ssim:.3f} ({made.score.low:.3f} to {made.score.high:.3f}), "
        f"where there is ink {made.score.ink_ssim:.3f}: {made.name} beside {made.exemplars}"
        for number, made in enumerate(ranked(found), 1)
    ]


def _pair_rows(made: ExemplarComparison) -> Iterable[Iterable[Any]]:
    yield (
        *("letter", "sprite", "occurrences", "exemplar", "ssim", "ink_ssim", "l2"),
        *("scale", "down", "right", "best", "note"),
    )
    best = set(map(id, made.best))
    for pair in made.pairs:
        yield (*pair.numbers().values(), str(id(pair) in best).lower(), "")
    for note, letters in (
        ("no exemplar", made.no_exemplar),
        ("no sprite", made.no_sprite),
        ("sprite never or too rarely seen", made.not_seen),
    ):
        for letter in letters:
            yield (letter, *("",) * 10, note)


def _csv(rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def exemplar_figure(made: ExemplarComparison) -> NDArray[np.uint8]:
    """The best pair of every letter in the form of Fig. 3.5.

    Exemplar above, learned sprite below it, then what differs: red is ink that only the sprite has,
    blue ink that only the exemplar has. Under each the letter and the structural similarity.

    Arguments:
        made: The comparison.

    Returns:
        In colours, `(H, W, 3)`.
    """
    rows, columns = _inked([*made.best])
    tiles = []
    factor = max(1, round(_HEIGHT / (rows.stop - rows.start)))
    for pair in made.best:
        drawn, learned = pair.drawn[rows, columns], pair.learned[rows, columns]
        three = [_grey(drawn), _grey(learned), difference_colours(learned - drawn)]
        large = [np.kron(one, np.ones((factor, factor, 1), np.uint8)) for one in three]
        tiles.append(_with_captions(large, pair))
    tall = max(tile.shape[0] for tile in tiles)
    wide = max(tile.shape[1] for tile in tiles)
    side = _row_names(factor * (rows.stop - rows.start), tall)
    bands = []
    for band in _bands([pair.letter for pair in made.best]):
        even = [
            np.pad(t, ((0, tall - t.shape[0]), *_both(wide - t.shape[1] + _GAP), (0, 0)), **_WHITE)
            for t in tiles[band]
        ]
        bands.append(np.concatenate([side, *even], axis=1))
    return stack_pictures(bands, gap=4 * _GAP)


_WHITE: dict[str, Any] = {"constant_values": 255}


def _bands(letters: Sequence[str]) -> Iterator[slice]:
    """Which letters stand in a row: lower case, upper case, others, each at most `_COLUMNS`."""
    start = 0
    for _, group in groupby(letters, key=lambda letter: letter_order(letter)[0]):
        end = start + len(list(group))
        yield from (slice(at, min(at + _COLUMNS, end)) for at in range(start, end, _COLUMNS))
        start = end


def _inked(pairs: Sequence[Pair]) -> tuple[slice, slice]:
    """The rows and columns in which any picture has ink, and one more on every side."""
    ink = np.max([np.maximum(pair.drawn, pair.learned) for pair in pairs], axis=0) > 0.05
    found = []
    for axis in (1, 0):
        inside = np.flatnonzero(ink.any(axis=axis))
        low, high = (inside[0], inside[-1]) if len(inside) else (0, ink.shape[1 - axis] - 1)
        found.append(slice(max(0, int(low) - 1), min(ink.shape[1 - axis], int(high) + 2)))
    return found[0], found[1]


def _grey(ink: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Ink black on white, in colours."""
    grey = np.rint(255 * (1 - np.clip(ink, 0, 1))).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _both(space: int) -> tuple[tuple[int, int]]:
    """Padding of one axis that leaves what is there in the middle."""
    return ((space // 2, space - space // 2),)


def _with_captions(three: Sequence[NDArray[np.uint8]], pair: Pair) -> NDArray[np.uint8]:
    """The three pictures of a letter below each other, its name and its score."""
    below = [caption_picture(text) for text in (pair.letter, f"{pair.ssim:.2f}"[-4:])]
    width = max(part.shape[1] for part in (*three, *below))
    parts = [
        np.pad(one, ((0, _GAP), *_both(width - one.shape[1]), (0, 0)), **_WHITE) for one in three
    ]
    for caption in below:
        even = np.pad(caption, ((0, 0), *_both(width - caption.shape[1])), **_WHITE)
        parts.append(np.repeat(even[..., None], 3, axis=2))
    return np.concatenate(parts)


def _row_names(height: int, tall: int) -> NDArray[np.uint8]:
    """What the three rows show, at their left."""
    captions = [caption_picture(name) for name in _ROWS]
    width = max(caption.shape[1] for caption in captions) + 2 * _GAP
    side = np.full((tall, width), 255, np.uint8)
    for row, caption in enumerate(captions):
        top = row * (height + _GAP) + max(0, (height - caption.shape[0]) // 2)
        side[top : top + caption.shape[0], : caption.shape[1]] = caption
    return np.repeat(side[..., None], 3, axis=2)
