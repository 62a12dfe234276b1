"""A rendered set with several labels per picture and exact boxes, in the manner of chest X-rays.

Each picture has a ground of soft clouds and, in it, none to three shapes of different kinds. Kinds
are told by form and colour together, and two pairs share their colour, so that confusions show
whether a model tells forms or only colours apart. Everything follows from the seed and the number
of the picture.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..files import atomic_path, write_text
from ..values import Box

__all__ = ["KINDS", "NO_SHAPE", "Scene", "render_scene", "write_shapes"]

KINDS = ("cross", "disc", "ring", "square", "triangle")
"""What can be in a picture."""
NO_SHAPE = "No Finding"
"""What stands in the table for a picture without any."""

_COLOURS = {
    "disc": (190, 70, 60),
    "ring": (190, 70, 60),
    "square": (60, 90, 185),
    "cross": (60, 90, 185),
    "triangle": (70, 150, 80),
}
_COUNTS = (0.2, 0.35, 0.3, 0.15)
"""Shares of the pictures with none, one, two and three shapes."""


@dataclass(frozen=True)
class Scene:
    """One picture.

    Arguments:
        pixels: uint8 `(side, side, 3)`.
        boxes: The exact box of every shape, by its kind.
    """

    pixels: NDArray[np.uint8]
    boxes: dict[str, Box]


def render_scene(side: int, seed: int, index: int, kinds: tuple[str, ...] = KINDS) -> Scene:
    """Draw one picture.

    Arguments:
        side: In pixels, at least 24.
        seed: Of the set.
        index: Of the picture.
        kinds: That may be in it, some of `KINDS`.
    """
    random = np.random.default_rng([seed, index])
    pixels = _ground(side, random)
    count = min(int(random.choice(len(_COUNTS), p=_COUNTS)), len(kinds))
    boxes: dict[str, Box] = {}
    for kind in random.permutation(list(kinds))[:count].tolist():
        for _ in range(50):  # until it finds room
            size = int(random.integers(round(side * 0.2), round(side * 0.36) + 1))
            left, top = (int(v) for v in random.integers(1, side - size, 2))
            box = Box(left, top, left + size, top + size)
            wide = Box(left - 2, top - 2, left + size + 2, top + size + 2)
            if all(wide.intersection_over_union(other) == 0 for other in boxes.values()):
                colour = np.array(_COLOURS[kind]) + random.normal(0, 12, 3)
                part = pixels[top : top + size, left : left + size]
                shape = _shape(kind, size)[..., None]
                part += shape * 0.85 * (colour - part)
                boxes[kind] = box
                break
    pixels += random.normal(0, 6, pixels.shape)
    return Scene(pixels.clip(0, 255).astype(np.uint8), boxes)


def _ground(side: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Clouds of two sizes around a grey of their own, `(side, side, 3)`."""
    ground = np.full((side, side), random.uniform(110, 170))
    for cells, height in ((4, 22.0), (12, 12.0)):
        small = Image.fromarray(random.normal(0, height, (cells, cells)).astype(np.float32))
        ground += np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
    return np.stack([ground, ground * 0.98, ground * 0.93], axis=-1)


def _shape(kind: str, size: int) -> NDArray[np.float64]:
    """Opacity of a shape that reaches all four edges of its square, `(size, size)`."""
    fine = 4
    place = (np.arange(size * fine) + 0.5) / (size * fine) * 2 - 1
    x, y = place[None, :], place[:, None]
    radius = np.hypot(x, y)
    short, long = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    inside = {
        "disc": radius <= 1,
        "ring": (radius <= 1) & (radius >= 0.6),
        "square": long <= 1,
        "cross": short <= 0.3,
        "triangle": np.abs(x) <= (y + 1) / 2,
    }[kind]
    return np.asarray(inside.reshape(size, fine, size, fine).mean((1, 3), dtype=np.float64))


def write_shapes(
    folder: Path,
    count: int,
    side: int = 64,
    seed: int = 0,
    kinds: tuple[str, ...] = KINDS,
    test: float = 0.2,
) -> Path:
    """Write a set: pictures, `metadata.csv` with labels joined by `|`, and `boxes.csv`.

    Arguments:
        folder: To make.
        count: Pictures.
        side: Of each, in pixels.
        seed: Of the set.
        kinds: That may be in it.
        test: Share of the pictures, the last ones, in the test split.

    Returns:
        The folder. It is read with `label_separator="|"` and `unlabelled=NO_SHAPE`.
    """
    rows, boxes = [("file_name", "label", "split")], [("file", "label", "x", "y", "w", "h")]
    for index in range(count):
        scene = render_scene(side, seed, index, kinds)
        name = f"images/{index:05d}.png"
        with atomic_path(folder / name) as aside:
            Image.fromarray(scene.pixels).save(aside)
        split = "test" if index >= round(count * (1 - test)) else "train"
        rows.append((name, "|".join(sorted(scene.boxes)) or NO_SHAPE, split))
        for kind, box in sorted(scene.boxes.items()):
            corner = (f"{box.left:g}", f"{box.top:g}", f"{box.width:g}", f"{box.height:g}")
            boxes.append((name, kind, *corner))
    _write_csv(folder / "metadata.csv", rows)
    _write_csv(folder / "boxes.csv", boxes)
    return folder


def _write_csv(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    write_text(path, out.getvalue())
