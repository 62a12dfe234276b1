"""Pinned npm packages: fetched when a demo is made, checked, and never run.

`npm pack` downloads one archive and executes nothing of it. Whatever is taken from it has a
known SHA-256, so a demo is the same everywhere or says why it is not.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

from ..files import write_bytes

__all__ = [
    "LARGEST",
    "cache_folder",
    "fetch_archive",
    "installed_file",
    "keep",
    "pack",
    "read_member",
    "verified",
]

LARGEST = 4_000_000
"""Bytes of the largest file that is read from a package unless the caller allows more."""


def cache_folder(kind: str) -> Path:
    """The folder that fetched files are kept in, by the XDG convention.

    Arguments:
        kind: What is kept there, such as `fonts`.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "typica" / kind


def verified(path: Path, digest: str) -> bool:
    """Whether a file is there and has this SHA-256 (hexadecimal)."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def keep(path: Path, data: bytes) -> Path:
    """Write a file to the cache, or to a temporary folder if the cache cannot be written.

    Returns:
        Where it is now.
    """
    try:
        write_bytes(path, data)
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="typica-demo-")) / path.name
        write_bytes(path, data)
    return path


def pack(package: str, folder: Path) -> tuple[Path | None, str]:
    """Download the archive of a package.

    Arguments:
        package: Name and exact version, such as `@scope/name@1.2.3`.
        folder: An existing, empty folder for it.

    Returns:
        The archive, or None and the reason in a sentence.
    """
    npm = shutil.which("npm")
    if npm is None:
        return None, f"{package}: npm is not installed."
    command = [npm, "pack", package, "--ignore-scripts", "--silent"]
    command += ["--pack-destination", str(folder), "--fetch-retries=0", "--fetch-timeout=20000"]
    try:
        subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=True)
        (archive,) = Path(folder).glob("*.tgz")
    except (OSError, subprocess.SubprocessError, ValueError):
        return None, f"{package}: npm could not fetch it."
    return archive, ""


def read_member(archive: Path, name: str, largest: int = LARGEST) -> bytes:
    """One file of an archive, read without unpacking anything to the disk.

    Arguments:
        archive: A `.tgz` as `pack` leaves it.
        name: The file in the package, from its root.
        largest: Bytes that it may have.

    Raises:
        ValueError: If there is no such archive or file, or it is larger.
    """
    try:
        with tarfile.open(archive, "r:gz") as package:
            entry = package.getmember(f"package/{name}")
            stream = package.extractfile(entry) if entry.isfile() else None
            if stream is None or entry.size > largest:
                raise ValueError(f"{name}: no file, or too large")
            return stream.read()
    except (OSError, KeyError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"{name}: cannot be read ({error})") from error


def fetch_archive(package: str, digest: str, cache: Path) -> tuple[Path | None, str]:
    """The whole archive of a package, from the cache or from npm.

    Arguments:
        package: Name and exact version.
        digest: SHA-256 of the archive.
        cache: Where it is kept.

    Returns:
        The archive, or None and the reason in a sentence.
    """
    path = cache / (package.lstrip("@").replace("/", "-").replace("@", "-") + ".tgz")
    if verified(path, digest):
        return path, ""
    with tempfile.TemporaryDirectory() as folder:
        archive, reason = pack(package, Path(folder))
        if archive is None:
            return None, reason
        data = archive.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        return None, f"{package}: the package is not the one that was pinned."
    return keep(path, data), ""


def installed_file(module: str, member: str) -> Path | None:
    """A file that an installed Python package carries; the package is not imported."""
    spec = importlib.util.find_spec(module)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / member
        if path.exists():
            return path
    return None
