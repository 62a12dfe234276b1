"""Rendered documents in which one letter is washed over: is it flagged, and no other?

    python benchmarks/palaeography_wash.py LINES --reference REF [--out result.json]

LINES are those of `families.py --render` (every glyph with its true box), REF a typewriter trained
on them. In every document one letter, another in each, gets an ellipse of wash over its box: light
is multiplied by what the wash lets through. Nothing is adapted (`what=nothing`). Counted are washed
letters that are flagged as coloured, others that are, and how often the washed letter is among the
three that are said to differ most between its document and each other one, with flagged
prototypes left out of these lists and, for comparison, with them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from common import write_result
from typica.lines.collection import read_lines
from typica.palaeography.adapt_run import adapt
from typica.palaeography.comparing import compare
from typica.palaeography.options import AdaptOptions
from typica.palaeography.prototypes import load_prototypes
from typica.reports.palaeography_figures import most_different

WASHES = {"yellow": (0.1, 0.3, 1.0), "brown": (0.5, 0.7, 1.0), "red": (0.1, 1.0, 0.9)}
"""Densities of red, green and blue light at dose 1."""
DOSES = (0.25, 0.5, 1.0)
LETTERS = "enirshtdaluc"
"""The washed letters, one for every document: the frequent ones."""


def washed(
    picture: NDArray[np.uint8], boxes: list[list[Any]], letter: str, density: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """A line with a wash over every box of a letter."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    light = picture.astype(np.float64)
    for name, left, top, right, bottom in boxes:
        if name == letter:
            across = (columns + 0.5 - (left + right) / 2) / max((right - left) / 2, 1)
            down = (rows + 0.5 - (top + bottom) / 2) / max((bottom - top) / 2, 1)
            light[across**2 + down**2 <= 1] *= np.exp(-density)
    return np.rint(light).astype(np.uint8)


def one_wash(
    lines: Path, reference: Path, density: NDArray[np.float64], folder: Path
) -> dict[str, Any]:
    """Wash the lines, draw prototypes, compare, count."""
    boxes = json.loads((lines / "glyphs.json").read_text())
    entries = json.loads((lines / "annotation.json").read_text())
    documents = sorted({name.split("_")[0] for name in entries})
    letter_of = dict(zip(documents, LETTERS, strict=False))
    (folder / "images").mkdir(parents=True)
    shutil.copy(lines / "annotation.json", folder)
    for name in entries:
        picture = np.asarray(Image.open(lines / "images" / f"{name}.png").convert("RGB"))
        made = washed(picture, boxes[name], letter_of[name.split("_")[0]], density)
        Image.fromarray(made).save(folder / "images" / f"{name}.png")
    options = AdaptOptions(what="nothing", splits="all")
    adapt(reference, read_lines(folder), folder / "job", options=options, progress=False)
    prototypes, _ = load_prototypes(folder / "job/prototypes.safetensors")
    made = compare(prototypes)
    truth = np.zeros(made.coloured.shape, bool)
    for group, letter in letter_of.items():
        truth[made.groups.index(group), made.letters.index(letter)] = True
    plain = replace(made, coloured=np.zeros_like(made.coloured))
    first = {"flagged": 0, "not_flagged": 0}
    for a, one in enumerate(made.groups):
        for b in range(a + 1, len(made.groups)):
            wash = {made.letters.index(letter_of[g]) for g in (one, made.groups[b])}
            for name, how in (("flagged", made), ("not_flagged", plain)):
                first[name] += len(wash & {k for k, _, _ in most_different(how, 3, (a, b))})
    return {
        "washed": int(truth.sum()),
        "washed_flagged": int((made.coloured & truth).sum()),
        "others": int((made.use & ~truth).sum()),
        "others_flagged": int((made.coloured & ~truth).sum()),
        "least_ratio_of_washed": round(float(ratios(prototypes.tints, made.use)[truth].min()), 2),
        "greatest_ratio_of_others": round(
            float(ratios(prototypes.tints, made.use)[made.use & ~truth].max()), 2
        ),
        "washed_among_three_most_different": first["flagged"],
        "the_same_without_flags": first["not_flagged"],
    }


def ratios(tints: NDArray[np.float32], use: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Tints over the median of the document's letters."""
    middle = np.array([np.median(row[own]) for row, own in zip(tints, use, strict=True)])
    return np.asarray(tints / middle[:, None], np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lines", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = {}
    for name, density in {"none": (0.0, 0.0, 0.0), **WASHES}.items():
        for dose in DOSES if name != "none" else (0.0,):
            with tempfile.TemporaryDirectory() as folder:
                made = one_wash(
                    given.lines, given.reference, dose * np.array(density), Path(folder) / "lines"
                )
            found[f"{name} {dose:g}"] = made
            print(name, dose, made, flush=True)
    values = {"densities": WASHES, "results": found}
    write_result("palaeography_wash", torch.device("cpu"), values, given.out)


if __name__ == "__main__":
    main()
