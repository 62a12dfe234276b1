"""COCO and CSV: what other programs read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.test_mining_table import make_table
from typica.errors import RunError
from typica.images.picture import Picture, PictureCollection
from typica.mining.exports import coco, write_coco, write_csv
from typica.mining.table import COLUMNS


@pytest.fixture
def collection():
    names = [f"straße/{n}.png" for n in range(5)]
    pictures = [Picture(n, Path(n), "a", "train", 50 + i, 40) for i, n in enumerate(names)]
    return PictureCollection(Path("data"), tuple(pictures))


def test_coco_holds_every_element_of_the_kinds_asked_for(collection, tmp_path):
    table = make_table(9)
    write_coco(tmp_path / "x.json", table, collection, ("typical", "random"))
    values = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    images = {one["id"]: one for one in values["images"]}
    labels = {one["id"]: one["name"] for one in values["categories"]}
    assert sorted(labels.values()) == ["a", "b"]
    assert len(values["annotations"]) == 9
    assert len({one["id"] for one in values["annotations"]}) == 9
    for row, one in enumerate(values["annotations"]):
        picture = images[one["image_id"]]
        assert picture["file_name"] == table.picture[row]
        assert picture["width"] == 50 + int(table.picture[row][-5])
        assert labels[one["category_id"]] == table.label[row]
        box = [getattr(table, name)[row] for name in ("x", "y", "width", "height")]
        np.testing.assert_allclose(one["bbox"], box, rtol=1e-5)
        assert one["area"] == pytest.approx(box[2] * box[3], rel=1e-5)
        assert one["score"] == table.typicality[row]
        assert one["cluster"] is None
    some = coco(table, collection)
    assert [one["kind"] for one in some["annotations"]] == ["typical"] * 4
    table = table.with_clusters(np.full(9, 3, np.int32), table.distance)
    assert {one["cluster"] for one in coco(table, collection)["annotations"]} == {3}


def test_coco_of_another_collection_is_refused(collection):
    few = PictureCollection(collection.root, collection.pictures[:1])
    with pytest.raises(RunError, match="but not in data"):
        coco(make_table(9), few)


def test_csv_gives_the_same_numbers_back(tmp_path):
    table = make_table(9)
    write_csv(tmp_path / "x.csv", table)
    with open(tmp_path / "x.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == 9
    for name, (kind, _) in COLUMNS.items():
        values = [row[name] for row in rows]
        column = getattr(table, name)
        if name == "distance":
            assert values == [""] * 9
        elif kind == "bool":
            assert values == [str(bool(v)).lower() for v in column]
        elif kind == "string":
            assert values == column.tolist()
        else:
            np.testing.assert_array_equal(np.array(values, dtype=kind), column)
