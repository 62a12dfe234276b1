"""One name for all formats: `read_lines` finds out what a folder holds and reads it.

References:
    PAGE XML: https://github.com/PRImA-Research-Lab/PAGE-XML
    ALTO: https://www.loc.gov/standards/alto/
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ..errors import ConfigError, DataError
from ..listing import first_problem
from ..sources import Fault, Findings
from ..values import SPLIT_NAMES, as_problem
from .images import has_more_pictures, image_size
from .line import Line, LineCollection, Problem
from .readers.detection import read_format
from .readers.source import RawLine, Reading
from .splits import document_of, split_documents
from .text import TextOptions

__all__ = ["LineFormat", "ReadingOptions", "read_lines"]

_WITH_MORE = frozenset({".tif", ".tiff", ".gif", ".webp"})

LineFormat = Literal["auto", "annotation", "pairs", "page", "alto", "folder"]


@dataclass(frozen=True)
class ReadingOptions:
    """How a data set is read.

    Arguments:
        text: How labels become symbols.
        format: The format of the data; `auto` finds out.
        margin: By how much the outline of a line on a page is widened, as a share of the height
            of the line.
        split: Shares of train, val and test, where the data names no split; they sum to 1.
        seed: Another seed deals the splits differently.
        document: A regular expression whose first group in the id of a line is its document;
            None for the rule in `typica.lines.splits.document_of`.
    """

    text: TextOptions = field(default_factory=TextOptions)
    format: LineFormat = "auto"
    margin: float = 0.05
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0
    document: str | None = None

    def __post_init__(self) -> None:
        if self.format not in get_args(LineFormat):
            known = ", ".join(get_args(LineFormat))
            raise ConfigError(f"format is {self.format!r}: give one of {known}.")
        if not 0 <= self.margin <= 1:
            raise ConfigError(f"margin is {self.margin}: give a share from 0 to 1.")
        good = len(self.split) == 3 and all(0 <= share <= 1 for share in self.split)
        if not (good and math.isclose(sum(self.split), 1, abs_tol=1e-6) and self.split[0] > 0):
            raise ConfigError(
                f"split is {self.split}: give three shares (train, val, test) that sum to 1, "
                "the first above 0."
            )
        if self.document is not None:
            try:
                re.compile(self.document)
            except re.error as error:
                raise ConfigError(
                    f"document is {self.document!r}: not a regular expression ({error})."
                ) from error


def read_lines(path: Path | str, options: ReadingOptions = ReadingOptions()) -> LineCollection:
    """Read the text lines of a data set in any of the known formats.

    - `annotation.json` with `images/` (the format of the Learnable Typewriter);
    - pairs `x.png` and `x.gt.txt`;
    - PAGE XML or ALTO with page images, from which the lines are cut;
    - bare line images without text.

    No pixels are decoded, only the headers of the images are read. A line that cannot be used is
    set aside with a `Problem`, the rest goes on.

    Arguments:
        path: The folder of the data set, or one file of it (JSON, XML, or an image).
        options: How to read it.

    Returns:
        The usable lines in the order of the files, and what was set aside.

    Raises:
        DataError: If the path is bad, no format fits, or no line can be used.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Give the folder of a data set.")
    root = path if path.is_dir() else path.parent
    reading = read_format(path, root, options.format, options.text, options.margin)
    lines, problems = _make_lines(reading, root, options)
    if not lines:
        raise DataError(_nothing_left(path, problems))
    return LineCollection(root, tuple(lines), tuple(problems))


def _nothing_left(path: Path, problems: Sequence[Problem]) -> str:
    if not problems:
        return f"{path}: no line in it. Check that this is the right folder."
    return f"{path}: no line can be used. {first_problem(problems)}"


def _make_lines(
    reading: Reading, root: Path, options: ReadingOptions
) -> tuple[list[Line], list[Problem]]:
    """Check what the reader found, and give every line its document and split."""
    problems = Findings(list(reading.problems))
    pattern = None if options.document is None else re.compile(options.document)
    sizes: dict[Path, tuple[int, int] | Fault] = {}
    kept: dict[str, RawLine] = {}
    for raw in reading.lines:
        try:
            if raw.id in kept:
                raise Fault("another line has the same id", "Rename one of the two images.")
            if raw.split is not None and raw.split.strip().lower() not in SPLIT_NAMES:
                raise Fault(f"unknown split {raw.split!r}", "Write train, val or test.")
            _check_image(raw, sizes)
        except Fault as fault:
            problems.set_aside(raw.source, fault, raw.id)
            continue
        kept[raw.id] = raw
    raws = list(kept.values())
    _warn_of_more_pictures(raws, problems)
    name = root.resolve().name
    documents = [document_of(raw.id, name, raw.document, pattern) for raw in raws]
    splits = _splits(raws, documents, options)
    lines = [
        Line(
            id=raw.id,
            path=raw.path,
            symbols=raw.symbols,
            split=split,  # type: ignore[arg-type]
            document=document,
            polygon=raw.polygon,
            glyphs=raw.glyphs,
            margin=raw.margin,
            place=raw.place,
            fields=raw.fields,
        )
        for raw, split, document in zip(raws, splits, documents, strict=True)
    ]
    return lines, problems.problems


def _warn_of_more_pictures(raws: Sequence[RawLine], problems: Findings) -> None:
    """Note the files of which only the first picture is read."""
    for path in dict.fromkeys(raw.path for raw in raws):
        if path.suffix.lower() in _WITH_MORE and has_more_pictures(path):
            problems.warn(
                path,
                "holds more than one picture: only the first is read",
                "Save each as a file of its own, if the others are lines or pages too.",
            )


def _splits(
    raws: Sequence[RawLine], documents: Sequence[str], options: ReadingOptions
) -> list[str]:
    """The splits as given; where some lines have none, they are for training."""
    if any(raw.split for raw in raws):
        return [SPLIT_NAMES[(raw.split or "train").strip().lower()] for raw in raws]
    return split_documents(documents, [raw.id for raw in raws], options.split, options.seed)


def _check_image(raw: RawLine, sizes: dict[Path, tuple[int, int] | Fault]) -> None:
    """Raise a `Fault` if the image has no readable header; every image is opened once."""
    size = sizes.get(raw.path)
    if size is None:
        try:
            size = image_size(raw.path)
        except DataError as error:
            problem = as_problem(raw.path, error)
            size = Fault(f"{raw.path.name}: {problem.message}", problem.remedy)
        sizes[raw.path] = size
    if isinstance(size, Fault):
        raise size
    if raw.polygon is not None:
        xs, ys = [x for x, _ in raw.polygon], [y for _, y in raw.polygon]
        if max(xs) <= 0 or max(ys) <= 0 or min(xs) >= size[0] or min(ys) >= size[1]:
            raise Fault(
                f"its outline lies outside the page ({size[0]} x {size[1]} pixels)",
                "Check that this is the image that the outline was drawn on.",
            )
