r"""A text file rendered into a folder of lines: what the command line asks for."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigError, DataError
from .line import SPACE
from .render import render_collection
from .render_options import RenderOptions
from .text import tokenize

__all__ = ["RenderRequest", "render_text", "wrap_text"]


@dataclass(frozen=True)
class RenderRequest:
    """What `typica lines render` needs.

    Arguments:
        text: A UTF-8 text file.
        font: A `.ttf`, `.otf` or `.woff` file.
        out: The folder to make.
        wrap: Most characters in a line; 0 keeps the lines of the file.
        train: Share of the lines for training.
        val: Share for validation; the rest is for testing.
        document: Name of the document; the name of the text file if empty.
        options: How the lines are set and aged.
    """

    text: Path
    font: Path
    out: Path
    wrap: int = 0
    train: float = 0.8
    val: float = 0.1
    document: str = ""
    options: RenderOptions = field(default_factory=RenderOptions)

    def __post_init__(self) -> None:
        if self.wrap < 0:
            raise ConfigError(f"wrap is {self.wrap}: give 0, or the most characters in a line.")
        if not (0 <= self.train <= 1 and 0 <= self.val <= 1 and self.train + self.val <= 1):
            raise ConfigError(
                f"train is {self.train} and val is {self.val}: give shares whose sum is at most 1."
            )


def render_text(request: RenderRequest) -> Path:
    """Render a text file into a folder of lines; see `render_collection`.

    Arguments:
        request: The files and how to render them.

    Returns:
        The folder.

    Raises:
        DataError: The text cannot be read or is empty, or as `render_collection`.
        ConfigError: As `render_collection`.
    """
    path = Path(request.text)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text ({error}). Convert it to UTF-8.") from error
    if request.wrap:
        texts = wrap_text(text, request.wrap)
    else:
        texts = [line for line in text.splitlines() if line.strip()]
    if not texts:
        raise DataError(f"{path}: has no text. Give a file with at least one line.")
    test = max(0.0, 1 - request.train - request.val)
    return render_collection(
        texts,
        request.font,
        request.out,
        request.options,
        splits=(request.train, request.val, test),
        document=request.document or re.sub(r"[^\w.-]", "_", path.stem).lstrip(".-") or "rendered",
    )


def wrap_text(text: str, width: int) -> list[str]:
    """Break running text into lines between words; a longer word gets a line of its own.

    Arguments:
        text: The text; its own line breaks count as spaces.
        width: Most grapheme clusters in a line, at least 1.
    """
    lines: list[str] = []
    length = 0
    for word in unicodedata.normalize("NFC", text).split():
        size = len(tokenize(word))
        if lines and length + 1 + size <= width:
            lines[-1] += SPACE + word
            length += 1 + size
        else:
            lines.append(word)
            length = size
    return lines
