"""The elements table on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from typica.errors import RunError
from typica.mining import table as module
from typica.mining.table import COLUMNS, ElementsTable, read_table, write_table
from typica.values import Box


def make_table(rows=6, seed=0, labels=("a", "b")):
    """A table of random elements: half of every label typical, half random."""
    rng = np.random.default_rng(seed)
    columns = {
        name: rng.integers(0, 30, rows) if kind == "int32" else rng.random(rows)
        for name, (kind, _) in COLUMNS.items()
    }
    columns["picture"] = [f"straße/{n % 4}.png" for n in range(rows)]
    columns["label"] = sorted(labels[n % len(labels)] for n in range(rows))
    columns["kind"] = ["typical" if n % 2 else "random" for n in range(rows)]
    columns["cluster"] = np.full(rows, -1)
    columns["distance"] = np.full(rows, np.nan)
    columns["border"] = columns["flat"] = rng.random(rows) < 0.5
    return ElementsTable.from_columns(columns, {"size": 64, "data": {"name": "ä"}})


def test_a_table_comes_back_as_it_was(tmp_path):
    table = make_table()
    path = tmp_path / "elements" / "base.parquet"
    write_table(path, table)
    again = read_table(path)
    assert again.about == table.about
    for name, (kind, _) in COLUMNS.items():
        found = getattr(again, name)
        assert found.dtype == (object if kind == "string" else kind)
        np.testing.assert_array_equal(found, getattr(table, name))
    assert [p.name for p in path.parent.iterdir()] == ["base.parquet"]
    assert again.digest() == table.digest()


def test_an_empty_table_comes_back(tmp_path):
    write_table(tmp_path / "x.parquet", make_table(0))
    assert len(read_table(tmp_path / "x.parquet")) == 0


def test_columns_are_described_in_the_file(tmp_path):
    write_table(tmp_path / "x.parquet", make_table())
    schema = pq.read_schema(tmp_path / "x.parquet")
    assert schema.names == list(COLUMNS)
    for name, (_, meaning) in COLUMNS.items():
        assert schema.field(name).metadata[b"description"].decode() == meaning
    assert json.loads(schema.metadata[b"typica"])["format"] == module.FORMAT


def test_rows_and_boxes():
    table = make_table(12)
    for label in table.labels:
        for kind in ("typical", "random"):
            wanted = [i for i in range(12) if table.label[i] == label and table.kind[i] == kind]
            assert table.rows(label, kind).tolist() == wanted
    assert len(table.rows()) == 12
    box = table.box(3)
    assert isinstance(box, Box)
    assert np.isclose(box.width, table.width[3], rtol=1e-6)


def test_the_digest_tells_elements_apart_but_not_their_clusters():
    table = make_table()
    changed = table.with_clusters(np.zeros(6, np.int32), np.zeros(6, np.float32))
    assert changed.cluster.tolist() == [0] * 6
    assert changed.digest() == table.digest()
    assert make_table(seed=1).digest() != table.digest()


def test_files_that_cannot_be_used_say_why(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    with pytest.raises(RunError, match=r"no such elements table.*mine select"):
        read_table(path)
    write_table(path, make_table())
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunError, match="damaged"):
        read_table(path)
    write_table(path, make_table())
    path.write_bytes(path.read_bytes().replace(b"cluster", b"\xffluster"))  # a name is no text
    with pytest.raises(RunError, match=r"damaged.*utf-8"):
        read_table(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(RunError, match="no elements table of typica"):
        read_table(path)
    write_table(path, make_table())
    pq.write_table(pq.read_table(path).drop_columns(["side"]), path)
    with pytest.raises(RunError, match="no column 'side'"):
        read_table(path)
    monkeypatch.setattr(module, "FORMAT", 99)
    write_table(path, make_table())
    monkeypatch.setattr(module, "FORMAT", 1)
    with pytest.raises(RunError, match="later typica"):
        read_table(path)


def test_the_guide_tells_every_column():
    guide = (Path(__file__).parents[1] / "docs" / "mining.md").read_text(encoding="utf-8")
    for name, (kind, meaning) in COLUMNS.items():
        assert f"| `{name}` | {kind} | {meaning} |" in guide
