"""How the DTI-Sprites baseline learns: stages, softmin, and sprites that start again."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..typewriter.compositing import front_to_back
from ..typewriter.loading import LineLoader
from ..typewriter.losses import reconstruction_loss
from ..typewriter.model import LineBatch
from .dti import Drawn, DTISprites
from .dti_options import DTIOptions
from .dti_selection import others_beneath
from .windows import cut_windows

__all__ = [
    "ink_pieces",
    "objective",
    "parameter_groups",
    "reassign",
    "runner_up_loss",
    "softmin_shares",
    "stage",
    "temperature",
]


def stage(options: DTIOptions, step: int, total: int) -> tuple[bool, bool]:
    """Whether colours, and whether scales and shifts, are predicted at a step (from 0)."""
    share = step / max(1, total)
    return share >= options.colour_from, share >= options.position_from


def temperature(options: DTIOptions, step: int, total: int) -> float:
    """The temperature of the softmin at a step (from 0): falling linearly to 0."""
    left = 1 - step / max(1.0, options.soft_until * total)
    return options.temperature * max(0.0, left)


def softmin_shares(errors: Tensor, heat: float, most: int) -> tuple[Tensor, Tensor]:
    """The next best sprites of every position and their shares in the softmin of all errors.

    Arguments:
        errors: Of every sprite, the empty one last, `(B, T, K + 1)`.
        heat: Temperature, above 0.
        most: How many, the best one counted.

    Returns:
        Sprites `(B, T, most)`, best first, and their shares `(B, T, most)`; the shares of the
        empty sprite and of sprites that are not allowed are 0.
    """
    shares = (-errors / heat).softmax(-1)[..., :-1]
    found = shares.topk(most, dim=-1)
    return found.indices, found.values


def runner_up_loss(
    model: DTISprites, drawn: Drawn, batch: LineBatch, heat: float, most: int
) -> Tensor:
    """What the next best sprites would learn in the place of the selected one.

    sum_t sum_k share_tk E_tk over the runners-up k of every position, E_tk the squared error with
    sprite k on top of the others, in units of the mean squared error of the line.

    Arguments:
        model: In training mode.
        drawn: Its drawing of the batch.
        batch: The lines.
        heat: Temperature of the softmin, above 0.
        most: Candidates per position, the selected one counted.

    Returns:
        `(B,)`.
    """
    taken, count = drawn.taken, model.options.sprites
    sprites, shares = softmin_shares(drawn.errors, heat, most)
    chosen = taken.weights.argmax(-1)
    shares = shares * (sprites != chosen[..., None])  # the selected one learns from the picture
    if count == 1:
        shares = shares * 0
    height, window = taken.opacity.shape[2:]
    positions = chosen.shape[1]
    with torch.no_grad():
        beneath = others_beneath(
            taken.opacity, taken.colours, taken.background, taken.order, model.step, model.offset
        )
        columns = torch.arange(batch.images.shape[-1], device=chosen.device)
        inside = (columns[None] < batch.widths[:, None])[:, None, None].to(beneath.dtype)
        inside = inside.expand(-1, 1, height, -1)
        cut_inside = cut_windows(inside, positions, window, model.step, model.offset)
        target = cut_windows(batch.images, positions, window, model.step, model.offset)
    at = sprites[..., None]
    scale = drawn.scale.gather(2, sprites)
    shift = drawn.shift.gather(2, at.expand(-1, -1, -1, 2))
    colours = drawn.colours.gather(2, at.expand(-1, -1, -1, 3))
    masks = model.windows(taken.sprites[sprites], scale, shift)[..., None, :, :]
    over = masks * colours[..., None, None] + (1 - masks) * beneath[:, :, None]
    wrong = ((over - target[:, :, None]).square() * cut_inside[:, :, None]).sum(dim=(3, 4, 5))
    return (wrong * shares).sum(dim=(1, 2)) / (3 * height * batch.widths)


def objective(
    model: DTISprites, batch: LineBatch, step: int, total: int, autocast: bool = False
) -> dict[str, Tensor]:
    """The loss of a step and its terms; the order of the layers is a function of (seed, step).

    The selected sprites are counted in the model, for `reassign`.

    Arguments:
        model: In training mode.
        batch: Crops of lines.
        step: From 0.
        total: Planned number of steps.
        autocast: Run the encoder in bfloat16.

    Returns:
        Scalars: `loss` and its terms, each a mean over lines.
    """
    options = model.options
    coloured, placed = stage(options, step, total)
    heat = temperature(options, step, total)
    positions = batch.images.shape[-1] // model.step
    generator = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
    order = front_to_back(positions, True, generator)
    drawn = model.draw(batch, order, autocast, coloured, placed)
    taken = drawn.taken
    loss = reconstruction_loss(taken.picture, batch.images, batch.widths).mean()
    terms = {"reconstruction": loss.detach()}
    if heat > 0 and options.candidates > 1:
        terms["runners_up"] = runner_up_loss(model, drawn, batch, heat, options.candidates).mean()
        loss = loss + terms["runners_up"]
    used = taken.weights.detach().sum(dim=(0, 1))[:-1]
    uses: Tensor = model.uses  # type: ignore[assignment]
    uses += used.to(uses.dtype)
    terms["placed"] = used.sum() / taken.cells.sum()
    return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}


@torch.no_grad()
def reassign(
    model: DTISprites, optimizer: torch.optim.Optimizer, step: int, total: int
) -> list[int]:
    """After a step: let sprites that are hardly selected start again as copies of others.

    A copy has the pixels of its original with noise, and its networks; what the optimizer knew
    of the sprite is forgotten.

    Arguments:
        model: The counts of its sprites decide, and are set back.
        optimizer: Of the model's parameters.
        step: Steps taken.
        total: Planned number of steps.

    Returns:
        The sprites that start again.
    """
    options = model.options
    if step % options.reassign_every or step > options.reassign_until * total:
        return []
    uses: Tensor = model.uses  # type: ignore[assignment]
    counts = uses.cpu().numpy().copy()
    uses.zero_()
    if not counts.sum() or len(counts) == 1:
        return []
    few = np.flatnonzero(counts < options.reassign_below * counts.mean())
    rest = np.where(counts < options.reassign_below * counts.mean(), 0, counts)
    random = np.random.default_rng([options.seed, 7, step])
    for sprite in few.tolist():
        source = int(random.choice(len(rest), p=rest / rest.sum()))
        noise = torch.from_numpy(random.standard_normal(model.sprites.codes.shape[1]))
        parameters = [
            model.sprites.codes,
            *model.colour.parameters(),
            *model.position.parameters(),
        ]
        for parameter in parameters:
            parameter[sprite] = parameter[source]
            for value in optimizer.state.get(parameter, {}).values():
                if torch.is_tensor(value) and value.shape == parameter.shape:
                    value[sprite] = 0
        noise = noise.to(model.sprites.codes) * options.reassign_noise / model.sprites.gain
        model.sprites.codes[sprite] += noise
    return [int(sprite) for sprite in few]


def parameter_groups(model: DTISprites) -> list[dict[str, Any]]:
    """Two groups: the pixels, which must not shrink by themselves, and everything else."""
    rest = [p for name, p in model.named_parameters() if not name.startswith("sprites.")]
    return [
        {"params": [model.sprites.codes], "weight_decay": 0.0},
        {"params": rest, "weight_decay": 1e-6},
    ]


def ink_pieces(
    loader: LineLoader,
    count: int,
    size: tuple[int, int],
    ink: tuple[float, float, float],
    seed: int,
) -> Tensor:
    """Random pieces of lines as opacities: 0 for paper, 1 for ink.

    Of three pieces the one with most ink in its middle is taken, for a piece of a margin or of a
    space between words is no start for a sprite.

    Arguments:
        loader: The training lines.
        count: How many pieces.
        size: Height and width of a sprite in pixels; a lower sprite gets the middle rows.
        ink: Colour of the ink in [0, 1].
        seed: Decides which.

    Returns:
        `(count, *size)`, in [0, 1].
    """
    random = np.random.default_rng([seed, 11])
    paper = np.array(loader.paper)
    towards = np.array(ink) - paper
    length = max(float(towards @ towards), 1e-6)
    pieces = []
    for _ in range(count):
        found = []
        for _ in range(3):
            image = np.asarray(loader.cache[loader.index[int(random.integers(len(loader)))]])
            left = int(random.integers(max(1, image.shape[1] - size[1] + 1)))
            top = (image.shape[0] - size[0]) // 2
            piece = image[top : top + size[0], left : left + size[1]] / 255
            opacity = np.clip((piece - paper) @ towards / length, 0, 1)
            found.append(np.pad(opacity, ((0, 0), (0, size[1] - opacity.shape[1]))))
        third = size[1] // 3
        pieces.append(max(found, key=lambda one: float(one[:, third : size[1] - third].sum())))
    return torch.from_numpy(np.stack(pieces)).float()
