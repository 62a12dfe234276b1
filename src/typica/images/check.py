"""What a person needs to know of a picture collection before mining it."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tqdm import tqdm

from ..errors import ConfigError, DataError
from ..values import SPLITS, Problem, as_problem
from .check_report import USELESS, CheckReport, Duplicates, Spread
from .collection import read_everything
from .decoding import decode
from .options import PictureOptions
from .picture import Picture, PictureCollection
from .sizes import working_size

__all__ = ["CheckReport", "Duplicates", "Spread", "check", "check_pictures"]

_PLAIN = 1.5
"""Grey values that spread less than this (of 255) show nothing."""


def check(
    path: Path | str,
    options: PictureOptions | None = None,
    size: int = 512,
    factor: int = 8,
    least: int = 20,
) -> CheckReport:
    """Read a picture collection and check it before mining.

    Arguments:
        path: A folder, a table, or the id of a Hugging Face data set.
        options: How to read it; None for the defaults.
        size: Shorter side that pictures are worked on at, in pixels.
        factor: Pixels per cell of the codec.
        least: A label with fewer pictures than this is warned of.

    Returns:
        The report; a command exits with a status other than 0 unless it is `usable`.

    Raises:
        DataError: If no picture can be used at all.
        ConfigError: If size, factor or least is below 1.
    """
    collection, ignored = read_everything(path, options or PictureOptions())
    return check_pictures(collection, size, factor, least, ignored)


def check_pictures(
    collection: PictureCollection,
    size: int,
    factor: int,
    least: int = 20,
    ignored: dict[str, int] | None = None,
) -> CheckReport:
    """Check a collection before mining. Every picture is decoded once, one at a time.

    Arguments:
        collection: The pictures.
        size: Shorter side that pictures are worked on at, in pixels.
        factor: Pixels per cell of the codec.
        least: A label with fewer pictures than this is warned of.
        ignored: How many files are no pictures, by their ending.

    Returns:
        The report.

    Raises:
        ConfigError: If size, factor or least is below 1.
        DataError: If no picture can be decoded.
    """
    if min(size, factor, least) < 1:
        raise ConfigError(f"size {size}, factor {factor}, least {least}: each must be at least 1.")
    seen, plain, broken = _decoded(collection)
    kept = [picture for picture in collection if picture.id in seen]
    if not kept:
        raise DataError(
            f"{collection.root}: no picture can be decoded. {'; '.join(map(str, broken[:1]))}"
        )
    shapes = Counter(working_size(one.width, one.height, size, factor) for one in kept)
    labels = _labels(kept)
    duplicates = _duplicates(kept, seen)
    return CheckReport(
        root=collection.root,
        size=size,
        factor=factor,
        least=least,
        labels=labels,
        width=_spread([one.width for one in kept]),
        height=_spread([one.height for one in kept]),
        aspect=_spread([round(one.width / one.height, 3) for one in kept]),
        shapes={f"{w}x{h}": count for (w, h), count in _most_first(shapes)},
        enlarged=tuple(one.id for one in kept if min(one.width, one.height) < size),
        plain=tuple(one.id for one in kept if one.id in plain),
        duplicates=duplicates,
        ignored=dict(ignored or {}),
        problems=(*collection.problems, *broken),
        reasons=tuple(_reasons(labels)),
        notes=tuple(_notes(labels, len(shapes))),
        pictures={split: sum(one.split == split for one in kept) for split in SPLITS},
        several=sum(len(one.labels) > 1 for one in kept),
        unlabelled=sum(not one.labels for one in kept),
    )


def _decoded(collection: PictureCollection) -> tuple[dict[str, str], set[str], list[Problem]]:
    """By id what the bytes of every good file hash to; which are plain; what is damaged."""
    seen: dict[str, str] = {}
    plain: set[str] = set()
    broken: list[Problem] = []
    for one in tqdm(collection, "decoding", unit="picture", delay=2.0, leave=False, disable=None):
        try:
            try:
                data = one.path.read_bytes()
            except OSError as error:
                raise DataError(
                    f"{one.path}: cannot be read ({error.strerror or error}). Check the file."
                ) from error
            pixels = decode(io.BytesIO(data), one.path)
        except DataError as error:
            broken.append(as_problem(one.path, error))
            continue
        seen[one.id] = hashlib.sha256(data).hexdigest()
        step = max(1, min(pixels.shape[:2]) // 64)
        if float(pixels[::step, ::step].std(axis=(0, 1)).max()) < _PLAIN:
            plain.add(one.id)
    return seen, plain, broken


def _labels(pictures: Sequence[Picture]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {
        label: dict.fromkeys(SPLITS, 0)
        for label in sorted({label for one in pictures for label in one.labels})
    }
    for one in pictures:
        for label in one.labels:
            found[label][one.split] += 1
    return found


def _duplicates(pictures: Sequence[Picture], seen: dict[str, str]) -> tuple[Duplicates, ...]:
    groups: dict[str, list[Picture]] = {}
    for one in pictures:
        groups.setdefault(seen[one.id], []).append(one)
    return tuple(
        Duplicates(
            tuple(sorted(one.id for one in group)),
            tuple(sorted({one.label or "(no label)" for one in group})),
            tuple(split for split in SPLITS if any(one.split == split for one in group)),
        )
        for group in groups.values()
        if len(group) > 1
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(min(values), median(values), max(values))


def _most_first(shapes: Counter[tuple[int, int]]) -> list[tuple[tuple[int, int], int]]:
    return sorted(shapes.items(), key=lambda item: (-item[1], item[0]))


def _reasons(labels: dict[str, dict[str, int]]) -> list[str]:
    trained = [parts["train"] for parts in labels.values()]
    if not labels:
        return ["no picture has a label: is --unlabelled right?"]
    if not any(trained):
        return ["no picture is in train: give split train to some, or leave out all splits"]
    if max(trained) < USELESS:
        return [
            "no label has two training pictures: are the labels right? Numbers such as years "
            "can be binned (--bin 10)"
        ]
    return []


def _notes(labels: dict[str, dict[str, int]], shapes: int) -> list[str]:
    notes: list[str] = []
    if not labels:
        return notes
    if len(labels) == 1:
        notes.append("there is one label only: nothing to be typical against")
    if sum("|" in label for label in labels) > 1:
        notes.append("labels have | in them: are these several labels? (--label-separator '|')")
    same: dict[str, list[str]] = {}
    for label in labels:
        same.setdefault(label.casefold().replace("_", " "), []).append(label)
    notes += [
        f"these labels differ in capitals or underscores only: {', '.join(group)}"
        for group in same.values()
        if len(group) > 1
    ]
    if not any(parts["val"] for parts in labels.values()):
        notes.append("no picture is in val: the loss on pictures not trained on is not measured")
    counts = [sum(parts.values()) for parts in labels.values()]
    if max(counts) >= 10 * min(counts):
        notes.append(
            f"labels are very uneven ({min(counts)} to {max(counts)} pictures): the model learns "
            "frequent labels better, so compare typicality across labels with care"
        )
    if shapes > 50:
        notes.append(
            f"{shapes} working sizes: only pictures of one size are computed together, so this "
            "is slow; crop or pad them to a few sizes beforehand"
        )
    return notes
