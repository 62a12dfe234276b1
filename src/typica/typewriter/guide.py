"""What lines without a transcription follow: the templates that explain them, as their text.

Without a text the picture alone decides which sprite stands where, and from a random start most
sprites never get an occurrence to learn from. `typica.templates` finds pieces of ink that look
alike and the row of them that explains each line. That row is taken for the line's text: in
sprite numbers if nothing is transcribed, or in letters if some lines are, which then tell what the
templates stand for.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DAMAGE, DataError, RunError, reason
from ..files import write_json
from ..lines.cache import LineCache
from ..templates.darkness import darkness
from ..templates.learning import Explained, learn_templates
from ..templates.templates import letters_of
from .naming import NamingOptions, find_naming
from .pictures import sprite_sheet, write_png

if TYPE_CHECKING:
    from .storage import TypewriterAbout

__all__ = ["GUIDE", "Guide", "find_guide", "read_guide", "write_guide"]

GUIDE = "guide.json"
"""The file of a run folder that keeps the guide, so that a resumed training follows the same."""
PICTURE = "templates.png"
"""What the templates look like."""


@dataclass(frozen=True)
class Guide:
    """What stands on lines whose text is not known or not to be used.

    Arguments:
        count: How many letters the templates show.
        targets: For every line id its sprites in reading order; indices of letters, in the order
            of the alphabet if there is one, else the most used first.
        pictures: One picture for each letter, darkness `(count, H, w)`; None if read from a file.
    """

    count: int
    targets: dict[str, tuple[int, ...]]
    pictures: Any = None


def find_guide(cache: LineCache, about: TypewriterAbout, progress: bool) -> Guide:
    """Templates of the training lines, and the lines in terms of them.

    Arguments:
        cache: The lines, resized.
        about: For the alphabet (none: unsupervised), colours and options.
        progress: Show a progress bar on standard error.
    """
    chosen = [i for i, line in enumerate(cache.collection) if line.split == "train"]
    lines = [cache.collection.lines[i] for i in chosen]
    dark = [darkness(np.asarray(cache[i]), about.paper, about.ink) for i in chosen]
    found = learn_templates(dark, about.config.templates, progress)
    if not len(found.templates):
        return Guide(0, {})
    letters = letters_of(found.templates, about.config.templates.same_letter)
    rows = [tuple(int(letters[one.template]) for one in row) for row in found.rows]
    number, pictures = _by_use(rows, found, letters)
    rows = [tuple(number[k] for k in row) for row in rows]
    count = len(number)
    if not about.symbols:
        sprites = about.config.sprites
        limit = count if sprites.count is None else sprites.count // sprites.allographs
        kept = {
            line.id: tuple(k for k in row if k < limit)
            for line, row in zip(lines, rows, strict=True)
        }
        return Guide(count, kept, pictures)
    try:
        naming = find_naming(rows, [line.letters for line in lines], count, NamingOptions())
    except DataError:  # nothing was placed on the transcribed lines
        return Guide(0, {})
    index = {symbol: k for k, symbol in enumerate(about.symbols)}
    named = {
        line.id: tuple(index[symbol] for symbol in naming.read(row))
        for line, row in zip(lines, rows, strict=True)
        if not line.letters
    }
    return Guide(count, named, pictures)


def _by_use(
    rows: list[tuple[int, ...]], found: Explained, letters: Any
) -> tuple[dict[int, int], Any]:
    """New numbers of the letters, the most used first, and a picture of each."""
    uses = Counter(k for row in rows for k in row)
    order = [k for k, _ in sorted(uses.items(), key=lambda one: (-one[1], one[0]))]
    # templates come the most used first, so the first of a letter is its best picture
    first = [int(np.flatnonzero(letters == k)[0]) for k in order]
    return {k: new for new, k in enumerate(order)}, found.templates.pictures[first]


def write_guide(folder: Path, guide: Guide | None) -> None:
    """Keep a guide in a run folder, with a sheet of its pictures; None removes an earlier one."""
    if guide is None:
        for name in (GUIDE, PICTURE):
            (folder / name).unlink(missing_ok=True)
        return
    if guide.pictures is not None:
        digits = len(str(guide.count))
        names = [f"{k:0{digits}d}" for k in range(1, guide.count + 1)]
        write_png(folder / PICTURE, sprite_sheet(guide.pictures, names))
    write_json(
        folder / GUIDE,
        {"count": guide.count, "lines": {k: list(v) for k, v in guide.targets.items()}},
    )


def read_guide(folder: Path) -> Guide | None:
    """The guide that a run folder keeps; None if it was trained without.

    Raises:
        RunError: If it is damaged.
    """
    path = folder / GUIDE
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Guide(
            int(values["count"]),
            {str(k): tuple(int(i) for i in v) for k, v in values["lines"].items()},
        )
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged ({reason(error)}). Train a new run in another folder."
        ) from error
