"""Which lines belong together: by document, by script, or by any field that the data has."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DAMAGE, ConfigError, DataError, RunError, reason
from ..files import write_json
from ..lines.line import Line, LineCollection

__all__ = ["Group", "find_groups", "load_groups", "read_group_table", "save_groups"]

Table = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Group:
    """Some lines that are adapted to together.

    Arguments:
        name: Distinct among the groups of its level.
        field: By which it was formed, such as `document`.
        family: The group of the level above that holds all its lines, or on the first level the
            value of another field that they share; empty if there is none.
        lines: The numbers of its lines in the collection.
    """

    name: str
    field: str
    family: str
    lines: tuple[int, ...]


def read_group_table(file: Path) -> Table:
    """Read a CSV file with a column `document` and further fields of every document.

    Returns:
        The fields of every document, by its name.

    Raises:
        DataError: If it cannot be read, has no such column, or names a document twice.
    """
    try:
        with open(file, encoding="utf-8-sig", newline="") as handle:
            rows = csv.DictReader(handle, restval="")
            if "document" not in (rows.fieldnames or []):
                raise DataError(
                    f"{file}: its first row has no column `document`. Write a header such as "
                    "document,family."
                )
            table: Table = {}
            for row in rows:
                name = row["document"].strip()
                if name in table:
                    raise DataError(
                        f"{file}, row {rows.line_num}: the document {name!r} comes twice. "
                        "Keep one row for each."
                    )
                table[name] = {
                    key: value.strip()
                    for key, value in row.items()
                    if key not in (None, "document") and isinstance(value, str)
                }
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read as CSV in UTF-8 ({error}).") from error
    return table


def _value(line: Line, field: str, table: Table) -> str | None:
    """A field of a line: the table's word first, then the data's, then the document's name."""
    named = table.get(line.document, {}).get(field) or dict(line.fields).get(field)
    if named:
        return named
    # a data set that does not tell script and document apart has one of the two
    return line.document if field in ("document", "script") else None


def find_groups(
    collection: LineCollection,
    levels: tuple[str, ...],
    table: Table | None = None,
    families: str | None = None,
) -> tuple[list[Group], list[int]]:
    """The groups of every level, coarse levels first.

    Arguments:
        collection: The lines.
        levels: Fields, from coarse to fine, such as `("family", "document")`.
        table: Fields of documents that the data itself does not have.
        families: A field that names the family of the groups of the first level, for comparison
            only: nothing is adapted to it.

    Returns:
        The groups, and the numbers of the lines that lack one of the fields.

    Raises:
        ConfigError: If a level is given twice, or no line has a field.
    """
    if not levels or len(set(levels)) < len(levels):
        raise ConfigError("--by: name at least one field, and none twice")
    table = table or {}
    values = [tuple(_value(line, field, table) for field in levels) for line in collection]
    for depth, field in enumerate(levels):
        if not any(row[depth] for row in values):
            known = sorted({name for line in collection for name, _ in line.fields})
            known += sorted({name for row in table.values() for name in row})
            raise ConfigError(
                f"--by {field}: no line has this field. There are: "
                f"{', '.join(dict.fromkeys(['document', *known]))}; --table FILE.csv adds others "
                "for each document."
            )
    without = [number for number, row in enumerate(values) if not all(row)]
    rows = {number: row for number, row in enumerate(values) if all(row)}
    groups: list[Group] = []
    for depth, field in enumerate(levels):
        members: dict[tuple[str, ...], list[int]] = {}
        for number, row in rows.items():
            members.setdefault(tuple(str(v) for v in row[: depth + 1]), []).append(number)
        plain = [path[-1] for path in members]
        for path, numbers in sorted(members.items()):
            # the same name under two parents: say both
            name = path[-1] if plain.count(path[-1]) == 1 else " / ".join(path)
            family = ""
            if depth:
                above = [g for g in groups if g.field == levels[depth - 1]]
                family = next(g.name for g in above if set(numbers) <= set(g.lines))
            elif families:
                named = {_value(collection.lines[n], families, table) for n in numbers}
                family = (named.pop() or "") if len(named) == 1 else ""
            groups.append(Group(name, field, family, tuple(numbers)))
    return groups, without


def save_groups(path: Path, groups: Sequence[Group], lines: Sequence[str]) -> None:
    """Write groups as JSON.

    Arguments:
        path: The file.
        groups: What to write.
        lines: The id of every line of the collection.
    """
    rows = [
        {
            "name": group.name,
            "field": group.field,
            "family": group.family,
            "lines": [lines[number] for number in group.lines],
        }
        for group in groups
    ]
    write_json(path, rows)


def load_groups(path: Path, lines: Sequence[str]) -> list[Group]:
    """Read what `save_groups` wrote.

    Arguments:
        path: The file.
        lines: The id of every line, as they are numbered now.

    Raises:
        RunError: If the file is missing, damaged or names another line.
    """
    number = {name: place for place, name in enumerate(lines)}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [
            Group(
                str(row["name"]),
                str(row["field"]),
                str(row["family"]),
                tuple(number[name] for name in row["lines"]),
            )
            for row in rows
        ]
    except DAMAGE as error:
        raise RunError(f"{path}: missing or damaged ({reason(error)}). Adapt again.") from error
