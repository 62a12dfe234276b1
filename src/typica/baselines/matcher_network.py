r"""The matcher's network: columns of a line against columns of exemplars, then scores.

Everything is a function of pairs (line, character) and of sums and maxima over the characters,
so that another order of the characters gives the same scores in another order, and characters
that the training never saw are as good as others. Beyond a line's end all features are zero, as
they are beyond any picture's edge, so that padding changes nothing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .matcher_options import MatcherOptions

__all__ = ["COLUMN", "Matcher", "diagonals", "line_columns", "match_statistics"]

COLUMN = 2
"""Pixels of a column."""

_SHARPNESS = 8.0  # of the soft minimum over the columns of an exemplar
_STATISTICS = 6
_TEMPLATE = 20.0  # first weight of a character's mean cosine above that of all
_NONE = 5.0  # first score of none: log of some 30 characters, and of some 5 columns a glyph


def line_columns(width: int) -> int:
    """How many columns a picture of this width in pixels has."""
    return -(-width // COLUMN)


def _even(features: Tensor) -> Tensor:
    """Every position's channels brought to one size; depends on no other position."""
    return features * torch.rsqrt(features.square().mean(1, keepdim=True) + 1e-2)


class _Residual(nn.Module):
    """A 3 x 3 convolution added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return (features + self.conv(F.relu(_even(features)))) * mask


class ColumnEncoder(nn.Module):
    """From pictures to one vector of length 1 for every column of two pixels."""

    def __init__(self, options: MatcherOptions) -> None:
        super().__init__()
        one, two, three = (options.channels * i for i in (1, 2, 3))
        self.start = nn.Conv2d(1, one, 5, stride=COLUMN, padding=2)
        self.halve = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=(2, 1), padding=1) for a, b in ((one, two), (two, three))
        )
        self.residual = nn.ModuleList(_Residual(c) for c in (one, two, three))
        self.out = nn.Linear(three * (options.height // 8), options.features)

    def forward(self, ink: Tensor, mask: Tensor) -> Tensor:
        """Encode pictures.

        Arguments:
            ink: `(N, H, W)`, W even, 0 (paper) to 1; zero from the width of each on.
            mask: `(N, W / 2)`, 1 for the columns of the picture, 0 for padding.

        Returns:
            `(N, W / 2, features)`, each vector of length 1, or 0 in the padding.
        """
        wide = mask[:, None, None, :]
        features = self.start(ink[:, None]) * wide
        features = self.residual[0](features, wide)
        for halve, residual in zip(self.halve, list(self.residual)[1:], strict=True):
            features = halve(F.relu(_even(features))) * wide
            features = residual(features, wide)
        flat = F.relu(_even(features)).flatten(1, 2).transpose(1, 2)
        return F.normalize(self.out(flat), dim=-1) * mask[:, :, None]


def diagonals(similarity: Tensor) -> Tensor:
    """Similarities along the diagonals: an exemplar laid on a line at every place.

    Arguments:
        similarity: `(..., J, T + J - 1)`: exemplar columns against the columns of a line that
            was lengthened by (J - 1) / 2 at both ends.

    Returns:
        `(..., J, T)`; `[j, t]` is `similarity[j, t + j]`.
    """
    *lead, count, length = similarity.shape
    flat = F.pad(similarity.flatten(-2), (0, count))
    return flat.view(*lead, count, length + 1)[..., : length - count + 1]


def match_statistics(lines: Tensor, exemplars: Tensor, held: Tensor) -> Tensor:
    """How well every exemplar agrees with a line at every place.

    Arguments:
        lines: Unit vectors of columns, `(B, T, D)`; zero beyond the end of a line.
        exemplars: Unit vectors of columns, `(M, J, D)`, J odd.
        held: `(M, J)`, 1 for the columns that hold a part of the glyph.

    Returns:
        `(B, M, 6, T)` for the exemplar's middle at column t: the mean of its columns' cosines,
        those of its left, middle and right, their soft minimum, and a constant: the logarithm
        of its width in columns, divided by 3.
    """
    count = exemplars.shape[1]
    reach = (count - 1) // 2
    similarity = torch.einsum("btd,mjd->bmjt", lines, exemplars)
    exact = diagonals(F.pad(similarity, (reach, reach)))
    weights = _place_weights(held)
    means = torch.einsum("bmjt,mjf->bmft", exact, weights)
    few = torch.einsum("bmjt,mj->bmt", torch.exp(-_SHARPNESS * exact), weights[..., 0])
    least = -torch.log(few) / _SHARPNESS
    size = (torch.log(held.sum(1)) / 3)[None, :, None, None]
    size = size.expand(len(lines), -1, 1, means.shape[-1])
    return torch.cat([means, least[:, :, None], size], 2)


def _place_weights(held: Tensor) -> Tensor:
    """Weights `(M, J, 4)` of the columns for the means of all, left, middle and right."""
    held = held.float()
    number = held.cumsum(1) - 1
    where = number / (held.sum(1, keepdim=True) - 1).clamp_min(1)
    parts = [(1 - 2 * where).clamp_min(0), 1 - (2 * where - 1).abs(), (2 * where - 1).clamp_min(0)]
    weights = torch.stack([torch.ones_like(where), *(part + 1e-3 for part in parts)], -1)
    weights = weights * held[..., None]
    return weights / weights.sum(1, keepdim=True)


class Matcher(nn.Module):
    """Scores of every character, and of none, at every column of a line."""

    def __init__(self, options: MatcherOptions) -> None:
        super().__init__()
        self.options = options
        hidden = options.hidden
        self.encoder = ColumnEncoder(options)
        self.first = nn.Conv1d(_STATISTICS, hidden, 5, padding=2)
        self.others = nn.Conv1d(2 * hidden, hidden, 1)
        self.second = nn.Conv1d(hidden, hidden, 3, padding=1)
        self.score = nn.Conv1d(hidden, 1, 1)
        self.line = nn.Conv1d(options.features, hidden, 3, padding=1)
        self.none = nn.Conv1d(hidden, 1, 1)
        # template matching from the first step on: the encoder learns at once what to compare
        self.template = nn.Parameter(torch.tensor(_TEMPLATE))
        # most columns hold no middle: dozens of equal scores would outvote an equal one for none
        nn.init.constant_(self.none.bias, _NONE)  # type: ignore[arg-type]

    def encode(self, ink: Tensor, columns: Tensor) -> Tensor:
        """Encode pictures `(N, H, W)` that have these many columns each; see the encoder."""
        places = torch.arange(ink.shape[2] // COLUMN, device=ink.device)
        return self.encoder(ink, (places < columns[:, None]).float())

    def encode_exemplars(self, canvas: Tensor, held: Tensor) -> Tensor:
        """Encode exemplars as `on_canvas` sets them.

        Arguments:
            canvas: `(M, H, 2 J)`.
            held: `(M, J)`, which columns hold a part of the glyph. One more on either side is
                seen as paper and nothing beyond, so that J does not matter.

        Returns:
            `(M, J, features)`.
        """
        near = F.max_pool1d(held.float()[:, None], 3, 1, 1)[:, 0]
        return self.encoder(canvas, near)

    def forward(
        self,
        lines: Tensor,
        columns: Tensor,
        exemplars: Tensor,
        held: Tensor,
        owner: Tensor,
        characters: int,
    ) -> Tensor:
        """Match.

        Arguments:
            lines: Encoded lines, `(B, T, D)`.
            columns: How many columns each has, `(B,)`.
            exemplars: Encoded exemplars, `(M, J, D)`.
            held: `(M, J)`, which of their columns hold a part of the glyph.
            owner: `(M,)`, the character of each, from 0.
            characters: How many characters there are, K; each has an exemplar.

        Returns:
            Logits `(B, K + 1, T)`: that the middle of a glyph stands in this column, by
            character; the last is none. Exemplars of one character are averaged in score.
        """
        found = match_statistics(lines, exemplars, held)
        batch, length = found.shape[0], found.shape[3]
        share = torch.zeros(characters, len(owner), device=found.device)
        share[owner, torch.arange(len(owner), device=found.device)] = 1.0
        share = share / share.sum(1, keepdim=True)
        found = torch.einsum("km,bmft->bkft", share, found)
        mask = (torch.arange(length, device=found.device) < columns[:, None]).float()
        inside = mask[:, None, None, :]
        own = F.relu(self.first((found * inside).flatten(0, 1)))
        own = own.view(batch, characters, -1, length) * inside
        whole = self.others(torch.cat([own.amax(1), own.mean(1)], 1)) * mask[:, None]
        mixed = self.second(own.flatten(0, 1)).view_as(own) + whole[:, None]
        scores = self.score(F.relu(mixed).flatten(0, 1)).view(batch, characters, length)
        agreement = found[:, :, 0]
        scores = scores + self.template * (agreement - agreement.mean(1, keepdim=True))
        seen = self.line(lines.transpose(1, 2)) + whole
        return torch.cat([scores, self.none(F.relu(seen))], 1)
