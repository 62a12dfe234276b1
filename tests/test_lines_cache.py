"""The line cache: the same pixels as reading, kept, rebuilt, damaged, temporary."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from typica.errors import ConfigError, DataError
from typica.lines import cache as cache_module
from typica.lines.cache import LineCache
from typica.lines.images import line_image, resize_line
from typica.lines.line import Line, LineCollection


@pytest.fixture
def collection(tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for number, width in enumerate((120, 80, 200, 33)):
        path = tmp_path / "data" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 255, (40 + number, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        lines.append(Line(f"l{number}", path, ("a",)))
    corners = ((10.0, 5.0), (60.0, 5.0), (60.0, 30.0), (10.0, 30.0))
    # Two lines of one page, with a line of another image between them.
    page = lines[2].path
    lines.insert(1, Line("cut1", page, ("b",), polygon=corners))
    lines.append(Line("cut2", page, ("b",), polygon=corners, margin=4.0))
    return LineCollection(tmp_path / "data", tuple(lines))


def assert_same_pixels(cache: LineCache, height: int) -> None:
    assert len(cache) == len(cache.collection) == len(cache.widths)
    for index, line in enumerate(cache.collection):
        expected = resize_line(line_image(line), height)
        assert cache[index].shape == (height, cache.widths[index], 3)
        assert (cache[index] == expected).all()


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("height", [1, 16, 64])
def test_the_cache_holds_the_resized_lines(collection, tmp_path, kept, height):
    with LineCache(collection, height, tmp_path / "cache" if kept else None) as cache:
        assert_same_pixels(cache, height)
        assert cache.collection.lines == collection.lines
        with pytest.raises(ValueError, match="read-only"):
            cache[0][:] = 0


def count_builds(monkeypatch) -> list[int]:
    builds: list[int] = []
    build = cache_module._build

    def counted(lines, height, target):
        builds.append(len(lines))
        return build(lines, height, target)

    monkeypatch.setattr(cache_module, "_build", counted)
    return builds


def test_it_is_built_once_and_again_only_after_a_change(collection, tmp_path, monkeypatch):
    builds = count_builds(monkeypatch)
    folder = tmp_path / "cache"
    for _ in range(2):
        assert_same_pixels(LineCache(collection, 16, folder), 16)
    assert len(builds) == 1
    changes = [
        (
            16,
            replace(
                collection,
                lines=(*collection.lines[:-1], replace(collection.lines[-1], margin=1.0)),
            ),
        ),
        (16, replace(collection, lines=collection.lines[::-1])),
        (17, collection),
    ]
    for number, (height, changed) in enumerate(changes, start=2):
        assert_same_pixels(LineCache(changed, height, folder), height)
        assert len(builds) == number
    # Text and split are not pixels.
    relabelled = tuple(replace(line, symbols=("z",), split="val") for line in collection)
    cache = LineCache(replace(collection, lines=relabelled), 17, folder)
    assert len(builds) == 4
    assert cache.collection.lines[0].symbols == ("z",)


def test_a_changed_image_is_noticed_and_nothing_stale_stays(collection, tmp_path):
    folder = tmp_path / "cache"
    old = LineCache(collection, 16, folder)
    before = old[0].copy()
    Image.new("RGB", (120, 40), (9, 9, 9)).save(collection.lines[0].path)
    new = LineCache(collection, 16, folder)
    assert (new[0] == 9).all()
    assert (old[0] == before).all()  # who still holds the old one is not disturbed
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".u8"]


@pytest.mark.parametrize("damage", ["cut", "gone", "json", "index", "foreign"])
def test_a_damaged_cache_is_rebuilt(collection, tmp_path, damage):
    folder = tmp_path / "cache"
    LineCache(collection, 16, folder).close()
    (pixels,) = folder.glob("*.u8")
    (index,) = folder.glob("*.json")
    if damage == "cut":
        os.truncate(pixels, 100)
    elif damage == "gone":
        pixels.unlink()
    elif damage == "json":
        index.write_text("{")
    elif damage == "index":
        table = json.loads(index.read_text())
        index.write_text(json.dumps({**table, "offsets": table["offsets"][1:]}))
    else:
        table = json.loads(index.read_text())
        table["offsets"] = [10**9] * len(table["offsets"])
        index.write_text(json.dumps(table))
    assert_same_pixels(LineCache(collection, 16, folder), 16)


@pytest.mark.parametrize("kept", [False, True])
def test_lines_that_cannot_be_decoded_are_set_aside(collection, tmp_path, kept):
    path = collection.lines[3].path
    assert collection.lines[4].path != path
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    folder = tmp_path / "cache" if kept else None
    for _ in range(2):
        cache = LineCache(collection, 16, folder)
        lost = {line.id for line in collection if line.path == path}
        assert {line.id for line in cache.collection} == {line.id for line in collection} - lost
        assert {one.line for one in cache.collection.problems} == lost
        for problem in cache.collection.problems:
            assert problem.fatal
            assert problem.remedy
            assert str(problem).count(str(path)) == 1
        assert_same_pixels(cache, 16)


def test_a_temporary_cache_leaves_nothing_behind(collection, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    cache = LineCache(collection, 16)
    view = cache[0]
    total = view.sum()
    assert list((tmp_path / "temporary").iterdir()) == []  # gone even after a kill
    cache.close()
    cache.close()
    assert view.sum() == total
    with pytest.raises(ValueError, match="closed"):
        cache[0]


def test_an_empty_collection_and_bad_arguments(tmp_path):
    empty = LineCollection(tmp_path, ())
    assert len(LineCache(empty, 16)) == 0
    assert len(LineCache(empty, 16, tmp_path / "cache")) == 0
    assert len(LineCache(empty, 16, tmp_path / "cache")) == 0
    with pytest.raises(ConfigError, match="height"):
        LineCache(empty, 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        LineCache(empty, 16, tmp_path / "file")


def test_a_page_is_decoded_once_however_its_lines_are_mixed(collection, monkeypatch):
    from typica.lines import images

    decoded: list[Path] = []
    decode = images._decode
    monkeypatch.setattr(images, "_decode", lambda path: decoded.append(path) or decode(path))
    page, other = collection.lines[1].path, collection.lines[-2].path
    corners = collection.lines[1].polygon
    lines = tuple(
        Line(f"m{number}", (page, other)[number % 2], None, polygon=corners) for number in range(10)
    )
    images._page.cache_clear()
    LineCache(replace(collection, lines=lines), 16)
    assert sorted(decoded) == sorted([page, other])
