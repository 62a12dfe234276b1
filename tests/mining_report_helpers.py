"""A run folder as mining leaves it, with maps made from the pictures' own edges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

from typica.images.loading import load_pixels
from typica.images.picture import Picture, PictureCollection
from typica.images.prompts import PromptTemplate
from typica.images.sizes import working_size
from typica.mining.clustering import Cluster, Clustering, write_clusters
from typica.mining.config import MiningConfig
from typica.mining.folder import MiningAbout, MiningFolder, ModelName
from typica.mining.maps import PictureMaps, write_piece
from typica.mining.table import ElementsTable, write_table

SIZE, FACTOR, GROUPS = 128, 4, 10
PROMPT = PromptTemplate("A picture of {label}.", "A picture.")


def make_pictures(folder: Path, labels: Sequence[str], each: int = 4) -> PictureCollection:
    """Coloured noise with a bright disc, a folder per label (by number: labels can be hostile)."""
    pictures = []
    for number, label in enumerate(labels):
        for index in range(each):
            rng = np.random.default_rng([number, index])
            width, height = (160, 120) if index % 2 else (96, 128)
            noise = gaussian_filter(rng.uniform(0, 255, (height, width, 3)), (3, 3, 0))
            y, x = np.mgrid[:height, :width]
            inside = (y - height * 0.4) ** 2 + (x - width * 0.6) ** 2 < 20**2
            noise[inside] = (40 * number % 255, 220, 255 - 50 * number % 255)
            path = folder / f"{number}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.astype(np.uint8)).save(path)
            name = f"{number}/{index}.png"
            pictures.append(Picture(name, path, label, "train", width, height))
    return PictureCollection(folder, tuple(sorted(pictures, key=lambda one: one.id)))


def edge_map(picture: Picture, blur: float) -> np.ndarray:
    """Edges less their mean: a stand-in for typicality, on the latent grid."""
    grey = load_pixels(picture, SIZE, FACTOR).mean(axis=2) / 255
    edges = np.hypot(*np.gradient(gaussian_filter(grey, 1)))
    cells = edges.reshape(grey.shape[0] // FACTOR, FACTOR, -1, FACTOR).mean((1, 3))
    smooth = gaussian_filter(cells, blur)
    rng = np.random.default_rng(len(picture.id) + int(1000 * grey.mean()))
    return (0.3 * (smooth - smooth.mean()) + 0.002 * rng.normal(size=cells.shape)).astype(
        np.float32
    )


def elements_of(
    collection: PictureCollection, maps: dict[str, np.ndarray], side: int, seed: int
) -> tuple[ElementsTable, np.ndarray]:
    """Two typical, one random and one least typical patch of each picture, with colour features."""
    rows, features = [], []
    rng = np.random.default_rng(seed)
    cells = side // FACTOR
    for picture in collection:
        work_w, work_h = working_size(picture.width, picture.height, SIZE, FACTOR)
        pixels = load_pixels(picture, SIZE, FACTOR) / 255
        means = uniform_filter(maps[picture.id], cells, mode="nearest")
        half = cells // 2
        means = means[half : means.shape[0] - half + 1, half : means.shape[1] - half + 1]
        picks = []
        left = means.copy()
        for _ in range(2):
            r, c = np.unravel_index(left.argmax(), left.shape)
            picks.append(("typical", r, c))
            left[max(0, r - cells) : r + cells, max(0, c - cells) : c + cells] = -9
        picks.append(("least", *np.unravel_index(means.argmin(), means.shape)))
        picks.append(("random", rng.integers(means.shape[0]), rng.integers(means.shape[1])))
        for kind, r, c in picks:
            x, y = min(c * FACTOR, work_w - side), min(r * FACTOR, work_h - side)
            patch = pixels[y : y + side, x : x + side]
            across, down = picture.width / work_w, picture.height / work_h
            rows.append(
                {
                    "picture": picture.id, "label": picture.label, "kind": kind, "rank": 0,
                    "x": x * across, "y": y * down, "width": side * across,
                    "height": side * down, "work_x": x, "work_y": y, "side": side,
                    "typicality": means[r, c], "error": 0.0006 + 0.0004 * rng.random(),
                    "cluster": -1, "distance": np.nan, "border": bool(x < 4 or y < 4),
                    "flat": bool(patch.std() < 0.02),
                }
            )  # fmt: skip
            grey = patch.mean(2)
            small = grey[:: side // 8, :: side // 8][:8, :8].ravel()
            features.append(np.concatenate([small, patch.mean((0, 1))]) - 0.5)
    order = sorted(
        range(len(rows)),
        key=lambda i: (
            rows[i]["label"],
            ("typical", "random", "least").index(rows[i]["kind"]),
            rows[i]["typicality"] if rows[i]["kind"] == "least" else -rows[i]["typicality"],
        ),
    )
    ranks: dict[tuple[str, str], int] = {}
    for i in order:
        key = (rows[i]["label"], rows[i]["kind"])
        rows[i]["rank"] = ranks[key] = ranks.get(key, -1) + 1
    table = ElementsTable.from_columns(
        {name: [rows[i][name] for i in order] for name in rows[0]}, {"made": "by a test"}
    )
    found = np.array([features[i] for i in order], np.float32)
    return table, found / np.linalg.norm(found, axis=1, keepdims=True)


def grouped(
    table: ElementsTable, features: np.ndarray, count: int
) -> tuple[ElementsTable, Clustering]:
    """Typical elements of each label, by the nearest of `count` of them; no k-means to wait for."""
    cluster = np.full(len(table), -1, np.int32)
    distance = np.full(len(table), np.nan, np.float32)
    found: dict[str, tuple[Cluster, ...]] = {}
    for label in table.labels:
        rows = table.rows(label, "typical")
        centres = features[rows[:: max(1, len(rows) // count)][:count]]
        far = np.linalg.norm(features[rows][:, None] - centres[None], axis=2)
        groups = [rows[far.argmin(1) == k] for k in range(len(centres))]
        groups = sorted(
            (g for g in groups if len(g)), key=lambda g: -np.median(table.typicality[g])
        )
        distance[rows] = far.min(1)
        made = []
        for rank, own in enumerate(groups):
            cluster[own] = rank
            members = tuple(own[np.argsort(distance[own], kind="stable")].tolist())
            values = table.typicality[own]
            error = float("nan") if len(own) < 2 else float(values.std() / len(own) ** 0.5)
            edge, flat = float(table.border[own].mean()), float(table.flat[own].mean())
            made.append(
                Cluster(
                    rank, len(own), float(np.median(values)), error, 0.4 + 0.6 / (rank + 1),
                    members, 1, edge, flat,
                )
            )  # fmt: skip
        found[label] = tuple(made)
    return table.with_clusters(cluster, distance), Clustering(found, {}, {})


def make_run(
    folder: Path,
    collection: PictureCollection,
    models: Sequence[ModelName] = ("finetuned", "base"),
    clusters: int = 6,
    side: int = 32,
    prompt: PromptTemplate = PROMPT,
) -> MiningFolder:
    """Write a whole run folder, apart from weights and features."""
    run = MiningFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about = MiningAbout(
        MiningConfig(size=SIZE),
        "small",
        prompt,
        collection.labels,
        FACTOR,
        {"name": "Test pictures", "digest": "0"},
        {"hardware": {"processor": "a processor", "threads": 2}, "credits": ["Drawn by a test."]},
    )
    run.write_config(about.as_dict())
    for step in range(0, 500, 20):
        run.append_log({"step": step, "loss": 0.2 + 0.8 / (1 + step / 40), "minutes": step / 50})
    for model in models:
        maps = {one.id: edge_map(one, 1.0 if model == "finetuned" else 4.0) for one in collection}
        stored = [
            PictureMaps(
                index, one.id, (one.label,), maps[one.id][None],
                np.zeros((1, GROUPS, *maps[one.id].shape), np.float32),
                np.ones(maps[one.id].shape, np.float32), 48,
            )
            for index, one in enumerate(collection)
        ]  # fmt: skip
        settings = {"pictures": len(collection), "piece": len(collection), "model": model}
        write_piece(run.maps(model), 0, stored, (), settings)
        table, features = elements_of(collection, maps, side, seed=1)
        table, clustering = grouped(table, features, clusters)
        write_table(run.elements(model), table)
        write_clusters(run.clusters(model), clustering, table)
    return run
