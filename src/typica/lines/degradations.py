r"""What time, paper and the press do to a printed line: pure functions of arrays.

Every random one takes a `numpy.random.Generator` and nothing else that varies, so the same seed
gives the same picture. None of them moves ink sideways: the only one that changes the shape of a
glyph is `spread_ink`, and it is applied to each glyph before its box is measured.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "add_noise",
    "blur",
    "fading",
    "illumination",
    "jitter_colour",
    "lay_ink",
    "paper",
    "smooth_field",
    "specks",
    "spread_ink",
    "stains",
]

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]


@lru_cache(maxsize=512)
def _interpolation(length: int, knots: int) -> Floats:
    """The `length` × `knots` matrix that interpolates smoothly between evenly spaced knots."""
    position = np.linspace(0, knots - 1, length)
    index = np.minimum(position.astype(int), knots - 2)
    weight = position - index
    weight = weight * weight * (3 - 2 * weight)  # smoothstep: no creases at the knots
    matrix = np.zeros((length, knots), np.float32)
    rows = np.arange(length)
    matrix[rows, index] = 1 - weight
    matrix[rows, index + 1] = weight
    matrix.setflags(write=False)
    return matrix


def smooth_field(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> Floats:
    """Smooth random values with a mean near 0 and most of them between -1 and 1.

    Arguments:
        shape: (height, width) in pixels.
        cell: Distance between independent values, in pixels, at least 1.
        rng: The random numbers.

    Returns:
        height × width.
    """
    knots = [max(2, math.ceil(side / max(cell, 1.0)) + 1) for side in shape]
    values = rng.standard_normal(knots, np.float32) * np.float32(0.6)
    return _interpolation(shape[0], knots[0]) @ values @ _interpolation(shape[1], knots[1]).T


def jitter_colour(colour: Colour, amount: float, rng: np.random.Generator) -> Colour:
    """A colour near the given one: lightness and warmth vary.

    Arguments:
        colour: Red, green, blue in [0, 1].
        amount: Standard deviation of the lightness, in [0, 0.3]; the warmth varies a third of it.
        rng: The random numbers.
    """
    light, warm = rng.normal(0, 1, 2) * amount
    red, green, blue = colour
    shifted = (red + light + warm / 3, green + light, blue + light - warm / 3)
    return tuple(min(1.0, max(0.0, float(v))) for v in shifted)  # type: ignore[return-value]


def paper(
    shape: tuple[int, int], colour: Colour, texture: float, rng: np.random.Generator
) -> Floats:
    """A sheet of paper: its colour, clouds in the pulp, fibres and grain.

    Arguments:
        shape: (height, width) in pixels.
        colour: Red, green, blue in [0, 1].
        texture: How uneven, in [0, 0.2]; 0 gives one flat colour.
        rng: The random numbers.

    Returns:
        height × width × 3 in [0, 1].
    """
    sheet = np.broadcast_to(np.asarray(colour, np.float32), (*shape, 3)).copy()
    if texture > 0:
        clouds = smooth_field(shape, 0.6 * shape[0], rng) + 0.6 * smooth_field(shape, 7.0, rng)
        grain = rng.standard_normal(shape, np.float32)
        # Fibres lie along the sheet: the grain is drawn out sideways.
        fibres = ndimage.uniform_filter1d(grain, 5, axis=1, mode="nearest")
        mottle = np.float32(texture) * (clouds + 0.7 * fibres)
        # Darker pulp is also browner: blue loses most.
        sheet += mottle[..., None] * np.array([0.8, 1.0, 1.25], np.float32)
    return np.clip(sheet, 0, 1)


def illumination(shape: tuple[int, int], strength: float, rng: np.random.Generator) -> Floats:
    """Uneven light: a slope across the line and slow waves.

    Arguments:
        shape: (height, width) in pixels.
        strength: Largest darkening, in [0, 0.6]; 0 gives ones.
        rng: The random numbers.

    Returns:
        Factors, height × width, in [1 - strength, 1].
    """
    if strength <= 0:
        return np.ones(shape, np.float32)
    slope = rng.uniform(-1, 1)
    across = np.linspace(-slope, slope, shape[1], dtype=np.float32)
    shade = across[None, :] + smooth_field(shape, 4.0 * shape[0], rng)
    shade = shade - shade.min()
    shade /= max(float(shade.max()), 1e-6)
    return (1 - strength * rng.uniform(0.3, 1.0) * shade).astype(np.float32)


@lru_cache(maxsize=16)
def _disc(radius: int) -> tuple[tuple[int, int], ...]:
    reach = range(-radius, radius + 1)
    limit = (radius + 0.3) ** 2  # rounder than a strict disc at radii of 1 and 2
    return tuple((y, x) for y in reach for x in reach if 0 < y * y + x * x <= limit)


def spread_ink(ink: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    """Grey dilation (ink has spread) or erosion (worn type) by a disc.

    Arguments:
        ink: Coverage, height × width, 0 to 255; outside the array there is no ink.
        radius: Pixels of this array, -8 to 8; negative erodes.

    Returns:
        The same shape.
    """
    if radius == 0:
        return ink
    reach = abs(radius)
    height, width = ink.shape
    padded = np.pad(ink, reach)
    pick = np.maximum if radius > 0 else np.minimum
    result = ink.copy()
    for y, x in _disc(reach):
        pick(result, padded[reach + y :, reach + x :][:height, :width], out=result)
    return result


def fading(shape: tuple[int, int], strength: float, rng: np.random.Generator) -> Floats:
    """How much of the ink is left: places where it has faded or never took.

    Arguments:
        shape: (height, width) in pixels.
        strength: Largest loss, in [0, 0.8]; 0 gives ones.
        rng: The random numbers.

    Returns:
        Factors, height × width, in [1 - strength, 1].
    """
    if strength <= 0:
        return np.ones(shape, np.float32)
    slow = smooth_field(shape, 1.5 * shape[0], rng)
    fine = smooth_field(shape, 3.0, rng)
    loss = np.clip(0.3 + 0.5 * slow + 0.35 * fine, 0, 1)
    return (1 - strength * loss).astype(np.float32)


def lay_ink(sheet: Floats, coverage: Floats, colour: Colour) -> Floats:
    """Ink over paper.

    Arguments:
        sheet: height × width × 3 in [0, 1].
        coverage: height × width in [0, 1].
        colour: Red, green, blue of the ink in [0, 1].

    Returns:
        height × width × 3 in [0, 1].
    """
    opacity = coverage[..., None]
    return sheet * (1 - opacity) + np.asarray(colour, np.float32) * opacity


def blur(values: Floats, sigma: float) -> Floats:
    """Gaussian blur of the two image axes.

    Arguments:
        values: height × width (× channels).
        sigma: Pixels, in [0, 3]; 0 returns the array as it is.
    """
    if sigma <= 0:
        return values
    sigmas = (sigma, sigma) + (0.0,) * (values.ndim - 2)
    return ndimage.gaussian_filter(values, sigmas, mode="nearest", truncate=3.0)


def add_noise(image: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """Sensor noise: mostly of the brightness, a little of the colour.

    Arguments:
        image: height × width × 3 in [0, 1].
        sigma: Standard deviation, in [0, 0.15]; 0 returns the array as it is.
        rng: The random numbers.

    Returns:
        The same shape, clipped to [0, 1].
    """
    if sigma <= 0:
        return image
    amount = np.float32(sigma)
    common = rng.standard_normal(image.shape[:2], np.float32)[..., None] * amount
    # One field of colour noise, pulling the channels apart, instead of three of their own.
    colour = rng.standard_normal(image.shape[:2], np.float32)[..., None] * amount
    noisy = image + common + colour * np.array([0.4, -0.2, -0.45], np.float32)
    return np.clip(noisy, 0, 1, out=noisy)


def stains(
    shape: tuple[int, int], expected: float, strength: float, rng: np.random.Generator
) -> Floats:
    """Damp stains: pale brown patches with a darker rim, reaching over the edges of the line.

    Arguments:
        shape: (height, width) in pixels.
        expected: Mean number of stains on the line, in [0, 5].
        strength: Largest darkening of a rim, in [0, 0.6].
        rng: The random numbers.

    Returns:
        Factors, height × width × 3, in [0, 1].
    """
    height, width = shape
    factors = np.ones((height, width, 3), np.float32)
    tint = np.array([0.45, 0.75, 1.0], np.float32)
    for _ in range(int(rng.poisson(expected)) if expected > 0 else 0):
        centre = rng.uniform([-0.3 * height, 0], [1.3 * height, width])
        radius = rng.uniform(0.35, 1.4) * height
        left, right = int(max(0, centre[1] - 1.6 * radius)), int(centre[1] + 1.6 * radius) + 1
        rows = np.arange(height, dtype=np.float32)[:, None] - np.float32(centre[0])
        columns = np.arange(left, min(right, width), dtype=np.float32)[None] - np.float32(centre[1])
        distance = np.hypot(rows, columns) / np.float32(radius)
        distance += 0.18 * smooth_field(distance.shape, 0.4 * height, rng)
        inside = 1 / (1 + np.exp(np.clip((distance - 1) * 22, -30, 30)))
        rim = np.exp(-(((distance - 0.95) / 0.07) ** 2))
        depth = np.float32(strength * rng.uniform(0.3, 1.0)) * (0.45 * inside + 0.55 * rim)
        factors[:, left : left + depth.shape[1]] *= 1 - depth[..., None] * tint
    return factors


def specks(shape: tuple[int, int], density: float, rng: np.random.Generator) -> Floats:
    """Specks of dirt and of stray ink.

    Arguments:
        shape: (height, width) in pixels.
        density: Mean number per square of the line's height, in [0, 5].
        rng: The random numbers.

    Returns:
        Opacity of the dirt, height × width, in [0, 1].
    """
    height, width = shape
    dirt = np.zeros(shape, np.float32)
    count = int(rng.poisson(density * width / height)) if density > 0 else 0
    for _ in range(count):
        y, x = rng.uniform([0, 0], [height, width])
        radius = min(0.5 + rng.exponential(0.5), 0.06 * height + 0.5)
        darkness = rng.uniform(0.15, 0.85)
        top, left = max(0, int(y - radius - 1)), max(0, int(x - radius - 1))
        rows = np.arange(top, min(height, int(y + radius + 2)), dtype=np.float32)[:, None] - y
        columns = np.arange(left, min(width, int(x + radius + 2)), dtype=np.float32)[None] - x
        dot = darkness * np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1)
        patch = dirt[top : top + dot.shape[0], left : left + dot.shape[1]]
        np.maximum(patch, dot, out=patch)
    return dirt
