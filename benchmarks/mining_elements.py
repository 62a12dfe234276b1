"""Elements, features and clusters: each against its plain form, in one run.

- patches: one picture's five typical patches. Plain: the map is interpolated to pixels, averaged
  over every window, and picks are struck from a sorted list of all candidates.
- features: the pictures of a small model with five elements each. Plain: every element computes
  its picture anew, one noise at a time, through the whole UNet.
- clusters: k-means of one label. Plain: Lloyd's iterations with all differences written out.

Both forms must agree, else the run stops. Default sizes are small; the paper's are
`--sizes 256x384 512x756 --elements 1000 --dimensions 1280`.

    python benchmarks/mining_elements.py [--out benchmarks/results/mining_elements.json]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from common import row, timed, write_result
from typica.hardware import tune_process
from typica.images.loading import load_pixels
from typica.images.picture import Picture, PictureCollection
from typica.images.prompts import PromptTemplate
from typica.mining.config import ElementConfig, FeatureConfig, MiningConfig, SmallConfig
from typica.mining.feature_job import element_features
from typica.mining.features import cells, choose_block, member_noise
from typica.mining.folder import MiningAbout
from typica.mining.partitions import k_means
from typica.mining.patches import Patch, best_patches, patch_means, patch_sides
from typica.mining.pixels import to_tensor
from typica.mining.small import build_small
from typica.mining.table import COLUMNS, ElementsTable

# -- patches ----------------------------------------------------------------------------------


def plain_patches(values: np.ndarray, height: int, width: int, side: int) -> list[Patch]:
    """Five patches from the list of all candidates."""
    grid = torch.from_numpy(values.astype(np.float64))[None, None]
    pixels = F.interpolate(grid, (height, width), mode="bilinear", align_corners=False)
    means = F.avg_pool2d(pixels, side, stride=1)[0, 0].numpy().astype(np.float32)
    left = [(-value, i, j) for i, line in enumerate(means.tolist()) for j, value in enumerate(line)]
    left.sort()
    picks: list[Patch] = []
    while left and len(picks) < 5:
        _, i, j = left[0]
        picks.append(Patch(i, j, side))
        left = [one for one in left if abs(one[1] - i) > side or abs(one[2] - j) > side]
    return picks


def measure_patches(width: int, height: int, factor: int) -> dict[str, Any]:
    """One size of picture, with a map of a cell per `factor` pixels."""
    side = patch_sides(min(width, height), ElementConfig())[0]
    values = np.random.default_rng(0).standard_normal((height // factor, width // factor))
    values = values.astype(np.float32)

    def fast() -> list[Patch]:
        return best_patches([patch_means(values, height, width, side)], [side], 5)

    fast()  # the weights of a size are computed once
    seconds, found = timed(fast, 10)
    plain_seconds, wanted = timed(lambda: plain_patches(values, height, width, side))
    assert found == wanted, "the picks differ"
    return row(seconds, plain_seconds, 1, picture=f"{width}x{height}", side=side, unit="picture")


# -- features ---------------------------------------------------------------------------------


def plain_features(
    denoiser: Any, table: ElementsTable, collection: PictureCollection, about: MiningAbout
) -> torch.Tensor:
    """Every element by itself."""
    config, found, caught = about.config.features, [], []
    block = choose_block(denoiser.unet, config.block)
    handle = denoiser.unet.up_blocks[block].register_forward_hook(
        lambda module, given, output: caught.append(output)
    )
    pictures = {picture.id: picture for picture in collection}
    for n in range(len(table)):
        picture = pictures[table.picture[n]]
        pixels = to_tensor([load_pixels(picture, about.config.size, about.factor)])
        latents = denoiser.codec.encode(pixels)
        times, maps = torch.tensor([config.timestep]), []
        for member in range(config.ensemble):
            noise = member_noise(config.seed, member, tuple(latents.shape[1:]))[None]
            noisy = denoiser.schedule.add_noise(latents, noise, times)
            denoiser.output(noisy, times, denoiser.condition([picture.label]))
            maps.append(caught.pop()[0])
        mean = torch.stack(maps).mean(0)
        side = int(table.side[n])
        down = cells(int(table.work_y[n]), side, pixels.shape[2], mean.shape[1])
        across = cells(int(table.work_x[n]), side, pixels.shape[3], mean.shape[2])
        found.append(F.normalize(mean[:, down, across].mean((1, 2)), dim=0))
    handle.remove()
    return torch.stack(found)


@torch.no_grad()
def measure_features(pictures: int, size: int) -> dict[str, Any]:
    """Pictures of noise with five elements each."""
    rng = np.random.default_rng(0)
    config = MiningConfig(size=size, small=SmallConfig(), features=FeatureConfig())
    about = MiningAbout(config, "small", PromptTemplate(), ("a", "b"), 4, {}, {})
    denoiser = build_small(config.small, about.labels, 0).eval()
    with tempfile.TemporaryDirectory() as name:
        found = []
        for index in range(pictures):
            path = Path(name) / f"{index:03d}.png"
            Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)
            found.append(Picture(path.name, path, "ab"[index % 2], "train", size, size))
        collection = PictureCollection(Path(name), tuple(found))
        number, side = 5 * pictures, patch_sides(size, ElementConfig())[0]
        columns: dict[str, Any] = {name: np.zeros(number) for name in COLUMNS}
        columns["picture"] = [found[n // 5].id for n in range(number)]
        columns["label"] = [found[n // 5].label for n in range(number)]
        columns["kind"] = ["typical"] * number
        columns["side"] = [side] * number
        columns["work_x"] = rng.integers(0, size - side, number)
        columns["work_y"] = rng.integers(0, size - side, number)
        table = ElementsTable.from_columns(columns)
        given = (denoiser, table, collection, about)
        few = replace(collection, pictures=collection.pictures[:1])
        once = ElementsTable.from_columns({k: v[:1] for k, v in columns.items()})
        element_features(denoiser, once, few, about, False)  # the first pass is slow
        fast, one = timed(lambda: element_features(*given, False))
        plain, other = timed(lambda: plain_features(*given))
    assert (one - other).abs().max() < 1e-3, "the features differ"
    return row(
        fast, plain, number, pictures=pictures, size=size, dimensions=one.shape[1], unit="element"
    )


# -- clusters ---------------------------------------------------------------------------------


def plain_k_means(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Lloyd's algorithm from the best of ten k-means++ starts, every difference written out."""
    best, kept = np.inf, np.zeros(len(points), np.int64)
    for start in range(10):
        rng = np.random.default_rng([seed, start])
        centres = points[rng.integers(len(points))][None]
        while len(centres) < count:
            far = ((points[:, None] - centres[None]) ** 2).sum(2).min(1)
            chosen = points[rng.choice(len(points), p=far / far.sum())]
            centres = np.concatenate([centres, chosen[None]])
        assignment = np.full(len(points), -1)
        for _ in range(300):
            far = ((points[:, None] - centres[None]) ** 2).sum(2)
            if (far.argmin(1) == assignment).all():
                break
            assignment = far.argmin(1)
            centres = np.stack(
                [
                    points[assignment == k].mean(0) if (assignment == k).any() else centres[k]
                    for k in range(count)
                ]
            )
        total = far.min(1).sum()
        if total < best:
            best, kept = total, assignment
    return kept


