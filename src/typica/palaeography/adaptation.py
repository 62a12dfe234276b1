"""Adapt a reference typewriter to one group of lines: only what draws the sprites (section 3.5).

The model stays in evaluation mode throughout, as in the published program: what is read, where and
in which colour is that of the reference, and the text loss has no part in it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import RunError
from ..lines.batches import width_batches
from ..typewriter.loading import Colour, make_batch
from ..typewriter.losses import reconstruction_loss, text_loss
from ..typewriter.model import LineBatch, Typewriter
from .options import AdaptOptions
from .scenes import Scene, join_scenes, paint

__all__ = ["Adapted", "adapt_group", "apply_difference", "learning_parameters", "rate"]

Difference = dict[str, Tensor]


@dataclass(frozen=True)
class Adapted:
    """What adapting to one group gave.

    Arguments:
        difference: What was added to the parameters that learned, half precision, by name.
        before: Mean reconstruction error of its lines with the reference, in [0, 1] squared.
        after: The same with the adapted sprites.
        losses: Of every step.
    """

    difference: Difference
    before: float
    after: float
    losses: tuple[float, ...]


def learning_parameters(model: Typewriter, what: str) -> dict[str, torch.nn.Parameter]:
    """The parameters that learn, by name (`AdaptOptions.what`)."""
    chosen = {
        "generator": ("sprites.generator.",),
        "generator+background": ("sprites.generator.", "background."),
        "sprites": ("sprites.",),
        "everything": ("",),
    }[what]
    if what.startswith("generator") and not list(model.sprites.generator.parameters()):
        # without a generator (the ablation `pixels`) the codes are what it would draw
        chosen = ("sprites.codes", *chosen[1:])
    return {name: p for name, p in model.named_parameters() if name.startswith(chosen)}


def rate(options: AdaptOptions, step: int) -> float:
    """The learning rate of a step: full for two thirds of the steps, then down in a line."""
    left = 1 - step / options.steps
    return options.learning_rate * min(1.0, 3 * left)


def apply_difference(model: Typewriter, difference: Difference) -> Typewriter:
    """A copy of the reference with a difference added to it.

    Raises:
        RunError: If the difference is of another model.
    """
    adapted = copy.deepcopy(model)
    parameters = dict(adapted.named_parameters())
    with torch.no_grad():
        for name, change in difference.items():
            if name not in parameters or parameters[name].shape != change.shape:
                raise RunError(
                    f"the adapted parameter {name} does not fit the reference. Adapt again with "
                    "the reference that was used."
                )
            parameters[name].add_(change.to(parameters[name]))
    return adapted


def adapt_group(
    model: Typewriter,
    paper: Colour,
    images: Sequence[NDArray[np.uint8]],
    scenes: Sequence[Scene],
    targets: Sequence[Sequence[int]],
    options: AdaptOptions,
    start: Difference | None = None,
    tick: Callable[[], None] | None = None,
) -> Adapted:
    """Adapt the reference to some lines.

    Arguments:
        model: The reference, in evaluation mode; it is not changed.
        paper: Colour with which lines are padded.
        images: The lines at the model's height, each `(H, w, 3)`, 0 to 255.
        scenes: The same lines taken apart by the reference.
        targets: Letter indices of each line; only used if everything learns.
        options: What learns and how long.
        start: A difference to start from (that of the level above).
        tick: Called after every step.

    Raises:
        RunError: If the loss is no longer a number.
    """
    reference = model if start is None else apply_difference(model, start)
    learner = copy.deepcopy(reference).eval().requires_grad_(False)
    parameters = learning_parameters(learner, options.what)
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters.values(), lr=options.learning_rate)
    widths = np.array([image.shape[1] for image in images])
    losses = []
    batches = _endless(widths, options)
    for step in range(options.steps):
        chosen = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = rate(options, step)
        batch = make_batch(
            [images[i] for i in chosen], model.step, paper, [list(targets[i]) for i in chosen]
        )
        loss = _loss(learner, batch, [scenes[i] for i in chosen], options)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if not np.isfinite(losses[-1]):
            raise RunError(
                f"adapting diverged at step {len(losses)}: its loss became NaN or infinite. Lower "
                "--set learning_rate."
            )
        if tick is not None:
            tick()
    before = dict(model.named_parameters())
    difference = {
        name: (parameter.detach() - before[name]).half() for name, parameter in parameters.items()
    }
    # judged with what is kept, so that file and figures agree
    kept = apply_difference(model, difference)
    return Adapted(
        difference,
        _error(model, paper, images, scenes, options),
        _error(kept, paper, images, scenes, options),
        tuple(losses),
    )


def _endless(widths: NDArray[np.int64], options: AdaptOptions) -> Iterator[list[int]]:
    epoch = 0
    while True:
        generator = np.random.default_rng([options.seed, epoch])
        yield from width_batches(widths, options.batch_size, generator)
        epoch += 1


def _picture(
    model: Typewriter, batch: LineBatch, scenes: Sequence[Scene], options: AdaptOptions
) -> Tensor:
    joined = join_scenes(scenes)
    background = None
    if options.what == "generator+background" and joined.features is not None:
        background = torch.sigmoid(model.background(joined.features) + model.background_start)
    return paint(model, joined, model.sprites(), background)


def _loss(
    model: Typewriter, batch: LineBatch, scenes: Sequence[Scene], options: AdaptOptions
) -> Tensor:
    if options.what != "everything":
        picture = _picture(model, batch, scenes, options)
        return reconstruction_loss(picture, batch.images, batch.widths).mean()
    taken = model(batch, hard=True)
    loss = reconstruction_loss(taken.picture, batch.images, batch.widths).mean()
    if batch.targets is not None and batch.target_lengths is not None:
        config = model.config.loss
        logs = model.log_probabilities(taken.logits)
        text = text_loss(logs, batch.targets, taken.cells, batch.target_lengths, config)
        loss = loss + config.alignment_weight * text.mean()
    return loss


@torch.no_grad()
def _error(
    model: Typewriter,
    paper: Colour,
    images: Sequence[NDArray[np.uint8]],
    scenes: Sequence[Scene],
    options: AdaptOptions,
) -> float:
    """Mean reconstruction error over lines."""
    errors: list[float] = []
    for start in range(0, len(images), options.batch_size):
        chosen = range(start, min(start + options.batch_size, len(images)))
        batch = make_batch([images[i] for i in chosen], model.step, paper)
        if options.what == "everything":
            picture = model(batch, hard=True).picture
        else:
            picture = _picture(model, batch, [scenes[i] for i in chosen], options)
        errors += reconstruction_loss(picture, batch.images, batch.widths).tolist()
    return float(np.mean(errors))
