"""What a person needs to know of a data set before training on it."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import ConfigError, DataError
from ..listing import conclusion, cut, problem_sections, section
from ..values import as_problem
from .collection import ReadingOptions, read_lines
from .images import decoding_order, line_image, resized_width
from .line import SPLITS, Line, LineCollection, Problem
from .text import clusters

__all__ = [
    "RARE",
    "CheckReport",
    "NarrowLine",
    "SymbolCount",
    "check",
    "check_lines",
    "positions_needed",
    "positions_of",
]

RARE = 5
"""A symbol that occurs less often in train is rare: its sprite will hardly be learned."""


@dataclass(frozen=True)
class SymbolCount:
    """How often a symbol occurs.

    Arguments:
        symbol: The symbol.
        train: Occurrences in train.
        val: Occurrences in val.
        test: Occurrences in test.
        code_points: Its code points, as `U+0041`, separated by spaces.
        name: Its Unicode names; `token` for a symbol that is a name of several characters.
    """

    symbol: str
    train: int
    val: int
    test: int
    code_points: str
    name: str


@dataclass(frozen=True)
class NarrowLine:
    """A line whose picture is too narrow for its text at the model's step.

    Arguments:
        id: The line.
        split: Its split.
        width: Its width in pixels at the model's height.
        positions: Positions that the model has on it.
        letters: Letters of its text: with fewer positions it can never be read.
        needed: Positions that the classical CTC needs: one more between two equal letters.
    """

    id: str
    split: str
    width: int
    positions: int
    letters: int
    needed: int

    @property
    def impossible(self) -> bool:
        """True if there is not even one position per letter."""
        return self.positions < self.letters


@dataclass(frozen=True)
class CheckReport:
    """What `check_lines` found.

    Arguments:
        root: The data folder.
        height: The model's line height in pixels.
        step: The model's step in pixels at that height.
        splits: For every split `lines`, `labelled` (lines with text) and `symbols`.
        documents: For every document the lines in each split.
        symbols: All symbols, the most frequent first.
        narrow: Lines too narrow for their text.
        problems: What the readers and the decoding of the images found.
        reasons: Why training could not run; empty if it could.
        notes: What else is worth knowing.
    """

    root: Path
    height: int
    step: float
    splits: dict[str, dict[str, int]]
    documents: dict[str, dict[str, int]]
    symbols: tuple[SymbolCount, ...]
    narrow: tuple[NarrowLine, ...]
    problems: tuple[Problem, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def trainable(self) -> bool:
        """True if training could run."""
        return not self.reasons

    @property
    def missing_from_train(self) -> tuple[SymbolCount, ...]:
        """Symbols of val and test that train does not have: they can never be read."""
        return tuple(one for one in self.symbols if not one.train)

    @property
    def rare(self) -> tuple[SymbolCount, ...]:
        """Symbols that train has, but fewer than `RARE` times."""
        return tuple(one for one in self.symbols if 0 < one.train < RARE)

    def as_dict(self) -> dict[str, Any]:
        """The whole report in plain values, for JSON."""
        return {
            "root": str(self.root),
            "height": self.height,
            "step": self.step,
            "trainable": self.trainable,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
            "splits": self.splits,
            "documents": self.documents,
            "symbols": [asdict(one) for one in self.symbols],
            "missing_from_train": [one.symbol for one in self.missing_from_train],
            "rare": [one.symbol for one in self.rare],
            "narrow": [{**asdict(one), "impossible": one.impossible} for one in self.narrow],
            "problems": [one.as_dict() for one in self.problems],
        }

    def lines(self) -> list[str]:
        """The report as lines of text for a terminal; long lists are cut short."""
        out = [f"{self.root}", "", f"{'split':<8}{'lines':>8}{'with text':>11}{'letters':>10}"]
        for split, counts in self.splits.items():
            out.append(
                f"{split:<8}{counts['lines']:>8}{counts['labelled']:>11}{counts['symbols']:>10}"
            )
        out += ["", f"documents: {len(self.documents)}"]
        rows = [
            f"  {name}: " + ", ".join(f"{count} {split}" for split, count in counts.items())
            for name, counts in self.documents.items()
        ]
        out += cut(rows)
        out += ["", f"symbols: {len(self.symbols)} (occurrences in train, val, test)"]
        out += [_row(one) for one in self.symbols]
        out += section(
            "in val or test but not in train (can never be read)",
            [_row(one) for one in self.missing_from_train],
        )
        if self.rare:
            names = " ".join(_visible(one.symbol) for one in self.rare)
            out += ["", f"fewer than {RARE} times in train: {len(self.rare)}", f"  {names}"]
        out += section(
            f"too narrow for their text at height {self.height} and step {self.step:g}",
            [
                f"  {one.id} ({one.split}): {one.width} px, {one.positions} positions for "
                f"{one.letters} letters"
                + ("" if one.impossible else f" ({one.needed} with blanks between equal letters)")
                for one in self.narrow
            ],
        )
        out += problem_sections(self.problems)
        return out + conclusion("training", self.notes, self.reasons)


def positions_of(width: int, step: float) -> int:
    """The positions that a model has on a line: one per `step` pixels, rounded up."""
    return math.ceil(width / step)


def positions_needed(letters: Sequence[str]) -> int:
    """The positions that the classical CTC needs: a blank must stand between equal letters."""
    return len(letters) + sum(one == two for one, two in itertools.pairwise(letters))


def check_lines(collection: LineCollection, height: int, step: float) -> CheckReport:
    """Check a collection before training.

    Every image is decoded once, one at a time.

    Arguments:
        collection: The lines.
        height: The model's line height in pixels.
        step: The model's step in pixels at that height, at least one position per step.

    Returns:
        The report.

    Raises:
        ConfigError: If height or step is not above 0.
    """
    if height < 1:
        raise ConfigError(f"height is {height}: give at least 1 pixel.")
    if not step > 0:
        raise ConfigError(f"step is {step}: give a number above 0.")
    widths, broken = _widths(collection, height)
    kept = [line for line in collection if line.id in widths]
    narrow = []
    for line in kept:
        positions = positions_of(widths[line.id], step)
        needed = positions_needed(line.letters)
        if positions < needed:
            narrow.append(
                NarrowLine(
                    line.id, line.split, widths[line.id], positions, len(line.letters), needed
                )
            )
    impossible = {one.id for one in narrow if one.impossible}
    return CheckReport(
        root=collection.root,
        height=height,
        step=step,
        splits=_splits(kept),
        documents=_documents(kept),
        symbols=_symbols(kept),
        narrow=tuple(narrow),
        problems=(*collection.problems, *broken),
        reasons=tuple(_reasons(kept, impossible)),
        notes=tuple(_notes(kept)),
    )


def check(
    data: Path, reading: ReadingOptions | None = None, height: int = 64, step: float = 8.0
) -> CheckReport:
    """Read a data set and check it before training.

    Arguments:
        data: The folder of the data set, or one file of it.
        reading: How to read it; None for the defaults.
        height: The model's line height in pixels.
        step: The model's step in pixels at that height.

    Returns:
        The report; a command exits with a status other than 0 unless it is `trainable`.

    Raises:
        DataError: If no line can be used at all.
        ConfigError: If height or step is not above 0.
    """
    return check_lines(read_lines(data, reading or ReadingOptions()), height, step)


def _widths(collection: LineCollection, height: int) -> tuple[dict[str, int], list[Problem]]:
    """The width of every line at the model's height, and the lines that cannot be decoded."""
    order = [collection.lines[number] for number in decoding_order(collection.lines)]
    widths: dict[str, int] = {}
    broken = []
    for line in tqdm(order, "decoding", unit="line", delay=2.0, leave=False, disable=None):
        try:
            image = line_image(line)
        except DataError as error:
            broken.append(as_problem(line.path, error, line.id))
            continue
        widths[line.id] = resized_width(image.shape[1], image.shape[0], height)
    return widths, broken


