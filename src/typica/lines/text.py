r"""From the text of a label to the symbols that a typewriter learns.

A symbol is a grapheme cluster: a letter with its combining marks is one symbol, and a
private-use character (MUFI, a cipher) is a symbol like any other. Labels written as a list of
token names (`sep`) are split at the separator instead.

References:
    Unicode Standard Annex 29, Unicode Text Segmentation: https://unicode.org/reports/tr29/
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import regex

from ..errors import ConfigError
from .line import SPACE
from .replacements import Normalization, load_table, replace_characters

__all__ = ["Normalization", "TextOptions", "clusters", "normalize", "tokenize"]

_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True)
class TextOptions:
    """How the text of a label becomes symbols.

    Arguments:
        normalization: The Unicode normal form of the symbols; `none` leaves them as written.
        sep: What stands between two symbols; empty if the text is plain text.
        space: What stands for a word space; white space always does if `sep` is empty.
        replacements: A replacement table (choco-mufin CSV); None for none.
    """

    normalization: Normalization = "NFC"
    sep: str = ""
    space: str = SPACE
    replacements: Path | None = None

    def __post_init__(self) -> None:
        if self.normalization not in get_args(Normalization):
            raise ConfigError(
                f"normalization is {self.normalization!r}: give one of NFC, NFD and none."
            )
        if not self.space:
            raise ConfigError("space is empty: give the string that stands for a word space.")
        if self.sep and self.sep == self.space and not self.sep.isspace():
            raise ConfigError(f"sep and space are both {self.sep!r}: give two different strings.")


def normalize(text: str, form: Normalization) -> str:
    """The text in a Unicode normal form, or unchanged for `none`."""
    return text if form == "none" else unicodedata.normalize(form, text)


def clusters(word: str) -> list[str]:
    r"""The grapheme clusters of a string without white space.

    Goes beyond the standard's rule `\X` in one point: a mark stays with what stands before it
    even where the standard allows a break (after a control character; some spacing marks).

    Arguments:
        word: Text without white space.

    Returns:
        The clusters in order; joined they are `word` again.
    """
    found: list[str] = []
    for cluster in _CLUSTER.findall(word):
        if found and unicodedata.category(cluster[0]).startswith("M"):
            found[-1] += cluster
        else:
            found.append(cluster)
    return found


def tokenize(text: str, options: TextOptions = TextOptions()) -> tuple[str, ...]:
    """The symbols of a label.

    The text is normalised, then the replacement table is applied, then it is cut into symbols.

    Arguments:
        text: The label as it stands in the file.
        options: How to cut it.

    Returns:
        The symbols in reading order. `SPACE` for a word space, never two in a row, never at an
        end. Empty if nothing but white space was given.

    Raises:
        DataError: If the replacement table cannot be used.
    """
    text = normalize(text.removeprefix("\ufeff"), options.normalization)
    if options.replacements is not None:
        table = load_table(Path(options.replacements), options.normalization)
        # A replacement can put a mark beside a letter, so the normal form is made again.
        text = normalize(replace_characters(text, table), options.normalization)
    if options.sep:
        raw = _split_tokens(text, normalize(options.sep, options.normalization), options)
    else:
        raw = _split_plain(text, options)
    symbols: list[str] = []
    for symbol in raw:
        if symbol != SPACE or (symbols and symbols[-1] != SPACE):
            symbols.append(symbol)
    if symbols and symbols[-1] == SPACE:
        symbols.pop()
    return tuple(symbols)


def _split_plain(text: str, options: TextOptions) -> list[str]:
    """Clusters of plain text; every run of white space becomes one `SPACE`."""
    if options.space != SPACE:
        text = text.replace(normalize(options.space, options.normalization), SPACE)
    symbols: list[str] = []
    for word in text.split():
        symbols += [SPACE, *clusters(word)]
    return symbols[1:]


def _split_tokens(text: str, sep: str, options: TextOptions) -> list[str]:
    """Tokens between separators; empty ones are dropped, the `space` token becomes `SPACE`."""
    space = normalize(options.space, options.normalization)
    if sep.isspace():
        # Any white space separates: a tab or a line break is no part of a token's name.
        return [SPACE if token == space else token for token in text.split()]
    symbols: list[str] = []
    for part in text.split(sep):
        token = part.strip()
        if token and token != space:
            symbols.append(SPACE.join(token.split()))
        elif token or part:
            symbols.append(SPACE)
    return symbols
