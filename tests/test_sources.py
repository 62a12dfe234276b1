"""What all readers share: findings that can be printed, files that stay inside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from typica.errors import DataError
from typica.listing import conclusion, cut, first_problem, problem_sections, section
from typica.sources import Fault, Findings, Root
from typica.values import Problem, as_problem


def test_findings_can_always_be_printed():
    found = Findings()
    odd = os.fsdecode(b"x\xff.png")
    found.set_aside(Path(odd), Fault("broken", "Mend it."), odd)
    found.warn(Path("b.png"), "odd", "Look.")
    assert [one.fatal for one in found.problems] == [True, False]
    assert [one.line for one in found.problems] == ["x\\udcff.png", None]
    "\n".join(str(one) for one in found.problems).encode("utf-8")


def test_a_root_holds_what_is_below_it_and_no_more(tmp_path):
    folder = tmp_path / "data"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "database").mkdir()
    for file in (folder / "a" / "x.png", tmp_path / "y.png"):
        file.touch()
    (folder / "in.png").symlink_to(folder / "a" / "x.png")
    (folder / "out.png").symlink_to(tmp_path / "y.png")
    (folder / "b").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(folder)
    root = Root(tmp_path / "again")
    assert all(map(root.holds, (folder, tmp_path / "again", folder / "a", folder / "a" / "..")))
    assert not any(
        map(root.holds, (tmp_path, tmp_path / "database", folder / "b", folder / ".." / "y"))
    )
    for file in ("a/x.png", "in.png", "a/none.png"):
        assert root.holds_file(folder / file)
    for file in ("out.png", "b/y.png", "../y.png"):
        assert not root.holds_file(folder / file)
    assert Root(Path("/")).holds(folder)


def test_an_error_becomes_a_problem():
    error = DataError("/a b/c.png: too large. Cut it.")
    assert as_problem(Path("/a b/c.png"), error, "l1") == Problem(
        Path("/a b/c.png"), "too large", "Cut it.", "l1"
    )
    plain = as_problem(Path("c.png"), "c.png: too large. Make it smaller. Or cut it.")
    assert (plain.message, plain.remedy) == ("too large", "Make it smaller. Or cut it.")
    assert plain.as_dict() == {
        "file": "c.png",
        "line": None,
        "message": "too large",
        "remedy": "Make it smaller. Or cut it.",
        "set_aside": True,
    }


@pytest.mark.parametrize(("rows", "more"), [(3, None), (4, None), (9, 5)])
def test_long_lists_are_cut(rows, more):
    names = [str(number) for number in range(rows)]
    found = cut(names, 4)
    assert found[:4] == names[:4]
    assert found[4:] == ([f"  ... and {more} more"] if more else [])
    assert section("names", names, 4) == ["", f"names: {rows}", *found]
    assert section("names", []) == []


def test_problems_and_the_end_of_a_report():
    worst, other, odd = (
        Problem(Path(name), "bad", "Mend it.", fatal=name != "c") for name in ("a", "b", "c")
    )
    assert problem_sections([odd, worst, other]) == [
        *("", "set aside: 2", "  a: bad. Mend it.", "  b: bad. Mend it."),
        *("", "warnings: 1", "  c: bad. Mend it."),
    ]
    assert first_problem([odd, worst, other]) == (
        "First problem: a: bad. Mend it. (and 1 more problems)"
    )
    assert first_problem([odd]) == "First problem: c: bad. Mend it."
    assert conclusion("baking", [], []) == ["", "baking can run"]
    assert conclusion("baking", ["hot"], ["no flour"]) == [
        *("", "note: hot", "", "baking could not run:", "  no flour")
    ]
