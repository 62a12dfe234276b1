"""One training step of the paper's typewriter: seconds and memory against line width.

Batch 16, height 64, 83 characters, paper architecture (`paper-google`), whole step: forward,
backward, optimizer. For comparison, in the same run, the step with every activation kept (nothing
recomputed), the encoder alone (forward and backward) in float32 and, where the hardware computes
it, in bfloat16, and the step of our default typewriter at its own height on the same lines. Every
measurement runs in a process of its own, so that the peak of memory is its own.

    python benchmarks/typewriter_step.py [--widths 352 704 1408] [--out benchmarks/results/x.json]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from common import write_result
from typica.hardware import fast_bfloat16, tune_process
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.model import LineBatch, Typewriter
from typica.typewriter.objective import objective, parameter_groups
from typica.typewriter.presets import preset

BATCH, LETTERS = 16, 83
KINDS = ("step", "step-kept", "encoder-float32", "encoder-bfloat16", "default-step")


def measure(kind: str, width: int, repeats: int) -> dict[str, float]:
    """CPU and wall seconds of one repetition (the best of `repeats`) and the peak of memory."""
    tune_process()
    torch.manual_seed(0)
    config = TypewriterConfig() if kind == "default-step" else preset("paper-google")
    if kind == "default-step":
        width = width * config.height // 64  # the same lines at our height
    if kind == "step-kept":
        config = replace(config, encoder=replace(config.encoder, recompute=0))
    symbols = tuple(chr(0x100 + i) for i in range(LETTERS))
    model = Typewriter(config, symbols).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=1e-4)
    padded = -(-width // model.step) * model.step
    images = torch.rand(BATCH, 3, config.height, padded)
    images = images.contiguous(memory_format=torch.channels_last)
    letters = max(1, width * 64 // config.height // 20)
    batch = LineBatch(
        images,
        torch.full((BATCH,), width),
        torch.randint(LETTERS, (BATCH, letters)),
        torch.full((BATCH,), letters),
    )
    autocast = fast_bfloat16(torch.device("cpu"))
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    def once() -> None:
        optimizer.zero_grad(set_to_none=True)
        if kind.startswith("encoder"):
            cells = model.cells(batch.widths)
            features = model.encoder(images, cells, autocast=kind.endswith("bfloat16"))
            features.square().mean().backward()
        else:
            objective(model, batch, 0, 1, drawn_from=0, autocast=autocast)["loss"].backward()
            optimizer.step()

    once()
    best = {"cpu_seconds": float("inf"), "wall_seconds": float("inf")}
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        once()
        best["cpu_seconds"] = min(best["cpu_seconds"], time.process_time() - cpu)
        best["wall_seconds"] = min(best["wall_seconds"], time.perf_counter() - wall)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rounded = {name: round(value, 3) for name, value in best.items()}
    return {**rounded, "peak_gib": round(peak, 2), "before_first_step_gib": round(start, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[352, 704, 1408])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "WIDTH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.one[0], int(given.one[1]), given.repeats)))
        return
    native = "bfloat16" if fast_bfloat16(torch.device("cpu")) else "float32"
    kinds = [kind for kind in KINDS if kind != "encoder-bfloat16" or native == "bfloat16"]
    rows = []
    for width in given.widths:
        for kind in kinds:
            command = [sys.executable, __file__, "--one", kind, str(width)]
            command += ["--repeats", str(given.repeats)]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append({"kind": kind, "width": width, **json.loads(found.stdout)})
            print(rows[-1], file=sys.stderr)
    table = {(row["kind"], row["width"]): row for row in rows}
    ratios = {
        str(w): round(
            table["step", w]["cpu_seconds"] / table[f"encoder-{native}", w]["cpu_seconds"], 2
        )
        for w in given.widths
    }
    first, last = given.widths[0], given.widths[-1]
    growth = table["step", last]["cpu_seconds"] / table["step", first]["cpu_seconds"]
    result = {
        "batch": BATCH,
        "height": 64,
        "characters": LETTERS,
        "rows": rows,
        "step_over_encoder_cpu": ratios,
        "encoder_precision": native,
        "cpu_growth": {"width_factor": last / first, "cost_factor": round(growth, 2)},
    }
    write_result("typewriter_step", torch.device("cpu"), result, given.out)


if __name__ == "__main__":
    main()
