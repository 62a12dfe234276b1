"""Typicality maps of a parallel set: every picture under the label that it stands for.

The real picture is scored under its own label, a translation under its target, by the scoring
job of a mining run (`scoring.py`): the set is presented to it as a collection of pictures. More
pictures may be translated later; those that are new then become a part of their own, with maps
of their own, so nothing is scored twice:

    maps/part-000/pictures.json           which source pictures, and what their rows were
    maps/part-000/piece-00000.safetensors maps, as in a mining run
    maps/part-001/...                     what was translated after part 0 was begun
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engines.engine import Engine
from ...errors import DAMAGE, RunError, reason
from ...files import write_json
from ...images.decoding import read_header
from ...images.picture import Picture, PictureCollection
from ..denoiser import Denoiser
from ..folder import MiningAbout
from ..maps import Skipped, read_maps
from ..scoring import ScoreResult, score
from .parallel import ParallelAbout, ParallelSequence, ParallelSet, Translation

__all__ = [
    "Part",
    "SequenceMaps",
    "parallel_collection",
    "plan_parts",
    "rows_digest",
    "score_parts",
    "sequence_maps",
]


@dataclass(frozen=True)
class Part:
    """Source pictures that are scored together.

    Arguments:
        folder: Of their maps.
        sequences: In the order of the set.
    """

    folder: Path
    sequences: tuple[ParallelSequence, ...]


@dataclass(frozen=True)
class SequenceMaps:
    """The maps of one source picture and its translations.

    Arguments:
        sequence: Which.
        typicality: T under each label of the set, `(C, h, w)`.
        groups: Deviations of the groups of draws, `(C, G, h, w)`.
        width: Of the pictures, in working pixels.
        height: Of the pictures, in working pixels.
    """

    sequence: ParallelSequence
    typicality: NDArray[np.float32]
    groups: NDArray[np.float32]
    width: int
    height: int


def parallel_collection(root: Path, sequences: Sequence[ParallelSequence]) -> PictureCollection:
    """A parallel set as a collection: each file a picture, its label the one it stands for.

    Arguments:
        root: Folder of the set; an id is a path in it.
        sequences: Source pictures.

    Returns:
        The pictures in the order of the sequences and, within one, of the labels: picture
        `s C + c` is sequence s under label c.

    Raises:
        DataError: If the first picture of a sequence cannot be read.
    """
    pictures: list[Picture] = []
    for one in sequences:
        header = read_header(one.files[one.source])  # all of a sequence have this size
        pictures += [
            Picture(
                path.relative_to(root).as_posix(),
                path,
                label,
                "train",
                header.width,
                header.height,
            )
            for label, path in one.files.items()
        ]
    return PictureCollection(root, tuple(pictures))


def rows_digest(about: ParallelAbout, rows: Iterable[Translation]) -> str:
    """What tells these translations from others of the same pictures.

    Arguments:
        about: What decides the set.
        rows: The translations.
    """
    told: list[Any] = [about.run["digest"], asdict(about.config), list(about.labels)]
    told += [asdict(row) for row in rows]
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()


def plan_parts(maps: Path, found: ParallelSet) -> list[Part]:
    """The parts that were begun, and one more for source pictures that are in none of them.

    Arguments:
        maps: Folder of the parts.
        found: The set.

    Raises:
        RunError: If there is no whole sequence, or a part was begun with other translations.
    """
    there = {one.index: one for one in found.sequences()}
    if not there:
        raise RunError(
            f"{found.folder.folder}: no picture is translated to all labels yet. Run "
            "`typica mine translate` first."
        )
    rows = found.by_picture()

    def digest_of(some: Sequence[int]) -> str:
        return rows_digest(found.about, (row for index in some for row in rows[index]))

    parts: list[Part] = []
    for file in sorted(maps.glob("part-*/pictures.json")):
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            indices, digest = [int(i) for i in values["sources"]], str(values["digest"])
        except DAMAGE as error:
            raise RunError(f"{file}: damaged ({reason(error)}). Delete {file.parent}.") from error
        if not set(indices) <= set(there) or digest_of(indices) != digest:
            raise RunError(
                f"{file.parent}: holds maps of other translations than the set holds now. Delete "
                "that folder to score anew."
            )
        parts.append(Part(file.parent, tuple(there[index] for index in indices)))
    known = {one.index for part in parts for one in part.sequences}
    new = [one for index, one in there.items() if index not in known]
    if new:
        folder = maps / f"part-{len(parts):03d}"
        indices = [one.index for one in new]
        write_json(folder / "pictures.json", {"digest": digest_of(indices), "sources": indices})
        parts.append(Part(folder, tuple(new)))
    return parts


def score_parts(
    denoiser: Denoiser,
    parts: Sequence[Part],
    root: Path,
    about: MiningAbout,
    *,
    shard: tuple[int, int] = (0, 1),
    show_progress: bool = True,
) -> list[ScoreResult]:
    """Score all parts; what is there is kept.

    Arguments:
        denoiser: The model that translated.
        parts: From `plan_parts`.
        root: Folder of the set.
        about: Of the mining run, `typicality.labels` being `own`.
        shard: (i, n): only the i-th of n parts of each, from 0.
        show_progress: Show bars on standard error.

    Returns:
        What was done, part by part.

    Raises:
        RunError: If there are maps of other settings.
    """
    return [
        score(
            denoiser,
            parallel_collection(root, part.sequences),
            about,
            part.folder,
            engine=Engine(shard=shard),
            bfloat16=about.config.typicality.bfloat16,
            show_progress=show_progress,
        )
        for part in parts
    ]


def sequence_maps(
    parts: Sequence[Part], labels: Sequence[str], factor: int
) -> Iterator[SequenceMaps | Skipped]:
    """The maps of every source picture, one after another.

    Arguments:
        parts: That were scored.
        labels: Of the set, C.
        factor: Pixels per cell.

    Returns:
        A sequence with its maps; or that it is left out, as one of its pictures has none.

    Raises:
        RunError: If pieces are missing or damaged.
    """
    for part in parts:
        waiting = dict(enumerate(part.sequences))
        held: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        for one in read_maps(part.folder):
            number, place = divmod(one.index, len(labels))
            if held and number * len(labels) > max(held):  # the last was not whole
                held.clear()
            held[one.index] = one.typicality[0], one.groups[0]
            if place == len(labels) - 1 and len(held) == len(labels):
                typicality = np.stack([held[index][0] for index in sorted(held)])
                groups = np.stack([held[index][1] for index in sorted(held)])
                height, width = (side * factor for side in typicality.shape[1:])
                yield SequenceMaps(waiting.pop(number), typicality, groups, width, height)
        for left in waiting.values():
            yield Skipped(
                left.index,
                left.picture,
                "one of its translations cannot be read. Remove its folder in the set and "
                "translate it again",
            )
