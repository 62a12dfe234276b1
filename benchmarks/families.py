"""Two families of documents with known differences: are they found, and is chance left alone?

    python benchmarks/families.py DATA --render [--outlier] [--null] [--seed 0]
    python benchmarks/families.py DATA --oracle --out result.json
    python benchmarks/families.py DATA --prototypes OUT/prototypes.safetensors --out result.json
    python benchmarks/families.py DATA --reference RUN --adapted OUT --out result.json
    python benchmarks/families.py FOLDER --null-sets 100 --out result.json

The first draws the lines (`family_documents.py`). `--oracle` compares means of the glyphs cut out
by their exact boxes, and the true glyphs themselves: no adaptation can be expected to do better.
All are judged cleaned, as `typica palaeography compare` compares them, and as they were drawn.
`--prototypes` judges what `typica palaeography adapt` made; `--reference` adapts first. The last
tests many sets of documents without any family (true glyphs with noise): a share of 0.05 of them
may be found different at the level 0.05. The font is fetched from a pinned npm package.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common import write_result
from family_documents import FamilyOptions, Truth, load_truth, make_family_lines
from family_judging import judge, null_p_values, oracle_prototypes
from typica.engines.engine import Engine
from typica.lines.collection import read_lines
from typica.palaeography.adapt_run import adapt
from typica.palaeography.options import AdaptOptions
from typica.palaeography.prototypes import Prototypes, load_prototypes


def true_prototypes(truth: Truth) -> Prototypes:
    """The true glyphs as prototypes."""
    counts = np.full(truth.pictures.shape[:2], 1000)
    nothing = np.zeros_like(truth.pictures)
    mean = truth.pictures.mean(axis=0)
    return Prototypes(
        truth.letters, truth.documents, truth.families, mean, truth.pictures, counts, nothing
    )


def adapted_prototypes(
    reference: Path, data: Path, out: Path, steps: int, jobs: int | None
) -> tuple[Prototypes, dict[str, Any]]:
    """Adapt a reference to every document; its prototypes and how long that took."""
    options = AdaptOptions(steps=steps)
    result = adapt(
        reference,
        read_lines(data),
        out,
        ("document",),
        options,
        engine=Engine(workers=jobs),
        resume=True,
    )
    if not result.finished:
        raise SystemExit("stopped: the same command goes on")
    prototypes = load_prototypes(out / "prototypes.safetensors")[0]
    return prototypes, {"minutes": result.minutes, "steps": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--outlier", action="store_true", help="one document called A, drawn as B")
    parser.add_argument("--null", action="store_true", help="no difference of the families")
    parser.add_argument("--lines", type=int, default=FamilyOptions.lines)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--prototypes", type=Path)
    parser.add_argument("--reference", type=Path, help="a typewriter trained on all the lines")
    parser.add_argument("--adapted", type=Path, help="where adaptation leaves its files")
    parser.add_argument("--steps", type=int, default=AdaptOptions.steps)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--least", type=int, default=5)
    parser.add_argument("--null-sets", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    options = FamilyOptions(
        lines=given.lines,
        family=0.0 if given.null else 1.0,
        outlier=given.outlier,
        seed=given.seed,
    )
    if given.reference and not given.adapted:
        parser.error("--reference needs --adapted, the folder for its adaptations")
    if given.render:
        print(make_family_lines(given.data, options))
    values: dict[str, Any] = {}
    if given.null_sets:
        values["null"] = null_p_values(given.data, given.null_sets, options)
    judged: dict[str, Prototypes] = {}
    if given.oracle:
        truth = load_truth(given.data)
        judged = {"true": true_prototypes(truth), "oracle": oracle_prototypes(given.data, truth)}
    if given.prototypes:
        judged["prototypes"] = load_prototypes(given.prototypes)[0]
    if given.reference:
        judged["adapted"], values["adaptation"] = adapted_prototypes(
            given.reference, given.data, given.adapted, given.steps, given.jobs
        )
    for name, prototypes in judged.items():
        truth = load_truth(given.data)
        values[name] = judge(prototypes, truth, given.least)
        values[name]["uncleaned"] = judge(prototypes, truth, given.least, cleaned=False)
    if values:
        write_result("families", torch.device("cpu"), values, given.out)


if __name__ == "__main__":
    main()
