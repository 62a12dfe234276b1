r"""The numbers that say how well lines were read, from plain values: no model, no image.

Spaces are dropped for the character error rate, as in the paper; the rate with spaces is given
beside it. `cer` is that of the corpus (edits over symbols, with a bootstrap interval over
lines), `cer_line_mean` the paper's mean over lines. `reconstruction` is the mean over lines of
each line's mean squared error, so that every line weighs the same whatever its length; the
paper averages over batches, which weighs the lines of a small last batch more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from ..lines.line import Line
from .edits import (
    Confusion,
    Pair,
    bootstrap_interval,
    character_error_rate,
    count_confusions,
    count_edits,
    edit_operations,
)
from .localisation import (
    Localisation,
    Placements,
    glyph_localisation,
    placements_per_character,
)
from .reading import LineReading

__all__ = [
    "DocumentScore",
    "Evaluation",
    "LineScore",
    "bootstrap_interval",
    "character_error_rate",
    "document_scores",
    "edit_operations",
    "evaluate_readings",
    "glyph_localisation",
    "placements_per_character",
]


@dataclass(frozen=True)
class LineScore:
    """How one line was read.

    Arguments:
        line: The id of the line.
        document: The document it belongs to.
        truth: The transcription, with spaces.
        read: What was read, with spaces.
        edits: Edits between the two, spaces dropped.
        symbols: True symbols, spaces dropped, at least 1.
        reconstruction: Mean squared error of the reconstruction, or None.
    """

    line: str
    document: str
    truth: str
    read: str
    edits: int
    symbols: int
    reconstruction: float | None

    @property
    def cer(self) -> float:
        """Edits over true symbols. Can exceed 1."""
        return self.edits / self.symbols

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        return {
            "line": self.line,
            "document": self.document,
            "cer": self.cer,
            "edits": self.edits,
            "symbols": self.symbols,
            "truth": self.truth,
            "read": self.read,
            "reconstruction": self.reconstruction,
        }


@dataclass(frozen=True)
class DocumentScore:
    """How the lines of one document were read: counts, corpus error rate and its interval."""

    document: str
    lines: int
    symbols: int
    edits: int
    cer: float
    cer_low: float
    cer_high: float
    reconstruction: float | None

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Evaluation:
    """All numbers of one evaluation.

    Arguments:
        split: The part of the collection that was scored.
        cer: Corpus character error rate, spaces dropped.
        cer_low: Lower end of its 95 % interval.
        cer_high: Upper end of its 95 % interval.
        cer_line_mean: Mean over lines of the error rate (the paper's number).
        cer_with_spaces: Corpus error rate with word spaces as symbols.
        reconstruction: Mean squared error, mean over lines; None if it was not computed.
        edits: Number of edits, spaces dropped.
        symbols: Number of true symbols, spaces dropped.
        lines: Every scored line, in the order given.
        without_text: How many lines had no transcription and were left out of the error rates.
        without_reading: Ids of the lines for which there is no reading (set aside as damaged).
        documents: One row for each document, by name.
        confusions: Every kind of error, the most frequent first.
        placements: Sprites placed for each character.
        localisation: Glyphs found in their place; None if no true boxes are known.
    """

    split: str
    cer: float
    cer_low: float
    cer_high: float
    cer_line_mean: float
    cer_with_spaces: float
    reconstruction: float | None
    edits: int
    symbols: int
    lines: tuple[LineScore, ...]
    without_text: int
    without_reading: tuple[str, ...]
    documents: tuple[DocumentScore, ...]
    confusions: tuple[Confusion, ...]
    placements: Placements
    localisation: Localisation | None

    def worst_lines(self, count: int = 20) -> tuple[LineScore, ...]:
        """The lines with the highest error rate, worst first; never a line without error."""
        wrong = [line for line in self.lines if line.edits]
        return tuple(sorted(wrong, key=lambda one: (-one.cer, -one.edits, one.line))[:count])

    def as_dict(self, confusions: int = 50, worst: int = 20) -> dict[str, Any]:
        """Everything as plain values for JSON, long lists cut.

        Arguments:
            confusions: How many kinds of error to list at most.
            worst: How many lines to list at most.

        Returns:
            One object; `lines` and `symbols` are counts, `localisation` may be None.
        """
        kinds = {"substitution": 0, "insertion": 0, "deletion": 0}
        for one in self.confusions:
            kinds[one.kind] += one.count
        return {
            "split": self.split,
            "cer": self.cer,
            "cer_low": self.cer_low,
            "cer_high": self.cer_high,
            "cer_line_mean": self.cer_line_mean,
            "cer_with_spaces": self.cer_with_spaces,
            "reconstruction": self.reconstruction,
            "lines": len(self.lines),
            "lines_without_text": self.without_text,
            "lines_without_reading": list(self.without_reading),
            "symbols": self.symbols,
            "edits": self.edits,
            "substitutions": kinds["substitution"],
            "insertions": kinds["insertion"],
            "deletions": kinds["deletion"],
            "documents": [document.as_dict() for document in self.documents],
            "confusions": [
                {"truth": one.truth, "read": one.read, "count": one.count, "kind": one.kind}
                for one in self.confusions[:confusions]
            ],
            "placements_per_character": self.placements.corpus,
            "placements_per_symbol": dict(self.placements.per_symbol),
            "localisation": None if self.localisation is None else self.localisation.as_dict(),
            "worst_lines": [line.as_dict() for line in self.worst_lines(worst)],
        }


def evaluate_readings(
    lines: Iterable[Line],
    readings: Iterable[LineReading],
    split: str = "all",
    seed: int = 0,
) -> Evaluation:
    """Score what was read of some lines against what they say.

    Lines without a transcription are counted and left out of the error rates (their
    reconstruction and glyph boxes count); lines without a reading are listed and left out.

    Arguments:
        lines: The lines with their transcriptions, and glyph boxes if these are known.
        readings: What was read, matched by the id of the line, in any order.
        split: Which lines to score: `train`, `val`, `test` or `all`.
        seed: Seed of the bootstrap intervals.

    Returns:
        All numbers.

    Raises:
        DataError: If a reading belongs to no line, a line has two readings, or no line has
            both a transcription and a reading.
    """
    given = list(lines)
    found = _by_line(given, readings)
    chosen = [line for line in given if split in ("all", line.split)]
    both = [(line, found[line.id]) for line in chosen if line.id in found]
    scored = [(line, reading) for line, reading in both if line.letters]
    if not scored:
        raise DataError(
            f"nothing to score in split '{split}': none of its {len(chosen)} lines has both a "
            "transcription and a reading; give lines with text, or another split"
        )
    pairs = [edit_operations(line.letters, reading.letters) for line, reading in scored]
    rate = character_error_rate(pairs)
    scores = tuple(
        _line_score(line, reading, one) for (line, reading), one in zip(scored, pairs, strict=True)
    )
    low, high = bootstrap_interval(
        [one.edits for one in scores], [one.symbols for one in scores], seed=seed
    )
    return Evaluation(
        split=split,
        cer=rate.corpus,
        cer_low=low,
        cer_high=high,
        cer_line_mean=rate.line_mean,
        cer_with_spaces=_rate_with_spaces(scored),
        reconstruction=_mean([reading.reconstruction for _, reading in both]),
        edits=rate.edits,
        symbols=rate.symbols,
        lines=scores,
        without_text=len(both) - len(scored),
        without_reading=tuple(line.id for line in chosen if line.id not in found),
        documents=document_scores(scores, seed),
        confusions=count_confusions(pairs),
        placements=placements_per_character(
            [line.letters for line, _ in scored], [reading.glyphs for _, reading in scored]
        ),
        localisation=_localisation(both),
    )


def document_scores(lines: Sequence[LineScore], seed: int = 0) -> tuple[DocumentScore, ...]:
    """The table of error rates by document.

    Arguments:
        lines: Scored lines.
        seed: Seed of the bootstrap intervals (95 %).

    Returns:
        One row for each document, ordered by name.
    """
    groups: dict[str, list[LineScore]] = defaultdict(list)
    for line in lines:
        groups[line.document].append(line)
    rows = []
    for name in sorted(groups):
        edits = [line.edits for line in groups[name]]
        symbols = [line.symbols for line in groups[name]]
        low, high = bootstrap_interval(edits, symbols, seed=seed)
        rows.append(
            DocumentScore(
                document=name,
                lines=len(edits),
                symbols=sum(symbols),
                edits=sum(edits),
                cer=sum(edits) / sum(symbols),
                cer_low=low,
                cer_high=high,
                reconstruction=_mean([line.reconstruction for line in groups[name]]),
            )
        )
    return tuple(rows)


def _by_line(lines: Sequence[Line], readings: Iterable[LineReading]) -> dict[str, LineReading]:
    known = {line.id for line in lines}
    found: dict[str, LineReading] = {}
    for reading in readings:
        if reading.line not in known:
            raise DataError(
                f"the reading of '{reading.line}' belongs to no line of the collection: "
                "evaluate it on the collection that was read"
            )
        if reading.line in found:
            raise DataError(f"line '{reading.line}' has two readings: give each line once")
        found[reading.line] = reading
    return found


def _line_score(line: Line, reading: LineReading, pairs: Sequence[Pair]) -> LineScore:
    return LineScore(
        line=line.id,
        document=line.document,
        truth=line.text or "",
        read=reading.text,
        edits=count_edits(pairs),
        symbols=len(line.letters),
        reconstruction=reading.reconstruction,
    )


def _rate_with_spaces(scored: Sequence[tuple[Line, LineReading]]) -> float:
    aligned = (edit_operations(line.symbols or (), reading.symbols) for line, reading in scored)
    return character_error_rate(aligned).corpus


def _localisation(both: Sequence[tuple[Line, LineReading]]) -> Localisation | None:
    boxed = [(line.glyphs, reading.glyphs) for line, reading in both if line.glyphs]
    if not boxed:
        return None
    return glyph_localisation([truth for truth, _ in boxed], [placed for _, placed in boxed])


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
