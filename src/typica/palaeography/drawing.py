"""Drawing the prototypes of adapted groups, with counts and errors from their occurrences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..files import finite
from ..runs import load_tensors
from ..typewriter.model import Typewriter
from .adaptation import apply_difference
from .cleaning import letter_masks
from .group_jobs import group_file
from .groups import Group
from .noise import effective_pixels_of_occurrences
from .occurrences import Occurrences, effective_lines, letter_moments
from .options import AdaptOptions
from .prototypes import Prototypes, save_prototypes

__all__ = ["draw_prototypes"]


@torch.no_grad()
def draw_prototypes(
    folder: Path,
    record: dict[str, Any],
    model: Typewriter,
    groups: list[Group],
    options: AdaptOptions,
    occurrences: Occurrences,
) -> dict[str, tuple[str, ...]]:
    """Write the prototypes of every level: `prototypes.safetensors` for the last.

    Arguments:
        folder: That of the job, with the differences of all groups.
        record: Its description.
        model: The reference.
        groups: Coarse levels first.
        options: Those of the job.
        occurrences: Of all lines.

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
            if options.what == "nothing":
                pictures[row] = reference
            else:
                difference, about = load_tensors(group_file(folder, number))
                pictures[row] = apply_difference(model, difference).sprites().numpy()
                kept = ("group", "lines", "before", "after", "seconds")
                told = ("processor_seconds", "hardware")
                how.append(
                    {name: about[name] for name in kept} | {name: about.get(name) for name in told}
                )
            own = np.isin(occurrences.lines, groups[number].lines)
            counts[row] = np.bincount(occurrences.sprites[own], minlength=len(reference))
            for sprite in np.flatnonzero(counts[row]):
                chosen = occurrences.where(own & (occurrences.sprites == sprite))
                mean, errors[row, sprite] = letter_moments(chosen)
                seen_on[row, sprite] = effective_lines(chosen.lines)
                if options.what == "nothing":
                    pictures[row, sprite] = mean
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
                    masks=letter_masks(drawn, least=options.least),  # as comparison cleans them
                ).tolist()
            ),
        }
        save_prototypes(folder / f"{name}.safetensors", drawn, about)
    return few
