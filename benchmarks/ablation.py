"""What each part of the typewriter is worth: the ablation of Tables 3.1 and 3.2, and of K.

    python benchmarks/ablation.py DATA --runs FOLDER --seeds 0 1 2 --minutes 15 \
        [--variants full no-p] [--unsupervised] [--lines 50] [--out benchmarks/results/x.json]

Every variant is a few changes to one configuration, every run a folder
`FOLDER/<setting>-<variant>-<seed>`. A run that is finished is not trained again, one that was
interrupted goes on, so the command can be given again until it is done; a folder that was trained
on other lines or for another time is refused. Settings: `supervised`; `guided` (no transcriptions,
the row of templates in their place); `unguided` (no transcriptions, crops of 2 H, as in the paper).
Without transcriptions the sprites are named from the first tenth of the training lines before the
test lines are judged. The Markdown table has the form of Table 3.1: mean and standard deviation
over the seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from common import write_result
from typica.errors import DataError, RunError, TypicaError
from typica.files import write_json
from typica.lines.cache import LineCache
from typica.lines.collection import ReadingOptions, read_lines
from typica.lines.line import LineCollection
from typica.lines.text import TextOptions
from typica.runs import Run
from typica.typewriter.assessment import evaluate_run, lines_to_judge
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.inference import decompose
from typica.typewriter.name_run import name_sprites
from typica.typewriter.presets import preset, with_changes
from typica.typewriter.run import train_and_report
from typica.typewriter.storage import load_typewriter

__all__ = [
    "SETTINGS",
    "VARIANTS",
    "as_table",
    "configured",
    "one_run",
    "possible",
    "summarise",
    "with_fewer_lines",
]

SETTINGS: dict[str, tuple[str, ...]] = {
    "supervised": (),
    "guided": ("training.unsupervised=true",),
    "unguided": (
        "training.unsupervised=true",
        "training.guide=off",
        "training.crop=2",
        "sprites.count=60",  # without a guide nothing else tells K; the paper's on its print
    ),
}
"""With transcriptions, without and with a guide in their place, and from the pictures alone."""

PARTS: dict[str, tuple[str, ...]] = {
    "full": (),
    "no-shared-codes": ("selection.shared_codes=false",),
    "no-p": ("selection.probability_network=false",),
    "no-g": ("sprites.generator=pixels",),
    "mlp": ("sprites.generator=mlp",),
    "wide": ("sprites.width=1.0",),
    "unet": ("sprites.generator=unet", "sprites.width=1.0"),
}
"""The U-Net halves its sprites three times, so their sides must be multiples of 8: compare `unet`
with `wide`, the full typewriter at that width."""

COUNTS = (21, 41, 60, 83, 166, 332)
"""The values of K in the paper."""

STARTS = {"pretrained": ("training.start=pretrained",)}
"""Not of the paper: the encoder that the package carries, for `full` to be compared with."""

VARIANTS = PARTS | {f"K{count}": (f"sprites.count={count}",) for count in COUNTS} | STARTS
"""Changes to the configuration by the name of the variant."""

CALLED = {
    "full": "Typewriter",
    "pretrained": "Typewriter, encoder of many typefaces",
    "no-shared-codes": "w/o shared z",
    "no-p": "w/o p",
    "no-g": "w/o g (pixels)",
    "mlp": "g: MLP on a code as large as the sprite",
    "wide": "Typewriter, sprites as wide as high",
    "unet": "g: U-Net, sprites as wide as high",
}
MEASURED = ("cer", "reconstruction", "minutes")
PLAN, MEASUREMENT = "ablation-plan.json", "ablation.json"


def possible(setting: str, variant: str) -> bool:
    """Whether a variant makes sense: with transcriptions K is the number of characters."""
    return setting != "supervised" or variant not in {f"K{count}" for count in COUNTS}


def configured(
    base: TypewriterConfig, setting: str, variant: str, seed: int, others: Sequence[str] = ()
) -> TypewriterConfig:
    """The configuration of one run.

    Arguments:
        base: What all runs have in common.
        setting: One of `SETTINGS`.
        variant: One of `VARIANTS`.
        seed: Of all random numbers.
        others: More changes, such as `training.steps=500`; the variant's own come after them.
    """
    changes = [*others, *SETTINGS[setting], *VARIANTS[variant], f"training.seed={seed}"]
    return with_changes(base, changes)


def with_fewer_lines(collection: LineCollection, count: int) -> LineCollection:
    """Only `count` of the training lines, evenly spread; all that judge stay."""
    lines = collection.part("train").lines
    kept = {lines[i * len(lines) // count].id for i in range(min(count, len(lines)))}
    return collection.where(lambda line: line.split != "train" or line.id in kept)


def one_run(
    folder: Path, collection: LineCollection, config: TypewriterConfig, minutes: float | None
) -> dict[str, Any]:
    """Train, go on training, or take up a finished run; name its sprites; judge the test lines.

    Arguments:
        folder: The run folder.
        collection: Lines with splits.
        config: The configuration.
        minutes: Fit the number of steps to this time; None for `config.training.steps`.

    Returns:
        `cer` (0 to 1 and more), `reconstruction`, `minutes`, `steps`, `sprites`, and `named`:
        false if no sprite is placed on any line that could name it, so that nothing is read.

    Raises:
        RunError: The folder holds something else, or the training was interrupted.
        DataError: There is no transcribed test line.
    """
    run = Run(folder)
    plan = {"config": config.as_dict(), "minutes": minutes, "data_digest": collection.digest()}
    plan = json.loads(json.dumps(plan))  # as it is read back: lists for tuples
    path = folder / PLAN
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != plan:
            raise RunError(
                f"{folder}: holds a run with another configuration, time or data. Give another "
                "--runs."
            )
    elif run.model.exists() or run.checkpoint.exists():
        raise RunError(f"{folder}: holds a run of something else. Give another --runs.")
    if (folder / MEASUREMENT).exists():
        kept: dict[str, Any] = json.loads((folder / MEASUREMENT).read_text(encoding="utf-8"))
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, plan)
    if not (run.model.exists() and run.read_config()["training"].get("finished")):
        resume = run.checkpoint.exists()
        result = train_and_report(collection, folder, config, max_minutes=minutes, resume=resume)
        if not result.training.finished:
            raise RunError(f"{folder}: interrupted. Give the same command again to go on.")
    values = _judged(run, collection, config.unsupervised)
    about = run.read_config()
    values |= {
        "minutes": about["training"]["minutes"],
        "steps": about["training"]["steps"],
        "sprites": len(load_typewriter(folder, torch.device("cpu"))[0].sprites.codes),
    }
    write_json(folder / MEASUREMENT, values)
    return values


def _judged(run: Run, collection: LineCollection, unsupervised: bool) -> dict[str, Any]:
    """Error and reconstruction on the test lines; sprites without names are named first."""
    if unsupervised:
        known = [line.id for line in collection if line.split == "train" and line.letters]
        tenth = set(known[: -(-len(known) // 10)])
        given = collection.where(lambda line: line.id in tenth)
        try:
            name_sprites(run.folder, given, check=0, progress=False)
        except DataError:
            if not tenth:
                raise
            return {"cer": 1.0, "reconstruction": _reconstruction(run, collection), "named": False}
    found = evaluate_run(run.folder, collection, "test", progress=False)
    if found is None:
        raise DataError(f"{collection.root}: no test line has a transcription to judge by.")
    return {"cer": found.cer, "reconstruction": found.reconstruction, "named": True}


def _reconstruction(run: Run, collection: LineCollection) -> float:
    """Mean over the test lines, from readings without names."""
    model, about = load_typewriter(run.folder, torch.device("cpu"), named=False)
    with LineCache(lines_to_judge(collection, "test"), model.config.height) as cache:
        readings = [one.reading for one in decompose(model, about, cache, progress=False)]
    return statistics.fmean(r.reconstruction for r in readings if r.reconstruction is not None)


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of what several seeds gave.

    Arguments:
        runs: As `one_run` returns them, at least one.

    Returns:
        For each of cer, reconstruction and minutes a `mean` and a `deviation` (of a sample, with
        one degree of freedom less; None for a single seed); and the number of `seeds`.
    """
    summary: dict[str, Any] = {"seeds": len(runs)}
    for name in MEASURED:
        values = [float(run[name]) for run in runs]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        summary[name] = {"mean": statistics.fmean(values), "deviation": deviation}
    return summary


