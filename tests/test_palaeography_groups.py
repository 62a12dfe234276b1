"""Groups of lines by document, by a field of the data, by a table; levels and families."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from typica.errors import ConfigError, DataError, RunError
from typica.lines.collection import read_lines
from typica.lines.line import Line, LineCollection
from typica.palaeography.groups import (
    Group,
    find_groups,
    load_groups,
    read_group_table,
    save_groups,
)


def _collection(*rows: tuple[str, dict[str, str]]) -> LineCollection:
    lines = tuple(
        Line(str(i), Path(f"{i}.png"), None, document=document, fields=tuple(fields.items()))
        for i, (document, fields) in enumerate(rows)
    )
    return LineCollection(Path("data"), lines)


def test_lines_are_grouped_by_document():
    found, without = find_groups(_collection(("b", {}), ("a", {}), ("b", {})), ("document",))
    assert [(g.name, g.lines, g.family) for g in found] == [("a", (1,), ""), ("b", (0, 2), "")]
    assert without == []


def test_a_field_of_the_data_comes_from_its_annotation(tmp_path):
    from PIL import Image

    (tmp_path / "images").mkdir()
    entries = {}
    for i, century in enumerate(("13", "14", None)):
        Image.new("L", (40, 20), 200).save(tmp_path / "images" / f"{i}.png")
        entries[f"{i}.png"] = {"label": "ab", "script": f"hand{i}", "sep": ""}
        if century:
            entries[f"{i}.png"]["century"] = century
    (tmp_path / "annotation.json").write_text(json.dumps(entries))
    lines = read_lines(tmp_path)
    assert dict(lines.lines[0].fields) == {"script": "hand0", "century": "13"}
    found, without = find_groups(lines, ("century",))
    assert [(g.name, g.lines) for g in found] == [("13", (0,)), ("14", (1,))]
    assert without == [2]
    assert [g.name for g in find_groups(lines, ("script",))[0]] == ["hand0", "hand1", "hand2"]


def test_levels_are_nested_and_names_stay_distinct():
    lines = _collection(
        ("d1", {"family": "north"}), ("d1", {"family": "south"}), ("d2", {"family": "south"})
    )
    found, _ = find_groups(lines, ("family", "document"))
    assert [(g.name, g.family, g.lines) for g in found] == [
        ("north", "", (0,)),
        ("south", "", (1, 2)),
        ("north / d1", "north", (0,)),
        ("south / d1", "south", (1,)),
        ("d2", "south", (2,)),
    ]


def test_a_table_adds_fields_and_goes_before_the_data(tmp_path):
    file = tmp_path / "families.csv"
    file.write_text("document,family\nd1,north\nd2, south \n", encoding="utf-8-sig")
    table = read_group_table(file)
    lines = _collection(("d1", {"family": "wrong"}), ("d2", {}), ("d3", {}))
    found, without = find_groups(lines, ("family",), table)
    assert [g.name for g in found] == ["north", "south"]
    assert without == [2]
    named, _ = find_groups(lines, ("document",), table, families="family")
    assert [(g.name, g.family) for g in named] == [("d1", "north"), ("d2", "south"), ("d3", "")]


def test_a_family_is_only_named_where_all_lines_share_it():
    lines = _collection(("d", {"family": "a"}), ("d", {"family": "b"}))
    (found,), _ = find_groups(lines, ("document",), families="family")
    assert found.family == ""


@pytest.mark.parametrize("levels", [(), ("document", "document")])
def test_levels_are_checked(levels):
    with pytest.raises(ConfigError, match="--by"):
        find_groups(_collection(("d", {})), levels)


def test_an_unknown_field_names_those_that_exist():
    with pytest.raises(ConfigError, match="date"):
        find_groups(_collection(("d", {"date": "1300"})), ("year",))


@pytest.mark.parametrize(
    ("text", "what"),
    [("name,family\na,b\n", "no column"), ("document,family\na,b\na,c\n", "row 3.*twice")],
)
def test_a_bad_table_is_named(tmp_path, text, what):
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=f"t.csv.*{what}"):
        read_group_table(file)


def test_a_table_that_is_no_text_is_named(tmp_path):
    file = tmp_path / "t.csv"
    file.write_bytes(b"document\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"t\.csv"):
        read_group_table(file)


def test_groups_are_kept_by_the_ids_of_their_lines(tmp_path):
    groups = [Group("a", "document", "f", (0, 2)), Group("b", "document", "", (1,))]
    save_groups(tmp_path / "g.json", groups, ["x", "y", "z"])
    assert load_groups(tmp_path / "g.json", ["x", "y", "z"]) == groups
    moved = load_groups(tmp_path / "g.json", ["z", "y", "x"])
    assert [g.lines for g in moved] == [(2, 0), (1,)]
    with pytest.raises(RunError, match=r"g\.json"):
        load_groups(tmp_path / "g.json", ["x", "y"])
