"""A hand that was never learned: sprites drawn by formulas, with measures that are known."""

from __future__ import annotations

import numpy as np

from typica.lines.text import TextOptions
from typica.typewriter.hand import Hand
from typica.typewriter.ink import ink_boxes
from typica.typewriter.metrics import Metrics


def blob(seed: int, height: int = 48, width: int = 36) -> np.ndarray:
    """A smooth letter-like shape with soft edges, away from the border."""
    from scipy import ndimage

    noise = np.random.default_rng(seed).standard_normal((height, width))
    field = ndimage.gaussian_filter(noise, 3.0)
    field /= np.abs(field).max()
    y, x = np.mgrid[:height, :width]
    inside = 1 - np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5) / 0.42
    return (1 / (1 + np.exp(-14 * (field + inside - 0.35)))).astype(np.float32)


def disc(radius: float, x: float = 18.0, y: float = 24.0, hole: float = 0.0) -> np.ndarray:
    """A disc, or a ring, with edges as soft as those of a sprite."""
    rows, columns = np.mgrid[:48, :36] + 0.5
    far = np.hypot(rows - y, columns - x)
    inked = 1 / (1 + np.exp(-4 * (radius - far)))
    return (inked * (1 / (1 + np.exp(-4 * (far - hole))) if hole else 1)).astype(np.float32)


def bar(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """A rectangle with sharp edges."""
    sprite = np.zeros((48, 36), np.float32)
    sprite[round(top) : round(bottom), round(left) : round(right)] = 1
    return sprite


def make_hand(letters: list[tuple[str, ...]], sprites: np.ndarray | None = None, **changes) -> Hand:
    """A hand in which every sprite is as large as it is drawn, with round measures.

    Depth is the ink's lower edge below row 36; bearings are 1 and 2 pixels, spaces 9.
    """
    count = len(letters)
    if sprites is None:
        sprites = np.stack([blob(k) for k in range(count)])
    bottoms = np.array([box.bottom for box in ink_boxes(sprites)])
    metrics = Metrics(
        scale=np.ones(count),
        depth=bottoms - 36,
        left=np.full(count, 1.0),
        right=np.full(count, 2.0),
        counts=np.arange(20 + count, 20, -1),
        confidence=np.full(count, 0.9),
        kerning=changes.pop("kerning", {}),
        space=9.0,
        ascender=30.0,
        descender=10.0,
        x_height=18.0,
        cap_height=26.0,
        lines=7,
        measured_space=True,
    )
    values = {
        "name": "a book",
        "sprites": sprites,
        "letters": tuple(letters),
        "metrics": metrics,
        "height": 48,
        "paper": (0.9, 0.8, 0.7),
        "ink": (0.2, 0.1, 0.1),
        "text": TextOptions(),
        "training_counts": {},
        "source": "7 lines",
        "version": "0.1.0",
        "date": "2026-01-02 03:04:05",
    }
    return Hand(**{**values, **changes})
