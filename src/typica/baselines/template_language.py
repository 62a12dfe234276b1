"""A language for templates: what it is learned from, how much it weighs, and names by it alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..configs import require
from ..lines.cache import LineCache
from ..lines.language import learn_language, text_digest
from ..lines.line import Line
from ..templates.darkness import darkness
from ..typewriter.assessment import spread
from ..typewriter.decipherment import DeciphermentOptions, decipher_readings
from ..typewriter.edits import character_error_rate, edit_operations
from ..typewriter.naming import NamingOptions
from .sprite_reader import Named, name_lines, naming_lines
from .template_decoding import LanguageChoice, best_row, lattices_of

if TYPE_CHECKING:
    from .template_reader import TemplateReader

__all__ = ["WEIGHTS", "LanguageUse", "read_with_language"]

WEIGHTS = (0.0, 0.00015, 0.0003, 0.0006, 0.0012)
"""Weights tried on the validation lines: squared darkness over H² for a nat."""
_USUAL = 0.0003
"""The weight where no transcription may be used; the best one on the Fraktur book."""


@dataclass(frozen=True)
class LanguageUse:
    """A language, and what it is used for.

    Arguments:
        order: Symbols that are judged together.
        text: Lines of text; None for the text of the lines that name the templates.
        source: What to call the text.
        transcriptions: Name the templates by transcribed lines and choose the weight on the
            validation lines; otherwise no transcription is looked at.
    """

    order: int = 5
    text: tuple[tuple[str, ...], ...] | None = None
    source: str = ""
    transcriptions: bool = True

    def __post_init__(self) -> None:
        require(self.order >= 2, "--language-order: at least 2")
        require(
            self.transcriptions or self.text is not None,
            "--no-transcriptions: names must come from somewhere; give --text FILE, a text in the "
            "language of the lines",
        )


def read_with_language(
    reader: TemplateReader, use: LanguageUse, cache: LineCache, naming: int | None, progress: bool
) -> tuple[Named, LanguageChoice, dict[str, Any]]:
    """Names for templates, and a language to read them with.

    Arguments:
        reader: Reads letter numbers.
        use: The language and what for.
        cache: Lines of the splits train and val.
        naming: How many transcribed training lines name the templates; None for the first tenth.
        progress: Show progress bars on standard error.

    Returns:
        The names, the language as `best_row` takes it, and plain values about it for the record.

    Raises:
        DataError: If there are not so many transcribed lines, or no text.
    """
    record: dict[str, Any] = {"order": use.order, "transcriptions": use.transcriptions}
    lines = cache.collection.lines
    text: Sequence[Sequence[str]]
    if use.text is None:
        text = [line.symbols or () for line in naming_lines(lines, naming)]
        record["text"] = "the lines that name the templates"
    else:
        text = use.text
        record["text"] = use.source
    record |= {"symbols": sum(map(len, text)), "digest": text_digest(text)}
    if use.transcriptions:
        # names for several templates together would be no arcs of a lattice
        named = name_lines(reader, reader.count, cache, naming, NamingOptions(n_grams=1), progress)
    else:
        named, record["margins"] = _deciphered(reader, use.order, text, cache, progress)
    height = reader.templates.pictures.shape[1]
    language = learn_language(text, use.order, spaces=named.space_gap is not None)
    gap = named.space_gap
    choice = LanguageChoice(
        language,
        tuple(language.codes(named.naming.names[k]) for k in reader.letters.tolist()),
        _USUAL * height * height,
        language.bits_per_symbol(text) * math.log(2),
        None if gap is None else math.ceil(gap * height) + round(reader.options.overlap * height),
    )
    judged = [i for i, line in enumerate(lines) if line.split == "val" and line.letters]
    if use.transcriptions and judged:
        dark = [darkness(np.asarray(cache[i]), *reader.colours) for i in judged]
        errors = _errors(reader, named, choice, dark, [lines[i] for i in judged], progress)
        weight = min(errors, key=lambda one: (errors[one], one))
        choice = replace(choice, weight=weight * height * height)
        record["validation_cer"] = {f"{one:g}": round(cer, 5) for one, cer in errors.items()}
    record["weight"] = choice.weight / (height * height)
    return named, choice, record


def _deciphered(
    reader: TemplateReader,
    order: int,
    text: Sequence[Sequence[str]],
    cache: LineCache,
    progress: bool,
) -> tuple[Named, list[float]]:
    """Names by the language alone, and by how many bits a placement each is the best."""
    options = DeciphermentOptions(order=order)
    training = [line.id for line in cache.collection if line.split == "train"]
    wanted = {training[i] for i in spread(len(training), options.lines)}
    part = cache.collection.where(lambda line: line.id in wanted)
    with LineCache(part, cache.height) as some:
        readings = list(reader.read(some, progress))
    found = decipher_readings(readings, text, reader.count, options)
    margins = [round(one, 3) for one in found.margins]
    return Named(found.naming, found.space_gap, ()), margins


def _errors(
    reader: TemplateReader,
    named: Named,
    choice: LanguageChoice,
    dark: Sequence[NDArray[np.float32]],
    lines: Sequence[Line],
    progress: bool,
) -> dict[float, float]:
    """The character error rate of some lines by the language's weight."""
    height = reader.templates.pictures.shape[1]
    lattices = lattices_of(dark, reader.templates, reader.options, progress)
    errors = {}
    for weight in WEIGHTS:
        tried = replace(choice, weight=weight * height * height)
        pairs = []
        for line, arcs in zip(lines, lattices, strict=True):
            row = [int(reader.letters[one.template]) for one in best_row(arcs, tried)]
            pairs.append(edit_operations(line.letters, named.naming.read(row)))
        errors[weight] = character_error_rate(pairs).corpus
    return errors
