"""Starting a training from a trained typewriter: what fits is carried over.

For a collection in a similar hand, for more lines of the same, and for letters that get more
sprites than before (`SpriteConfig.more`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .config import TypewriterConfig
from .model import Typewriter

__all__ = ["carry_over", "continued"]

_OF_SPRITES = ("sprites.codes", "selection.codes")
_OF_COLLECTION = ("background_start", "placer.ink", "encoder.paper")
"""Colours of the collection itself, not learned."""
_NOISE = 0.3
"""Of a new allograph's code, as a share of the spread of the codes: enough to break the tie."""


def continued(config: TypewriterConfig) -> TypewriterConfig:
    """A configuration without what only a beginning needs.

    The text is read already, so sprites are drawn from the first step, whole, and every character
    stands on one position.
    """
    return replace(
        config,
        sprites=replace(config.sprites, opening=max(config.sprites.opening, config.sprites.width)),
        loss=replace(config.loss, sharpen_from=0.0, sharpen_until=0.0),
        training=replace(config.training, warm_start=0),
    )


@torch.no_grad()
def carry_over(
    model: Typewriter,
    symbols: Sequence[str],
    source: Typewriter,
    source_symbols: Sequence[str],
    seed: int = 0,
) -> dict[str, int]:
    """Copy the weights of one typewriter into another, as far as they fit.

    A character that both have keeps its sprites. If it has more than before, each new one starts as
    its first with some noise on its code; without a text, sprites are taken by number.

    Arguments:
        model: To change.
        symbols: Its alphabet.
        source: To copy from.
        source_symbols: Its alphabet.
        seed: Of the noise.

    Returns:
        How many `tensors` and how many `sprites` were carried over.
    """
    generator = torch.Generator().manual_seed(seed)
    mine, theirs = model.state_dict(), source.state_dict()
    rows = _rows(model, symbols, source, source_symbols)
    tensors = 0
    for name, value in theirs.items():
        if name not in mine or name in _OF_COLLECTION:
            continue
        if name in _OF_SPRITES:
            if mine[name].shape[1:] != value.shape[1:]:
                continue
            _copy_rows(mine[name], value, rows, generator)
        elif mine[name].shape == value.shape:
            mine[name].copy_(value)
        else:
            continue
        tensors += 1
    return {"tensors": tensors, "sprites": len(rows)}


def _rows(
    model: Typewriter, symbols: Sequence[str], source: Typewriter, source_symbols: Sequence[str]
) -> dict[int, tuple[int, bool]]:
    """For every sprite the one that it starts from, and whether it is a further allograph."""
    known = {symbol: i for i, symbol in enumerate(source_symbols)}
    rows = {}
    for sprite, character in enumerate(model.variants.owner[:-1].tolist()):
        other = known.get(symbols[character], -1) if symbols else character
        if not 0 <= other < source.variants.characters:
            continue
        number = model.variants.number(sprite)
        more = number >= source.variants.counts[other]
        first = int(source.variants.first[other])
        rows[sprite] = (first if more else first + number, more)
    return rows


def _copy_rows(
    target: Tensor, value: Tensor, rows: dict[int, tuple[int, bool]], generator: torch.Generator
) -> None:
    spread = _NOISE * value.std()
    for sprite, (other, more) in rows.items():
        target[sprite] = value[other]
        if more:
            target[sprite] += spread * torch.randn(value.shape[1:], generator=generator)
