"""Memory against size: synthetic pictures and lines through every step, each in its own process.

Pictures are 16 to 32 px squares and oblongs of two labels, scored by a tiny untrained denoiser with
few draws: what is measured is what the steps hold, not what the model needs. Lines are tiny
rendered ones, a few hundred that come back under ever new names. Of every step the result tells the
peak of resident memory, how much of it came after the imports, and the seconds.

    python benchmarks/scale.py [--sizes 1000 10000] [--cheap 100000]
                               [--out benchmarks/results/scale.json]

`--cheap` are sizes at which only checks, and what needs no model, are run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFont

from common import write_result
from typica.hardware import tune_process
from typica.lines.render import render_collection
from typica.lines.render_options import RenderOptions

LABELS = ("left", "right")
SETTINGS = (
    "size=16",
    "small.fold=2",
    "small.channels=[32,32]",
    "small.label_features=64",
    "finetune.steps=1",
    "finetune.samples=0",
    "finetune.batch_size=8",
    "typicality.draws=2",
    "typicality.groups=2",
    "typicality.noise=independent",
    "elements.per_label=200",
    "features.ensemble=1",
    "clusters.starts=2",
    "clusters.stability_runs=2",
)
LINE_SETTINGS = ("height=16", "encoder.step=4", "encoder.features=16", "training.steps=4")
STEPS = ("check pictures", "score", "elements", "select", "report", "check lines", "decompose")
CHEAP = ("check pictures", "check lines")
_DISTINCT = 200


def make_pictures(folder: Path, count: int) -> None:
    """Noisy pictures with a bright patch at one side."""
    random = np.random.default_rng(0)
    for label in LABELS:
        (folder / label).mkdir(parents=True)
    for number in range(count):
        label = LABELS[number % 2]
        height, width = random.integers(16, 33, 2)
        values = random.integers(60, 140, (height, width, 3), np.uint8)
        half = slice(0, width // 2) if label == "left" else slice(width // 2, None)
        values[4:12, half] += 100
        picture = Image.fromarray(values)
        picture.save(folder / label / f"{number:06d}.png", compress_level=1)


def make_lines(folder: Path, count: int) -> None:
    """Rendered lines of three letters; after some hundred they come back under other names."""
    random = np.random.default_rng(0)
    texts = [
        " ".join("".join(random.choice(list("abo"), random.integers(2, 5))) for _ in range(2))
        for _ in range(min(count, _DISTINCT))
    ]
    folder.parent.mkdir(parents=True, exist_ok=True)
    font = folder.parent / "font.otf"
    font.write_bytes(ImageFont.load_default(16).path.getvalue())
    made = render_collection(texts, font, folder, RenderOptions(height=16).clean())
    entries = json.loads((made / "annotation.json").read_text())
    first = dict(entries)
    for number in range(len(first), count):
        name, entry = list(first.items())[number % len(first)]
        new = f"more_{number:06d}"
        shutil.copyfile(made / "images" / f"{name}.png", made / "images" / f"{new}.png")
        entries[new] = entry
    (made / "annotation.json").write_text(json.dumps(entries))
    (made / "glyphs.json").unlink()


def step(name: str, place: Path) -> dict[str, Any]:
    """Run one step; what it counts."""
    pictures, run = place / "pictures", place / "run"
    if name == "check pictures":
        from typica.images.check import check

        report = check(pictures, size=16, factor=2)
        return {"usable": report.usable}
    if name == "check lines":
        from typica.lines.check import check as check_lines

        return {"train": check_lines(place / "lines").splits["train"]["lines"]}
    if name == "decompose":
        return _decompose(place)
    from typica.configs import with_changes
    from typica.images.options import PictureOptions
    from typica.images.prompts import PromptTemplate
    from typica.mining.opening import begin
    from typica.mining.presets import preset
    from typica.mining.run import report_run, score_run, select_run

    config = with_changes(preset("small"), SETTINGS)
    opened = begin(
        pictures,
        run,
        base="small",
        prompt=PromptTemplate(),
        config=config,
        reading=PictureOptions(),
        device="cpu",
    )
    if name == "score":
        done = score_run(opened, "base", device="cpu", show_progress=False)
        return {"pictures": done.pictures, "evaluations": done.evaluations}
    if name == "elements":
        from typica.mining.elements import mine_elements
        from typica.mining.maps import read_maps

        maps = read_maps(opened.folder.maps("base"))
        table = mine_elements(maps, opened.collection, opened.about, False)
        return {"elements": len(table)}
    if name == "select":
        return select_run(opened, "base", device="cpu", show_progress=False) or {}
    return {"bytes": report_run(opened, show_progress=False).stat().st_size}


def _decompose(place: Path) -> dict[str, Any]:
    """With a typewriter that has learned for a moment."""
    from typica.lines.collection import read_lines
    from typica.typewriter.config import TypewriterConfig
    from typica.typewriter.decompose_job import decompose_into
    from typica.typewriter.presets import with_changes
    from typica.typewriter.training import train

    few = place.parent / "typewriter"
    if not few.exists():
        make_lines(few / "lines", _DISTINCT)
        config = with_changes(TypewriterConfig(), [*LINE_SETTINGS])
        train(read_lines(few / "lines"), few / "run", config, show_progress=False)
    lines = read_lines(place / "lines")
    done = decompose_into(few / "run", lines, place / "apart", "cpu", progress=False)
    return {"lines": done.lines, "glyphs": done.glyphs}


def _memory() -> float:
    """Peak resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _imported() -> None:
    """Import what every step imports, so that the rest is the step's own."""
    from typica.mining import run
    from typica.typewriter import decompose_job

    assert run is not None
    assert decompose_job is not None
    for module in (
        "diffusers.models.unets.unet_2d_condition",
        "sklearn.cluster",
        "pyarrow.parquet",
    ):
        __import__(module)


def alone(name: str, place: Path) -> None:
    """Run a step in this process, and print what it took."""
    tune_process()
    _imported()
    before, began = _memory(), time.perf_counter()
    counted = step(name, place)
    seconds = time.perf_counter() - began
    row = {"peak_mb": round(_memory()), "own_mb": round(_memory() - before)}
    print(json.dumps(row | {"seconds": round(seconds, 1)} | counted))


def measure(name: str, place: Path) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--alone", name, "--place", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{place.name:>8} {name:<16} {found}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--cheap", type=int, nargs="*", default=[])
    parser.add_argument("--steps", nargs="*", default=STEPS, choices=STEPS)
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.alone:
        alone(given.alone, given.place)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sorted({*given.sizes, *given.cheap}):
            place = Path(folder) / str(size)
            make_pictures(place / "pictures", size)
            make_lines(place / "lines", size)
            for name in given.steps:
                if size in given.sizes or name in CHEAP:
                    rows.append({"size": size, "step": name, **measure(name, place)})
        facts = {"settings": [*SETTINGS, *LINE_SETTINGS], "cores": os.cpu_count(), "rows": rows}
        write_result("scale", torch.device("cpu"), facts, given.out)


if __name__ == "__main__":
    main()
