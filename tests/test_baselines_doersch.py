"""The pieces of the Doersch et al. baseline against plain slow forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.baselines.doersch.candidates import (
    contrasts,
    draw_candidates,
    label_shares,
    select_seeds,
    shared_area,
)
from typica.baselines.doersch.descriptors import cell_histograms, grid, picture_cells, windows
from typica.baselines.doersch.detectors import deal, fit_svm, train_round
from typica.baselines.doersch.options import DoerschOptions, preset
from typica.baselines.doersch.search import Matches, search, without_own
from typica.baselines.doersch.store import CellStore
from typica.errors import ConfigError, DataError, RunError
from typica.images.collection import read_pictures
from typica.values import Box

from .doersch_helpers import TINY, planted


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CellStore:
    collection = read_pictures(planted(tmp_path_factory.mktemp("data")))
    made = CellStore(tmp_path_factory.mktemp("cells"), collection.pictures, TINY)
    assert made.build(show_progress=False) == 5
    return made


def test_published_constants_are_the_defaults() -> None:
    options = DoerschOptions()
    assert (options.side, options.cell * options.step, options.length) == (64, 8, 2112)
    assert (options.candidates, options.seed_top, options.detectors) == (25_000, 20, 1000)
    assert (options.rounds, options.positives, options.cost, options.matches) == (3, 5, 0.1, 50)
    assert preset("published") == options
    assert preset("small").side == 35
    with pytest.raises(ConfigError, match="seed_matches"):
        DoerschOptions(seed_matches=5)
    with pytest.raises(ConfigError, match="size"):
        DoerschOptions(size=40)


def test_histograms_are_those_of_scikit_image() -> None:
    hog = pytest.importorskip("skimage.feature").hog
    pixels = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    cells = torch.from_numpy(picture_cells(pixels, 8, 9)).to(torch.float32)
    flat = torch.zeros_like(cells)
    flat[..., :-2] = cells[..., :-2]  # without colours a descriptor is the normalised block
    found = windows(flat, 4).numpy()
    expected = hog(
        pixels / 255.0, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(4, 4),
        block_norm="L2-Hys", channel_axis=-1, feature_vector=False,
    )  # fmt: skip
    rows, columns = expected.shape[:2]
    assert (rows, columns) == grid(6, 5, 4, 1)
    ours = found.reshape(rows * columns, 16, 11)[..., :9]
    np.testing.assert_allclose(ours, expected.reshape(rows * columns, 16, 9), atol=3e-3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_direction_falls_into_its_bin() -> None:
    ramp = np.broadcast_to(np.arange(0, 64, 2, dtype=np.uint8)[None, :, None], (32, 32, 3))
    found = cell_histograms(ramp, 8, 4)
    assert found[1, 1].argmax() == 0
    assert found[1, 1, 0] == pytest.approx(4 / 255 / 8**2 * 64)
    assert cell_histograms(ramp.transpose(1, 0, 2), 8, 4)[1, 1].argmax() == 2


def test_grey_pictures_have_no_colour_and_offsets_give_them_one() -> None:
    grey = np.repeat(np.random.default_rng(1).integers(0, 256, (16, 16, 1), dtype=np.uint8), 3, 2)
    assert not picture_cells(grey, 4, 5)[..., 5:].any()
    np.testing.assert_allclose(picture_cells(grey, 4, 5, 128)[..., 5:], 128 / 255, atol=1e-3)
    red = np.zeros((16, 16, 3), dtype=np.uint8)
    red[..., 0] = 255
    np.testing.assert_allclose(picture_cells(red, 4, 5)[0, 0, 5:] * 255, (80.1, 67.2), atol=0.2)


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 7), st.integers(3, 7), st.integers(1, 3), st.integers(0, 99))
def test_windows_are_cut_as_said(rows: int, columns: int, step: int, seed: int) -> None:
    cells = torch.rand(rows, columns, 4, generator=torch.Generator().manual_seed(seed))
    found = windows(cells, 3, step)
    down, across = grid(rows, columns, 3, step)
    assert len(found) == down * across
    for number, one in enumerate(found):
        y, x = number // across * step, number % across * step
        part = cells[y : y + 3, x : x + 3].reshape(9, 4)
        shape = (part[:, :2] / part[:, :2].norm()).clamp(max=0.2)
        whole = torch.cat([shape / shape.norm(), part[:, 2:]], 1).flatten()
        torch.testing.assert_close(one, whole / whole.norm(), atol=1e-5, rtol=1e-4)
    chosen = np.array([len(found) - 1, 0])
    torch.testing.assert_close(windows(cells, 3, step, chosen), found[[-1, 0]])
    both = windows(torch.stack([cells, cells.flip(0)]), 3, step)
    torch.testing.assert_close(both[: len(found)], found)
    torch.testing.assert_close(both[len(found) :], windows(cells.flip(0), 3, step))


def test_what_is_empty_has_a_descriptor_of_zeros() -> None:
    assert not windows(torch.zeros(3, 3, 6), 3).any()


def test_contrast_is_that_of_scikit_image() -> None:
    exposure = pytest.importorskip("skimage.exposure")
    values = np.random.default_rng(2).integers(0, 256, (30, 30))
    values[:14, :14] = 90 + np.arange(14) * 3
    tops, lefts = np.array([0, 3, 10]), np.array([1, 2, 15])
    found = contrasts(values, 12, tops, lefts)
    for span, y, x in zip(found, tops, lefts, strict=True):
        patch = values[y : y + 12, x : x + 12].astype(np.uint8)
        assert (span < 0.15) == exposure.is_low_contrast(patch, 0.15)
    assert found[0] < 0.15 < found[2]


def test_the_store_comes_back_and_is_not_made_twice(store: CellStore) -> None:
    assert store.build(show_progress=False) == 0
    assert store.shapes.tolist() == [[6, 6]] * 24
    assert store.problems() == ()
    assert store.spent("seconds") > 0
    picture, place = np.array([20, 3, 20]), np.array([35, 0, 7])
    found = store.descriptors(picture, place)
    every = dict(store.each(range(24)))
    for row, p, at in zip(found, picture, place, strict=True):
        torch.testing.assert_close(row, windows(every[int(p)], 3)[int(at)])
    assert store.box(20, 35) == Box(20, 20, 32, 32)
    other = CellStore(store.folder, store.pictures[::-1], TINY)
    with pytest.raises(RunError, match="of other pictures"):
        other.read(0)


def test_unusable_pictures_are_skipped(tmp_path: Path) -> None:
    collection = read_pictures(planted(tmp_path / "data", 2))
    collection.pictures[1].path.write_bytes(b"broken")
    made = CellStore(tmp_path / "cells", collection.pictures, TINY)
    made.build(show_progress=False)
    assert made.shapes[:, 0].tolist() == [6, 0, 6, 6, 6, 6]
    assert len(made.problems()) == 1
    found = search(torch.rand(2, TINY.length), made, np.arange(6), 6, show_progress=False)
    assert sorted(found.picture[0].tolist()) == [-1, 0, 2, 3, 4, 5]
    assert found.score[0, -1] == -np.inf


def test_search_finds_what_a_loop_finds(store: CellStore) -> None:
    templates = torch.rand(3, TINY.length, generator=torch.Generator().manual_seed(0))
    wanted = np.array([1, 4, 6, 7, 15, 23])
    found = search(templates, store, wanted, 4, show_progress=False)
    for number, template in enumerate(templates):
        best = []
        for picture, cells in store.each(wanted):
            scores = [float(row @ template) for row in windows(cells, 3)]
            best.append((-max(scores), picture, int(np.argmax(scores))))
        best.sort()
        assert found.picture[number].tolist() == [p for _, p, _ in best[:4]]
        assert found.place[number].tolist() == [at for _, _, at in best[:4]]
        np.testing.assert_allclose(found.score[number], [-s for s, _, _ in best[:4]], rtol=1e-5)


def test_the_own_picture_is_left_out() -> None:
    picture = np.array([[3, 1, 2], [5, 6, 7]])
    matches = Matches(np.array([[3.0, 2, 1], [3, 2, 1]], np.float32), picture, picture * 10)
    found = without_own(matches, np.array([1, 9]))
    assert found.picture.tolist() == [[3, 2], [5, 6]]
    assert found.score.tolist() == [[3, 1], [3, 2]]
    assert found.place.tolist() == [[30, 20], [50, 60]]


def test_candidates_are_spread_have_contrast_and_come_once(store: CellStore) -> None:
    own = np.arange(8, 16)
    picture, place = draw_candidates(store, own, show_progress=False)
    assert len(set(zip(picture.tolist(), place.tolist(), strict=True))) == TINY.candidates
    assert set(picture.tolist()) == set(own.tolist())
    assert np.ptp(np.bincount(picture)[8:]) == 0
    again = draw_candidates(store, own, show_progress=False)
    assert np.array_equal(again, (picture, place))
    flat = CellStore(store.folder, store.pictures, DoerschOptions(
        **{**TINY.as_dict(), "contrast": 0.99}))  # fmt: skip
    with pytest.raises(DataError, match="contrast"):
        draw_candidates(flat, own, show_progress=False)


def test_shares_and_areas() -> None:
    inside = np.array([True, False, True, False])
    picture = np.array([[0, 1, 2, -1], [3, 1, 0, 2]])
    matches = Matches(np.zeros((2, 4), np.float32), picture, picture)
    assert label_shares(matches, inside, 3).tolist() == [pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert label_shares(matches, inside, 4).tolist() == [pytest.approx(2 / 3), 0.5]
    areas = shared_area(np.array([0, 5, 10, 40]), np.array([0, 0, 10, 0]), 0, 0, 10)
    assert areas.tolist() == [1, pytest.approx(1 / 3), 0, 0]


def _repeats(one: int, other: int, matches: Matches, store: CellStore) -> int:
    """Matches of one that overlap one of the other, by a plain double loop."""
    count = 0
    for p, at in zip(matches.picture[one], matches.place[one], strict=True):
        a = store.box(int(p), int(at))
        for q, there in zip(matches.picture[other], matches.place[other], strict=True):
            b = store.box(int(q), int(there))
            width = min(a.right, b.right) - max(a.left, b.left)
            height = min(a.bottom, b.bottom) - max(a.top, b.top)
            common = max(0, width) * max(0, height)
            if p == q and common / (2 * 12 * 12 - common) > TINY.overlap:
                count += 1
                break
    return count


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_seeds_are_selected_greedily(store: CellStore, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = np.stack([rng.permutation(24)[:12] for _ in range(12)])
    place = rng.integers(0, 36, (12, 12))
    picture[6:9], place[6:9] = picture[:3], place[:3]  # three that repeat others
    matches = Matches(-np.sort(-rng.random((12, 12)).astype(np.float32)), picture, place)
    shares = rng.integers(0, 4, 12) / 4
    expected: list[int] = []
    means = matches.score[:, : TINY.seed_top].mean(1)
    for one in sorted(range(12), key=lambda i: (-shares[i], -means[i])):
        good = all(_repeats(one, e, matches, store) <= TINY.most_shared for e in expected)
        if good and len(expected) < TINY.detectors:
            expected.append(one)
    assert select_seeds(matches, shares, store).tolist() == expected


def test_subsets_are_disjoint_and_even() -> None:
    inside = np.arange(40) < 13
    usable = np.ones(40, dtype=bool)
    usable[0] = False
    subset = deal(inside, usable, 3, 0)
    assert subset[0] == -1
    assert np.bincount(subset[1:][inside[1:]]).tolist() == [4, 4, 4]
    assert np.bincount(subset[~inside]).tolist() == [9, 9, 9]
    with pytest.raises(DataError, match="with the label"):
        deal(np.arange(40) < 2, np.ones(40, dtype=bool), 3, 0)


def test_the_svm_is_the_ordinary_one() -> None:
    svm = pytest.importorskip("sklearn.svm")
    rng = np.random.default_rng(0)
    good, bad = rng.normal(0.3, 1, (5, 20)), rng.normal(0, 1, (30, 20))
    weights, bias = fit_svm(good.astype(np.float32), bad.astype(np.float32), 0.1)
    plain = svm.SVC(kernel="linear", C=0.1, tol=1e-6).fit(
        np.concatenate([good, bad]), [1] * 5 + [-1] * 30
    )
    np.testing.assert_allclose(weights, plain.coef_[0], atol=2e-3)
    assert bias == pytest.approx(float(plain.intercept_[0]), abs=2e-3)


def test_a_working_set_gives_the_svm_of_all_negatives(store: CellStore) -> None:
    svm = pytest.importorskip("sklearn.svm")
    options = DoerschOptions(**{**TINY.as_dict(), "hard": 3, "passes": 40, "cost": 10.0})
    careful = CellStore(store.folder, store.pictures, options)
    own, others = np.arange(8, 12), np.array([0, 1, 2, 16, 17, 18])
    template = store.descriptors(np.array([8]), np.array([7]))
    found = train_round(template, careful, own, others, show_progress=False)
    assert int(found.inside[0]) == 0
    positives = search(template, careful, own, 3, show_progress=False)
    assert found.positives.tolist() == positives.picture.tolist()
    good = store.descriptors(positives.picture[0], positives.place[0]).numpy()
    bad = torch.cat([windows(cells, 3) for _, cells in store.each(others)]).numpy()
    plain = svm.SVC(kernel="linear", C=10.0, tol=1e-6).fit(
        np.concatenate([good, bad]).astype(float), [1] * len(good) + [-1] * len(bad)
    )
    assert int(found.negatives[0]) < len(bad)
    ours = found.weights[0].numpy()
    cosine = ours @ plain.coef_[0] / np.linalg.norm(ours) / np.linalg.norm(plain.coef_[0])
    assert cosine > 0.9999
    assert float(found.bias[0]) == pytest.approx(float(plain.intercept_[0]), abs=0.01)
