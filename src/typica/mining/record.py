"""What a run folder records of itself, in the words of a report: training, machine, commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..reports.plots import Panel, Series
from ..values import Problem
from .folder import MiningAbout, MiningFolder
from .overlays import encode_webp, reduced_picture

__all__ = [
    "commands",
    "credit_lines",
    "minutes",
    "notes",
    "panels",
    "read_samples",
    "short_base",
]

SAMPLES_SHOWN = 2
"""The first and the last picture of samples are shown."""


def read_samples(folder: Path) -> tuple[tuple[tuple[str, bytes], ...], tuple[Problem, ...]]:
    """The first and last pictures that the model drew during its training."""
    kinds = (".png", ".webp", ".jpg")
    # no hidden ones: they are half written
    files = sorted(p for p in folder.glob("[!.]*") if p.suffix in kinds) if folder.is_dir() else []
    shown, problems = [], []
    for path in [*files[:1], *files[1:][-(SAMPLES_SHOWN - 1) :]]:
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            what = str(error).replace(str(path), path.name)  # the page is passed on to others
            problems.append(
                Problem(Path(path.name), f"cannot be read ({what})", "Sample again", fatal=False)
            )
            continue
        digits = path.stem.rpartition("-")[2].lstrip("0") or "0"
        caption = f"after {digits} steps" if digits.isdigit() else path.stem
        shown.append((caption, encode_webp(reduced_picture(pixels, 1100), 80)))
    return tuple(shown), tuple(problems)


def panels(rows: Sequence[dict[str, Any]]) -> Iterator[Panel]:
    """Plots of the training: losses together, then what else was recorded of interest."""
    plan = [
        ("Denoising loss", (("loss", "training"), ("held_out_loss", "held out")), True),
        ("Learning rate", (("learning_rate", "learning rate"),), False),
    ]
    for title, keys, log in plan:
        series = []
        for style, (key, name) in enumerate(keys):
            points = [(r["step"], r[key]) for r in rows if isinstance(r.get(key), int | float)]
            if points:
                steps, values = zip(*points, strict=True)
                series.append(Series(name, steps, values, style))
        if series and any(len(set(one.y)) > 1 for one in series):
            yield Panel(title, tuple(series), log)


def notes(folder: MiningFolder, rows: Sequence[dict[str, Any]]) -> Iterator[Problem]:
    """What the training remarked on."""
    for row in rows:
        if "note" in row:
            message = f"step {row['step']}: {row['note']}"
            yield Problem(
                Path(folder.log.name), message, "Look at the curve of the loss", fatal=False
            )


def minutes(record: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> float | None:
    """Minutes of training, from wherever they were kept."""
    for values in (rows[-1] if rows else {}, record):
        for key, unit in (("minutes", 1.0), ("seconds", 60.0)):
            if isinstance(values.get(key), int | float):
                return float(values[key]) / unit
    return None


def credit_lines(value: Any) -> tuple[str, ...]:
    """Who made the pictures: a sentence or several."""
    if isinstance(value, list | tuple):
        return tuple(map(str, value))
    return (str(value),) if value else ()


def short_base(base: str) -> str:
    """The base as a reader knows it: a folder by its name, a hub id or `small` as it is."""
    return Path(base).name if Path(base).is_absolute() else base


def commands(folder: MiningFolder, about: MiningAbout) -> tuple[str, ...]:
    """The commands that repeat a run; DATA stands for the pictures."""
    run = shlex.quote(folder.folder.name)
    base = shlex.quote(short_base(about.base))
    prompt = f"--prompt {shlex.quote(about.prompt.label)} --null {shlex.quote(about.prompt.null)}"
    reading = about.record.get("reading") or {}
    for name in ("label_separator", "unlabelled"):
        if reading.get(name) is not None:
            prompt += f" --{name.replace('_', '-')} {shlex.quote(str(reading[name]))}"
    prompt += " --several" if reading.get("several") else ""
    return (
        f"typica mine run DATA --base {base} --out {run} {prompt}",
        f"typica mine report {run}",
    )
