"""Structural similarity, and laying one picture on another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from typica.palaeography.similarity import (
    RADIUS,
    SIGMA,
    align,
    ink_ssim,
    l2,
    moved,
    seen_ink,
    ssim,
    ssim_map,
)

from .prototype_helpers import smooth


def some(seed, count=3, size=(19, 14)):
    rng = np.random.default_rng(seed)
    return np.clip(0.5 + 0.4 * smooth(rng, (2, count, *size), 1.2), 0, 1)


def test_it_is_the_similarity_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    a, b = some(1)
    around = [(0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)]
    for x, y, mean, found in zip(
        np.pad(a, around), np.pad(b, around), ssim(a, b), ssim_map(a, b), strict=True
    ):
        value, full = metrics.structural_similarity(
            x,
            y,
            data_range=1,
            gaussian_weights=True,
            sigma=SIGMA,
            use_sample_covariance=False,
            full=True,
        )
        # scikit-image leaves out the outermost pixels of the mean: here those are the paper around
        assert mean == pytest.approx(value, abs=1e-10)
        np.testing.assert_allclose(found, full[RADIUS:-RADIUS, RADIUS:-RADIUS], atol=1e-10)


def test_it_is_the_formula():
    a, b = some(2, 1, (9, 7))
    x, y = np.pad(a[0], RADIUS), np.pad(b[0], RADIUS)
    g = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    w = np.outer(g, g) / g.sum() ** 2
    found = ssim_map(a, b)[0]
    for i in range(9):
        for j in range(7):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
            cov = (w * (p - mp) * (q - mq)).sum()
            value = (2 * mp * mq + 1e-4) * (2 * cov + 9e-4)
            value /= (mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)
            assert found[i, j] == pytest.approx(value, abs=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_measure_is_symmetric_and_best_for_equals(seed):
    a, b = some(seed)
    for measure in (ssim, ink_ssim):
        np.testing.assert_allclose(measure(a, b), measure(b, a), atol=1e-12)
        np.testing.assert_allclose(measure(a, a), 1, atol=1e-12)
        assert (measure(a, b) < 1).all()
    assert (l2(a, b) == l2(b, a)).all()
    # as one batch, and one by one
    np.testing.assert_allclose(ssim(a, b), [ssim(x, y) for x, y in zip(a, b, strict=True)])


def test_empty_paper_raises_the_one_mean_and_not_the_other():
    a, b = np.zeros((2, 1, 16, 16))
    a[:, 5:11, 5:7], b[:, 5:11, 6:8] = 1, 1
    wide = [(0, 0), (30, 30), (30, 30)]
    assert ssim(np.pad(a, wide), np.pad(b, wide))[0] > ssim(a, b)[0] + 0.1
    larger = ink_ssim(np.pad(a, wide), np.pad(b, wide))[0]
    close = [(0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)]
    assert larger == pytest.approx(ink_ssim(np.pad(a, close), np.pad(b, close))[0], abs=1e-12)
    ink = np.zeros((1, 16, 16))
    ink[0, 3, 12] = 0.5
    seen = np.zeros((16, 16), bool)
    seen[:9, 7:] = True
    assert np.array_equal(seen_ink(ink, 0 * ink)[0], seen)
    assert ink_ssim(0 * ink, 0 * ink) == 1  # nothing to see
    assert ssim(a, b, np.zeros((16, 16), bool)) == 1


def test_a_whole_shift_changes_no_value_and_ink_off_the_sheet_is_lost():
    a = some(3, 2, (8, 6))[0]
    sheet = moved(a, (20, 16), 1.0, np.array([[3, -2], [0, 0]]))
    np.testing.assert_allclose(sheet[0, 9:17, 3:9], a[0], atol=1e-12)
    np.testing.assert_allclose(sheet[1, 6:14, 5:11], a[1], atol=1e-12)
    assert sheet[0].sum() == pytest.approx(a[0].sum())
    gone = moved(a, (20, 16), 1.0, (0, 9))
    np.testing.assert_allclose(gone[:, 6:14, 14:], a[:, :, :2], atol=1e-12)


@settings(max_examples=25)
@given(st.sampled_from([0.25, 0.5, 0.7, 1.0, 1.3, 2.0]), st.floats(-2, 2), st.floats(-2, 2))
def test_a_scaled_picture_keeps_its_ink_and_its_middle(scale, down, right):
    rng = np.random.default_rng(0)
    a = ndimage.gaussian_filter(rng.random((3, 24, 18)), (0, 2, 2))
    sheet = moved(a, (64, 64), scale, (down, right))
    # a picture that is shrunk to whole pixels is the mean of what they cover
    np.testing.assert_allclose(sheet.sum((1, 2)), scale**2 * a.sum((1, 2)), rtol=0.02)
    rows = np.arange(64) - 31.5
    middle = (a.sum(2) * (np.arange(24) - 11.5)).sum(1) / a.sum((1, 2))
    found = (sheet.sum(2) * rows).sum(1) / sheet.sum((1, 2))
    np.testing.assert_allclose(found, middle * scale + down, atol=0.1)


def test_halving_is_the_mean_of_four():
    a = some(4, 2, (8, 12))[0]
    wanted = a.reshape(2, 4, 2, 6, 2).mean((2, 4))
    np.testing.assert_allclose(moved(a, (4, 6), 0.5), wanted, atol=1e-12)


def blobs(seed, count=4, size=(26, 22)):
    """Shapes in the middle of empty sheets."""
    rng = np.random.default_rng(seed)
    ink = np.zeros((count, *size))
    ink[:, 8:-8, 7:-7] = rng.random((count, size[0] - 16, size[1] - 14)) > 0.4
    return ndimage.gaussian_filter(ink, (0, 0.8, 0.8))


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_the_whole_shift_is_that_of_trying_all(seed):
    rng = np.random.default_rng(seed)
    a = blobs(seed)
    by = rng.integers(-5, 6, (4, 2)).astype(float)
    fixed = moved(a, a.shape[1:], 1.0, by) + 0.05 * rng.random(a.shape)
    found = align(a, fixed, fine=False)
    tries = np.array([(y, x) for y in range(-7, 8) for x in range(-6, 7)], float)
    for k in range(4):
        same = np.repeat(a[k : k + 1], len(tries), axis=0)
        errors = np.square(moved(same, a.shape[1:], 1.0, tries) - fixed[k]).sum((1, 2))
        assert tuple(found.shift[k]) == tuple(tries[errors.argmin()])
        assert found.error[k] == pytest.approx(errors.min())
    np.testing.assert_allclose(np.square(found.pictures - fixed).sum((1, 2)), found.error)


def test_size_and_place_are_found_again():
    large = np.kron(blobs(7, 3, (40, 36)), np.ones((1, 2, 2)))
    scales = np.array([0.5, 0.4, 0.6])
    shifts = np.array([[2.25, -3.5], [-1.0, 0.0], [0.5, 4.75]])
    fixed = np.concatenate(
        [moved(large[k : k + 1], (44, 40), scales[k], shifts[k]) for k in range(3)]
    )
    found = align(large, fixed, (0.4, 0.45, 0.5, 0.55, 0.6))
    assert found.scale.tolist() == scales.tolist()
    assert np.abs(found.shift - shifts).max() <= 1e-9
    assert found.error.max() < 1e-12
    coarse = align(large, fixed, (0.4, 0.5, 0.6), fine=False)
    assert (coarse.error[[0, 2]] > 0.1).all()
    np.testing.assert_allclose(coarse.shift, np.round(coarse.shift))


def test_nothing_is_laid_on_nothing():
    found = align(np.zeros((1, 5, 5)), np.zeros((1, 9, 9)), (1.0, 2.0))
    assert found.scale.tolist() == [1.0]
    assert found.shift.tolist() == [[0.0, 0.0]]
