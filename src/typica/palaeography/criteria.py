"""What palaeographers say of letters, to stand beside what the pictures show (Fig. 3.7).

A table in one of two forms. CSV in UTF-8 with a heading:

    letter,family,criterion,text
    a,NT,form,Closed form with variations like box-a
    a,ST,form,Open form or slightly closed with hairline

or JSON, a list of objects with the same names. `family` and `criterion` may be left out or empty:
the text is then said of every family. A letter may have any number of rows.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, reason

__all__ = ["Criterion", "criteria_of_letter", "criteria_without_letter", "read_criteria"]

_COLUMNS = ("letter", "family", "criterion", "text")
_NEEDED = ("letter", "text")


@dataclass(frozen=True)
class Criterion:
    """One statement on one letter.

    Arguments:
        letter: In normal form C.
        text: The statement.
        criterion: What it is about, such as `ascender`; may be empty.
        family: Of which family it is said; empty for all.
    """

    letter: str
    text: str
    criterion: str = ""
    family: str = ""


def read_criteria(path: Path) -> tuple[Criterion, ...]:
    """Read a table of criteria.

    Arguments:
        path: A file that ends in `.csv` or `.json`.

    Returns:
        Its rows, in their order. Rows that are empty altogether are passed over.

    Raises:
        DataError: If the file cannot be read, lacks a column, or a row lacks letter or text; the
            message names file and row.
    """
    path = Path(path)
    readers = {".csv": _csv_rows, ".json": _json_rows}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: criteria are read from a file that ends in .csv or .json")
    found = []
    for where, row in readers[path.suffix.lower()](path):
        values = {}
        for name in _COLUMNS:
            value = row.get(name)
            if not isinstance(value, str | None):
                raise DataError(f"{where}: {name} must be text. Write it in quotes.")
            values[name] = unicodedata.normalize("NFC", (value or "").strip())
        if not any(values.values()):
            continue
        for name in _NEEDED:
            if not values[name]:
                raise DataError(f"{where}: no {name}. Fill it in, or remove the row.")
        found.append(Criterion(**values))
    return tuple(found)


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restval="", skipinitialspace=True)
            rows.fieldnames = [(name or "").strip().lower() for name in rows.fieldnames or ()]
            missing = [name for name in _NEEDED if name not in rows.fieldnames]
            if missing:
                raise DataError(
                    f"{path}: no column {missing[0]!r}. The first row must be "
                    f"{','.join(_COLUMNS)} (family and criterion may be left out)."
                )
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if None in row:
                    raise DataError(
                        f"{where}: more cells than columns. Put a text that holds commas in "
                        "double quotes."
                    )
                yield where, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8 ({error}).") from error


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON in UTF-8 ({reason(error)}).") from error
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a list of objects, each with {', '.join(_COLUMNS)}")
    for number, row in enumerate(rows, start=1):
        where = f"{path}, entry {number}"
        if not isinstance(row, dict):
            raise DataError(f"{where}: expected an object with {', '.join(_COLUMNS)}")
        yield where, row


def criteria_of_letter(criteria: Sequence[Criterion], letter: str) -> tuple[Criterion, ...]:
    """The criteria of one letter, whatever normal form it is given in."""
    normal = unicodedata.normalize("NFC", letter)
    return tuple(one for one in criteria if one.letter == normal)


def criteria_without_letter(
    criteria: Sequence[Criterion], letters: Sequence[str]
) -> tuple[str, ...]:
    """Letters of the table that are none of the prototypes', in the order of the alphabet."""
    known = {unicodedata.normalize("NFC", letter) for letter in letters}
    return tuple(sorted({one.letter for one in criteria} - known))
