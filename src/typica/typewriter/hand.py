"""A learned hand: the sprites of a run, what they stand for, and their measures.

It is what fonts are built from and texts are set with.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DAMAGE, DataError, RunError, reason
from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.line import Box, LineCollection
from ..lines.text import TextOptions
from .assessment import spread
from .inference import decompose
from .ink import ink_boxes
from .kept_readings import read_readings
from .loading import Colour
from .metrics import Metrics, MetricsOptions, fixed_metrics, measure
from .model import Typewriter
from .outlines import Outline, OutlineOptions, clean_sprite, outline_of
from .placements import placements_of
from .reading import LineReading
from .storage import TypewriterAbout, load_typewriter

__all__ = ["SEEN", "Hand", "load_hand", "sprite_letters"]

SEEN = 5
"""Sprites that were placed less often are not well known."""

_STRANGE = 0.5
"""Kept readings of which a larger share of boxes does not fit the sprites are not from them."""


@dataclass(frozen=True)
class Hand:
    """A learned hand.

    Arguments:
        name: Of the data that it was learned from.
        sprites: Opacity of each, `(K, h, w)`, in [0, 1].
        letters: What each stands for: one symbol, several (a ligature), or none.
        metrics: Its measures.
        height: The model's line height in pixels, the unit of the metrics.
        paper: Colour of the paper, in [0, 1].
        ink: Colour of the ink, in [0, 1].
        text: How a text is cut into symbols.
        training_counts: Occurrences of the symbols in the training text; empty without one.
        source: Where the metrics come from, in words.
        version: The typica that trained it.
        date: When, as the run says it.
        notes: What a person should know of how this was put together.
    """

    name: str
    sprites: NDArray[np.float32]
    letters: tuple[tuple[str, ...], ...]
    metrics: Metrics
    height: int
    paper: Colour
    ink: Colour
    text: TextOptions
    training_counts: dict[str, int]
    source: str
    version: str = ""
    date: str = ""
    notes: tuple[str, ...] = ()
    outline_options: OutlineOptions = field(default_factory=OutlineOptions)

    @cached_property
    def boxes(self) -> list[Box]:
        """The tight box of the ink of every sprite."""
        return ink_boxes(self.sprites)

    @cached_property
    def clean(self) -> NDArray[np.float32]:
        """The sprites without specks."""
        return np.stack([clean_sprite(s, self.outline_options.least_piece) for s in self.sprites])

    @cached_property
    def outlines(self) -> tuple[Outline, ...]:
        """The outline of every sprite."""
        return tuple(outline_of(sprite, self.outline_options) for sprite in self.sprites)

    @cached_property
    def variants(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """For every letter or ligature its sprites with ink, the most frequent first.

        A sprite that was hardly ever placed is no other shape of its letter, but noise; it
        counts only if it is the letter's first.
        """
        found: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for sprite, letters in enumerate(self.letters):
            if letters and self.boxes[sprite].area > 0:
                found[letters].append(sprite)
        counts = self.metrics.counts
        known = self.metrics.lines > 0
        ordered = {
            letters: sorted(sprites, key=lambda k: (-counts[k], k))
            for letters, sprites in found.items()
        }
        return {
            letters: tuple(k for k in sprites if not known or k == sprites[0] or counts[k] >= SEEN)
            for letters, sprites in ordered.items()
        }

    def advance(self, sprite: int) -> float:
        """The advance of a sprite, in pixels at the model's height."""
        return self.metrics.width(sprite, self.boxes[sprite])

    def corner(self, sprite: int) -> tuple[float, float]:
        """Where its top left corner lies from the pen: right, and below (negative: above)."""
        return self.metrics.corner(sprite, self.boxes[sprite])


def sprite_letters(model: Typewriter, about: TypewriterAbout) -> tuple[tuple[str, ...], ...]:
    """What every sprite of a typewriter stands for; nothing where it has no name."""
    if about.symbols:
        return tuple((about.symbols[character],) for character in model.variants.owner[:-1])
    if about.naming is not None:
        return about.naming.naming.names
    return ((),) * len(model.sprites.codes)


