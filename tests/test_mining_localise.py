"""`typica mine localise`: boxes of several labels, its figures, and the command on tiny models."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from typica.cli import main
from typica.demo.shapes import write_shapes
from typica.errors import ConfigError, DataError, RunError
from typica.images.picture import Picture, PictureCollection
from typica.mining.bases import load_base
from typica.mining.boxes import BoxRow, fit_boxes, read_box_rows
from typica.mining.config import TypicalityConfig
from typica.mining.localisation import average_precision, localise, pixel_map, reading_map
from typica.mining.localisation_options import LocalisationOptions
from typica.mining.localisation_page import chosen_examples
from typica.mining.localisation_run import chosen_pictures, scoring_options
from typica.mining.localisation_values import change
from typica.mining.maps import PictureMaps, read_maps
from typica.mining.opening import open_run
from typica.mining.scoring import score
from typica.mining.voc import read_any_boxes
from typica.values import Box

from .mining_helpers import tiny_pipeline


def _picture(name: str, *labels: str, split: str = "train") -> Picture:
    return Picture(name, Path(name), ", ".join(labels), split, 40, 30, labels)


def _collection(*pictures: Picture) -> PictureCollection:
    return PictureCollection(Path(), tuple(sorted(pictures, key=lambda one: one.id)))


PAIR = _collection(_picture("d/1.png", "a", "b"), _picture("d/2.png", "b"), _picture("d/3.png"))


def _row(file: str, label: str, *edges: float) -> BoxRow:
    return BoxRow(file, label, Box(*edges), f"boxes.csv, line {len(file)}")


def test_boxes_are_fitted_to_pictures_and_their_labels():
    rows = [
        _row("1.png", "a", 0, 0, 10, 10),
        _row("1.png", "a", 30, 20, 50, 35),  # over two edges
        _row("1.png", "b", 5, 5, 6, 6),
        _row("2", "b", 1, 1, 3, 3),  # without its ending
        _row("2.png", "a", 1, 1, 2, 2),  # a label that it has not
        _row("9.png", "a", 1, 1, 2, 2),
        _row("9.png", "b", 1, 1, 2, 2),
    ]
    found = fit_boxes(rows, PAIR)
    assert found.boxes == {
        ("d/1.png", "a"): (Box(0, 0, 10, 10), Box(30, 20, 40, 30)),
        ("d/1.png", "b"): (Box(5, 5, 6, 6),),
        ("d/2.png", "b"): (Box(1, 1, 3, 3),),
    }
    assert (found.count, found.clipped, found.unknown_rows) == (4, 1, 2)
    assert found.unknown == ("9.png",)
    assert found.other == (("d/2.png", "a"),)
    assert len(found.notes()) == 3
    assert "2 boxes of 1 files" in found.notes()[0]


def test_a_box_outside_is_refused_with_its_row():
    rows = [_row("2.png", "b", 1, 1, 2, 2), _row("1.png", "b", 40, 0, 44, 9)]
    with pytest.raises(DataError, match=r"boxes.csv, line 5: lies outside of d/1.png.*40 x 30"):
        fit_boxes(rows, PAIR)
    with pytest.raises(DataError, match="none belongs to a picture"):
        fit_boxes([_row("9.png", "a", 1, 1, 2, 2)], PAIR)


@pytest.mark.parametrize(
    "head",
    [
        "file,label,x,y,w,h",
        "picture,label,x,y,width,height",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,",  # that of ChestX-ray8
    ],
)
def test_columns_are_known_by_their_usual_names(tmp_path, head):
    (tmp_path / "boxes.csv").write_text(f"{head}\n1.png,a,1,2,3,4,,,\n")
    (row,) = read_any_boxes(tmp_path)
    assert (row.file, row.label, row.box) == ("1.png", "a", Box(1, 2, 4, 6))
    assert row.where.endswith("line 2")


def test_voc_files_are_read(tmp_path):
    text = (
        "<annotation><filename>1.png</filename>"
        "<object><name>a</name><bndbox><xmin>1</xmin><ymin>3</ymin><xmax>4</xmax><ymax>6</ymax>"
        "</bndbox></object></annotation>"
    )
    (tmp_path / "1.xml").write_text(text)
    (row,) = read_any_boxes(tmp_path)
    assert row.box == Box(0, 2, 4, 6)  # pixels 1 to 4, counted from 1, are 0 to below 4
    (tmp_path / "2.xml").write_text(text.replace("<ymax>6", "<ymax>x"))
    with pytest.raises(DataError, match=r"2\.xml: not a VOC annotation"):
        read_any_boxes(tmp_path)
    (tmp_path / "2.xml").write_text("<annotation>")
    with pytest.raises(DataError, match=r"2\.xml: not a VOC annotation"):
        read_any_boxes(tmp_path)
    hostile = '<!DOCTYPE annotation [<!ENTITY n SYSTEM "file:///etc/hostname">]>'
    (tmp_path / "2.xml").write_text(hostile + text.replace("1.png", "&n;"))
    with pytest.raises(DataError, match=r"2\.xml: .*document type or an entity"):
        read_any_boxes(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_any_boxes(tmp_path / "none")


def _maps(collection: PictureCollection, labels: tuple[str, ...]) -> list[PictureMaps]:
    made = []
    for index, picture in enumerate(collection):
        rng = np.random.default_rng(index)
        values = rng.normal(size=(len(labels), 3, 4)).astype(np.float32)
        groups = np.zeros((len(labels), 2, 3, 4), np.float32)
        made.append(PictureMaps(index, picture.id, labels, values, groups, values[0] ** 2, 3))
    return made


def test_each_label_of_a_picture_is_compared_with_its_own_boxes():
    boxes = {
        ("d/1.png", "a"): (Box(0, 0, 20, 10), Box(10, 5, 30, 20)),
        ("d/1.png", "b"): (Box(0, 20, 40, 30),),
        ("d/2.png", "b"): (Box(5, 5, 15, 15),),
    }
    maps = _maps(PAIR, ("a", "b", "c", "d"))
    found = localise(maps, PAIR, boxes)
    assert [(one.id, one.label) for one in found.pictures] == list(boxes)
    assert found.overall.pictures == 2
    for one in found.pictures:  # the plain way
        truth = np.zeros((30, 40), bool)
        for box in boxes[one.id, one.label]:
            truth[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
        mine = next(m for m in maps if m.id == one.id)
        row = mine.labels.index(one.label)
        scores = pixel_map(mine.typicality[row], 40, 30)
        assert one.precision == pytest.approx(average_precision(scores, truth))
        assert one.chance == truth.mean()
    # T less its mean under the labels that the picture has not
    two = reading_map(maps[0], PAIR.pictures[0], "a", "others")
    plain = maps[0].typicality[0] - (maps[0].typicality[2] + maps[0].typicality[3]) / 2
    np.testing.assert_allclose(two, pixel_map(plain, 40, 30), atol=1e-5)
    (only,) = _maps(_collection(PAIR.pictures[0]), ("a", "b"))
    every = reading_map(only, PAIR.pictures[0], "a", "others")  # it has all: its other one
    np.testing.assert_allclose(
        every, pixel_map(only.typicality[0] - only.typicality[1], 40, 30), atol=1e-5
    )
    with pytest.raises(DataError, match="no maps of other labels"):
        reading_map(only.of("a"), PAIR.pictures[0], "a", "others")


def test_information_is_read_of_its_own_label_and_missed_where_there_is_none():
    (maps,) = _maps(_collection(PAIR.pictures[0]), ("a", "b"))
    with pytest.raises(RunError, match=r"d/1.png.*former version"):
        reading_map(maps, PAIR.pictures[0], "b", "information")
    change = np.random.default_rng(0).random((2, 3, 4), np.float32)
    told = replace(maps, information=change)
    found = reading_map(told, PAIR.pictures[0], "b", "information")
    np.testing.assert_allclose(found, pixel_map(change[1], 40, 30))


def test_a_change_is_counted_picture_by_picture():
    boxes = {(p.id, label): (Box(0, 0, 20, 10),) for p in PAIR for label in p.labels}
    one = localise(_maps(PAIR, ("a", "b")), PAIR, boxes)
    shifted = tuple(replace(p, precision=p.precision + 0.25) for p in one.pictures)
    found = change(one, replace(one, pictures=shifted[1:]))
    assert set(found["labels"]) == {"b"}
    for row in (found["labels"]["b"], found["mean"]):
        assert row["average_precision"] == pytest.approx(0.25, abs=1e-5)
        assert row["average_precision_interval"] == pytest.approx([0.25, 0.25], abs=1e-5)
    examples = chosen_examples(one.pictures)
    assert [place for place, _ in examples["a"]] == ["best"]
    assert {place for place, _ in examples["b"]} == {"best", "median"}
    best = dict(examples["b"])["best"].precision
    assert best == max(p.precision for p in one.pictures if p.label == "b")


def test_what_is_scored_follows_from_the_options():
    given = TypicalityConfig(draws=20, groups=10)
    found = scoring_options(given, LocalisationOptions())
    assert (found.t_min, found.t_max, found.draws, found.groups) == (0, 1, 20, 10)
    assert scoring_options(given, LocalisationOptions(draws=12)).groups == 6
    prime = scoring_options(given, LocalisationOptions(draws=13, all_labels=True))
    assert (prime.draws, prime.groups, prime.labels) == (13, 13, "all")
    pictures = _collection(
        *(_picture(f"{i}.png", "a", split="test" if i % 2 else "train") for i in range(9)),
        _picture("x.png", "a", "b"),
    )
    boxes = {(p.id, label): (Box(0, 0, 9, 9),) for p in pictures for label in p.labels}
    some = chosen_pictures(pictures, boxes, LocalisationOptions(pictures=2))
    assert [p.id for p in some] == ["0.png", "x.png"]  # the first and the last; x for b too
    test = chosen_pictures(pictures, boxes, LocalisationOptions(split="test"))
    assert len(test) == 4
    with pytest.raises(RunError, match="split val"):
        chosen_pictures(pictures, boxes, LocalisationOptions(split="val"))
    with pytest.raises(ConfigError, match="--run-maps"):
        LocalisationOptions(run_maps=True, draws=5)


TINY = [
    "size=32",
    "small.channels=[32,32]",
    "small.label_features=64",
    "finetune.steps=3",
    "finetune.batch_size=4",
    "finetune.samples=0",
    "finetune.evaluations=1",
    "typicality.draws=4",
    "typicality.groups=2",
]
READING = ["--label-separator", "|", "--unlabelled", "No Finding"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shapes"
    return write_shapes(folder, 10, 32, seed=3, kinds=("disc", "square", "triangle"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("small") / "run"
    start = ["mine", "finetune", str(data), "--out", str(out), "--set", *TINY, *READING]
    assert main(start) == 0
    return out


def _localise(run: Path, data: Path, *more: str) -> int:
    return main(["mine", "localise", str(run), "--boxes", str(data / "boxes.csv"), *more])


def test_one_command_compares_both_models(run, data, tmp_path, capsys):
    opened = open_run(run)
    # before training the answer does not depend on the label, as the note says
    base = load_base("small", opened.about)
    some = opened.collection.where(lambda p: bool(p.labels))
    score(base, some, opened.about, tmp_path / "base", show_progress=False)
    assert all((one.typicality == 0).all() for one in read_maps(tmp_path / "base"))
    capsys.readouterr()
    assert _localise(run, data, "--model", "both", "--all-labels", "--json") == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)  # one object, nothing else
    assert "exactly 0" in printed.err
    labels = opened.collection.labels
    assert tuple(found["labels"]) == labels
    for row in (*found["labels"].values(), found["mean"]):
        low, high = row["average_precision_interval"]
        assert 0 <= low <= row["average_precision"] <= high <= 1
        assert 0 <= row["auc_pr"] <= 1
        assert 0 < row["chance"] < 0.3
        assert row["pictures"] >= 1
    means = [row["average_precision"] for row in found["labels"].values()]
    assert found["mean"]["average_precision"] == pytest.approx(np.mean(means), abs=1e-4)
    readings = found["models"]["finetuned"]["readings"]
    everything = {"typicality", "others", "influence", "information", "null", "centre"}
    assert set(readings) == everything
    untrained = found["models"]["base"]["readings"]["typicality"]
    for row in untrained["labels"].values():  # a map without differences is at chance
        assert row["average_precision"] == pytest.approx(row["chance"], abs=1e-4)
        assert row["auc_pr"] == 0
    moved = found["change"]["mean"]["average_precision"]
    before = untrained["mean"]["average_precision"]
    assert moved == pytest.approx(found["mean"]["average_precision"] - before, abs=1e-4)
    maps = found["models"]["finetuned"]["maps"]
    assert (maps["t_min"], maps["t_max"], maps["labels"]) == (0, 1, "all")
    assert found["boxes"]["unknown_boxes"] == 0
    out = run / "localisation"
    assert json.loads((out / "localisation.json").read_text())["labels"] == found["labels"]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert all(label in page for label in labels)
    assert "data:image/webp" in page
    assert len(list((out / "overlays").glob("*.png"))) >= len(labels)
    rows = (out / "pictures.csv").read_text().splitlines()
    pairs = {(p.id, label) for p in opened.collection for label in p.labels}
    assert len(rows) == 1 + 7 * len(pairs)  # six readings of one model, one of the other


def test_what_was_scored_is_not_scored_again(run, data, tmp_path, monkeypatch, capsys):
    assert _localise(run, data, "--out", str(tmp_path / "one"), "--pictures", "1", "--json") == 0
    pieces = sorted((run / "localisation" / "maps").glob("*/*"))
    times = [piece.stat().st_mtime_ns for piece in pieces]
    first = json.loads(capsys.readouterr().out)
    assert _localise(run, data, "--out", str(tmp_path / "two"), "--pictures", "1", "--json") == 0
    assert [piece.stat().st_mtime_ns for piece in pieces] == times
    second = json.loads(capsys.readouterr().out)
    assert first.pop("files") != second.pop("files")
    assert first == second
    # the maps of the mining are made and used as they are
    assert main(["mine", "score", str(run)]) == 0
    kept = {path: path.read_bytes() for path in (run / "maps").glob("*/*")}
    assert (
        _localise(run, data, "--run-maps", "--pictures", "1", "--out", str(tmp_path / "own")) == 0
    )
    assert "precision" in capsys.readouterr().out
    own = json.loads((tmp_path / "own" / "localisation.json").read_text())
    assert own["models"]["finetuned"]["maps"]["t_max"] == 0.7
    assert kept == {path: path.read_bytes() for path in (run / "maps").glob("*/*")}


def test_an_earlier_checkpoint_is_compared_with(run, data, tmp_path, capsys):
    early = tmp_path / "early"
    early.mkdir()
    for name in ("config.json", "checkpoint.safetensors"):
        shutil.copy(run / name, early / name)
    out = tmp_path / "out"
    assert _localise(run, data, "--before", str(early), "--out", str(out), "--pictures", "1") == 0
    found = json.loads((out / "localisation.json").read_text())
    assert found["change"]["from"] == "before"
    # the checkpoint is that of the end: the same model, the same maps
    assert found["change"]["mean"]["average_precision"] == 0
    assert "typica mine localise" in (out / "index.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert _localise(run, data, "--before", str(early), "--model", "both") == 2
    assert "leave out --model" in capsys.readouterr().err


def test_bad_boxes_are_told(run, data, tmp_path, capsys):
    rows = (data / "boxes.csv").read_text().splitlines()
    (tmp_path / "boxes.csv").write_text("\n".join([*rows, "gone.png,disc,1,1,2,2"]))
    fitted = fit_boxes(read_box_rows(tmp_path / "boxes.csv"), open_run(run).collection)
    assert fitted.unknown == ("gone.png",)
    file, label, *_ = rows[1].split(",")
    (tmp_path / "boxes.csv").write_text("\n".join([*rows, f"{file},{label},99,1,2,2"]))
    assert _localise(run, tmp_path) == 2
    assert f"line {len(rows) + 1}" in capsys.readouterr().err


def test_stable_diffusion_goes_the_same_way(data, tmp_path, capsys):
    pipeline, out = tiny_pipeline(tmp_path / "sd"), tmp_path / "run"
    start = ["mine", "finetune", str(data), "--out", str(out), "--base", str(pipeline)]
    assert main([*start, "--set", *TINY, *READING]) == 0
    capsys.readouterr()
    assert _localise(out, data, "--model", "both", "--pictures", "1", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["models"]) == {"finetuned", "base"}
    assert "null" in found["models"]["base"]["readings"]  # asked, not taken for zero
    assert torch.isfinite(torch.tensor(found["mean"]["average_precision"]))
    assert not found["notes"]
