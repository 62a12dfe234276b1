"""How good is a finished mining run? Two measures that the mining itself did not use.

    python benchmarks/mining_quality.py RUN DATA --out benchmarks/results/x.json

- If DATA holds `boxes.csv` (file, label, x, y, w, h): average precision of pixel typicality
  against the boxes, beside chance, two baselines, and the paper's own measure.
- For every run: do patches of other pictures that look like a mined element carry its label?

Both are computed for the fine-tuned model and for the one before fine-tuning, where the run
scored them. The JSON holds means, 95 % intervals, the configuration and the hardware.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from typica.errors import TypicaError
from typica.files import write_json
from typica.images.picture import PictureCollection
from typica.mining.boxes import Boxes, match_boxes, read_boxes
from typica.mining.folder import MODELS, MiningFolder, ModelName
from typica.mining.independent import AgreementOptions, label_agreement
from typica.mining.localisation import Localisation, Reading, localise
from typica.mining.maps import read_maps
from typica.mining.opening import open_run
from typica.mining.record import minutes
from typica.mining.table import read_table

PAPER_BLUR = 1 / 16  # 32 pixels at 512
READINGS: tuple[tuple[str, Reading, float], ...] = (
    ("typicality", "typicality", 0.0),
    ("blurred", "typicality", PAPER_BLUR),
    ("influence", "influence", 0.0),
    ("loss alone", "null", 0.0),
    ("centre", "centre", 0.0),
)


def localisation(
    run: MiningFolder, model: ModelName, collection: PictureCollection, boxes: Boxes, seed: int
) -> dict[str, Any]:
    """All readings of one model against the boxes."""
    result = {}
    for name, reading, blur in READINGS:
        maps = tqdm(read_maps(run.maps(model)), total=len(collection), desc=f"{model}, {name}")
        found = localise(maps, collection, boxes, reading=reading, blur=blur, seed=seed)
        result[name] = found.as_dict()
        print(row(f"{model}, {name}", found))
    return result


def row(name: str, found: Localisation) -> str:
    """One line of numbers for people."""
    one = found.overall
    return (
        f"{name}: average precision {one.precision.mean:.3f} "
        f"[{one.precision.low:.3f}, {one.precision.high:.3f}], chance {one.chance:.3f}; "
        f"pooled {one.pooled:.3f}, chance {one.pooled_chance:.3f}; "
        f"the paper's measure {one.paper.mean:.3f}; {one.pictures} pictures"
    )


def agreement(
    run: MiningFolder, model: ModelName, collection: PictureCollection, options: AgreementOptions
) -> dict[str, Any]:
    """Whether what looks like an element carries its label."""
    about = run.about()
    table = read_table(run.elements(model))
    found = label_agreement(table, collection, about.config.size, about.factor, options)
    for one in found.overall:
        print(
            f"{model}, {one.kind}: {one.share.mean:.3f} [{one.share.low:.3f}, "
            f"{one.share.high:.3f}] of the nearest patches carry the label, chance "
            f"{one.chance:.3f}; {one.elements} elements"
        )
    return found.as_dict()


def training(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Steps, minutes and the last loss on pictures held out, from the log of a run."""
    spent = minutes({}, rows)
    found = {"steps": max((row["step"] for row in rows), default=0)}
    held_out = [row["held_out_loss"] for row in rows if row.get("held_out_loss") is not None]
    return found | {
        "minutes": None if spent is None else round(spent, 2),
        "held_out_loss": held_out[-1] if held_out else None,
    }


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Everything that applies to a run."""
    start = time.perf_counter()
    run = MiningFolder(given.run)
    opened = open_run(given.run, given.data)
    about, collection = opened.about, opened.collection
    result: dict[str, Any] = {
        "benchmark": "mining_quality",
        "data": Path(given.data).name,
        "pictures": len(collection),
        "labels": list(about.labels),
        "models": {},
    }
    csv = given.boxes or (given.data / "boxes.csv" if given.data.is_dir() else None)
    boxes: Boxes = {}
    if csv is not None and csv.is_file():
        boxes, unmatched = match_boxes(read_boxes(csv), collection)
        own = {picture.id: picture.label for picture in collection}
        result["boxes"] = {
            "boxes": sum(len(here) for here in boxes.values()),
            "of_the_own_label": sum(len(h) for (i, label), h in boxes.items() if own[i] == label),
            "files_not_in_the_collection": len(unmatched),
        }
    options = AgreementOptions(given.neighbours, given.pool, given.elements, given.seed)
    for model in MODELS:
        measures: dict[str, Any] = {}
        if boxes and run.maps(model).is_dir():
            measures["localisation"] = localisation(run, model, collection, boxes, given.seed)
        if run.elements(model).exists():
            measures["agreement"] = agreement(run, model, collection, options)
        if measures:
            result["models"][model] = measures
    result["options"] = asdict(options)
    plain = about.as_dict()  # without the paths of this machine
    result["run"] = {
        **{name: plain[name] for name in ("config", "prompt", "factor")},
        "base": Path(about.base).name,
        "data": about.data["digest"],
        **{name: about.record.get(name) for name in ("hardware", "typica")},
    }
    result["training"] = training(run.read_log())
    result["minutes_of_this_benchmark"] = round((time.perf_counter() - start) / 60, 2)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the mining run")
    parser.add_argument("data", type=Path, help="the pictures that were mined")
    parser.add_argument("--boxes", type=Path, help="CSV with boxes; DATA/boxes.csv if left out")
    parser.add_argument("--neighbours", type=int, default=50)
    parser.add_argument("--pool", type=int, default=600, help="random patches per label")
    parser.add_argument("--elements", type=int, default=300, help="elements per label and kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON to write")
    given = parser.parse_args()
    try:
        result = measure(given)
    except TypicaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not result["models"]:
        print(f"error: {given.run}: nothing scored or mined yet", file=sys.stderr)
        return 2
    if given.out:
        write_json(given.out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
