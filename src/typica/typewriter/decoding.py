"""From a decomposition to what a person reads: letters, boxes, word spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from ..lines.line import SPACE, Box, Line
from .model import Decomposition, Typewriter
from .reading import LineReading, PlacedGlyph

__all__ = [
    "apply_spaces",
    "collapse",
    "fit_space_gap",
    "gaps",
    "letters",
    "readings",
    "sprite_names",
]


def sprite_names(model: Typewriter) -> tuple[str, ...]:
    """What the characters are called: their symbols, or numbers if none were given.

    The numbers start at 1, as in the report, and have the same number of digits, so that a row
    of them can be told apart.
    """
    count = model.variants.characters
    digits = len(str(count))
    return model.symbols or tuple(f"{k:0{digits}d}" for k in range(1, count + 1))


def collapse(characters: NDArray[np.int64], repeats: bool) -> list[list[int]]:
    """Group the positions of a line into placed characters.

    Arguments:
        characters: The selected character of every position, -1 for none.
        repeats: Neighbouring positions with the same character are one (CTC), or each is a
            character of its own (one-to-one).

    Returns:
        For every character that is read, its positions.
    """
    groups: list[list[int]] = []
    for position, character in enumerate(characters.tolist()):
        if character < 0:
            continue
        previous = groups[-1][-1] if groups else -2
        if repeats and previous == position - 1 and characters[previous] == character:
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def _characters(model: Typewriter, taken: Decomposition) -> NDArray[np.int64]:
    """The character drawn at every position, `(B, T)`; -1 for blank or beyond the line."""
    sprite = taken.weights.argmax(-1)
    none = (sprite == taken.weights.shape[-1] - 1) | ~taken.valid
    character = torch.from_numpy(model.variants.owner).to(sprite.device)[sprite]
    chosen: NDArray[np.int64] = character.masked_fill(none, -1).cpu().numpy()
    return chosen


def letters(model: Typewriter, taken: Decomposition) -> list[tuple[int, ...]]:
    """The character indices read on each line: those that are drawn.

    Arguments:
        model: For its topology and allographs.
        taken: Its decomposition of a batch, in evaluation mode.
    """
    repeats = model.config.loss.alignment == "ctc"
    return [
        tuple(int(row[group[0]]) for group in collapse(row, repeats))
        for row in _characters(model, taken)
    ]


def _on_line(
    box: Box,
    scale: float,
    shift: tuple[float, float],
    sprite: tuple[int, int],
    middle: float,
    height: int,
) -> Box:
    """A box in sprite pixels, drawn at a position, in pixels of the resized line."""
    x, y = middle + shift[0], height / 2 + shift[1]
    return Box(
        (box.left - sprite[1] / 2) * scale + x,
        (box.top - sprite[0] / 2) * scale + y,
        (box.right - sprite[1] / 2) * scale + x,
        (box.bottom - sprite[0] / 2) * scale + y,
    )


def _fitted(box: Box, factor: float, width: int, height: int) -> Box:
    """A box on the resized line, in pixels of the line as it was given, cut at its edges."""
    left, right = (min(max(v * factor, 0.0), float(width)) for v in (box.left, box.right))
    top, bottom = (min(max(v * factor, 0.0), float(height)) for v in (box.top, box.bottom))
    return Box(left, top, right, bottom)


def readings(
    model: Typewriter,
    taken: Decomposition,
    ids: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    boxes: Sequence[Box],
    errors: Sequence[float] | None = None,
) -> list[LineReading]:
    """What a decomposition says of each line.

    Arguments:
        model: The typewriter.
        taken: Its decomposition of a batch, in evaluation mode.
        ids: The id of each line.
        sizes: Width and height of each line as it was given, in pixels.
        boxes: `ink_boxes` of the model's sprites.
        errors: Reconstruction error of each line.
    """
    config, symbols = model.config, sprite_names(model)
    repeats = config.loss.alignment == "ctc"
    chosen = _characters(model, taken)
    sprite = taken.weights.argmax(-1).cpu().numpy()
    sure = model.log_probabilities(taken.logits).exp().cpu().numpy()
    scale = taken.placement.scale.cpu().numpy()
    shift = taken.placement.shift.cpu().numpy()
    colours = taken.colours.cpu().numpy()
    native = (config.sprite_height, config.sprite_width)

    result = []
    for row, (name, (width, height)) in enumerate(zip(ids, sizes, strict=True)):
        placed = []
        for group in collapse(chosen[row], repeats):
            best = max(group, key=lambda t: sure[row, t, chosen[row, t]])
            shown = []
            for t in group:
                middle = t * model.step + model.centre
                moved = (float(shift[row, t, 0]), float(shift[row, t, 1]))
                where = _on_line(
                    boxes[sprite[row, t]],
                    float(scale[row, t]),
                    moved,
                    native,
                    middle,
                    config.height,
                )
                shown.append(_fitted(where, height / config.height, width, height))
            placed.append(
                PlacedGlyph(
                    symbol=symbols[chosen[row, best]],
                    sprite=int(sprite[row, best]),
                    box=Box(
                        min(b.left for b in shown),
                        min(b.top for b in shown),
                        max(b.right for b in shown),
                        max(b.bottom for b in shown),
                    ),
                    confidence=min(1.0, float(sure[row, best, chosen[row, best]])),
                    scale=float(scale[row, best]),
                    colour=(
                        float(colours[row, best, 0]),
                        float(colours[row, best, 1]),
                        float(colours[row, best, 2]),
                    ),
                    placements=len(group),
                )
            )
        error = None if errors is None else float(errors[row])
        result.append(LineReading(name, width, height, tuple(placed), error))
    return result


def _gap(before: PlacedGlyph, after: PlacedGlyph, height: int) -> float:
    """White between two neighbouring glyphs, in line heights."""
    return (after.box.left - before.box.right) / height


def gaps(reading: LineReading) -> list[float]:
    """White between every two neighbouring glyphs, in line heights."""
    return [_gap(before, after, reading.height) for before, after in pairwise(reading.glyphs)]


def fit_space_gap(lines: Sequence[Line], read: Sequence[LineReading]) -> float | None:
    """The gap between two glyphs, in line heights, from which on it is a word space.

    The threshold that errs least on the pairs of neighbouring letters that were read right.

    Returns:
        The threshold, or None if the transcriptions have no word spaces, or nothing else.
    """
    white, spaces = [], []
    for line, reading in zip(lines, read, strict=True):
        if line.symbols is None:
            continue
        after_space, truth = [], []
        pending = False
        for symbol in line.symbols:
            if symbol == SPACE:
                pending = True
            else:
                truth.append(symbol)
                after_space.append(pending)
                pending = False
        for op in Levenshtein.opcodes(truth, reading.letters):
            if op.tag != "equal":
                continue
            for i, j in zip(
                range(op.src_start + 1, op.src_end),
                range(op.dest_start + 1, op.dest_end),
                strict=True,
            ):
                white.append(_gap(reading.glyphs[j - 1], reading.glyphs[j], reading.height))
                spaces.append(after_space[i])
    is_space = np.array(spaces, bool)
    if not is_space.any() or is_space.all():
        return None
    order = np.argsort(white, kind="stable")
    value, is_space = np.array(white)[order], is_space[order]
    # errors if everything from rank i on is called a space
    errors = np.concatenate([[0], np.cumsum(is_space)]) + np.concatenate(
        [np.cumsum(~is_space[::-1])[::-1], [0]]
    )
    # equal gaps cannot be told apart by any threshold
    distinct = 1 + np.flatnonzero(np.diff(value) > 0)
    if not len(distinct):
        return None
    best = int(distinct[errors[distinct].argmin()])
    return float((value[best - 1] + value[best]) / 2)


def apply_spaces(reading: LineReading, gap: float | None) -> LineReading:
    """The same reading with a word space wherever the gap is at least `gap` line heights."""
    if gap is None or len(reading.glyphs) < 2:
        return reading
    glyphs = [reading.glyphs[0]]
    for before, after in zip(reading.glyphs, reading.glyphs[1:], strict=False):
        glyphs.append(replace(after, space_before=_gap(before, after, reading.height) >= gap))
    return replace(reading, glyphs=tuple(glyphs))
