"""Which diffusion times find what annotators boxed? Average precision in parts of the range.

    python benchmarks/mining_times.py RUN DATA [--pictures 24] [--draws 4] [--out FILE.json]

DATA holds `boxes.csv` (file, label, x, y, w, h). In every part of the range three readings of the
same predictions are compared with the boxes of the picture's own label:

    own          T(x | c), as mined
    others       T(x | c) less the mean of T under the other labels: what tells the label from them
    information  squared difference of the predictions under the label and, on average, the others
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from common import write_result
from typica.hardware import choose_device, tune_process
from typica.images.loading import load_pixels
from typica.images.picture import Picture
from typica.mining.bases import load_denoiser
from typica.mining.boxes import box_mask, match_boxes, read_boxes
from typica.mining.draws import Draws, stratified_times
from typica.mining.estimator import Estimator
from typica.mining.localisation import average_precision, pixel_map
from typica.mining.opening import open_run
from typica.mining.pixels import to_tensor
from typica.mining.predictor import DenoiserPredictor

EDGES = (0.0, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pictures", type=int, default=24, help="per label, evenly spread")
    parser.add_argument("--draws", type=int, default=4, help="in each part; even")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    tune_process()
    device = choose_device(given.device)
    run = open_run(given.run, given.data)
    labels, size = run.about.labels, run.about.config.size
    denoiser = load_denoiser(run.folder.denoiser, run.about, device)
    boxes, _ = match_boxes(read_boxes(given.data / "boxes.csv"), run.collection)
    by_label: dict[str, list[Picture]] = defaultdict(list)
    for picture in run.collection:
        if (picture.id, picture.label) in boxes:
            by_label[picture.label].append(picture)
    pictures = []
    for found in by_label.values():
        pictures += found[:: max(1, len(found) // given.pictures)][: given.pictures]
    truth = {p.id: box_mask(boxes[p.id, p.label], p.width, p.height) for p in pictures}
    estimator = Estimator(DenoiserPredictor(denoiser, labels, 64), labels)
    maps: dict[tuple[float, float], dict[str, np.ndarray]] = {}
    for low, high in tqdm(list(pairwise(EDGES)), desc="times"):
        draws = Draws(stratified_times(given.draws, 2, low, high, seed=1), 1)
        maps[low, high] = {}
        for picture in pictures:  # one at a time: they may differ in shape
            pixels = to_tensor([load_pixels(picture, size, denoiser.codec.factor)]).to(device)
            with torch.inference_mode():
                latent = denoiser.codec.encode(pixels)
            means = estimator(latent, [list(labels)], draws, 2, against="others")
            both = torch.stack([means.typicality[0].mean(1), means.information[0]])
            maps[low, high][picture.id] = both.cpu().numpy()  # (2, K, h, w)

    def judged(part: dict[str, np.ndarray], reading: str) -> dict[str, Any]:
        precision: dict[str, list[float]] = defaultdict(list)
        for picture in pictures:
            (every, matters), own = part[picture.id], labels.index(picture.label)
            values = matters[own] if reading == "information" else every[own]
            if reading == "others":
                values = values - np.delete(every, own, 0).mean(0)
            pixels = pixel_map(values.astype(np.float32), picture.width, picture.height)
            precision[picture.label].append(average_precision(pixels, truth[picture.id]))
        means = {label: round(float(np.mean(found)), 4) for label, found in precision.items()}
        return {**means, "mean": round(float(np.mean(list(means.values()))), 4)}

    def over(start: float, end: float) -> dict[str, np.ndarray]:
        """Maps of a range, every part by its length."""
        inside = {edges: part for edges, part in maps.items() if start <= edges[0] < end}
        lengths = [high - low for low, high in inside]
        return {
            p.id: np.average([part[p.id] for part in inside.values()], axis=0, weights=lengths)
            for p in pictures
        }

    parts = [(f"{low:g} to {high:g}", part) for (low, high), part in maps.items()]
    rows = [
        {"times": name, "reading": reading, **judged(part, reading)}
        for name, part in [*parts, ("0.1 to 0.7", over(0.1, 0.7)), ("0 to 1", over(0, 1))]
        for reading in ("own", "others", "information")
    ]
    chance = {
        label: round(float(np.mean([truth[p.id].mean() for p in pictures if p.label == label])), 4)
        for label in by_label
    }
    options = {"data": given.data.name, "pictures": given.pictures, "draws": given.draws}
    result = {**options, "size": size, "chance": chance, "rows": rows}
    write_result("mining_times", device, result, given.out)


if __name__ == "__main__":
    main()
