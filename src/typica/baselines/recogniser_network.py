"""The network of the recogniser: convolutions down to a feature per 4 pixels, two bidirectional
LSTM layers, and a linear layer to the blank and the symbols.

References:
    An end-to-end trainable neural network for image-based sequence recognition (CRNN):
        https://arxiv.org/abs/1507.05717
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["BLANK", "STEP", "RecogniserNetwork", "needed_cells", "reversed_places"]

STEP = 4
"""Pixels between two features."""
BLANK = 0
"""The index of the blank; symbol i has index i + 1."""


_STRIDES = ((2, 2), (2, 2), (2, 1), (2, 1))
"""Down and across, of the four convolutions; across they make `STEP`."""


def needed_cells(target: list[int]) -> int:
    """How many features a text needs at least: one per symbol, one between equal neighbours."""
    return len(target) + sum(a == b for a, b in pairwise(target))


def reversed_places(lengths: Tensor, count: int) -> Tensor:
    """Where the entries of a reversed sequence come from, its padding left in place.

    Arguments:
        lengths: True lengths, `(B,)`.
        count: T, the padded length.

    Returns:
        Indices `(B, T)`: length - 1 ... 0, then what is beyond the length as it was.
    """
    places = torch.arange(count, device=lengths.device).expand(len(lengths), -1)
    turned = lengths[:, None] - 1 - places
    return torch.where(turned >= 0, turned, places)


class RecogniserNetwork(nn.Module):
    """From lines to the log-probabilities of blank and symbols at every feature.

    Everything beyond a line's own end is set to zero after every layer, so that its result
    cannot depend on the lines that share its batch.

    Arguments:
        symbols: How many there are.
        height: H in pixels, a multiple of 16.
        channels: Of the four convolutions.
        hidden: Size of an LSTM layer, per direction.
        dropout: Share of what goes into the LSTM layers, and comes out, dropped in training.
    """

    def __init__(
        self,
        symbols: int,
        height: int,
        channels: tuple[int, int, int, int],
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        inputs = (1, *channels[:3])
        # strides rather than pooling: half the time, and print is read as well
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride=stride, padding=1, bias=False)
            for i, o, stride in zip(inputs, channels, _STRIDES, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(count) for count in channels)
        sizes = (channels[-1] * (height // 16), 2 * hidden)
        self.forth = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.back = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden, symbols + 1)

    def cells(self, widths: Tensor) -> Tensor:
        """How many features lines of these widths have, `(B,)`."""
        return -(-widths // STEP)

    def features(self, ink: Tensor, widths: Tensor) -> Tensor:
        """Features of lines before the recurrent layers.

        Arguments:
            ink: `(B, 1, H, W)`, 0 for paper and about 1 for ink; W is a multiple of `STEP`.
            widths: True widths in pixels, `(B,)`.

        Returns:
            `(B, W / 4, D)`.
        """
        x = ink.contiguous(memory_format=torch.channels_last)
        columns = torch.arange(ink.shape[-1], device=ink.device)
        step = 1
        for convolution, norm, stride in zip(self.convolutions, self.norms, _STRIDES, strict=True):
            x = F.relu(norm(convolution(x)))
            step *= stride[1]
            inside = columns[: x.shape[-1]] * step < widths[:, None]
            x = x * inside[:, None, None]
        return x.permute(0, 3, 1, 2).flatten(2)

    def forward(self, ink: Tensor, widths: Tensor) -> Tensor:
        """Log-probabilities `(B, W / 4, symbols + 1)`; arguments as for `features`."""
        x = self.features(ink, widths)
        order = reversed_places(self.cells(widths), x.shape[1])[..., None]
        for forth, back in zip(self.forth, self.back, strict=True):
            x = self.dropout(x)
            # padding comes last on both ways: nothing of it is in the features of the line
            there = forth(x)[0]
            again = back(x.gather(1, order.expand_as(x)))[0]
            x = torch.cat((there, again.gather(1, order.expand_as(again))), -1)
        return F.log_softmax(self.output(self.dropout(x)), -1)
