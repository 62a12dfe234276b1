"""Rows of text for a terminal that the reports of both instruments share."""

from __future__ import annotations

from collections.abc import Sequence

from .values import Problem

__all__ = ["conclusion", "cut", "first_problem", "problem_sections", "section"]

_SHOWN = 20
"""So many entries of a long list are printed."""


def cut(rows: Sequence[str], shown: int = _SHOWN) -> list[str]:
    """The first rows, and how many more there are."""
    more = len(rows) - shown
    return [*rows[:shown], f"  ... and {more} more"] if more > 0 else list(rows)


def section(title: str, rows: Sequence[str], shown: int = _SHOWN) -> list[str]:
    """A title with the number of rows, and the first of them; nothing if there is none."""
    return ["", f"{title}: {len(rows)}", *cut(rows, shown)] if rows else []


def problem_sections(problems: Sequence[Problem]) -> list[str]:
    """What was set aside, then the warnings."""
    out = []
    for title, fatal in (("set aside", True), ("warnings", False)):
        out += section(title, [f"  {one}" for one in problems if one.fatal == fatal])
    return out


def conclusion(what: str, notes: Sequence[str], reasons: Sequence[str]) -> list[str]:
    """The end of a report: its notes, and whether something can run.

    Arguments:
        what: What is to run: `training`.
        notes: What else is worth knowing.
        reasons: Why it could not run; empty if it could.
    """
    out = ["", *[f"note: {note}" for note in notes]] if notes else []
    out += ["", f"{what} could not run:" if reasons else f"{what} can run"]
    return out + [f"  {reason}" for reason in reasons]


def first_problem(problems: Sequence[Problem]) -> str:
    """One sentence on why nothing is left: the first of the worst problems, at least one."""
    fatal = [problem for problem in problems if problem.fatal] or list(problems)
    more = f" (and {len(fatal) - 1} more problems)" if len(fatal) > 1 else ""
    return f"First problem: {fatal[0]}{more}"
