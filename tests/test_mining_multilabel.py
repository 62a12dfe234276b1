"""Several labels per picture, from the table to the elements; one label stays as it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from typica.demo.shapes import NO_SHAPE, render_scene, write_shapes
from typica.errors import ConfigError, DataError
from typica.images.check import check
from typica.images.collection import digest, read_pictures
from typica.images.labels import label_texts
from typica.images.options import PictureOptions
from typica.images.picture import Picture, PictureCollection
from typica.images.prompts import PromptTemplate
from typica.images.splits import split_pictures
from typica.mining.bases import load_base
from typica.mining.batches import BatchMaker
from typica.mining.conditioner import LabelTable
from typica.mining.config import TypicalityConfig
from typica.mining.elements import mine_elements
from typica.mining.latents import LatentCache
from typica.mining.maps import read_maps
from typica.mining.scoring import score
from typica.sources import Fault

from .mining_helpers import tiny_about, tiny_config, tiny_pipeline

SHAPES = ("disc", "square", "triangle")
READING = PictureOptions(label_separator="|", unlabelled=NO_SHAPE)


@pytest.mark.parametrize(
    ("value", "options", "labels"),
    [
        ("a", {}, ("a",)),
        ("a|b", {}, ("a|b",)),
        ("a|b", {"separator": "|"}, ("a", "b")),
        (" b | a |", {"separator": "|"}, ("b", "a")),
        ("a|a", {"separator": "|"}, ("a",)),
        (["a", "b|c"], {"several": True, "separator": "|"}, ("a", "b", "c")),
        (["a", 3.0], {"several": True}, ("a", "3")),
        ([], {"several": True}, ()),
        ("no finding", {"unlabelled": "No Finding"}, ()),
        ("No Finding|a", {"separator": "|", "unlabelled": "No Finding"}, ("a",)),
        ("", {"unlabelled": ""}, ()),
        (None, {"unlabelled": ""}, ()),
    ],
)
def test_labels_of_a_picture(value, options, labels):
    assert label_texts(value, **options) == labels


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (["a", "b"], {}, "--several"),
        ("", {"separator": "|"}, "empty label"),
        ("|", {"separator": "|"}, "empty label"),
        (None, {"several": True}, "no label"),
    ],
)
def test_what_is_no_label_is_told(value, options, message):
    with pytest.raises(Fault) as caught:
        label_texts(value, **options)
    assert message in f"{caught.value} {caught.value.__dict__} {caught.value.args}"


def _picture(number: int, *labels: str) -> Picture:
    text = ", ".join(labels)
    return Picture(f"{number}.png", Path(f"{number}.png"), text, "train", 8, 8, labels)


def test_a_picture_of_one_label_is_what_it_was():
    alone = Picture("1.png", Path("1.png"), "a", "train", 8, 9)
    assert (alone.labels, alone.told, alone.identity) == (("a",), "a", "a")
    # the digest that every run of before was begun with
    plain = hashlib.sha256(b"typica pictures 1\n")
    plain.update(json.dumps(["1.png", "a", "train", 8, 9]).encode() + b"\n")
    assert digest(PictureCollection(Path(), (alone,))) == plain.hexdigest()
    assert replace(alone, label="b").labels == ("b",)
    with pytest.raises(ValueError, match="not that of"):
        replace(_picture(0, "a", "b"), label="b")


def test_a_collection_counts_a_picture_under_each_of_its_labels():
    pictures = PictureCollection(
        Path(), (_picture(0, "b", "a"), _picture(1), _picture(2, "b"), _picture(3, "c, d"))
    )
    assert pictures.labels == ("a", "b", "c, d")
    assert pictures.counts() == {"a": 1, "b": 2, "c, d": 1}
    assert [one.told for one in pictures] == [("b", "a"), None, "b", "c, d"]
    two = replace(pictures, pictures=(_picture(3, "c", "d"),))
    one = replace(pictures, pictures=(_picture(3, "c, d"),))
    assert digest(one) != digest(two)  # alike in words, not the same


def _write(folder: Path, table: str, name: str = "metadata.csv", count: int = 4) -> Path:
    for number in range(count):
        pixels = np.full((20, 20, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / name).write_text(table)
    return folder


@pytest.mark.parametrize(
    ("name", "table", "options"),
    [
        (
            "metadata.csv",
            "file_name,label\n0.png,a|b\n1.png,No Finding\n2.png,b\n3.png,c|a\n",
            {"label_separator": "|"},
        ),
        (
            "metadata.csv",
            "file_name,label\n0.png,a\n0.png,b\n1.png,No Finding\n2.png,b\n3.png,c\n3.png,a\n"
            "2.png,b\n",
            {"several": True},
        ),
        (
            "metadata.jsonl",
            '{"file_name":"0.png","label":["a","b"]}\n{"file_name":"1.png","label":[]}\n'
            '{"file_name":"2.png","label":"b"}\n{"file_name":"3.png","label":["c","a"]}\n',
            {"several": True},
        ),
    ],
)
def test_tables_with_several_labels(tmp_path, name, table, options):
    _write(tmp_path, table, name)
    found = read_pictures(tmp_path, PictureOptions(**options, unlabelled="No Finding"))
    assert [one.labels for one in found] == [("a", "b"), (), ("b",), ("c", "a")]
    assert found.pictures[0].label == "a, b"
    report = check(tmp_path, PictureOptions(**options, unlabelled="No Finding"), size=16)
    assert report.as_dict()["pictures"] == 4
    assert (report.several, report.unlabelled) == (2, 1)
    assert sum(report.labels["a"].values()) == 2
    assert "2 with several labels, 1 with none" in "\n".join(report.lines())


def test_several_labels_are_not_taken_for_one_unasked(tmp_path):
    _write(tmp_path, "file_name,label\n0.png,a\n0.png,b\n1.png,c|d\n2.png,c|e\n")
    found = read_pictures(tmp_path)
    assert any("--several" in one.remedy for one in found.problems)
    assert any("--label-separator" in note for note in check(tmp_path, size=16).notes)
    with pytest.raises(ConfigError, match="label_separator"):
        PictureOptions(label_separator="")


@given(st.lists(st.sets(st.sampled_from("abc")), min_size=1, max_size=30), st.integers(0, 9))
def test_no_label_loses_its_last_training_picture(sets, seed):
    labels = [tuple(sorted(one)) for one in sets]
    ids = [str(number) for number in range(len(labels))]
    splits = split_pictures(ids, labels, [None] * len(ids), 0.9, seed)
    trained = {
        name for own, split in zip(labels, splits, strict=True) if split == "train" for name in own
    }
    assert trained == set().union(*sets)
    single = [one[0] if len(one) == 1 else one for one in labels]
    assert split_pictures(ids, single, [None] * len(ids), 0.9, seed) == splits


def test_a_prompt_joins_labels_as_published():
    prompt = PromptTemplate("Chest X-Ray with {label}.", "Chest X-Ray")
    assert prompt(("Mass", "Pleural_Thickening")) == "Chest X-Ray with Mass, Pleural Thickening."
    assert prompt(("Mass",)) == prompt("Mass") == "Chest X-Ray with Mass."
    assert prompt(()) == prompt(None) == "Chest X-Ray"


def test_the_table_adds_up_what_each_label_adds_to_none():
    table = LabelTable(("a", "b", "c"), 64)
    rows = table.table.weight
    hidden = table(["b", ("a", "c"), (), None, ("c",), ("a", "b", "c")])[:, 0]
    assert torch.equal(hidden[0], rows[1])
    assert torch.equal(hidden[2], rows[3])
    assert torch.equal(hidden[3], rows[3])
    assert torch.equal(hidden[4], rows[2])
    torch.testing.assert_close(hidden[1], rows[0] + rows[2] - rows[3])
    torch.testing.assert_close(hidden[5], rows[:3].sum(0) - 2 * rows[3])
    hidden[1].sum().backward()
    grads = table.table.weight.grad
    assert grads is not None
    assert grads[:, 0].tolist() == [1, 0, 1, -1]
    with pytest.raises(DataError, match="'d' is unknown"):
        table([("a", "d")])


def test_text_is_told_as_one_sentence(tmp_path):
    about = tiny_about(tiny_pipeline(tmp_path / "sd"), factor=4)
    denoiser = load_base(about.base, about)
    both, null = denoiser.condition([("a", "b"), ()])
    assert torch.equal(both, denoiser.conditioner._encode("An image of a, b.", both.device))
    assert torch.equal(null, denoiser.condition([None])[0])


@pytest.fixture(scope="module")
def shapes(tmp_path_factory) -> PictureCollection:
    folder = tmp_path_factory.mktemp("shapes")
    return read_pictures(write_shapes(folder, 16, 32, seed=3, kinds=SHAPES), READING)


def test_the_rendered_boxes_are_exact():
    found = 0
    for index in range(8):
        scene, again = (render_scene(48, 5, index) for _ in range(2))
        assert (scene.pixels == again.pixels).all()
        colour = scene.pixels.astype(float) - scene.pixels.mean(2, keepdims=True)
        strong = np.abs(colour).max(2) > 30  # the ground is nearly grey
        inside = np.zeros_like(strong)
        for box in scene.boxes.values():
            inside[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
            part = strong[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
            for edge in (part[:, :2], part[:, -2:], part[:2], part[-2:]):
                assert edge.any()  # it reaches all its edges
        found += int((strong & inside).sum())
        assert (strong & ~inside).sum() <= 3
    assert found > 300


def _about(shapes, base="small", labels="own"):
    config = replace(
        tiny_config(32), typicality=TypicalityConfig(draws=2, groups=2, batch_size=7, labels=labels)
    )
    factor = 2 if base == "small" else 4
    return tiny_about(base, config, shapes.labels, factor)


@pytest.mark.parametrize("base", ["small", "pipeline"])
def test_each_label_is_scored_alone(shapes, tmp_path, base):
    base = tiny_pipeline(tmp_path / "sd") if base == "pipeline" else base
    about = _about(shapes, base)
    denoiser = load_base(about.base, about)
    torch.manual_seed(0)
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)
    score(denoiser, shapes, about, tmp_path / "own", show_progress=False)
    maps = {one.id: one for one in read_maps(tmp_path / "own")}
    assert {name: one.labels for name, one in maps.items()} == {
        p.id: p.labels for p in shapes if p.labels
    }
    assert max(len(one.labels) for one in maps.values()) > 1
    for label in shapes.labels:  # the same pictures as if they had this label only
        alone = PictureCollection(
            shapes.root,
            tuple(replace(p, label=label, labels=(label,)) for p in shapes if label in p.labels),
        )
        score(denoiser, alone, about, tmp_path / label, show_progress=False)
        for one in read_maps(tmp_path / label):
            wanted = maps[one.id].of(label)
            np.testing.assert_allclose(one.typicality, wanted.typicality, atol=1e-4)
            np.testing.assert_allclose(one.null, wanted.null, rtol=1e-4)
    every = _about(shapes, base, "all")
    if about.base == "small":
        score(denoiser, shapes, every, tmp_path / "all", show_progress=False)
        found = list(read_maps(tmp_path / "all"))
        assert len(found) == len(shapes)  # those without a label too
        assert all(one.labels == shapes.labels for one in found)
        for one in found:
            for label in shapes.pictures[one.index].labels:
                np.testing.assert_allclose(
                    one.of(label).typicality, maps[one.id].of(label).typicality, atol=1e-4
                )


def test_elements_are_taken_of_every_label(shapes, tmp_path):
    about = _about(shapes)
    denoiser = load_base("small", about)
    score(denoiser, shapes, about, tmp_path, show_progress=False)
    table = mine_elements(read_maps(tmp_path), shapes, about, False)
    pairs = {(p.id, label) for p in shapes for label in p.labels}
    assert set(zip(table.picture.tolist(), table.label.tolist(), strict=True)) == pairs
    two = next(p for p in shapes if len(p.labels) > 1)
    random = [
        [
            (int(table.work_x[row]), int(table.work_y[row]))
            for row in table.rows(label, "random")
            if table.picture[row] == two.id
        ]
        for label in two.labels
    ]
    assert all(random)
    assert random[0] != random[1]  # drawn for each label


def test_training_is_told_all_labels_together(shapes, tmp_path):
    about = _about(shapes)
    config = replace(about.config.finetune, batch_size=16, null_share=0.0)
    denoiser = load_base("small", about)
    cache = LatentCache(tmp_path, shapes.pictures, denoiser.codec, 32, False, {})
    assert cache.fill(torch.device("cpu"), [], False)
    maker = BatchMaker(cache, range(len(shapes)), config)
    batch = maker.training(0)
    told = [shapes.pictures[i].told for i in maker.chosen(0)]
    assert batch.labels == told
    assert {type(one) for one in told} == {str, tuple, type(None)}
    times = batch.times(denoiser.schedule)
    loss = denoiser.loss(batch.latents, batch.noise, times, denoiser.condition(batch.labels))
    assert loss.shape == (16,)
    assert torch.isfinite(loss).all()
