"""Which format a data set has, and the reader for it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ...errors import DataError
from ...picture_files import is_picture
from ...sources import Fault
from ..text import TextOptions
from .alto import read_alto
from .annotation import read_annotation
from .page import read_page
from .pages import Page, add_page
from .pairs import TEXT_SUFFIX, read_images, read_pairs
from .source import ImageFinder, Reading, walk
from .xml import root_name

__all__ = ["read_format"]

_WANTED = {
    "annotation": "annotation.json (with its images in images/)",
    "pairs": "text files x.gt.txt beside images x.png",
    "page": "PAGE XML files (root element PcGts)",
    "alto": "ALTO files (root element alto)",
    "folder": "images (.png, .jpg, .tif, ...)",
}


def read_format(path: Path, root: Path, form: str, text: TextOptions, margin: float) -> Reading:
    """Read a data set with the reader that its format needs.

    Arguments:
        path: A folder, or one file of a data set.
        root: The folder that nothing may lead out of.
        form: `auto`, or the format (`annotation`, `pairs`, `page`, `alto`, `folder`).
        text: How labels become symbols.
        margin: By how much outlines on a page are widened, as a share of the line height.

    Returns:
        The lines, and what was set aside.

    Raises:
        DataError: If there is nothing of this format, or of any format.
    """
    if path.is_file() and path.suffix.lower() == ".json" and form in {"auto", "annotation"}:
        return read_annotation(path, root, text)
    if path.is_dir() and form in {"auto", "annotation"} and (path / "annotation.json").is_file():
        return read_annotation(path / "annotation.json", root, text)
    if form != "annotation":
        files = walk(path) if path.is_dir() else _companions(path)
        if form in {"auto", "pairs"} and any(file.name.endswith(TEXT_SUFFIX) for file in files):
            return read_pairs(files, root, text)
        if form in {"auto", "page", "alto"}:
            reading = _read_xml(files, root, form, text, margin)
            if reading is not None:
                return reading
        if form in {"auto", "folder"} and any(is_picture(file.name) for file in files):
            return read_images(files, root)
    wanted = _WANTED.values() if form == "auto" else [_WANTED[form]]
    raise DataError(
        f"{path}: no text lines found. Looked for: {'; '.join(wanted)}. "
        "Give the folder that holds them."
    )


def _companions(file: Path) -> list[Path]:
    """A single file, with the text or the image of the same name if it is one of a pair."""
    if file.suffix.lower() == ".xml":
        return [file]
    stem = file.name.removesuffix(TEXT_SUFFIX) if file.name.endswith(TEXT_SUFFIX) else file.stem
    finder = ImageFinder(file.parent)
    found = {file, *finder.with_stem(file.parent, stem)[:1]}
    if is_picture(file.name):
        found = {file}
        pair = finder.named(file.parent, stem + TEXT_SUFFIX)
        found |= {pair} if pair else set()
    return sorted(found)


def _read_xml(
    files: list[Path], root: Path, form: str, text: TextOptions, margin: float
) -> Reading | None:
    """Read the PAGE or ALTO files among some files; None if there is no such file."""
    kinds: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        if file.suffix.lower() == ".xml":
            name = root_name(file)
            kinds[{"PcGts": "page", "alto": "alto"}.get(name, name)].append(file)
    kind = form
    if form == "auto":
        # The same pages may lie there in both formats: reading both would double the lines.
        kind = "alto" if len(kinds["alto"]) > len(kinds["page"]) else "page"
    reading = Reading()
    for name, others in kinds.items():
        if name in {"", "page", "alto"} and name != kind:
            for other in others if name == "" else others[:1]:
                _warn_left_out(reading, other, name, len(others))
    if not kinds[kind]:
        return None
    finder = ImageFinder(root)
    for file in kinds[kind]:
        try:
            finder.check_inside(file)
            page: Page = read_page(file) if kind == "page" else read_alto(file, reading)
        except Fault as fault:
            reading.set_aside(file, fault)
            continue
        add_page(page, finder, text, margin, reading)
    return reading


def _warn_left_out(reading: Reading, file: Path, name: str, count: int) -> None:
    if name:
        reading.warn(
            file,
            f"{count} {name.upper()} files are left out, because there are files of the other "
            "format too",
            f"Name the format ({name}) to read these instead.",
        )
    else:
        fault = Fault("neither PAGE nor ALTO (no root element)", "Export the page again.")
        reading.set_aside(file, fault)
