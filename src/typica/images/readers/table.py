"""Tables of paths and labels: CSV, TSV, JSONL, Parquet.

Paths are relative to the folder of the table (or to `images/` in it). The table of Hugging Face's
image folders, `metadata.csv` with a column `file_name`, is one of these.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import DataError, DependencyError, reason
from ...sources import Fault
from ...values import SPLIT_NAMES
from ..options import PictureOptions
from .folders import Tree
from .source import Inside, RawPicture, Reading, check_name, suffix

__all__ = ["TABLE_SUFFIXES", "column", "find_tables", "read_table", "table_fits"]

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Endings of files that can be tables, in lower case."""

PATH_NAMES = (
    "file_name",
    "path",
    "file",
    "filename",
    "file_path",
    "image_path",
    "image",
    "picture",
)
LABEL_NAMES = ("label", "labels", "class", "class_name", "category", "decade", "year", "date")
_FOLDERS = ("", "images")

Row = tuple[int, dict[str, Any] | Fault]
"""Its number in the file, from 1, and its values by column; or what is wrong with it."""


@dataclass(frozen=True)
class Table:
    """A table that was opened: the names of its columns, and its rows one by one.

    Rows have the columns that are asked for, at least: pictures that lie in a table are big.
    """

    columns: tuple[str, ...]
    rows: Callable[[Sequence[str]], Iterator[Row]]


def find_tables(tree: Tree, options: PictureOptions) -> list[tuple[Path, str | None]]:
    """The tables that can describe a folder, with the split that each is for.

    A file `metadata.*` comes first, then such a file in each folder of a split, then the only
    table of the folder. Only tables with a column of paths and one of labels count.

    Arguments:
        tree: The files of the folder.
        options: Names of the columns.

    Returns:
        The tables; empty if there is none, or it is not clear which.
    """
    tops = [name for name in tree.files.get((), ()) if suffix(name) in TABLE_SUFFIXES]
    fitting = [tree.root / name for name in tops if table_fits(tree.root / name, options)]
    named = [file for file in fitting if is_metadata(file)]
    if named:
        return [(named[0], None)] if len(named) == 1 else []
    inner: list[tuple[Path, str | None]] = [
        (tree.root / place[0] / name, place[0])
        for place, names in tree.files.items()
        if len(place) == 1 and place[0].lower() in SPLIT_NAMES
        for name in names
        if is_metadata(Path(name)) and table_fits(tree.root / place[0] / name, options)
    ]
    if inner:
        return inner
    return [(fitting[0], None)] if len(fitting) == 1 else []


def is_metadata(file: Path) -> bool:
    """True if a file is named as Hugging Face's image folders want their table to be."""
    return file.stem.lower() == "metadata" and suffix(file.name) in TABLE_SUFFIXES


def table_fits(file: Path, options: PictureOptions) -> bool:
    """True if a file is a table with a column of paths and one of labels."""
    try:
        columns = _open(file).columns
        column(columns, options.path_column, PATH_NAMES, "paths", file)
        column(columns, options.label_column, LABEL_NAMES, "labels", file)
    except DataError:
        return False
    return True


def column(
    columns: Sequence[str], given: str | None, usual: Sequence[str], what: str, file: Path | str
) -> str:
    """Choose a column by name, capitals ignored.

    Arguments:
        columns: Those that there are.
        given: The wanted one; None for the first of the usual names.
        usual: The usual names, the best first.
        what: What it holds, for the message: `paths`, `labels`.
        file: For the message.

    Raises:
        DataError: If there is none.
    """
    if given is not None and given in columns:
        return given
    lowered = {name.strip().lower(): name for name in reversed(columns)}
    for name in usual if given is None else (given,):
        if name.strip().lower() in lowered:
            return lowered[name.strip().lower()]
    there = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "") or "none"
    wanted = f"no column {given!r}" if given else f"no column of {what}"
    option = {"paths": "path_column", "labels": "label_column"}.get(what, "split_column")
    raise DataError(
        f"{file}: {wanted}; its columns are: {there}. Name the column of {what} with the option "
        f"{option}."
    )


