"""Filters: near-duplicates are found, others are not, and what is left out is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from typica.errors import ConfigError
from typica.images.picture import Picture, PictureCollection
from typica.mining.clustering import Cluster, Clustering
from typica.mining.readings.duplicates import element_repeats, perceptual_hash, picture_repeats
from typica.mining.readings.filters import (
    best_of_each,
    check_filters,
    kept_clusters,
    kept_rows,
    left_out,
    reasons,
    told,
)
from typica.mining.table import COLUMNS, ElementsTable


@pytest.fixture
def collection(tmp_path):
    """a0, its copy a1 (smaller, darker, JPEG), a different a2; b0 shows what a0 shows."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (2, 9, 9, 3)).astype(np.uint8)
    first, other = (
        Image.fromarray(one).resize((96, 96), Image.Resampling.BICUBIC) for one in coarse
    )
    darker = Image.fromarray((np.asarray(first) * 0.8).astype(np.uint8)).resize((80, 80))
    files = {"a0.png": first, "a1.jpg": darker, "a2.png": other, "b0.png": first}
    pictures = []
    for name, image in files.items():
        image.save(tmp_path / name, quality=85)
        pictures.append(Picture(name, tmp_path / name, name[0], "train", image.width, image.height))
    return PictureCollection(tmp_path, tuple(pictures))


def _table(rows: list[dict]) -> ElementsTable:
    plain = {
        "kind": "typical", "rank": 0, "x": 0.0, "y": 0.0, "width": 32.0, "height": 32.0,
        "work_x": 0, "work_y": 0, "side": 32, "typicality": 1.0, "error": 0.1, "cluster": -1,
        "distance": 0.0, "border": False, "flat": False,
    }  # fmt: skip
    full = [plain | row for row in rows]
    return ElementsTable.from_columns({name: [row[name] for row in full] for name in COLUMNS})


def test_near_copies_repeat_within_a_label_only(collection):
    assert picture_repeats(collection, show_progress=False) == {"a1.jpg": "a0.png"}
    assert picture_repeats(collection, {"a1.jpg", "a2.png"}, show_progress=False) == {}


def test_the_hash_outlives_brightness_and_differs_for_others():
    random = np.random.default_rng(1)
    one, other = random.normal(size=(2, 32, 32))
    assert (perceptual_hash(one) == perceptual_hash(0.5 * one + 3)).all()
    assert 15 < (perceptual_hash(one) != perceptual_hash(other)).sum() < 48


def test_elements_repeat_where_features_and_pixels_agree(collection):
    table = _table(
        [
            {"picture": "a0.png", "label": "a", "work_x": 8, "rank": 0},
            {"picture": "a1.jpg", "label": "a", "work_x": 8, "rank": 1},  # the same, in the copy
            {"picture": "a2.png", "label": "a", "work_x": 8, "rank": 2},  # features agree only
            {"picture": "b0.png", "label": "b", "work_x": 8, "rank": 0},  # another label
        ]
    )
    alike = np.tile(np.array([[0.6, 0.8]], np.float32), (4, 1))
    found = element_repeats(table, alike, collection, 96, 1, show_progress=False)
    assert found.tolist() == [False, True, False, False]
    apart = np.eye(4, dtype=np.float32)
    assert not element_repeats(table, apart, collection, 96, 1, show_progress=False).any()


def test_what_is_left_out_is_counted_once_and_told(collection):
    table = _table(
        [
            {"picture": "a0.png", "label": "a", "rank": 0, "border": True, "flat": True},
            {"picture": "a0.png", "label": "a", "rank": 1, "flat": True},
            {"picture": "a1.jpg", "label": "a", "rank": 2},
            {"picture": "a2.png", "label": "a", "rank": 3},
            {"picture": "b0.png", "label": "b", "rank": 0, "kind": "random", "border": True},
        ]
    )
    without = check_filters(["duplicates", "border", "flat"])
    assert without == ("border", "flat", "duplicates")
    why, repeats = reasons(table, without, collection, show_progress=False)
    assert why.tolist() == ["border", "flat", "repeated picture", "", "border"]
    done = told(table, why, without, repeats)
    assert done.counts["border"] == {"typical": 1, "random": 1, "least": 0}
    assert done.counts["flat"]["typical"] == 1
    assert sum(sum(c.values()) for c in done.counts.values()) + 1 == len(table)
    (problem,) = left_out({"finetuned": replace(table, about={"left_out": done.as_dict()})})
    assert "of 5 elements" in problem.message
    assert "2 at the edge" in problem.message
    assert "1 pictures nearly repeat" in problem.message
    assert left_out({"finetuned": table}) == ()
    only, _ = reasons(table, ("flat",), collection, show_progress=False)
    assert only.tolist() == ["flat", "flat", "", "", ""]
    with pytest.raises(ConfigError, match="choose among"):
        check_filters(["frames"])


def test_ranks_and_clusters_close_up():
    table = _table(
        [
            {"picture": "p", "label": "a", "rank": i, "typicality": 9.0 - i, "border": i == 0}
            for i in range(6)
        ]
    )
    clusters = (
        Cluster(0, 2, 8.5, 0.1, 0.9, (1, 0), 1, 0.5, 0.0),
        Cluster(1, 3, 6.0, 0.1, 0.8, (3, 2, 4), 2, 0.0, 0.0),
        Cluster(2, 1, 4.0, 0.1, 0.7, (5,), 1, 0.0, 0.0),
    )
    kept = np.array([2, 3, 4, 5])
    part, found = kept_clusters(Clustering({"a": clusters}, {}, {"a": 0.5}), table, kept, 0)
    assert part.rank.tolist() == [0, 1, 2, 3]
    assert part.cluster.tolist() == [0, 0, 0, 1]
    first, second = found.typical["a"]
    assert (first.rank, first.size, first.members, first.stability) == (0, 3, (1, 0, 2), 0.8)
    assert second.members == (3,)
    part, found = kept_clusters(Clustering({"a": clusters}, {}, {}), table, np.arange(1, 6), 0)
    assert found.typical["a"][0].size == 1
    assert found.typical["a"][0].border_share == 0
    assert best_of_each(kept_rows(table, kept), 2).tolist() == [0, 1]
