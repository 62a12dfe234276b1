"""Random halves of one document: how often are two samples of one hand said to differ?

    python benchmarks/palaeography_halves.py JOB [--seeds 10] [--out result.json]

JOB is a folder of `typica palaeography adapt`. The lines of every group are dealt to two halves, a
letter of either is the mean of its occurrences, and every letter with enough of them in both is
tested. At the level 0.05 one test in twenty may say that the halves differ.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from common import write_result
from typica.palaeography.cleaning import letter_masks
from typica.palaeography.differences import usable
from typica.palaeography.groups import load_groups
from typica.palaeography.noise import difference_tests, effective_pixels_of_occurrences
from typica.palaeography.occurrences import Occurrences, effective_lines, letter_moments
from typica.palaeography.prototypes import Prototypes, load_prototypes
from typica.palaeography.scene_file import load_occurrences

LEVELS = (0.01, 0.05, 0.1)


def of_parts(parts: list[Occurrences], whole: Prototypes) -> Prototypes:
    """Prototypes of some parts of the lines: means of occurrences."""
    shape = (len(parts), *whole.reference.shape)
    pictures, errors = np.zeros(shape, np.float32), np.full(shape, np.nan, np.float32)
    counts, lines = np.zeros(shape[:2], np.int64), np.zeros(shape[:2], np.float32)
    for g, part in enumerate(parts):
        counts[g] = np.bincount(part.sprites, minlength=shape[1])
        for k in np.flatnonzero(counts[g]):
            own = part.where(part.sprites == k)
            pictures[g, k], errors[g, k] = letter_moments(own)
            lines[g, k] = effective_lines(own.lines)
    names = tuple(str(g) for g in range(len(parts)))
    families = ("",) * len(parts)
    return Prototypes(
        whole.letters, names, families, whole.reference, pictures, counts, errors, lines
    )


def p_values(folder: Path, seed: int, least: int) -> NDArray[np.float64]:
    """The p-values of all letters in all documents, each dealt to halves once."""
    whole, about = load_prototypes(folder / "prototypes.safetensors")
    seen, ids = load_occurrences(folder / "occurrences.safetensors")
    groups = [g for g in load_groups(folder / "groups.json", ids) if g.field == about["field"]]
    draws = np.random.default_rng(seed)
    masks = letter_masks(whole, least=least).astype(np.float32)
    found = []
    for group in groups:
        order = draws.permutation(np.array(group.lines))
        halves = [order[: len(order) // 2], order[len(order) // 2 :]]
        made = of_parts([seen.where(np.isin(seen.lines, half)) for half in halves], whole)
        made = replace(made, pictures=made.pictures * masks, errors=made.errors * masks)
        effective = effective_pixels_of_occurrences(
            seen, [half.tolist() for half in halves], len(whole.letters), masks=masks
        )
        p = difference_tests(made, usable(made, least), effective).p[:, 0, 1]
        found.append(p[np.isfinite(p)])
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--least", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    p = np.concatenate([p_values(given.job, s, given.least) for s in range(given.seeds)])
    shares = {str(level): float((p <= level).mean()) for level in LEVELS}
    values = {"tests": len(p), "share_at_or_below": shares}
    write_result("palaeography_halves", torch.device("cpu"), values, given.out)


if __name__ == "__main__":
    main()
