"""Sampling: DDIM against diffusers' own, guidance, and independence of the batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from typica.mining.codec import FoldCodec
from typica.mining.conditioner import LabelTable
from typica.mining.denoiser import Denoiser
from typica.mining.pixels import to_arrays, to_tensor
from typica.mining.sampling import ddim_step, guided, sample, start_noise, timesteps
from typica.mining.schedule import NoiseSchedule

from .mining_helpers import LABELS, tiny_small


class Formula(nn.Module):
    """Stands in for a UNet: a fixed function of x, t and the condition, fast."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.7))

    def forward(
        self, noisy: Tensor, times: Tensor, encoder_hidden_states: Tensor, return_dict: bool
    ) -> tuple[Tensor]:
        label = encoder_hidden_states.mean(dim=(1, 2)).view(-1, 1, 1, 1)
        when = times.view(-1, 1, 1, 1) / 1000
        return (torch.tanh(noisy.roll(1, 3) * self.weight + when) + label,)


def scheduler(kind: str, **options: Any) -> DDIMScheduler:
    return DDIMScheduler(
        prediction_type=kind, timestep_spacing="trailing", set_alpha_to_one=True, **options
    )


def formula_denoiser(kind: str) -> Denoiser:
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        table = LabelTable(LABELS, 64)
    return Denoiser(
        FoldCodec(2), table, Formula(), NoiseSchedule.from_scheduler(scheduler(kind))
    ).eval()


@pytest.mark.parametrize("steps", [1, 7, 50, 1000])
def test_times_are_those_of_diffusers(steps):
    theirs = scheduler("epsilon")
    theirs.set_timesteps(steps)
    assert timesteps(1000, steps) == theirs.timesteps.tolist()


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("clip", [False, True])
def test_every_step_is_that_of_diffusers(kind, clip):
    denoiser = formula_denoiser(kind)
    theirs = scheduler(kind, clip_sample=clip)
    theirs.set_timesteps(20)
    times = timesteps(1000, 20)
    x = start_noise(3, 0, (2, 12, 8, 8))
    condition = denoiser.condition(["a", "b"])
    for time, before in zip(times, [*times[1:], -1], strict=True):
        output = denoiser.output(x, torch.full((2,), time), condition)
        ours = ddim_step(denoiser, output, x, time, before, 1.0 if clip else None)
        wanted = theirs.step(output, time, x, use_clipped_model_output=clip).prev_sample
        torch.testing.assert_close(ours, wanted, atol=2e-5, rtol=2e-5)
        x = wanted


def test_guidance_is_the_same_for_v_as_for_noise():
    schedule = formula_denoiser("v_prediction").schedule
    x, told, untold = (torch.randn(2, 3, 4, 4, dtype=torch.float64) for _ in range(3))
    times = torch.tensor([100, 700])
    by_v = schedule.noise_from(guided(told, untold, 4.0), x, times)
    noises = (schedule.noise_from(v, x, times) for v in (told, untold))
    torch.testing.assert_close(by_v, guided(*noises, 4.0), atol=1e-5, rtol=1e-5)


def test_a_picture_is_a_function_of_its_label_seed_and_place():
    denoiser = formula_denoiser("v_prediction")
    labels = ["a", "b", None, "a", "c"]
    together = sample(denoiser, labels, (8, 12), steps=5, seed=1)
    assert together.shape == (5, 3, 8, 12)
    apart = sample(denoiser, labels, (8, 12), steps=5, seed=1, batch_size=2)
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)
    other = sample(denoiser, labels, (8, 12), steps=5, seed=2)
    assert not torch.allclose(together, other)
    assert not torch.allclose(together[0], together[3])  # another place, another noise
    state = torch.random.get_rng_state()
    sample(denoiser, ["a"], (8, 12), steps=1)
    assert torch.equal(state, torch.random.get_rng_state())


def test_guidance_one_needs_no_null_condition(monkeypatch):
    denoiser = formula_denoiser("epsilon")
    sizes: list[int] = []
    plain = denoiser.output
    monkeypatch.setattr(
        denoiser, "output", lambda x, *rest: (sizes.append(len(x)), plain(x, *rest))[1]
    )
    sample(denoiser, ["a", "b"], (8, 8), steps=3, guidance=1.0)
    assert sizes == [2, 2, 2]
    sample(denoiser, ["a", "b"], (8, 8), steps=3, guidance=2.0)
    assert sizes[3:] == [4, 4, 4]


def test_guidance_pulls_towards_the_label():
    denoiser = formula_denoiser("epsilon")
    weak, strong = (sample(denoiser, ["a"], (8, 8), steps=10, guidance=g) for g in (0.0, 3.0))
    without = sample(denoiser, [None], (8, 8), steps=10, guidance=1.0)
    torch.testing.assert_close(weak, without, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(strong, without, atol=1e-2)


def test_the_small_model_samples_within_its_range():
    pixels = sample(tiny_small(), ["a", None], (16, 16), steps=3)
    assert pixels.shape == (2, 3, 16, 16)
    assert pixels.isfinite().all()
    assert pixels.abs().max() <= 1 + 1e-6


def test_bytes_come_back():
    random = torch.Generator().manual_seed(0)
    arrays = torch.randint(0, 256, (2, 5, 7, 3), generator=random).to(torch.uint8).numpy()
    pixels = to_tensor(list(arrays))
    assert pixels.shape == (2, 3, 5, 7)
    assert pixels.min() >= -1
    assert pixels.max() <= 1
    assert (to_arrays(pixels) == arrays).all()
    assert pixels[1, 2, 3, 4] == pytest.approx(arrays[1, 3, 4, 2] / 127.5 - 1, abs=1e-6)
