"""The report on a collection."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image

from typica.errors import ConfigError
from typica.images.check import check
from typica.images.options import PictureOptions

from .images_helpers import put

ALL = PictureOptions(val=0)


def _collection(root):
    for number in range(4):
        put(root / "train" / "a" / f"{number}.png", number, width=48, height=32)
    put(root / "train" / "b" / "0.png", 10, width=32, height=48)
    put(root / "test" / "b" / "1.png", 11, width=24, height=16)
    return root


def test_report_of_a_good_collection(tmp_path):
    report = check(_collection(tmp_path), ALL, 32, 8, least=4)
    assert report.usable
    assert report.labels == {
        "a": {"train": 4, "val": 0, "test": 0},
        "b": {"train": 1, "val": 0, "test": 1},
    }
    assert report.thin == {"b": 1}
    assert (report.width.min, report.width.median, report.width.max) == (24, 48, 48)
    assert report.shapes == {"48x32": 5, "32x48": 1}
    assert report.enlarged == ("test/b/1.png",)
    assert report.duplicates == ()
    text = "\n".join(report.lines())
    assert "b: 1 (useless)" in text
    assert "mining can run" in text
    assert json.loads(json.dumps(report.as_dict()))["pictures"] == 6


def test_duplicates_are_told_by_what_is_wrong_with_them(tmp_path):
    root = _collection(tmp_path)
    shutil.copy(root / "train" / "a" / "0.png", root / "train" / "a" / "same.png")
    shutil.copy(root / "train" / "a" / "1.png", root / "train" / "b" / "other.png")
    shutil.copy(root / "train" / "b" / "0.png", root / "test" / "b" / "leak.png")
    report = check(root, ALL, 32, 8)
    assert len(report.duplicates) == 3
    assert [one.ids for one in report.under_several_labels] == [
        ("train/a/1.png", "train/b/other.png")
    ]
    assert [one.splits for one in report.across_splits] == [("train", "test")]
    text = "\n".join(report.lines())
    for words in ("under several labels", "in several splits", "several times"):
        assert text.count(words) == 1
    assert "train/a/0.png = train/a/same.png" in text


def test_damage_and_oddities_are_reported(tmp_path):
    root = _collection(tmp_path)
    Image.new("RGB", (40, 40), "red").save(root / "train" / "a" / "red.png")
    data = bytearray(put(root / "train" / "a" / "bad.png", width=80, height=80).read_bytes())
    data[5000:9000] = bytes(4000)
    (root / "train" / "a" / "bad.png").write_bytes(data)
    put(root / "train" / "A" / "0.png", 12)
    (root / "notes.txt").write_text("x")
    report = check(root, ALL, 32, 8)
    assert report.plain == ("train/a/red.png",)
    assert report.ignored == {".txt": 1}
    assert [one.file.name for one in report.problems] == ["bad.png"]
    assert any("A, a" in note for note in report.notes)
    text = "\n".join(report.lines())
    assert "bad.png: a damaged picture" in text
    assert "1 .txt" in text


def test_collections_that_are_of_no_use(tmp_path):
    put(tmp_path / "one" / "1923" / "x.png", 1)
    put(tmp_path / "one" / "1924" / "x.png", 2)
    report = check(tmp_path / "one", None, 32, 8)
    assert not report.usable
    assert "--bin" in report.reasons[0]
    assert "could not run" in "\n".join(report.lines())
    assert check(tmp_path / "one", PictureOptions(bin=10, val=0), 32, 8).usable
    put(tmp_path / "two" / "test" / "a" / "x.png")
    assert "train" in check(tmp_path / "two", None, 32, 8).reasons[0]
    with pytest.raises(ConfigError):
        check(tmp_path / "one", None, 0, 8)


def test_long_lists_are_cut(tmp_path):
    for number in range(30):
        put(tmp_path / f"label{number:02}" / "x.png", number)
    lines = check(tmp_path, ALL, 64, 8).lines()
    assert "  ... and 10 more" in lines  # of thin labels
    assert len(lines) < 100
