"""Our summaries beside those of Doersch et al. 2012: the same measures, and the minutes of each.

    python benchmarks/mining_doersch.py DATA MINING_RUN --run RUN --mining-minutes 26 \\
        --label TallBuilding --label Street --label Forest --out OUT.json

Runs `typica baseline doersch` for every label (what is done in RUN is not done again), lays it
beside the mining run (RUN/beside.html), and measures pieces of the work to tell what the
published constants would cost on this machine. The JSON holds means, 95 % intervals, options,
minutes by stage and the hardware.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from typica.baselines.doersch.beside_page import lay_beside
from typica.baselines.doersch.descriptors import picture_cells, windows
from typica.baselines.doersch.detectors import fit_svm
from typica.baselines.doersch.options import DoerschOptions, preset
from typica.baselines.doersch.page import write_page_of_run
from typica.baselines.doersch.run import begin_doersch, run_doersch
from typica.configs import with_changes
from typica.errors import TypicaError
from typica.files import write_json
from typica.images.loading import load_pixels
from typica.images.options import PictureOptions
from typica.images.picture import PictureCollection
from typica.mining.folder import MiningFolder

PUBLISHED_SIZE = 320  # scenes15 enlarged so that 64 px are the share of the picture ours have
REPEATS = 4


def seconds_of(work: Any) -> float:
    """Processor seconds of the quickest of some repetitions."""
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def published_cost(collection: PictureCollection, options: DoerschOptions) -> dict[str, Any]:
    """What a label would cost with some options, from measured pieces, in processor hours.

    One picture's descriptors and one picture's scores of 1000 templates are timed, and one
    SVM of as many examples as a detector has at the end; the rest is counting.
    """
    picture = collection.pictures[0]
    size = options.size or min(picture.width, picture.height)
    pixels = load_pixels(picture, size, options.cell)
    cells = seconds_of(lambda: picture_cells(pixels, options.cell, options.orientations))
    kept = torch.from_numpy(picture_cells(pixels, options.cell, options.orientations))
    cut = seconds_of(lambda: windows(kept, options.cells, options.step))
    table = windows(kept, options.cells, options.step)
    templates = torch.rand(1000, options.length)

    def multiply() -> None:
        (templates @ table.T).max(1)

    product = seconds_of(multiply) / 1000  # of one template and one picture
    rng = np.random.default_rng(0)
    examples = np.abs(rng.normal(size=(3 * options.hard + 5, options.length))).astype(np.float32)
    examples /= np.linalg.norm(examples, axis=1, keepdims=True)
    svm = seconds_of(lambda: fit_svm(examples[:5], examples[5:], options.cost))
    count = len(collection)
    chunks = -(-options.candidates // options.chunk)
    # a round: positives and negatives of its subset, then `passes` searches for hard negatives;
    # the subsets together are all pictures
    sweeps = 1 + options.passes + 1
    hours = {
        "descriptors": count * cells,
        "seeds": count * (chunks * cut + options.candidates * product),
        "rounds": count * sweeps * (cut + options.detectors * product)
        + options.rounds * options.passes * options.detectors * svm,
        "ranking": count * (cut + options.detectors * product),
    }
    return {
        "options": options.as_dict(),
        "patches_per_picture": len(table),
        "length": options.length,
        "seconds": {"cells": cells, "cut": cut, "product_of_1000": 1000 * product, "svm": svm},
        "processor_hours": {name: round(value / 3600, 3) for name, value in hours.items()},
        "processor_hours_in_all": round(sum(hours.values()) / 3600, 2),
        "threads": torch.get_num_threads(),
        "disk_bytes": count * kept.numel() * 2,
    }


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Run, compare, and count."""
    options = with_changes(preset(given.preset), given.set)
    folder, collection = begin_doersch(given.data, given.run, options, PictureOptions())
    for row in run_doersch(folder, collection, given.label):
        print(row, flush=True)
    write_page_of_run(folder, collection)
    mining = MiningFolder(given.mining)
    page, values = lay_beside(folder, mining, collection, mining_minutes=given.mining_minutes)
    print(page)
    for label, found in values["labels"].items():
        for method, one in found["measures"].items():
            shares = ", ".join(
                f"{name} {share['mean']:.3f} [{share['low']:.3f}, {share['high']:.3f}]"
                for name, share in one["shares"].items()
            )
            print(f"{label}, {method}: {shares}; chance {one['chance']:.3f}")
    published = with_changes(preset("published"), [f"size={given.published_size}"])
    return {
        "benchmark": "mining_doersch",
        **values,
        "cost": {
            "this": published_cost(collection, options),
            "published": published_cost(collection, published),
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the pictures that were mined")
    parser.add_argument("mining", type=Path, help="folder of the mining run")
    parser.add_argument("--run", type=Path, required=True, help="folder of the baseline's run")
    parser.add_argument("--label", action="append", required=True)
    parser.add_argument("--preset", choices=("small", "published"), default="small")
    parser.add_argument("--set", action="append", default=[], help="an option, name=value")
    parser.add_argument("--mining-minutes", type=float, help="of the mining run in all")
    parser.add_argument("--published-size", type=int, default=PUBLISHED_SIZE)
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    try:
        result = measure(given)
    except TypicaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if given.out:
        write_json(given.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
