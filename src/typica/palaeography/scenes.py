"""Lines taken apart once by the reference: all of eq. 3.1 but the pictures of the sprites.

While only the generator of the sprites is adapted, nothing else can change: which sprite stands
where, how large, in which colour, on which background. So the reference takes every line apart
once, and adapting draws from what it found, without the encoder, which is most of the cost of a
training step.

Where a line is transcribed, its text says which letters stand on it and the reference only where
(the most probable alignment), so that misread letters spoil no prototype. The published program
takes what the reference reads.
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
from ..typewriter.compositing import composite, front_to_back, upsample_background
from ..typewriter.loading import LineLoader
from ..typewriter.model import Typewriter
from ..typewriter.placement import warp
from ..typewriter.search import best_alignment
from ..typewriter.selection import sprites_of
from ..typewriter.storage import TypewriterAbout

__all__ = ["Scene", "SceneBatch", "join_scenes", "paint", "take_scenes", "windows"]


@dataclass(frozen=True)
class Scene:
    """One line: what is drawn on it, but not how it looks.

    Arguments:
        sprites: The sprite of every glyph, in reading order, `(N,)`.
        positions: Where it stands, increasing, `(N,)`.
        scale: Displayed over native size, `(N,)`.
        shift: Right and down from the middle of the window, in pixels, `(N, 2)`.
        colour: Red, green, blue in [0, 1], `(N, 3)`.
        background: Of every position, `(T, 3)`, before it is drawn out to columns.
        features: Of every position, `(T, D)`; None unless the background is adapted too.
    """

    sprites: NDArray[np.int64]
    positions: NDArray[np.int64]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    colour: NDArray[np.float32]
    background: NDArray[np.float32]
    features: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class SceneBatch:
    """Some scenes, padded to a common number of positions.

    Arguments:
        line: For every glyph the row that it stands on, `(M,)`.
        position: `(M,)`.
        sprites: `(M,)`.
        scale: `(M,)`.
        shift: `(M, 2)`.
        colour: `(M, 3)`.
        background: Of every position, `(B, T, 3)`.
        cells: Positions of each line, `(B,)`.
        features: `(B, T, D)`, or None.
    """

    line: Tensor
    position: Tensor
    sprites: Tensor
    scale: Tensor
    shift: Tensor
    colour: Tensor
    background: Tensor
    cells: Tensor
    features: Tensor | None


def join_scenes(scenes: Sequence[Scene]) -> SceneBatch:
    """Pad scenes to the longest of them."""
    cells = [len(scene.background) for scene in scenes]
    longest = max(cells)

    def padded(rows: Sequence[NDArray[np.float32]]) -> Tensor:
        out = np.zeros((len(rows), longest, rows[0].shape[1]), np.float32)
        for place, row in zip(out, rows, strict=True):
            place[: len(row)] = row
        return torch.from_numpy(out)

    def flat(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(scene, name) for scene in scenes]))

    features = [scene.features for scene in scenes if scene.features is not None]
    return SceneBatch(
        line=torch.repeat_interleave(torch.tensor([len(scene.sprites) for scene in scenes])),
        position=flat("positions"),
        sprites=flat("sprites"),
        scale=flat("scale"),
        shift=flat("shift"),
        colour=flat("colour"),
        background=padded([scene.background for scene in scenes]),
        cells=torch.tensor(cells),
        features=padded(features) if features else None,
    )


def windows(model: Typewriter, batch: SceneBatch, sprites: Tensor) -> Tensor:
    """Every glyph drawn into its window, opacities `(M, H, window)`.

    Arguments:
        model: For its sizes.
        batch: The scenes.
        sprites: Opacities, `(K, h, w)`.
    """
    size = (model.config.height, model.config.window_width)
    return warp(sprites[batch.sprites], batch.scale, batch.shift, size)


def paint(
    model: Typewriter, batch: SceneBatch, sprites: Tensor, background: Tensor | None = None
) -> Tensor:
    """The pictures of the lines with these sprites (eq. 3.1), `(B, 3, H, T * step)`.

    Arguments:
        model: For its sizes.
        batch: The scenes.
        sprites: Opacities, `(K, h, w)`.
        background: Another background than that of the scenes, `(B, T, 3)`.
    """
    lines, positions = batch.background.shape[:2]
    drawn = windows(model, batch, sprites)
    opacity = drawn.new_zeros(lines, positions, *drawn.shape[1:])
    opacity = opacity.index_put((batch.line, batch.position), drawn)
    colours = drawn.new_zeros(lines, positions, 3)
    colours[batch.line, batch.position] = batch.colour
    behind = batch.background if background is None else background
    return composite(
        opacity,
        colours,
        upsample_background(behind, batch.cells, model.step),
        front_to_back(positions, random=False),
        model.step,
        model.offset,
    )


@torch.no_grad()
def take_scenes(
    model: Typewriter,
    about: TypewriterAbout,
    cache: LineCache,
    *,
    follow_text: bool = True,
    keep_features: bool = False,
    batch_size: int = 16,
    progress: bool = False,
) -> list[Scene]:
    """Take all lines of a cache apart with the reference.

    Arguments:
        model: The reference, in evaluation mode.
        about: Its description.
        cache: The lines at the model's height.
        follow_text: Place the letters of the transcription where a line has one (unless more of
            them than positions); else, and for other lines, what the reference reads.
        keep_features: Keep the features, from which the background is predicted.
        batch_size: Lines at a time.
        progress: Show a progress bar on standard error.

    Returns:
        One scene per line, in the order of the cache.
    """
    device = next(model.parameters()).device
    loader = LineLoader(cache, list(range(len(cache))), about.symbols, model.step, about.paper)
    blank = len(model.sprites.codes)
    found: dict[int, Scene] = {}
    bar = tqdm(total=len(cache), unit="line", disable=not progress, desc="taking apart")
    for chosen in loader.in_order(batch_size):
        batch = loader.batch(chosen).to(device)
        features, logits = model.select(batch)
        cells = model.cells(batch.widths)
        placement = model.placer(features)
        read = model.choose(logits, cells, placement, model.sprites())
        logs = model.log_probabilities(logits).double().cpu().numpy()
        background = torch.sigmoid(model.background(features) + model.background_start)
        for row, number in enumerate(chosen):
            size = int(cells[row])
            text = loader.targets[number]
            stands = read[row, :size]
            if follow_text and text and len(text) <= size:
                where = torch.from_numpy(best_alignment(logs[row, :size], tuple(text)))
                characters = torch.full((1, size), logs.shape[2] - 1)
                characters[0, where] = torch.tensor(text)
                stands = sprites_of(
                    characters.to(device),
                    logits[row : row + 1, :size],
                    model.variants,
                )[0]
            places = (stands < blank).nonzero().flatten()
            # the colour of a layer that is certainly not blank
            colours = model.placer.colours(placement, torch.zeros_like(logits[..., 0]))
            found[number] = Scene(
                stands[places].cpu().numpy(),
                places.cpu().numpy(),
                placement.scale[row, places].cpu().numpy(),
                placement.shift[row, places].cpu().numpy(),
                colours[row, places].cpu().numpy(),
                background[row, :size].cpu().numpy(),
                features[row, :size].cpu().numpy() if keep_features else None,
            )
        bar.update(len(chosen))
    bar.close()
    return [found[number] for number in range(len(cache))]