def read_table(file: Path, options: PictureOptions, split: str | None = None) -> Reading:
    """Read a table of paths and labels.

    Arguments:
        file: The table; its ending tells its format.
        options: Names of the columns.
        split: Of all its rows, if the table has no column of splits.

    Returns:
        The pictures in the order of the rows, and what was set aside.

    Raises:
        DataError: If it is no table, or has no such columns.
        DependencyError: If it is Parquet and pyarrow is missing.
    """
    table = _open(file)
    paths = column(table.columns, options.path_column, PATH_NAMES, "paths", file)
    labels = column(table.columns, options.label_column, LABEL_NAMES, "labels", file)
    splits: str | None = None
    if options.split_column is not None or "split" in (name.lower() for name in table.columns):
        splits = column(table.columns, options.split_column, ("split",), "splits", file)
    reading = Reading()
    inside = Inside(file.parent)
    several = options.several or options.label_separator is not None
    known: dict[str, Any] = {}
    places: dict[str, int] = {}
    repeated: Counter[bool] = Counter()
    for number, row in table.rows([name for name in (paths, labels, splits) if name]):
        try:
            if isinstance(row, Fault):
                raise row
            identity, path = _found(row.get(paths), inside)
            label = row.get(labels)
            if identity in known:
                if known[identity] == label:
                    repeated[True] += 1
                    continue
                if several:
                    first = reading.pictures[places[identity]]
                    both = [*_as_list(first.label), *_as_list(label)]
                    reading.pictures[places[identity]] = replace(first, label=both)
                    continue
                raise Fault(
                    f"{identity} is listed again, with label {label!r} instead of "
                    f"{known[identity]!r}",
                    "Give every picture one row, or --several if pictures may have several labels.",
                )
            known[identity] = label
        except Fault as fault:
            reading.set_aside(file, fault, str(number))
            continue
        given = (row.get(splits) or None) if splits else split
        places[identity] = len(reading.pictures)
        reading.pictures.append(RawPicture(identity, path, label, given, file, str(number)))
    if repeated[True]:
        reading.warn(
            file,
            f"{repeated[True]} rows repeat a picture with the same label",
            "Each picture is taken once; nothing needs doing if rows are such as boxes.",
        )
    return reading


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _found(value: Any, inside: Inside) -> tuple[str, Path]:
    """The id and file of what a row has in the column of paths."""
    if isinstance(value, dict):
        raise Fault("the picture is in the table itself", "Choose format datasets.")
    if not isinstance(value, str):
        raise Fault("the row has no path", "Write the path of the picture, or remove the row.")
    identity = check_name(value)
    for folder in _FOLDERS:
        path = inside.root / folder / value
        try:
            there = path.is_file()
        except (OSError, ValueError):  # a name too long for the file system
            there = False
        if there:
            inside.check(path)
            return identity, path
    raise Fault(f"there is no file {value[:200]}", "Correct the path, or put the picture there.")


def _open(file: Path) -> Table:
    readers: dict[str, Callable[[Path], Table]] = {
        ".csv": _open_csv,
        ".tsv": _open_csv,
        ".jsonl": _open_jsonl,
        ".parquet": _open_parquet,
    }
    kind = suffix(file.name)
    if kind not in readers:
        raise DataError(
            f"{file}: not a table that can be read. Give a file that ends in "
            f"{', '.join(TABLE_SUFFIXES)}, or a folder."
        )
    try:
        return readers[kind](file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}). Check it.") from error


def _open_csv(file: Path) -> Table:
    csv.field_size_limit(10_000_000)

    def rows() -> Iterator[tuple[int, list[str] | Fault]]:
        with open(file, encoding="utf-8-sig", newline="") as opened:
            first = opened.readline()
            opened.seek(0)
            mark = "\t" if suffix(file.name) == ".tsv" else max(",;\t", key=first.count)
            reader = csv.reader(opened, delimiter=mark)
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield reader.line_num, Fault(f"not a row of a table ({error})", "Correct it.")
                    continue
                if cells:
                    yield reader.line_num, cells

    found = _decoded(file, rows())
    header: list[str] | Fault = next(found, (0, []))[1]
    if isinstance(header, Fault) or not header:
        raise DataError(f"{file}: has no header. Write the names of the columns in its first row.")
    names = tuple(header)

    def values(wanted: Sequence[str]) -> Iterator[Row]:
        del wanted  # reading all costs no more
        for number, cells in found:
            named = cells if isinstance(cells, Fault) else dict(zip(names, cells, strict=False))
            yield number, named

    return Table(names, values)


def _open_jsonl(file: Path) -> Table:
    def rows() -> Iterator[tuple[int, dict[str, Any] | Fault]]:
        with open(file, encoding="utf-8-sig") as opened:
            for number, text in enumerate(opened, 1):
                if not text.strip():
                    continue
                try:
                    value = json.loads(text)
                except (ValueError, RecursionError):
                    value = None
                fault = Fault("not a JSON object", "Write one object in every line.")
                yield number, value if isinstance(value, dict) else fault

    names: list[str] = []
    for _, row in _decoded(file, rows()):
        if isinstance(row, dict):
            names = list(row)
            break
    return Table(tuple(names), lambda _: _decoded(file, rows()))


def _open_parquet(file: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DependencyError(
            f"{file}: reading Parquet needs pyarrow: pip install 'typica[mining]'"
        ) from error
    try:
        opened = pyarrow.parquet.ParquetFile(file)
    except (pyarrow.ArrowException, ValueError) as error:
        raise DataError(
            f"{file}: not a Parquet table ({reason(error)}). Write it again."
        ) from error

    def rows(wanted: Sequence[str]) -> Iterator[Row]:
        number = 0
        try:
            for batch in opened.iter_batches(1024, columns=list(wanted)):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{file}: damaged ({reason(error)}). Write it again.") from error

    return Table(tuple(opened.schema_arrow.names), rows)


def _decoded(file: Path, rows: Iterator[Any]) -> Iterator[Any]:
    """The same rows; text that is not UTF-8 becomes a `DataError`."""
    try:
        yield from rows
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not in UTF-8 ({error.reason}). Save it in UTF-8.") from error
