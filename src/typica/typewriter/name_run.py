"""The job behind `typica typewriter name`: a run's sprites named from transcribed lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, RunError
from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.line import SPLITS, Line, LineCollection
from ..runs import Run
from .assessment import spread
from .decoding import fit_space_gap
from .edits import character_error_rate, edit_operations
from .inference import decompose
from .model import Typewriter
from .named_reading import named_reading
from .naming import Naming, NamingOptions, find_naming
from .naming_file import KeptNaming, weights_digest, write_naming
from .pictures import sprite_sheet, write_png
from .reading import LineReading
from .storage import TypewriterAbout, load_typewriter

__all__ = ["NamedSprites", "name_sprites"]


@dataclass(frozen=True)
class NamedSprites:
    """What `name_sprites` found.

    Arguments:
        path: The file that keeps the names.
        kept: The names and where they come from.
        missing: Letters of the lines that no sprite stands for, with their counts, the most
            frequent first.
        numbers: What the sprites are called without a name.
    """

    path: Path
    kept: KeptNaming
    missing: tuple[tuple[str, int], ...]
    numbers: tuple[str, ...]

    @property
    def idle(self) -> tuple[int, ...]:
        """Sprites that were placed on the lines but stand for nothing, alone or with others."""
        naming = self.kept.naming
        joined = {k for run, _ in naming.grams for k in run}
        return tuple(
            k
            for k, (name, times) in enumerate(zip(naming.names, self.kept.placed, strict=True))
            if times and not name and k not in joined
        )

    @property
    def unseen(self) -> tuple[int, ...]:
        """Sprites that are on none of the lines, so that nothing is known of them."""
        return tuple(k for k, times in enumerate(self.kept.placed) if not times)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "file": str(self.path),
            **self.kept.as_dict(),
            "sprites_for_nothing": list(self.idle),
            "sprites_not_seen": list(self.unseen),
            "letters_without_sprite": [{"letter": a, "count": n} for a, n in self.missing],
        }

    def summary(self) -> Iterator[str]:
        """The result in a few lines; sprites are called by their numbers in the report."""
        kept, naming = self.kept, self.kept.naming
        count = len(naming.names)
        named = count - len(self.idle) - len(self.unseen)
        yield (
            f"{named} of {count} sprites have a name, by {kept.options.method} from "
            f"{len(kept.lines)} lines ({kept.symbols} characters) of {kept.data}, {kept.split}"
        )
        others = "no other line has a transcription"
        if kept.other_cer is not None:
            others = f"on {kept.other_lines} others {kept.other_cer:.2%}"
        yield f"CER on these lines {kept.cer:.2%}, {others}"
        if naming.grams:
            rules = (f"{self._called(run, '+')}={''.join(name)}" for run, name in naming.grams)
            yield f"sprites with a name together: {', '.join(rules)}"
        if self.idle:
            yield f"sprites that stand for nothing: {self._called(self.idle)}"
        if self.unseen:
            yield f"sprites that are not on these lines: {self._called(self.unseen)}"
        if self.missing:
            letters = ", ".join(f"{letter} ({times})" for letter, times in self.missing)
            yield f"characters without a sprite: {letters}"
        if kept.space_gap is None:
            yield "no word spaces learned"
        else:
            yield f"word spaces from a gap of {kept.space_gap:.2f} line heights"
        yield f"{self.path}: used from now on by eval, decompose and report (run eval again)"

    def _called(self, sprites: Sequence[int], between: str = " ") -> str:
        return between.join(self.numbers[k] for k in sprites)


def name_sprites(
    run: Path | str,
    collection: LineCollection,
    options: NamingOptions | None = None,
    *,
    split: str = "train",
    lines: int | None = None,
    check: int = 200,
    device: str = "auto",
    progress: bool = True,
) -> NamedSprites:
    """Name the sprites of a run that learned without texts, and keep the names in it.

    Arguments:
        run: The run folder.
        collection: Lines, some of them transcribed.
        options: How names are found.
        split: The part of the collection to take transcribed lines from.
        lines: How many of them, evenly spread; None for all.
        check: How many other transcribed lines to read with the names, evenly spread.
        device: `auto`, `cpu`, `cuda`, ...
        progress: Show a progress bar on standard error.

    Returns:
        What was found; `naming.json` is written, and `alphabet.png` again with the names.

    Raises:
        RunError: If the run cannot be used, or learned from transcriptions.
        DataError: If there is no transcribed line, or nothing is placed on any.
    """
    tune_process()
    folder = Run(Path(run))
    model, about = load_typewriter(folder.folder, choose_device(device), named=False)
    if about.symbols:
        raise RunError(
            f"{folder.folder}: its sprites have their names from the transcriptions that it "
            "learned from. Only a typewriter trained without (--unsupervised) needs names."
        )
    given, others = _selected(collection, split, lines, check)
    found = _read(model, about, collection, [*given, *others], progress)
    given = [line for line in given if line.id in found]
    others = [line for line in others if line.id in found]
    sprites = [[glyph.sprite for glyph in found[line.id].glyphs] for line in given]
    count = len(model.sprites.codes)
    try:
        naming = find_naming(sprites, [line.letters for line in given], count, options)
    except DataError as error:
        raise DataError(f"{collection.root}: {error}") from error
    placed = Counter(sprite for row in sprites for sprite in row)
    kept = KeptNaming(
        naming=naming,
        space_gap=fit_space_gap(given, [named_reading(found[line.id], naming) for line in given]),
        options=options or NamingOptions(),
        data=collection.root.name,
        split=split,
        lines=tuple(line.id for line in given),
        placed=tuple(placed[k] for k in range(count)),
        cer=_error(naming, given, found) or 0.0,
        symbols=sum(len(line.letters) for line in given),
        other_lines=len(others),
        other_cer=_error(naming, others, found),
        weights=weights_digest(model.state_dict()),
    )
    path = write_naming(folder.folder, kept)
    digits = len(str(count))
    numbers = tuple(f"{k:0{digits}d}" for k in range(1, count + 1))
    captions = [
        "".join(name) or f"({number})" for name, number in zip(naming.names, numbers, strict=True)
    ]
    masks = model.sprites().detach().cpu().numpy()
    write_png(folder.folder / "alphabet.png", sprite_sheet(masks, captions))
    return NamedSprites(path, kept, _missing(naming, given), numbers)


def _selected(
    collection: LineCollection, split: str, lines: int | None, check: int
) -> tuple[list[Line], list[Line]]:
    """The transcribed lines to learn from, and some others to check on."""
    if lines is not None and lines < 1:
        raise DataError(f"--lines {lines}: give at least one line, or leave it out for all")
    if check < 0:
        raise DataError(f"--check {check}: give 0 for none, or more")
    known = [line for line in collection if line.letters]
    mine = [line for line in known if split in ("all", line.split)]
    if not mine:
        have = ", ".join(s for s in SPLITS if any(line.split == s for line in known))
        raise DataError(
            f"{collection.root}: no line of split {split!r} has a transcription with a letter in "
            "it, so there is nothing to name sprites by. "
            + (f"Give --split: {have}." if have else "Transcribe a few lines.")
        )
    chosen = spread(len(mine), len(mine) if lines is None else lines)
    given = [line for index, line in enumerate(mine) if index in chosen]
    taken = {line.id for line in given}
    rest = [line for line in known if line.id not in taken]
    checked = spread(len(rest), check)
    return given, [line for index, line in enumerate(rest) if index in checked]


def _read(
    model: Typewriter,
    about: TypewriterAbout,
    collection: LineCollection,
    lines: Sequence[Line],
    progress: bool,
) -> dict[str, LineReading]:
    """Readings in sprite numbers."""
    wanted = {line.id for line in lines}
    part = collection.where(lambda line: line.id in wanted)
    with LineCache(part, model.config.height) as cache:
        return {
            one.line.id: one.reading for one in decompose(model, about, cache, progress=progress)
        }


def _error(naming: Naming, lines: Sequence[Line], found: dict[str, LineReading]) -> float | None:
    """The corpus error rate of some lines, spaces dropped; None without lines."""
    if not lines:
        return None
    read = [named_reading(found[line.id], naming).letters for line in lines]
    pairs = (edit_operations(line.letters, one) for line, one in zip(lines, read, strict=True))
    return character_error_rate(pairs).corpus


def _missing(naming: Naming, lines: Sequence[Line]) -> tuple[tuple[str, int], ...]:
    have = {symbol for name in naming.names for symbol in name}
    have |= {symbol for _, name in naming.grams for symbol in name}
    counts = Counter(letter for line in lines for letter in line.letters if letter not in have)
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