def spread(points: np.ndarray, assignment: np.ndarray) -> float:
    """The sum of squared distances to the centroids."""
    return float(
        sum(
            ((points[assignment == k] - points[assignment == k].mean(0)) ** 2).sum()
            for k in np.unique(assignment)
        )
    )


def measure_clusters(elements: int, dimensions: int, count: int) -> dict[str, Any]:
    """Elements around as many directions as there are clusters."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((count, dimensions))
    points = centres[rng.integers(count, size=elements)] + rng.standard_normal(
        (elements, dimensions)
    )
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    k_means(points[:64], 2, 1, 0)  # imports scikit-learn
    fast, one = timed(lambda: k_means(points, count, 10, 0))
    plain, other = timed(lambda: plain_k_means(points, count, 0))
    sums = spread(points, one), spread(points, other)
    assert sums[0] < 1.05 * sums[1], "the clusters are worse"
    return row(
        fast,
        plain,
        1,
        elements=elements,
        dimensions=dimensions,
        clusters=count,
        squares=round(sums[0], 3),
        plain_squares=round(sums[1], 3),
        unit="label",
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["96x96", "256x256"], help="width x height")
    parser.add_argument("--factor", type=int, default=8, help="pixels per latent cell")
    parser.add_argument("--pictures", type=int, default=6, help="for the features")
    parser.add_argument("--size", type=int, default=64, help="of the pictures of the features")
    parser.add_argument("--elements", type=int, default=250, help="for the clusters")
    parser.add_argument("--dimensions", type=int, default=192)
    parser.add_argument("--clusters", type=int, default=16)
    parser.add_argument("--out", type=Path, help="JSON file")
    given = parser.parse_args()
    tune_process()
    sizes = [tuple(map(int, text.split("x"))) for text in given.sizes]
    results = {
        "patches": [measure_patches(*size, given.factor) for size in sizes],
        "features": measure_features(given.pictures, given.size),
        "clusters": measure_clusters(given.elements, given.dimensions, given.clusters),
    }
    write_result("mining_elements", torch.device("cpu"), results, given.out)


if __name__ == "__main__":
    main()
