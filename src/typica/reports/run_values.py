r"""What the pages of both instruments show of a run: its course, its data, its repetition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..values import Problem
from .plots import Panel, draw_panels
from .wording import decimals, percent

__all__ = ["RunReport", "run_views"]


@dataclass(frozen=True, kw_only=True)
class RunReport:
    r"""What any run tells of itself. What is None or empty is said to be missing.

    Arguments:
        minutes: Minutes of training.
        steps: Training steps; None if nothing was trained.
        hardware: What it was made on.
        settings: (option, value) pairs.
        problems: What was set aside, looks wrong, or cannot be found any more.
        commands: The commands that repeat this.
        version: The program and its version, such as `typica 0.1.0`.
        date: When the report was made.
        credits: Whose pictures these are.
    """

    minutes: float | None = None
    steps: int | None = None
    hardware: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()
    commands: tuple[str, ...] = ()
    version: str = "typica"
    date: str = ""
    credits: tuple[str, ...] = ()


def run_views(report: RunReport, panels: Iterable[Panel]) -> dict[str, Any]:
    r"""What `base.html` needs, beside what the blocks of an instrument do.

    Arguments:
        report: What to show.
        panels: Plots of the training.

    Returns:
        Values for `render_page`.
    """
    return {
        "report": report,
        "plots": draw_panels(panels),
        "percent": percent,
        "fixed": decimals,
    }
