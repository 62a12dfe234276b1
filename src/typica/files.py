"""Writing files so that nobody ever sees half of one.

A file is written under a temporary name in the same folder, flushed to the disk, and renamed.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["atomic_path", "finite", "half_written", "write_bytes", "write_json", "write_text"]

_ASIDE = re.compile(r"\.(.+)-[a-z0-9_]{8}(\.[^.]*)?")
"""The temporary names of `atomic_path`: what a file is to become, with a dot and random letters."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`, else it is removed.

    The temporary name keeps the suffix of `path`, because some writers choose by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with open(aside, "rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(aside, 0o666 & ~umask)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def half_written(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a folder that are being written, or were when a process was killed.

    Arguments:
        folder: Its own files are looked at, not those of folders below; it need not exist.

    Returns:
        Temporary files, each with the name that it would have got. Others' files may be called
        alike, so look for the names that you write.
    """
    for path in folder.glob(".*-*"):
        match = _ASIDE.fullmatch(path.name)
        if match:
            yield path, match[1] + (match[2] or "")


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step."""
    with atomic_path(path) as aside:
        aside.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 in one step."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON in one step, non-ASCII characters kept."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def finite(value: Any) -> Any:
    """The same plain nested value, with None for numbers that JSON has not (NaN, infinity)."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
