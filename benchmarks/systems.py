"""The figures of finished runs in one table: typewriters, and the systems they are compared with.

    python benchmarks/systems.py RUN [RUN ...] --split test --out benchmarks/results/x.json

Nothing is trained or read again: every figure is what the run itself keeps.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from common import write_result
from typica.runs import Run
from typica.typewriter.kept_readings import kept_evaluation, read_summary

KEPT = ("lines", "cer", "cer_low", "cer_high", "reconstruction", "placements_per_character")


def row(run: Path, split: str) -> dict[str, Any]:
    """What one run keeps of its evaluation and its training."""
    summary = read_summary(kept_evaluation(Run(run), split))
    about = Run(run).read_config()
    training = about.get("training") or {}
    found = summary.get("localisation") or {}
    return {
        "run": run.name,
        "kind": about.get("baseline", about.get("kind")),
        "data": summary["data"],
        **{name: summary.get(name) for name in KEPT},
        "glyphs_found": found.get("found"),
        "steps": training.get("steps"),
        "minutes": training.get("minutes"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = [row(run, given.split) for run in given.runs]
    for one in rows:
        print("  ".join(f"{key}={value}" for key, value in one.items()))
    write_result("systems", torch.device("cpu"), {"rows": rows}, given.out)


if __name__ == "__main__":
    main()
