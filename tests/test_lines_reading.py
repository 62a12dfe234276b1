"""Reading collections: annotation.json, pairs, bare folders; splits; hostile input."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from typica.errors import ConfigError, DataError
from typica.lines.collection import ReadingOptions, read_lines
from typica.lines.images import line_image
from typica.lines.line import SPACE, Box, Glyph
from typica.lines.splits import document_of, split_documents, split_lines
from typica.lines.text import TextOptions


def save(path: Path, size: tuple[int, int] = (30, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, 200).save(path)
    return path


def annotate(folder: Path, entries: object, images: tuple[str, ...] = ()) -> Path:
    for name in images:
        save(folder / "images" / name)
    folder.mkdir(exist_ok=True)
    text = entries if isinstance(entries, str) else json.dumps(entries, ensure_ascii=False)
    (folder / "annotation.json").write_text(text, encoding="utf-8")
    return folder


def set_aside(collection) -> dict[str | None, str]:
    for problem in collection.problems:
        assert problem.remedy, problem
        assert str(problem.file) in str(problem)
    return {one.line: one.message for one in collection.problems if one.fatal}


def test_ids_with_and_without_extension_and_all_keys_optional(tmp_path):
    annotate(
        tmp_path,
        {
            "a.png": {"split": "train", "label": "x y", "script": "hand A", "N": 3},
            "b": {"split": "val", "label": "z"},
            "c.jpg": {"split": "test"},
            "d.png": {},
            "sub/e": {"label": None, "split": "dev"},
        },
        ("a.png", "b.tif", "c.jpg", "d.jpg", "sub/e.png"),
    )
    lines = {line.id: line for line in read_lines(tmp_path)}
    assert list(lines) == ["a", "b", "c", "d", "sub/e"]
    assert lines["a"].symbols == ("x", SPACE, "y")
    assert lines["a"].document == "hand A"
    assert lines["b"].path.name == "b.tif"
    assert lines["c"].symbols is None
    assert lines["d"].path.name == "d.jpg"
    assert lines["d"].split == "train"  # others have a split
    assert lines["sub/e"].split == "val"
    assert lines["sub/e"].document == "sub"


def test_the_file_itself_can_be_given_and_a_byte_order_mark(tmp_path):
    save(tmp_path / "images" / "a.png")
    (tmp_path / "other.json").write_text('\ufeff{"a": {"label": "x"}}', encoding="utf-8")
    assert len(read_lines(tmp_path / "other.json")) == 1


def test_separators_from_options_file_and_entry(tmp_path):
    annotate(
        tmp_path,
        {
            "sep": " ",
            "space": "_",
            "a": {"label": "lip _ bas _"},
            "b": {"label": "u|v|*|w", "sep": "|", "space": "*"},
        },
        ("a.png", "b.png"),
    )
    first, second = read_lines(tmp_path)
    assert first.symbols == ("lip", SPACE, "bas")
    assert second.symbols == ("u", "v", SPACE, "w")


def test_every_bad_line_is_set_aside_and_the_rest_goes_on(tmp_path):
    outside = save(tmp_path / "outside.png")
    data = tmp_path / "data"
    good = {"label": "x"}
    entries = {
        "good": good,
        "missing": good,
        "broken": good,
        "../outside": good,
        "sub/../../../outside.png": good,
        str(outside): good,
        "C:/windows": good,
        "a\\b": good,
        "linked": good,
        "": good,
        "nul\u0000": good,
        "empty": {"label": " \t"},
        "number": {"label": 7},
        "list": [1],
        "badsplit": {"label": "x", "split": "learn"},
        "ambiguous": good,
        "samefile": good,
        "samefile.png": good,
    }
    names = ("good", "empty", "number", "list", "badsplit", "ambiguous", "samefile")
    annotate(data, entries, tuple(f"{name}.png" for name in names))
    save(data / "images" / "ambiguous.jpg")
    (data / "images" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    os.symlink(outside, data / "images" / "linked.png")
    text = (data / "annotation.json").read_text()
    twice = ', "good": {"label": "y"}, "inner": {"label": "a", "label": "b"}, "h\\ud800": {}}'
    save(data / "images" / "inner.png")
    (data / "annotation.json").write_text(text.rstrip()[:-1] + twice)
    collection = read_lines(data)
    assert [line.id for line in collection] == ["good", "samefile"]
    assert collection.lines[0].symbols == ("x",)
    found = set_aside(collection)
    # Of all ids one line was kept under each of two; two more ids are only in the text.
    assert len(found) == len(entries) - 1 + 2
    assert "twice" in found["good"]
    assert "twice" in found["inner"]
    assert "not in images/" in found["missing"]
    assert "broken.png" in found["broken"]
    assert "leads out" in found["../outside"]
    assert "leads out" in found["linked"]
    assert "absolute" in found[str(outside)]
    assert "empty" in found["empty"]
    assert "not a string" in found["number"]
    assert "unknown split" in found["badsplit"]
    assert "more than one image" in found["ambiguous"]
    assert "same id" in found["samefile"]
    for problem in collection.problems:
        str(problem).encode("utf-8")


def test_a_linked_images_folder_leads_out_too(tmp_path):
    save(tmp_path / "elsewhere" / "a.png")
    data = annotate(tmp_path / "data", {"a": {"label": "x"}})
    os.symlink(tmp_path / "elsewhere", data / "images")
    with pytest.raises(DataError, match="leads out"):
        read_lines(data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "JSON"),
        ("[]", "not an object"),
        ("{}", "no line in it"),
        ('{"a": {"label": "x"}}', "no line can be used"),
        ("[" * 100_000, "nested"),
        ('{"a": ' + "[" * 100_000 + "}", "nested"),
    ],
)
def test_an_unusable_file_is_an_error_with_a_remedy(tmp_path, content, words):
    annotate(tmp_path, content)
    with pytest.raises(DataError, match=words) as caught:
        read_lines(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_nothing_there_says_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_lines(tmp_path / "none")
    with pytest.raises(DataError) as caught:
        read_lines(tmp_path)
    for word in ("annotation.json", ".gt.txt", "PAGE", "ALTO", ".png"):
        assert word in str(caught.value)
    save(tmp_path / "a.png")
    with pytest.raises(DataError, match="ALTO"):
        read_lines(tmp_path, ReadingOptions(format="alto"))


def test_unicode_forms_of_file_names_do_not_matter(tmp_path):
    annotate(tmp_path, {"caf\u00e9": {"label": "x"}}, ("cafe\u0301.png",))
    assert len(read_lines(tmp_path)) == 1


def test_glyph_boxes_come_with_rendered_lines(tmp_path):
    annotate(tmp_path, {"a": {"label": "xy"}, "b": {"label": "x"}}, ("a.png", "b.png"))
    boxes = {"a": [["x", 1, 2, 3.5, 9], ["y", 4, 2, 8, 9]], "b": [["x", 1, True, 3, 4]]}
    (tmp_path / "glyphs.json").write_text(json.dumps(boxes))
    collection = read_lines(tmp_path)
    first, second = collection
    assert first.glyphs == (Glyph("x", Box(1, 2, 3.5, 9)), Glyph("y", Box(4, 2, 8, 9)))
    assert second.glyphs == ()
    assert [(one.line, one.fatal) for one in collection.problems] == [("b", False)]
    (tmp_path / "glyphs.json").write_text("{")
    assert len(read_lines(tmp_path)) == 2


def test_pairs(tmp_path):
    for name in ("train/p1_1.png", "test/p1_2.bin.png", "p1_3.jpg", "p1_4.png", "p1_5.png"):
        save(tmp_path / name)
    save(tmp_path / "train" / "p1_1.nrm.png", (99, 10))
    texts = {
        "train/p1_1": "ein  Wort\n",
        "test/p1_2": "zwei",
        "p1_3": "\ufeffdrei",
        "p1_4": "a\nb\n",
        "p1_6": "lost",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.gt.txt").write_text(text, encoding="utf-8")
    collection = read_lines(tmp_path)
    lines = {line.id: line for line in collection}
    assert list(lines) == ["p1_3", "p1_5", "test/p1_2", "train/p1_1"]
    assert lines["train/p1_1"].text == "ein Wort"
    assert lines["train/p1_1"].path.name == "p1_1.png"
    assert lines["test/p1_2"].split == "test"
    assert lines["p1_3"].text == "drei"
    assert lines["p1_5"].symbols is None
    found = set_aside(collection)
    assert "more than one line" in found["p1_4"]
    assert "missing" in found["p1_6"]


def test_one_pair_can_be_given_by_its_image(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "a.gt.txt").write_text("eins")
    for name in ("a.png", "a.gt.txt"):
        (line,) = read_lines(tmp_path / name)
        assert line.text == "eins"
    (line,) = read_lines(tmp_path / "b.png")
    assert line.symbols is None


def test_a_bare_folder_of_images(tmp_path):
    for name in ("images/b.png", "images/sub/a.tif", "images/.hidden.png"):
        save(tmp_path / name)
    (tmp_path / "images" / "broken.jpg").write_bytes(b"")
    collection = read_lines(tmp_path)
    assert [line.id for line in collection] == ["b", "sub/a"]
    assert all(line.symbols is None for line in collection)
    assert list(set_aside(collection)) == ["broken"]


def test_documents_by_rule_folder_file_and_pattern(tmp_path):
    assert document_of("FRAD021_15_H_183_000213_12_3", "r") == "FRAD021_15_H_183_000213"
    assert document_of("p0006_l02", "goethe") == "goethe"
    assert document_of("ms/test/p1_l2", "r") == "ms"
    assert document_of("test/a_1_2", "r") == "a"
    annotate(tmp_path, {"x1-a": {"script": "s"}, "y": {"script": "s"}}, ("x1-a.png", "y.png"))
    lines = read_lines(tmp_path, ReadingOptions(document=r"^(\w+)-"))
    assert [line.document for line in lines] == ["x1", "s"]


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=120),
    st.integers(0, 5),
    st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5, 0.0), (1.0, 0.0, 0.0), (0.01, 0.5, 0.49)]),
)
@settings(max_examples=100)
def test_splits_keep_documents_whole_and_train_filled(owners, seed, shares):
    documents = [f"d{owner}" for owner in owners]
    ids = [f"l{number}" for number in range(len(owners))]
    parts = split_documents(documents, ids, shares, seed)
    assert "train" in parts
    for part, share in zip(("train", "val", "test"), shares, strict=True):
        if not share:
            assert part not in parts
    if len(set(documents)) >= 3:
        assert len(set(zip(documents, parts, strict=True))) == len(set(documents))
        if min(shares) > 0:
            assert set(parts) == {"train", "val", "test"}
    else:
        assert parts == split_lines(ids, shares, seed)
        if len(ids) >= 3 and min(shares) > 0:
            assert set(parts) == {"train", "val", "test"}
    # The order of the files does not matter.
    backwards = split_documents(documents[::-1], ids[::-1], shares, seed)
    assert backwards[::-1] == parts


def test_shares_are_met():
    counts = Counter(split_lines([f"line {n}" for n in range(1000)]))
    assert counts == {"train": 800, "val": 100, "test": 100}
    documents = [f"book {n % 40}" for n in range(4000)]
    parts = Counter(split_documents(documents, [str(n) for n in range(4000)]))
    assert parts == {"train": 3200, "val": 400, "test": 400}
    assert split_lines(["a", "b", "c", "d"], seed=0) != split_lines(["a", "b", "c", "d"], seed=1)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"format": "pdf"}, "format"),
        ({"margin": -1}, "margin"),
        ({"split": (0.5, 0.1, 0.1)}, "split"),
        ({"split": (0.0, 0.5, 0.5)}, "split"),
        ({"document": "("}, "document"),
    ],
)
def test_bad_options_name_the_field(options, field):
    with pytest.raises(ConfigError, match=field):
        ReadingOptions(**options)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "label": json_values,
        "split": st.sampled_from(["train", "val", "x", 3]) | json_values,
        "script": json_values,
        "sep": st.sampled_from(["", " ", "|", 1]),
        "space": st.sampled_from(["", " ", "|", "_"]),
    },
)


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b.png", "../a", "/", "c/d"]) | st.text(max_size=4),
        entries | json_values,
        max_size=6,
    )
)
def test_any_annotation_gives_lines_problems_or_a_data_error(tmp_path_factory, table):
    data = annotate(tmp_path_factory.mktemp("any"), json.dumps(table), ("a.png", "b.png"))
    try:
        collection = read_lines(data)
    except DataError as error:
        message = str(error)
        collection = None
    if collection is None:
        assert str(data) in message
        return
    assert all(line.path.resolve().is_relative_to(data.resolve()) for line in collection)
    assert len({line.id for line in collection}) == len(collection)
    assert all(line.symbols is None or line.symbols for line in collection)


def test_a_folder_is_listed_once_however_many_lines_it_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("typica.lines.collection.image_size", lambda path: (30, 10))
    (tmp_path / "images").mkdir()
    plain, listed = os.listdir, []
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or plain(folder))
    found = []
    for count in (5, 300):
        for number in range(count):
            (tmp_path / "images" / f"l{number}.png").touch()
        annotate(tmp_path, {f"l{number}": {"label": "abc"} for number in range(count)})
        listed.clear()
        assert len(read_lines(tmp_path)) == count
        found.append(len(listed))
    assert 0 < found[0] == found[1] <= 3


REAL = {
    "copiale_sample": (10, 8, 1, 1, 417, 77),
    "goethe1809_fraktur": (1744, 1400, 172, 172, None, 63),
    "kovalewsky1893_roman": (388, 311, 39, 38, None, 84),
    "medieval_french_hands": (960, 768, 96, 96, None, None),
}


@pytest.mark.parametrize("name", REAL)
def test_real_collections_are_read_whole(real_data, name):
    folder = real_data / "lines" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not here")
    text = TextOptions(sep=" ", space="_") if name == "copiale_sample" else TextOptions()
    collection = read_lines(folder, ReadingOptions(text=text))
    total, train, val, test, symbols, kinds = REAL[name]
    assert not collection.problems
    assert len(collection) == total
    assert Counter(line.split for line in collection) == {"train": train, "val": val, "test": test}
    if symbols:
        assert sum(len(line.letters) for line in collection) == symbols
    if kinds:
        assert len(collection.alphabet()) == kinds
    for line in collection.lines[:: max(1, total // 20)]:
        image = line_image(line)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[1] > image.shape[0]
