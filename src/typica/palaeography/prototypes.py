"""The prototypes of several groups of lines (documents, scripts), drawn on one grid.

All come from one reference typewriter of which only what draws the sprites was adapted, so that
pixel (y, x) of a letter is the same place in every group (section 3.5, *Making prototypes
comparable*).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DAMAGE, RunError, reason
from ..runs import load_tensors, save_tensors

__all__ = ["Prototypes", "load_prototypes", "save_prototypes"]

Ink = NDArray[np.float32]


@dataclass(frozen=True)
class Prototypes:
    """One picture per group and letter, and how far each can be trusted.

    Ink is 0 (none) to 1.

    Arguments:
        letters: The character of every sprite; a letter with allographs stands here repeatedly.
        groups: The names of the groups.
        families: Of every group the family that it belongs to; empty where none is known.
        reference: What all groups started from, `(K, h, w)`.
        pictures: `(G, K, h, w)`.
        counts: Occurrences of every sprite in the lines of every group, `(G, K)`, integer.
        errors: Standard error of every pixel, `(G, K, h, w)`; NaN where it is not known.
        lines: Effective lines that the errors of every sprite come from (`effective_lines`),
            `(G, K)`; None where they were not kept.
        tints: Share of every prototype that has another colour than the ink of its group
            (`tints.letter_tints`), `(G, K)`, NaN where not known; None where nobody looked.
    """

    letters: tuple[str, ...]
    groups: tuple[str, ...]
    families: tuple[str, ...]
    reference: Ink
    pictures: Ink
    counts: NDArray[np.int64]
    errors: Ink
    lines: NDArray[np.float32] | None = None
    tints: NDArray[np.float32] | None = None

    @property
    def freedom(self) -> NDArray[np.float64]:
        """Degrees of freedom of the errors, at least a half, `(G, K)`.

        Those of the lines, for occurrences of one line are not independent; where lines were not
        kept those of the occurrences, which is too many if a line shows a letter often.
        """
        seen = self.counts if self.lines is None else np.nan_to_num(self.lines)
        return np.maximum(np.asarray(seen, np.float64) - 1, 0.5)

    @property
    def labels(self) -> tuple[str, ...]:
        """A distinct label for every sprite: the letter, with a number if it has allographs."""
        labels = []
        for place, letter in enumerate(self.letters):
            if self.letters.count(letter) > 1:
                labels.append(f"{letter} ({self.letters[: place + 1].count(letter)})")
            else:
                labels.append(letter)
        return tuple(labels)

    def some_groups(self, chosen: list[int]) -> Prototypes:
        """Only these groups, in this order."""
        return replace(
            self,
            groups=tuple(self.groups[i] for i in chosen),
            families=tuple(self.families[i] for i in chosen),
            pictures=self.pictures[chosen],
            counts=self.counts[chosen],
            errors=self.errors[chosen],
            lines=None if self.lines is None else self.lines[chosen],
            tints=None if self.tints is None else self.tints[chosen],
        )

    def some_letters(self, chosen: list[int]) -> Prototypes:
        """Only these sprites, in this order."""
        return replace(
            self,
            letters=tuple(self.letters[k] for k in chosen),
            reference=self.reference[chosen],
            pictures=self.pictures[:, chosen],
            counts=self.counts[:, chosen],
            errors=self.errors[:, chosen],
            lines=None if self.lines is None else self.lines[:, chosen],
            tints=None if self.tints is None else self.tints[:, chosen],
        )


def save_prototypes(path: Path, prototypes: Prototypes, about: dict[str, Any]) -> None:
    """Write them to one safetensors file.

    Arguments:
        path: The file.
        prototypes: What to write.
        about: How they were made, plain values.
    """
    arrays = {
        name: torch.from_numpy(np.ascontiguousarray(getattr(prototypes, name)))
        for name in ("reference", "pictures", "counts", "errors", "lines", "tints")
        if getattr(prototypes, name) is not None
    }
    names = {name: list(getattr(prototypes, name)) for name in ("letters", "groups", "families")}
    save_tensors(path, arrays, {"kind": "prototypes", **names, "about": about})


def load_prototypes(path: Path) -> tuple[Prototypes, dict[str, Any]]:
    """Read what `save_prototypes` wrote.

    Raises:
        RunError: If the file is missing, damaged or holds something else.
    """
    tensors, values = load_tensors(path)
    try:
        if values["kind"] != "prototypes":
            raise RunError(f"{path}: this is a {values['kind']}, not prototypes")
        found = Prototypes(
            letters=tuple(str(x) for x in values["letters"]),
            groups=tuple(str(x) for x in values["groups"]),
            families=tuple(str(x) for x in values["families"]),
            reference=tensors["reference"].numpy(),
            pictures=tensors["pictures"].numpy(),
            counts=tensors["counts"].numpy(),
            errors=tensors["errors"].numpy(),
            lines=tensors["lines"].numpy() if "lines" in tensors else None,
            tints=tensors["tints"].numpy() if "tints" in tensors else None,
        )
        groups, letters, *size = found.pictures.shape
        shapes = (
            found.reference.shape == (letters, *size),
            found.errors.shape == found.pictures.shape,
            found.counts.shape == (groups, letters),
            found.lines is None or found.lines.shape == (groups, letters),
            found.tints is None or found.tints.shape == (groups, letters),
            len(found.letters) == letters,
            len(found.groups) == len(found.families) == groups,
        )
        about = dict(values["about"])
    except DAMAGE as error:
        raise RunError(f"{path}: damaged ({reason(error)}). Make the prototypes again.") from error
    if not all(shapes):
        raise RunError(f"{path}: its parts do not fit each other. Make the prototypes again.")
    return found, about
