"""What the readers of pictures share: one picture as it stands in a file, names that can be read.

A reader turns files into `RawPicture`s and `Problem`s; `typica.images.collection` makes pictures
of them (labels, splits, sizes), so that every format gets the same treatment.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...sources import Fault, Findings, Root

__all__ = ["Inside", "RawPicture", "Reading", "check_name", "is_foreign", "suffix"]

_FOREIGN_SUFFIXES = (
    *(".heic", ".heif", ".avif", ".jxl", ".svg", ".psd", ".eps", ".pdf"),
    *(".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".raf", ".exr", ".dcm"),
)
"""Endings of pictures in formats that are not read; a person is told of them."""


@dataclass(frozen=True)
class RawPicture:
    """One picture as a reader found it.

    Arguments:
        id: Path of the picture in the collection, with forward slashes.
        path: The picture file.
        label: Its label as it stands in the collection; None if it has none.
        split: Its split as it stands in the collection; None if it names none.
        source: The file that names the picture, for messages.
        line: Where in that file, such as the number of a row.
    """

    id: str
    path: Path
    label: Any
    split: Any
    source: Path
    line: str | None = None


@dataclass
class Reading(Findings):
    """What a reader found: pictures, what it set aside, and how many files it left alone."""

    pictures: list[RawPicture] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def add(self, other: Reading) -> None:
        """Take over what another reader found."""
        self.pictures += other.pictures
        self.problems += other.problems
        self.ignored += other.ignored


def suffix(name: str) -> str:
    """The ending of a file name in lower case, with its dot; empty if it has none."""
    return os.path.splitext(name)[1].lower()


def is_foreign(name: str) -> bool:
    """True if a file name ends like a picture of a format that is not read."""
    return not name.startswith(".") and suffix(name) in _FOREIGN_SUFFIXES


_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")
_DRIVE = re.compile(r"^[A-Za-z]:")


def check_name(text: str) -> str:
    """The id of a picture from its path in a table or folder.

    Arguments:
        text: The path, relative to the folder of the collection.

    Returns:
        The same path without `./`, in NFC.

    Raises:
        Fault: If it is absolute, leads out of the folder, or cannot be written.
    """
    if not text.strip():
        raise Fault("the path of the picture is empty", "Write its path, or remove the row.")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise Fault("the path has characters that cannot be shown", "Rename the file.")
    if _ADDRESS.match(text) and not _DRIVE.match(text):
        raise Fault(
            "an address, not a path",
            "Download the pictures, and write paths in the table's folder.",
        )
    plain = PurePosixPath(text).as_posix()  # without ./, which may hide how it begins
    if text.startswith("/") or plain.startswith("~") or "\\" in text or _DRIVE.match(plain):
        raise Fault(
            "an absolute path, or one with a backslash",
            "Write it relative to the folder of the collection, with forward slashes.",
        )
    if ".." in text.split("/"):
        raise Fault(
            "the path leads out of the folder (..)",
            "Put the pictures below the folder of the collection.",
        )
    return unicodedata.normalize("NFC", plain)


class Inside(Root):
    """The folder of a collection, which no picture may lead out of."""

    def check(self, path: Path) -> None:
        """Raise a `Fault` if a path, links resolved, leads out of the folder."""
        if not self.holds_file(path):
            raise Fault(
                "a link that leads out of the folder of the collection",
                "Put the picture itself there, not a link to it.",
            )
