"""Training of the matcher: episodes as tensors, and the loss of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..lines.exemplars import Exemplar
from ..lines.fonts import Font
from .matcher_exemplars import canvas_columns, on_canvas
from .matcher_lines import Episode, Sheet, make_episode, make_sheet
from .matcher_network import COLUMN, Matcher, line_columns
from .matcher_options import MatcherOptions

__all__ = [
    "Alphabet",
    "encode_alphabet",
    "episode_loss",
    "step_loss",
    "targets_of",
    "to_batch",
    "two_part_loss",
]

_IGNORE = -100


@dataclass(frozen=True)
class Alphabet:
    """The exemplars of an alphabet, encoded.

    Arguments:
        symbols: The characters.
        columns: `(M, J, D)`, the encoded exemplars.
        held: `(M, J)`, which columns hold a part of the glyph.
        owner: `(M,)`, index into `symbols`.
    """

    symbols: tuple[str, ...]
    columns: Tensor
    held: Tensor
    owner: Tensor


def encode_alphabet(
    model: Matcher, symbols: Sequence[str], exemplars: Sequence[Exemplar], device: torch.device
) -> Alphabet:
    """Encode exemplars.

    Arguments:
        model: The matcher.
        symbols: The characters, in any order; each has an exemplar.
        exemplars: In any order.
        device: Where the matcher is.
    """
    number = {symbol: i for i, symbol in enumerate(symbols)}
    canvas, held = on_canvas(exemplars, canvas_columns(exemplars, model.options.longest))
    mask = torch.from_numpy(held).to(device)
    owner = torch.tensor([number[one.symbol] for one in exemplars], device=device)
    columns = model.encode_exemplars(torch.from_numpy(canvas).to(device), mask)
    return Alphabet(tuple(symbols), columns, mask, owner)


def to_batch(lines: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Lines of one height, padded on the right with paper.

    Arguments:
        lines: `(H, w)` each, 0 for paper.

    Returns:
        `(B, H, W)` with W even, and the number of columns of each, `(B,)`.
    """
    columns = [line_columns(line.shape[1]) for line in lines]
    out = np.zeros((len(lines), lines[0].shape[0], COLUMN * max(columns)), np.float32)
    for row, line in zip(out, lines, strict=True):
        row[:, : line.shape[1]] = line
    return torch.from_numpy(out), torch.tensor(columns)


def targets_of(episode: Episode, length: int) -> Tensor:
    """Which character has its middle in which column.

    Arguments:
        episode: Lines and the places of their glyphs.
        length: Columns of the batch.

    Returns:
        `(B, length)`: the index of a character; their number for none; -100 in the padding and
        in the second-nearest column of a middle, where either answer is right.
    """
    count = len(episode.symbols)
    out = torch.full((len(episode.lines), length), _IGNORE)
    for row, line, glyphs in zip(out, episode.lines, episode.places, strict=True):
        row[: line_columns(line.shape[1])] = count
        for _, middle in glyphs:
            near = int(middle // COLUMN)
            other = near + (1 if middle / COLUMN - near >= 0.5 else -1)
            if 0 <= other < length and row[other] == count:
                row[other] = _IGNORE
        for index, middle in glyphs:
            # a glyph without exemplar is none of the characters
            row[min(length - 1, int(middle // COLUMN))] = count if index < 0 else index
    return out


def two_part_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Whether a glyph's middle is in a column, and which character it is where there is one.

    The two add up to the cross-entropy of all in one, but for their weights: most columns hold no
    middle, and in one mean over all columns the characters would count for little.

    Arguments:
        logits: `(B, K + 1, T)`, the last for none.
        targets: `(B, T)`, as `targets_of` makes them.

    Returns:
        The mean cross-entropy of the first over all columns that count, plus that of the second
        over those with a middle.
    """
    none = logits.shape[1] - 1
    counts, there = targets != _IGNORE, (targets >= 0) & (targets < none)
    lead = logits[:, :-1].logsumexp(1) - logits[:, -1]
    presence = F.binary_cross_entropy_with_logits(lead[counts], there[counts].float())
    chosen = logits[:, :-1].transpose(1, 2)[there]
    if not len(chosen):
        return presence
    return presence + F.cross_entropy(chosen, targets[there])


def episode_loss(model: Matcher, episode: Episode, device: torch.device) -> Tensor:
    """The loss of an episode; see `two_part_loss`.

    Arguments:
        model: The matcher.
        episode: The task.
        device: Where the matcher is.
    """
    ink, columns = to_batch(episode.lines)
    columns = columns.to(device)
    lines = model.encode(ink.to(device), columns)
    alphabet = encode_alphabet(model, episode.symbols, episode.exemplars, device)
    logits = model(
        lines, columns, alphabet.columns, alphabet.held, alphabet.owner, len(episode.symbols)
    )
    targets = targets_of(episode, logits.shape[2]).to(device)
    return two_part_loss(logits, targets)


def step_loss(
    model: Matcher, fonts: Sequence[Font], options: MatcherOptions, device: torch.device
) -> Callable[[int, int], dict[str, Tensor]]:
    """The loss of a step, for `loop.train_module`.

    Arguments:
        model: The matcher.
        fonts: The types to train on.
        options: Sizes and the seed.
        device: Where the matcher is.

    Returns:
        A function of the step and the plan, of which the plan does not matter.
    """

    @lru_cache(maxsize=options.sheets)
    def sheet(number: int) -> Sheet:
        return make_sheet(fonts, options, number)

    @lru_cache(maxsize=2)
    def order(round_: int) -> NDArray[np.int64]:
        return np.random.default_rng([options.seed, 0x0DE2, round_]).permutation(options.sheets)

    def loss(step: int, total: int) -> dict[str, Tensor]:
        terms = []
        for part in range(options.episodes):
            round_, place = divmod(step * options.episodes + part, options.sheets)
            episode = make_episode(
                sheet(int(order(round_)[place])),
                options,
                (options.seed, 0xE915, step, part),
                options.lines,
            )
            terms.append(episode_loss(model, episode, device))
        return {"loss": torch.stack(terms).mean()}

    return loss
