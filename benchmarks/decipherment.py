"""Reading without one transcribed line: sprites named by a language, against names by 140 lines.

    python benchmarks/decipherment.py DATA [--run RUN] [--text FILE|faust] \
        [--out benchmarks/results/x.json]

The sprites are those of a typewriter that learned without texts (`--run`), or templates, learned
here. The language is that of `--text`, or, without it, of the validation lines and the second half
of the training lines; names are found on the first half of the training lines, so no line's own
text is ever used to name what is on it, and the test lines are used for nothing but the figures.
(The sprites themselves were learned from the pictures of all training lines, without texts.) With
`--text faust` it is the demo's passages of Faust, 15 000 characters of another work in another
spelling. For the comparison the same sprites are named by the first tenth of the training lines.
Templates are also read together with the language (`typica baseline templates --language-order`).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from common import write_result
from typica.baselines.template_language import LanguageUse, read_with_language
from typica.baselines.template_reader import TemplateReader
from typica.demo.texts import demo_texts
from typica.lines.cache import LineCache
from typica.lines.collection import read_lines
from typica.lines.language import learn_language, read_text
from typica.lines.line import Line, LineCollection
from typica.templates.darkness import darkness
from typica.templates.learning import learn_templates
from typica.templates.options import TemplateOptions
from typica.templates.templates import letters_of
from typica.typewriter.decipherment import DeciphermentOptions, decipher, decipher_readings, rows_of
from typica.typewriter.edits import (
    bootstrap_interval,
    character_error_rate,
    count_edits,
    edit_operations,
)
from typica.typewriter.inference import decompose
from typica.typewriter.loading import collection_colours
from typica.typewriter.naming import Naming, NamingOptions, find_naming
from typica.typewriter.reading import LineReading
from typica.typewriter.storage import load_typewriter

HEIGHT = 48
Readings = dict[str, LineReading]


def learned_templates(collection: LineCollection) -> TemplateReader:
    """Templates of the training lines, without names."""
    options = TemplateOptions()
    with LineCache(collection.part("train"), HEIGHT) as cache:
        colours = collection_colours(cache)
        dark = [darkness(np.asarray(cache[i]), *colours) for i in range(len(cache))]
    templates = learn_templates(dark, options).templates
    letters = letters_of(templates, options.same_letter)
    return TemplateReader(templates, letters, colours, options)


def rate(lines: list[Line], read: list[tuple[str, ...]]) -> dict[str, float]:
    """Character error rate with its interval, word spaces dropped."""
    pairs = [edit_operations(line.letters, one) for line, one in zip(lines, read, strict=True)]
    edits = [count_edits(one) for one in pairs]
    low, high = bootstrap_interval(edits, [len(line.letters) for line in lines])
    found = character_error_rate(pairs).corpus
    return {"cer": round(found, 4), "low": round(low, 4), "high": round(high, 4)}


def named(naming: Naming, lines: list[Line], readings: Readings) -> dict[str, float]:
    """How well lines read with names of their sprites."""
    rows = [[glyph.sprite for glyph in readings[line.id].glyphs] for line in lines]
    return rate(lines, [naming.read(row) for row in rows])


def measure(
    count: int,
    readings: Readings,
    halves: tuple[list[Line], list[Line]],
    test: list[Line],
    text: list[tuple[str, ...]],
) -> dict[str, object]:
    """Test errors by how the sprites were named."""
    first = [readings[line.id] for line in halves[0]]
    found: dict[str, object] = {}
    options = DeciphermentOptions()
    start = time.process_time()
    full = decipher_readings(first, text, count, options)
    seconds = time.process_time() - start
    chain = replace(options, sweeps=0)
    found["language"] = named(full.naming, test, readings) | {"cpu_seconds": round(seconds)}
    found["language, on the lines of naming"] = named(full.naming, halves[0], readings)
    tried = {
        "language, chain of pairs only": decipher_readings(first, text, count, chain),
        "language, pieces may hold any number of letters": decipher_readings(
            first, text, count, replace(options, one=0, more=0)
        ),
        "language, no word spaces": decipher(rows_of(first, None), text, count, options),
    }
    for name, one in tried.items():
        found[name] = named(one.naming, test, readings)
    train = [line for line in [*halves[0], *halves[1]] if line.letters]
    tenth = train[: -(-len(train) // 10)]
    rows = [[glyph.sprite for glyph in readings[line.id].glyphs] for line in tenth]
    for name, few in (
        ("lines, one name each", NamingOptions(n_grams=1)),
        ("lines, n-grams", NamingOptions()),
    ):
        naming = find_naming(rows, [line.letters for line in tenth], count, few)
        found[f"{len(tenth)} {name}"] = named(naming, test, readings)
    return found


def with_language(
    reader: TemplateReader,
    collection: LineCollection,
    text: list[tuple[str, ...]],
    half: set[str],
    test: list[Line],
) -> dict[str, object]:
    """Test errors of templates that are read together with a language."""
    found = {}
    known = collection.where(lambda line: line.split != "test")
    parted = known.where(lambda line: line.id in half)
    for name, lines, use in (
        ("no transcription", parted, LanguageUse(text=tuple(text), transcriptions=False)),
        ("names and language by the first tenth", known, LanguageUse()),
    ):
        with LineCache(lines, HEIGHT) as cache:
            names, choice, about = read_with_language(reader, use, cache, None, False)
        read = TemplateReader(
            reader.templates, reader.letters, reader.colours, reader.options, names, choice
        )
        with LineCache(collection.part("test"), HEIGHT) as cache:
            letters = {one.line: one.letters for one in read.read(cache)}
        weights = {key: about[key] for key in ("weight", "validation_cer") if key in about}
        found[name] = rate(test, [letters[line.id] for line in test]) | weights
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--text")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    collection = read_lines(given.data)
    train = list(collection.part("train"))
    halves = train[: len(train) // 2], train[len(train) // 2 :]
    test = [line for line in collection.part("test") if line.letters]
    if given.text == "faust":
        text = [tuple(line) for line in demo_texts()]
    elif given.text:
        text = read_text(Path(given.text))
    else:
        text = [line.symbols for line in [*collection.part("val"), *halves[1]] if line.symbols]
    symbols = [line.symbols for line in test if line.symbols]
    values: dict[str, object] = {
        "data": given.data.name,
        "sprites_of": "typewriter" if given.run else "templates",
        "text": Path(given.text).name if given.text else "validation and half of training lines",
        "text_symbols": sum(map(len, text)),
        "bits_per_test_symbol": {
            f"order {order}": round(learn_language(text, order).bits_per_symbol(symbols), 3)
            for order in (2, 3, 4, 5)
        },
        "naming_lines": len(halves[0]),
    }
    if given.run:
        model, about = load_typewriter(given.run, torch.device("cpu"), named=False)
        count = len(model.sprites.codes)
        with LineCache(collection, model.config.height) as cache:
            found = {
                one.line.id: one.reading for one in decompose(model, about, cache, progress=False)
            }
    else:
        reader = learned_templates(collection)
        count = reader.count
        with LineCache(collection, HEIGHT) as cache:
            found = {one.line: one for one in reader.read(cache)}
    values["sprites"] = count
    values["test"] = measure(count, found, halves, test, text)
    if not given.run:
        half = {line.id for line in halves[0]}
        values["test_read_with_the_language"] = with_language(reader, collection, text, half, test)
    write_result("decipherment", torch.device("cpu"), values, given.out)


if __name__ == "__main__":
    main()
