"""The commands that repeat a report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .comparison_options import ComparisonOptions
from .options import AdaptOptions

__all__ = ["repeating_commands"]


def _changes(values: dict[str, Any], usual: dict[str, Any]) -> str:
    """The options that differ from the usual ones, as `--set` takes them in a shell."""
    found = list(_differing(values, usual))
    return f" --set {' '.join(found)}" if found else ""


def _differing(values: dict[str, Any], usual: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _differing(value, usual[key], f"{prefix}{key}.")
        elif value != usual[key]:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield shlex.quote(f"{prefix}{key}={text}")


def repeating_commands(
    folder: Path,
    record: dict[str, Any],
    options: ComparisonOptions,
    comparison: Path | None,
    allographs: Path | None,
) -> Iterable[str]:
    """The commands that repeat the report; what is in capitals is not known from the job."""
    usual = asdict(AdaptOptions())
    values = {key: record["options"].get(key, usual[key]) for key in usual}
    name = folder.name
    by = ",".join(record["levels"])
    grouped = "" if by == "document" else f" --by {by}"
    if len(record["levels"]) == 1 and any(group["family"] for group in record["groups"]):
        grouped += " --families FIELD"
    yield (
        f"typica palaeography adapt {Path(record['reference']).name} DATA --out {name}{grouped}"
        f"{_changes(values, usual)}"
    )
    given = ""
    if comparison is not None:
        changed = _changes(asdict(options), asdict(ComparisonOptions()))
        yield f"typica palaeography compare {name} --out {comparison.name}{changed}"
        given += f" --comparison {comparison.name}"
    if allographs is not None:
        yield f"typica palaeography allographs {name} --out {allographs.name}"
        given += f" --allographs {allographs.name}"
    yield f"typica palaeography report {name}{given} --out REPORT"
    yield f"typica palaeography glyphs {name} --out GLYPHS"
