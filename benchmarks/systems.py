"""The figures of finished runs in one table: typewriters, and the systems they are compared with.

    python benchmarks/systems.py RUN [RUN ...] --split test --out benchmarks/results/x.json

Nothing is trained or read again: every figure is what the run itself keeps. Runs whose folders
are called alike but for a number at the end (`recogniser-0`, `recogniser-1`) are seeds of one
system: mean and standard deviation over them make a Markdown table.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from common import write_result
from typica.runs import Run
from typica.typewriter.kept_readings import kept_evaluation, read_summary

KEPT = ("lines", "cer", "cer_low", "cer_high", "reconstruction", "placements_per_character")
FIGURES = {
    "steps": (1, 0),
    "minutes": (1, 1),
    "reconstruction": (1000, 2),
    "cer": (100, 1),
    "glyphs_found": (100, 0),
}
"""What the table shows: factor and digits."""


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


def over_seeds(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By system: the number of `seeds`, and of each figure `[mean, deviation]`.

    The deviation is that of a sample, None for one seed; figures that a run lacks are left out.
    """
    systems: dict[str, list[dict[str, Any]]] = {}
    for one in rows:
        systems.setdefault(re.sub(r"-\d+$", "", one["run"]), []).append(one)
    found: dict[str, dict[str, Any]] = {}
    for name, runs in systems.items():
        found[name] = {"seeds": len(runs)}
        for figure in FIGURES:
            values = [run[figure] for run in runs if run[figure] is not None]
            if values:
                spread = statistics.stdev(values) if len(values) > 1 else None
                found[name][figure] = [statistics.fmean(values), spread]
    return found


def as_table(systems: dict[str, dict[str, Any]]) -> str:
    """The systems as a Markdown table, errors in per cent."""
    table = [
        "| system | seeds | steps | minutes | reconstruction x 1000 | CER (%) | glyphs found (%) |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in systems.items():
        cells = [name, str(one["seeds"])]
        for figure, (factor, digits) in FIGURES.items():
            mean, spread = one.get(figure, (None, None))
            text = "" if mean is None else f"{factor * mean:.{digits}f}"
            cells.append(text if spread is None else f"{text} ± {factor * spread:.{digits}f}")
        table.append("| " + " | ".join(cells) + " |")
    return "\n".join(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = [row(run, given.split) for run in given.runs]
    for one in rows:
        print("  ".join(f"{key}={value}" for key, value in one.items()))
    systems = over_seeds(rows)
    print(as_table(systems))
    result = {"rows": rows, "systems": systems}
    write_result("systems", torch.device("cpu"), result, given.out)


if __name__ == "__main__":
    main()
