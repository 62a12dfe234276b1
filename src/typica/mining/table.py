"""The elements table: one row per element, in Parquet, with every column described in the file.

Rows are sorted by label, then kind (typical, random, least), then rank. Features and clusters
refer to elements by their row number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import DependencyError, RunError, damage, reason
from ..files import atomic_path
from ..values import Box

__all__ = ["COLUMNS", "FORMAT", "KINDS", "ElementsTable", "Kind", "read_table", "write_table"]

FORMAT = 1
"""Version of the table; raised when an older program could not read a newer file."""

Kind = Literal["typical", "random", "least"]
KINDS: tuple[Kind, ...] = get_args(Kind)

COLUMNS: dict[str, tuple[str, str]] = {
    "picture": ("string", "id of the picture in the collection"),
    "label": ("string", "label of the picture, whose typicality the element was taken by"),
    "kind": ("string", "typical, least (least typical), or random (drawn whatever its score)"),
    "rank": ("int32", "from 0 within label and kind: by typicality, or in the order drawn"),
    "x": ("float32", "left edge in pixels of the original picture"),
    "y": ("float32", "top edge in pixels of the original picture"),
    "width": ("float32", "in pixels of the original picture"),
    "height": ("float32", "in pixels of the original picture"),
    "work_x": ("int32", "left edge in pixels of the working size"),
    "work_y": ("int32", "top edge in pixels of the working size"),
    "side": ("int32", "side of the square in pixels of the working size"),
    "typicality": ("float32", "mean of T(x|c) over the element"),
    "error": ("float32", "standard error of the typicality over the draws of noise and time"),
    "cluster": ("int32", "rank of its cluster within label and kind; -1 if in none"),
    "distance": ("float32", "of its features to its cluster's centroid; NaN if in none"),
    "border": ("bool", "it reaches the band along the edge of the picture"),
    "flat": ("bool", "its grey values hardly differ"),
}
"""Type and meaning of every column."""


@dataclass(frozen=True)
class ElementsTable:
    """Elements as columns of equal length N; `COLUMNS` says what each one is.

    Arguments:
        about: What decided the table, kept in the file: plain values.
    """

    picture: NDArray[np.object_]
    label: NDArray[np.object_]
    kind: NDArray[np.object_]
    rank: NDArray[np.int32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    width: NDArray[np.float32]
    height: NDArray[np.float32]
    work_x: NDArray[np.int32]
    work_y: NDArray[np.int32]
    side: NDArray[np.int32]
    typicality: NDArray[np.float32]
    error: NDArray[np.float32]
    cluster: NDArray[np.int32]
    distance: NDArray[np.float32]
    border: NDArray[np.bool_]
    flat: NDArray[np.bool_]
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.picture)

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, Any], about: dict[str, Any] | None = None
    ) -> ElementsTable:
        """A table of columns given as any sequences, in the types of `COLUMNS`."""
        arrays = {
            name: np.array(columns[name], dtype=object if kind == "string" else kind)
            for name, (kind, _) in COLUMNS.items()
        }
        return cls(**arrays, about=about or {})

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted(set(self.label.tolist())))

    def rows(self, label: str | None = None, kind: Kind | None = None) -> NDArray[np.int64]:
        """Row numbers of a label, or a kind, or both, ascending: within both, by rank."""
        wanted = np.ones(len(self), dtype=bool)
        if label is not None:
            wanted &= np.asarray(self.label == label, dtype=bool)
        if kind is not None:
            wanted &= np.asarray(self.kind == kind, dtype=bool)
        return np.flatnonzero(wanted)

    def box(self, row: int) -> Box:
        """The element of one row, in pixels of the original picture."""
        x, y = float(self.x[row]), float(self.y[row])
        return Box(x, y, x + float(self.width[row]), y + float(self.height[row]))

    def with_clusters(
        self, cluster: NDArray[np.int32], distance: NDArray[np.float32]
    ) -> ElementsTable:
        """The table with other clusters; both arrays are `(N,)`."""
        return replace(self, cluster=cluster, distance=distance)

    def digest(self) -> str:
        """A digest of which elements these are, whatever their scores and clusters."""
        total = hashlib.sha256()
        rows = zip(
            self.picture.tolist(),
            self.label.tolist(),
            self.work_x.tolist(),
            self.work_y.tolist(),
            self.side.tolist(),
            strict=True,
        )
        for row in rows:
            total.update(json.dumps(row).encode())
        return total.hexdigest()[:16]


assert tuple(f.name for f in fields(ElementsTable))[:-1] == tuple(COLUMNS)


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DependencyError(
            "the elements table needs pyarrow: pip install 'typica[mining]'"
        ) from error
    return pyarrow


def _schema(arrow: Any, about: dict[str, Any]) -> Any:
    kinds = {name: arrow.bool_() if kind == "bool" else getattr(arrow, kind)()
             for name, (kind, _) in COLUMNS.items()}  # fmt: skip
    described = [
        arrow.field(name, kinds[name], nullable=False, metadata={"description": meaning})
        for name, (_, meaning) in COLUMNS.items()
    ]
    text = json.dumps({"format": FORMAT, **about}, ensure_ascii=False)
    return arrow.schema(described, metadata={"typica": text})


def write_table(path: Path, table: ElementsTable) -> None:
    """Write a table as Parquet, in one step.

    Raises:
        DependencyError: If pyarrow is missing.
    """
    arrow = _arrow()
    columns = {name: getattr(table, name) for name in COLUMNS}
    made = arrow.table(columns, schema=_schema(arrow, table.about))
    with atomic_path(path) as aside:
        arrow.parquet.write_table(made, aside, compression="zstd")


def read_table(path: Path) -> ElementsTable:
    """Read what `write_table` wrote.

    Raises:
        RunError: If the file is missing, damaged, not ours, or of a later format.
        DependencyError: If pyarrow is missing.
    """
    arrow = _arrow()
    if not path.is_file():
        raise RunError(f"{path}: no such elements table. Run `typica mine select` first.")
    try:
        found = arrow.parquet.read_table(path)
        about = json.loads((found.schema.metadata or {})[b"typica"])
        version = int(about.pop("format"))
        names = found.column_names
    except damage(arrow.ArrowException) as why:
        raise RunError(
            f"{path}: damaged, or no elements table of typica ({reason(why)}). "
            "Run `typica mine select` again."
        ) from why
    if version > FORMAT:
        raise RunError(
            f"{path}: written by a later typica (format {version}, this one reads {FORMAT}). "
            "Update typica."
        )
    expected = _schema(arrow, {})
    if not found.schema.equals(expected):  # names and types in order; metadata apart
        missing = sorted(set(COLUMNS) - set(names))
        what = f"no column {missing[0]!r}" if missing else "columns of other types"
        raise RunError(f"{path}: {what}. Run `typica mine select` again.")
    try:
        columns = {name: found.column(name).to_numpy() for name in COLUMNS}
    except damage(arrow.ArrowException) as why:  # text that is not UTF-8
        raise RunError(f"{path}: damaged ({reason(why)}). Run `typica mine select` again.") from why
    return ElementsTable.from_columns(columns, about)
