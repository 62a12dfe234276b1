"""Labels as they stand in files, made into text; numbers binned."""

from __future__ import annotations

import math
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

from ..sources import Fault

__all__ = ["binned", "label_text"]

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
                f"has {len(value)} labels", "Give it one label; mining takes one for each picture."
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
