"""Hugging Face data sets, made here and read back."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from typica.errors import DataError
from typica.images.collection import read_pictures
from typica.images.decoding import decode
from typica.images.options import PictureOptions

from .images_helpers import noise, put

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")


def _made(seeds, labels):
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    from PIL import Image

    pictures = [Image.fromarray(noise(seed=seed)) for seed in seeds]
    return datasets.Dataset.from_dict({"image": pictures, "label": labels}, features=features)


def test_saved_data_set(tmp_path):
    _made([1, 2, 1], [0, 1, 1]).save_to_disk(tmp_path / "saved")
    options = PictureOptions(cache=tmp_path / "cache", val=0)
    found = read_pictures(tmp_path / "saved", options)
    assert {one.id: one.label for one in found} == {
        "train/000000": "cat",
        "train/000001": "dog",
        "train/000002": "dog",
    }
    assert np.array_equal(decode(found.pictures[1].path), noise(seed=2))
    files = sorted((tmp_path / "cache").rglob("*.png"))
    assert len(files) == 2  # equal pictures are one file
    before = [file.stat().st_mtime_ns for file in files]
    assert read_pictures(tmp_path / "saved", options) == found
    assert [file.stat().st_mtime_ns for file in files] == before  # not written again
    files[0].write_bytes(b"half")
    assert read_pictures(tmp_path / "saved", options) == found


def test_splits_of_a_data_set(tmp_path):
    whole = datasets.DatasetDict({"train": _made([1, 2], [0, 1]), "validation": _made([3], [0])})
    whole.save_to_disk(tmp_path / "saved")
    options = PictureOptions(cache=tmp_path / "cache")
    found = read_pictures(tmp_path / "saved", options)
    assert [one.split for one in found] == ["train", "train", "val"]
    assert found.pictures[2].id == "validation/000000"


def test_files_outside_of_the_data_set_are_not_read(tmp_path):
    outside = put(tmp_path / "outside.png")
    text = tmp_path / "secret.txt"
    text.write_text("secret")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    rows = {
        "image": [{"path": str(outside), "bytes": None}, {"path": str(text), "bytes": None}],
        "label": ["a", "a"],
    }
    made = datasets.Dataset.from_dict(rows, features=features)
    # Saving embeds the bytes of files; a data set of somebody else need not.
    made = made.cast_column(
        "image",
        datasets.Features({"path": datasets.Value("string")}) | {"bytes": datasets.Value("binary")},
    )
    made.save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="outside of the data set"):
        read_pictures(tmp_path / "saved", PictureOptions(cache=tmp_path / "cache"))


def test_data_sets_that_cannot_be_loaded(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be loaded"):
        read_pictures(tmp_path / "empty", PictureOptions(format="datasets"))
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(DataError, match="cannot be loaded"):
        read_pictures(tmp_path)
    _made([1], [0]).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="no column 'colour'"):
        read_pictures(tmp_path / "saved", PictureOptions(label_column="colour"))


def test_only_plain_kinds_of_files_are_opened(tmp_path):
    import tarfile

    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.cls").write_text("0")
    with tarfile.open(tmp_path / "in" / "part.tar", "w") as archive:
        for name in ("a.png", "a.cls"):
            archive.add(tmp_path / "in" / name, name)
            (tmp_path / "in" / name).unlink()
    with pytest.raises(DataError, match="kind webdataset"):
        read_pictures(tmp_path / "in", PictureOptions(format="datasets"))


def test_parquet_files_of_a_data_set(tmp_path):
    (tmp_path / "data").mkdir()
    _made([1, 2], [0, 1]).to_parquet(str(tmp_path / "data" / "train.parquet"))
    options = PictureOptions(format="datasets", cache=tmp_path / "cache", val=0)
    found = read_pictures(tmp_path / "data", options)
    assert [one.label for one in found] == ["cat", "dog"]


@pytest.mark.parametrize("name", ["../outside/data-00000-of-00001.arrow", "/data.arrow"])
def test_a_saved_data_set_names_files_in_its_folder_only(tmp_path, name):
    _made([1], [0]).save_to_disk(tmp_path / "saved")
    shutil.copytree(tmp_path / "saved", tmp_path / "outside")
    state = tmp_path / "saved" / "state.json"
    values = json.loads(state.read_text())
    values["_data_files"] = [{"filename": name}]
    state.write_text(json.dumps(values))
    with pytest.raises(DataError, match="outside of its folder"):
        read_pictures(tmp_path / "saved", PictureOptions(cache=tmp_path / "cache"))


def test_a_saved_data_set_names_its_splits_in_its_folder_only(tmp_path):
    whole = datasets.DatasetDict({"train": _made([1], [0])})
    whole.save_to_disk(tmp_path / "saved")
    shutil.copytree(tmp_path / "saved" / "train", tmp_path / "outside")
    (tmp_path / "saved" / "dataset_dict.json").write_text(json.dumps({"splits": ["../outside"]}))
    with pytest.raises(DataError, match="outside of its folder"):
        read_pictures(tmp_path / "saved", PictureOptions(cache=tmp_path / "cache"))
