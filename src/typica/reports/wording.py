r"""How a report writes numbers, symbols, options: briefly; every symbol can be seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from ..lines.line import SPACE

__all__ = [
    "alphabetical",
    "code_points",
    "decimals",
    "flat",
    "hardware",
    "is_private",
    "is_word",
    "names",
    "percent",
    "shown",
    "visible",
]


def percent(value: float | None, digits: int = 1) -> str:
    r"""Write a fraction as a percentage; a small one gets another digit; no line break."""
    if value is None or value != value:
        return "–"
    return f"{100 * value:.{digits + (0 < abs(value) < 0.01)}f}\u00a0%"


def decimals(value: float | None, digits: int = 2) -> str:
    r"""Write a number with fixed decimals, or a dash."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def hardware(facts: Any) -> str:
    r"""The machine in a few words, from what was recorded of it; empty for nothing."""
    if not isinstance(facts, Mapping):
        return str(facts or "")
    if not facts:
        return ""
    if "gpu" in facts:
        return str(facts["gpu"])
    threads = facts.get("threads", "?")
    return f"{facts.get('processor', '?')}, {threads} thread{'' if threads == 1 else 's'}"


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    r"""Nested options as (name.of.option, value)."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def shown(symbol: str) -> str:
    r"""A symbol that can be seen: a mark without its letter gets a circle to sit on."""
    if symbol == SPACE:
        return "␣"
    if symbol and unicodedata.category(symbol[0]).startswith("M"):
        return "◌" + symbol
    return symbol


def is_word(symbol: str) -> bool:
    """Whether a symbol is given by a name, as signs of a cipher are (`Alembic`), not by itself."""
    return len(symbol) > 2 and symbol.isascii()


def is_private(symbol: str) -> bool:
    """Whether a symbol has code points for private use, which few fonts show, and not all alike."""
    return any(unicodedata.category(character) == "Co" for character in symbol)


def code_points(symbol: str) -> str:
    r"""The code points of a symbol, such as `U+0065 U+0303`."""
    return " ".join(f"U+{ord(character):04X}" for character in symbol)


def visible(symbol: str) -> str:
    r"""A symbol for a line of text; one that no font can be trusted to show by its code points."""
    return symbol if symbol.isprintable() and symbol.strip() else code_points(symbol)


def names(symbol: str) -> str:
    r"""The Unicode names of a symbol, in small letters."""
    return " + ".join(
        unicodedata.name(c, "private use" if unicodedata.category(c) == "Co" else "no name").lower()
        for c in symbol
    )


def alphabetical(symbol: str) -> tuple[int, str, str, str]:
    r"""A key that sorts as a reader expects: letters (a A ä b ſ after s), digits, the rest."""
    base = unicodedata.normalize("NFKD", symbol)
    first = unicodedata.category(base[0])[0] if base else "Z"
    plain = "".join(c for c in base if not unicodedata.combining(c))
    return "LMN".find(first) % 4, plain.casefold(), plain.swapcase(), symbol