def as_table(results: Sequence[dict[str, Any]]) -> str:
    """The results as a Markdown table in the form of Table 3.1.

    Arguments:
        results: Rows with `setting`, `variant`, `summary` (as `summarise` gives it) and `runs`.
    """
    rows = [
        "| Method | Setting | K | Seeds | Rec. error × 10³ | CER (%) | Minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in results:
        summary, variant = one["summary"], one["variant"]
        counts = sorted({run["sprites"] for run in one["runs"]})
        shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        cells = [
            CALLED.get(variant, f"Typewriter, K = {variant[1:]}"),
            one["setting"],
            shown,
            str(summary["seeds"]),
            _cell(summary["reconstruction"], 1000, 2),
            _cell(summary["cer"], 100, 1),
            _cell(summary["minutes"], 1, 1),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(value: dict[str, Any], factor: float, digits: int) -> str:
    mean = f"{factor * value['mean']:.{digits}f}"
    if value["deviation"] is None:
        return mean
    return f"{mean} ± {factor * value['deviation']:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--settings", nargs="+", choices=SETTINGS)
    parser.add_argument("--unsupervised", action="store_true", help="guided and unguided")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--preset", default="default")
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--sep", default="")
    parser.add_argument("--lines", type=int, help="train on so many lines, evenly spread")
    parser.add_argument("--out", type=Path)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float)
    given = parser.parse_args()
    settings = given.settings or (["guided", "unguided"] if given.unsupervised else ["supervised"])
    others = [*given.set, *([f"training.steps={given.steps}"] if given.steps else [])]
    collection = read_lines(given.data, ReadingOptions(text=TextOptions(sep=given.sep)))
    if given.lines:
        collection = with_fewer_lines(collection, given.lines)
    wanted = [(s, v) for s in settings for v in given.variants if possible(s, v)]
    base = preset(given.preset)
    plans = {
        (s, v, seed): configured(base, s, v, seed, others)  # all before the first is trained
        for s, v in wanted
        for seed in given.seeds
    }
    results: list[dict[str, Any]] = []
    try:
        for setting, variant in wanted:
            runs = [
                one_run(
                    given.runs / f"{setting}-{variant}-{seed}",
                    collection,
                    plans[setting, variant, seed],
                    given.minutes,
                )
                | {"seed": seed}
                for seed in given.seeds
            ]
            row = {"setting": setting, "variant": variant, "summary": summarise(runs)}
            results.append(row | {"changes": VARIANTS[variant], "runs": runs})
            values = {"data": given.data.name, "settings": {s: SETTINGS[s] for s in settings}}
            values |= {"preset": given.preset, "set": given.set, "results": results}
            values |= {"steps": given.steps, "max_minutes": given.minutes, "lines": given.lines}
            # after each variant: what is measured stays if the rest is interrupted
            if given.out:
                write_json(given.out, values)
        write_result("ablation", torch.device("cpu"), values, given.out)
    except TypicaError as error:
        raise SystemExit(str(error)) from error
    finally:
        if results:
            print(as_table(results))


if __name__ == "__main__":
    main()
