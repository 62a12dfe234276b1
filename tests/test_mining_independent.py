"""The check by independent descriptors: descriptors against scikit-image, and planted styles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from typica.errors import ConfigError, DataError, RunError
from typica.images.picture import Picture, PictureCollection
from typica.mining.appearance import SIDE, crop, gradients, lab, thumbnails
from typica.mining.independent import (
    AgreementOptions,
    descriptors,
    label_agreement,
    neighbour_shares,
)
from typica.mining.table import COLUMNS, ElementsTable


def test_gradients_are_those_of_scikit_image() -> None:
    feature = pytest.importorskip("skimage.feature")
    grey = np.random.default_rng(0).random((5, SIDE, SIDE)).astype(np.float32)
    grey[1] = np.linspace(0, 1, SIDE)[:, None]
    grey[2] = 0.5
    wanted = [
        feature.hog(one, 9, (8, 8), (2, 2), block_norm="L2-Hys", feature_vector=True)
        for one in grey
    ]
    np.testing.assert_allclose(gradients(grey), wanted, atol=2e-3)


def test_colours_are_those_of_scikit_image() -> None:
    color = pytest.importorskip("skimage.color")
    rng = np.random.default_rng(1)
    colours = np.concatenate([rng.random((50, 3)), np.eye(3), np.zeros((1, 3)), np.ones((1, 3))])
    np.testing.assert_allclose(lab(colours), color.rgb2lab(colours), atol=0.02)
    patch = np.full((1, SIDE, SIDE, 3), 255, dtype=np.uint8)
    patch[:, :, : SIDE // 2] = (255, 0, 0)
    small = thumbnails(patch).reshape(8, 8, 3)
    np.testing.assert_allclose(small[0, 0], color.rgb2lab([[[1.0, 0, 0]]])[0, 0], atol=0.02)
    np.testing.assert_allclose(small[7, 7], [100, 0, 0], atol=0.02)


def test_a_crop_is_the_square_that_was_named() -> None:
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[10:20, 30:40] = 200
    assert (crop(pixels, 30, 10, 10) == 200).all()
    assert crop(pixels, 29, 10, 10).mean() < 200
    assert (crop(pixels, 40, 10, 10) == 0).all()


def test_both_parts_of_a_descriptor_count_the_same() -> None:
    rng = np.random.default_rng(2)
    pool = rng.integers(0, 256, (700, SIDE, SIDE, 3), dtype=np.uint8)
    ours, theirs = descriptors(pool[:3], pool)
    assert ours.shape == (3, 516)
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs[:3])
    for part in (slice(0, 324), slice(324, 516)):
        assert theirs[:, part].var(0).sum() == pytest.approx(1, rel=1e-3)
    flat = np.zeros((4, SIDE, SIDE, 3), dtype=np.uint8)
    assert np.isfinite(descriptors(flat, flat)[0]).all()


def test_shares_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(3)
    features, pool = (rng.normal(size=(n, 6)).astype(np.float32) for n in (40, 90))
    picture, label = rng.integers(0, 12, 40), rng.integers(0, 3, 40)
    pool_picture, pool_label = rng.integers(0, 12, 90), rng.integers(0, 3, 90)
    given = (features, picture, label, pool, pool_picture, pool_label)
    shares, chances = neighbour_shares(*given, neighbours=7)
    for i in range(40):
        other = [j for j in range(90) if pool_picture[j] != picture[i]]
        near = sorted(other, key=lambda j: float(((features[i] - pool[j]) ** 2).sum()))[:7]
        assert shares[i] == pytest.approx(np.mean([pool_label[j] == label[i] for j in near]))
        assert chances[i] == pytest.approx(np.mean([pool_label[j] == label[i] for j in other]))
    everything, chance = neighbour_shares(*given, neighbours=10**6)
    np.testing.assert_allclose(everything, chance)
    alone = neighbour_shares(
        features, np.zeros(40, int), label, pool, np.zeros(90, int), pool_label, 5
    )
    assert np.isnan(alone).all()


@pytest.fixture
def planted(tmp_path: Path) -> tuple[PictureCollection, ElementsTable]:
    """Noise everywhere, but in the upper left the stripes of the label; 10 pictures a label."""
    rows: dict[str, list[object]] = {name: [] for name in COLUMNS}
    pictures = []
    for index in range(30):
        label = "abc"[index % 3]
        rng = np.random.default_rng(index)
        pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        wave = np.arange(32) // 4 % 2 * 255
        stripe = {"a": wave[:, None], "b": wave[None], "c": np.full((1, 1), 255)}[label]
        pixels[:32, :32] = np.broadcast_to(stripe, (32, 32))[..., None]
        name = f"{label}/{index:02d}.png"
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
        pictures.append(Picture(name, tmp_path / name, label, "train", 64, 64))
        for kind, x in (("typical", 0), ("random", 32), ("least", 32)):
            values = dict.fromkeys(COLUMNS, 0) | {
                "picture": name,
                "label": label,
                "kind": kind,
                "rank": index // 3,
                "work_x": x,
                "work_y": x,
                "side": 32,
            }
            for column, value in values.items():
                rows[column].append(value)
    order = sorted(range(90), key=lambda i: (rows["label"][i], rows["kind"][i], rows["rank"][i]))
    table = ElementsTable.from_columns({k: [v[i] for i in order] for k, v in rows.items()})
    pictures.sort(key=lambda picture: picture.id)
    return PictureCollection(tmp_path, tuple(pictures)), table


OPTIONS = AgreementOptions(neighbours=6, pool=80)


def test_planted_styles_are_recognised_and_noise_is_not(
    planted: tuple[PictureCollection, ElementsTable],
) -> None:
    collection, table = planted
    found = label_agreement(table, collection, 64, 8, OPTIONS, progress=False)
    assert found.pool == 240
    assert found.skipped == ()
    assert len(found.labels) == 9
    typical, random, least = found.overall
    assert (typical.kind, random.kind, least.kind) == ("typical", "random", "least")
    assert typical.share.low > 0.6 > random.share.high
    assert random.share.low < 1 / 3 + 0.1
    assert random.share == least.share  # the same squares
    assert typical.chance == pytest.approx(1 / 3, abs=0.03)
    assert typical.elements == 30
    again = label_agreement(table, collection, 64, 8, OPTIONS, progress=False)
    assert again == found
    assert found.as_dict()["overall"][0]["share"]["mean"] > 0.6


def test_only_the_first_ranks_are_asked(planted: tuple[PictureCollection, ElementsTable]) -> None:
    collection, table = planted
    few = AgreementOptions(neighbours=6, pool=80, elements=4)
    found = label_agreement(table, collection, 64, 8, few, progress=False)
    assert [one.elements for one in found.labels] == [4] * 9


def test_empty_patches_do_not_favour_a_label(tmp_path: Path) -> None:
    """Equal distances everywhere: every label must come out near chance."""
    rows: dict[str, list[object]] = {name: [] for name in COLUMNS}
    pictures = []
    for index in range(40):
        label, path = "ab"[index // 20], tmp_path / f"{index:02d}.png"
        Image.new("RGB", (64, 64), "white").save(path)
        pictures.append(Picture(path.name, path, label, "train", 64, 64))
        values = dict.fromkeys(COLUMNS, 0)
        values |= {"picture": path.name, "label": label, "kind": "typical", "side": 32}
        for column, value in values.items():
            rows[column].append(value)
    collection = PictureCollection(tmp_path, tuple(pictures))
    table = ElementsTable.from_columns(rows)
    found = label_agreement(
        table, collection, 64, 8, AgreementOptions(neighbours=60, pool=100), progress=False
    )
    for one in found.labels:
        assert 0.3 < one.share.mean < 0.7


def test_broken_pictures_are_left_out_and_named(
    planted: tuple[PictureCollection, ElementsTable],
) -> None:
    collection, table = planted
    collection.pictures[0].path.write_bytes(b"broken")
    found = label_agreement(table, collection, 64, 8, OPTIONS, progress=False)
    assert len(found.skipped) == 1
    assert collection.pictures[0].path.name in found.skipped[0]
    assert found.overall[0].elements == 29
    for picture in collection:
        picture.path.write_bytes(b"broken")
    with pytest.raises(DataError, match="no picture could be decoded"):
        label_agreement(table, collection, 64, 8, OPTIONS, progress=False)


def test_other_data_are_refused(planted: tuple[PictureCollection, ElementsTable]) -> None:
    collection, table = planted
    with pytest.raises(RunError, match="not in the collection"):
        label_agreement(
            table, collection.where(lambda p: p.label != "a"), 64, 8, OPTIONS, progress=False
        )
    with pytest.raises(ConfigError, match="neighbours"):
        AgreementOptions(neighbours=0)
