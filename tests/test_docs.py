"""What the documents name is there: functions of equations, files, links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
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


SOURCE = ROOT / "src" / "typica"
AS_A_WHOLE = (
    "cli",
    "reports",
    "demo",
    "baselines/clip",
    "baselines/doersch",
    "images/readers",
    "lines/readers",
    "mining/readings",
)
"""Rooms and folders that the list describes without naming every file."""


def _listed() -> dict[str, list[str]]:
    """The file names, or patterns of them, that the list of files has under every folder."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = re.search(r"    src/typica/\n(.*?)\n    benchmarks/", text, re.DOTALL)
    assert found
    folders: dict[str, list[str]] = {}
    room = folder = ""
    for line in found.group(1).splitlines():
        depth = len(line) - len(line.lstrip())
        if depth <= 8:  # deeper lines go on with the one before
            heads = re.match(r"([a-z]+)/", line.lstrip())
            name = heads.group(1) if heads else ""
            room = name if depth == 6 else room
            folder = f"{room}/{name}" if name and depth == 8 else room
        folders.setdefault(folder, []).extend(re.findall(r"[\w*]+\.py", line))
    return folders


def test_the_architecture_lists_every_file_in_its_folder_and_no_other():
    listed = _listed()
    folders: dict[str, list[str]] = {}
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE)
        folders.setdefault(place.parent.as_posix().removeprefix("."), []).append(place.name)
    assert not set(listed) - set(folders)
    for folder, names in folders.items():
        if folder in AS_A_WHOLE:
            continue
        patterns = listed[folder]
        assert len(patterns) == len(set(patterns)), folder
        for pattern in patterns:
            assert any(fnmatch(name, pattern) for name in names), f"{folder}/{pattern}"
        for name in set(names) - {"__init__.py"}:
            assert any(fnmatch(name, pattern) for pattern in patterns), f"{folder}/{name}"


RANKS = {
    "cli": 6,
    "baselines": 5,
    "demo": 4,
    "palaeography": 4,
    "typewriter": 3,
    "mining": 3,
    "reports": 2,
    "templates": 1,
    "lines": 1,
    "images": 1,
    "engines": 1,
}
BACK = {
    "reports": (
        "typewriter.reading",
        "typewriter.pictures",
        "palaeography.comparison",
        "palaeography.prototypes",
        "palaeography.differences",
        "palaeography.colours",
    )
}
"""What a room may import of a higher one."""


def _imports(path: Path) -> Iterator[str]:
    """Modules that a file of ours imports: ours as `room.module`, others by their full name."""
    package = path.relative_to(SOURCE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            named = [node.module] if node.module else [name.name for name in node.names]
            yield from (".".join(("typica", *base, name)) for name in named)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("room", ["", *RANKS])
def test_rooms_import_only_what_is_below_them(room):
    paths = [*(SOURCE / room).rglob("*.py")] if room else [*SOURCE.glob("*.py")]
    for path in paths:
        for name in _imports(path):
            top = name.split(".")[0]
            if room in ("lines", "images"):
                assert top not in ("torch", "torchvision", "diffusers", "transformers"), path
            other, _, rest = name.removeprefix("typica.").partition(".")
            if top != "typica" or other not in RANKS or other == room:
                continue
            if path == SOURCE / "__main__.py":
                assert other == "cli"
                continue
            allowed = f"{other}.{rest}" in BACK.get(room, ())
            assert allowed or RANKS[other] < RANKS.get(room, 0), f"{path}: {name}"
