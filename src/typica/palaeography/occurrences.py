"""Every occurrence of a letter, brought back to the grid of its sprite.

A placement says how a sprite was moved and scaled onto a line (appendix B.3). The same map, read
the other way, brings the ink of the line back to the sprite: all occurrences of a letter then lie
on each other and on its prototype, pixel by pixel. Their variation is what tells a difference
between two documents from chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ..lines.cache import LineCache
from ..typewriter.compositing import upsample_background
from ..typewriter.model import Typewriter
from .scenes import Scene, join_scenes, windows

__all__ = ["Occurrences", "effective_lines", "letter_moments", "sample", "take_occurrences"]


@dataclass(frozen=True)
class Occurrences:
    """The ink of every placed glyph on the grid of its sprite.

    Arguments:
        ink: 0 to 255, `(N, h, w)`, bytes.
        clear: How much of it is the glyph's own, 0 to 255: what a neighbour covers or what lies
            outside of the line is not, `(N, h, w)`, bytes.
        sprites: `(N,)`.
        lines: The number of the line in its collection, `(N,)`.
        left: Left edge of the sprite on the line at the model's height, in pixels, `(N,)`.
        top: Upper edge, `(N,)`.
        scale: Displayed over native size, `(N,)`.
    """

    ink: NDArray[np.uint8]
    clear: NDArray[np.uint8]
    sprites: NDArray[np.int64]
    lines: NDArray[np.int64]
    left: NDArray[np.float32]
    top: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.sprites)

    def where(self, keep: NDArray[np.bool_]) -> Occurrences:
        """Only those for which `keep`, `(N,)`, is true."""
        return self.at(np.flatnonzero(keep))

    def at(self, numbers: NDArray[np.int64]) -> Occurrences:
        """Only these, in this order."""
        return Occurrences(*(getattr(self, name)[numbers] for name in self.__dataclass_fields__))


def sample(pictures: Tensor, scale: Tensor, shift: Tensor, size: tuple[int, int]) -> Tensor:
    """Read windows at the places of a sprite's pixels: the inverse of `placement.warp`.

    Arguments:
        pictures: Windows, `(N, C, H, W)`.
        scale: Displayed over native size, `(N,)`.
        shift: Of the sprite's middle from the window's middle, in pixels, `(N, 2)`.
        size: h and w of the sprite.

    Returns:
        `(N, C, h, w)`, bilinear, 0 outside of the window.
    """
    number, _, height, width = pictures.shape
    half = torch.tensor([width, height]) / 2

    def axis(length: int, side: int) -> Tensor:
        pixels = torch.arange(length) - (length - 1) / 2
        return (pixels[None] * scale[:, None] + shift[:, side, None]) / half[side]

    x, y = axis(size[1], 0), axis(size[0], 1)
    grid = torch.stack(
        [x[:, None].expand(number, *size), y[:, :, None].expand(number, *size)], dim=-1
    )
    return torch.nn.functional.grid_sample(pictures, grid, "bilinear", "zeros", align_corners=False)


@torch.no_grad()
def take_occurrences(
    model: Typewriter, cache: LineCache, scenes: Sequence[Scene], *, progress: bool = False
) -> Occurrences:
    """Bring every glyph of every line back to its sprite's grid.

    The ink of a pixel is how far its colour lies on the way from the background to the colour of
    the glyph.

    Arguments:
        model: The reference.
        cache: The lines.
        scenes: The same lines taken apart.
        progress: Show a progress bar on standard error.
    """
    sprites = model.sprites()
    size = (int(sprites.shape[1]), int(sprites.shape[2]))
    wide, step, offset = model.config.window_width, model.step, model.offset
    found: dict[str, list[NDArray[np.generic]]] = {
        name: [] for name in Occurrences.__dataclass_fields__
    }
    for number in tqdm(range(len(scenes)), "occurrences", unit="line", disable=not progress):
        scene = scenes[number]
        count = len(scene.sprites)
        if not count:
            continue
        batch = join_scenes([scene])
        line = torch.from_numpy(np.asarray(cache[number]).copy()).permute(2, 0, 1).float() / 255
        behind = upsample_background(batch.background, batch.cells, step)[0, :, : line.shape[2]]
        drawn = windows(model, batch, sprites)
        # how clear a pixel is of all glyphs, on a canvas that holds every window whole
        starts = [step * int(t) + offset for t in scene.positions]
        before = max(0, -min(starts))
        total = max(max(starts) + wide, line.shape[2]) + before
        clear = torch.zeros(line.shape[1], total)
        logs = (1 - drawn).clamp(min=1e-4).log()
        for one, start in zip(logs, starts, strict=True):
            clear[:, start + before : start + before + wide] += one
        on_line = torch.zeros(total)
        on_line[before : before + line.shape[2]] = 1
        pad = (before, total - before - line.shape[2])
        image = torch.nn.functional.pad(line, pad)
        paper = torch.nn.functional.pad(behind, pad)
        first = torch.tensor(starts) + before
        seen = image.unfold(2, wide, 1)[:, :, first].transpose(0, 2)  # (N, H, 3, window)
        under = paper.unfold(1, wide, 1)[:, first].transpose(0, 1)[:, None]
        way = batch.colour[:, None, :, None] - under
        along = ((seen - under) * way).sum(2) / way.square().sum(2).clamp(min=1e-4)
        own = clear.unfold(1, wide, 1)[:, first].transpose(0, 1) - logs
        inside = on_line.unfold(0, wide, 1)[first][:, None]
        layers = torch.stack([along.clamp(0, 1), own.clamp(max=0).exp() * inside], dim=1)
        back = sample(layers, batch.scale, batch.shift, size).mul(255).round().to(torch.uint8)
        middle = np.array(starts) + wide / 2 + scene.shift[:, 0]
        centre = line.shape[1] / 2 + scene.shift[:, 1]
        row = {
            "ink": back[:, 0].numpy(),
            "clear": back[:, 1].numpy(),
            "sprites": scene.sprites,
            "lines": np.full(count, number),
            "left": (middle - scene.scale * size[1] / 2).astype(np.float32),
            "top": (centre - scene.scale * size[0] / 2).astype(np.float32),
            "scale": scene.scale,
        }
        for name, values in row.items():
            found[name].append(values)
    if not found["ink"]:
        none = np.zeros((0, *size), np.uint8)
        whole, real = np.zeros(0, np.int64), np.zeros(0, np.float32)
        return Occurrences(none, none, whole, whole, real, real, real)
    return Occurrences(**{name: np.concatenate(parts) for name, parts in found.items()})


def letter_moments(
    occurrences: Occurrences, least_clear: float = 0.5
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean of some occurrences of one letter and its standard error, pixel by pixel.

    Occurrences weigh by how clear they are there. Those of one line are not independent (ink,
    parchment and pen are the same), so the error is that of lines as clusters: the sum over lines
    of the squared sums of weighted residuals, over the squared sum of weights. A line with a large
    share of the weight draws the mean towards itself; its residual is made larger for that (the
    correction CR2 of Bell and McCaffrey, for a mean: by the root of one less that share).

    References:
        R. M. Bell and D. F. McCaffrey, Bias reduction in standard errors for linear regression
        with multi-stage samples, Survey Methodology 28, 2002.

    Arguments:
        occurrences: Of one letter, `(N, h, w)`.
        least_clear: Pixels less clear than this do not count.

    Returns:
        Mean `(h, w)` in [0, 1], 0 where nothing was seen; standard error `(h, w)`, NaN where
        fewer than two lines were seen.
    """
    ink = occurrences.ink.astype(np.float64) / 255
    weight = occurrences.clear.astype(np.float64) / 255
    weight[weight < least_clear] = 0
    total = weight.sum(0)
    safe = np.where(total > 0, total, 1)
    mean = (weight * ink).sum(0) / safe
    names, row = np.unique(occurrences.lines, return_inverse=True)
    size = ink.shape[1:]
    residual = np.zeros((len(names), *size))
    np.add.at(residual, row, weight * (ink - mean))
    seen = np.zeros((len(names), *size))
    np.add.at(seen, row, weight)
    clusters = (seen > 0).sum(0)
    left = np.where(clusters >= 2, 1 - seen / safe, 1)
    variance = (np.square(residual) / left).sum(0) / safe**2
    error = np.where(clusters >= 2, np.sqrt(variance), np.nan)
    return mean.astype(np.float32), error.astype(np.float32)


def effective_lines(lines: NDArray[np.int64]) -> float:
    """Lines of equal size that tell as much about an error as some of different sizes.

    With n_i occurrences on line i, all alike on one line, the error of the mean is estimated from
    terms in proportion to n_i squared. By Satterthwaite that is as good as
    (sum of n_i^2)^2 / (sum of n_i^4) equal ones.

    Arguments:
        lines: Of every occurrence the number of its line, `(N,)`.

    Returns:
        From 1 to the number of lines; 0 for no occurrence.
    """
    if not len(lines):
        return 0.0
    square = np.square(np.unique(lines, return_counts=True)[1].astype(np.float64))
    return float(square.sum() ** 2 / np.square(square).sum())