def _splits(lines: Sequence[Line]) -> dict[str, dict[str, int]]:
    counts = {split: {"lines": 0, "labelled": 0, "symbols": 0} for split in SPLITS}
    for line in lines:
        counts[line.split]["lines"] += 1
        counts[line.split]["labelled"] += line.symbols is not None
        counts[line.split]["symbols"] += len(line.letters)
    return {str(split): values for split, values in counts.items()}


def _documents(lines: Sequence[Line]) -> dict[str, dict[str, int]]:
    documents: dict[str, dict[str, int]] = {}
    for line in lines:
        counts = documents.setdefault(line.document, dict.fromkeys(SPLITS, 0))
        counts[line.split] += 1
    return dict(sorted(documents.items()))


def _symbols(lines: Sequence[Line]) -> tuple[SymbolCount, ...]:
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for line in lines:
        counts[line.split].update(line.letters)
    total = sum(counts.values(), Counter[str]())
    return tuple(
        SymbolCount(
            symbol,
            counts["train"][symbol],
            counts["val"][symbol],
            counts["test"][symbol],
            " ".join(f"U+{ord(char):04X}" for char in symbol),
            _name(symbol),
        )
        for symbol in sorted(total, key=lambda symbol: (-total[symbol], symbol))
    )


def _name(symbol: str) -> str:
    if len(clusters(symbol)) > 1:
        return "token"
    names = {"Co": "PRIVATE USE", "Cc": "CONTROL", "Cn": "UNASSIGNED"}
    return " + ".join(
        unicodedata.name(char, names.get(unicodedata.category(char), "WITHOUT NAME"))
        for char in symbol
    )


