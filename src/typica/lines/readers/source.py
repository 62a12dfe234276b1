"""What the readers of lines share: one line as it stands in a file, images found by name.

A reader turns files into `RawLine`s and `Problem`s; `typica.lines.collection` makes lines of
them (splits, documents, checks), so that every format gets the same treatment.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from ...picture_files import PICTURE_SUFFIXES, is_picture
from ...sources import Fault, Findings, Root
from ..line import Glyph, PagePlace, Points

__all__ = ["ImageFinder", "RawLine", "Reading", "check_id", "walk"]


@dataclass(frozen=True)
class RawLine:
    """One line as a reader found it.

    Arguments:
        id: The id without extension.
        path: The image file.
        source: The file that names the line, for messages.
        symbols: The symbols of its text; None if it has none.
        split: The split as written in the file; None if there is none.
        document: The document as written in the file; None if there is none.
        polygon: Outline on the page image in pixels; None if the image is the line.
        margin: By how many pixels the outline is widened.
        glyphs: The true glyph boxes; empty if unknown.
        place: Where it stands in the file of its page; None if it comes from no such file.
        fields: What else the file says of it, as names and values.
    """

    id: str
    path: Path
    source: Path
    symbols: tuple[str, ...] | None = None
    split: str | None = None
    document: str | None = None
    polygon: Points | None = None
    margin: float = 0.0
    glyphs: tuple[Glyph, ...] = ()
    place: PagePlace | None = None
    fields: tuple[tuple[str, str], ...] = ()


@dataclass
class Reading(Findings):
    """What a reader found: lines in order, and what it set aside."""

    lines: list[RawLine] = field(default_factory=list)


def walk(root: Path) -> list[Path]:
    """All files below a folder, sorted; hidden ones and linked folders are left out."""
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
    return found


class ImageFinder(Root):
    """Finds images below one folder by name, reading every folder once.

    Arguments:
        root: The folder that nothing may lead out of.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._folders: dict[Path, dict[str, str]] = {}
        self._stems: dict[Path, dict[str, list[str]]] = {}

    def check_inside(self, path: Path) -> None:
        """Raise a `Fault` if a path, links resolved, leads out of the data folder."""
        if not self.holds_file(path):
            raise Fault(
                f"{path.name} leads out of the data folder",
                f"Put the image itself below {self.root}, not a link to it.",
            )

    def named(self, folder: Path, name: str) -> Path | None:
        """The file of exactly this name (in any Unicode normal form); None if there is none."""
        actual = self._names(folder).get(unicodedata.normalize("NFC", name))
        return None if actual is None else folder / actual

    def with_stem(self, folder: Path, stem: str) -> list[Path]:
        """The images with this name before the extension, the preferred format first."""
        self._names(folder)
        names = self._stems[folder].get(unicodedata.normalize("NFC", stem), [])
        return [folder / name for name in sorted(names, key=_preference)]

    def _names(self, folder: Path) -> dict[str, str]:
        known = self._folders.get(folder)
        if known is not None:
            return known
        names: dict[str, str] = {}
        stems: dict[str, list[str]] = {}
        try:
            listing = sorted(os.listdir(folder))
        except (OSError, ValueError):
            listing = []
        for name in listing:
            normal = unicodedata.normalize("NFC", name)
            names.setdefault(normal, name)
            if is_picture(name):
                stems.setdefault(os.path.splitext(normal)[0], []).append(name)
        self._folders[folder] = names
        self._stems[folder] = stems
        return names


def _preference(name: str) -> tuple[int, str]:
    return PICTURE_SUFFIXES.index(os.path.splitext(name)[1].lower()), name


_DRIVE = re.compile(r"^[A-Za-z]:")


def check_id(text: str) -> None:
    """Raise a `Fault` if an id cannot be a path below the data folder, or cannot be written."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Fault("the id is not valid Unicode", "Write the id in UTF-8.") from error
    if not text.strip():
        raise Fault("the id is empty", "Give the line the name of its image as id.")
    if text.startswith("/") or "\\" in text or _DRIVE.match(text):
        raise Fault(
            "the id is an absolute path or has a backslash",
            "Write it relative to the images folder, with forward slashes.",
        )
    if any(part in {"", ".", ".."} for part in text.split("/")):
        raise Fault(
            "the id leads out of the images folder (.. or an empty part)",
            "Write the plain name of the image.",
        )
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise Fault("the id has a control character", "Write the plain name of the image.")
