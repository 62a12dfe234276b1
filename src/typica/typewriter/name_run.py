"""The job behind `typica typewriter name`: a run's sprites named from transcribed lines.

`language_naming.py` is the same job with a text in their language instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, RunError
from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.line import SPACE, SPLITS, Line, LineCollection
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

__all__ = [
    "NamedSprites",
    "error_of",
    "keep_names",
    "name_sprites",
    "open_unnamed",
    "read_sprites",
    "select_lines",
]

_DOUBTFUL = 2.0
"""Bits per placement: names that are less sure are named in the summary."""


@dataclass(frozen=True)
class NamedSprites:
    """What `name_sprites` found.

    Arguments:
        path: The file that keeps the names.
        kept: The names and where they come from.
        missing: Letters of the lines, or of the language's text, that no sprite stands for, with
            their counts, the most frequent first.
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

    @property
    def doubtful(self) -> tuple[int, ...]:
        """Named sprites that another name would fit nearly as well, the most placed first."""
        if self.kept.language is None:
            return ()
        margins, placed = self.kept.language.margins, self.kept.placed
        found = [
            k
            for k, name in enumerate(self.kept.naming.names)
            if name and placed[k] and margins[k] < _DOUBTFUL
        ]
        return tuple(sorted(found, key=lambda k: -placed[k]))

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
        lines = f"{len(kept.lines)} lines"
        source = f"by {kept.options.method} from {lines} ({kept.symbols} characters)"
        if kept.language is not None:
            source = f"from the language of {kept.language.text}, on {lines} without their text"
        yield f"{named} of {count} sprites have a name, {source}, of {kept.data}, {kept.split}"
        others = "no other line has a transcription"
        if kept.other_cer is not None:
            others = f"on {kept.other_lines} others {kept.other_cer:.2%}"
        these = "is unknown" if kept.cer is None else f"{kept.cer:.2%}"
        yield f"CER on these lines {these}, {others}"
        if self.doubtful:
            yield f"doubtful names: {', '.join(self._doubts())}"
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

    def _doubts(self) -> Iterator[str]:
        language = self.kept.language
        assert language is not None
        for k in self.doubtful:
            name = "".join(self.kept.naming.names[k])
            yield f"{self.numbers[k]}={name} ({language.margins[k]:.1f} bits)"

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
    folder, model, about = open_unnamed(run, device)
    given, others = select_lines(collection, split, lines, check)
    found = read_sprites(model, about, collection, [*given, *others], progress)
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
        cer=error_of(naming, given, found),
        symbols=sum(len(line.letters) for line in given),
        other_lines=len(others),
        other_cer=error_of(naming, others, found),
        weights=weights_digest(model.state_dict()),
    )
    return keep_names(folder, model, kept, [line.letters for line in given])


def open_unnamed(run: Path | str, device: str) -> tuple[Path, Typewriter, TypewriterAbout]:
    """A typewriter whose sprites may be given names, and its folder.

    Arguments:
        run: The run folder.
        device: `auto`, `cpu`, `cuda`, ...

    Raises:
        RunError: If the run cannot be used, or learned from transcriptions.
    """
    tune_process()
    folder = Run(Path(run)).folder
    model, about = load_typewriter(folder, choose_device(device), named=False)
    if about.symbols:
        raise RunError(
            f"{folder}: its sprites have their names from the transcriptions that it "
            "learned from. Only a typewriter trained without (--unsupervised) needs names."
        )
    return folder, model, about


def keep_names(
    folder: Path, model: Typewriter, kept: KeptNaming, texts: Sequence[Sequence[str]]
) -> NamedSprites:
    """Write the names into a run folder, and its sheet of sprites again, with them.

    Arguments:
        folder: The run folder.
        model: Its typewriter.
        kept: The names.
        texts: Letters that should all have a sprite.
    """
    path = write_naming(folder, kept)
    naming, count = kept.naming, len(kept.naming.names)
    digits = len(str(count))
    numbers = tuple(f"{k:0{digits}d}" for k in range(1, count + 1))
    captions = [
        "".join(name) or f"({number})" for name, number in zip(naming.names, numbers, strict=True)
    ]
    masks = model.sprites().detach().cpu().numpy()
    write_png(folder / "alphabet.png", sprite_sheet(masks, captions))
    return NamedSprites(path, kept, _missing(naming, texts), numbers)


def select_lines(
    collection: LineCollection,
    split: str,
    lines: int | None,
    check: int,
    transcribed: bool = True,
) -> tuple[list[Line], list[Line]]:
    """The lines to find names on, and some other transcribed ones to check them on.

    Arguments:
        collection: Lines.
        split: The part of them to find names on.
        lines: How many, evenly spread; None for all.
        check: How many others, evenly spread.
        transcribed: Take only transcribed lines to find names on.

    Raises:
        DataError: If there are none, or a number makes no sense.
    """
    if lines is not None and lines < 1:
        raise DataError(f"--lines {lines}: give at least one line, or leave it out for all")
    if check < 0:
        raise DataError(f"--check {check}: give 0 for none, or more")
    known = [line for line in collection if line.letters]
    usable = known if transcribed else collection.lines
    mine = [line for line in usable if split in ("all", line.split)]
    if not mine and not transcribed:
        raise DataError(f"{collection.root}: no line of split {split!r}. Give another --split.")
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


def read_sprites(
    model: Typewriter,
    about: TypewriterAbout,
    collection: LineCollection,
    lines: Sequence[Line],
    progress: bool,
) -> dict[str, LineReading]:
    """Readings of some lines in sprite numbers, by the id of the line."""
    wanted = {line.id for line in lines}
    part = collection.where(lambda line: line.id in wanted)
    with LineCache(part, model.config.height) as cache:
        return {
            one.line.id: one.reading for one in decompose(model, about, cache, progress=progress)
        }


def error_of(naming: Naming, lines: Sequence[Line], found: dict[str, LineReading]) -> float | None:
    """The corpus error rate of some lines, spaces dropped; None if none is transcribed."""
    lines = [line for line in lines if line.letters]
    if not lines:
        return None
    read = [named_reading(found[line.id], naming).letters for line in lines]
    pairs = (edit_operations(line.letters, one) for line, one in zip(lines, read, strict=True))
    return character_error_rate(pairs).corpus


def _missing(naming: Naming, texts: Sequence[Sequence[str]]) -> tuple[tuple[str, int], ...]:
    have = {symbol for name in naming.names for symbol in name}
    have |= {symbol for _, name in naming.grams for symbol in name}
    counts = Counter(a for text in texts for a in text if a not in have and a != SPACE)
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))
