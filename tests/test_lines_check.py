"""The report before training: counts, symbols, narrow lines, reasons."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from typica.errors import ConfigError
from typica.lines.check import check, check_lines, positions_needed, positions_of
from typica.lines.collection import read_lines
from typica.lines.line import Line, LineCollection, Problem


def make(folder: Path, *lines: tuple[str, str | None, str, int]) -> LineCollection:
    """Lines of (split, text, document, width), 20 pixels high."""
    made = []
    for number, (split, text, document, width) in enumerate(lines):
        path = folder / f"{number}.png"
        Image.new("L", (width, 20), 220).save(path)
        symbols = None if text is None else tuple(text)
        made.append(Line(f"l{number}", path, symbols, split, document))
    return LineCollection(folder, tuple(made))


def test_counts_symbols_and_rare_ones(tmp_path):
    collection = make(
        tmp_path,
        ("train", "aaaaa b", "one", 200),
        ("train", None, "one", 200),
        ("val", "ab\u0303", "two", 200),
        ("test", "\uf158\u0364", "two", 200),
    )
    report = check_lines(collection, 20, 8)
    assert report.trainable
    assert report.splits["train"] == {"lines": 2, "labelled": 1, "symbols": 6}
    assert report.documents == {
        "one": {"train": 2, "val": 0, "test": 0},
        "two": {"train": 0, "val": 1, "test": 1},
    }
    counts = {one.symbol: (one.train, one.val, one.test) for one in report.symbols}
    assert counts["a"] == (5, 1, 0)
    assert counts["b"] == (1, 1, 0)
    assert [one.symbol for one in report.missing_from_train] == ["\u0303", "\u0364", "\uf158"]
    assert [one.symbol for one in report.rare] == ["b"]
    text = "\n".join(report.lines())
    for word in (
        "U+F158",
        "PRIVATE USE",
        "\u25cc\u0303",
        "COMBINING TILDE",
        "training can run",
        "1 lines have no text",
        "stand alone",
    ):
        assert word in text
    assert json.loads(json.dumps(report.as_dict()))["missing_from_train"] == [
        "\u0303", "\u0364", "\uf158",
    ]  # fmt: skip


def test_narrow_lines_by_both_rules(tmp_path):
    collection = make(
        tmp_path,
        ("train", "abcde", "d", 40),  # 5 positions for 5 letters: fits
        ("train", "ab cde", "d", 40),  # a space needs no position
        ("train", "abcdd", "d", 40),  # needs a blank: 6
        ("train", "abcdef", "d", 40),  # impossible
        ("train", "abcdef", "d", 41),  # a started step counts
    )
    report = check_lines(collection, 20, 8)
    assert [(one.id, one.impossible, one.needed) for one in report.narrow] == [
        ("l2", False, 6), ("l3", True, 6),
    ]  # fmt: skip
    assert report.trainable
    # At double height the same lines are twice as wide.
    assert not check_lines(collection, 40, 8).narrow
    assert "too narrow" in "\n".join(report.lines())


@given(st.text("ab", max_size=30))
def test_positions_needed_is_letters_and_blanks_between_equal_ones(text):
    runs = [len(list(run)) for _, run in groupby(text)]
    assert positions_needed(tuple(text)) == sum(2 * run - 1 for run in runs)


@given(st.integers(1, 5000), st.integers(1, 64))
def test_positions_round_up(width, step):
    assert positions_of(width, step) == len(range(0, width, step))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([("val", "a", "d", 90)], "no line is in train"),
        ([("train", None, "d", 90), ("val", "a", "d", 90)], "no line in train has text"),
        ([("train", "abcdefghijkl", "d", 8)], "too narrow"),
    ],
)
def test_reasons_why_training_could_not_run(tmp_path, lines, words):
    report = check_lines(make(tmp_path, *lines), 20, 8)
    assert not report.trainable
    assert words in report.reasons[0]
    assert words in "\n".join(report.lines())
    assert report.as_dict()["trainable"] is False


def test_lines_without_any_text_can_train_unsupervised(tmp_path):
    report = check_lines(make(tmp_path, ("train", None, "d", 90)), 20, 8)
    assert report.trainable
    assert any("without transcriptions" in note for note in report.notes)


def test_unreadable_files_and_problems_are_listed(tmp_path):
    collection = make(tmp_path, ("train", "a", "d", 90), ("train", "b", "d", 90))
    path = collection.lines[1].path
    path.write_bytes(path.read_bytes()[:60])
    warning = Problem(tmp_path / "x.xml", "odd", "Look.", fatal=False)
    report = check_lines(LineCollection(tmp_path, collection.lines, (warning,)), 20, 8)
    assert report.splits["train"]["lines"] == 1
    assert [(one.line, one.fatal) for one in report.problems] == [(None, False), ("l1", True)]
    text = "\n".join(report.lines())
    assert "set aside: 1" in text
    assert "warnings: 1" in text
    collection.lines[0].path.unlink()
    report = check_lines(collection, 20, 8)
    assert report.reasons == ("no image can be decoded: see what was set aside",)


def test_long_lists_are_cut_on_the_terminal_only(tmp_path):
    collection = make(tmp_path, *[("train", "abcdefgh", "d", 8)] * 30, ("train", "a", "d", 90))
    report = check_lines(collection, 20, 8)
    assert "  ... and 10 more" in report.lines()
    assert len(report.as_dict()["narrow"]) == 30


def test_bad_numbers_are_named(tmp_path):
    with pytest.raises(ConfigError, match="height"):
        check_lines(LineCollection(tmp_path, ()), 0, 8)
    with pytest.raises(ConfigError, match="step"):
        check_lines(LineCollection(tmp_path, ()), 8, 0)


def test_a_real_collection_is_ready_for_training(real_data):
    folder = real_data / "lines" / "kovalewsky1893_roman"
    if not folder.is_dir():
        pytest.skip("kovalewsky1893_roman is not here")
    report = check(folder, height=32, step=4)
    assert report.trainable
    assert not report.problems
    assert not report.narrow
    assert report.splits["train"]["lines"] == 311
    some = read_lines(folder).part("test")
    assert check_lines(some, 32, 12).narrow
