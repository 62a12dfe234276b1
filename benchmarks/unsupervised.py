"""A typewriter with few transcriptions or none, judged on test lines.

    python benchmarks/unsupervised.py DATA --run RUN --minutes 15 [--transcribed 20] \
        [--preset paper-google-unsupervised] [--set training.guide=off] \
        --out benchmarks/results/x.json

Without `--transcribed` it learns from the pictures alone; its sprites are then named from the first
lines of the training split (5, 20, 80 and the first tenth, the paper's share), with one name for
each sprite and with names for n-grams too, and the test lines are read with each naming. With
`--transcribed N`, N training lines, evenly spread, keep their text, and no other line has one.
A run folder that is finished is not trained again. The last naming of the list stays in the run.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from common import write_result
from typica.lines.cache import LineCache
from typica.lines.collection import ReadingOptions, read_lines
from typica.lines.line import Line, LineCollection
from typica.lines.text import TextOptions
from typica.runs import Run
from typica.typewriter.assessment import evaluate_run, spread
from typica.typewriter.guide import read_guide
from typica.typewriter.inference import decompose
from typica.typewriter.name_run import name_sprites
from typica.typewriter.naming import NamingOptions, find_naming, naming_error
from typica.typewriter.presets import preset, with_changes
from typica.typewriter.run import train_and_report
from typica.typewriter.storage import load_typewriter

FEW = (5, 20, 80)
METHODS = {
    "em": NamingOptions(n_grams=1),
    "em, n-grams": NamingOptions(),
    "soft-edit, deletions (paper)": NamingOptions("soft-edit", 1, "deletions", steps=10),
    "soft-edit, n-grams": NamingOptions("soft-edit", steps=10),
}


def with_texts(collection: LineCollection, count: int) -> LineCollection:
    """The same lines, but only `count` training lines, evenly spread, keep their text."""
    known = [line.id for line in collection if line.split == "train" and line.letters]
    kept = {known[i] for i in spread(len(known), count)}
    lines = tuple(
        line if line.split == "test" or line.id in kept else replace(line, symbols=None)
        for line in collection
    )
    return replace(collection, lines=lines)


def namings(run: Path, collection: LineCollection) -> dict[str, object]:
    """Test errors by naming method and number of transcribed lines, and what else was measured."""
    train = [line for line in collection if line.split == "train" and line.letters]
    tenth = -(-len(train) // 10)
    test = [line for line in collection if line.split == "test" and line.letters]
    wanted = {line.id for line in [*train[:tenth], *test]}
    part = collection.where(lambda line: line.id in wanted)
    model, about = load_typewriter(run, torch.device("cpu"), named=False)
    with LineCache(part, model.config.height) as cache:
        found = {one.line.id: one.reading for one in decompose(model, about, cache, progress=False)}
    sprites = {name: [glyph.sprite for glyph in one.glyphs] for name, one in found.items()}
    count = len(model.sprites.codes)

    def error(given: list[Line], options: NamingOptions) -> float:
        naming = find_naming(
            [sprites[line.id] for line in given], [line.letters for line in given], count, options
        )
        read = [sprites[line.id] for line in test]
        return naming_error(naming, read, [line.letters for line in test]).corpus

    numbers = sorted({n for n in (*FEW, tenth) if n <= tenth})
    letters = sum(len(line.letters) for line in test)
    return {
        "test_cer_by_naming_lines": {
            name: {
                str(n): error([train[i] for i in sorted(spread(tenth, n))], options)
                for n in numbers
            }
            for name, options in METHODS.items()
        },
        "sprites": count,
        "sprites_used": len({k for row in sprites.values() for k in row}),
        "placements_per_character": sum(len(sprites[line.id]) for line in test) / letters,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--transcribed", type=int)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--sep", default="")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    collection = read_lines(given.data, ReadingOptions(text=TextOptions(sep=given.sep)))
    learned = collection
    if given.transcribed:
        learned = with_texts(collection, given.transcribed)
    changes = [] if given.transcribed else ["training.unsupervised=true"]
    config = with_changes(preset(given.preset), [*given.set, *changes])
    run = Run(given.run)
    if not run.model.exists():
        train_and_report(learned, given.run, config, max_minutes=given.minutes)
    values: dict[str, object] = {"transcribed": given.transcribed or 0}
    if not given.transcribed:
        values |= namings(given.run, collection)
        tenth = -(-sum(bool(x.letters) for x in collection.part("train")) // 10)
        first = [x.id for x in collection if x.split == "train" and x.letters][:tenth]
        name_sprites(
            given.run,
            collection.where(lambda line: line.id in set(first)),
            check=0,
            progress=False,
        )
    guide = read_guide(given.run)
    evaluation = evaluate_run(given.run, collection, "test", progress=False)
    assert evaluation is not None
    found = evaluation.as_dict(confusions=15, worst=0)
    about = run.read_config()
    keep = ("lines", "cer", "cer_low", "cer_high", "cer_with_spaces", "reconstruction")
    values |= {
        "data": given.data.name,
        **{name: found[name] for name in (*keep, "localisation", "confusions")},
        "guide_letters": None if guide is None else guide.count,
        "steps": about["training"]["steps"],
        "minutes": about["training"]["minutes"],
        "config": about["config"],
    }
    write_result("unsupervised", torch.device("cpu"), values, given.out)
    print(json.dumps({"cer": found["cer"], "steps": about["training"]["steps"]}))


if __name__ == "__main__":
    main()
