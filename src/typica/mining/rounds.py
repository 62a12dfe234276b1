r"""Draws by need: a first pass over all pictures, then rounds for those that can still win.

Of a label only the `per_label` best patches become elements (section 4.3.3), and a few draws show
of most pictures that they have none of them. So every picture gets a first block of draws. Then
patches are picked as they will be for the table; the score of the last that would be kept is the
label's *bar*. A picture gets its next block if a pick of its own reaches the bar,

    score + reach * standard error >= bar,

and stays as it is otherwise. Every round looks at all pictures again: scores picked among few
draws are too high, so bars fall, and a picture may come back. (Where all scores are equal, as of
the base `small` before training, everybody reaches the bar.) There are as many rounds as blocks.

    rounds/00/piece-00000.safetensors   first pass: block 0 of every picture of the piece
    rounds/bars-01.json                 the bars that decide round 1, from all maps of former rounds
    rounds/01/piece-00000.safetensors   the next block of its pictures that reach them, maybe none
    ...
    piece-00000.safetensors             the blocks of every picture joined (`maps.py`)

What a picture gets is a function of bars and of its own maps, and the draws of a block one of seed
and block: no result depends on batches, shards, or on where a job was interrupted. But bars are of
*all* pictures, so a round begins when the one before has ended in every shard. When all is joined
the blocks are removed and the bars stay, so that a piece that is lost can be made again.
"""

from __future__ import annotations

import contextlib
import heapq
import math
import shutil
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ..errors import RunError
from ..images.picture import PictureCollection
from .decided import read_decided, write_decided
from .elements import label_elements
from .folder import MiningAbout
from .maps import PictureMaps, piece_path, read_piece, skipped_of, write_piece
from .patches import patch_sides

__all__ = [
    "Bars",
    "Rounds",
    "Standing",
    "bars_of",
    "joined",
    "reaching",
    "read_bars",
    "round_settings",
    "standings",
    "write_bars",
]

Bars = dict[str, float | None]
"""Score of the last element of a label; None if it has fewer patches than elements are wanted."""


class Standing(NamedTuple):
    """Where a picture stands under one of its labels.

    Arguments:
        picture: Its index in the collection.
        label: One of its own.
        scores: Typicality of its picks, best first.
        upper: The greatest of score + reach * standard error among them.
    """

    picture: int
    label: str
    scores: tuple[float, ...]
    upper: float


def joined(parts: Sequence[PictureMaps]) -> PictureMaps:
    """Several blocks of draws of one picture as one: means over all draws.

    Group g of the result has the draws of the groups g of all parts. Its deviation is the mean of
    theirs, each weighing as many draws as it has, as everything here is linear.

    Arguments:
        parts: Of the same picture, labels and number of groups, each with its number of draws.
    """
    draws = np.array([part.draws for part in parts], np.float64)
    weights = draws / draws.sum()

    def mean(name: str) -> np.ndarray:
        arrays = (getattr(part, name).astype(np.float64) for part in parts)
        total = sum(weight * array for weight, array in zip(weights, arrays, strict=True))
        return np.asarray(total, np.float32)

    return replace(
        parts[0],
        typicality=mean("typicality"),
        groups=mean("groups"),
        null=mean("null"),
        information=None
        if any(part.information is None for part in parts)
        else np.maximum(mean("information"), 0),
        draws=int(draws.sum()),
    )


def standings(
    maps: PictureMaps, collection: PictureCollection, about: MiningAbout
) -> list[Standing]:
    """Where a picture stands under each of its labels; nothing of one without labels."""
    reach = about.config.typicality.reach
    found = []
    for label, kinds in label_elements(maps, collection, about, ("typical",)).items():
        picks = kinds["typical"]
        upper = max((one.typicality + reach * one.error for one in picks), default=-math.inf)
        found.append(Standing(maps.index, label, tuple(one.typicality for one in picks), upper))
    return found


def bars_of(all_standings: Iterable[Standing], per_label: int) -> Bars:
    """The score of the last element of every label, were the best taken now.

    Arguments:
        all_standings: Of all pictures, in any order.
        per_label: Elements that a label keeps.
    """
    best: dict[str, list[float]] = defaultdict(list)  # heaps of the greatest, the least on top
    for one in all_standings:
        heap = best[one.label]
        for score in one.scores:
            if len(heap) < per_label:
                heapq.heappush(heap, score)
            elif score > heap[0]:
                heapq.heapreplace(heap, score)
    return {
        label: heap[0] if len(heap) == per_label else None for label, heap in sorted(best.items())
    }


def reaching(some: Iterable[Standing], bars: Bars) -> set[int]:
    """Pictures that reach the bar of any of their labels."""
    return {one.picture for one in some if (bar := bars.get(one.label)) is None or one.upper >= bar}


def round_settings(about: MiningAbout) -> dict[str, Any]:
    """What decides who gets how many draws, as plain values; nothing where all get the same."""
    config, elements = about.config.typicality, about.config.elements
    if config.adaptive is None:
        return {}
    return {
        "adaptive": config.adaptive,
        "reach": config.reach,
        "elements": [
            list(patch_sides(about.config.size, elements)),
            elements.per_picture,
            elements.per_label,
            elements.contrast,
        ],
    }


