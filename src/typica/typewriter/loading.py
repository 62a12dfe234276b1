"""From a collection of lines to `LineBatch`es: cached pictures, targets, colours, crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..lines.batches import even_batches, width_batches
from ..lines.cache import LineCache
from ..lines.line import Line, LineCollection
from .model import LineBatch

__all__ = ["LineLoader", "collection_colours", "jittered", "make_batch"]

Colour = tuple[float, float, float]


def make_batch(
    images: list[NDArray[np.uint8]],
    step: int,
    paper: Colour,
    targets: list[list[int]] | None = None,
    index: tuple[int, ...] = (),
) -> LineBatch:
    """Pad lines on the right with the paper colour and stack them.

    Arguments:
        images: Lines of one height, each `(H, w, 3)`, 0 to 255.
        step: The common width is a multiple of it.
        paper: Padding colour, in [0, 1].
        targets: Symbol indices of each line.
        index: Index of each line in its collection.
    """
    widths = [image.shape[1] for image in images]
    width = -(-max(widths) // step) * step
    fill = np.round(np.array(paper) * 255).astype(np.uint8)
    stack = np.empty((len(images), images[0].shape[0], width, 3), np.uint8)
    for row, image in zip(stack, images, strict=True):
        row[:, : image.shape[1]] = image
        row[:, image.shape[1] :] = fill
    # channels-last, as the encoder wants it: the permutation moves no data
    pixels = torch.from_numpy(stack).permute(0, 3, 1, 2).float().div_(255)
    if targets is None:
        return LineBatch(pixels, torch.tensor(widths), index=index)
    lengths = [len(target) for target in targets]
    padded = torch.zeros(len(targets), max(1, *lengths), dtype=torch.long)
    for number, target in enumerate(targets):
        padded[number, : len(target)] = torch.tensor(target, dtype=torch.long)
    return LineBatch(pixels, torch.tensor(widths), padded, torch.tensor(lengths), index)


def collection_colours(cache: LineCache, sample: int = 64) -> tuple[Colour, Colour]:
    """The colours of paper and ink of a collection.

    Paper is the median of each channel; ink the mean of the pixels that are nearer, in
    brightness, to the darkest hundredth than to the paper.

    Arguments:
        cache: The lines, resized.
        sample: How many lines to look at, evenly spread.

    Returns:
        Paper and ink, each red, green, blue in [0, 1].
    """
    chosen = np.unique(np.linspace(0, len(cache) - 1, min(sample, len(cache))).astype(int))
    pixels = np.concatenate([np.asarray(cache[int(i)]).reshape(-1, 3) for i in chosen])
    pixels = pixels[:: max(1, len(pixels) // 500_000)].astype(np.float64) / 255
    paper = np.median(pixels, axis=0)
    brightness = pixels.mean(1)
    darkest = np.quantile(brightness, 0.01)
    dark = pixels[brightness < (darkest + paper.mean()) / 2]
    ink = dark.mean(0) if len(dark) else paper * 0.3
    return (
        (float(paper[0]), float(paper[1]), float(paper[2])),
        (float(ink[0]), float(ink[1]), float(ink[2])),
    )


def jittered(
    image: NDArray[np.uint8],
    paper: Colour,
    shift: int,
    contrast: float,
    generator: np.random.Generator,
) -> NDArray[np.uint8]:
    """The line moved up or down a little, its ink a little darker or lighter.

    Arguments:
        image: `(H, w, 3)`, 0 to 255.
        paper: In [0, 1]; what is moved in has this colour, and it is what ink is measured from.
        shift: Largest shift in pixels.
        contrast: Largest change of the contrast, as a share of it.
        generator: Source of chance.

    Returns:
        A new image of the same shape.
    """
    fill = np.array(paper) * 255
    down = int(generator.integers(-shift, shift + 1))
    factor = 1 + contrast * float(generator.uniform(-1, 1))
    levels = np.arange(256)[:, None]
    table = np.clip(np.round(fill + (levels - fill) * factor), 0, 255).astype(np.uint8)
    out = np.stack([table[image[..., channel], channel] for channel in range(3)], axis=-1)
    if down:
        out = np.roll(out, down, axis=0)
        edge = slice(0, down) if down > 0 else slice(down, None)
        out[edge] = np.round(fill).astype(np.uint8)
    return out


class LineLoader:
    """The batches of one split. The batches of an epoch are a function of (seed, epoch) alone.

    Arguments:
        cache: The resized lines.
        lines: Indices into the cache of the lines to load.
        symbols: The alphabet; letters outside it are left out of the targets.
        step: The model's step in pixels.
        paper: Padding colour in [0, 1].
        crop: Width of a random crop in pixels, or None for whole lines.
        jitter: Largest random vertical shift in pixels, and largest random change of the
            contrast with the paper, as a share; (0, 0) for none.
        guide: Targets of lines, by id, in place of their text.
    """

    def __init__(
        self,
        cache: LineCache,
        lines: list[int],
        symbols: tuple[str, ...],
        step: int,
        paper: Colour,
        crop: int | None = None,
        jitter: tuple[int, float] = (0, 0.0),
        guide: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.cache, self.index, self.step, self.paper = cache, lines, step, paper
        self.crop, self.jitter = crop, jitter
        self.widths = np.asarray(cache.widths)[lines]
        number = {symbol: i for i, symbol in enumerate(symbols)}
        self.lines: list[Line] = [cache.collection.lines[i] for i in lines]
        self.guided = guide or {}
        self.targets = [
            list(self.guided[line.id])
            if line.id in self.guided
            else [number[letter] for letter in line.letters if letter in number]
            for line in self.lines
        ]

    @property
    def collection(self) -> LineCollection:
        """The lines of this split, in order."""
        keep = {line.id for line in self.lines}
        return self.cache.collection.where(lambda line: line.id in keep)

    def __len__(self) -> int:
        return len(self.lines)

    def epoch(self, epoch: int, batch_size: int, seed: int) -> list[list[int]]:
        """The shuffled batches of an epoch: lists of indices into `lines`."""
        generator = np.random.default_rng([seed, epoch])
        return width_batches(self.widths, batch_size, generator)

    def in_order(self, batch_size: int) -> list[list[int]]:
        """Batches for evaluation: every line once, lines of similar width together."""
        return even_batches(self.widths, batch_size)

    def batch(
        self, chosen: list[int], seed: tuple[int, ...] = (), follow_guide: bool = True
    ) -> LineBatch:
        """Load some lines.

        Arguments:
            chosen: Indices into `lines`.
            seed: Fixes the random crops and jitter.
            follow_guide: Otherwise lines that have a guide in place of a text have no target.
        """
        images = [np.asarray(self.cache[self.index[i]]) for i in chosen]
        generator = np.random.default_rng(list(seed))
        if any(self.jitter):
            images = [jittered(image, self.paper, *self.jitter, generator) for image in images]
        if self.crop is not None:
            images = [self._cropped(image, self.crop, generator) for image in images]
            return make_batch(images, self.step, self.paper, None, tuple(chosen))
        targets = [
            self.targets[i] if follow_guide or self.lines[i].id not in self.guided else []
            for i in chosen
        ]
        return make_batch(images, self.step, self.paper, targets, tuple(chosen))

    def _cropped(
        self, image: NDArray[np.uint8], width: int, generator: np.random.Generator
    ) -> NDArray[np.uint8]:
        """A random crop; a narrower line is set at a random place on paper."""
        spare = image.shape[1] - width
        if spare >= 0:
            left = int(generator.integers(spare + 1))
            return image[:, left : left + width]
        fill = np.round(np.array(self.paper) * 255).astype(np.uint8)
        out = np.empty((image.shape[0], width, 3), np.uint8)
        out[:] = fill
        left = int(generator.integers(-spare + 1))
        out[:, left : left + image.shape[1]] = image
        return out
