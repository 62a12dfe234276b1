"""What the documents name is there: functions of equations, files, links."""

from __future__ import annotations

import re
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
pytestmark = pytest.mark.skipif(not PAGES[0].is_file(), reason="the documents are not installed")


def _named(path: str) -> object:
    """What a dotted path names: the longest part that is a module, then attributes."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[length:], module)
    raise AttributeError(path)


def test_every_equation_is_where_the_table_says():
    text = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    names = re.findall(r"`(typica\.[\w.]+)`", text)
    assert len(names) > 30
    for name in names:
        assert callable(_named(name)), name
    with pytest.raises(AttributeError):
        _named("typica.mining.draws.Nothing")


def test_every_numbered_equation_has_its_row():
    text = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    rows = " ".join(re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE))
    for chapter, last in ((3, 6), (4, 12)):
        for number in range(1, last + 1):
            assert re.search(rf"\b{chapter}\.{number}\b", rows), f"{chapter}.{number}"


def _anchors(page: Path) -> set[str]:
    """The names that a page's headings get where Markdown is shown."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        if link.startswith(("http:", "https:")):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_the_files_that_the_architecture_lists_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    there = {
        path.name
        for folder in ("src", "benchmarks", "tests")
        for path in ROOT.glob(f"{folder}/**/*.py")
    }
    named = set(re.findall(r"\b([a-z][a-z_]*\.py)\b", text))
    assert len(named) > 100
    assert not named - there
