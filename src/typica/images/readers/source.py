"""What the readers share: one picture as it stands in a file, paths that stay inside.

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

from ...values import Problem
from ..decoding import FOREIGN_SUFFIXES, IMAGE_SUFFIXES

__all__ = [
    "Fault",
    "Inside",
    "RawPicture",
    "Reading",
    "check_name",
    "is_foreign",
    "is_picture",
    "printable",
    "suffix",
]


class Fault(Exception):
    """One picture (or file) cannot be used; becomes a `Problem`, never reaches a caller."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


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
class Reading:
    """What a reader found: pictures, what it set aside, and how many files it left alone."""

    pictures: list[RawPicture] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    def set_aside(self, source: Path, fault: Fault, line: str | None = None) -> None:
        """Note that a picture or file is left out."""
        file = Path(printable(str(source)) or "")
        self.problems.append(Problem(file, fault.message, fault.remedy, printable(line)))

    def warn(self, source: Path, message: str, remedy: str, line: str | None = None) -> None:
        """Note something odd that does not stop the picture from being used."""
        self.problems.append(Problem(source, message, remedy, printable(line), fatal=False))

    def add(self, other: Reading) -> None:
        """Take over what another reader found."""
        self.pictures += other.pictures
        self.problems += other.problems
        self.ignored += other.ignored


def printable(text: str | None) -> str | None:
    """The text with half characters (lone surrogates) made visible, so that it can be printed."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def suffix(name: str) -> str:
    """The ending of a file name in lower case, with its dot; empty if it has none."""
    return os.path.splitext(name)[1].lower()


def is_picture(name: str) -> bool:
    """True if a file name ends like a picture that can be read, and is not hidden."""
    return not name.startswith(".") and suffix(name) in IMAGE_SUFFIXES


def is_foreign(name: str) -> bool:
    """True if a file name ends like a picture of a format that is not read."""
    return not name.startswith(".") and suffix(name) in FOREIGN_SUFFIXES


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
    if text.startswith(("/", "~")) or "\\" in text or _DRIVE.match(text):
        raise Fault(
            "an absolute path, or one with a backslash",
            "Write it relative to the folder of the collection, with forward slashes.",
        )
    if ".." in text.split("/"):
        raise Fault(
            "the path leads out of the folder (..)",
            "Put the pictures below the folder of the collection.",
        )
    return unicodedata.normalize("NFC", PurePosixPath(text).as_posix())


class Inside:
    """Tells whether files are below a folder, once links are followed.

    Arguments:
        root: The folder that nothing may lead out of.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        self._folders: dict[Path, bool] = {}

    def check(self, path: Path) -> None:
        """Raise a `Fault` if a path, links resolved, leads out of the folder."""
        folder = path.parent
        if folder not in self._folders:
            self._folders[folder] = self._holds(folder)
        # A file that is no link is where its folder is.
        if not (self._holds(path) if os.path.islink(path) else self._folders[folder]):
            raise Fault(
                "a link that leads out of the folder of the collection",
                "Put the picture itself there, not a link to it.",
            )

    def _holds(self, path: Path) -> bool:
        real = os.path.realpath(path)
        return real == self._real or real.startswith(self._real.rstrip(os.sep) + os.sep)
