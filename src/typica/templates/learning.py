"""From lines to templates and to the row of templates on every line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .grouping import first_templates
from .options import TemplateOptions
from .placing import PlacedTemplate, place
from .segments import segments
from .templates import Templates, centred, joined, trimmed

__all__ = ["Explained", "explain", "learn_templates", "redrawn", "used_only"]

_ALIKE_LATER = 0.7
"""Redrawn templates are sharper, so two that are one differ less."""


@dataclass(frozen=True)
class Explained:
    """Lines and what explains them.

    Arguments:
        templates: The most used first.
        rows: For every line its placements from left to right.
    """

    templates: Templates
    rows: list[list[PlacedTemplate]]


def redrawn(
    templates: Templates,
    lines: Sequence[NDArray[np.float32]],
    rows: Sequence[Sequence[PlacedTemplate]],
    least: int,
) -> Templates:
    """Every template as the mean of what it was placed on.

    Arguments:
        templates: As placed.
        lines: Darkness `(H, w)` each.
        rows: The placements on these lines.
        least: Templates placed less often are given up.
    """
    height, canvas = templates.pictures.shape[1:]
    columns = templates.columns
    sums = np.zeros(templates.pictures.shape, np.float64)
    uses = np.zeros(len(templates), np.int64)
    margin = height  # more than any shift
    for line, row in zip(lines, rows, strict=True):
        room = np.pad(line, ((margin, margin), (canvas, canvas + height)))
        for one in row:
            left = one.left - int(columns[one.template, 0]) + canvas
            top = margin + one.down
            sums[one.template] += room[top : top + height, left : left + canvas]
            uses[one.template] += 1
    kept: list[tuple[int, NDArray[np.float32]]] = []
    for k in np.flatnonzero(uses >= least):
        left, right = columns[k].tolist()
        mean = (sums[k] / uses[k]).astype(np.float32)
        picture = centred(trimmed(mean, left - 1, right + 1))
        if picture is not None:
            kept.append((int(uses[k]), picture))
    kept.sort(key=lambda one: -one[0])
    return Templates(
        np.stack([picture for _, picture in kept])
        if kept
        else np.zeros((0, height, canvas), np.float32),
        np.array([n for n, _ in kept], np.int64),
    )


def used_only(found: Explained, least: int) -> Explained:
    """Without the templates that were placed less than `least` times, and numbered by use."""
    uses = np.bincount(
        [one.template for row in found.rows for one in row], minlength=len(found.templates)
    )
    order = [k for k in np.argsort(-uses, kind="stable").tolist() if uses[k] >= least]
    number = {k: new for new, k in enumerate(order)}
    rows = [
        [replace(one, template=number[one.template]) for one in row if one.template in number]
        for row in found.rows
    ]
    return Explained(Templates(found.templates.pictures[order], uses[order]), rows)


def explain(
    lines: Sequence[NDArray[np.float32]],
    templates: Templates,
    options: TemplateOptions,
    progress: bool = False,
) -> Explained:
    """Place given templates on lines.

    Arguments:
        lines: Darkness `(H, w)` each, all of the templates' height.
        templates: K of them; without any, the rows are empty.
        options: For price, shift and overlap.
        progress: Show a progress bar on standard error.
    """
    if not len(templates):
        return Explained(templates, [[] for _ in lines])
    height = templates.pictures.shape[1]
    with tqdm(
        total=len(lines), unit="line", desc="templates", disable=not progress, leave=False
    ) as bar:
        rows = place(
            lines,
            templates,
            options.price * height * height,
            round(options.shift * height),
            round(options.overlap * height),
            bar.update,
        )
    return Explained(templates, rows)


def learn_templates(
    lines: Sequence[NDArray[np.float32]],
    options: TemplateOptions | None = None,
    progress: bool = False,
) -> Explained:
    """Find templates on lines and explain the lines by them.

    Arguments:
        lines: Darkness `(H, w)` each, all of one height.
        options: How they are found.
        progress: Show a progress bar on standard error.

    Returns:
        Templates and the rows of all lines; no template if no piece of ink comes back often
        enough.
    """
    options = options or TemplateOptions()
    height = lines[0].shape[0] if lines else 1
    chosen = np.unique(np.linspace(0, len(lines) - 1, min(options.lines, len(lines))).astype(int))
    some = [lines[i] for i in chosen.tolist()]
    pieces = [piece for line in lines for piece in segments(line, options.ink)]
    templates = first_templates(
        pieces, height, round(options.width * height), options.groups, options.least, options.seed
    )
    down = round(options.shift * height) + 1
    if len(templates):
        templates = joined(templates, options.alike, down)
    for _ in range(options.rounds - 1):
        found = explain(some, templates, options, progress)
        # a letter that the sample hardly shows is not given up before all lines were seen
        templates = redrawn(found.templates, some, found.rows, 1)
        if len(templates):
            templates = joined(templates, _ALIKE_LATER * options.alike, down)
    return used_only(explain(lines, templates, options, progress), options.least)
