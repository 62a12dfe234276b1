"""What all readers share: what is wrong with a file, what was found out, what lies inside.

A reader turns files into raw values and `Problem`s; nothing that it reads may lead out of the
folder of the collection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from .values import Problem

__all__ = ["Fault", "Findings", "Root"]


class Fault(Exception):
    """One line or picture (or file) cannot be used; becomes a `Problem`, never reaches a caller."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass
class Findings:
    """What a reader has to tell a person."""

    problems: list[Problem] = field(default_factory=list)

    def set_aside(self, source: Path, fault: Fault, line: str | None = None) -> None:
        """Note that a line, picture or file is left out."""
        self._note(source, fault.message, fault.remedy, line, fatal=True)

    def warn(self, source: Path, message: str, remedy: str, line: str | None = None) -> None:
        """Note something odd that does not stop anything from being used."""
        self._note(source, message, remedy, line, fatal=False)

    def _note(
        self, source: Path, message: str, remedy: str, line: str | None, *, fatal: bool
    ) -> None:
        where = None if line is None else _printable(line)
        self.problems.append(Problem(Path(_printable(str(source))), message, remedy, where, fatal))


def _printable(text: str) -> str:
    """The text with half characters (lone surrogates) made visible, so that it can be printed."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class Root:
    """A folder that nothing may lead out of, once links are followed.

    Arguments:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        self._known: dict[Path, bool] = {}

    def holds(self, path: Path) -> bool:
        """True if a path, links resolved, is the folder or below it; looked up once."""
        if path not in self._known:
            real = os.path.realpath(path)
            inside = self._real.rstrip(os.sep) + os.sep
            self._known[path] = real == self._real or real.startswith(inside)
        return self._known[path]

    def holds_file(self, path: Path) -> bool:
        """The same for a file: one that is no link is where its folder is."""
        return self.holds(path if os.path.islink(path) else path.parent)
