"""Pairs of a line image and a text file: `x.png` and `x.gt.txt`, in any folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...picture_files import is_picture
from ...sources import Fault
from ...values import SPLIT_NAMES
from ..text import TextOptions, tokenize
from .source import ImageFinder, RawLine, Reading

__all__ = ["TEXT_SUFFIX", "read_images", "read_pairs"]

TEXT_SUFFIX = ".gt.txt"
_VARIANTS = (".bin", ".nrm", ".dew")
"""What ocropus puts between the name of a line and the extension of its picture."""

_MAX_BYTES = 1_000_000


def read_pairs(files: Sequence[Path], root: Path, text: TextOptions) -> Reading:
    """Read line images and the texts beside them.

    An image without text is a line without transcription. Folders named `train`, `val` or
    `test` are splits.

    Arguments:
        files: The files of the data set, sorted.
        root: The data folder.
        text: How the texts become symbols.

    Returns:
        The lines in the order of their ids, and what was set aside.
    """
    reading = Reading()
    finder = ImageFinder(root)
    texts = {
        file.parent / file.name.removesuffix(TEXT_SUFFIX): file
        for file in files
        if file.name.endswith(TEXT_SUFFIX)
    }
    images: dict[Path, Path] = {}
    for file in files:
        if is_picture(file.name):
            base = _base(file, texts)
            # `files` is sorted: x.bin.png would come before x.png.
            if base not in images or len(file.name) < len(images[base].name):
                images[base] = file
    for base in sorted(texts.keys() | images.keys()):
        identity = base.relative_to(root).as_posix()
        source = texts.get(base) or images[base]
        try:
            if base not in images:
                raise Fault("its line image is missing", f"Add {base.name}.png beside it.")
            finder.check_inside(images[base])
            symbols = None
            if base in texts:
                finder.check_inside(texts[base])
                symbols = _symbols(texts[base], text)
        except Fault as fault:
            reading.set_aside(source, fault, identity)
            continue
        reading.lines.append(RawLine(identity, images[base], source, symbols, _split(identity)))
    return reading


def read_images(files: Sequence[Path], root: Path) -> Reading:
    """Read bare line images, without any text.

    Arguments:
        files: The files of the data set, sorted.
        root: The data folder; ids are relative to `images/` below it if that is where they are.

    Returns:
        The lines in the order of their names, and what was set aside.
    """
    reading = Reading()
    finder = ImageFinder(root)
    images = [file for file in files if is_picture(file.name)]
    base = root / "images"
    if not all(base in file.parents for file in images):
        base = root
    for file in images:
        identity = file.relative_to(base).with_suffix("").as_posix()
        try:
            finder.check_inside(file)
        except Fault as fault:
            reading.set_aside(file, fault, identity)
            continue
        reading.lines.append(RawLine(identity, file, file, None, _split(identity)))
    return reading


def _base(image: Path, texts: dict[Path, Path]) -> Path:
    """The name of a line from the name of its image."""
    base = image.parent / os.path.splitext(image.name)[0]
    if base not in texts and base.suffix in _VARIANTS:
        return base.with_suffix("")
    return base


def _split(identity: str) -> str | None:
    folders = identity.split("/")[:-1]
    return next((folder for folder in folders if folder.lower() in SPLIT_NAMES), None)


def _symbols(file: Path, text: TextOptions) -> tuple[str, ...]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise Fault("more than a million bytes of text for one line", "Check the file.")
        content = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Fault(f"cannot be read ({error.strerror})", "Check the file.") from error
    except UnicodeDecodeError as error:
        raise Fault(f"not in UTF-8 ({error.reason})", "Save it in UTF-8.") from error
    if sum(bool(row.strip()) for row in content.splitlines()) > 1:
        raise Fault("more than one line of text", "Write the text of this one line.")
    symbols = tokenize(content, text)
    if not symbols:
        raise Fault("the text is empty", "Write the text, or remove the file.")
    return symbols
