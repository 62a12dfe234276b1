"""What mining by the contrast to the other labels is worth, beside plain typicality.

    typica mine contrast RUN --against-rest --pictures 120
    python benchmarks/mining_contrast.py RUN DATA [--out benchmarks/results/x.json]

Average precision against `DATA/boxes.csv` on the pictures that were scored under all labels, by
both maps; and whether patches of other pictures that look like an element carry its label, for
the elements of both (those of plain typicality come from all pictures of the run).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from common import write_result
from typica.mining.boxes import match_boxes, read_boxes
from typica.mining.folder import MiningFolder
from typica.mining.independent import AgreementOptions, label_agreement
from typica.mining.localisation import localise
from typica.mining.maps import read_maps
from typica.mining.opening import open_run
from typica.mining.table import read_table


def measure(run: Path, data: Path) -> dict[str, Any]:
    """Both measures for both maps."""
    opened = open_run(run, data)
    folder, other = MiningFolder(run), MiningFolder(run / "readings/contrast-rest")
    boxes, _ = match_boxes(read_boxes(data / "boxes.csv"), opened.collection)
    scored = {one.id for one in read_maps(other.maps("finetuned"))}
    some = tuple(one for one in opened.collection if one.id in scored)
    pictures = replace(opened.collection, pictures=some)
    inside = {key: value for key, value in boxes.items() if key[0] in scored}
    result: dict[str, Any] = {"pictures": len(some)}
    for name, where in (("contrast", other), ("typicality", folder)):
        found = localise(read_maps(where.maps("finetuned")), pictures, inside)
        config = opened.about.config
        agreement = label_agreement(
            read_table(where.elements("finetuned")),
            opened.collection,
            config.size,
            opened.about.factor,
            AgreementOptions(),
        )
        result[name] = {"boxes": found.as_dict(), "agreement": agreement.as_dict()}
    return result


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result = {"data": given.data.name, **measure(given.run, given.data)}
    write_result("mining_contrast", torch.device("cpu"), result, given.out)


if __name__ == "__main__":
    main()
