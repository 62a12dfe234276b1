"""The terms of the objective against their formulas written out."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.typewriter.alignment import one_to_one_loss_plain
from typica.typewriter.config import LossConfig, TrainingConfig, TypewriterConfig
from typica.typewriter.losses import (
    frequency_penalty,
    overlap_penalty,
    reconstruction_loss,
    sparsity_penalty,
    text_loss,
)
from typica.typewriter.objective import (
    alignment_temperature,
    learning_rate,
    opening,
    warm_start_ends,
)
from typica.typewriter.presets import preset
from typica.typewriter.sprites import aperture_window


def test_reconstruction_is_the_mean_over_the_lines_own_pixels():
    torch.manual_seed(0)
    picture, image = torch.rand(3, 3, 4, 10), torch.rand(3, 3, 4, 10)
    widths = torch.tensor([10, 7, 1])
    loss = reconstruction_loss(picture, image, widths)
    for row, width in enumerate(widths.tolist()):
        total = 0.0
        for channel in range(3):
            for y in range(4):
                for x in range(width):
                    error = picture[row, channel, y, x] - image[row, channel, y, x]
                    total += float(error) ** 2
        assert float(loss[row]) == pytest.approx(total / (3 * 4 * width), rel=1e-5)
    beyond = image.clone()
    beyond[1, :, :, 7:] = 0
    assert torch.equal(reconstruction_loss(picture, beyond, widths), loss)


@settings(max_examples=20)
@given(st.integers(1, 5), st.sampled_from([1, 2, 4]), st.sampled_from([4, 6, 8]))
def test_overlap_is_the_double_loop_over_pairs(positions, step, window):
    torch.manual_seed(positions)
    height, batch = 3, 2
    opacity = torch.rand(batch, positions, height, window, dtype=torch.float64)
    cells = torch.tensor([positions, max(1, positions - 1)])
    width = (positions - 1) * step + window
    want = []
    for row in range(batch):
        canvases = torch.zeros(positions, height, width, dtype=torch.float64)
        for t in range(positions):
            canvases[t, :, t * step : t * step + window] = opacity[row, t]
        total = sum(
            float((canvases[i] * canvases[j]).sum())
            for i in range(positions)
            for j in range(i + 1, positions)
        )
        want.append(total / (height * step * int(cells[row])))
    got = overlap_penalty(opacity, step, cells)
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64))
    assert float(got.min()) >= -1e-12


def _probabilities():
    torch.manual_seed(3)
    probabilities = torch.randn(2, 5, 4).softmax(-1)
    valid = torch.tensor([[True] * 5, [True, True, False, False, False]])
    return probabilities, valid


def test_sparsity_is_the_mean_blank_of_the_valid_positions():
    probabilities, valid = _probabilities()
    blanks = [float(probabilities[b, t, 3]) for b in range(2) for t in range(5) if valid[b, t]]
    assert float(sparsity_penalty(probabilities, valid)) == pytest.approx(sum(blanks) / 7)


@pytest.mark.parametrize("least", [0.1, 0.9])
def test_frequency_is_what_is_missing_to_the_least_use(least):
    probabilities, valid = _probabilities()
    total = 0.0
    for k in range(4):
        use = [float(probabilities[b, t, k]) for b in range(2) for t in range(5) if valid[b, t]]
        total += min(sum(use) / len(use), least / 4)
    want = 1 - total / least
    assert float(frequency_penalty(probabilities, valid, least)) == pytest.approx(want, abs=1e-6)


def test_frequency_is_zero_for_equal_and_high_for_a_single_use():
    valid = torch.ones(1, 8, dtype=torch.bool)
    equal = torch.full((1, 8, 4), 0.25)
    single = torch.zeros(1, 8, 4)
    single[..., 0] = 1
    assert float(frequency_penalty(equal, valid)) == pytest.approx(0, abs=1e-6)
    assert float(frequency_penalty(single, valid)) == pytest.approx(0.75)


def _text_case():
    torch.manual_seed(1)
    logs = torch.randn(4, 5, 4).log_softmax(-1).requires_grad_()
    targets = torch.tensor([[0, 1, 2, 0, 1, 2], [2, 2, 0, 0, 0, 0], [0] * 6, [1] * 6])
    lengths, sizes = torch.tensor([5, 4, 5, 5]), torch.tensor([3, 2, 0, 6])
    return logs, targets, lengths, sizes


@pytest.mark.parametrize("kind", ["one-to-one", "ctc"])
def test_text_is_per_character_and_skips_what_cannot_be_laid(kind):
    logs, targets, lengths, sizes = _text_case()
    loss = text_loss(logs, targets, lengths, sizes, LossConfig(alignment=kind))
    if kind == "one-to-one":
        want = one_to_one_loss_plain(logs.detach()[:2], targets[:2], lengths[:2], sizes[:2])
    else:
        want = torch.nn.functional.ctc_loss(
            logs.detach()[:2].transpose(0, 1),
            targets[:2],
            lengths[:2],
            sizes[:2],
            blank=3,
            reduction="none",
        )
    torch.testing.assert_close(loss[:2].detach(), want / sizes[:2])
    assert loss[2:].tolist() == [0, 0]  # without a text, and with too long a text
    loss.sum().backward()
    assert bool(logs.grad.isfinite().all())
    assert float(logs.grad[:2].abs().sum()) > 0
    assert float(logs.grad[2:].abs().sum()) == 0


def test_sharpening_prefers_the_best_alignment():
    """A low temperature gathers the posterior; at temperature 1 it is the plain loss."""
    parameter = list(inspect.signature(text_loss).parameters)[-1]
    logs, targets, lengths, sizes = _text_case()
    config = LossConfig()
    plain = text_loss(logs, targets, lengths, sizes, config)
    torch.testing.assert_close(
        text_loss(logs, targets, lengths, sizes, config, **{parameter: 1.0}), plain
    )
    sharp = text_loss(logs, targets, lengths, sizes, config, **{parameter: 0.3})
    assert bool(sharp.isfinite().all())
    assert not torch.allclose(sharp[:2], plain[:2])


def test_the_alignment_temperature_falls_from_one_to_its_last_value():
    config = replace(TypewriterConfig(), loss=LossConfig(sharpen_from=0.12, sharpen_until=0.4))
    values = [alignment_temperature(config, step, 1000) for step in range(1001)]
    assert values[0] == values[int(1000 * config.loss.sharpen_from) - 1] == 1.0
    assert values[-1] == values[int(1000 * config.loss.sharpen_until)] == config.loss.sharpening
    assert all(a >= b for a, b in itertools.pairwise(values))
    assert alignment_temperature(preset("paper-google"), 900, 1000) == 1.0


def test_the_warm_start_ends_when_the_text_is_read_and_no_later_than_its_limits():
    config = TypewriterConfig()
    limit = int(config.training.warm_start_share * 1000)
    assert not warm_start_ends(config, 0, 1000, None)
    assert not warm_start_ends(config, limit - 1, 1000, 0.51)
    assert warm_start_ends(config, 3, 1000, 0.49)
    assert warm_start_ends(config, limit, 1000, 9.0)
    assert warm_start_ends(config, config.training.warm_start, 10**6, 9.0)
    paper = preset("paper-google")
    assert not warm_start_ends(paper, 2999, paper.training.steps, 0.01)
    assert warm_start_ends(paper, 3000, paper.training.steps, None)


def test_the_opening_widens_from_its_first_width_to_the_whole_sprite():
    config = TypewriterConfig()
    until = int(config.sprites.open_until * 1000)
    widths = [opening(config, step, 1000, 200) for step in range(200, 1000)]
    assert widths[0] == pytest.approx(config.height * config.sprites.opening)
    assert widths[until - 200 - 1] == pytest.approx(config.height * config.sprites.width, rel=0.01)
    assert all(a < b for a, b in itertools.pairwise(widths[: until - 200]))
    assert widths[until - 200 :] == [None] * (1000 - until)
    assert opening(preset("paper-google"), 4000, 32_000, 3000) is None


@given(st.integers(1, 60), st.floats(1, 80))
def test_an_opening_is_symmetric_and_as_wide_as_it_says(width, wanted):
    window = aperture_window(width, wanted)
    assert torch.equal(window, window.flip(0))
    assert 0 <= float(window.min()) <= float(window.max()) <= 1
    if 4 <= wanted <= width - 4:  # its soft edges lie within the sprite
        assert float(window.sum()) == pytest.approx(wanted, abs=0.51)


@pytest.mark.parametrize("schedule", ["one-cycle", "hold", "constant"])
def test_learning_rates(schedule):
    config = replace(
        TypewriterConfig(), training=TrainingConfig(schedule=schedule, learning_rate=2.0)
    )
    rates = np.array([learning_rate(config, step, 1000) for step in range(1001)])
    assert rates.max() == pytest.approx(2)
    if schedule == "constant":
        assert (rates == 2).all()
        return
    assert rates[0] == pytest.approx(0.08)
    assert rates[-1] == pytest.approx(0.004)
    top = np.flatnonzero(rates > 2 - 1e-9)
    if schedule == "hold":
        assert (top[0], top[-1]) == (50, 700)
        assert rates[850] == pytest.approx(2 * (0.002 + 0.998 / 2))
    else:
        assert (top[0], top[-1]) == (200, 200)
        assert rates[600] == pytest.approx(2 * (0.002 + 0.998 / 2))
    assert (np.diff(rates[: top[0] + 1]) > 0).all()
    assert (np.diff(rates[top[-1] :]) < 0).all()
