"""Taking lines apart with a trained typewriter: readings and pictures, line after line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ..hardware import fast_bfloat16
from ..lines.cache import LineCache
from ..lines.images import line_size
from ..lines.line import Line
from ..memory import Room
from .decoding import apply_spaces, fit_space_gap, readings
from .ink import ink_boxes
from .loading import LineLoader
from .losses import reconstruction_loss
from .model import Decomposition, LineBatch, Typewriter
from .named_reading import named_reading
from .pictures import label_colours
from .reading import LineReading
from .storage import TypewriterAbout

__all__ = ["DecomposedLine", "decompose", "learned_space_gap"]


@dataclass(frozen=True)
class DecomposedLine:
    """One line taken apart.

    Arguments:
        line: The line.
        reading: What was read, with boxes in pixels of the line as it was given.
        original: The line at the model's height, `(H, w, 3)`, 0 to 255.
        reconstruction: What the sprites make of it, the same shape.
        segmentation: The same with one colour per sprite, the same shape.
    """

    line: Line
    reading: LineReading
    original: NDArray[np.uint8]
    reconstruction: NDArray[np.uint8]
    segmentation: NDArray[np.uint8]


def _bytes(pictures: torch.Tensor) -> NDArray[np.uint8]:
    """`(B, 3, H, W)` in [0, 1] to bytes `(B, H, W, 3)`."""
    scaled = pictures.permute(0, 2, 3, 1).mul(255).round_().clamp_(0, 255)
    array: NDArray[np.uint8] = scaled.to(torch.uint8).cpu().numpy()
    return array


@torch.no_grad()
def decompose(
    model: Typewriter,
    about: TypewriterAbout,
    cache: LineCache,
    *,
    batch_size: int = 16,
    progress: bool = False,
) -> Iterator[DecomposedLine]:
    """Take every line of a cache apart, lines of similar width together.

    A line's result does not depend on the batch that it is in.

    Arguments:
        model: In evaluation mode.
        about: Its description, for paper colour, word spaces and the names of its sprites.
        cache: The lines at the model's height.
        batch_size: Lines at a time.
        progress: Show a progress bar on standard error.

    Yields:
        The lines in the order of the batches, not of the cache.
    """
    device = next(model.parameters()).device
    autocast = model.config.training.bfloat16 and fast_bfloat16(device)
    everything = list(range(len(cache)))
    loader = LineLoader(cache, everything, about.symbols, model.step, about.paper)
    boxes = ink_boxes(model.sprites().cpu().numpy())
    palette = torch.from_numpy(label_colours(len(boxes))).to(device).float() / 255
    naming = about.naming
    gap = about.space_gap if naming is None else naming.space_gap
    bar = tqdm(total=len(cache), unit="line", disable=not progress, desc="reading")
    room = Room(batch_size, "one line")

    def take(chosen: Sequence[int]) -> tuple[LineBatch, Decomposition, list[float]]:
        batch = loader.batch(list(chosen)).to(device)
        taken = model(batch, autocast=autocast)
        errors = reconstruction_loss(taken.picture, batch.images, batch.widths)
        return batch, taken, errors.tolist()

    order = [i for some in loader.in_order(batch_size) for i in some]
    for chosen, (batch, taken, errors) in room.parts(order, take):
        lines = [loader.lines[i] for i in chosen]
        read = readings(
            model,
            taken,
            [line.id for line in lines],
            [line_size(line) for line in lines],
            boxes,
            errors,
        )
        pictures = _bytes(taken.picture)
        painted = _bytes(model.segmentation(taken, palette))
        for row, (line, reading) in enumerate(zip(lines, read, strict=True)):
            width = int(batch.widths[row])
            named = reading if naming is None else named_reading(reading, naming.naming)
            yield DecomposedLine(
                line,
                apply_spaces(named, gap),
                np.asarray(cache[chosen[row]]),
                pictures[row, :, :width],
                painted[row, :, :width],
            )
        bar.update(len(chosen))
    bar.close()


def learned_space_gap(
    model: Typewriter, about: TypewriterAbout, cache: LineCache, most: int = 200
) -> float | None:
    """The gap that separates words on the transcribed training lines, in line heights.

    Arguments:
        model: In evaluation mode.
        about: Its description.
        cache: Lines; at most `most` of the training lines, evenly spread, are read.
        most: How many lines to read.
    """
    if not about.symbols:  # nothing was read that could be laid beside a text
        return None
    rows = [i for i, line in enumerate(cache.collection) if line.split == "train" and line.letters]
    rows = rows[:: max(1, -(-len(rows) // most))]
    some = _Selected(cache, rows)
    found = list(decompose(model, about, some))  # type: ignore[arg-type]
    return fit_space_gap([one.line for one in found], [one.reading for one in found])


class _Selected:
    """Some lines of a cache, as a cache."""

    def __init__(self, cache: LineCache, rows: list[int]) -> None:
        self._cache, self._rows = cache, rows
        chosen = {cache.collection.lines[i].id for i in rows}
        self.collection = cache.collection.where(lambda line: line.id in chosen)
        self.height = cache.height
        self.widths = np.asarray(cache.widths)[rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return self._cache[self._rows[index]]
