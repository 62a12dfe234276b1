r"""Many small pictures on one: the prototypes of a group, their errors, its occurrences."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .page import data_uri
from .palaeography_figures import ink_bytes
from .palaeography_values import OccurrenceCard, PalaeographyReport

__all__ = [
    "ERROR_LIMIT",
    "PAD",
    "across",
    "error_sheet",
    "occurrence_sheet",
    "packed",
    "sheet_views",
]

ERROR_LIMIT = 0.1
"""The standard error of ink that is drawn in full."""
PAD = 1
"""Empty pixels around a prototype on its sheet, so that neighbours do not show when enlarged."""

Pixels = NDArray[np.uint8]


def across(report: PalaeographyReport) -> int:
    r"""Prototypes in a row of a sheet: about as wide as high."""
    count, high, wide = report.prototypes.reference.shape
    return max(1, round((count * high / wide) ** 0.5))


def sheet(pictures: Pixels, columns: int, pad: int = PAD, blank: int = 255) -> Pixels:
    r"""Pictures `(N, h, w[, 3])` row by row on one picture."""
    count, high, wide = pictures.shape[:3]
    rows = max(1, -(-count // columns))
    room = np.full((rows * columns, high + 2 * pad, wide + 2 * pad, *pictures.shape[3:]), blank)
    room[:count, pad : pad + high, pad : pad + wide] = pictures
    parts = room.reshape(rows, columns, *room.shape[1:]).swapaxes(1, 2)
    side = (rows * room.shape[1], columns * room.shape[2], *pictures.shape[3:])
    return np.ascontiguousarray(parts.reshape(side).astype(np.uint8))


def packed(pixels: Pixels, kind: str = "PNG", **options: Any) -> str:
    r"""A picture as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return data_uri(kind.lower(), buffer.getvalue())


def sheet_views(report: PalaeographyReport, order: Sequence[int]) -> list[dict[str, Any]]:
    r"""Every sheet of prototypes: the reference, coarser levels, then the groups."""
    prototypes, columns = report.prototypes, across(report)
    found = [("reference", "", "reference", prototypes.reference, -1)]
    for level in report.levels:
        found += [(n, "", "level", level.pictures[g], -1) for g, n in enumerate(level.groups)]
    found += [
        (prototypes.groups[g], prototypes.families[g], "group", prototypes.pictures[g], g)
        for g in order
    ]
    return [
        {
            "name": name,
            "family": family,
            "kind": kind,
            "group": group,
            "uri": packed(sheet(ink_bytes(pictures), columns)),
        }
        for name, family, kind, pictures, group in found
    ]


def error_sheet(errors: NDArray[np.floating], columns: int) -> str:
    r"""Standard errors as bytes: 0 to 250 in 26 steps up to `ERROR_LIMIT`, 255 for not known."""
    steps = np.rint(np.nan_to_num(errors / ERROR_LIMIT).clip(0, 1) * 25) * 10
    return packed(sheet(np.where(np.isnan(errors), 255, steps).astype(np.uint8), columns, blank=0))


def occurrence_sheet(report: PalaeographyReport, group: int, most: int) -> dict[str, Any]:
    r"""Occurrences of all letters of a group: one picture, and where each lies on it."""
    cards: list[OccurrenceCard] = []
    starts: dict[str, list[int]] = {}
    ids: dict[str, int] = {}
    for k in range(len(report.prototypes.letters)):
        chosen = spread_out(report.occurrences.get((group, k), ()), most)
        if chosen:
            lines = [ids.setdefault(card.line, len(ids)) for card in chosen]
            starts[str(k)] = [len(cards), *lines]
            cards += chosen
    if not cards:
        return {"uri": "", "columns": 1, "lines": [], "at": {}}
    pictures = np.stack([card.picture for card in cards])
    columns = max(1, round((len(cards) * pictures.shape[1] / pictures.shape[2]) ** 0.5))
    uri = packed(sheet(pictures, columns, pad=0), "WEBP", quality=72, method=4)
    return {"uri": uri, "columns": columns, "lines": list(ids), "at": starts}


def spread_out(cards: Sequence[OccurrenceCard], most: int) -> list[OccurrenceCard]:
    r"""At most so many, evenly from the first to the last."""
    if len(cards) <= most:
        return list(cards)
    return [cards[i] for i in np.linspace(0, len(cards) - 1, most).round().astype(int)]
