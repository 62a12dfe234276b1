"""The text losses against their recursions, their derivatives and brute force."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.typewriter.alignment import ctc_loss, one_to_one_loss, one_to_one_loss_plain


def _case(seed, batch, positions, letters, longest):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, positions, letters + 1, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, positions + 1, (batch,), generator=generator)
    lengths[0] = positions
    targets = torch.randint(0, letters, (batch, longest), generator=generator)
    sizes = torch.minimum(torch.randint(0, longest + 1, (batch,), generator=generator), lengths)
    return logits.float().requires_grad_(), targets, lengths, sizes


@given(
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 5),
)
@settings(max_examples=40)
def test_loss_and_gradient_equal_the_plain_recursion(seed, batch, positions, letters, longest):
    logits, targets, lengths, sizes = _case(seed, batch, positions, letters, longest)
    fast = one_to_one_loss(logits.log_softmax(-1), targets, lengths, sizes)
    weights = torch.arange(1.0, batch + 1)
    (gradient,) = torch.autograd.grad((fast * weights).sum(), logits)
    plain = one_to_one_loss_plain(logits.log_softmax(-1), targets, lengths, sizes)
    (expected,) = torch.autograd.grad((plain * weights).sum(), logits)
    torch.testing.assert_close(fast, plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(gradient, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("text", [[0], [0, 0], [0, 1, 0], []])
def test_probability_is_the_sum_over_the_readings_that_spell_the_text(text):
    positions, letters = 4, 2
    logs = torch.randn(1, positions, letters + 1).log_softmax(-1)
    spelled = torch.tensor(0.0)
    for path in itertools.product(range(letters + 1), repeat=positions):
        if [k for k in path if k != letters] == text:
            spelled += sum(logs[0, t, k] for t, k in enumerate(path)).exp()
    loss = one_to_one_loss(
        logs,
        torch.tensor([[*text, 0, 0][:3]]),
        torch.tensor([positions]),
        torch.tensor([len(text)]),
    )
    torch.testing.assert_close(loss, -spelled.log()[None], atol=1e-5, rtol=1e-5)


def test_a_repeated_placement_costs_one_to_one_but_not_ctc():
    once = torch.tensor([[[9.0, 0, 0], [0, 0, 9.0], [0, 0, 9.0]]]).log_softmax(-1)
    twice = torch.tensor([[[9.0, 0, 0], [9.0, 0, 0], [0, 0, 9.0]]]).log_softmax(-1)
    rest = (torch.tensor([[0]]), torch.tensor([3]), torch.tensor([1]))
    assert one_to_one_loss(twice, *rest) > one_to_one_loss(once, *rest) + 5
    torch.testing.assert_close(ctc_loss(twice, *rest), ctc_loss(once, *rest), atol=1e-2, rtol=0)


def test_more_letters_than_positions_has_no_alignment_and_no_gradient():
    logits = torch.randn(2, 3, 4, requires_grad=True)
    targets = torch.zeros(2, 4, dtype=torch.long)
    loss = one_to_one_loss(
        logits.log_softmax(-1), targets, torch.tensor([3, 3]), torch.tensor([4, 1])
    )
    loss.clamp(max=1e3).sum().backward()
    assert loss[0] > 1e20
    assert torch.equal(logits.grad[0], torch.zeros(3, 4))
    assert logits.grad[1].abs().sum() > 0


def test_what_stands_after_the_end_of_a_line_does_not_count():
    logits = torch.randn(1, 6, 4)
    longer = torch.cat([logits, torch.randn(1, 5, 4)], dim=1)
    rest = (torch.tensor([[1, 2]]), torch.tensor([6]), torch.tensor([2]))
    torch.testing.assert_close(
        one_to_one_loss(logits.log_softmax(-1), *rest),
        one_to_one_loss(longer.log_softmax(-1), *rest),
    )
