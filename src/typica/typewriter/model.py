"""The typewriter: image in, `Decomposition` out (section 3.3, Fig. 3.2).

This file only joins the parts; each formula stands in the file named after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .compositing import composite, front_to_back, upsample_background
from .config import TypewriterConfig
from .encoder import Encoder
from .ink import ink_boxes
from .placement import Placement, Placer, head, warp
from .positions import Positions
from .search import merge_doubles, place_text
from .selection import (
    Selection,
    best_sprites,
    character_log_probabilities,
    mix_sprites,
    sprites_of,
    straight_through,
)
from .sprites import Sprites
from .variants import variants_of

__all__ = ["Decomposition", "LineBatch", "Typewriter"]


@dataclass(frozen=True)
class LineBatch:
    """Lines of one height, padded on the right to a common width that the step divides.

    Arguments:
        images: `(B, 3, H, W)`, in [0, 1].
        widths: True widths in pixels, `(B,)`, integer.
        targets: Symbol indices, `(B, U)`, or None.
        target_lengths: `(B,)`, or None.
        index: Index of each line in its collection.
    """

    images: Tensor
    widths: Tensor
    targets: Tensor | None = None
    target_lengths: Tensor | None = None
    index: tuple[int, ...] = ()

    def to(self, device: torch.device) -> LineBatch:
        """The same batch on a device."""
        return LineBatch(
            self.images.to(device, non_blocking=True),
            self.widths.to(device, non_blocking=True),
            None if self.targets is None else self.targets.to(device, non_blocking=True),
            None
            if self.target_lengths is None
            else self.target_lengths.to(device, non_blocking=True),
            self.index,
        )

    def part(self, first: int, end: int) -> LineBatch:
        """Some of its lines, as wide as all of them."""
        return LineBatch(
            self.images[first:end],
            self.widths[first:end],
            None if self.targets is None else self.targets[first:end],
            None if self.target_lengths is None else self.target_lengths[first:end],
            self.index[first:end],
        )


@dataclass(frozen=True)
class Decomposition:
    """Lines taken apart: which sprite, where, how large, which colour, how sure.

    Arguments:
        logits: Of every sprite at every position, `(B, T, K + 1)`, the empty sprite last.
        weights: With which the sprites were mixed, `(B, T, K + 1)`: probabilities, or one-hot.
        cells: Number of positions of each line, `(B,)`.
        placement: Scale, shift and raw colour.
        sprites: Opacities, `(K, h, w)`.
        opacity: Of every window, `(B, T, H, window)`.
        colours: Of every layer, `(B, T, 3)`.
        background: Of every column, `(B, 3, W)`.
        order: Layers front to back, `(T,)`.
        picture: The reconstruction, `(B, 3, H, W)`.
    """

    logits: Tensor
    weights: Tensor
    cells: Tensor
    placement: Placement
    sprites: Tensor
    opacity: Tensor
    colours: Tensor
    background: Tensor
    order: Tensor
    picture: Tensor

    @property
    def valid(self) -> Tensor:
        """True for the positions within the line, `(B, T)`."""
        positions = torch.arange(self.logits.shape[1], device=self.cells.device)
        return positions[None] < self.cells[:, None]


class Typewriter(Positions):
    """Encoder, sprites, selection, placement and background of one alphabet.

    Arguments:
        config: Everything that decides it.
        symbols: The characters, one per L sprites, in sprite order.
        paper: Colour of the paper in the collection, `(3,)` in [0, 1].
        ink: Colour of the ink in the collection, `(3,)` in [0, 1].
    """

    def __init__(
        self,
        config: TypewriterConfig,
        symbols: tuple[str, ...],
        paper: tuple[float, float, float] = (0.85, 0.85, 0.85),
        ink: tuple[float, float, float] = (0.2, 0.2, 0.2),
    ) -> None:
        super().__init__(config)
        self.symbols = symbols
        paper_colour, ink_colour = torch.tensor(paper), torch.tensor(ink)
        size = (config.sprite_height, config.sprite_width)
        self.variants = variants_of(config.sprites, symbols)
        count = self.variants.sprites
        features = config.encoder.features
        self.encoder = Encoder(config.height, config.encoder, paper_colour)
        self.sprites = Sprites(count, *size, config.height, config.sprites)
        latent = self.sprites.codes.shape[1]
        self.selection = Selection(count, latent, features, config.selection)
        self.placer = Placer(features, config.placement, config.height, size, ink_colour)
        self.background = head(features, 3)
        start = paper_colour if config.placement.learned_start else torch.full((3,), 0.5)
        self.register_buffer("background_start", torch.logit(start.clamp(0.02, 0.98)))

    def select(self, batch: LineBatch, autocast: bool = False) -> tuple[Tensor, Tensor]:
        """Features `(B, T, D)` and logits `(B, T, K + 1)`: all that reading the text needs."""
        features = self.encoder(batch.images, self.cells(batch.widths), autocast)
        return features, self.selection(features, self.sprites.codes)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Log-probability of every character at every position, `(B, T, K + 1)`."""
        return character_log_probabilities(logits, self.variants)

    @torch.no_grad()
    def choose(
        self, logits: Tensor, cells: Tensor, placement: Placement, sprites: Tensor
    ) -> Tensor:
        """The sprite that each position draws when one is selected.

        In evaluation, with one placement per character, these are the sprites that spell the
        most probable text, ink drawn twice in one place counted once; otherwise the best sprite
        of each position's best character.

        Arguments:
            logits: `(B, T, K + 1)`, the empty sprite last.
            cells: Number of positions of each line, `(B,)`.
            placement: Where each position draws.
            sprites: Opacities, `(K, h, w)`.

        Returns:
            Sprite indices `(B, T)`, K for the empty sprite.
        """
        config, variants = self.config, self.variants
        if self.training or config.loss.alignment == "ctc" or not config.follows_text:
            return best_sprites(logits, variants)
        logs = self.log_probabilities(logits).double().cpu().numpy()
        blank = logs.shape[2] - 1
        boxes = ink_boxes(sprites.cpu().numpy())
        ink_width = np.array([max(boxes[k].width, 1.0) for k in variants.first] + [1.0])
        scale = placement.scale.cpu().numpy()
        centre = np.arange(logs.shape[1]) * self.step + placement.shift[..., 0].cpu().numpy()
        characters = np.full(logs.shape[:2], blank)
        for row, size in zip(range(len(logs)), cells.tolist(), strict=True):
            placed = place_text(logs[row, :size])
            placed = merge_doubles(
                placed,
                centre[row, :size],
                ink_width[placed] * scale[row, :size],
                logs[row, np.arange(size), placed],
            )
            characters[row, :size] = np.where(placed < 0, blank, placed)
        return sprites_of(torch.from_numpy(characters).to(logits.device), logits, variants)

    def paint_background(self, features: Tensor, cells: Tensor) -> Tensor:
        """The background colour of every column, `(B, 3, W)`, from features `(B, T, D)`."""
        start: Tensor = self.background_start  # type: ignore[assignment]
        colours = torch.sigmoid(self.background(features) + start)
        return upsample_background(colours, cells, self.step)

    def forward(
        self,
        batch: LineBatch,
        hard: bool | None = None,
        order: Tensor | None = None,
        background_only: bool = False,
        autocast: bool = False,
        opening: float | None = None,
    ) -> Decomposition:
        """Take lines apart and put them together again.

        Arguments:
            batch: The lines.
            hard: Draw the best sprite of the character that is read (with straight-through
                gradients) instead of the weighted average; by default in evaluation mode only.
            order: Layers front to back; by default the first position is on top.
            background_only: Draw no sprite (the warm start).
            autocast: Run the encoder in bfloat16.
            opening: Width in pixels of the middle part of the sprites that is drawn; None draws
                all of them.
        """
        hard = not self.training if hard is None else hard
        features, logits = self.select(batch, autocast)
        cells = self.cells(batch.widths)
        probabilities = logits.softmax(-1)
        weights = probabilities
        sprites = self.sprites(opening)
        placement = self.placer(features)
        if hard:
            chosen = self.choose(logits, cells, placement, sprites)
            weights = straight_through(probabilities, chosen)
        inside = torch.arange(logits.shape[1], device=cells.device)[None] < cells[:, None]
        window = (self.config.height, self.config.window_width)
        colours = self.placer.colours(placement, weights[..., -1])
        background = self.paint_background(features, cells)
        if order is None:
            order = front_to_back(logits.shape[1], random=False)
        if background_only:
            opacity = sprites.new_zeros(1).expand(*logits.shape[:2], *window)
            # What is not drawn has a gradient of zero, not none: the optimizer counts its steps.
            unseen = (sprites, placement.scale, placement.shift, colours)
            nothing = 0 * torch.stack([one.sum() for one in unseen]).sum()
            picture = background[:, :, None].expand(-1, -1, window[0], -1) + nothing
        else:
            drawn = weights * inside[..., None]
            opacity = warp(
                mix_sprites(drawn, sprites).flatten(0, 1),
                placement.scale.flatten(),
                placement.shift.flatten(0, 1),
                window,
            ).unflatten(0, logits.shape[:2])
            picture = composite(opacity, colours, background, order, self.step, self.offset)
        return Decomposition(
            logits,
            weights,
            cells,
            placement,
            sprites,
            opacity,
            colours,
            background,
            order,
            picture,
        )

    def segmentation(self, taken: Decomposition, palette: Tensor) -> Tensor:
        """The layers painted in one colour per sprite, over the predicted background.

        Arguments:
            taken: A decomposition in evaluation mode.
            palette: `(K, 3)` in [0, 1].

        Returns:
            `(B, 3, H, W)`.
        """
        paint = F.pad(palette, (0, 0, 0, 1))[taken.weights.argmax(-1)]
        return composite(
            taken.opacity, paint, taken.background, taken.order, self.step, self.offset
        )
