"""The numbers of a short run of each instrument: as committed, on two threads, and in bfloat16.

A run of few steps: from step to step a training makes the smallest difference larger, so that
after ten of them two threads and one differ by one or two per cent.

`golden.json` holds what came out when it was committed, on one thread in float32. After a change
that is meant to change numbers: `python -m tests.test_numbers` writes it anew.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from typica import hardware
from typica.configs import with_changes
from typica.engines.engine import Engine
from typica.images.options import PictureOptions
from typica.images.prompts import PromptTemplate
from typica.lines.cache import LineCache
from typica.lines.line import LineCollection
from typica.mining.maps import read_maps
from typica.mining.opening import begin
from typica.mining.run import finetune_run, score_run
from typica.palaeography.adapt_run import adapt
from typica.palaeography.options import AdaptOptions
from typica.palaeography.prototypes import load_prototypes
from typica.runs import Run
from typica.typewriter.inference import decompose
from typica.typewriter.storage import load_typewriter
from typica.typewriter.training import train

from .helpers import tiny_config as typewriter_config
from .helpers import tiny_lines
from .mining_helpers import tiny_config, tiny_pictures

GOLDEN = Path(__file__).parent / "golden.json"
_FEW_DRAWS = ("typicality.draws=10", "typicality.groups=5")
Numbers = dict[str, float]


def _trained(folder: Path, lines: LineCollection, bfloat16: bool) -> Path:
    changes = ("training.steps=3", "training.evaluations=1")
    config = typewriter_config(*changes, f"training.bfloat16={str(bfloat16).lower()}")
    train(lines, folder / "run", config, show_progress=False)
    return folder / "run"


def _typewriter(folder: Path, bfloat16: bool) -> Numbers:
    lines = tiny_lines(folder, 16)
    run = _trained(folder, lines, bfloat16)
    found: Numbers = {}
    for row in Run(run).read_log():
        names = ("reconstruction", "text", "validation_reconstruction")
        found |= {name: row[name] for name in names if name in row}
    model, about = load_typewriter(run)
    found["sprites"] = float(model.sprites().detach().mean())
    with LineCache(lines.part("val"), about.config.height) as cache:
        read = [one.reconstruction.mean() for one in decompose(model, about, cache)]
    found["grey of lines painted"] = float(np.mean(read))
    return found


def _palaeography(folder: Path, bfloat16: bool) -> Numbers:
    lines = tiny_lines(folder, 16)
    run, out = _trained(folder, lines, bfloat16), folder / "out"
    adapt(
        run, lines, out, ("document",), AdaptOptions(steps=3, batch_size=4),
        engine=Engine(workers=1), progress=False,
    )  # fmt: skip
    made, about = load_prototypes(out / "prototypes.safetensors")
    (group,) = about["groups"][:1]
    return {
        "error before": group["before"],
        "error after": group["after"],
        "prototypes": float(made.pictures.mean()),
        "occurrences": float(made.counts.sum()),
    }


def _mining(folder: Path, bfloat16: bool) -> Numbers:
    tiny_pictures(folder / "data", 4)
    changes = [f"{part}.bfloat16={str(bfloat16).lower()}" for part in ("finetune", "typicality")]
    config = with_changes(
        tiny_config(steps=4), [*changes, "typicality.draws=10", "typicality.groups=5"]
    )
    run = begin(
        folder / "data", folder / "run", base="small", prompt=PromptTemplate(), config=config,
        reading=PictureOptions(), device="cpu",
    )  # fmt: skip
    finetune_run(run, device="cpu", show_progress=False)
    found: Numbers = {}
    for row in run.folder.read_log():
        found |= {name: row[name] for name in ("loss", "held_out_loss") if name in row}
    score_run(run, device="cpu", show_progress=False)
    maps = list(read_maps(run.folder.maps("finetuned")))
    found["loss without label"] = float(np.mean([one.null.mean() for one in maps]))
    found["spread of typicality"] = float(np.mean([one.typicality.std() for one in maps]))
    return found


INSTRUMENTS: dict[str, Callable[[Path, bool], Numbers]] = {
    "typewriter": _typewriter,
    "palaeography": _palaeography,
    "mining": _mining,
}
"""By name: a short run in a new folder, in bfloat16 or float32; its numbers."""


def _agree(found: Numbers, wanted: Numbers, tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    other = {name: (found[name], wanted[name]) for name in wanted
             if not abs(found[name] - wanted[name]) <= tolerance * abs(wanted[name])}  # fmt: skip
    assert not other, f"found and wanted, beyond a share of {tolerance}: {other}"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", INSTRUMENTS)
def test_numbers_are_those_that_were_committed(name, threads, tmp_path):
    """Threads, other processors and versions of torch round otherwise; a fault changes more."""
    torch.set_num_threads(threads)
    wanted = json.loads(GOLDEN.read_text(encoding="utf-8"))
    _agree(INSTRUMENTS[name](tmp_path, False), wanted[name], wanted["tolerance"])


@pytest.mark.parametrize("name", ["typewriter", "mining"])
def test_numbers_depend_little_on_bfloat16(name, tmp_path, monkeypatch):
    """What the hardware has not, torch emulates with the same roundings."""
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: frozenset({"avx512_bf16"}))
    wanted = json.loads(GOLDEN.read_text(encoding="utf-8"))
    _agree(INSTRUMENTS[name](tmp_path, True), wanted[name], wanted["tolerance_bfloat16"])


def main() -> None:
    """Write the golden file from what comes out now."""
    torch.set_num_threads(1)
    kept = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    for name, measure in INSTRUMENTS.items():
        with tempfile.TemporaryDirectory() as folder:
            kept[name] = {k: float(f"{v:.6g}") for k, v in measure(Path(folder), False).items()}
    GOLDEN.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"written: {GOLDEN}", file=sys.stderr)


if __name__ == "__main__":
    main()
