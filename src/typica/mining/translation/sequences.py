"""The sequences table: one row per sequence of patches, in Parquet, every column described.

A sequence is one square in a source picture and in all its translations. Rows are sorted by
rank. The order of lists is that of `labels` in the description of the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DependencyError, RunError, damage, reason
from ...files import atomic_path
from ..table import ElementsTable

__all__ = ["COLUMNS", "SequencesTable", "patch_table", "read_sequences", "write_sequences"]

FORMAT = 1
"""Version of the table."""

COLUMNS: dict[str, tuple[str, str]] = {
    "index": ("int32", "of the source picture in its collection"),
    "picture": ("string", "id of the source picture"),
    "source": ("string", "label of the source picture"),
    "rank": ("int32", "from 0, by co-typicality"),
    "work_x": ("int32", "left edge in pixels of the set's pictures"),
    "work_y": ("int32", "top edge in pixels of the set's pictures"),
    "side": ("int32", "side of the square in pixels of the set's pictures"),
    "cotypicality": ("float32", "median over labels of T(x^{source -> c}, c), eq. 4.12"),
    "error": ("float32", "its standard error over the draws of noise and time"),
    "border": ("bool", "it reaches the band along the edge of the picture"),
    "cluster": ("int32", "rank of its cluster; -1 if in none"),
    "distance": ("float32", "of its features to the mean of its cluster; NaN if in none"),
    "typicality": ("list<float32>", "T under each label, in the order of `labels`"),
    "files": ("list<string>", "picture of each label, in the folder of the set"),
}
"""Type and meaning of every column."""


@dataclass(frozen=True)
class SequencesTable:
    """Sequences as columns of equal length N; `COLUMNS` says what each one is.

    Arguments:
        typicality: `(N, C)`.
        files: `(N, C)`.
        labels: Of the set, C.
        about: What decided the table, kept in the file: plain values.
    """

    index: NDArray[np.int32]
    picture: NDArray[np.object_]
    source: NDArray[np.object_]
    rank: NDArray[np.int32]
    work_x: NDArray[np.int32]
    work_y: NDArray[np.int32]
    side: NDArray[np.int32]
    cotypicality: NDArray[np.float32]
    error: NDArray[np.float32]
    border: NDArray[np.bool_]
    cluster: NDArray[np.int32]
    distance: NDArray[np.float32]
    typicality: NDArray[np.float32]
    files: NDArray[np.object_]
    labels: tuple[str, ...]
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, Any],
        labels: Sequence[str],
        about: dict[str, Any] | None = None,
    ) -> SequencesTable:
        """A table of columns given as any sequences, in the types of `COLUMNS`."""
        arrays: dict[str, Any] = {}
        for name, (kind, _) in COLUMNS.items():
            inner = kind.removeprefix("list<").removesuffix(">")
            array = np.array(columns[name], dtype=object if inner == "string" else inner)
            arrays[name] = array.reshape(-1, len(labels)) if kind != inner else array
        return cls(**arrays, labels=tuple(labels), about=about or {})

    def with_clusters(
        self, cluster: NDArray[np.int32], distance: NDArray[np.float32]
    ) -> SequencesTable:
        """The table with other clusters; both arrays are `(N,)`."""
        return replace(self, cluster=cluster, distance=distance)


assert tuple(f.name for f in fields(SequencesTable))[:-2] == tuple(COLUMNS)


def patch_table(table: SequencesTable) -> ElementsTable:
    """All patches of the sequences, as the elements table that features are computed for.

    Arguments:
        table: N sequences under C labels.

    Returns:
        N C rows: row `n C + c` is sequence n under label c. Boxes are those of the set's
        pictures, which have their working size.
    """
    count = len(table.labels)
    left, top, side = (np.repeat(a, count) for a in (table.work_x, table.work_y, table.side))
    rows = len(table) * count
    return ElementsTable.from_columns(
        {
            "picture": table.files.reshape(-1).tolist(),
            "label": list(table.labels) * len(table),
            "kind": ["typical"] * rows,
            "rank": np.repeat(table.rank, count),
            "x": left,
            "y": top,
            "width": side,
            "height": side,
            "work_x": left,
            "work_y": top,
            "side": side,
            "typicality": table.typicality.reshape(-1),
            "error": np.full(rows, np.nan),
            "cluster": np.full(rows, -1),
            "distance": np.full(rows, np.nan),
            "border": np.repeat(table.border, count),
            "flat": np.zeros(rows, bool),
        }
    )


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DependencyError(
            "the sequences table needs pyarrow: pip install 'typica[mining]'"
        ) from error
    return pyarrow


def _schema(arrow: Any, about: dict[str, Any]) -> Any:
    def kind(name: str) -> Any:
        if name.startswith("list<"):
            return arrow.list_(kind(name[5:-1]))
        return arrow.bool_() if name == "bool" else getattr(arrow, name)()

    described = [
        arrow.field(name, kind(of), nullable=False, metadata={"description": meaning})
        for name, (of, meaning) in COLUMNS.items()
    ]
    return arrow.schema(described, metadata={"typica": json.dumps(about, ensure_ascii=False)})


def write_sequences(path: Path, table: SequencesTable) -> None:
    """Write a table as Parquet, in one step.

    Raises:
        DependencyError: If pyarrow is missing.
    """
    arrow = _arrow()
    about = {"format": FORMAT, "labels": list(table.labels), **table.about}
    columns = {
        name: getattr(table, name).tolist() if kind.startswith("list<") else getattr(table, name)
        for name, (kind, _) in COLUMNS.items()
    }
    made = arrow.table(columns, schema=_schema(arrow, about))
    with atomic_path(path) as aside:
        arrow.parquet.write_table(made, aside, compression="zstd")


def read_sequences(path: Path) -> SequencesTable:
    """Read what `write_sequences` wrote.

    Raises:
        RunError: If the file is missing, damaged, not ours, or of a later format.
        DependencyError: If pyarrow is missing.
    """
    arrow = _arrow()
    again = "Run `typica mine cotypical` again."
    if not path.is_file():
        raise RunError(f"{path}: no such sequences table. {again}")
    try:
        found = arrow.parquet.read_table(path)
        about = json.loads((found.schema.metadata or {})[b"typica"])
        version, labels = int(about.pop("format")), tuple(map(str, about.pop("labels")))
        if version > FORMAT:
            raise RunError(f"{path}: written by a later typica (format {version}). Update typica.")
        if not found.schema.equals(_schema(arrow, {})):  # names and types; metadata apart
            raise ValueError("its columns are others")
        columns = {name: found.column(name).to_pylist() for name in COLUMNS}
        return SequencesTable.from_columns(columns, labels, about)
    except damage(arrow.ArrowException) as error:
        raise RunError(
            f"{path}: damaged, or no sequences table ({reason(error)}). {again}"
        ) from error
