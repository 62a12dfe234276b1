r"""The pages of further readings: everything they show comes in, this only lays out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .mining import signed, webp_uri
from .page import render_page, write_page
from .readings_values import ConfusionsPage, SearchPage, StripRow, TimelinePage
from .run_values import RunReport, run_views

__all__ = ["write_confusions_page", "write_search_page", "write_timeline_page"]


def _write(template: str, page: RunReport, path: Path, **more: Any) -> Path:
    values = {**run_views(page, ()), "webp": webp_uri, "signed": signed, **more}
    return write_page(render_page(template, values), path)


def write_confusions_page(page: ConfusionsPage, path: Path) -> Path:
    r"""Write the page of confusions.

    Arguments:
        page: What to show.
        path: The file to write.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    return _write("confusions.html", page, path, shade=shade)


def write_search_page(page: SearchPage, path: Path) -> Path:
    r"""Write the page of a search; see `write_confusions_page`."""
    return _write("search.html", page, path)


def write_timeline_page(page: TimelinePage, path: Path) -> Path:
    r"""Write the page of a timeline; see `write_confusions_page`."""
    return _write("timeline.html", page, path, bars=bars, chance=chance)


def shade(share: float) -> str:
    r"""How dark a cell of the matrix is, in percent of the ink: small shares are still seen."""
    return "0" if not share > 0 else f"{100 * (0.06 + 0.7 * math.sqrt(share)):.0f}"


def chance(p: float) -> str:
    r"""A corrected p-value, briefly."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def bars(row: StripRow, scale: float) -> list[tuple[float, float, bool]]:
    r"""Bars of a row: top and height in percent of the cell's height, and whether it is known."""
    found = []
    for cell in row.cells:
        if not math.isfinite(cell.value):
            found.append((50.0, 0.0, False))
            continue
        share = max(-1.0, min(1.0, cell.value / scale)) * 50
        found.append((50 - max(share, 0.0), abs(share), True))
    return found
