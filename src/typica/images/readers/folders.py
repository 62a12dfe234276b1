"""Folders as labels: `<label>/<file>`, `<split>/<label>/<file>`.

A label may be several folders deep: pictures in `outdoor/church` are labelled `outdoor/church`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ...picture_files import is_picture
from ...sources import Fault
from ...values import SPLIT_NAMES
from .source import Inside, RawPicture, Reading, check_name, is_foreign, suffix

__all__ = ["Tree", "has_labels", "read_folders", "walk"]

_WRAPPERS = frozenset({"images", "pictures", "photos", "imgs", "img", "data"})
"""A single folder of such a name around everything is no label."""


@dataclass
class Tree:
    """All files below a folder, hidden ones left out.

    Arguments:
        root: The folder.
        files: Names of the files of every folder, by its path in `root` as a tuple of names.
        closed: Folders that are not entered, and why.
    """

    root: Path
    files: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    closed: list[tuple[Path, Fault]] = field(default_factory=list)

    def pictures(self) -> dict[tuple[str, ...], list[str]]:
        """The folders that hold pictures, and their names."""
        found = {
            place: [name for name in names if is_picture(name)]
            for place, names in self.files.items()
        }
        return {place: names for place, names in found.items() if names}


def walk(root: Path) -> Tree:
    """List all files below a folder, in a fixed order."""
    tree = Tree(root)

    def refused(error: OSError) -> None:
        fault = Fault(f"a folder that cannot be read ({error.strerror})", "Check its permissions.")
        tree.closed.append((Path(error.filename), fault))

    for folder, folders, names in os.walk(root, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        linked = Fault("a linked folder, which is not entered", "Put the folder itself there.")
        paths = [Path(folder, name) for name in folders]
        tree.closed += [(path, linked) for path in paths if os.path.islink(path)]
        place = Path(folder).relative_to(root).parts
        tree.files[place] = sorted(name for name in names if not name.startswith("."))
    return tree


def has_labels(tree: Tree) -> bool:
    """True if the pictures of a folder lie in folders that can be labels."""
    places = list(tree.pictures())
    start, splits = _layout(places)
    return any(len(place) > start + splits for place in places)


def _layout(places: list[tuple[str, ...]]) -> tuple[int, int]:
    """How many folders stand before the label: those around everything, then that of a split."""
    start = 0
    inner = [place for place in places if place]
    if inner and len(inner) == len(places):
        tops = {place[0] for place in inner}
        start = int(len(tops) == 1 and tops.pop().lower() in _WRAPPERS)
    inner = [place for place in inner if len(place) > start]
    splits = int(bool(inner) and all(place[start].lower() in SPLIT_NAMES for place in inner))
    return start, splits


def read_folders(tree: Tree) -> Reading:
    """Read pictures whose folder is their label.

    Folders named `train`, `val` or `test` are splits if all folders beside them are; a single
    folder around everything named such as `images` is passed over.

    Arguments:
        tree: The files of the collection.

    Returns:
        The pictures, what was set aside, and how many other files there are.
    """
    reading = Reading()
    inside = Inside(tree.root)
    start, splits = _layout(list(tree.pictures()))
    for path, fault in tree.closed:
        reading.set_aside(path, fault)
    for place, names in tree.files.items():
        label = "/".join(place[start + splits :]) or None
        split = place[start] if splits and len(place) > start else None
        for name in names:
            path = tree.root.joinpath(*place, name)
            if is_foreign(name):
                reading.set_aside(
                    path,
                    Fault(f"{suffix(name)} pictures are not read", "Save it as JPEG or PNG."),
                )
            elif not is_picture(name):
                reading.ignored[suffix(name) or "no ending"] += 1
            else:
                try:
                    identity = check_name("/".join((*place, name)))
                    if label is None:
                        raise Fault(
                            "lies in no label's folder, so it has no label",
                            "Put it into a folder named after its label.",
                        )
                    inside.check(path)
                except Fault as fault:
                    reading.set_aside(path, fault)
                    continue
                reading.pictures.append(RawPicture(identity, path, label, split, path))
    return reading
