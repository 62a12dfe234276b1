"""One step's objective: what is drawn, what is read, what is added (eq. 3.5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .compositing import front_to_back
from .config import TypewriterConfig
from .losses import (
    frequency_penalty,
    overlap_penalty,
    reconstruction_loss,
    sparsity_penalty,
    text_loss,
)
from .model import Decomposition, LineBatch, Typewriter
from .variant_choice import (
    choice_penalty,
    clear_of_others,
    errors_of_variants,
    read_with_variants,
    warped_variants,
)

__all__ = [
    "TERMS",
    "alignment_temperature",
    "learning_rate",
    "objective",
    "opening",
    "parameter_groups",
    "warm_start_ends",
]

TERMS = ("loss", "reconstruction", "text", "overlap", "variants", "sparsity", "frequency")
"""All terms that an objective can have."""


def learning_rate(config: TypewriterConfig, step: int, total: int) -> float:
    """The learning rate of a step.

    `one-cycle`: linear from 4 % to the full rate over the first fifth, then half a cosine down
    to 0.2 %. `hold`: linear to the full rate over the first twentieth, held until 70 % of the
    steps, then linear down to 0.2 %.

    Arguments:
        config: For the full rate and the kind of schedule.
        step: From 0.
        total: Planned number of steps.
    """
    training = config.training
    if training.schedule == "constant":
        return training.learning_rate
    share = min(step / max(1, total), 1.0)
    if training.schedule == "hold":
        rise, fall = min(1.0, share / 0.05), min(1.0, (1 - share) / 0.3)
        return training.learning_rate * min(0.04 + 0.96 * rise, 0.002 + 0.998 * fall)
    if share < 0.2:
        return training.learning_rate * (0.04 + 0.96 * share / 0.2)
    fall = 0.5 + 0.5 * math.cos(math.pi * (share - 0.2) / 0.8)
    return training.learning_rate * (0.002 + 0.998 * fall)


def alignment_temperature(config: TypewriterConfig, step: int, total: int) -> float:
    """The temperature of the text loss: 1 at first, then falling linearly to its last value.

    Arguments:
        config: For the last value, and where the fall begins and ends.
        step: From 0.
        total: Planned number of steps.
    """
    loss, share = config.loss, step / max(1, total)
    if share < loss.sharpen_from:
        return 1.0
    if share >= loss.sharpen_until:
        return loss.sharpening
    fallen = (share - loss.sharpen_from) / (loss.sharpen_until - loss.sharpen_from)
    return 1 + (loss.sharpening - 1) * fallen


def opening(config: TypewriterConfig, step: int, total: int, drawn_from: int) -> float | None:
    """Width in pixels of the middle part of the sprites that is drawn; None for all of it.

    Arguments:
        config: For the first width, and where the whole sprite is reached.
        step: From 0.
        total: Planned number of steps.
        drawn_from: The step from which sprites are drawn.
    """
    sprites, last = config.sprites, config.sprites.open_until * total
    if step >= last or sprites.opening >= sprites.width:
        return None
    passed = (step - drawn_from) / max(1.0, last - drawn_from)
    return config.height * (sprites.opening + (sprites.width - sprites.opening) * passed)


def parameter_groups(model: Typewriter) -> list[dict[str, object]]:
    """Weight decay for encoder and selection only, as in the paper's program.

    The paper's text names the encoder alone.
    """
    decayed = [*model.encoder.parameters(), *model.selection.parameters()]
    known = {id(p) for p in decayed}
    plain = [p for p in model.parameters() if id(p) not in known]
    decay = model.config.training.weight_decay
    return [
        {"params": plain, "weight_decay": 0.0},
        {"params": decayed, "weight_decay": decay},
    ]


def warm_start_ends(config: TypewriterConfig, step: int, total: int, text: float | None) -> bool:
    """Whether sprites are drawn from this step on.

    Arguments:
        config: For the limits of the warm start.
        step: Steps taken.
        total: Planned number of steps.
        text: Running mean of the text loss per character; None if nothing is read.
    """
    training = config.training
    if step >= min(training.warm_start, int(training.warm_start_share * total)):
        return True
    until = training.warm_start_until
    return until is not None and text is not None and text < until


def objective(
    model: Typewriter,
    batch: LineBatch,
    step: int,
    total: int,
    *,
    drawn_from: int | None,
    autocast: bool,
) -> dict[str, Tensor]:
    """The loss of a step and its terms; the random order is a function of (seed, step).

    Arguments:
        model: In training mode.
        batch: Lines, with targets unless unsupervised.
        step: From 0; decides the order of the layers, sharpening and hardening.
        total: Planned number of steps.
        drawn_from: The step from which sprites are drawn (`warm_start_ends`); None before.
        autocast: Run the encoder in bfloat16.

    Returns:
        Scalars: `loss` (to be minimised) and its unweighted terms, each a mean over lines.
    """
    config, training = model.config, model.config.training
    warm = drawn_from is None
    width = None if drawn_from is None else opening(config, step, total, drawn_from)
    hard = step >= (1 - training.harden) * total
    positions = batch.images.shape[-1] // model.step
    generator = torch.Generator().manual_seed(training.seed * 1_000_003 + step)
    order = front_to_back(positions, training.random_order, generator)
    if warm and not training.warm_start_reads:
        with torch.no_grad():
            features = model.encoder(batch.images, model.cells(batch.widths), autocast)
        picture = model.paint_background(features, model.cells(batch.widths))[:, :, None]
        loss = reconstruction_loss(picture, batch.images, batch.widths).mean()
        return {"loss": loss, "reconstruction": loss.detach()}
    taken = model(
        batch, hard=hard, order=order, background_only=warm, autocast=autocast, opening=width
    )
    loss = reconstruction_loss(taken.picture, batch.images, batch.widths).mean()
    terms = {"reconstruction": loss.detach()}
    weights = config.loss
    if batch.targets is not None and batch.target_lengths is not None:
        logs = model.log_probabilities(taken.logits)
        text = text_loss(
            logs,
            batch.targets,
            taken.cells,
            batch.target_lengths,
            weights,
            alignment_temperature(config, step, total),
        ).mean()
        loss = loss + weights.alignment_weight * text
        terms["text"] = text.detach()
    if not warm and weights.overlap:
        terms["overlap"] = overlap_penalty(taken.opacity, model.step, taken.cells).mean()
        loss = loss + weights.overlap * terms["overlap"]
    if not warm and weights.variants and not model.variants.single:
        choice = _choice(model, batch, taken)
        if choice is not None:
            terms["variants"] = choice
            loss = loss + weights.variants * choice
    if not warm and (weights.sparsity or weights.frequency):
        probabilities, valid = taken.logits.softmax(-1), taken.valid
        if weights.sparsity:
            terms["sparsity"] = sparsity_penalty(probabilities, valid)
            loss = loss + weights.sparsity * terms["sparsity"]
        if weights.frequency:
            terms["frequency"] = frequency_penalty(probabilities, valid)
            loss = loss + weights.frequency * terms["frequency"]
    return {"loss": loss, **{name: term.detach() for name, term in terms.items()}}


def _choice(model: Typewriter, batch: LineBatch, taken: Decomposition) -> Tensor | None:
    """How far the selection is from choosing the sprite of a character that explains the ink."""
    with torch.no_grad():
        logs = model.log_probabilities(taken.logits)
        places = read_with_variants(logs, taken.valid, model.variants)
        if not len(places[0]):
            return None
        characters = logs[places].argmax(-1)
        table = model.variants.table.to(characters.device)[characters]
        size = (model.config.height, model.config.window_width)
        masks = warped_variants(
            taken.sprites, table, taken.placement.scale[places], taken.placement.shift[places], size
        )
        errors = errors_of_variants(
            batch.images,
            taken.background,
            taken.colours[places],
            masks,
            clear_of_others(taken.opacity, places, model.step),
            places,
            model.step,
            model.offset,
        )
    return choice_penalty(taken.logits[places], errors, table)
