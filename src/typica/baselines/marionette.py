"""MarioNette (Smirnov et al. 2021) on text lines: image in, `Decomposition` out.

The paper's unsupervised typewriter descends from it and reports that it reads much worse; this is
the published method, as far as our modules carry it.

Kept from the original: a dictionary of sprites drawn by two linear layers (1024 wide, group
normalisation, sigmoid) from normalised codes of 128 values; layers of anchors on a regular grid,
with patches twice as wide as the grid's step; per layer and anchor a feature, a softmax of its
products with the codes themselves (no network between code and key), and a presence o in [0, 1],
which multiplies the patch's opacity and stands for the empty entry; the patch that is mixed in
this way, seen beside the image under it by a small network that predicts its shift, by at most
half a step; shift only, no scale; within a layer random order; the losses: reconstruction, the
Beta(2, 2) density of probabilities and presences, which is lowest at 0 and 1, and the mean
presence; selected entries and rounded presences in reading; one learning rate, weight decay on
everything.

Changed: our encoder instead of partial convolutions, and one row of anchors with patches as high
as the line; an entry has opacity only and the feature predicts its colour, where the original's
entries are RGBA; the background is predicted per anchor as in the typewriter, where the original
has one colour or one learned image; convolutions of the shift network are plain; the four phases
in which the original tiles overlapping patches are our exact compositing (in one dimension two:
even and odd).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..typewriter.compositing import composite, upsample_background
from ..typewriter.encoder import Encoder
from ..typewriter.model import Decomposition, LineBatch
from ..typewriter.placement import Placement, head, placement_from_raw, warp
from ..typewriter.positions import Positions
from ..typewriter.sprites import Marionette
from ..typewriter.variants import Variants
from .marionette_options import MarionetteOptions
from .windows import cut_windows

__all__ = ["Dictionary", "MarioNette", "ShiftNetwork", "composite_layers", "layer_order"]


class Dictionary(nn.Module):
    """K codes and the generator that draws them.

    Arguments:
        count: K.
        height: h in pixels.
        width: w in pixels.
        opacity: Of a new sprite.
    """

    def __init__(self, count: int, height: int, width: int, opacity: float) -> None:
        super().__init__()
        self.generator = Marionette(height, width)
        self.codes = nn.Parameter(torch.randn(count, self.generator.latent))
        self.start = math.log(opacity / (1 - opacity))

    def normalised(self) -> Tensor:
        """The codes as generator and selection see them, `(K, 128)`."""
        return F.layer_norm(self.codes, self.codes.shape[1:])

    def forward(self) -> Tensor:
        """Opacities `(K, h, w)`, between 0 and 1."""
        return torch.sigmoid(self.generator(self.normalised()) + self.start)


class ShiftNetwork(nn.Module):
    """Where a patch lies best on the image under it: both are seen together.

    Arguments:
        width: Channels of its middle.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        sizes = ((4, 16), (16, width), (width, width))
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.GroupNorm(8, o), nn.LeakyReLU())
                for i, o in sizes
            )
        )
        self.pool = nn.AdaptiveAvgPool2d((4, 4))  # keeps where things are
        self.last = nn.Sequential(nn.Linear(16 * width, 64), nn.LeakyReLU(), nn.Linear(64, 2))

    def forward(self, image: Tensor, patch: Tensor) -> Tensor:
        """From image windows `(N, 3, H, window)` and patches `(N, H, window)` to `(N, 2)`."""
        seen = self.layers(torch.cat([image, patch[:, None]], dim=1))
        return self.last(self.pool(seen).flatten(1))


def layer_order(positions: int, random: bool, generator: torch.Generator | None = None) -> Tensor:
    """Front to back within one layer, `(T,)`: even before odd anchors, or by chance the reverse.

    Anchors of one kind do not overlap, so their own order means nothing.
    """
    every = torch.arange(positions)
    kinds = [every[0::2], every[1::2]]
    if random and int(torch.randint(2, (), generator=generator)):
        kinds.reverse()
    return torch.cat(kinds)


