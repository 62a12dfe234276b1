"""Drawing the prototypes of adapted groups, with counts and errors from their occurrences."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..files import finite
from ..runs import load_tensors
from ..typewriter.model import Typewriter
from .adaptation import apply_difference
from .cleaning import clean, letter_masks
from .cuts import Pixels
from .group_jobs import group_file
from .groups import Group
from .noise import effective_pixels_of_occurrences
from .occurrences import Occurrences, effective_lines, letter_moments
from .options import AdaptOptions
from .prototypes import Prototypes, save_prototypes
from .tints import letter_tints

__all__ = ["draw_prototypes"]

_KEPT = ("group", "lines", "before", "after", "seconds")
_TOLD = ("processor_seconds", "hardware")
"""What the prototypes say of every group's adaptation; the latter is not known of all."""


@torch.no_grad()
def draw_prototypes(
    folder: Path,
    record: dict[str, Any],
    model: Typewriter,
    groups: list[Group],
    options: AdaptOptions,
    occurrences: Occurrences,
    line: Callable[[int], Pixels],
) -> dict[str, tuple[str, ...]]:
    """Write the prototypes of every level: `prototypes.safetensors` for the last.

    Arguments:
        folder: That of the job, with the differences of all groups.
        record: Its description.
        model: The reference.
        groups: Coarse levels first.
        options: Those of the job.
        occurrences: Of all lines.
        line: The picture of the line with a number, for the colours of its letters.

    Returns:
        For every group the letters with too few occurrences.
    """
    letters = tuple(model.symbols[character] for character in model.variants.owner[:-1])
    reference = model.sprites().numpy()
    few: dict[str, tuple[str, ...]] = {}
    fields = list(dict.fromkeys(group.field for group in groups))
    for field in fields:
        numbers = [number for number, group in enumerate(groups) if group.field == field]
        pictures = np.zeros((len(numbers), *reference.shape), np.float32)
        errors = np.full_like(pictures, np.nan)
        counts = np.zeros((len(numbers), len(reference)), np.int64)
        seen_on = np.zeros(counts.shape, np.float32)
        how = []
        for row, number in enumerate(numbers):
            seen = _seen(occurrences, groups[number], reference)
            counts[row], errors[row], seen_on[row] = seen.counts, seen.errors, seen.lines
            if options.what == "nothing":
                pictures[row] = seen.means
            else:
                difference, about = load_tensors(group_file(folder, number))
                pictures[row] = apply_difference(model, difference).sprites().numpy()
                known = {name: about[name] for name in _KEPT}
                how.append(known | {name: about.get(name) for name in _TOLD})
            few[groups[number].name] = tuple(
                letters[k] for k in np.flatnonzero(counts[row] < options.least)
            )
        some = [groups[number] for number in numbers]
        drawn = Prototypes(
            letters,
            tuple(group.name for group in some),
            tuple(group.family for group in some),
            reference,
            pictures,
            counts,
            errors,
            seen_on,
        )
        masks = letter_masks(drawn, least=options.least)  # as comparison cleans them
        of_group = [occurrences.where(np.isin(occurrences.lines, group.lines)) for group in some]
        tints = [
            letter_tints(line, own, clean(one, masks))
            for own, one in zip(of_group, pictures, strict=True)
        ]
        drawn = replace(drawn, tints=np.stack(tints))
        name = "prototypes" if field == fields[-1] else re.sub(r"[^\w.-]", "_", field)
        about = {
            "field": field,
            "options": record["options"],
            "reference_digest": record["reference_digest"],
            "reference_training": record["reference_training"],
            "data": record["data"],
            "groups": how,
            "effective_pixels": finite(
                effective_pixels_of_occurrences(
                    occurrences,
                    [group.lines for group in some],
                    len(reference),
                    masks=masks,
                ).tolist()
            ),
        }
        save_prototypes(folder / f"{name}.safetensors", drawn, about)
    return few


@dataclass(frozen=True)
class _Seen:
    """What the lines of a group show of every sprite.

    Arguments:
        counts: Occurrences, `(K,)`.
        lines: Effective lines that they are on, `(K,)`.
        means: Their mean picture, `(K, h, w)`; the reference where there is none.
        errors: Its standard error, `(K, h, w)`; NaN where there is none.
    """

    counts: NDArray[np.int64]
    lines: NDArray[np.float32]
    means: NDArray[np.float32]
    errors: NDArray[np.float32]


def _seen(occurrences: Occurrences, group: Group, reference: NDArray[np.float32]) -> _Seen:
    """Gather the occurrences on the lines of a group."""
    own = np.isin(occurrences.lines, group.lines)
    counts = np.bincount(occurrences.sprites[own], minlength=len(reference))
    lines = np.zeros(len(reference), np.float32)
    means, errors = reference.copy(), np.full_like(reference, np.nan)
    for sprite in np.flatnonzero(counts):
        chosen = occurrences.where(own & (occurrences.sprites == sprite))
        means[sprite], errors[sprite] = letter_moments(chosen)
        lines[sprite] = effective_lines(chosen.lines)
    return _Seen(counts, lines, means, errors)
