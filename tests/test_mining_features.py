"""DIFT features: the early exit, pooling, batches, resuming; small and Stable Diffusion alike."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.mining_helpers import tiny_about, tiny_config, tiny_pipeline, tiny_small
from typica.errors import ConfigError, RunError
from typica.images.loading import load_pixels
from typica.images.picture import Picture, PictureCollection
from typica.images.sizes import Scaling
from typica.mining import feature_job as module
from typica.mining.bases import load_base
from typica.mining.config import FeatureConfig
from typica.mining.feature_job import element_features, write_features
from typica.mining.feature_store import load_features, save_features
from typica.mining.features import (
    block_output,
    cells,
    choose_block,
    member_noise,
)
from typica.mining.pixels import to_tensor
from typica.mining.table import COLUMNS, ElementsTable

SIZES = [(16, 16), (16, 24), (32, 32), (16, 24), (16, 16)]


@pytest.fixture(scope="module")
def about():
    config = replace(tiny_config(16), features=FeatureConfig(ensemble=3))
    return tiny_about(config=config)


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    pictures = []
    for index, (width, height) in enumerate(SIZES):
        name = f"{index}.png"
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
        pictures.append(Picture(name, folder / name, "ab"[index % 2], "train", width, height))
    return PictureCollection(folder, tuple(pictures))


@pytest.fixture(scope="module")
def table():
    """Two or three elements of every picture, not in the order of the pictures."""
    rows = [(index, n) for n in range(3) for index in range(len(SIZES)) if (index + n) % 4]
    columns = {name: [0] * len(rows) for name in COLUMNS}
    columns["picture"] = [f"{index}.png" for index, _ in rows]
    columns["label"] = ["ab"[index % 2] for index, _ in rows]
    columns["kind"] = ["typical"] * len(rows)
    columns["work_x"] = [(3 * n + index) % 11 for index, n in rows]
    columns["work_y"] = [(5 * n + 2 * index) % 11 for index, n in rows]
    columns["side"] = [3 + n for _, n in rows]
    return ElementsTable.from_columns(columns)


def _plain(denoiser, table, collection, about, block):
    """Every element by itself, one noise at a time, the whole UNet run to its end."""
    config, found = about.config.features, []
    caught = []
    handle = denoiser.unet.up_blocks[block].register_forward_hook(
        lambda module, given, output: caught.append(output)
    )
    for row in range(len(table)):
        picture = collection.pictures[int(table.picture[row][0])]
        width, height = Scaling.of(picture, 16, about.factor).working
        pixels = to_tensor([load_pixels(picture, 16, about.factor)])
        with torch.no_grad():
            latents = denoiser.codec.encode(pixels)
            times = torch.tensor([config.timestep])
            maps = []
            for member in range(config.ensemble):
                noise = member_noise(config.seed, member, tuple(latents.shape[1:]))[None]
                noisy = denoiser.schedule.add_noise(latents, noise, times)
                denoiser.output(noisy, times, denoiser.condition([picture.label]))
                maps.append(caught.pop()[0])
        mean = torch.stack(maps).mean(0)
        h, w = mean.shape[1:]
        x, y, side = (int(getattr(table, n)[row]) for n in ("work_x", "work_y", "side"))
        rows = [i for i in range(h) if y * h // height <= i < (y + side) * h // height]
        columns = [j for j in range(w) if x * w // width <= j < (x + side) * w // width]
        rows = rows or [min(y * h // height, h - 1)]
        columns = columns or [min(x * w // width, w - 1)]
        inside = torch.stack([mean[:, i, j] for i in rows for j in columns])
        found.append(inside.mean(0) / inside.mean(0).norm())
    handle.remove()
    return torch.stack(found)


def test_features_are_those_of_every_element_by_itself(collection, table, about):
    denoiser = tiny_small()
    assert choose_block(denoiser.unet, None) == 0
    found = element_features(denoiser, table, collection, about, show_progress=False)
    wanted = _plain(denoiser, table, collection, about, 0)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert torch.allclose(found.norm(dim=1), torch.ones(len(table)))
    assert (found[0] - found[1]).norm() > 1e-3


@pytest.mark.parametrize("batch_size", [2, 7, 64])
def test_the_batch_size_does_not_matter(collection, table, about, batch_size):
    denoiser = tiny_small()
    wanted = element_features(denoiser, table, collection, about, show_progress=False)
    features = replace(about.config.features, batch_size=batch_size)
    other = replace(about, config=replace(about.config, features=features))
    found = element_features(denoiser, table, collection, other, show_progress=False)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_a_stable_diffusion_pipeline_gives_features_of_its_second_block(
    collection, table, about, tmp_path
):
    base = tiny_pipeline(tmp_path / "pipeline")
    about = replace(about, base=str(base), factor=4)
    denoiser = load_base(str(base), about)
    assert choose_block(denoiser.unet, None) == 1
    found = element_features(denoiser, table, collection, about, show_progress=False)
    wanted = _plain(denoiser, table, collection, about, 1)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_the_prompt_seed_time_and_block_matter(collection, table, about):
    denoiser = tiny_small()

    def of(table=table, **changes):
        config = replace(about.config, features=replace(about.config.features, **changes))
        return element_features(
            denoiser, table, collection, replace(about, config=config), show_progress=False
        )

    first = of()
    for changes in ({"seed": 1}, {"timestep": 400}, {"block": 1}, {"ensemble": 1}):
        assert (of(**changes) - first).abs().max() > 1e-4
    with torch.no_grad():
        denoiser.conditioner.table.weight.mul_(-1)
    assert (of() - first).abs().max() > 1e-6
    with pytest.raises(ConfigError, match=r"features.block: 2, but this model has 0 to 1"):
        of(block=2)


def test_the_unet_is_left_after_the_block_and_is_whole_afterwards(about):
    denoiser = tiny_small()
    given = torch.randn(2, denoiser.codec.channels, 8, 8), torch.tensor([10, 10])
    condition = denoiser.condition(["a", "b"])
    before = denoiser.output(*given, condition)
    ran = []
    handle = denoiser.unet.up_blocks[1].register_forward_hook(lambda *_: ran.append(1))
    block_output(denoiser, *given, condition, 0)
    assert not ran
    handle.remove()
    assert all(not block._forward_hooks for block in denoiser.unet.up_blocks)
    torch.testing.assert_close(denoiser.output(*given, condition), before)
    with pytest.raises((RuntimeError, ValueError)):  # and also after a failure
        block_output(denoiser, given[0][:, :1], given[1], condition, 0)
    assert all(not block._forward_hooks for block in denoiser.unet.up_blocks)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_cells_are_within_the_grid_and_at_least_one(pixels, number, data):
    start = data.draw(st.integers(0, pixels - 1))
    length = data.draw(st.integers(1, pixels - start))
    found = cells(start, length, pixels, number)
    assert 0 <= found.start < found.stop <= number
    if (start + length) * number // pixels > start * number // pixels:
        assert found == slice(start * number // pixels, (start + length) * number // pixels)


def test_noises_of_members_are_apart_and_repeat():
    shape = (3, 4, 5)
    one = [member_noise(42, member, shape) for member in range(3)]
    for first, second in pairwise(one):
        assert not torch.equal(first, second)
    assert torch.equal(member_noise(42, 1, shape), one[1])
    assert not torch.equal(member_noise(43, 1, shape), one[1])


def test_an_interrupted_computation_goes_on(collection, table, about, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PIECE", 1)
    denoiser, path = tiny_small(), tmp_path / "features" / "base.safetensors"
    asked = []
    real = module.picture_features

    def stops(*given):
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(1)
        return real(*given)

    monkeypatch.setattr(module, "picture_features", stops)
    with pytest.raises(KeyboardInterrupt):
        write_features(path, denoiser, table, collection, about, show_progress=False)
    pieces = sorted((path.parent / "base.pieces").iterdir())
    assert len(pieces) == 3
    pieces[1].write_bytes(b"damaged")
    asked.clear()
    monkeypatch.setattr(module, "picture_features", lambda *g: asked.append(1) or real(*g))
    found = write_features(path, denoiser, table, collection, about, show_progress=False)
    assert len(asked) == len(SIZES) - 2
    assert [p.name for p in path.parent.iterdir()] == ["base.safetensors"]
    whole = element_features(denoiser, table, collection, about, show_progress=False)
    torch.testing.assert_close(found, whole, atol=2e-3, rtol=0)  # kept in half precision
    asked.clear()  # a finished file of the same model is not made again, of another it is
    (path.parent / "base.pieces").mkdir()  # of a process that was killed when the file was written
    write_features(path, denoiser, table, collection, about, show_progress=False)
    assert not asked
    assert [p.name for p in path.parent.iterdir()] == ["base.safetensors"]
    write_features(path, tiny_small(1), table, collection, about, show_progress=False)
    assert len(asked) == len(SIZES)


def test_pieces_of_another_model_are_not_taken(collection, table, about, tmp_path):
    given = {"show_progress": False, "pieces": tmp_path}
    one = element_features(tiny_small(0), table, collection, about, **given)
    other = element_features(tiny_small(1), table, collection, about, **given)
    assert (one - other).abs().max() > 1e-3


def test_features_of_another_table_are_refused(collection, table, about, tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(RunError, match="no features yet"):
        load_features(path, table)
    save_features(path, torch.randn(len(table), 4), {"table": "another"})
    with pytest.raises(RunError, match="other elements"):
        load_features(path, table)
    save_features(path, torch.randn(len(table), 4), {"table": table.digest()})
    assert load_features(path, table).shape == (len(table), 4)
    few = PictureCollection(collection.root, collection.pictures[:2])
    with pytest.raises(RunError, match=r"\.png: in the elements table, but not in"):
        element_features(tiny_small(), table, few, about, show_progress=False)
