"""The two baselines that learn sprites without texts: from lines to a reader.

The text of a line is used only afterwards, to name the sprites (`sprite_reader`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from ..errors import DataError
from ..hardware import fast_bfloat16
from ..lines.cache import LineCache
from ..runs import save_tensors
from ..typewriter.loading import Colour, LineLoader, collection_colours
from ..typewriter.model import LineBatch
from ..typewriter.pictures import sprite_sheet, write_png
from ..typewriter.storage import TypewriterAbout
from . import dti_objective, marionette_objective
from .dti import DTISprites
from .dti_options import DTIOptions
from .loop import LoopOptions, LoopResult, train_module
from .marionette import MarioNette
from .marionette_options import MarionetteOptions
from .run import Fitted, Session
from .sprite_reader import SpriteReader, name_lines, naming_lines

__all__ = ["fit_dti_sprites", "fit_marionette", "step_batch"]


def step_batch(loader: LineLoader, step: int, batch_size: int, seed: int) -> LineBatch:
    """The crops of a step (from 0): epoch after epoch, a function of (seed, step)."""
    per_epoch = -(-len(loader) // batch_size)
    epoch, place = divmod(step, per_epoch)
    return loader.batch(loader.epoch(epoch, batch_size, seed)[place], (seed, step))


def _loader(cache: LineCache, options: DTIOptions | MarionetteOptions, paper: Colour) -> LineLoader:
    """The training lines, in random crops, without their texts."""
    lines = cache.collection.lines
    chosen = [i for i, line in enumerate(lines) if line.split == "train"]
    if not chosen:
        raise DataError(
            f"{cache.collection.root}: no usable training line. `typica lines check` says why."
        )
    crop = round(options.crop * options.height)
    return LineLoader(cache, chosen, (), options.step, paper, crop)


def fit_dti_sprites(
    options: DTIOptions, naming: int | None, cache: LineCache, session: Session
) -> Fitted:
    """Train the DTI-Sprites baseline and name its sprites; a `typica.baselines.run.Fit`.

    Arguments:
        options: Everything that decides it.
        naming: How many transcribed training lines name the sprites; None for the first tenth.
        cache: The lines at `options.height`.
        session: Where and how long to train.

    Raises:
        DataError: If there are no training lines, or not enough transcribed ones.
    """
    naming_lines(cache.collection.lines, naming)  # before the training: told late it costs hours
    paper, ink = collection_colours(cache)
    loader = _loader(cache, options, paper)
    torch.manual_seed(options.seed)
    model = DTISprites(options, paper, ink)
    if options.start == "crops":
        size = model.sprites.shape
        pieces = dti_objective.ink_pieces(loader, options.sprites, size, ink, options.seed)
        model.sprites.start_from(pieces)
    model.to(session.device)
    autocast = fast_bfloat16(session.device)

    def loss(step: int, total: int) -> dict[str, Tensor]:
        batch = step_batch(loader, step, options.batch_size, options.seed).to(session.device)
        return dti_objective.objective(model, batch, step, total, autocast)

    def after(step: int, total: int, optimizer: torch.optim.Optimizer) -> None:
        dti_objective.reassign(model, optimizer, step + 1, total)

    training = train_module(
        session.run,
        model,
        loss,
        LoopOptions(options.steps, options.learning_rate, clip=options.clip),
        session.key,
        groups=dti_objective.parameter_groups(model),
        after=after,
        max_minutes=session.max_minutes,
        show_progress=session.show_progress,
    )
    return _finish(model, training, cache, session, naming, (paper, ink))


def fit_marionette(
    options: MarionetteOptions, naming: int | None, cache: LineCache, session: Session
) -> Fitted:
    """Train the MarioNette baseline and name its sprites; a `typica.baselines.run.Fit`.

    Arguments and errors as for `fit_dti_sprites`.
    """
    naming_lines(cache.collection.lines, naming)
    paper, ink = collection_colours(cache)
    loader = _loader(cache, options, paper)
    torch.manual_seed(options.seed)
    model = MarioNette(options, paper, ink).to(session.device)
    autocast = fast_bfloat16(session.device)

    def loss(step: int, total: int) -> dict[str, Tensor]:
        batch = step_batch(loader, step, options.batch_size, options.seed).to(session.device)
        return marionette_objective.objective(model, batch, step, total, autocast)

    training = train_module(
        session.run,
        model,
        loss,
        LoopOptions(options.steps, options.learning_rate, options.weight_decay, clip=options.clip),
        session.key,
        max_minutes=session.max_minutes,
        show_progress=session.show_progress,
    )
    return _finish(model, training, cache, session, naming, (paper, ink))


def _finish(
    model: DTISprites | MarioNette,
    training: LoopResult,
    cache: LineCache,
    session: Session,
    naming: int | None,
    colours: tuple[Colour, Colour],
) -> Fitted:
    """Name the sprites of a trained model; write the weights and a picture of the sprites."""
    paper, ink = colours
    about = TypewriterAbout(model.config, (), paper, ink, {}, {}, None, {})
    model.eval()
    reader = SpriteReader(model, about)
    plain: dict[str, Any] = {"paper": list(paper), "ink": list(ink)}
    if not training.finished:
        return Fitted(reader, training, plain)
    named = name_lines(reader, model.options.sprites, cache, naming, progress=session.show_progress)
    plain["naming"] = named.as_dict()
    digits = len(str(model.options.sprites))
    captions = [
        "".join(name) or f"({number:0{digits}d})"
        for number, name in enumerate(named.naming.names, start=1)
    ]
    masks = model.sprites().detach().cpu().numpy()
    write_png(session.run.folder / "alphabet.png", sprite_sheet(masks, captions))
    description = {**plain, "kind": "baseline", "options": asdict(model.options)}
    save_tensors(session.run.model, model.state_dict(), description)
    return Fitted(SpriteReader(model, about, named), training, plain)
