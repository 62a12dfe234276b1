"""The separable warp against torch's sampler, and how raw numbers become scale and shift."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.typewriter.config import PlacementConfig
from typica.typewriter.placement import placement_from_raw, warp


@given(st.integers(0, 1000), st.sampled_from([(8, 8, 16, 16), (6, 4, 6, 8), (12, 9, 12, 15)]))
@settings(max_examples=40)
def test_warp_equals_grid_sample(seed, shape):
    height, width, rows, columns = shape
    generator = torch.Generator().manual_seed(seed)
    sprites = torch.rand(5, height, width, generator=generator, dtype=torch.float64)
    scale = torch.rand(5, generator=generator, dtype=torch.float64) + 0.5
    shift = 6 * torch.rand(5, 2, generator=generator, dtype=torch.float64) - 3
    got = warp(sprites, scale, shift, (rows, columns))
    y = (torch.arange(rows) - (rows - 1) / 2)[None] - shift[:, 1:]
    x = (torch.arange(columns) - (columns - 1) / 2)[None] - shift[:, :1]
    grid = torch.stack(
        [
            (2 * x / width / scale[:, None])[:, None, :].expand(-1, rows, -1),
            (2 * y / height / scale[:, None])[:, :, None].expand(-1, -1, columns),
        ],
        dim=-1,
    )
    want = F.grid_sample(sprites[:, None], grid, align_corners=False)[:, 0]
    torch.testing.assert_close(got, want, atol=1e-10, rtol=0)


def test_a_sprite_at_rest_is_copied_to_the_middle():
    sprite = torch.rand(1, 4, 4)
    drawn = warp(sprite, torch.ones(1), torch.zeros(1, 2), (8, 8))
    torch.testing.assert_close(drawn[:, 2:6, 2:6], sprite)
    torch.testing.assert_close(drawn.sum(), sprite.sum())


def test_the_paper_parametrisation_is_the_affine_map_of_the_appendix():
    """theta = diag(exp(r)) + clamp(t): grid = exp(r) * window / sprite * x + t."""
    config = PlacementConfig(shift="clamp")
    raw = torch.tensor([[[0.3, 0.4, -0.7]]])
    scale, shift = placement_from_raw(raw, config, 64, (32, 32))
    sprite = torch.rand(1, 32, 32)
    theta = torch.tensor([[[0.0, 0, 0.4], [0, 0, -0.7]]])
    theta[0, 0, 0] = theta[0, 1, 1] = torch.exp(torch.tensor(0.3)) * 64 / 32
    grid = F.affine_grid(theta, [1, 1, 64, 64], align_corners=False)
    want = F.grid_sample(sprite[:, None], grid, align_corners=False)[:, 0]
    got = warp(sprite, scale[0], shift[0], (64, 64))
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_the_soft_shift_never_loses_its_gradient():
    raw = torch.full((1, 1, 3), 2.0, requires_grad=True)
    scale, shift = placement_from_raw(raw, PlacementConfig(shift="soft"), 48, (48, 36))
    (scale.sum() + shift.sum()).backward()
    assert (raw.grad.abs() > 1e-3).all()
    hard = torch.full((1, 1, 3), 2.0, requires_grad=True)
    _, shift = placement_from_raw(hard, PlacementConfig(shift="clamp"), 48, (48, 36))
    shift.sum().backward()
    assert hard.grad[0, 0, 1] == 0


def test_soft_reach_is_what_the_options_say():
    config = PlacementConfig(shift="soft", reach_x=0.25, reach_y=0.1, scale_range=0.3)
    raw = torch.tensor([[[50.0, 50.0, -50.0]]])
    scale, shift = placement_from_raw(raw, config, 40, (40, 30))
    torch.testing.assert_close(scale, torch.exp(torch.tensor([[0.3]])))
    torch.testing.assert_close(shift, torch.tensor([[[10.0, -4.0]]]))
