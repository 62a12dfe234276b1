"""What a scoring job decides once for all its pieces: small JSON files beside them.

They hold the settings that they belong to, so that none is taken for another job's.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import DAMAGE, RunError, reason
from ..files import write_json

__all__ = ["read_decided", "require_same", "write_decided"]

T = TypeVar("T")


def read_decided(
    path: Path, maps: Path, settings: dict[str, Any], parse: Callable[[dict[str, Any]], T]
) -> T | None:
    """What was decided, if it was.

    Arguments:
        path: Of the file.
        maps: The folder of maps that it belongs to, named in messages.
        settings: Of the job; the file must agree.
        parse: Takes the contents; may fail as damaged files make it fail.

    Raises:
        RunError: If the file is damaged, or of other settings.
    """
    if not path.exists():
        return None
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        found = parse(given)
        same = given["settings"] == settings
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged ({reason(error)}). Delete the folder {maps.name}/ and score anew."
        ) from error
    require_same(path, maps, same)
    return found


def require_same(path: Path, maps: Path, same: bool) -> None:
    """Refuse what was decided for a job of other settings.

    Arguments:
        path: The file.
        maps: The folder of maps that it belongs to.
        same: Whether its settings are the job's.

    Raises:
        RunError: If they are not.
    """
    if not same:
        raise RunError(
            f"{path}: is of other settings. Delete the folder {maps.name}/ to score anew, give the "
            "former settings, or another --out."
        )


def write_decided(path: Path, settings: dict[str, Any], decided: dict[str, Any]) -> None:
    """Keep what was decided, in one step."""
    write_json(path, {"settings": settings, **decided})
