"""The job behind `typica typewriter name --text`: sprites named from a text in their language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..errors import DataError
from ..lines.language import text_digest
from ..lines.line import LineCollection
from .decipherment import DeciphermentOptions, decipher_readings
from .name_run import (
    NamedSprites,
    error_of,
    keep_names,
    open_unnamed,
    read_sprites,
    select_lines,
)
from .naming import NamingOptions
from .naming_file import KeptNaming, LanguageSource, weights_digest

__all__ = ["name_sprites_by_language"]


def name_sprites_by_language(
    run: Path | str,
    collection: LineCollection,
    text: Sequence[Sequence[str]],
    source: str,
    options: DeciphermentOptions | None = None,
    *,
    split: str = "train",
    check: int = 200,
    device: str = "auto",
    progress: bool = True,
) -> NamedSprites:
    """Name the sprites of a run without the text of any line, and keep the names in it.

    Arguments:
        run: The run folder of a typewriter that learned without texts.
        collection: Lines. Where some are transcribed, that is only used to judge the names.
        text: Lines of text in their language, as from `read_text`.
        source: What to call the text.
        options: How names are found, and on how many lines.
        split: The part of the collection to find names on.
        check: How many other transcribed lines to read with the names, evenly spread.
        device: `auto`, `cpu`, `cuda`, ...
        progress: Show a progress bar on standard error.

    Returns:
        What was found; `naming.json` is written, and `alphabet.png` again with the names.

    Raises:
        RunError: If the run cannot be used, or learned from transcriptions.
        DataError: If there is no line, no text, or nothing is placed on any line.
    """
    options = options or DeciphermentOptions()
    folder, model, about = open_unnamed(run, device)
    available = len(collection.part(split))
    given, others = select_lines(
        collection, split, min(options.lines, available) or None, check, transcribed=False
    )
    found = read_sprites(model, about, collection, [*given, *others], progress)
    given = [line for line in given if line.id in found]
    others = [line for line in others if line.id in found]
    count = len(model.sprites.codes)
    try:
        names = decipher_readings([found[line.id] for line in given], text, count, options)
    except DataError as error:
        raise DataError(f"{collection.root}: {error}") from error
    placed = Counter(glyph.sprite for line in given for glyph in found[line.id].glyphs)
    kept = KeptNaming(
        naming=names.naming,
        space_gap=names.space_gap,
        options=NamingOptions(),
        data=collection.root.name,
        split=split,
        lines=tuple(line.id for line in given),
        placed=tuple(placed[k] for k in range(count)),
        cer=error_of(names.naming, given, found),
        symbols=sum(len(line.letters) for line in given),
        other_lines=sum(bool(line.letters) for line in others),
        other_cer=error_of(names.naming, others, found),
        weights=weights_digest(model.state_dict()),
        language=LanguageSource(
            source, text_digest(text), sum(map(len, text)), options, names.margins
        ),
    )
    return keep_names(folder, model, kept, text)
