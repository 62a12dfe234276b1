"""Writing files so that nobody ever sees half of one.

A file is written under a temporary name in the same folder, flushed to the disk, and renamed. While
it is written it is locked; the lock ends with its process, however that ends, so what a killed
process left can be told from what another one is writing, and goes when the file is next written.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import WriteError

__all__ = [
    "atomic_folder",
    "atomic_path",
    "finite",
    "half_written",
    "write_bytes",
    "write_json",
    "write_text",
    "writing",
]

_ROOM = "Make room, or choose another folder, and give the same command again."
_RIGHTS = "Make its folder writable, or choose another one, and give the same command again."
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
}
"""What to do when the system refuses to write, by its number for why."""

_ASIDE = re.compile(r"\.(.+)-[a-z0-9_]{8}(\.[^.]*)?")
"""The temporary names of `atomic_path`: what a file is to become, with a dot and random letters."""

_leftovers: dict[Path, dict[str, list[Path]]] = {}
"""Of every folder written to: the temporary files met there, by what they are to become."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`, else it is removed.

    The temporary name keeps the suffix of `path`, because some writers choose by it. What killed
    processes left half written of the same file is removed.

    Raises:
        WriteError: If there is no room or no permission; what was at `path` stays.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        handle, aside = _make_aside(path)
        try:
            yield aside
            with open(aside, "rb") as file:
                os.fsync(file.fileno())
            os.chmod(aside, 0o666 & ~_umask())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
            if handle is not None:
                os.close(handle)


@contextmanager
def atomic_folder(path: Path, replace: bool = True) -> Iterator[Path]:
    """Yield a new folder beside `path`; on success it becomes `path`, else it is removed.

    Arguments:
        path: The folder.
        replace: Whether one that is there by then is exchanged for the new one; whether it may be
            is for the caller to ask before. Otherwise it stays, and the new one is removed.

    Raises:
        WriteError: If no folder can be made there, or one is there that is not to be replaced.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise WriteError(f"{path}: cannot be made ({error}). Name another folder.") from error
    try:
        yield aside
        os.chmod(aside, 0o777 & ~_umask())
        if replace:
            _exchange(aside, path)
        elif path.exists():
            raise WriteError(f"{path}: was made by another process. Name another folder.")
        else:
            os.replace(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(aside: Path, path: Path) -> None:
    """Put a folder in the place of another, which is moved away first: no step does both."""
    if not path.exists():
        os.replace(aside, path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}-old-", dir=path.parent))
    try:
        os.replace(path, old / "old")
        try:
            os.replace(aside, path)
        except BaseException:
            os.replace(old / "old", path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    """The permissions that new files of this process do not get."""
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which file cannot be written for want of room or permission, and what to do.

    Arguments:
        path: The file.

    Raises:
        WriteError: If the system says so inside.
    """
    try:
        yield
    except OSError as error:
        other = error.filename and not path.absolute().is_relative_to(
            Path(os.fsdecode(error.filename)).absolute().parent
        )
        if other or error.errno not in _REMEDIES:  # such as a file that could not be read
            raise
        remedy = _REMEDIES[error.errno]
        raise WriteError(f"{path}: cannot be written ({error.strerror}). {remedy}") from error


def _make_aside(path: Path) -> tuple[int | None, Path]:
    """A new temporary file and the handle that locks it; None where there are no locks."""
    while True:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
        )
        locked = _lock(handle)
        if locked and os.path.exists(name):
            return handle, Path(name)
        os.close(handle)
        if locked is None:
            return None, Path(name)
        # between the two steps another process took it for a leftover: try again


def _lock(handle: int) -> bool | None:
    """Lock an opened file; False if another process has it, None if there are no locks here."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files that were to become `path` and that no process holds any more.

    A folder is listed once; what is left there later has been left by a process that this one
    need not clean up after.
    """
    folder = path.parent.absolute()
    if folder not in _leftovers:
        found: dict[str, list[Path]] = {}
        for aside, name in half_written(folder):
            found.setdefault(name, []).append(aside)
        _leftovers[folder] = found
    for aside in _leftovers[folder].pop(path.name, ()):
        with suppress(OSError):  # another one removed it, or it is somebody else's
            handle = os.open(aside, os.O_RDWR)
            try:
                if _lock(handle):
                    aside.unlink()
            finally:
                os.close(handle)


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