def read_bars(path: Path, settings: dict[str, Any], labels: Sequence[str]) -> Bars | None:
    """The bars of a round, if they are known.

    Arguments:
        path: Of `bars-NN.json`.
        settings: What decides the round; the file must agree.
        labels: Of the run.

    Raises:
        RunError: If they are damaged, or of other settings.
    """

    def parse(given: dict[str, Any]) -> Bars:
        bars = {
            str(label): None if bar is None else float(bar) for label, bar in given["bars"].items()
        }
        if set(bars) - set(labels):
            raise ValueError("labels that the run has not")
        return bars

    return read_decided(path, path.parents[1], settings, parse)


def write_bars(path: Path, settings: dict[str, Any], bars: Bars) -> None:
    """Keep the bars of a round, in one step."""
    write_decided(path, settings, {"bars": bars})


class Rounds:
    """The blocks of draws of a job, in the folder of its maps.

    Arguments:
        out: The folder of the joined maps.
        collection: The pictures.
        about: The run.
        settings: What decides the maps (`score_settings`).
        show_progress: Show bars on standard error.
    """

    def __init__(
        self,
        out: Path,
        collection: PictureCollection,
        about: MiningAbout,
        settings: dict[str, Any],
        show_progress: bool = True,
    ) -> None:
        self.out, self.folder = out, out / "rounds"
        self.collection, self.about, self.plain = collection, about, settings
        self.show_progress = show_progress
        self.last = len(about.config.typicality.blocks) - 1
        self.pieces = range(-(-len(collection) // about.config.typicality.piece))

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """While at work; a folder that nothing came into is removed."""
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # not empty
                self.folder.rmdir()

    def blocks(self, number: int) -> Path:
        """The folder of a round, from 0."""
        return self.folder / f"{number:02d}"

    def settings(self, number: int) -> dict[str, Any]:
        """What decides the pieces of a round."""
        return {**self.plain, "round": number}

    def missing(self, number: int) -> list[int]:
        """Pieces of former rounds that the bars of a round need and that are not there."""
        if self._bars_path(number).exists():
            return []
        return [
            piece
            for piece in self.pieces
            if not all(piece_path(self.blocks(done), piece).exists() for done in range(number))
        ]

    def choose(self, number: int, pieces: Sequence[int]) -> dict[int, dict[int, int]]:
        """The pictures that get draws in a round: by piece, by index, which block.

        Arguments:
            number: Of the round, from 1; nothing may be missing for it.
            pieces: Those that are to be decided.

        Raises:
            RunError: If a file is damaged, or the bars are of other settings.
        """
        chosen: dict[int, dict[int, int]] = {piece: {} for piece in pieces}
        bars = read_bars(self._bars_path(number), self.settings(number), self.about.labels)
        have: dict[int, tuple[int, int]] = {}  # piece and number of blocks, by index
        own: list[Standing] = []

        def read(some: Iterable[int]) -> Iterator[Standing]:
            title = f"before round {number} of {self.last}"
            for piece in tqdm(some, title, unit="piece", disable=not self.show_progress):
                for parts in self._parts(piece, number):
                    found = standings(joined(parts), self.collection, self.about)
                    if piece in chosen:
                        have[parts[0].index] = (piece, len(parts))
                        own.extend(one._replace(scores=()) for one in found)
                    yield from found

        if bars is None:
            bars = bars_of(read(self.pieces), self.about.config.elements.per_label)
            write_bars(self._bars_path(number), self.settings(number), bars)
        else:
            deque(read(pieces), maxlen=0)
        for index in sorted(reaching(own, bars)):
            piece, blocks = have[index]
            if blocks <= self.last:
                chosen[piece][index] = blocks
        return chosen

    def join(self, piece: int) -> None:
        """Write a piece of the maps from all its blocks."""
        maps = [joined(parts) for parts in self._parts(piece, self.last + 1)]
        skipped = skipped_of(self.blocks(0), piece)
        write_piece(self.out, piece, maps, skipped, self.plain)

    def clear(self) -> None:
        """Remove the blocks, if the maps of all pieces are there; another shard may do it too."""
        if all(piece_path(self.out, piece).exists() for piece in self.pieces):
            for number in range(self.last + 1):
                shutil.rmtree(self.blocks(number), ignore_errors=True)

    def _parts(self, piece: int, rounds: int) -> list[list[PictureMaps]]:
        """The blocks of every picture of a piece from the first rounds, in order."""
        parts: dict[int, list[PictureMaps]] = defaultdict(list)
        for number in range(rounds):
            for one in read_piece(self.blocks(number), piece):
                if one.draws is None:
                    path = piece_path(self.blocks(number), piece)
                    raise RunError(
                        f"{path}: damaged (it does not say how many draws). Delete it and run "
                        "`typica mine score` again: only what is missing is computed."
                    )
                parts[one.index].append(one)
        return [parts[index] for index in sorted(parts)]

    def _bars_path(self, number: int) -> Path:
        return self.folder / f"bars-{number:02d}.json"
