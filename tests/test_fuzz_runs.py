"""Files that we wrote ourselves, damaged: what loads them gives a value, or says which file it is.

The files are those of tiny models and made-up results; `make fuzz` damages each more often.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .fuzzing import (
    as_json,
    counted,
    damaged,
    damaged_json,
    damaged_tensors,
    examples,
    put,
    survives,
)
from .run_files import RUN_FILES

__all__ = ["counted"]  # a fixture: says how many files were tried


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Every file of ours, whole, and its contents."""
    kept = {}

    def one(name):
        if name not in kept:
            folder = tmp_path_factory.mktemp("runs")
            file = RUN_FILES[name](folder)
            file.read()  # whole, it can be read
            kept[name] = folder, file, file.path.read_bytes()
        return kept[name]

    return one


def _damaged(draw: st.DataObject, suffix: str, data: bytes) -> bytes:
    """The bytes of a file, damaged as a file of its kind can be."""
    if suffix == ".safetensors" and b'"typica"' in data:
        return draw.draw(damaged_tensors(data))
    if suffix == ".json" and draw.draw(st.integers(0, 4)):
        return as_json(draw.draw(damaged_json(json.loads(data))))
    if suffix == ".jsonl" and draw.draw(st.integers(0, 4)):
        rows = draw.draw(damaged_json([json.loads(row) for row in data.splitlines()]))
        return b"\n".join(map(as_json, rows if isinstance(rows, list) else [rows]))
    return draw.draw(damaged(data))


@pytest.mark.parametrize("name", RUN_FILES)
@examples(2)
@given(draw=st.data())
def test_damaged_files_of_ours(made, name, draw):
    folder, file, data = made(name)
    put(file.path, _damaged(draw, file.path.suffix, data))
    survives(name, file.read, folder)