def composite_layers(
    opacity: Tensor,
    colours: Tensor,
    background: Tensor,
    orders: list[Tensor],
    step: int,
    offset: int,
) -> Tensor:
    """Several grids of patches over a background, the last grid in front.

    Arguments:
        opacity: `(B, T, L, H, window)`.
        colours: `(B, T, L, 3)`.
        background: Colour of every column, `(B, 3, W)`.
        orders: For each layer its anchors front to back, `(T,)`.
        step: Pixels between two anchors.
        offset: Left edge of the first window in pixels.

    Returns:
        `(B, 3, H, W)`.
    """
    height = opacity.shape[3]
    picture = background[:, :, None].expand(-1, -1, height, -1)
    nothing = torch.zeros_like(background)
    for layer, order in enumerate(orders):
        alpha = opacity[:, :, layer]
        paint = composite(alpha, colours[:, :, layer], nothing, order, step, offset)
        # black patches on white leave what they let through
        clear = composite(
            alpha, torch.zeros_like(colours[:, :, layer]), nothing + 1, order, step, offset
        )
        picture = paint + clear * picture
    return picture


class MarioNette(Positions):
    """Encoder, dictionary, selection, presence, shift, colour, background.

    It keeps the contract of `typica.typewriter.model.Typewriter` as far as reading goes. The layers
    of an anchor are positions side by side: position `t * L + l` is layer l of anchor t, and its
    shift is counted from the place `step * (t * L + l) + centre` that decoding takes it to be at.

    Arguments:
        options: Everything that decides it.
        paper: Colour of the paper in the collection, `(3,)` in [0, 1].
        ink: Colour of the ink in the collection, `(3,)` in [0, 1].
    """

    def __init__(
        self,
        options: MarionetteOptions,
        paper: tuple[float, float, float] = (0.85, 0.85, 0.85),
        ink: tuple[float, float, float] = (0.2, 0.2, 0.2),
    ) -> None:
        super().__init__(options.typewriter())
        self.options = options
        self.symbols: tuple[str, ...] = ()
        self.variants = Variants((1,) * options.sprites)
        config, size = self.config, options.features
        paper_colour, ink_colour = torch.tensor(paper), torch.tensor(ink)
        self.encoder = Encoder(config.height, config.encoder, paper_colour)
        self.sprites = Dictionary(
            options.sprites, config.sprite_height, config.sprite_width, options.start_opacity
        )
        self.per_layer = nn.Linear(size, options.layers * size)
        self.project = nn.Linear(size, self.sprites.codes.shape[1])
        self.presence = nn.Sequential(
            nn.Linear(size, size), nn.GroupNorm(8, size), nn.LeakyReLU(), nn.Linear(size, 1)
        )
        self.shift = ShiftNetwork()
        self.colour = head(size, 3)
        self.background = head(size, 3)
        self.register_buffer("ink", torch.logit(ink_colour.clamp(0.02, 0.98)))
        self.register_buffer("background_start", torch.logit(paper_colour.clamp(0.02, 0.98)))

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Of every entry, and of none, at every position, `(B, T * L, K + 1)`."""
        return logits.log_softmax(-1)

    def select(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the entries and logits of presence.

        Arguments:
            features: Of every layer and anchor, `(B, T, L, D)`.

        Returns:
            `(B, T, L, K)` and `(B, T, L)`.
        """
        codes = self.sprites.normalised()
        queries = self.project(features)
        queries = F.layer_norm(queries, queries.shape[-1:])
        scores = queries @ codes.T / math.sqrt(codes.shape[1])
        present = self.presence(features.flatten(0, 2)).unflatten(0, features.shape[:3])
        return scores.log_softmax(-1), present.squeeze(-1)

    def paint_background(self, features: Tensor, cells: Tensor) -> Tensor:
        """The background colour of every column, `(B, 3, W)`, from features `(B, T, D)`."""
        start: Tensor = self.background_start  # type: ignore[assignment]
        colours = torch.sigmoid(self.background(features) + start)
        return upsample_background(colours, cells, self.step)

    def forward(
        self,
        batch: LineBatch,
        hard: bool | None = None,
        orders: list[Tensor] | None = None,
        autocast: bool = False,
    ) -> Decomposition:
        """Take lines apart and put them together again.

        Arguments:
            batch: The lines.
            hard: Draw the most probable entry where its presence is above one half; by default in
                evaluation mode only.
            orders: For each layer its anchors front to back; by default even ones in front.
            autocast: Run the encoder in bfloat16.

        Returns:
            With T * L positions. `logits` are log-probabilities: of an entry that times its
            presence, of none that of absence. `order` is that of the front layer.
        """
        hard = not self.training if hard is None else hard
        config, many, count = self.config, self.options.layers, self.options.sprites
        cells = self.cells(batch.widths)
        seen = self.encoder(batch.images, cells, autocast)
        positions = seen.shape[1]
        if orders is None:
            orders = [layer_order(positions, False)] * many
        features = self.per_layer(seen).unflatten(-1, (many, -1))
        features = F.layer_norm(features, features.shape[-1:])
        scores, present = self.select(features)
        logits = torch.cat(
            [scores + F.logsigmoid(present)[..., None], F.logsigmoid(-present)[..., None]], dim=-1
        )
        sprites = self.sprites()
        soft = (scores.exp() @ sprites.flatten(1)).unflatten(-1, sprites.shape[1:])
        size = (config.height, config.window_width)
        under = cut_windows(batch.images, positions, size[1], self.step, self.offset)
        under = under[:, :, None].expand(-1, -1, many, -1, -1, -1)
        raw = self.shift(under.flatten(0, 2), soft.flatten(0, 2)).unflatten(0, scores.shape[:3])
        native = (config.sprite_height, config.sprite_width)
        scale, shift = placement_from_raw(
            F.pad(raw, (1, 0)), config.placement, config.height, native
        )
        weights = scores.exp()
        probability = torch.sigmoid(present)
        if hard:
            weights = F.one_hot(scores.argmax(-1), count).to(scores.dtype)
            probability = (present > 0).to(scores.dtype)
        weights = weights * probability[..., None]
        inside = torch.arange(positions, device=cells.device)[None] < cells[:, None]
        drawn = (weights * inside[..., None, None]) @ sprites.flatten(1)
        opacity = warp(
            drawn.unflatten(-1, sprites.shape[1:]).flatten(0, 2),
            scale.flatten(),
            shift.flatten(0, 2),
            size,
        ).unflatten(0, scale.shape)
        ink: Tensor = self.ink  # type: ignore[assignment]
        colour_raw = self.colour(features)
        colours = torch.sigmoid(ink + colour_raw)
        background = self.paint_background(seen, cells)
        picture = composite_layers(opacity, colours, background, orders, self.step, self.offset)
        anchor = torch.arange(positions, device=cells.device)[:, None]
        number = anchor * many + torch.arange(many, device=cells.device)
        moved = (anchor - number) * self.step  # from where decoding takes the position to be
        placed = shift + F.pad(moved[..., None], (0, 1))
        placement = Placement(scale.flatten(1, 2), placed.flatten(1, 2), colour_raw.flatten(1, 2))
        return Decomposition(
            logits.flatten(1, 2),
            torch.cat([weights, 1 - probability[..., None]], dim=-1).flatten(1, 2),
            cells * many,
            placement,
            sprites,
            opacity.flatten(1, 2),
            colours.flatten(1, 2),
            background,
            orders[-1],
            picture,
        )

    def segmentation(self, taken: Decomposition, palette: Tensor) -> Tensor:
        """The layers painted in one colour per sprite, `(B, 3, H, W)`; palette `(K, 3)`."""
        many = self.options.layers
        paint = F.pad(palette, (0, 0, 0, 1))[taken.weights.argmax(-1)]
        return composite_layers(
            taken.opacity.unflatten(1, (-1, many)),
            paint.unflatten(1, (-1, many)),
            taken.background,
            [taken.order] * many,
            self.step,
            self.offset,
        )
