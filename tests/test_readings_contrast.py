"""The contrast of labels: exact differences, honest errors, a folder like a run's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from typica.errors import ConfigError, RunError
from typica.images.picture import Picture
from typica.mining.draws import Draws
from typica.mining.estimator import Estimator
from typica.mining.maps import PictureMaps
from typica.mining.patches import Patch, patch_readings
from typica.mining.predictor import DenoiserPredictor
from typica.mining.readings.contrast import Contrast, contrast_maps
from typica.mining.readings.contrast_run import contrasts
from typica.mining.typicality import image_typicality, standard_error

from .mining_helpers import LABELS, tiny_config, tiny_small


def _maps(seed: int, labels: tuple[str, ...] = LABELS, groups: int = 4) -> PictureMaps:
    random = np.random.default_rng(seed)
    means = random.normal(size=(len(labels), groups, 3, 5)).astype(np.float32)
    typicality = means.mean(1, dtype=np.float64).astype(np.float32)
    null = np.ones((3, 5), np.float32)
    return PictureMaps(0, "p", labels, typicality, means - typicality[:, None], null, 3)


@given(st.integers(0, 2**32 - 1))
def test_between_two_it_is_the_difference_and_turns_its_sign(seed):
    maps = _maps(seed)
    one = contrast_maps(maps, "a", ("b",))
    assert one.labels == ("a",)
    np.testing.assert_array_equal(one.typicality[0], maps.typicality[0] - maps.typicality[1])
    other = contrast_maps(maps, "b", ("a",))
    np.testing.assert_array_equal(other.typicality, -one.typicality)


@given(st.integers(0, 2**32 - 1))
def test_against_the_rest_it_is_the_plain_mean(seed):
    maps = _maps(seed, ("a", "b", "c", "d"))
    found = contrast_maps(maps, "b", Contrast().others("b", maps.labels))
    rest = sum(maps.typicality[i].astype(np.float64) for i in (0, 2, 3)) / 3
    np.testing.assert_allclose(found.typicality[0], maps.typicality[1] - rest, atol=1e-6)


def test_its_error_is_that_of_the_slow_computation_from_the_same_noises():
    """Draw by draw with the model itself, a difference per group, no map kept."""
    denoiser = tiny_small()
    torch.manual_seed(0)
    for weight in denoiser.unet.parameters():  # fresh, it answers every label alike
        weight.data += 0.05 * torch.randn_like(weight)
    for weight in denoiser.conditioner.parameters():
        weight.data += torch.randn_like(weight)
    config = replace(tiny_config().typicality, draws=8, groups=4)
    draws = Draws.of(config)
    latent = torch.randn(
        1, denoiser.codec.channels, 8, 8, generator=torch.Generator().manual_seed(1)
    )
    means = (
        Estimator(DenoiserPredictor(denoiser, LABELS, 64), LABELS)(latent, [list(LABELS)], draws, 4)
        .typicality[0]
        .numpy()
    )
    mean = means.mean(1, dtype=np.float64).astype(np.float32)
    null = np.zeros((8, 8), np.float32)
    maps = PictureMaps(0, "p", LABELS, mean, means - mean[:, None], null, 12)
    found = image_typicality(contrast_maps(maps, "b", ("a", "c")))

    groups = np.zeros(4)
    times = denoiser.schedule.times(torch.from_numpy(draws.fractions))
    with torch.inference_mode():
        for draw in range(8):
            noise = draws.noise(draw, tuple(latent.shape[1:]))[None]
            noisy = denoiser.schedule.add_noise(latent, noise, times[draw : draw + 1])
            losses = {}
            for label in LABELS:
                guess = denoiser.predict_noise(
                    noisy, times[draw : draw + 1], denoiser.condition([label])
                )
                losses[label] = float((guess - noise).double().square().mean())
            groups[draw % 4] += ((losses["a"] + losses["c"]) / 2 - losses["b"]) / 2
    assert found.value[0] == pytest.approx(groups.mean(), abs=1e-6)
    assert found.error[0] == pytest.approx(groups.std(ddof=1) / 2, abs=1e-6)
    assert found.error[0] > 1e-5
    # and not what the errors of the terms would give if they were independent
    apart = image_typicality(maps).error.astype(float)
    assert abs(found.error[0] - np.sqrt(apart[1] ** 2 + (apart[0] ** 2 + apart[2] ** 2) / 4)) > 1e-5


def test_the_error_of_a_patch_goes_through_the_same_way():
    maps = contrast_maps(_maps(3), "c", ("a", "b"))
    patch = Patch(1, 2, 4)
    error = standard_error(patch_readings(maps.groups[0], 6, 10, [patch]))[0]
    full = _maps(3)
    values = full.typicality[:, None] + full.groups
    slow = [
        patch_readings((values[2, g] - (values[0, g] + values[1, g]) / 2)[None], 6, 10, [patch])[
            0, 0
        ]
        for g in range(4)
    ]
    assert error == pytest.approx(np.std(slow, ddof=1) / 2, rel=1e-4)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ConfigError, match="two different"):
        Contrast(("a", "a"))
    with pytest.raises(ConfigError, match="no such label"):
        Contrast(("a", "z")).others("a", LABELS)
    with pytest.raises(RunError, match="not scored under z"):
        contrast_maps(_maps(0), "a", ("z",))
    assert Contrast(("a", "b")).others("c", LABELS) == ()


def test_a_picture_of_several_labels_is_compared_with_those_it_has_not(tmp_path):
    picture = Picture("p", tmp_path / "p", "a, c", "train", 8, 8, labels=("a", "c"))
    labels = ("a", "b", "c", "d")
    maps = _maps(5, labels)
    (found,) = contrasts([maps], {"p": picture}, labels, Contrast())
    assert found.labels == ("a", "c")
    rest = (maps.typicality[1] + maps.typicality[3]) / 2
    np.testing.assert_allclose(found.typicality[0], maps.typicality[0] - rest, atol=1e-6)
    np.testing.assert_allclose(found.of("c").typicality[0], maps.typicality[2] - rest, atol=1e-6)
    assert list(contrasts([maps], {"p": picture}, labels, Contrast(("a", "c")))) == []
    (found,) = contrasts([maps], {"p": picture}, labels, Contrast(("a", "b")))
    assert found.labels == ("a",)
