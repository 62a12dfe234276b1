"""Eq. 3.1: the windowed composite against the sum written out; the background row."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.typewriter.compositing import (
    composite,
    composite_plain,
    front_to_back,
    upsample_background,
)


def _layers(seed, batch, positions, height, window, step):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    return (
        draw(batch, positions, height, window),
        draw(batch, positions, 3),
        draw(batch, 3, positions * step),
    )


@given(
    st.integers(0, 1000),
    st.integers(1, 3),
    st.integers(1, 7),
    st.sampled_from([(4, 8, -4), (4, 12, -2), (8, 8, 0), (4, 10, -3), (4, 16, -14), (8, 12, -2)]),
    st.booleans(),
)
@settings(max_examples=60)
def test_picture_and_gradients_equal_the_plain_sum(seed, batch, positions, shape, random):
    step, window, offset = shape
    layers = _layers(seed, batch, positions, 3, window, step)
    order = front_to_back(positions, random, torch.Generator().manual_seed(seed))
    fast = composite(*layers, order, step, offset)
    plain = composite_plain(*layers, order, step, offset)
    torch.testing.assert_close(fast, plain, atol=1e-12, rtol=0)
    weights = torch.rand_like(plain)
    got = torch.autograd.grad((fast * weights).sum(), layers)
    want = torch.autograd.grad((plain * weights).sum(), layers)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


def test_the_front_layer_hides_the_others():
    opacity = torch.ones(1, 2, 2, 8)
    colours = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    background = torch.zeros(1, 3, 8)
    first = composite(opacity, colours, background, torch.tensor([0, 1]), 4, -2)
    assert first[0, 0, 0].tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    last = composite(opacity, colours, background, torch.tensor([1, 0]), 4, -2)
    assert last[0, 1, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("cells", [1, 3, 5])
def test_background_is_linear_between_cells_and_ignores_what_follows_the_line(cells):
    colours = torch.rand(1, 5, 3)
    row = upsample_background(colours, torch.tensor([cells]), 4)
    assert row.shape == (1, 3, 20)
    other = torch.cat([colours[:, :cells], torch.rand(1, 5 - cells, 3)], dim=1)
    torch.testing.assert_close(upsample_background(other, torch.tensor([cells]), 4), row)
    if cells > 1:
        middle = (colours[0, 0] + colours[0, 1]) / 2
        torch.testing.assert_close((row[0, :, 3] + row[0, :, 4]) / 2, middle)
