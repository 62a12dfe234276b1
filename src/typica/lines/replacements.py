"""Replacement tables for characters, in the CSV form of choco-mufin.

One row a rule: every `char` becomes `replacement`; with `regex` true, `char` is a regular
expression; with `allow` true, the character is only noted as known and stays as it is. The rules
are applied one after the other, from the top. The order of the columns is free, other columns are
ignored. The dotted circle that carries a lone combining mark in such tables does not count.

References:
    choco-mufin: https://github.com/PonteIneptique/choco-mufin
"""

from __future__ import annotations

import csv
import functools
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import regex

from ..errors import DataError

__all__ = ["Normalization", "ReplacementTable", "load_table", "replace_characters"]

Normalization = Literal["NFC", "NFD", "none"]

_TRUE = frozenset({"1", "true", "yes"})
_CARRIER = "\u25cc"
_SECONDS = 1.0
"""A pattern that searches one label for longer than this never ends in practice."""


@dataclass(frozen=True)
class ReplacementTable:
    """Rules that change the characters of a label.

    Arguments:
        path: The file that the rules come from, for messages.
        rules: What is looked for (a string, or a compiled expression) and what it becomes.
    """

    path: Path
    rules: tuple[tuple[str | regex.Pattern[str], str], ...]


def load_table(path: Path, normalization: Normalization) -> ReplacementTable:
    """Read a replacement table; a table that has not changed is read once.

    Arguments:
        path: The CSV file.
        normalization: The normal form of the texts (`NFC`, `NFD`, `none`): the rules are brought
            into it, so that they match (not the regular expressions).

    Returns:
        The table.

    Raises:
        DataError: If the file is missing, has no column `char`, or a rule cannot be used.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(
            f"{path}: the replacement table cannot be read ({error.strerror}). "
            "Give the path of a CSV file with the columns char and replacement."
        ) from error
    return _load(path, normalization, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=8)
def _load(path: Path, normalization: Normalization, mtime: int, size: int) -> ReplacementTable:
    del mtime, size  # part of the key only

    def normal(text: str) -> str:
        if text != _CARRIER:
            text = text.replace(_CARRIER, "")
        return text if normalization == "none" else unicodedata.normalize(normalization, text)

    rules: list[tuple[str | regex.Pattern[str], str]] = []
    for number, row in enumerate(_rows(path), start=2):
        char, replacement = row["char"], row["replacement"]
        if not char or row.get("allow", "").strip().lower() in _TRUE or char == replacement:
            continue
        if row.get("regex", "").strip().lower() in _TRUE:
            try:
                rules.append((regex.compile(char), replacement))
            except regex.error as error:
                raise DataError(
                    f"{path}: row {number}: {char!r} is not a regular expression ({error}). "
                    "Correct it, or leave the column regex empty."
                ) from error
        elif normal(char):
            rules.append((normal(char), normal(replacement)))
    return ReplacementTable(path, tuple(rules))


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of the table, keyed by column name in lower case; absent cells are empty."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
            if "char" not in columns or "replacement" not in columns:
                raise DataError(
                    f"{path}: not a replacement table: the columns char and replacement are "
                    "needed. Add a first row with these names."
                )
            return [
                {column: row.get(name) or "" for column, name in columns.items()} for row in reader
            ]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check the file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: not a CSV file in UTF-8 ({error}). Save it as CSV, encoding UTF-8."
        ) from error


def replace_characters(text: str, table: ReplacementTable) -> str:
    """Apply a replacement table to a text.

    Arguments:
        text: A label, in the normal form that the table was loaded for.
        table: The rules.

    Returns:
        The text after all rules, each applied to what the one before it left.

    Raises:
        DataError: If a regular expression cannot be applied or takes forever.
    """
    for find, replacement in table.rules:
        if isinstance(find, str):
            text = text.replace(find, replacement)
            continue
        try:
            text = find.sub(replacement, text, timeout=_SECONDS)
        except TimeoutError as error:
            raise DataError(
                f"{table.path}: the regular expression {find.pattern!r} takes too long on "
                f"{text[:40]!r}. Write it without nested repetitions."
            ) from error
        except (regex.error, IndexError) as error:
            raise DataError(
                f"{table.path}: the replacement {replacement!r} does not fit the regular "
                f"expression {find.pattern!r} ({error}). Correct the row."
            ) from error
    return text
