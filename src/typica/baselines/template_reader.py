"""Lines read by templates alone: a classical prototype model, learned by hard EM, without texts.

In the role of Ocular (Berg-Kirkpatrick, Durrett and Klein 2013), the unsupervised reader of old
print. Kept: one picture for every letter, learned from the lines themselves by turns of placing
and redrawing; a line is a row of letters of different widths whose ink adds up; vertical shift;
dynamic programming over the columns; and, when asked for, a character n-gram model that reads along
with the pictures (`template_language.py`) and, from text alone, names them
(`typica.typewriter.decipherment`). Changed: pixels are grey, with squared error, not black or white
with a probability each; the start is pieces of ink that look alike, not fonts; pictures are learned
first and named and read with the language afterwards, not all by one EM; without a language, a few
transcribed lines name the letters. Not kept: the inking.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..lines.cache import LineCache
from ..lines.images import line_size
from ..lines.line import Box
from ..runs import save_tensors
from ..templates.darkness import darkness
from ..templates.learning import explain, learn_templates
from ..templates.options import TemplateOptions
from ..templates.placing import PlacedTemplate
from ..templates.templates import Templates, letters_of
from ..typewriter.decoding import apply_spaces
from ..typewriter.loading import Colour, collection_colours
from ..typewriter.named_reading import named_reading
from ..typewriter.pictures import sprite_sheet, write_png
from ..typewriter.reading import LineReading, PlacedGlyph
from .loop import LoopResult
from .run import Fitted, Session
from .sprite_reader import Named, name_lines, naming_lines
from .template_decoding import LanguageChoice, best_row, lattices_of
from .template_language import LanguageUse, read_with_language

__all__ = ["TemplateReader", "fit_templates"]


class TemplateReader:
    """Templates and, once found, the names of the letters that they show.

    Arguments:
        templates: K of them.
        letters: Which letter each shows, `(K,)`.
        colours: Of paper and ink.
        options: How they are placed.
        named: Names; None to read letter numbers.
        choice: A language to read with; None to read what explains the ink best.
    """

    def __init__(
        self,
        templates: Templates,
        letters: NDArray[np.int64],
        colours: tuple[Colour, Colour],
        options: TemplateOptions,
        named: Named | None = None,
        choice: LanguageChoice | None = None,
    ) -> None:
        self.templates, self.letters, self.colours = templates, letters, colours
        self.options, self.named, self.choice = options, named, choice

    @property
    def count(self) -> int:
        """How many letters there are."""
        return int(self.letters.max()) + 1 if len(self.letters) else 0

    def read(self, cache: LineCache, progress: bool = False) -> Iterator[LineReading]:
        """Read every line of a cache; see `typica.baselines.reader.Reader`."""
        images = [np.asarray(cache[i]) for i in range(len(cache))]
        dark = [darkness(image, *self.colours) for image in images]
        if self.choice is None:
            rows = explain(dark, self.templates, self.options, progress).rows
        else:
            lattices = lattices_of(dark, self.templates, self.options, progress)
            rows = [best_row(one, self.choice) for one in lattices]
        for line, image, row in zip(cache.collection, images, rows, strict=True):
            width, height = line_size(line)
            factor = height / image.shape[0]
            glyphs = tuple(self._glyph(one, factor, width, height) for one in row)
            error = float(np.square(self._drawn(image, row) - image / 255.0).mean())
            reading = LineReading(line.id, width, height, glyphs, error)
            if self.named is not None:
                reading = named_reading(reading, self.named.naming)
                reading = apply_spaces(reading, self.named.space_gap)
            yield reading

    def _glyph(self, one: PlacedTemplate, factor: float, width: int, height: int) -> PlacedGlyph:
        picture = self.templates.pictures[one.template]
        left, right = self.templates.columns[one.template].tolist()
        rows = np.flatnonzero(picture.max(1) > self.options.ink)
        top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, len(picture))
        letter = int(self.letters[one.template])
        share = one.gain / float(np.square(picture, dtype=np.float64).sum())
        return PlacedGlyph(
            symbol=f"{letter + 1:0{len(str(self.count))}d}",
            sprite=letter,
            box=Box(
                min(one.left * factor, float(width)),
                min(max((top + one.down) * factor, 0.0), float(height)),
                min((one.left + right - left) * factor, float(width)),
                min(max((bottom + one.down) * factor, 0.0), float(height)),
            ),
            confidence=min(1.0, max(0.0, share)),  # 1 where the ink is the template's exactly
            scale=1.0,
            colour=self.colours[1],
        )

    def _drawn(
        self, image: NDArray[np.uint8], row: Sequence[PlacedTemplate]
    ) -> NDArray[np.float64]:
        """The line as the templates draw it, `(H, w, 3)` in [0, 1]."""
        height, width = image.shape[:2]
        canvas = self.templates.pictures.shape[2] if len(self.templates) else 0
        room = np.zeros((3 * height, width + 2 * canvas))
        for one in row:
            left = one.left - int(self.templates.columns[one.template, 0]) + canvas
            top = height + one.down
            part = room[top : top + height, left : left + canvas]
            np.maximum(part, self.templates.pictures[one.template][:, : part.shape[1]], out=part)
        ink = np.minimum(room[height : 2 * height, canvas : canvas + width, None], 1.0)
        paper, black = (np.array(colour) for colour in self.colours)
        return paper + ink * (black - paper)


def fit_templates(
    options: TemplateOptions,
    naming: int | None,
    cache: LineCache,
    session: Session,
    language: LanguageUse | None = None,
) -> Fitted:
    """Learn templates from the training lines and name them; a `typica.baselines.run.Fit`.

    Arguments:
        options: How they are found.
        naming: How many transcribed training lines name them; None for the first tenth.
        cache: The lines.
        session: Where to work.
        language: A language to read with, and perhaps to name with; None for none.

    Raises:
        DataError: If there are not enough transcribed lines, or no piece of ink comes back often
            enough to be a letter.
    """
    if language is None or language.transcriptions:
        naming_lines(cache.collection.lines, naming)  # before the work: told late it costs minutes
    begun = time.perf_counter()
    colours = collection_colours(cache)
    chosen = [i for i, line in enumerate(cache.collection) if line.split == "train"]
    dark = [darkness(np.asarray(cache[i]), *colours) for i in chosen]
    found = learn_templates(dark, options, session.show_progress)
    if not len(found.templates):
        raise DataError(
            f"{cache.collection.root}: no piece of ink comes back often enough to be a letter "
            "(--set least=2 takes rarer ones)"
        )
    letters = letters_of(found.templates, options.same_letter)
    reader = TemplateReader(found.templates, letters, colours, options)
    about: dict[str, Any] | None = None
    if language is None:
        named = name_lines(reader, reader.count, cache, naming, progress=session.show_progress)
    else:
        named, choice, about = read_with_language(
            reader, language, cache, naming, session.show_progress
        )
        reader.choice = choice
    reader.named = named
    training = LoopResult(options.rounds, (time.perf_counter() - begun) / 60, True)
    plain: dict[str, Any] = {
        "paper": list(colours[0]),
        "ink": list(colours[1]),
        "templates": len(found.templates),
        "letters": reader.count,
        "naming": named.as_dict(),
        "language": about,
    }
    names = ["".join(named.naming.names[k]) or f"({k + 1})" for k in letters.tolist()]
    write_png(session.run.folder / "alphabet.png", sprite_sheet(found.templates.pictures, names))
    tensors = {
        "pictures": torch.from_numpy(found.templates.pictures),
        "uses": torch.from_numpy(found.templates.uses),
        "letters": torch.from_numpy(letters),
    }
    save_tensors(
        session.run.model, tensors, {**plain, "kind": "baseline", "options": asdict(options)}
    )
    return Fitted(reader, training, plain)
