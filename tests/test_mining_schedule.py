"""The forward process against its formulas, whatever the UNet predicts."""

from __future__ import annotations

import pytest
import torch

from typica.errors import ConfigError
from typica.mining.schedule import NoiseSchedule

SIGNAL = torch.linspace(0.95, 0.05, 10)
TIMES = torch.tensor([0, 4, 9])


@pytest.fixture
def mixed() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 2, 4, 4, generator=generator)
    return clean, noise


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_perfect_output_gives_the_noise_and_the_picture_back(mixed, kind):
    clean, noise = mixed
    schedule = NoiseSchedule(SIGNAL, kind)
    noisy = schedule.add_noise(clean, noise, TIMES)
    a = SIGNAL[TIMES].view(-1, 1, 1, 1)
    torch.testing.assert_close(noisy, a.sqrt() * clean + (1 - a).sqrt() * noise)
    found = schedule.noise_from(schedule.target(clean, noise, TIMES), noisy, TIMES)
    torch.testing.assert_close(found, noise, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        schedule.clean_from(found, noisy, TIMES), clean, atol=1e-5, rtol=1e-4
    )


def test_a_predicted_picture_is_trained_on_the_error_of_its_v(mixed):
    clean, noise = mixed
    guess = clean + 0.3 * torch.flip(noise, [0])
    schedule = NoiseSchedule(SIGNAL, "sample")
    a = SIGNAL[TIMES].view(-1, 1, 1, 1)
    noisy = schedule.add_noise(clean, noise, TIMES)
    implied = (noisy - a.sqrt() * guess) / (1 - a).sqrt()
    v = a.sqrt() * implied - (1 - a).sqrt() * guess
    wanted = (v - (a.sqrt() * noise - (1 - a).sqrt() * clean)).square().mean((1, 2, 3))
    found = (guess - clean).square().mean((1, 2, 3)) * schedule.loss_weight(TIMES)
    torch.testing.assert_close(found[1:], wanted[1:])
    # with less than a tenth of noise it weighs no more
    assert float(found[0]) == pytest.approx(0.5 * float(wanted[0]), rel=1e-4)
    assert torch.equal(NoiseSchedule(SIGNAL, "epsilon").loss_weight(TIMES), torch.ones(3))


def test_another_kind_of_model_is_refused():
    class Flow:
        class config:
            prediction_type = None

    with pytest.raises(ConfigError, match="not supported"):
        NoiseSchedule.from_scheduler(Flow())


def test_fractions_are_times():
    schedule = NoiseSchedule(torch.linspace(0.9, 0.1, 1000), "epsilon")
    fractions = torch.tensor([0.0, 0.1, 0.6999, 0.99999])
    assert schedule.times(fractions).tolist() == [0, 100, 699, 999]
