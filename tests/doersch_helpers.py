"""Small pictures with planted elements for the tests of the Doersch et al. baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from typica.baselines.doersch.options import DoerschOptions

TINY = DoerschOptions(
    size=32, cell=4, cells=3, orientations=6, candidates=40, seed_matches=8, seed_top=6,
    detectors=6, hard=10, matches=6, keep=4, members=4, piece=5, chunk=16, rounds=2,
    positives=3,
)  # fmt: skip


def planted(folder: Path, each: int = 8, side: int = 32) -> Path:
    """Pictures of soft noise; label `cross` has a cross somewhere, `bars` has bars."""
    for number, label in enumerate(("bars", "cross", "plain")):
        (folder / label).mkdir(parents=True)
        for index in range(each):
            rng = np.random.default_rng([number, index])
            pixels = rng.integers(100, 156, (side, side, 3), dtype=np.uint8)
            y, x = rng.integers(0, (side - 12) // 4 + 1, 2) * 4
            mark = np.zeros((12, 12), dtype=bool)
            if label == "cross":
                mark[5:7] = mark[:, 5:7] = True
            elif label == "bars":
                mark[:, 1:3] = mark[:, 5:7] = mark[:, 9:11] = True
            pixels[y : y + 12, x : x + 12][mark] = 255
            Image.fromarray(pixels).save(folder / label / f"{index:02d}.png")
    return folder
