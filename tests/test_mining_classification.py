"""Eqs. 4.6 and 4.8 against the text's formulas on raw losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typica.errors import DataError
from typica.mining.classification import (
    binary_probability,
    calibrated_temperature,
    classify,
    elements_of,
    label_probabilities,
    region_probability,
)
from typica.mining.maps import PictureMaps
from typica.mining.typicality import region_typicality

LABELS = ("a", "b", "c")
CHANNELS = 4


def losses(index: int, true: int, gap: float, draws: int = 8):
    """Squared errors of every element, `(draws, 1 + K, C, h, w)`; lower for the true label."""
    random = np.random.default_rng(index)
    found = random.random((draws, 1 + len(LABELS), CHANNELS, 2, 3))
    found[:, 1 + true] -= gap
    return found


def maps_of(index: int, raw: np.ndarray, groups: int = 4) -> PictureMaps:
    means = raw.mean(2)
    gain = (means[:, :1] - means[:, 1:]).astype(np.float32)
    per_group = np.stack([gain[g::groups].mean(0) for g in range(groups)], 1)
    mean = gain.mean(0)
    null = means[:, 0].mean(0).astype(np.float32)
    deviations = per_group - mean[:, None]
    return PictureMaps(index, f"{index}.png", LABELS, mean, deviations, null, CHANNELS)


def test_the_binary_probability_is_that_of_the_text():
    raw = losses(0, 1, 0.1)
    sums = raw.sum((2, 3, 4)).mean(0)  # E L of the text, a sum over elements; null first
    found = region_probability(maps_of(0, raw))
    for row in range(3):
        expected = 1 / (1 + math.exp(sums[1 + row] - sums[0]))
        assert found[row] == pytest.approx(expected, rel=1e-4)


def test_the_binary_probability_of_a_region_is_that_of_the_text():
    raw = losses(3, 1, 0.1)
    mask = np.array([[0, 1, 1], [0, 0, 1]])
    sums = (raw * mask).sum((2, 3, 4)).mean(0)  # eq. 4.11
    maps = maps_of(3, raw)
    assert elements_of(maps, mask) == 3 * CHANNELS
    found = region_probability(maps, mask)
    for row in range(3):
        expected = 1 / (1 + math.exp(sums[1 + row] - sums[0]))
        assert found[row] == pytest.approx(expected, rel=1e-4)
    pixels = np.zeros((16, 24))
    pixels[:8, 8:] = 1  # two of the six cells
    assert elements_of(maps, pixels) == pytest.approx(2 * CHANNELS)
    reading = region_typicality(maps, pixels).value
    expected = [1 / (1 + math.exp(-2 * CHANNELS * value)) for value in reading]
    assert region_probability(maps, pixels) == pytest.approx(expected)


def test_the_classifier_is_that_of_the_text():
    raw = losses(1, 2, 0.05)
    sums = raw.sum((2, 3, 4)).mean(0)[1:]
    maps = maps_of(1, raw)
    found = classify([maps], {"1.png": "c"}).probabilities()
    for i in range(3):
        expected = 1 / sum(math.exp(sums[i] - sums[j]) for j in range(3))
        assert found[0, i] == pytest.approx(expected, rel=1e-3)
    assert found.sum() == pytest.approx(1)


@given(st.floats(-5, 5), st.floats(1, 1e6), st.floats(0.1, 1e5))
def test_probabilities_keep_the_order_and_the_sign(typicality, elements, temperature):
    low, high = binary_probability(np.array([typicality, typicality + 1]), elements, temperature)
    assert 0 <= low <= high <= 1
    assert (high > 0.5) == (typicality + 1 > 0) or typicality + 1 == pytest.approx(0, abs=1e-12)


def test_extreme_typicality_does_not_overflow():
    found = label_probabilities(np.array([[1e3, -1e3]]), np.array([1e6]))
    assert found.tolist() == [[1.0, 0.0]]
    assert binary_probability(np.array([-1e9]), 1e6).tolist() == [0.0]


def test_accuracy_confusion_and_chance_are_counted():
    truth, maps = {}, []
    for i in range(30):
        true = min(i % 4, 2)  # c is twice as frequent
        shown = (true + 1) % 3 if i % 10 == 0 else true  # one in ten looks like another
        maps.append(maps_of(i, losses(i, shown, 0.9)))
        truth[f"{i}.png"] = LABELS[true]
    found = classify(maps, truth)
    assert found.accuracy == pytest.approx(27 / 30)
    assert found.accuracy_error == pytest.approx(math.sqrt(0.9 * 0.1 / 30))
    assert found.chance == pytest.approx(max(list(truth.values()).count(x) for x in LABELS) / 30)
    assert found.confusion.sum() == 30
    assert np.trace(found.confusion) == 27
    assert found.settled == 1.0
    figures = found.as_dict()
    assert figures["accuracy"] == found.accuracy
    assert figures["surprise"] <= figures["surprise_at_1"] + 1e-9
    part = classify(maps, {"1.png": "b", "2.png": "c"})  # a split alone
    assert part.ids == ("1.png", "2.png")
    assert set(part.per_label()) == {"b", "c"}


def test_the_margin_has_the_error_of_the_difference():
    raw = losses(5, 0, 0.02)
    found = classify([maps_of(5, raw)], {"5.png": "a"})
    means = raw.mean((2, 3, 4))  # (draws, 1 + K)
    order = np.argsort(means[:, 1:].mean(0))
    gap = means[:, 1 + order[1]] - means[:, 1 + order[0]]
    groups = [gap[g::4].mean() for g in range(4)]
    assert found.margin.value[0] == pytest.approx(np.mean(groups), rel=1e-3)
    assert found.margin.error[0] == pytest.approx(np.std(groups, ddof=1) / 2, rel=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 20.0, 3000.0])
def test_the_calibrated_temperature_is_found(temperature):
    """Labels drawn from the probabilities of a known temperature."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(4000, 3)) * 2 * temperature
    probabilities = label_probabilities(scores / 100, np.full(4000, 100.0), temperature)
    truth = np.array([random.choice(3, p=row) for row in probabilities])
    found = calibrated_temperature(scores / 100, np.full(4000, 100.0), truth)
    assert found == pytest.approx(temperature, rel=0.1)


def test_pictures_that_cannot_be_classified_are_told():
    maps = maps_of(0, losses(0, 0, 0.1))
    with pytest.raises(DataError, match="labels=all"):
        classify([maps.of("a")], {"0.png": "a"})
    with pytest.raises(DataError, match="'z' is not among"):
        classify([maps], {"0.png": "z"})
    with pytest.raises(DataError, match="none of the scored"):
        classify([maps], {})
