"""Labels as they stand in files, made into text; numbers binned."""

from __future__ import annotations

import math
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

from ..sources import Fault

__all__ = ["binned", "label_text", "label_texts"]

_MISSING = "Give every picture a label, or take it out."


def label_text(value: Any) -> str:
    """A label from a folder name or a table as text.

    Arguments:
        value: Text, a number, a truth value, or a list of one of them.

    Returns:
        Text in NFC without space around it, not empty.

    Raises:
        Fault: If there is none, there are several, or it cannot be one.
    """
    if isinstance(value, list | tuple):
        if len(value) > 1:
            raise Fault(
                f"has {len(value)} labels",
                "Give it one label, or --several if pictures may have several.",
            )
        value = value[0] if value else None
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise Fault("has no label", _MISSING)
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, float) and value.is_integer():
        text = str(int(value))  # a column of whole numbers with gaps is stored as floats
    elif isinstance(value, str | int | float | Decimal):
        text = str(value)
    else:
        raise Fault("its label is no text and no number", "Choose another column of labels.")
    text = unicodedata.normalize("NFC", text).strip()
    if not text:
        raise Fault("has an empty label", _MISSING)
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        raise Fault("its label has characters that cannot be shown", "Write it in plain letters.")
    return text


def label_texts(
    value: Any, several: bool = False, separator: str | None = None, unlabelled: str | None = None
) -> tuple[str, ...]:
    """All labels of a picture from a folder name or a table.

    Arguments:
        value: As for `label_text`, or a list of such values.
        several: Whether there may be more than one. An empty list then says that there is none.
        separator: What stands between labels in a text; None if each text is one label.
        unlabelled: The text that says that there is none, capitals ignored; None if none does.

    Returns:
        Texts as of `label_text`, in the order found, each once.

    Raises:
        Fault: If there is none and nothing says so, or one cannot be a label.
    """
    parts = list(value) if several and isinstance(value, list | tuple) else [value]
    if separator is not None:
        parts = [one for part in parts for one in _parts(part, separator)]
    found = [_text_or_none(part, unlabelled) for part in parts]
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _text_or_none(value: Any, unlabelled: str | None) -> str | None:
    """The text of a label, or None if it says that there is none."""
    if unlabelled is not None and str("" if value is None else value).strip().casefold() == (
        unlabelled.strip().casefold()
    ):
        return None
    return label_text(value)


def _parts(value: Any, separator: str) -> list[Any]:
    """The labels in a text; one that nothing stands in, such as after a last `|`, is none."""
    if not isinstance(value, str) or separator not in value:
        return [value]
    return [part for part in value.split(separator) if part.strip()] or [""]


def binned(label: str, width: int) -> str:
    """A number rounded down to a multiple: 1923 is of 1920 if the width is 10.

    Arguments:
        label: A number as text.
        width: Of a bin, at least 1.

    Returns:
        The lower end of its bin, as text.

    Raises:
        Fault: If it is no number.
    """
    try:
        number = Decimal(label)
        if number.is_finite() and -(10**15) < number < 10**15:
            return str(math.floor(number) // width * width)
    except InvalidOperation:
        pass
    raise Fault(
        f"its label {label[:80]!r} is no number, so it cannot be binned",
        "Write a number such as a year, or leave out --bin.",
    )
