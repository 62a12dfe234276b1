"""Reading with a baseline that learned sprites without texts, by names found afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import DataError
from ..lines.cache import LineCache
from ..lines.line import Line
from ..typewriter.decoding import apply_spaces, fit_space_gap
from ..typewriter.inference import decompose
from ..typewriter.named_reading import named_reading
from ..typewriter.naming import Naming, NamingOptions, find_naming
from ..typewriter.reading import LineReading
from ..typewriter.storage import TypewriterAbout
from .dti import DTISprites
from .marionette import MarioNette
from .reader import Reader

__all__ = ["Named", "SpriteReader", "in_reading_order", "name_lines", "naming_lines"]


def in_reading_order(reading: LineReading) -> LineReading:
    """The same reading with its glyphs from left to right.

    Positions are in order, but what they draw is moved, and layers lie on top of each other.
    """
    glyphs = sorted(reading.glyphs, key=lambda glyph: glyph.box.left + glyph.box.right)
    return replace(reading, glyphs=tuple(glyphs))


def naming_lines(lines: Sequence[Line], count: int | None) -> tuple[Line, ...]:
    """The transcribed training lines that sprites are named by: the first ones.

    Arguments:
        lines: Of all splits.
        count: How many; None for a tenth of them, as in the paper, at least one.

    Raises:
        DataError: If there is none, or fewer than asked for.
    """
    known = [line for line in lines if line.split == "train" and line.letters]
    wanted = max(1, -(-len(known) // 10)) if count is None else count
    if not 1 <= wanted <= len(known):
        raise DataError(
            f"--naming-lines {wanted}: sprites are named by transcribed training lines, and there "
            f"are {len(known)}. Give a number from 1 to that, or transcribe some lines."
        )
    return tuple(known[:wanted])


@dataclass(frozen=True)
class Named:
    """Names of the sprites, as they were found.

    Arguments:
        naming: The names.
        space_gap: White between two glyphs, in line heights, from which on it is a word space.
        lines: Ids of the lines that they were found on.
    """

    naming: Naming
    space_gap: float | None
    lines: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "names": [list(name) for name in self.naming.names],
            "n_grams": [
                {"sprites": list(run), "name": list(name)} for run, name in self.naming.grams
            ],
            "space_gap": self.space_gap,
            "lines": list(self.lines),
        }


class SpriteReader:
    """A trained model of sprites and, once found, their names.

    Arguments:
        model: In evaluation mode.
        about: The colours of the collection that it learned from, and the like.
        named: Names; None to read sprite numbers.
    """

    def __init__(
        self, model: DTISprites | MarioNette, about: TypewriterAbout, named: Named | None = None
    ) -> None:
        self.model, self.about, self.named = model, about, named

    def read(self, cache: LineCache, progress: bool = False) -> Iterator[LineReading]:
        """Read every line of a cache; see `typica.baselines.reader.Reader`."""
        # both models keep the contract of a typewriter where it is taken apart
        found = decompose(self.model, self.about, cache, progress=progress)  # type: ignore[arg-type]
        for one in found:
            reading = in_reading_order(one.reading)
            if self.named is not None:
                reading = named_reading(reading, self.named.naming)
                reading = apply_spaces(reading, self.named.space_gap)
            yield reading


def name_lines(
    reader: Reader,
    sprites: int,
    cache: LineCache,
    count: int | None,
    options: NamingOptions | None = None,
    progress: bool = False,
) -> Named:
    """Names for the sprites of a model that learned without texts.

    A model that places nothing on the lines gets no names: it reads nothing, which is a result.

    Arguments:
        reader: Reads sprite numbers.
        sprites: How many there are.
        cache: Lines, some of the training lines transcribed.
        count: How many of them to learn names from; None for the first tenth.
        options: How names are found.
        progress: Show a progress bar on standard error.

    Raises:
        DataError: If there are not so many transcribed training lines.
    """
    given = naming_lines(cache.collection.lines, count)
    wanted = {line.id for line in given}
    part = cache.collection.where(lambda line: line.id in wanted)
    with LineCache(part, cache.height) as some:
        found = {reading.line: reading for reading in reader.read(some, progress)}
    read = [found[line.id] for line in given]
    placed = [[glyph.sprite for glyph in reading.glyphs] for reading in read]
    if any(placed):
        naming = find_naming(placed, [line.letters for line in given], sprites, options)
    else:
        naming = Naming(((),) * sprites)
    gap = fit_space_gap(given, [named_reading(reading, naming) for reading in read])
    return Named(naming, gap, tuple(line.id for line in given))