def _reasons(lines: Sequence[Line], impossible: set[str]) -> list[str]:
    train = [line for line in lines if line.split == "train"]
    labelled = [line for line in train if line.symbols is not None]
    if not lines:
        return ["no image can be decoded: see what was set aside"]
    if not train:
        return ["no line is in train: give split train to some lines, or leave out all splits"]
    if any(line.symbols is not None for line in lines) and not labelled:
        return ["no line in train has text, though others have: move some of them to train"]
    if labelled and all(line.id in impossible for line in labelled):
        return ["every line in train is too narrow for its text: choose a smaller step"]
    if labelled and not any(line.letters for line in labelled):
        return ["the texts of train hold no letter: check the options sep and space"]
    return []


def _notes(lines: Sequence[Line]) -> list[str]:
    unlabelled = sum(line.symbols is None for line in lines)
    notes = []
    if lines and unlabelled == len(lines):
        notes.append("no line has text: only training without transcriptions is possible")
    elif unlabelled:
        notes.append(f"{unlabelled} lines have no text: they teach no character")
    alone = sum(
        unicodedata.category(letter[0]).startswith("M") for line in lines for letter in line.letters
    )
    if alone:
        notes.append(f"{alone} combining marks stand alone, after a space or at the start")
    for split in ("val", "test"):
        if lines and not any(line.split == split for line in lines):
            notes.append(f"no line is in {split}")
    return notes


def _visible(symbol: str) -> str:
    """A symbol as it can be shown alone: a lone mark gets a carrier, a control its escape."""
    if unicodedata.category(symbol[0]).startswith("M"):
        return "\u25cc" + symbol
    return "".join(
        char if unicodedata.category(char) not in {"Cc", "Cf"} else f"\\u{ord(char):04x}"
        for char in symbol
    )


def _row(one: SymbolCount) -> str:
    counts = f"{one.train:>7}{one.val:>6}{one.test:>6}"
    what = "" if one.name == "token" else f"  {one.code_points}  {one.name}"
    return f"{counts}  {_visible(one.symbol)}{what}"
