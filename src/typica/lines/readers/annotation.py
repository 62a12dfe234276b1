"""The format of the Learnable Typewriter: `annotation.json` beside a folder `images/`.

    {"page1_line3.png": {"split": "train", "label": "text", "script": "hand A"}, ...}

The key is the file name with or without extension. `split` (`train`, `val`, `test`), `label` and
`script` may be absent; `script`, else `document`, names the document. `sep` and `space` inside an
entry, or beside the entries as strings, override the options of the call. Other keys with a string
are kept as the line's fields, by which lines can be grouped.

Rendered lines have a third file, `glyphs.json`, with the true glyph boxes:
`{id: [[symbol, left, top, right, bottom], ...]}`, pixels of the line image.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import ConfigError, DataError
from ...picture_files import is_picture
from ...sources import Fault
from ..line import Box, Glyph
from ..text import TextOptions, normalize, tokenize
from .source import ImageFinder, RawLine, Reading, check_id

__all__ = ["read_annotation"]


_OWN = frozenset({"label", "split", "sep", "space"})
"""Keys of an entry that say how it is read, and no more."""


class _Entry(dict[str, Any]):
    """A JSON object that remembers which keys came more than once; the first value stays."""

    again: tuple[str, ...] = ()


def _keep_first(pairs: Iterable[tuple[str, Any]]) -> _Entry:
    entry = _Entry()
    again = []
    for key, value in pairs:
        if key in entry:
            again.append(key)
        else:
            entry[key] = value
    entry.again = tuple(again)
    return entry


def read_annotation(file: Path, root: Path, text: TextOptions) -> Reading:
    """Read an `annotation.json`.

    Arguments:
        file: The annotation file.
        root: The data folder; images are in `images/` below it, else in it.
        text: How labels become symbols.

    Returns:
        The lines in the order of the file, and what was set aside.

    Raises:
        DataError: If the file is not JSON or not an object of entries.
    """
    table = _load(file)
    reading = Reading()
    for key in table.again:
        fault = Fault("the id stands in the file twice", "Remove or rename one of the two.")
        reading.set_aside(file, fault, key)
    try:
        text = _override(
            text, {key: table[key] for key in ("sep", "space") if isinstance(table.get(key), str)}
        )
    except Fault as fault:
        raise DataError(f"{file}: {fault.message}. {fault.remedy}") from fault
    finder = ImageFinder(root)
    images = root / "images" if (root / "images").is_dir() else root
    boxes = _load_glyphs(file.parent / "glyphs.json", reading)
    for key, entry in table.items():
        if key in {"sep", "space"} and isinstance(entry, str):
            continue
        try:
            line = _line(key, entry, file, images, finder, text)
        except Fault as fault:
            reading.set_aside(file, fault, key)
            continue
        if key in boxes:
            try:
                line = replace(line, glyphs=_glyphs(boxes[key], text))
            except Fault as fault:
                reading.warn(file.parent / "glyphs.json", fault.message, fault.remedy, key)
        reading.lines.append(line)
    return reading


def _load(file: Path) -> _Entry:
    try:
        table = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_keep_first)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}). Check the file.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not in UTF-8 ({error}). Save it in UTF-8.") from error
    except RecursionError as error:
        raise DataError(f"{file}: nested too deeply. Give one object of entries.") from error
    except ValueError as error:
        raise DataError(f"{file}: not valid JSON ({error}). Correct the file there.") from error
    if not isinstance(table, _Entry):
        raise DataError(
            f'{file}: not an object of the form {{"image name": {{"label": "text"}}}}. '
            "Write one entry per line image."
        )
    return table


def _load_glyphs(file: Path, reading: Reading) -> dict[str, Any]:
    """The true glyph boxes, if there are any; a damaged file costs the boxes, not the lines."""
    if not file.is_file():
        return {}
    try:
        table = _load(file)
    except DataError as error:
        message = str(error).removeprefix(f"{file}: ")
        reading.warn(file, f"no glyph boxes: {message}", "Render the lines again.")
        return {}
    return table


def _glyphs(entry: object, text: TextOptions) -> tuple[Glyph, ...]:
    glyphs = []
    for one in entry if isinstance(entry, list) else [None]:
        fields: list[Any] = one if isinstance(one, list) and len(one) == 5 else [None]
        symbol, *edges = fields
        # `bool` is a number for Python, not for a box.
        numbers = all(type(edge) in (int, float) and math.isfinite(edge) for edge in edges)
        if not isinstance(symbol, str) or not numbers:
            raise Fault(
                "glyph boxes are not of the form [[symbol, left, top, right, bottom], ...]",
                "Render the lines again.",
            )
        box = Box(*(float(edge) for edge in edges))
        glyphs.append(Glyph(normalize(symbol, text.normalization), box))
    return tuple(glyphs)


def _override(text: TextOptions, given: dict[str, str]) -> TextOptions:
    if not given:
        return text
    try:
        return replace(text, sep=given.get("sep", text.sep), space=given.get("space", text.space))
    except ConfigError as error:
        raise Fault(f"sep or space cannot work ({error})", "Correct them in the file.") from error


def _line(
    key: str, entry: object, file: Path, images: Path, finder: ImageFinder, text: TextOptions
) -> RawLine:
    if not isinstance(entry, _Entry):
        raise Fault(
            "the entry is not an object", 'Write {"label": "text"}, or {} for no transcription.'
        )
    if entry.again:
        raise Fault(f"the entry has {entry.again[0]!r} twice", "Remove one of the two.")
    check_id(key)
    label, split = _string(entry, "label"), _string(entry, "split")
    document = _string(entry, "script") or _string(entry, "document")
    given = {name: value for name in ("sep", "space") if (value := _string(entry, name))}
    symbols = None
    if label is not None:
        symbols = tokenize(label, _override(text, given))
        if not symbols:
            raise Fault("the label is empty", "Write its text, or remove the label.")
    path = _image(key, images, finder)
    identity = os.path.splitext(key)[0] if is_picture(os.path.basename(key)) else key
    fields = tuple(
        (name, value) for name, value in entry.items() if name not in _OWN and _is_text(value)
    )
    return RawLine(identity, path, file, symbols, split, document, fields=fields)


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _string(entry: _Entry, name: str) -> str | None:
    value = entry.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Fault(f"{name} is not a string", f"Write {name} between quotation marks.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Fault(f"{name} has half a character (a lone surrogate)", "Write it again.") from error
    return value


def _image(key: str, images: Path, finder: ImageFinder) -> Path:
    """The image that an id names: this very file, else one with another extension."""
    parent, name = os.path.split(key)
    folder = images / parent if parent else images
    path = finder.named(folder, name) if is_picture(name) else None
    if path is None:
        found = finder.with_stem(folder, name)
        if not found and is_picture(name):
            found = finder.with_stem(folder, os.path.splitext(name)[0])
        if not found:
            raise Fault(
                f"its image is not in {folder.name}/",
                "Add the image, or remove the entry.",
            )
        if len(found) > 1:
            raise Fault(
                f"more than one image fits: {', '.join(other.name for other in found)}",
                "Write the extension in the id, or remove all but one.",
            )
        path = found[0]
    finder.check_inside(path)
    return path
