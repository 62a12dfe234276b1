"""Confidence thresholds: what is left out, and how well the rest is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DAMAGE, RunError, reason
from ..files import write_json
from ..lines.line import SPACE
from ..typewriter.edits import edit_operations
from ..typewriter.kept_readings import reading_from_dict
from ..typewriter.reading import LineReading, PlacedGlyph

__all__ = [
    "THRESHOLDS",
    "ThresholdRow",
    "threshold_table",
    "whole_reading",
    "with_threshold",
    "write_thresholds",
]

THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""The rows of the table that a run keeps."""


def whole_reading(reading: LineReading) -> LineReading:
    """A reading with the glyphs that a threshold had set apart back in their places."""
    glyphs = sorted((*reading.glyphs, *reading.unread), key=lambda g: g.box.left + g.box.right)
    return replace(reading, glyphs=tuple(glyphs), unread=())


def with_threshold(reading: LineReading, threshold: float) -> LineReading:
    """The same reading, with the glyphs below a confidence set apart as unread.

    Arguments:
        reading: All glyphs.
        threshold: The least confidence of a glyph that is kept.
    """
    kept: list[PlacedGlyph] = []
    unread = list(reading.unread)
    pending = False  # a word space before a glyph that goes is one before the next
    for glyph in reading.glyphs:
        space = glyph.space_before or pending
        if glyph.confidence >= threshold:
            kept.append(replace(glyph, space_before=space and bool(kept)))
            pending = False
        else:
            unread.append(glyph)
            pending = space
    unread.sort(key=lambda glyph: glyph.box.left)
    return replace(reading, glyphs=tuple(kept), unread=tuple(unread))


@dataclass(frozen=True)
class ThresholdRow:
    """What a confidence threshold leaves out, and how well the rest is read.

    Arguments:
        threshold: The least confidence that is kept.
        read: Symbols read in all.
        left_out: Those of them below the threshold.
        symbols: True symbols, less those that are aligned with one left out.
        edits: Edits among these and the symbols kept.
    """

    threshold: float
    read: int
    left_out: int
    symbols: int
    edits: int

    @property
    def share_left_out(self) -> float:
        """Of the symbols read, between 0 and 1."""
        return self.left_out / max(1, self.read)

    @property
    def error(self) -> float:
        """Edits over true symbols, of the rest; 0 where nothing is left."""
        return self.edits / self.symbols if self.symbols else 0.0


def threshold_table(
    truths: Mapping[str, Sequence[str]],
    readings: Iterable[LineReading],
    thresholds: Sequence[float],
) -> tuple[ThresholdRow, ...]:
    """Error against share left out, as HTRbyMatching reports them.

    The whole reading is aligned with the truth once. A symbol below the threshold goes together
    with what it is aligned with, be it right or wrong; true symbols that nothing was read for
    remain errors. Word spaces are dropped.

    Arguments:
        truths: For the id of a line, its true letters, without spaces. Others are passed over.
        readings: Whole readings (no threshold).
        thresholds: One row for each.
    """
    rows: list[tuple[float | None, bool, bool]] = []  # confidence, true symbol?, error?
    for reading in readings:
        letters = truths.get(reading.line)
        if not letters:
            continue
        glyphs = iter(reading.glyphs)
        for truth, read in edit_operations(letters, reading.letters):
            sure = None if read is None else next(glyphs).confidence
            rows.append((sure, truth is not None, truth != read))
    table = []
    for threshold in thresholds:
        kept = [row for row in rows if row[0] is None or row[0] >= threshold]
        table.append(
            ThresholdRow(
                threshold,
                sum(sure is not None for sure, _, _ in rows),
                len(rows) - len(kept),
                sum(true for _, true, _ in kept),
                sum(wrong for _, _, wrong in kept),
            )
        )
    return tuple(table)


def write_thresholds(run: Path, split: str, threshold: float = 0.0) -> list[str]:
    """Write `evaluation/<split>/thresholds.json` from the readings of a run.

    Arguments:
        run: A run folder of the matcher.
        split: What was judged.
        threshold: The one that was asked for; it gets a row as well.

    Returns:
        The table as lines for a terminal; none without a transcription.

    Raises:
        RunError: There are no readings, or they are damaged.
    """
    folder = Path(run) / "evaluation" / split
    truths, readings = {}, []
    try:
        for text in (folder / "readings.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(text)
            readings.append(whole_reading(reading_from_dict(row)))
            if row["truth"]:
                truths[row["line"]] = [symbol for symbol in row["truth"] if symbol != SPACE]
    except DAMAGE as error:
        raise RunError(
            f"{folder}: has no whole readings ({reason(error)}). Judge the run again."
        ) from error
    if not truths:
        return []
    table = threshold_table(truths, readings, sorted({*THRESHOLDS, threshold}))
    rows = [
        {**vars(row), "share_left_out": row.share_left_out, "error": row.error} for row in table
    ]
    write_json(folder / "thresholds.json", rows)
    return [
        f"confidence at least {row.threshold:.2f}: {row.share_left_out:.1%} left out, "
        f"error of the rest {row.error:.2%}"
        for row in table
    ]
