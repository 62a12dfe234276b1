"""Reading a labelled picture collection in any of the known formats."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..errors import DataError
from ..listing import first_problem
from ..sources import Fault, Findings
from ..values import SPLIT_NAMES, Problem, Split, as_problem
from .decoding import decode, read_header
from .labels import binned, label_texts
from .options import PictureOptions
from .picture import Picture, PictureCollection
from .prompts import joined
from .readers.folders import has_labels, read_folders, walk
from .readers.hub import is_saved, read_datasets
from .readers.source import RawPicture, Reading, suffix
from .readers.table import TABLE_SUFFIXES, find_tables, is_metadata, read_table
from .splits import split_pictures

__all__ = ["MAX_ASPECT", "digest", "read_everything", "read_pictures"]

MAX_ASPECT = 10
"""A picture more elongated than this is set aside: at its working size it would be huge."""


_DEFAULTS = PictureOptions()


def read_pictures(path: Path | str, options: PictureOptions = _DEFAULTS) -> PictureCollection:
    """Read a labelled picture collection.

    - folders: `<label>/<file>`, or `<split>/<label>/<file>`;
    - a table (CSV, TSV, JSONL, Parquet) with a column of paths and one of labels, such as
      Hugging Face's `metadata.csv`;
    - a Hugging Face data set that was saved to disk, or by its id.

    In a folder, `auto` takes a table named `metadata.*` that has both columns (or any other, if
    a column is named in the options), else the folders as labels, else the only table that has
    both columns. No pixels are decoded, only headers
    are read, unless a file seems to end too early. A picture that cannot be used is set aside
    with a `Problem`, the rest goes on.

    Arguments:
        path: A folder, a table, or the id of a Hugging Face data set.
        options: How to read it.

    Returns:
        The usable pictures sorted by id, and what was set aside.

    Raises:
        DataError: If the path is bad, no format fits, or no picture can be used.
        DependencyError: If the format needs a package that is missing.
    """
    return read_everything(path, options)[0]


def read_everything(
    path: Path | str, options: PictureOptions
) -> tuple[PictureCollection, dict[str, int]]:
    """As `read_pictures`; beside it how many files are no pictures, by their ending."""
    root, reading = _read(path, options)
    pictures, problems = _make_pictures(reading, options)
    if not pictures:
        raise DataError(_nothing_left(root, problems, reading.ignored))
    return PictureCollection(root, tuple(pictures), tuple(problems)), dict(
        reading.ignored.most_common()
    )


def digest(collection: PictureCollection) -> str:
    """What tells this collection from others: the ids, labels, splits and sizes of its pictures.

    Returns:
        64 hexadecimal digits; the same on any machine and in any folder.
    """
    found = hashlib.sha256(b"typica pictures 1\n")
    for one in collection:
        row = [one.id, one.identity, one.split, one.width, one.height]
        found.update(json.dumps(row).encode() + b"\n")
    return found.hexdigest()


def _read(path: Path | str, options: PictureOptions) -> tuple[Path, Reading]:
    """The root of the collection, and what the reader of its format finds."""
    root = Path(path)
    try:
        there = root.exists()
    except (OSError, ValueError):
        there = False
    if options.format == "datasets":
        return root, read_datasets(str(path), options)
    if not there:
        raise DataError(
            f"{path}: no such file or folder. Give a folder of pictures or a table; for a data "
            "set of the Hugging Face hub choose format datasets."
        )
    if root.is_file():
        if options.format == "folders":
            raise DataError(f"{path}: a file, not a folder. Give the folder around the labels.")
        return root.parent, read_table(root, options)
    if options.format == "auto" and is_saved(root):
        return root, read_datasets(str(path), options)
    return root, _read_folder(root, options)


def _read_folder(root: Path, options: PictureOptions) -> Reading:
    tree = walk(root)
    if options.format == "folders":
        return read_folders(tree)
    tables = find_tables(tree, options)
    names = [name for name in tree.files.get((), []) if suffix(name) in TABLE_SUFFIXES]
    asked = options.label_column is not None or options.path_column is not None
    clear = bool(tables) and (asked or any(is_metadata(file) for file, _ in tables))
    # Without folders and tables, this tells of every picture that it has no label.
    if options.format == "auto" and not clear and (has_labels(tree) or not names):
        return read_folders(tree)
    if tables:
        reading = Reading()
        for file, split in tables:
            reading.add(_below(read_table(file, options, split), root, file.parent))
        return reading
    if len(names) == 1:
        return read_table(root / names[0], options)  # which tells what it lacks
    if names:
        raise DataError(
            f"{root}: none, or several, of its tables ({', '.join(names[:5])}) have paths and "
            "labels. Give the path of one table, and the names of its columns."
        )
    raise DataError(
        f"{root}: no table in it. Give a file that ends in {', '.join(TABLE_SUFFIXES)}."
    )


def _below(reading: Reading, root: Path, folder: Path) -> Reading:
    """What the table of an inner folder tells, with ids from the root."""
    if folder == root:
        return reading
    start = folder.relative_to(root).as_posix()
    pictures = [
        RawPicture(f"{start}/{raw.id}", raw.path, raw.label, raw.split, raw.source, raw.line)
        for raw in reading.pictures
    ]
    return Reading(reading.problems, pictures, reading.ignored)


@dataclass(frozen=True)
class _Usable:
    """A picture that only lacks its split."""

    raw: RawPicture
    labels: tuple[str, ...]
    given: Split | None
    width: int
    height: int


def _make_pictures(
    reading: Reading, options: PictureOptions
) -> tuple[list[Picture], list[Problem]]:
    """Check what the reader found, and give every picture its label, size and split."""
    problems = Findings(list(reading.problems))
    kept: dict[str, _Usable] = {}
    for raw in tqdm(
        reading.pictures, "reading pictures", unit="picture", delay=2.0, leave=False, disable=None
    ):
        try:
            if raw.id in kept:
                raise Fault("another picture has the same path", "Rename one of the two.")
            kept[raw.id] = _usable(raw, options, problems)
        except Fault as fault:
            problems.set_aside(raw.source, fault, raw.line)
        except DataError as error:
            problems.problems.append(as_problem(raw.path, error))
    usable = [kept[identity] for identity in sorted(kept)]
    splits = split_pictures(
        [one.raw.id for one in usable],
        [one.labels for one in usable],
        [one.given for one in usable],
        options.val,
        options.seed,
    )
    pictures = [
        Picture(
            one.raw.id,
            one.raw.path,
            joined(one.labels),
            split,
            one.width,
            one.height,
            one.labels,
        )
        for one, split in zip(usable, splits, strict=True)
    ]
    return pictures, problems.problems


def _usable(raw: RawPicture, options: PictureOptions, problems: Findings) -> _Usable:
    """Check one picture."""
    several = options.several or options.label_separator is not None
    labels = label_texts(raw.label, several, options.label_separator, options.unlabelled)
    if options.bin is not None:
        labels = tuple(dict.fromkeys(binned(label, options.bin) for label in labels))
    given: Split | None = None
    if raw.split is not None:
        name = str(raw.split).strip().lower()
        if name not in SPLIT_NAMES:
            raise Fault(f"unknown split {raw.split!r}", "Write train, val or test.")
        given = SPLIT_NAMES[name]
    header = read_header(raw.path)
    if max(header.width, header.height) > MAX_ASPECT * min(header.width, header.height):
        raise DataError(
            f"{raw.path}: {header.width} x {header.height} pixels is more elongated than "
            f"{MAX_ASPECT} to 1. Cut it into parts."
        )
    if options.verify or not header.complete:
        decode(raw.path)
    if header.more:
        problems.warn(
            raw.path,
            "holds more than one picture: only the first is read",
            "Save each as a file of its own, if the others belong to the collection too.",
        )
    return _Usable(raw, labels, given, header.width, header.height)


def _nothing_left(root: Path, problems: Sequence[Problem], ignored: Counter[str]) -> str:
    if not problems:
        others = f" (other files: {sum(ignored.values())})" if ignored else ""
        return (
            f"{root}: no picture in it{others}. Give a folder with one folder of pictures for "
            "every label, or a table with paths and labels; for a Hugging Face data set choose "
            "format datasets."
        )
    return f"{root}: no picture can be used. {first_problem(problems)}"
