"""Reading collections: folders, tables, Hugging Face data sets, and what is wrong with them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from typica.errors import ConfigError, DataError, DependencyError
from typica.images.collection import digest, read_everything, read_pictures
from typica.images.labels import binned, label_text
from typica.images.options import PictureOptions
from typica.images.readers.source import check_name
from typica.images.splits import split_pictures
from typica.sources import Fault

from .images_helpers import bomb, put

ALL = PictureOptions(val=0)


def _labels(collection) -> dict[str, str]:
    return {one.id: one.label for one in collection}


def _fatal(collection) -> list[str]:
    return [str(one) for one in collection.problems if one.fatal]


# folders


def test_folders_are_labels(tmp_path):
    put(tmp_path / "b" / "2.png", 1, width=30)
    put(tmp_path / "b" / "1.PNG", 2)
    put(tmp_path / "a" / "deep" / "x.jpg", 3)
    found = read_pictures(tmp_path, ALL)
    assert _labels(found) == {"a/deep/x.jpg": "a/deep", "b/1.PNG": "b", "b/2.png": "b"}
    assert [one.id for one in found] == sorted(_labels(found))
    assert (found.pictures[2].width, found.pictures[2].height) == (30, 16)
    assert found.pictures[2].path.is_file()
    assert {one.split for one in found} == {"train"}
    assert not found.problems


def test_folders_of_splits(tmp_path):
    for split in ("train", "Valid", "test"):
        put(tmp_path / split / "a" / "x.png", len(split))
    found = read_pictures(tmp_path)
    assert {one.split for one in found} == {"train", "val", "test"}
    assert found.labels == ("a",)
    # Beside another folder, "train" is a label like any other (a vehicle, say).
    put(tmp_path / "ship" / "x.png")
    assert read_pictures(tmp_path, ALL).labels == ("Valid/a", "ship", "test/a", "train/a")


def test_one_folder_around_everything_is_no_label(tmp_path):
    put(tmp_path / "images" / "train" / "a" / "x.png")
    put(tmp_path / "images" / "test" / "b" / "x.png")
    found = read_pictures(tmp_path)
    assert _labels(found) == {"images/test/b/x.png": "b", "images/train/a/x.png": "a"}
    single = tmp_path / "other"
    put(single / "tundra" / "x.png")
    assert read_pictures(single).labels == ("tundra",)


def test_a_table_of_something_else_beside_folders_is_not_taken(tmp_path):
    put(tmp_path / "a" / "x.png")
    (tmp_path / "boxes.csv").write_text("file,label,x\na/x.png,wrong,3\n")
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / ".hidden.png").write_text("hello")
    found, ignored = read_everything(tmp_path, ALL)
    assert _labels(found) == {"a/x.png": "a"}
    assert ignored == {".csv": 1, ".md": 1}
    assert not found.problems
    asked = read_pictures(tmp_path, PictureOptions(format="table", val=0))
    assert _labels(asked) == {"a/x.png": "wrong"}
    assert _labels(read_pictures(tmp_path / "boxes.csv")) == {"a/x.png": "wrong"}
    asked = read_pictures(tmp_path, PictureOptions(label_column="label"))
    assert _labels(asked) == {"a/x.png": "wrong"}


def test_what_cannot_be_used_is_set_aside(tmp_path):
    put(tmp_path / "a" / "good.png")
    put(tmp_path / "loose.png")
    bomb(tmp_path / "a" / "bomb.png")
    (tmp_path / "a" / "text.jpg").write_text("no picture")
    (tmp_path / "a" / "phone.HEIC").write_bytes(b"x")
    short = put(tmp_path / "a" / "short.jpg", width=60, height=60)
    short.write_bytes(short.read_bytes()[:-300])
    put(tmp_path / "a" / "strip.png", width=500, height=20)
    found = read_pictures(tmp_path, ALL)
    assert _labels(found) == {"a/good.png": "a"}
    text = "\n".join(_fatal(found))
    for name, word in {
        "loose.png": "no label",
        "bomb.png": "178 million",
        "text.jpg": "not a picture",
        "phone.HEIC": ".heic",
        "short.jpg": "damaged",
        "strip.png": "elongated",
    }.items():
        assert any(name in row and word in row for row in text.splitlines()), (name, text)
    assert all(one.remedy.endswith(".") and "\n" not in str(one) for one in found.problems)


def test_damage_in_the_middle_is_found_on_request(tmp_path):
    put(tmp_path / "a" / "good.png")
    data = bytearray(put(tmp_path / "a" / "bad.png", width=80, height=80).read_bytes())
    data[5000:9000] = bytes(4000)
    (tmp_path / "a" / "bad.png").write_bytes(data)
    assert len(read_pictures(tmp_path, ALL)) == 2
    found = read_pictures(tmp_path, PictureOptions(verify=True))
    assert list(_labels(found)) == ["a/good.png"]
    assert "bad.png: a damaged picture" in _fatal(found)[0]


def test_links_out_of_the_folder_are_refused(tmp_path):
    outside = put(tmp_path / "outside" / "secret.png")
    root = tmp_path / "root"
    put(root / "a" / "x.png")
    (root / "a" / "y.png").symlink_to(outside)
    (root / "a" / "z.png").symlink_to(root / "a" / "x.png")  # stays inside
    (root / "b").symlink_to(outside.parent)
    found = read_pictures(root, ALL)
    assert list(_labels(found)) == ["a/x.png", "a/z.png"]
    assert len(_fatal(found)) == 2
    assert all("link" in text for text in _fatal(found))


def test_bad_paths_have_plain_messages(tmp_path):
    with pytest.raises(DataError, match=r"no such file or folder.*datasets"):
        read_pictures(tmp_path / "none")
    with pytest.raises(DataError, match="no such file"):
        read_pictures("\0")
    with pytest.raises(DataError, match="no picture in it"):
        read_pictures(tmp_path)
    with pytest.raises(DataError, match="no picture in it"):
        read_pictures(tmp_path, PictureOptions(format="folders"))
    with pytest.raises(DataError, match="no table in it"):
        read_pictures(tmp_path, PictureOptions(format="table"))
    put(tmp_path / "x.png")
    with pytest.raises(DataError, match="no label"):
        read_pictures(tmp_path)
    with pytest.raises(DataError, match="not a table"):
        read_pictures(tmp_path / "x.png")
    with pytest.raises(DataError, match="not a folder"):
        read_pictures(tmp_path / "x.png", PictureOptions(format="folders"))


@pytest.mark.parametrize("bad", [{"bin": 0}, {"val": 1.0}, {"seed": -1}, {"label_column": ""}])
def test_options_are_checked(bad):
    with pytest.raises(ConfigError):
        PictureOptions(**bad)


def test_names_that_cannot_be_written_are_set_aside(tmp_path):
    put(tmp_path / "a" / "x.png")
    odd = os.fsencode(tmp_path / "a") + b"/\xff.png"
    shutil.copy(tmp_path / "a" / "x.png", odd)
    os.mkfifo(tmp_path / "a" / "pipe.png")
    found = read_pictures(tmp_path, ALL)
    assert list(_labels(found)) == ["a/x.png"]
    text = "\n".join(_fatal(found)).encode().decode()  # can be printed
    assert "Rename the file" in text
    assert "ordinary file" in text


def test_only_linked_or_foreign_files(tmp_path):
    put(tmp_path / "outside" / "x.png")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="linked folder"):
        read_pictures(tmp_path / "one")
    (tmp_path / "two" / "a").mkdir(parents=True)
    (tmp_path / "two" / "a" / "x.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"\.heic pictures are not read"):
        read_pictures(tmp_path / "two")


# tables


def _write(file: Path, rows: list[dict]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".jsonl":
        file.write_text("\n".join(json.dumps(row) for row in rows))
    elif file.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    else:
        mark = "\t" if file.suffix == ".tsv" else ","
        lines = [mark.join(str(row[name]) for name in rows[0]) for row in rows]
        file.write_text("\ufeff" + mark.join(rows[0]) + "\n" + "\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ["metadata", "cars"])
def test_tables(tmp_path, ending, name):
    put(tmp_path / "pictures" / "1.png", 1)
    put(tmp_path / "pictures" / "2.png", 2)
    put(tmp_path / "pictures" / "unlisted.png", 3)
    rows = [
        {"file_name": "pictures/1.png", "year": 1923, "split": "train"},
        {"file_name": "./pictures/2.png", "year": 1929, "split": "test"},
    ]
    file = _write(tmp_path / f"{name}.{ending}", rows)
    for path in (tmp_path, file):
        found = read_pictures(path)
        assert _labels(found) == {"pictures/1.png": "1923", "pictures/2.png": "1929"}
        assert [one.split for one in found] == ["train", "test"]
        assert not found.problems
    assert read_pictures(tmp_path, PictureOptions(bin=10)).counts() == {"1920": 2}


def test_metadata_wins_over_folders_but_only_with_labels(tmp_path):
    put(tmp_path / "images" / "17" / "45.png")
    put(tmp_path / "images" / "18" / "45.png")
    rows = [{"path": f"{n}/45.png", "country": "Norway"} for n in (17, 18)]
    _write(tmp_path / "metadata.csv", rows)
    assert read_pictures(tmp_path, ALL).labels == ("17", "18")
    found = read_pictures(tmp_path, PictureOptions(label_column="Country"))
    assert found.labels == ("Norway",)
    assert [one.id for one in found] == ["17/45.png", "18/45.png"]  # found below images/


def test_metadata_in_every_folder_of_a_split(tmp_path):
    for split in ("train", "test"):
        put(tmp_path / split / "1.png")
        _write(tmp_path / split / "metadata.csv", [{"file_name": "1.png", "label": split.upper()}])
    found = read_pictures(tmp_path)
    assert _labels(found) == {"test/1.png": "TEST", "train/1.png": "TRAIN"}
    assert [one.split for one in found] == ["test", "train"]


def test_rows_that_cannot_be_used(tmp_path):
    put(tmp_path / "outside.png")
    root = tmp_path / "root"
    put(root / "good.png")
    put(root / "other.png")
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    absolute = str(root / "other.png")
    paths = {
        "../outside.png": "leads out",
        "a/../../outside.png": "leads out",
        absolute: "absolute",
        "C:/x.png": "absolute",
        "a\\b.png": "backslash",
        "https://example.org/x.png": "address",
        "link.png": "link",
        "gone.png": "no file",
        "": "empty",
        "x" * 5000: "no file",
    }
    rows = [{"path": path, "label": "a"} for path in ["good.png", "good.png", *paths]]
    rows += [{"path": "good.png", "label": "b"}, {"path": "other.png", "label": ""}]
    found = read_pictures(_write(root / "t.csv", rows), ALL)
    assert _labels(found) == {"good.png": "a"}
    by_line = {one.line: one for one in found.problems}
    for number, word in enumerate(paths.values(), 4):
        assert word in by_line[str(number)].message, (number, word, by_line[str(number)])
    assert "'b' instead of 'a'" in by_line["14"].message
    assert "empty label" in by_line["15"].message
    assert [one.message for one in found.problems if not one.fatal] == [
        "1 rows repeat a picture with the same label"
    ]


def test_labels_that_cannot_be_binned_are_set_aside(tmp_path):
    put(tmp_path / "1.png")
    put(tmp_path / "2.png")
    rows = [{"path": "1.png", "year": "1923"}, {"path": "2.png", "year": "about 1930"}]
    _write(tmp_path / "t.csv", rows)
    found = read_pictures(tmp_path, PictureOptions(bin=10))
    assert _labels(found) == {"1.png": "1920"}
    assert "'about 1930' is no number" in _fatal(found)[0]


def test_faults_of_whole_tables(tmp_path):
    put(tmp_path / "1.png")
    file = tmp_path / "t.csv"
    file.write_text("name,kind\n1.png,a\n")
    with pytest.raises(DataError, match=r"no column of paths.*name, kind.*path_column"):
        read_pictures(tmp_path)
    chosen = PictureOptions(path_column="name", label_column="kind")
    assert _labels(read_pictures(tmp_path, chosen)) == {"1.png": "a"}
    with pytest.raises(DataError, match="no column 'x'"):
        read_pictures(file, PictureOptions(path_column="name", label_column="x"))
    file.write_text("")
    with pytest.raises(DataError, match="no header"):
        read_pictures(file)
    file.write_bytes("path,label\n1.png,é\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        read_pictures(file)
    (tmp_path / "t.parquet").write_text("no table")
    with pytest.raises(DataError, match="Parquet"):
        read_pictures(tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text('{"path": "1.png", "label": "a"}\n[1]\n{"pa\n')
    found = read_pictures(tmp_path / "t.jsonl")
    assert [one.line for one in found.problems] == ["2", "3"]
    file.write_text("path;label\n1.png;a, b\n")
    assert _labels(read_pictures(file)) == {"1.png": "a, b"}
    file.write_text("path,label,split\n1.png,a,often\n")
    with pytest.raises(DataError, match="unknown split 'often'"):
        read_pictures(file)


def test_pictures_inside_of_a_table_need_the_other_reader(tmp_path):
    rows = [{"image": {"bytes": b"x", "path": "1.png"}, "label": "a"}]
    with pytest.raises(DataError, match="format datasets"):
        read_pictures(_write(tmp_path / "t.parquet", rows))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_no_table_makes_a_traceback(tmp_path, data, ending):
    put(tmp_path / "1.png")
    file = tmp_path / f"t.{ending}"
    start = {"parquet": b"PAR1", "jsonl": b'{"path": "1.png", "label": "a"}\n'}.get(
        ending, b"path,label\n1.png,a\n"
    )
    file.write_bytes(start + data)
    try:
        labels = set(read_pictures(file, ALL).labels)
    except DataError as error:
        labels = {"a"} if str(error).startswith(str(file.parent)) else set()
    assert "a" in labels


@pytest.mark.parametrize(
    ("module", "file", "options", "extra"),
    [
        ("pyarrow", "t.parquet", PictureOptions(), "mining"),
        ("datasets", "t", PictureOptions(format="datasets"), "datasets"),
    ],
)
def test_missing_packages_are_named(tmp_path, monkeypatch, module, file, options, extra):
    (tmp_path / file).write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DependencyError, match=rf"needs? {module}.*typica\[{extra}\]"):
        read_pictures(tmp_path / file, options)


# labels


@pytest.mark.parametrize(
    ("value", "text"),
    [("  a b ", "a b"), (3, "3"), (1923.0, "1923"), (0.5, "0.5"), (True, "true"), (["x"], "x")],
)
def test_label_text(value, text):
    assert label_text(value) == text


@pytest.mark.parametrize("value", [None, "", " ", float("nan"), [], ["a", "b"], {"a": 1}, "a\nb"])
def test_values_that_are_no_label(value):
    with pytest.raises(Fault):
        label_text(value)


def test_labels_are_in_one_normal_form():
    assert label_text("e\u0301") == label_text("\u00e9")


@given(st.integers(-(10**9), 10**9), st.integers(1, 1000))
def test_bins_hold_their_numbers(number, width):
    start = int(binned(str(number), width))
    assert start % width == 0
    assert start <= number < start + width


@pytest.mark.parametrize(
    ("text", "start"), [("1923.5", "1920"), ("-3", "-10"), ("1e3", "1000"), ("9." + "9" * 50, "0")]
)
def test_bins_of_other_numbers(text, start):
    assert binned(text, 10) == start


@pytest.mark.parametrize("text", ["19th", "nan", "inf", "1e999999999", "", "1923-05"])
def test_no_bin(text):
    with pytest.raises(Fault, match="no number"):
        binned(text, 10)


@given(st.text(st.sampled_from("ab./\\~:C \0"), max_size=12))
@example("./~")
@example("./C:a")
def test_ids_stay_inside(text):
    try:
        found = check_name(text)
    except Fault:
        return
    assert not found.startswith(("/", "~", "C:"))
    assert not {"..", ""} & set(found.split("/"))


# splits


def test_held_out_share(tmp_path):
    ids = [f"{n}.png" for n in range(4000)]
    labels = ["a"] * 4000
    split = split_pictures(ids, labels, [None] * 4000, 0.05, 0)
    assert 150 < split.count("val") < 250
    assert split_pictures(ids, labels, [None] * 4000, 0.05, 1) != split
    fewer = split_pictures(ids[::2], labels[::2], [None] * 2000, 0.05, 0)
    assert fewer == split[::2]  # other pictures move none
    assert set(split_pictures(ids, labels, [None] * 4000, 0, 0)) == {"train"}


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40), st.integers(0, 99))
def test_every_label_is_trained(labels, seed):
    ids = [str(number) for number in range(len(labels))]
    split = split_pictures(ids, labels, [None] * len(ids), 0.9, seed)
    assert {label for label, part in zip(labels, split, strict=True) if part == "train"} == set(
        labels
    )


def test_given_splits_are_kept():
    assert split_pictures(["a", "b", "c"], ["x"] * 3, ["test", None, "train"], 0.9, 0) == [
        "test",
        "train",
        "train",
    ]
    only_train = split_pictures(["a", "b", "c"], ["x"] * 3, ["train"] * 3, 0.9, 0)
    assert "val" in only_train


# digest


def test_digest_tells_collections_apart(tmp_path):
    put(tmp_path / "one" / "a" / "1.png", 1)
    put(tmp_path / "one" / "b" / "2.png", 2)
    first = digest(read_pictures(tmp_path / "one", ALL))
    assert len(first) == 64
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert digest(read_pictures(tmp_path / "two", ALL)) == first
    (tmp_path / "two" / "readme.txt").write_text("x")
    assert digest(read_pictures(tmp_path / "two", ALL)) == first
    put(tmp_path / "two" / "b" / "2.png", 2, width=25)
    sizes = digest(read_pictures(tmp_path / "two", ALL))
    (tmp_path / "two" / "b" / "2.png").rename(tmp_path / "two" / "b" / "3.png")
    names = digest(read_pictures(tmp_path / "two", ALL))
    (tmp_path / "two" / "b").rename(tmp_path / "two" / "c")
    assert len({first, sizes, names, digest(read_pictures(tmp_path / "two", ALL))}) == 4


# real


def test_real_folders(real_data):
    root = real_data / "images" / "neu_det"
    if not root.is_dir():
        pytest.skip("no neu_det here")
    found, ignored = read_everything(root, PictureOptions())
    assert set(found.counts().values()) == {300}
    assert len(found.labels) == 6
    assert ignored[".csv"] == 1
    assert not found.problems
