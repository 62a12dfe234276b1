"""DTI-Sprites (Monnier et al. 2021), adapted to text lines: image in, `Decomposition` out.

The paper compares the typewriter with such an adaptation (Table 3.1; its appendix E describes it,
and is not at hand, so the choices here are ours).

Kept from the original: K sprites that are pixels, with no generator, softly clamped to [0, 1] in
training; networks of its own for every sprite, which predict from the image's feature how that
sprite would be drawn; selection by what is drawn, not by a predicted probability: every sprite is
drawn, and a greedy search without gradients keeps the ones with which the picture comes out best;
an empty sprite, and a price for all others; transformations that are switched on in stages;
sprites that are hardly selected start again as noisy copies of well-used ones; sprites that start
as pieces of the data.

Changed for lines: a layer per position of a fully convolutional encoder (ours) instead of two to
ten layers with networks of their own, drawn into the position's window; the greedy search looks
at all positions at once (`dti_selection`); the background is predicted per position as in the
typewriter instead of learned as an image; a sprite has opacity only and one colour, where the
original learns its RGB pixels and changes their brightness; runners-up learn a little at first
(softmin), which the original's minimum does not allow. Left out: predicted occlusion (layers are
in random order in training, first on top in reading), noise on the masks, affine and thin-plate
deformations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..typewriter.compositing import composite, front_to_back, upsample_background
from ..typewriter.encoder import Encoder
from ..typewriter.model import Decomposition, LineBatch
from ..typewriter.placement import Placement, head, placement_from_raw, warp
from ..typewriter.positions import Positions
from ..typewriter.variants import Variants
from .dti_options import DTIOptions
from .dti_selection import greedy_selection
from .pixel_sprites import PixelSprites, SpriteHeads

__all__ = ["DTISprites", "Drawn"]

_READING_SHARPNESS = 0.002
"""Error of a window, in the mean square, by which confidences fall to 1 / e."""


@dataclass(frozen=True)
class Drawn:
    """A decomposition and what the objective needs beside it.

    Arguments:
        taken: The decomposition: the selected sprites.
        errors: Of every sprite at every position given the others, `(B, T, K + 1)`, prices
            included, without gradient.
        scale: Of every sprite, `(B, T, K)`.
        shift: Of every sprite, `(B, T, K, 2)`.
        colours: Of every sprite, `(B, T, K, 3)`.
    """

    taken: Decomposition
    errors: Tensor
    scale: Tensor
    shift: Tensor
    colours: Tensor


class DTISprites(Positions):
    """Encoder, pixels, a network per sprite, background; selection by reconstruction.

    It keeps the contract of `typica.typewriter.model.Typewriter` as far as reading goes: a
    `LineBatch` in, a `Decomposition` out, its logits the negative errors.

    Arguments:
        options: Everything that decides it.
        paper: Colour of the paper in the collection, `(3,)` in [0, 1].
        ink: Colour of the ink in the collection, `(3,)` in [0, 1].
    """

    def __init__(
        self,
        options: DTIOptions,
        paper: tuple[float, float, float] = (0.85, 0.85, 0.85),
        ink: tuple[float, float, float] = (0.2, 0.2, 0.2),
    ) -> None:
        super().__init__(options.typewriter())
        self.options = options
        self.symbols: tuple[str, ...] = ()
        self.variants = Variants((1,) * options.sprites)
        config, count = self.config, options.sprites
        paper_colour, ink_colour = torch.tensor(paper), torch.tensor(ink)
        features = config.encoder.features
        self.encoder = Encoder(config.height, config.encoder, paper_colour)
        self.sprites = PixelSprites(
            count,
            config.sprite_height,
            config.sprite_width,
            options.sprite_rate / options.learning_rate,
        )
        self.colour = SpriteHeads(count, features, options.hidden, 3)
        self.position = SpriteHeads(count, features, options.hidden, 3)
        self.background = head(features, 3)
        self.register_buffer("ink", torch.logit(ink_colour.clamp(0.02, 0.98)))
        self.register_buffer("background_start", torch.logit(paper_colour.clamp(0.02, 0.98)))
        self.register_buffer("uses", torch.zeros(count, dtype=torch.float64))
        """How often each sprite was selected since the last look (kept with the weights, so that
        a resumed training reassigns the same sprites)."""

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Of every sprite at every position, `(B, T, K + 1)`: errors as if they were energies."""
        return logits.log_softmax(-1)

    def how_drawn(
        self, features: Tensor, coloured: bool, placed: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """How every sprite would be drawn at every position.

        Arguments:
            features: `(B, T, D)`.
            coloured: Predict colours; else all have the ink colour.
            placed: Predict scale and shift; else native size, in the middle.

        Returns:
            Scale `(B, T, K)`, shift `(B, T, K, 2)` in pixels, colour `(B, T, K, 3)`.
        """
        shape = (*features.shape[:2], self.options.sprites)
        ink: Tensor = self.ink  # type: ignore[assignment]
        raw = self.colour(features) if coloured else features.new_zeros(*shape, 3)
        colours = torch.sigmoid(ink + raw)
        if not placed:
            return features.new_ones(shape), features.new_zeros(*shape, 2), colours
        config = self.config
        native = (config.sprite_height, config.sprite_width)
        scale, shift = placement_from_raw(
            self.position(features), config.placement, config.height, native
        )
        return scale, shift, colours

    def windows(self, sprites: Tensor, scale: Tensor, shift: Tensor, shrunk: int = 1) -> Tensor:
        """Sprites drawn into windows.

        Arguments:
            sprites: `(..., h, w)`.
            scale: `(...)`.
            shift: `(..., 2)`.
            shrunk: Sprites and windows are so many times smaller than they are; shifts are not.

        Returns:
            `(..., H, window)`.
        """
        size = (self.config.height // shrunk, self.config.window_width // shrunk)
        moved = shift.flatten(0, -2) / shrunk
        drawn = warp(sprites.flatten(0, -3), scale.flatten(), moved, size)
        return drawn.unflatten(0, scale.shape)

    @torch.no_grad()
    def choose(
        self,
        batch: LineBatch,
        background: Tensor,
        sprites: Tensor,
        how: tuple[Tensor, Tensor, Tensor],
        order: Tensor,
        placed: bool,
        rounds: int,
    ) -> tuple[Tensor, Tensor]:
        """The sprites of some lines and all errors, as `greedy_selection` finds them.

        In training everything is looked at shrunk, see `DTIOptions.coarse`.

        Arguments:
            batch: The lines.
            background: Colour of every column, `(B, 3, W)`.
            sprites: `(K, h, w)`.
            how: Scale, shift and colour of every sprite at every position.
            order: Layers front to back, `(T,)`.
            placed: False if all scales are 1 and all shifts 0: then each is drawn only once.
            rounds: Most rounds.
        """
        scale, shift, colours = how
        cells = self.cells(batch.widths)
        factor = self.options.coarse if self.training else 1
        image, widths = batch.images, batch.widths
        if factor > 1:
            sprites, image = F.avg_pool2d(sprites, factor), F.avg_pool2d(image, factor)
            background = F.avg_pool1d(background, factor)
            widths = torch.div(widths + factor - 1, factor, rounding_mode="floor")
        if placed:
            every = sprites.expand(*scale.shape, -1, -1)
            masks = self.windows(every, scale, shift, factor)
        else:
            masks = self.windows(sprites, scale[0, 0], shift[0, 0], factor)
            masks = masks.expand(*scale.shape, -1, -1)
        return greedy_selection(
            masks,
            colours,
            background,
            image,
            widths,
            cells,
            order,
            self.step // factor,
            self.offset // factor,
            self.options.empty_price,
            rounds,
        )

    def paint_background(self, features: Tensor, cells: Tensor) -> Tensor:
        """The background colour of every column, `(B, 3, W)`, from features `(B, T, D)`."""
        start: Tensor = self.background_start  # type: ignore[assignment]
        colours = torch.sigmoid(self.background(features) + start)
        return upsample_background(colours, cells, self.step)

    def draw(
        self,
        batch: LineBatch,
        order: Tensor | None = None,
        autocast: bool = False,
        coloured: bool = True,
        placed: bool = True,
        rounds: int | None = None,
    ) -> Drawn:
        """Select the sprites of some lines and draw them, with gradients to what was selected.

        Arguments:
            batch: The lines.
            order: Layers front to back; by default the first position is on top.
            autocast: Run the encoder in bfloat16.
            coloured: Predict colours (second stage).
            placed: Predict scales and shifts (third stage).
            rounds: Most rounds of the selection; by default those of the options.
        """
        features = self.encoder(batch.images, self.cells(batch.widths), autocast)
        cells = self.cells(batch.widths)
        if order is None:
            order = front_to_back(features.shape[1], random=False)
        background = self.paint_background(features, cells)
        scale, shift, colours = self.how_drawn(features, coloured, placed)
        sprites = self.sprites()
        count = self.options.sprites
        chosen, errors = self.choose(
            batch,
            background,
            sprites,
            (scale, shift, colours),
            order,
            placed,
            self.options.rounds if rounds is None else rounds,
        )
        some = chosen.clamp(max=count - 1)
        at = some[..., None]
        placement = Placement(
            scale.gather(2, at).squeeze(2),
            shift.gather(2, at[..., None].expand(-1, -1, -1, 2)).squeeze(2),
            colours.gather(2, at[..., None].expand(-1, -1, -1, 3)).squeeze(2),
        )
        opacity = self.windows(sprites[some], placement.scale, placement.shift)
        opacity = opacity * (chosen < count)[..., None, None]
        paint = placement.colour_raw
        picture = composite(opacity, paint, background, order, self.step, self.offset)
        taken = Decomposition(
            -errors / _READING_SHARPNESS,
            F.one_hot(chosen, count + 1).to(picture.dtype),
            cells,
            placement,
            sprites,
            opacity,
            paint,
            background,
            order,
            picture,
        )
        return Drawn(taken, errors, scale, shift, colours)

    def forward(self, batch: LineBatch, autocast: bool = False) -> Decomposition:
        """Take lines apart, with as many rounds of selection as it takes.

        In evaluation a line at a time, because every sprite is drawn at every position.
        """
        if self.training or len(batch.widths) == 1:
            return self.draw(batch, autocast=autocast, rounds=None if self.training else 50).taken
        parts = [
            self.draw(
                LineBatch(batch.images[row : row + 1], batch.widths[row : row + 1]),
                autocast=autocast,
                rounds=50,
            ).taken
            for row in range(len(batch.widths))
        ]
        return _together(parts)

    def segmentation(self, taken: Decomposition, palette: Tensor) -> Tensor:
        """The layers painted in one colour per sprite, `(B, 3, H, W)`; palette `(K, 3)`."""
        paint = F.pad(palette, (0, 0, 0, 1))[taken.weights.argmax(-1)]
        return composite(
            taken.opacity, paint, taken.background, taken.order, self.step, self.offset
        )


def _together(parts: list[Decomposition]) -> Decomposition:
    """Decompositions of lines of one batch as that of the batch."""

    def joined(name: str) -> Tensor:
        return torch.cat([getattr(part, name) for part in parts])

    placement = Placement(
        torch.cat([part.placement.scale for part in parts]),
        torch.cat([part.placement.shift for part in parts]),
        torch.cat([part.placement.colour_raw for part in parts]),
    )
    return Decomposition(
        joined("logits"),
        joined("weights"),
        joined("cells"),
        placement,
        parts[0].sprites,
        joined("opacity"),
        joined("colours"),
        joined("background"),
        parts[0].order,
        joined("picture"),
    )
