"""Patches and elements: products of matrices and array picks against plain candidate lists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from tests.mining_helpers import tiny_about, tiny_config
from typica.errors import RunError
from typica.images.picture import Picture, PictureCollection
from typica.images.sizes import Scaling
from typica.mining import artefacts, elements
from typica.mining.artefacts import grey, patch_spreads, spreads, touches_border
from typica.mining.config import ElementConfig
from typica.mining.elements import Element, Shortlist, mine_elements, picture_elements
from typica.mining.maps import PictureMaps
from typica.mining.patches import (
    Patch,
    best_patches,
    patch_means,
    patch_readings,
    patch_sides,
)

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5))


def _plain_means(values, height, width, side):
    """Interpolate to pixels, then average every window, as the text says."""
    grid = torch.from_numpy(np.asarray(values, np.float64))[None, None]
    pixels = F.interpolate(grid, (height, width), mode="bilinear", align_corners=False)
    return F.avg_pool2d(pixels, side, stride=1)[0, 0].numpy()


def _plain_picks(scores, sides, count):
    """A sorted list of all candidates, from which what overlaps a pick is struck."""
    left = [
        (-float(score[i, j]), i, j, side)
        for score, side in zip(scores, sides, strict=True)
        for i in range(score.shape[0])
        for j in range(score.shape[1])
        if score[i, j] != -np.inf
    ]
    left.sort()
    picks = []
    while left and len(picks) < count:
        _, i, j, side = left[0]
        picks.append(Patch(i, j, side))
        # apart: a gap of at least one pixel between the boxes along one axis
        left = [
            one
            for one in left
            if one[1] > i + side or i > one[1] + one[3] or one[2] > j + side or j > one[2] + one[3]
        ]
    return picks


@given(SIZES, SIZES.map(lambda s: s[:2]), st.integers(1, 4), st.integers(0, 1000))
@settings(max_examples=60)
def test_means_are_those_of_windows_over_the_interpolated_map(size, extra, factor, seed):
    h, w, side = size
    height, width = h * factor + extra[0], w * factor + extra[1]  # also sizes that are no multiple
    side = min(side, height, width)
    values = np.random.default_rng(seed).standard_normal((h, w)).astype(np.float32)
    found = patch_means(values, height, width, side)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, _plain_means(values, height, width, side), atol=1e-6, rtol=1e-6
    )


@given(st.integers(0, 1000), st.integers(1, 5))
@settings(max_examples=20)
def test_a_reading_of_some_patches_is_the_mean_there(seed, groups):
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((groups, 5, 7)).astype(np.float32)
    patches = [Patch(0, 0, 3), Patch(17, 25, 3), Patch(4, 9, 8)]
    found = patch_readings(maps, 20, 28, patches)
    for patch, row in zip(patches, found, strict=True):
        wanted = [_plain_means(one, 20, 28, patch.side)[patch.row, patch.column] for one in maps]
        np.testing.assert_allclose(row, wanted, atol=1e-6)
    assert patch_readings(maps, 20, 28, []).shape == (0, groups)


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 12)),
               elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0])),
    st.integers(1, 4),
    st.integers(1, 8),
)  # fmt: skip
@settings(max_examples=200)
def test_picks_are_those_of_the_candidate_list_ties_too(scores, side, count):
    assert best_patches([scores], [side], count) == _plain_picks([scores], [side], count)


@given(st.integers(0, 10_000), st.integers(1, 9), st.booleans())
@settings(max_examples=80)
def test_picks_of_several_scales_are_those_of_the_candidate_list(seed, count, rounded):
    rng = np.random.default_rng(seed)
    sides = [2, 3, 7]
    scores = [rng.random((14 - side + 1, 17 - side + 1)).astype(np.float32) for side in sides]
    if rounded:
        scores = [np.round(2 * score) for score in scores]
    before = [score.copy() for score in scores]
    assert best_patches(scores, sides, count) == _plain_picks(scores, sides, count)
    for old, new in zip(before, scores, strict=True):
        np.testing.assert_array_equal(old, new)


def test_equal_patches_are_taken_from_the_top_left():
    means = patch_means(np.full((4, 6), 0.1, np.float32), 32, 48, 10)
    assert len(np.unique(means)) == 1
    assert best_patches([means], [10], 2) == [Patch(0, 0, 10), Patch(0, 11, 10)]


@pytest.mark.parametrize(
    ("size", "scales", "sides"),
    [
        (256, (), (50,)),
        (512, (), (64,)),
        (384, (), (57,)),
        (128, (), (25,)),
        (64, (), (12,)),
        (1024, (), (128,)),
        (16, (), (3,)),
        (100, (0.5, 0.25, 0.251, 0.001), (1, 25, 50)),
        (64, (1.0,), (64,)),
    ],
)
def test_sides_follow_the_paper(size, scales, sides):
    assert patch_sides(size, ElementConfig(scales=scales)) == sides


@given(st.integers(0, 1000), st.integers(1, 6))
@settings(max_examples=30)
def test_spreads_are_standard_deviations(seed, side):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (9, 8, 3)).astype(np.uint8)
    values = grey(pixels)
    assert values.min() >= 0
    assert values.max() <= 255
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    assert np.abs(values - luma).max() <= 0.5 + 1e-9
    found = spreads(values, side)
    for i, j in [(0, 0), (9 - side, 8 - side)]:
        window = values[i : i + side, j : j + side] / 255
        assert np.isclose(found[i, j], window.std(), atol=1e-6)
        assert np.isclose(patch_spreads(values, [Patch(i, j, side)])[0], window.std(), atol=1e-6)
    flat = np.full((9, 8), seed % 256)
    assert (spreads(flat, side) == 0).all()


def test_border_band_is_measured_from_every_edge():
    band = artefacts.BORDER * 100
    assert band == 2
    assert not touches_border(Patch(2, 2, 10), 100, 200)
    assert not touches_border(Patch(88, 188, 10), 100, 200)
    for patch in [Patch(1, 50, 10), Patch(50, 1, 10), Patch(89, 50, 10), Patch(50, 189, 10)]:
        assert touches_border(patch, 100, 200)


def test_the_shortlist_is_the_head_of_the_sorted_list_whatever_the_order():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 50, 500).tolist()  # many ties
    some = [Element((float(s), i, Patch(0, 0, 1)), i, Patch(0, 0, 1), s, 0.0)
            for i, s in enumerate(scores)]  # fmt: skip
    for order in (some, some[::-1], [some[i] for i in rng.permutation(500)]):
        short = Shortlist(20)
        for first in range(0, 500, 7):
            short.add(order[first : first + 7])
            assert len(short._held) < 2 * 20 + 7
        assert short.best() == sorted(some)[:20]


def test_random_patches_depend_on_seed_and_name_only_and_ignore_scores():
    config = ElementConfig(seed=1)
    rng = np.random.default_rng(0)
    values, groups = rng.standard_normal((6, 8)), np.zeros((2, 6, 8))

    def of(values, seed, name):
        found = picture_elements(
            values.astype(np.float32), groups, 24, 32, replace(config, seed=seed), (5,), name, 0
        )
        return [element.patch for element in found["random"]]

    first = of(values, 1, "a.png")
    assert first == of(-3 * values, 1, "a.png")
    assert first != of(values, 2, "a.png")
    assert first != of(values, 1, "b.png")
    for i, one in enumerate(first):
        for other in first[:i]:
            assert abs(one.row - other.row) > 5 or abs(one.column - other.column) > 5


def test_random_patches_are_spread_over_the_whole_picture():
    flat = np.zeros((4, 4), np.float32)
    rows = [
        element.patch.row
        for name in range(150)
        for element in picture_elements(
            flat, np.stack([flat, flat]), 16, 16, ElementConfig(per_picture=1), (4,), str(name), 0
        )["random"]
    ]
    assert set(rows) == set(range(13))
    assert abs(np.mean(rows) - 6) < 4 * np.std(range(13)) / np.sqrt(150)


# ---------------------------------------------------------------------------------------------
# whole collections


def _collection(folder, sizes):
    """Pictures of noise, and their maps."""
    rng = np.random.default_rng(0)
    about = tiny_about(config=replace(tiny_config(16), elements=ElementConfig(per_picture=3)))
    pictures, maps = [], []
    for index, (width, height) in enumerate(sizes):
        name = f"{index:02d}.png"
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        pixels[:, : width // 2] = 77
        Image.fromarray(pixels).save(folder / name)
        picture = Picture(name, folder / name, "ab"[index % 2], "train", width, height)
        w, h = (n // about.factor for n in Scaling.of(picture, 16, about.factor).working)
        draws = rng.standard_normal((1, 20, h, w)).astype(np.float32)
        mean = draws.mean(1)
        groups = draws.reshape(1, 2, 10, h, w).mean(1) - mean[:, None]
        pictures.append(picture)
        maps.append(PictureMaps(index, name, (picture.label,), mean, groups, mean[0], 12))
    return PictureCollection(folder, tuple(pictures)), maps, about


SHAPES = [(16, 16), (32, 20), (20, 33), (16, 16), (50, 40), (24, 16), (16, 16), (40, 50)]


def test_the_table_holds_the_best_of_every_label(tmp_path):
    collection, maps, about = _collection(tmp_path, SHAPES)
    about = replace(about, config=replace(about.config, elements=ElementConfig(
        per_picture=3, per_label=7, scales=(0.2, 0.3))))  # fmt: skip
    table = mine_elements(iter(maps), collection, about, show_progress=False)
    sides = (3, 5)
    assert table.about["sides"] == [3, 5]
    for label in "ab":
        candidates = []
        for one in maps:
            picture = collection.pictures[one.index]
            if picture.label != label:
                continue
            width, height = Scaling.of(picture, 16, 2).working
            scores = [_plain_means(one.typicality[0], height, width, s) for s in sides]
            scores = [score.astype(np.float32) for score in scores]
            for sign, kind in ((1, "typical"), (-1, "least")):
                for pick in _plain_picks([sign * score for score in scores], sides, 3):
                    value = scores[sides.index(pick.side)][pick.row, pick.column]
                    candidates.append((kind, -sign * value, one.id, pick))
        for kind in ("typical", "least"):
            wanted = sorted(c[1:] for c in candidates if c[0] == kind)[:7]
            rows = table.rows(label, kind)
            assert table.rank[rows].tolist() == list(range(7))
            found = [
                (table.picture[r], Patch(table.work_y[r], table.work_x[r], table.side[r]))
                for r in rows
            ]
            assert found == [(name, pick) for _, name, pick in wanted]
            signed = np.abs([value for value, _, _ in wanted])
            np.testing.assert_allclose(np.abs(table.typicality[rows]), signed, rtol=1e-5)
        assert len(table.rows(label, "random")) == 7


def test_boxes_errors_and_flags_of_rows(tmp_path):
    collection, maps, about = _collection(tmp_path, SHAPES)
    table = mine_elements(maps, collection, about, show_progress=False)
    assert table.flat.any()
    assert not table.flat.all()
    assert table.border.any()
    for row in range(len(table)):
        index = int(table.picture[row][:2])
        picture = collection.pictures[index]
        width, height = Scaling.of(picture, 16, 2).working
        box, side = table.box(row), int(table.side[row])
        assert np.isclose(box.left * width / picture.width, table.work_x[row], atol=1e-4)
        assert np.isclose(box.bottom * height / picture.height, table.work_y[row] + side, atol=1e-4)
        assert box.right <= picture.width + 1e-4
        assert box.bottom <= picture.height + 1e-4
        # the error, by the same reading of every group
        place = (int(table.work_y[row]), int(table.work_x[row]))
        groups = [_plain_means(g, height, width, side)[place] for g in maps[index].groups[0]]
        assert np.isclose(table.error[row], np.std(groups, ddof=1) / np.sqrt(10), rtol=1e-4)
        values = grey(elements.load_pixels(picture, 16, 2))
        window = values[place[0] : place[0] + side, place[1] : place[1] + side] / 255
        assert table.flat[row] == (window.std() < artefacts.FLAT)
    assert (table.cluster == -1).all()
    assert np.isnan(table.distance).all()


def test_the_order_of_the_maps_does_not_matter(tmp_path):
    collection, maps, about = _collection(tmp_path, SHAPES)
    about = replace(about, config=replace(about.config, elements=ElementConfig(per_label=4)))
    one = mine_elements(maps, collection, about, show_progress=False)
    other = mine_elements(maps[::-1], collection, about, show_progress=False)
    assert one.digest() == other.digest()
    np.testing.assert_array_equal(one.typicality, other.typicality)


def test_patches_without_contrast_are_left_out_when_asked(tmp_path):
    collection, maps, about = _collection(tmp_path, SHAPES)
    wanted = replace(about.config.elements, contrast=0.1)
    about = replace(about, config=replace(about.config, elements=wanted))
    table = mine_elements(maps, collection, about, show_progress=False)
    assert len(table)
    for row in range(len(table)):
        picture = collection.pictures[int(table.picture[row][:2])]
        values = grey(elements.load_pixels(picture, 16, 2))
        y, x, side = table.work_y[row], table.work_x[row], table.side[row]
        assert (values[y : y + side, x : x + side] / 255).std() >= 0.1 - 1e-6
    assert not table.flat.any()


def test_maps_of_other_pictures_and_of_broken_models_are_refused(tmp_path):
    collection, maps, about = _collection(tmp_path, SHAPES[:2])

    def mine(*some):
        return mine_elements(some, collection, about, show_progress=False)

    with pytest.raises(RunError, match="collection changed"):
        mine(replace(maps[0], id="99.png"))
    with pytest.raises(RunError, match="collection changed"):
        mine(replace(maps[0], index=7))
    with pytest.raises(RunError, match="not scored under 'a'"):
        mine(replace(maps[0], labels=("b",)))
    with pytest.raises(RunError, match="another size"):
        mine(replace(maps[0], typicality=maps[0].typicality[:, 1:]))
    with pytest.raises(RunError, match="not finite"):
        mine(replace(maps[0], typicality=np.full_like(maps[0].typicality, np.nan)))
    assert len(mine()) == 0
