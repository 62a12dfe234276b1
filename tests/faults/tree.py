"""What a job left, so that it can be compared: every file, without times and names of places."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, safe_open

__all__ = ["differences", "half_written", "tree"]

_TIMES = frozenset(
    {
        "finished_at",
        "hardware",
        "lines_per_second",
        "minutes",
        "pictures_per_second",
        "processor_seconds",
        "seconds",
        "started",
    }
)
"""Names of values that no two runs share."""
_IN_PAGES = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\b\d+(?:\.\d+)? (?:<small>)?(?:min|minutes|s)\b"
)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in _TIMES}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def _of_tensors(path: Path) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(path).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(-1).numpy().tobytes())
    with safe_open(path, framework="pt") as file:
        about = (file.metadata() or {}).get("typica", "null")
    digest.update(json.dumps(_plain(json.loads(about)), sort_keys=True).encode())
    return digest.hexdigest()


def _of(path: Path) -> str:
    if path.name.startswith("."):
        return "temporary"
    if path.suffix == ".safetensors":
        return _of_tensors(path)
    if path.suffix == ".json":
        return json.dumps(_plain(json.loads(path.read_text())), sort_keys=True)
    if path.suffix == ".jsonl":
        rows = [_plain(json.loads(row)) for row in path.read_text().splitlines()]
        return json.dumps(rows, sort_keys=True)
    if path.suffix == ".html":
        return _IN_PAGES.sub("", path.read_text())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder with its contents; one that is damaged raises."""
    return {
        str(path.relative_to(folder)): _of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def half_written(folder: Path) -> list[str]:
    """Files under their own names that cannot be read, whatever instant a job was killed at.

    Temporary names begin with a dot and do not count; of a log the last row may be cut short.
    """
    bad = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).parts
        if path.suffix in (".safetensors", ".json", ".png", ".parquet", ".html") and not any(
            part.startswith(".") for part in inner
        ):
            try:
                _check(path)
            except (ValueError, SafetensorError, SyntaxError, OSError) as error:
                bad.append(f"{'/'.join(inner)}: {error}")
    return bad


def _check(path: Path) -> None:
    if path.suffix == ".html":
        if not path.read_text().rstrip().endswith("</html>"):
            raise ValueError("cut short")
    elif path.suffix == ".png":
        with Image.open(path) as picture:
            picture.load()
    elif path.suffix == ".parquet":
        pyarrow.parquet.read_table(path)
    else:
        _of(path)


def differences(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """In what two folders differ."""
    rows = [f"orphan: {name}" for name in found.keys() - wanted.keys()]
    rows += [f"missing: {name}" for name in wanted.keys() - found.keys()]
    both = found.keys() & wanted.keys()
    return sorted(
        rows + [f"other contents: {name}" for name in both if found[name] != wanted[name]]
    )
