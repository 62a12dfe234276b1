"""DDIM inversion: the plain formula, the exact one, and what comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import ConfigError
from typica.mining.schedule import NoiseSchedule
from typica.mining.small import small_scheduler
from typica.mining.translation.inversion import (
    denoise_along,
    inversion_times,
    invert,
    moved,
    psnr,
    rmse,
    solve_step,
    translation_times,
)
from typica.mining.translation.options import PRESETS, TranslationConfig, translation_preset

from .translation_helpers import LABELS, small_denoiser, tiny_stable_diffusion

SCHEDULE = NoiseSchedule.from_scheduler(small_scheduler())
FEW = TranslationConfig(steps=5, inversion_steps=10, start=0.5)
"""Steps that a random model, which is far from smooth in the noise, can be solved for."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sd")
    return {
        "small": (small_denoiser(), (12, 8, 8)),
        "epsilon": (tiny_stable_diffusion(folder / "e"), (4, 8, 8)),
        "v": (tiny_stable_diffusion(folder / "v", "v_prediction"), (4, 8, 8)),
    }


def latents(shape, count=2, seed=0):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed)) * 0.5


@given(now=st.integers(0, 999), then=st.integers(0, 999), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_moving_there_and_back_with_one_noise_changes_nothing(now, then, seed):
    x, noise = latents((2, 3, 3), seed=seed).double(), latents((2, 3, 3), seed=seed + 1).double()
    back = moved(SCHEDULE, noise, moved(SCHEDULE, noise, x, now, then), then, now)
    assert torch.allclose(back, x, atol=1e-8, rtol=1e-8)


@given(
    start=st.floats(0.01, 1),
    steps=st.integers(1, 60),
    inversion=st.integers(1, 1000),
)
@settings(max_examples=50, deadline=None)
def test_an_inversion_ends_where_the_translation_starts_and_visits_its_times(
    start, steps, inversion
):
    config = TranslationConfig(start=start, steps=steps, inversion_steps=inversion)
    down, up = translation_times(1000, config), inversion_times(1000, config)
    assert up == sorted(set(up))
    assert down == sorted(set(down), reverse=True)
    assert up[-1] == down[0] == max(1, round(start * 1000) - 1)
    assert set(down) <= set(up)
    assert up[0] > 0


def test_the_published_times():
    config = TranslationConfig()
    assert translation_times(1000, config)[:2] == [999, 979]
    assert inversion_times(1000, config) == list(range(1, 1000))


@pytest.mark.parametrize("name", ["small", "epsilon", "v"])
def test_plain_inversion_is_the_formula_of_the_papers_program(models, name):
    denoiser, shape = models[name]
    x = latents(shape)
    with torch.no_grad():
        slow, below = x, 0
        for time in inversion_times(1000, FEW):
            mu, sigma = SCHEDULE.signal[time].sqrt(), (1 - SCHEDULE.signal[time]).sqrt()
            before = SCHEDULE.signal[below]
            when = torch.full((len(x),), time)
            eps = denoiser.predict_noise(slow, when, denoiser.condition(["a", "b"]))
            clean = (slow - (1 - before).sqrt() * eps) / before.sqrt()
            slow, below = mu * clean + sigma * eps, time
    fast = invert(denoiser, x, ["a", "b"], FEW)
    assert fast.times == (0, *translation_times(1000, FEW)[::-1])
    assert fast.residual is None
    assert torch.allclose(fast.latents[-1], slow, atol=1e-4, rtol=1e-4)
    assert torch.equal(fast.latents[0], x)


@pytest.mark.parametrize("name", ["small", "epsilon", "v"])
def test_an_exact_inversion_returns_and_a_plain_one_does_not(models, name):
    denoiser, shape = models[name]
    x, config = latents(shape), replace(FEW, inversion="exact", tolerance=1e-6)
    times = translation_times(1000, config)
    found = {
        kind: invert(denoiser, x, ["a", "c"], replace(config, inversion=kind))
        for kind in ("plain", "exact")
    }
    error = {
        kind: float((denoise_along(denoiser, one.latents[-1], ["a", "c"], times) - x).abs().max())
        for kind, one in found.items()
    }
    assert error["exact"] < 5e-4
    assert error["plain"] > 10 * error["exact"]
    assert found["exact"].residual.shape == (2,)
    assert found["exact"].evaluations > found["plain"].evaluations


def test_one_iteration_is_the_plain_step(models):
    denoiser, shape = models["epsilon"]
    x, condition = latents(shape), denoiser.condition(["a", "b"])
    with torch.no_grad():
        # the first guess is the target itself; the second is its image, which is the plain step
        once = replace(FEW, iterations=2)
        got, _, cost = solve_step(denoiser, x, condition, 249, 499, once)
        when = torch.full((2,), 499)
        plain = moved(denoiser.schedule, denoiser.predict_noise(x, when, condition), x, 249, 499)
    assert cost == 4
    assert torch.allclose(got, plain, atol=1e-5)


def test_an_exact_inversion_does_not_depend_on_its_neighbours(models):
    denoiser, shape = models["small"]
    x, config = latents(shape, 3), replace(FEW, inversion="exact")
    together = invert(denoiser, x, LABELS, config).latents[-1]
    for k, label in enumerate(LABELS):
        alone = invert(denoiser, x[k : k + 1], [label], config).latents[-1]
        assert torch.allclose(alone[0], together[k], atol=1e-3)


def test_errors_in_grey_levels():
    one = torch.zeros(1, 3, 2, 2)
    assert rmse(one, one + 2 / 255).item() == pytest.approx(1.0, rel=1e-5)
    assert rmse(one + 5, one + 1).item() == 0  # outside of the range of a file
    assert psnr(0.0) is None
    assert psnr(255.0) == pytest.approx(0)
    assert psnr(25.5) == pytest.approx(20)


def test_options_that_cannot_work_are_refused():
    for wrong in (
        {"steps": 0},
        {"start": 0.0},
        {"features_share": 1.5},
        {"labels": ("a",)},
        {"labels": ("a", "a")},
    ):
        with pytest.raises(ConfigError):
            TranslationConfig(**wrong)
    with pytest.raises(ConfigError, match="no preset"):
        translation_preset("other")
    assert translation_preset("small") == PRESETS["small"]
