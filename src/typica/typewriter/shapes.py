"""Sprites that start as given pictures: the two shapes of a letter (Fig. 3.6d).

A second sprite that starts as a copy of the first stays one: both draw the mean of the two shapes,
and no position gains by the other. So the codes of both are first fitted to the shapes that were
seen among the letter's occurrences, g(z) to the picture, while p(z) stays as it was, because which
letter stands there is known already; only which of its shapes is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DataError, RunError
from ..runs import load_tensors, save_tensors
from .config import TypewriterConfig
from .model import Typewriter
from .sprites import Sprites

__all__ = ["fit_codes", "load_shapes", "more_sprites", "save_shapes", "start_as_shapes"]

Shapes = Mapping[str, Tensor]
"""For a character the pictures of its shapes, the more frequent first: `(L, h, w)`, opacity."""

_KIND = "letter shapes"


def save_shapes(path: Path, shapes: Shapes) -> None:
    """Write shapes of letters to one safetensors file."""
    tensors = {str(number): shape.float() for number, shape in enumerate(shapes.values())}
    save_tensors(path, tensors, {"kind": _KIND, "letters": list(shapes)})


def load_shapes(path: Path) -> dict[str, Tensor]:
    """Read what `save_shapes` wrote.

    Raises:
        RunError: If the file is missing, damaged, or holds something else.
    """
    tensors, about = load_tensors(path)
    letters = about.get("letters")
    if about.get("kind") != _KIND or not isinstance(letters, list):
        raise RunError(f"{path}: holds no shapes of letters. Run `typica palaeography allographs`.")
    shapes = {}
    for number, letter in enumerate(letters):
        shape = tensors.get(str(number))
        if not isinstance(letter, str) or shape is None or shape.ndim != 3 or len(shape) < 2:
            raise RunError(f"{path}: damaged. Run `typica palaeography allographs` again.")
        shapes[letter] = shape
    return shapes


def more_sprites(config: TypewriterConfig, shapes: Shapes) -> tuple[str, ...]:
    """`sprites.more` with which every letter has at least as many sprites as shapes."""
    has, more = config.sprites.allographs, list(config.sprites.more)
    for letter, pictures in shapes.items():
        more += [letter] * (len(pictures) - has - more.count(letter))
    return tuple(more)


def fit_codes(
    sprites: Sprites,
    codes: Tensor,
    pictures: Tensor,
    keys: torch.nn.Linear | None = None,
    *,
    steps: int = 300,
    rate: float = 0.02,
    hold: float = 0.02,
) -> Tensor:
    """Codes z with which g(z) is like given pictures and p(z) like that of the codes given.

    The generator is not changed. Minimised is the squared error of the pixels, relative to that of
    the codes given, plus `hold` times the squared change of p(z), relative to its size.

    Arguments:
        sprites: With the generator g.
        codes: To start from, `(L, latent)`.
        pictures: `(L, h, w)`, opacity in [0, 1].
        keys: p, if the selection shares the codes.
        steps: Of Adam.
        rate: Of Adam, in standard deviations of the codes given.
        hold: What a change of p(z) costs.

    Returns:
        `(L, latent)`.
    """
    with torch.no_grad():
        before = F.mse_loss(sprites.drawn(codes), pictures).clamp_min(1e-8)
        spread = sprites.codes.std().clamp_min(1e-6)
        known = keys(codes) if keys is not None else codes
        size = known.square().mean().clamp_min(1e-8)
    change = torch.zeros_like(codes, requires_grad=True)
    optimizer = torch.optim.Adam([change], lr=rate)
    for _ in range(steps):
        moved = codes + spread * change
        cost = F.mse_loss(sprites.drawn(moved), pictures) / before
        if keys is not None:
            cost = cost + hold * (keys(moved) - known).square().mean() / size
        (change.grad,) = torch.autograd.grad(cost, [change])
        optimizer.step()
    return (codes + spread * change).detach()


def start_as_shapes(
    model: Typewriter, symbols: Sequence[str], shapes: Shapes
) -> dict[str, tuple[float, float]]:
    """Let the sprites of some characters start as the shapes that were found.

    Arguments:
        model: To change; the characters have at least as many sprites as shapes.
        symbols: Its alphabet.
        shapes: By character; characters that it does not have are left out.

    Returns:
        For each of these characters the root mean squared difference to its shapes, before and
        after.

    Raises:
        DataError: If the shapes have another size than the sprites, or are more than the sprites.
    """
    sprites, variants = model.sprites, model.variants
    shared = model.selection.codes is None
    told = {}
    for letter, pictures in shapes.items():
        if letter not in symbols:
            continue
        number = symbols.index(letter)
        if len(pictures) > variants.counts[number]:
            raise DataError(
                f"{letter!r} has {len(pictures)} shapes, but {variants.counts[number]} sprite(s). "
                f"Name it in sprites.more."
            )
        rows = slice(first := int(variants.first[number]), first + len(pictures))
        start = sprites.codes.detach()[rows].clone()
        start[1:] = start[0]  # without the noise that a further sprite gets otherwise
        with torch.no_grad():
            drawn = sprites.drawn(start)
        if drawn.shape != pictures.shape:
            raise DataError(
                f"the shapes of {letter!r} have {_size(pictures)} pixels, the sprites "
                f"{_size(drawn)}. Take the shapes from a job on the same run."
            )
        pictures = pictures.to(drawn)
        codes = fit_codes(sprites, start, pictures, model.selection.network if shared else None)
        with torch.no_grad():
            sprites.codes[rows] = codes
            if not shared and model.selection.codes is not None:
                model.selection.codes[rows] = model.selection.codes[first].clone()
            after = sprites.drawn(codes)
        told[letter] = (_distance(drawn, pictures), _distance(after, pictures))
    return told


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean().sqrt())


def _size(pictures: Tensor) -> str:
    return "x".join(map(str, pictures.shape[1:]))
