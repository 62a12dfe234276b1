"""Frozen dataclasses as configurations: validated, from JSON, with single options changed.

Both instruments keep every choice in nested frozen dataclasses; what is common to them is here.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from .errors import ConfigError, reason

__all__ = ["from_file", "from_plain", "require", "with_changes"]

C = TypeVar("C")


def require(condition: bool, message: str) -> None:
    """Raise a ConfigError with this message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def from_plain(kind: type[C], values: Any) -> C:
    """Rebuild a configuration from plain nested values (`dataclasses.asdict`, JSON).

    Arguments:
        kind: The dataclass to build.
        values: A mapping of its fields; those that are left out keep their defaults.

    Raises:
        ConfigError: If a key is unknown or a value cannot work; the message names it.
    """
    return cast(C, _build(kind, values, ""))


def _build(kind: Any, given: Any, where: str) -> Any:
    require(isinstance(given, dict), f"{where or 'configuration'}: expected a mapping")
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]
    built = {}
    for key, value in given.items():
        require(key in known, f"{where}{key}: no such option; there are {', '.join(known)}")
        if is_dataclass(hints[key]):
            value = _build(hints[key], value, f"{where}{key}.")
        elif get_origin(hints[key]) is tuple and isinstance(value, list | tuple):
            value = tuple(value)
        elif get_origin(hints[key]) is tuple and get_args(hints[key])[0] is str:
            value = (value,) if isinstance(value, str) else value  # one of several
        require(
            is_dataclass(hints[key]) or _fits(value, hints[key]),
            f"{where}{key}: {reprlib.repr(value)} is of the wrong type or not one of the choices",
        )
        built[key] = value
    return kind(**built)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a type such as `int`, `float | None` or `Literal[...]`."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:  # tuple[T, ...]
        return isinstance(value, tuple) and all(_fits(one, get_args(hint)[0]) for one in value)
    if get_args(hint):
        return any(_fits(value, one) for one in get_args(hint))
    if isinstance(value, int) and hint in (int, float):
        return not isinstance(value, bool) and abs(value) < 2**63
    if hint is float:
        return isinstance(value, float) and math.isfinite(value)
    return isinstance(value, hint)


_WORDS = {"none": None, "true": True, "false": False}


def with_changes(config: C, changes: Sequence[str]) -> C:
    """A configuration with some options changed.

    Arguments:
        config: To start from.
        changes: Each `name=value`, the name with dots (`training.steps=500`), the value as in
            JSON or a plain word.

    Raises:
        ConfigError: If a change has no `=`, names no option, or cannot work.
    """
    values = asdict(cast(Any, config))
    for change in changes:
        name, equals, text = change.partition("=")
        require(bool(equals), f"--set {change}: write name=value, such as training.steps=500")
        try:
            value = json.loads(text)
        except ValueError:
            value = _WORDS.get(text.lower(), text)
        *path, last = name.split(".")
        place = values
        for key in path:
            require(isinstance(place.get(key), dict), f"--set {change}: no group {key!r}")
            place = place[key]
        place[last] = value
    return from_plain(type(config), values)


def from_file(kind: type[C], file: Path) -> C:
    """The configuration in a JSON file, or in a run's `config.json`.

    Arguments:
        kind: The dataclass to build.
        file: Holds its fields, or holds them below `config`.

    Raises:
        ConfigError: If it cannot be read, holds no object, or a value cannot work.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        require(isinstance(values, dict), "expected a JSON object")
        return from_plain(kind, values.get("config", values))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"--config {file}: cannot be read as JSON ({reason(error)}). Correct it, or take the "
            "config.json of a run."
        ) from error
    except ConfigError as error:
        raise ConfigError(f"--config {file}: {error}") from error
