"""The job of `typica palaeography allographs`: which letters should get two sprites, and a sheet.

It reads the occurrences that `typica palaeography adapt` kept, so it takes seconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..files import write_json
from ..reports.wording import visible
from ..typewriter.pictures import caption_picture, stack_pictures, write_png
from ..typewriter.shapes import save_shapes
from .allographs import AllographOptions, Proposal, propose
from .cleaning import reference_masks
from .groups import load_groups
from .occurrences import Occurrences, letter_moments
from .prototypes import load_prototypes
from .scene_file import load_occurrences

__all__ = ["GroupProposal", "allographs", "find_allographs", "strongest"]

_SHOWN = 12
"""Occurrences of each shape on the sheet."""


@dataclass(frozen=True)
class GroupProposal:
    """A letter in one group (or in all lines), and what was found.

    Arguments:
        letter: The character.
        group: The group.
        found: What was found.
        lines: For each of the two shapes some ids of lines that show it, the rarer shape last.
        shapes: The mean of each, `(2, h, w)`, where the letter is: opacity in [0, 1].
    """

    letter: str
    group: str
    found: Proposal
    lines: tuple[tuple[str, ...], tuple[str, ...]]
    shapes: NDArray[np.float32]


def find_allographs(
    folder: Path, options: AllographOptions
) -> tuple[list[GroupProposal], list[NDArray[np.uint8]]]:
    """Look at every letter in every group of the last level.

    Each group by itself: over all lines together the hands of two groups would be two shapes.

    Arguments:
        folder: That of `typica palaeography adapt`.
        options: When a letter is proposed.

    Returns:
        What was found for every letter with enough occurrences, and a picture of each letter that
        is proposed: the mean of each shape, then occurrences of it.

    Raises:
        RunError: If the folder is not that of a finished job.
    """
    prototypes, about = load_prototypes(folder / "prototypes.safetensors")
    kept, lines = load_occurrences(folder / "occurrences.safetensors")
    groups = [g for g in load_groups(folder / "groups.json", lines) if g.field == about["field"]]
    found: list[GroupProposal] = []
    sheets = []
    parts = [(group.name, np.isin(kept.lines, group.lines)) for group in groups]
    masks = reference_masks(prototypes.reference, components="reaching")
    for sprite, letter in enumerate(prototypes.letters):
        mask = masks[sprite]
        for name, own in parts:
            chosen = kept.where(own & (kept.sprites == sprite))
            proposal = propose(chosen, mask, options)
            if proposal is None:
                continue
            chosen = chosen.at(proposal.looked_at)
            first, second = ~proposal.second, proposal.second
            where = tuple(_some_lines(chosen.where(part), lines) for part in (first, second))
            means = [letter_moments(chosen.where(part))[0] * mask for part in (first, second)]
            shapes = np.stack(means).astype(np.float32)
            found.append(GroupProposal(letter, name, proposal, (where[0], where[1]), shapes))
            if proposal.proposed:
                title = f"{letter}  {name}: {proposal.count} occurrences"
                rows = [_row(chosen.where(part)) for part in (first, second)]
                sheets.append(stack_pictures([caption_picture(title), *rows], gap=2))
    return found, sheets


def strongest(found: list[GroupProposal]) -> dict[str, NDArray[np.float32]]:
    """The shapes of every letter that is proposed, of the group that shows them most clearly.

    That is the one whose likelihood gains most, over all its occurrences.
    """
    best: dict[str, GroupProposal] = {}
    for one in found:
        if one.found.proposed:
            other = best.get(one.letter)
            if other is None or _evidence(one) > _evidence(other):
                best[one.letter] = one
    return {letter: one.shapes for letter, one in best.items()}


def _evidence(one: GroupProposal) -> float:
    return one.found.gain * len(one.found.looked_at)


def _some_lines(occurrences: Occurrences, lines: list[str]) -> tuple[str, ...]:
    numbers = list(dict.fromkeys(occurrences.lines.tolist()))
    return tuple(lines[number] for number in numbers[:_SHOWN])


def _row(occurrences: Occurrences) -> NDArray[np.uint8]:
    """The mean, then occurrences spread over the lines; ink black."""
    mean = np.round(255 * letter_moments(occurrences)[0]).astype(np.uint8)
    chosen = np.unique(np.linspace(0, len(occurrences) - 1, _SHOWN).astype(int))
    tiles = [mean, *occurrences.ink[chosen]]
    row: NDArray[np.uint8] = 255 - np.concatenate(
        [np.pad(tile, ((2, 2), (2, 2))) for tile in tiles], axis=1
    )
    return row


def allographs(folder: Path, out: Path, options: AllographOptions | None = None) -> list[str]:
    """Write `allographs.json`, and where there are some, `allographs.png`, `shapes.safetensors`.

    Arguments:
        folder: That of `typica palaeography adapt`.
        out: Folder to write into.
        options: When a letter is proposed.

    Returns:
        Lines for a terminal.
    """
    options = options or AllographOptions()
    found, sheets = find_allographs(folder, options)
    proposed = [one for one in found if one.found.proposed]
    letters = list(dict.fromkeys(one.letter for one in proposed))
    rows = [
        {
            "letter": one.letter,
            "group": one.group,
            **{k: v for k, v in asdict(one.found).items() if k not in ("second", "looked_at")},
            "lines": list(one.lines[0]),
            "lines_of_the_rarer": list(one.lines[1]),
        }
        for one in found
    ]
    write_json(out / "allographs.json", {"options": asdict(options), "letters": rows})
    if sheets:
        write_png(out / "allographs.png", stack_pictures(sheets, gap=10))
    told = [f"{len({one.letter for one in found})} letters have enough occurrences"]
    for one in proposed:
        told.append(
            f"  {visible(one.letter)} in {one.group}: two shapes, "
            f"{one.found.separation:.1f} deviations apart, the rarer {one.found.share:.0%} "
            f"of {one.found.count}"
        )
    if not proposed:
        told.append("no letter has two shapes that can be told apart")
    shapes = out / "shapes.safetensors"
    if letters:
        save_shapes(shapes, {k: torch.from_numpy(v) for k, v in strongest(found).items()})
        told.append(
            f"to give {' '.join(map(visible, letters))} two sprites: typica typewriter train DATA "
            f"--start-from RUN --allographs {out} --out NEW"
        )
    else:
        shapes.unlink(missing_ok=True)  # of an earlier search with other options
    told.append(f"written: {out / 'allographs.json'}")
    return told
