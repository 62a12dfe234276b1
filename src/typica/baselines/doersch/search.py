"""The best match of many templates in every picture, by matrix products, piece by piece.

The published re-implementation multiplies by broadcasting (21 GB for 64 templates and 16 pictures)
and does so twice. Here a picture's descriptors are one matrix, used for all templates at once;
of each picture only its best place is kept, and of all pictures only the best few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from .descriptors import windows
from .store import CellStore

__all__ = ["Matches", "joined", "search", "without_own"]

_TEMPLATES = 4096  # multiplied at a time
_SCORES = 2**23  # in memory at a time (of one picture at least)
_BATCH = 16  # pictures whose descriptors are in memory at a time


@dataclass(frozen=True)
class Matches:
    """The best pictures of every template, best first.

    Arguments:
        score: `(N, K)`; minus infinity where there are fewer pictures than K.
        picture: Their numbers, `(N, K)`; -1 where there is none.
        place: The best patch in each, `(N, K)`.
    """

    score: NDArray[np.float32]
    picture: NDArray[np.int64]
    place: NDArray[np.int64]


def search(
    templates: Tensor,
    store: CellStore,
    pictures: NDArray[np.int64],
    top: int,
    *,
    device: torch.device | None = None,
    title: str = "searching",
    show_progress: bool = True,
) -> Matches:
    """The `top` pictures where a template scores highest, one place in each.

    Arguments:
        templates: `(N, length)`; the score is the inner product with a patch's descriptor.
        store: Where to search.
        pictures: Numbers of the pictures to search in.
        top: How many are kept; all, where there are fewer.
        device: Where to multiply; None for the processor.
        title: Of the bar.
        show_progress: Show a bar on standard error.
    """
    device = device or torch.device("cpu")
    templates = templates.to(device, torch.float32)
    best = _Best(len(templates), top, device)
    numbers: list[int] = []
    scores: list[Tensor] = []
    places: list[Tensor] = []
    options = store.options
    bar = tqdm(
        total=len(np.unique(pictures)), desc=title, unit="picture", disable=not show_progress,
        leave=False,
    )  # fmt: skip
    with bar:
        for some, cells in _alike(store, pictures, min(len(templates), _TEMPLATES)):
            table = windows(cells.to(device), options.cells, options.step).T
            shape = (-1, len(some), table.shape[1] // len(some))
            found = [(part @ table).view(shape).max(2) for part in templates.split(_TEMPLATES)]
            numbers += some
            scores.append(torch.cat([one.values for one in found]))
            places.append(torch.cat([one.indices for one in found]))
            bar.update(len(some))
            if len(numbers) >= options.piece:
                best.add(numbers, scores, places)
                numbers, scores, places = [], [], []
    if numbers:
        best.add(numbers, scores, places)
    return best.matches()


def _alike(
    store: CellStore, pictures: NDArray[np.int64], templates: int
) -> Iterator[tuple[list[int], Tensor]]:
    """Consecutive pictures of one size together: their numbers and `(pictures, h, w, channels)`."""
    numbers: list[int] = []
    cells: list[Tensor] = []
    for number, one in store.each(pictures):
        patches = int(store.shapes[number].prod())
        most = min(_BATCH, max(1, _SCORES // (templates * patches)))
        if cells and (one.shape != cells[0].shape or len(cells) >= most):
            yield numbers, torch.stack(cells)
            numbers, cells = [], []
        numbers.append(number)
        cells.append(one)
    if cells:
        yield numbers, torch.stack(cells)


class _Best:
    """The best matches so far."""

    def __init__(self, count: int, top: int, device: torch.device) -> None:
        self.top = top
        self.score = torch.empty(count, 0, device=device)
        self.picture = torch.empty(count, 0, dtype=torch.int32, device=device)
        self.place = torch.empty(count, 0, dtype=torch.int32, device=device)

    def add(self, numbers: list[int], scores: list[Tensor], places: list[Tensor]) -> None:
        """Take in the best places of more pictures."""
        count = len(self.score)
        own = torch.tensor(numbers, dtype=torch.int32, device=self.score.device)
        score = torch.cat([self.score, torch.cat(scores, 1)], 1)
        picture = torch.cat([self.picture, own.expand(count, -1)], 1)
        place = torch.cat([self.place, torch.cat(places, 1).to(torch.int32)], 1)
        kept = min(self.top, score.shape[1])
        # a stable order: of equal scores, the picture with the lower number comes first
        order = torch.sort(score, dim=1, descending=True, stable=True).indices[:, :kept]
        self.score = score.gather(1, order)
        self.picture, self.place = picture.gather(1, order), place.gather(1, order)

    def matches(self) -> Matches:
        """All of them, filled up to `top`."""
        missing = self.top - self.score.shape[1]

        def filled(values: Tensor, value: float) -> NDArray[np.generic]:
            return torch.nn.functional.pad(values, (0, missing), value=value).cpu().numpy()

        return Matches(
            filled(self.score, -np.inf).astype(np.float32),
            filled(self.picture, -1).astype(np.int64),
            filled(self.place, 0).astype(np.int64),
        )


def joined(parts: list[Matches]) -> Matches:
    """Matches of consecutive groups of templates as one."""
    return Matches(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.picture for part in parts]),
        np.concatenate([part.place for part in parts]),
    )


def without_own(matches: Matches, own: NDArray[np.int64]) -> Matches:
    """Matches without those in each template's own picture, one fewer of every template.

    Arguments:
        matches: K of every template.
        own: The number of each template's picture, `(N,)`.

    Returns:
        K - 1 of every template: where the own picture is not among them, the last is dropped.
    """
    kept = matches.picture != own[:, None]
    kept[kept.all(1), -1] = False
    shape = (len(own), matches.score.shape[1] - 1)
    return Matches(
        matches.score[kept].reshape(shape),
        matches.picture[kept].reshape(shape),
        matches.place[kept].reshape(shape),
    )