def load_hand(
    run: Path | str,
    collection: LineCollection | None = None,
    lines: int = 400,
    device: str = "auto",
    options: MetricsOptions | None = None,
    progress: bool = True,
) -> Hand:
    """The hand that a run has learned.

    Arguments:
        run: The run folder.
        collection: Lines to measure it on; without them the readings are taken that the
            evaluations of the run have left in its folder, and without any, fixed measures.
        lines: At most so many lines of the collection are read, evenly spread, the training
            lines if it has any.
        device: `auto`, `cpu`, `cuda`, ...
        options: How it is measured.
        progress: Show a progress bar on standard error while lines are read.

    Raises:
        RunError: If the run cannot be used.
        DataError: If no line of the collection can be read.
    """
    tune_process()
    options = options or MetricsOptions()
    model, about = load_typewriter(run, choose_device(device))
    sprites = model.sprites().detach().cpu().numpy()
    boxes = ink_boxes(sprites)
    letters = sprite_letters(model, about)
    height = model.config.height
    notes: list[str] = []
    if collection is not None:
        readings, truths = _read_now(model, about, collection, lines, progress)
        source = f"{len(readings)} lines of {collection.root.name}, read now"
    else:
        readings, truths, source = _kept(Path(run), about, notes)
    if not about.reads_text:
        truths = {}
    placed = placements_of(readings, truths, boxes, height)
    if len(placed) and placed.strange > _STRANGE and collection is None:
        notes.append(
            f"{run}: the readings in it were made with other weights and are not used. Run "
            "`typica typewriter eval` again."
        )
        placed = placements_of([], {}, boxes, height)
    if len(placed):
        metrics = measure(placed, boxes, letters, options)
    else:
        metrics = fixed_metrics(boxes, letters, options)
        source = "the sprites alone: fixed side bearings, no kerning"
        notes.append(
            f"{run}: nothing says where its sprites stand on lines, so side bearings and word "
            "space are fixed. Give --data, or run `typica typewriter eval` first."
        )
    return Hand(
        name=str(about.training.get("data", Path(run).name)),
        sprites=sprites,
        letters=letters,
        metrics=metrics,
        height=height,
        paper=about.paper,
        ink=about.ink,
        text=_text_options(about, notes),
        training_counts=about.counts if about.symbols else {},
        source=source,
        version=str(about.training.get("typica", "")),
        date=str(about.training.get("started", "")),
        notes=tuple(notes),
    )


def _read_now(
    model: Typewriter,
    about: TypewriterAbout,
    collection: LineCollection,
    most: int,
    progress: bool,
) -> tuple[list[LineReading], dict[str, list[str] | None]]:
    """Read some lines of a collection."""
    part = collection.part("train") if len(collection.part("train")) else collection
    chosen = {part.lines[i].id for i in spread(len(part), most)} if len(part) else set()
    some = part.where(lambda line: line.id in chosen)
    with LineCache(some, model.config.height) as cache:
        if not len(cache):
            raise DataError(
                f"{collection.root}: no line can be read. `typica lines check` says why."
            )
        readings = [one.reading for one in decompose(model, about, cache, progress=progress)]
    return readings, {
        line.id: None if line.symbols is None else list(line.symbols) for line in some
    }


def _kept(
    run: Path, about: TypewriterAbout, notes: list[str]
) -> tuple[list[LineReading], dict[str, list[str] | None], str]:
    """What the evaluations of a run have left, every line once."""
    readings: dict[str, LineReading] = {}
    truths: dict[str, list[str] | None] = {}
    used = []
    names = None if about.naming is None else about.naming.digest
    for file in sorted((run / "evaluation").glob("*/readings.jsonl")):
        summary = file.parent / "evaluation.json"
        try:
            naming = json.loads(summary.read_text(encoding="utf-8")).get("naming")
        except FileNotFoundError:
            continue  # an evaluation that was not finished
        except DAMAGE as error:
            raise RunError(
                f"{summary}: damaged ({reason(error)}). Run `typica typewriter eval` again."
            ) from error
        if naming != names:
            notes.append(
                f"{file.parent}: read before the sprites got the names that they have now, not "
                f"used. Run `typica typewriter eval --split {file.parent.name}` again."
            )
            continue
        some, found = read_readings(file)
        truths |= some
        readings |= found
        used.append(file.parent.name)
    return list(readings.values()), truths, f"{len(readings)} lines kept in {' and '.join(used)}"


def _text_options(about: TypewriterAbout, notes: list[str]) -> TextOptions:
    """How the run's texts were cut into symbols; a table that is gone is left out."""
    kept = about.text
    if not kept:
        return TextOptions()
    table = kept.get("replacements")
    if table and not Path(table).exists():
        notes.append(f"{table}: the replacement table of the run is not there, so not applied.")
        table = None
    try:
        return TextOptions(
            kept["normalization"], kept["sep"], kept["space"], Path(table) if table else None
        )
    except DAMAGE as error:
        raise RunError(
            f"the text options of the run are damaged ({reason(error)}). Train again."
        ) from error
