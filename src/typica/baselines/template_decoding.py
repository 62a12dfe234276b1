r"""Rows of templates chosen by what they explain and by the language, together.

Of the rows of a line's lattice (`typica.templates.lattice`) the one is taken with the highest

.. math:: \sum_i (g_i - price) + weight \cdot \Big(\log p(letters) + n \cdot h\Big),

where n is how many letters it reads and h what a letter costs on average, so that long and short
readings are on a par. The search goes along the columns and keeps, for every context of the
language and every width of the white before, the best row so far; of these the best few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..lines.language import Language
from ..lines.line import SPACE
from ..templates.lattice import Arc, arcs_of
from ..templates.options import TemplateOptions
from ..templates.placing import PlacedTemplate
from ..templates.templates import Templates

__all__ = ["LanguageChoice", "best_row", "lattices_of"]

_MARGIN = 0.009
"""Squared darkness over H² by which a row may explain less than the best one: as much as two
placements of the usual price cost, or thirty natural units of language at the usual weight."""

_BEAM = 16
"""Rows kept at every column."""

_Link: TypeAlias = "tuple[PlacedTemplate, _Link] | None"
_Rows: TypeAlias = dict[tuple[int, int], tuple[float, _Link]]


@dataclass(frozen=True)
class LanguageChoice:
    """What a language knows of templates.

    Arguments:
        language: A character n-gram model.
        letters: What every template stands for, as columns of the language; perhaps nothing.
        weight: What a natural unit of log-probability is worth, in squared darkness.
        mean: h, natural units that a letter costs on average.
        space: White columns from which on there is a word space; None if they are not looked at.
    """

    language: Language
    letters: tuple[tuple[int, ...], ...]
    weight: float
    mean: float = 0.0
    space: int | None = None


def lattices_of(
    lines: Sequence[NDArray[np.float32]],
    templates: Templates,
    options: TemplateOptions,
    progress: bool = False,
) -> list[list[Arc]]:
    """The lattice of every line.

    Arguments:
        lines: Darkness `(H, w)` each, all of the templates' height.
        templates: Any number.
        options: For price, shift and overlap.
        progress: Show a progress bar on standard error.
    """
    height = templates.pictures.shape[1]
    with tqdm(
        total=len(lines), unit="line", desc="lattices", disable=not progress, leave=False
    ) as bar:
        return arcs_of(
            lines,
            templates,
            options.price * height * height,
            round(options.shift * height),
            round(options.overlap * height),
            _MARGIN * height * height,
            bar.update,
        )


def best_row(arcs: Sequence[Arc], choice: LanguageChoice) -> list[PlacedTemplate]:
    """The best row of a line's lattice.

    Arguments:
        arcs: Placements, by their first column.
        choice: The language and its weight.

    Returns:
        Placements from left to right.
    """
    width = max((arc.end for arc in arcs), default=0)
    at: list[list[Arc]] = [[] for _ in range(width + 1)]
    for arc in arcs:
        at[arc.placed.left].append(arc)
    full = choice.space or 0  # so much white is a word space, and more is no other
    rows: list[_Rows] = [{} for _ in range(width + 1)]
    rows[0][choice.language.start, full] = (0.0, None)
    for x in range(width + 1):
        best = sorted(rows[x].items(), key=lambda one: -one[1][0])[:_BEAM]
        rows[x] = {}
        for (context, white), (score, link) in best:
            for arc in at[x]:
                letters = choice.letters[arc.placed.template]
                new, worth = _read(context, letters, choice)
                gap = 0 if letters else white
                state = (new, gap, score + arc.value + worth)
                if not letters:
                    state = _moved(*state, arc.end - x, full, choice)
                _put(rows[arc.end], *state, (arc.placed, link))
            if x < width:
                _put(rows[x + 1], *_moved(context, white, score, 1, full, choice), link)
            else:
                rows[x][context, white] = (score, link)
    _, link = max(rows[width].values(), key=lambda one: one[0])
    found = []
    while link is not None:
        placed, link = link
        found.append(placed)
    return found[::-1]


def _read(context: int, letters: Sequence[int], choice: LanguageChoice) -> tuple[int, float]:
    """The context after some letters, and what they are worth."""
    worth = 0.0
    for letter in letters:
        worth += choice.weight * (float(choice.language.log_p[context, letter]) + choice.mean)
        context = int(choice.language.after[context, letter])
    return context, worth


def _moved(
    context: int, white: int, score: float, columns: int, full: int, choice: LanguageChoice
) -> tuple[int, int, float]:
    """Context, white and score after some columns without a letter."""
    if white < full <= white + columns:
        context, worth = _read(context, (choice.language.numbers[SPACE],), choice)
        score += worth
    return context, min(full, white + columns), score


def _put(rows: _Rows, context: int, white: int, score: float, link: _Link) -> None:
    kept = rows.get((context, white))
    if kept is None or kept[0] < score:
        rows[context, white] = (score, link)
