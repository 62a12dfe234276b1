"""Does typicality find each of several findings in a picture? A rendered set with exact boxes.

    python benchmarks/mining_multilabel.py FOLDER [--pictures 600] [--minutes 8] [--out FILE.json]

FOLDER gets the pictures (64 px, textured ground, none to three of five kinds of shapes), a run of
`small` trained on 80 % of them, and the comparison on the rest. The same command goes on where it
was. Measured on the held-out pictures, T over the whole range of times:

    labels       average precision of every label under its own prompt alone, against chance
    others       the same for T less the mean of T under the labels that the picture has not
    confusion    row: the boxes of a kind; column: average precision of T under that label's prompt
                 against these boxes: the diagonal should be highest. Disc and ring share their
                 colour, square and cross theirs: beside the diagonal, that is form against colour
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from common import write_result
from typica.configs import with_changes
from typica.demo.shapes import KINDS, NO_SHAPE, write_shapes
from typica.hardware import choose_device
from typica.images.options import PictureOptions
from typica.images.prompts import PromptTemplate
from typica.mining.boxes import Boxes, box_mask, fit_boxes, read_box_rows
from typica.mining.localisation import average_precision, pixel_map
from typica.mining.localisation_options import LocalisationOptions
from typica.mining.localisation_run import Localised, localise_run
from typica.mining.maps import PictureMaps, read_maps
from typica.mining.opening import OpenRun, begin
from typica.mining.presets import preset
from typica.mining.run import finetune_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=600)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=8.0, help="of training")
    parser.add_argument("--draws", type=int, default=20, help="per picture, a multiple of 4")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    data = given.folder / "data"
    if not (data / "boxes.csv").exists():
        write_shapes(data, given.pictures, given.side, given.seed)
    changes = (
        f"size={given.side}",
        f"typicality.draws={given.draws}",
        "typicality.groups=4",
        "finetune.evaluations=2",
    )
    run = begin(
        data,
        given.folder / "run",
        base="small",
        prompt=PromptTemplate("A picture with {label}.", "A picture."),
        config=with_changes(preset("small"), changes),
        reading=PictureOptions(label_separator="|", unlabelled=NO_SHAPE),
        device=given.device,
    )
    trained = finetune_run(run, max_minutes=given.minutes, device=given.device)
    rows = read_box_rows(data / "boxes.csv")
    found: dict[str, Localised] = {}
    for name, low, high in (("whole", 0.0, 1.0), ("mining", 0.1, 0.7)):
        options = LocalisationOptions(
            t_min=low, t_max=high, all_labels=True, split="test", draws=given.draws
        )
        out = given.folder / f"localisation-{name}"
        found[name] = localise_run(
            run, rows, out, models=("finetuned", "base"), options=options, device=given.device
        )
    boxes = fit_boxes(rows, run.collection).boxes
    result = {
        "options": {k: v for k, v in vars(given).items() if k not in ("folder", "out")},
        "training": {"steps": trained.step, "minutes": round(trained.minutes, 2)},
        "held_out_pictures": len(run.collection.part("test")),
        "times": {
            name: {
                "readings": one.comparison.as_dict()["models"]["finetuned"]["readings"],
                "change_from_base": one.comparison.as_dict()["change"],
                "confusion": confusion(run, maps_of(run, one), boxes),
            }
            for name, one in found.items()
        },
    }
    write_result("mining_multilabel", choose_device(given.device), result, given.out)


def maps_of(run: OpenRun, one: Localised) -> list[PictureMaps]:
    """The maps that a comparison was made with."""
    return list(read_maps(one.maps["finetuned"]))


def confusion(run: OpenRun, maps: list[PictureMaps], boxes: Boxes) -> dict[str, Any]:
    """Average precision against the boxes of one kind, of T under the prompt of another."""
    pictures = {picture.id: picture for picture in run.collection}
    table = np.zeros((len(KINDS), len(KINDS)))
    counts = np.zeros(len(KINDS))
    for one in maps:
        picture = pictures[one.id]
        for row, boxed in enumerate(KINDS):
            if (one.id, boxed) not in boxes:
                continue
            truth = box_mask(boxes[one.id, boxed], picture.width, picture.height)
            counts[row] += 1
            for column, told in enumerate(KINDS):
                values = one.of(told).typicality[0]
                pixels = pixel_map(values, picture.width, picture.height)
                table[row, column] += average_precision(pixels, truth)
    shares = (table / np.maximum(counts, 1)[:, None]).round(4).tolist()
    rows = {
        kind: dict(zip(KINDS, row, strict=True)) for kind, row in zip(KINDS, shares, strict=True)
    }
    return {"boxed_then_told": rows}


if __name__ == "__main__":
    main()
