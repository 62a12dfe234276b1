"""Which of a character's sprites stands at a place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from typica.lines.cache import LineCache
from typica.lines.line import LineCollection
from typica.typewriter.compositing import composite, front_to_back
from typica.typewriter.model import LineBatch, Typewriter
from typica.typewriter.objective import objective
from typica.typewriter.variant_choice import (
    choice_penalty,
    clear_of_others,
    errors_of_variants,
    read_with_variants,
    warped_variants,
)
from typica.typewriter.variants import Variants

from .helpers import never_blank, tiny_config, tiny_lines


def first_batch(lines: LineCollection, folder: Path) -> LineBatch:
    with LineCache(lines, 16) as cache:
        images = [torch.from_numpy(np.array(cache[i])).permute(2, 0, 1) / 255 for i in range(4)]
    width = -(-max(image.shape[2] for image in images) // 4) * 4
    padded = [F.pad(image, (0, width - image.shape[2]), value=1.0) for image in images]
    return LineBatch(torch.stack(padded), torch.tensor([image.shape[2] for image in images]))


STEP, WINDOW, HEIGHT, OFFSET = 4, 12, 8, -4


def test_only_characters_with_several_sprites_are_looked_at():
    variants = Variants((1, 2))
    logs = torch.full((2, 3, 3), -9.0)
    logs[0, 0, 0] = logs[0, 1, 1] = logs[0, 2, 2] = logs[1, 0, 1] = logs[1, 1, 1] = 0
    logs[1, 2, 0] = 0
    valid = torch.tensor([[True, True, True], [True, False, False]])
    lines, positions = read_with_variants(logs, valid, variants)
    assert list(zip(lines.tolist(), positions.tolist(), strict=True)) == [(0, 1), (1, 0)]


def test_what_others_leave_clear_is_their_product():
    torch.manual_seed(0)
    opacity = torch.rand(2, 5, HEIGHT, WINDOW) * 0.9
    places = (torch.tensor([0, 1, 1]), torch.tensor([2, 0, 4]))
    found = clear_of_others(opacity, places, STEP)
    for one, line, place in zip(found, *places, strict=True):
        for x in range(WINDOW):
            expected = torch.ones(HEIGHT)
            for other in range(5):
                y = place * STEP + x - other * STEP
                if other != place and 0 <= y < WINDOW:
                    expected *= 1 - opacity[line, other, :, y]
            torch.testing.assert_close(one[:, x], expected, rtol=1e-4, atol=1e-5)


def test_the_error_of_a_variant_is_that_of_the_picture_drawn_with_it():
    """Alone on a line, nothing else in the way."""
    torch.manual_seed(1)
    positions, width = 6, 6 * STEP
    image, background = torch.rand(1, 3, HEIGHT, width), torch.rand(1, 3, width)
    sprites = torch.rand(3, HEIGHT, WINDOW - 4)
    scale, shift = torch.tensor([0.9]), torch.tensor([[1.2, -0.7]])
    colours = torch.rand(1, 3)
    table = torch.tensor([[2, 0, 3]])
    masks = warped_variants(sprites, table, scale, shift, (HEIGHT, WINDOW))
    for where in (0, 2, positions - 1):
        places = (torch.tensor([0]), torch.tensor([where]))
        clear = torch.ones(1, HEIGHT, WINDOW)
        found = errors_of_variants(image, background, colours, masks, clear, places, STEP, OFFSET)
        pictures = []
        for mask in masks[0]:
            opacity = torch.zeros(1, positions, HEIGHT, WINDOW)
            opacity[0, where] = mask
            paint = colours[:, None].expand(1, positions, 3)
            order = front_to_back(positions, random=False)
            pictures.append(composite(opacity, paint, background, order, STEP, OFFSET))
        left = where * STEP + OFFSET
        part = slice(max(0, left), min(width, left + WINDOW))
        expected = [
            (picture - image)[..., part].square().mean(1).sum().item() for picture in pictures
        ]
        torch.testing.assert_close(found[0], torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_the_choice_is_the_cross_entropy_with_the_best_variant():
    torch.manual_seed(2)
    logits = torch.randn(2, 4)  # sprites 0, 1, 2 and the empty one
    table = torch.tensor([[0, 3], [1, 2]])
    errors = torch.tensor([[5.0, 0.0], [2.0, 1.0]])  # an empty place is never the best
    expected = -torch.stack([torch.zeros(()), logits[1, 1:3].log_softmax(0)[1]]).mean()
    torch.testing.assert_close(choice_penalty(logits, errors, table), expected)


def test_a_sprite_that_begins_far_behind_is_chosen_where_it_explains_the_ink():
    torch.manual_seed(3)
    positions, step = 8, WINDOW  # side by side
    sprites = (torch.rand(2, HEIGHT, WINDOW - 4) > 0.5).float()
    truth = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
    scale, shift = torch.ones(positions), torch.zeros(positions, 2)
    every = torch.arange(2).expand(positions, 2)
    masks = warped_variants(sprites, every, scale, shift, (HEIGHT, WINDOW))
    opacity = masks[torch.arange(positions), truth][None]
    background = torch.ones(1, 3, positions * step)
    colours = torch.zeros(1, positions, 3)
    order = front_to_back(positions, random=False)
    image = composite(opacity, colours, background, order, step, 0)
    places = (torch.zeros(positions, dtype=torch.long), torch.arange(positions))
    clear = clear_of_others(opacity, places, step)
    errors = errors_of_variants(image, background, colours[0], masks, clear, places, step, 0)
    assert errors.argmin(1).tolist() == truth.tolist()
    start = torch.tensor([5.0, 0.0, 0.0]).expand(positions, 3)
    logits = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(60):
        (logits.grad,) = torch.autograd.grad(choice_penalty(logits, errors, every), [logits])
        optimizer.step()
    assert logits[:, :2].argmax(1).tolist() == truth.tolist()


def test_it_is_part_of_the_objective_where_a_character_has_several_sprites(tmp_path):
    lines = tiny_lines(tmp_path)
    symbols = tuple(sorted({s for line in lines for s in line.letters}))
    batch = first_batch(lines, tmp_path)
    for more, weight, there in (("", 0.1, False), ("a", 0.1, True), ("a", 0.0, False)):
        torch.manual_seed(4)
        several = [f'sprites.more=["{letter}"]' for letter in more]
        config = tiny_config(*several, f"loss.variants={weight}")
        model = Typewriter(config, symbols).train()
        never_blank(model)
        with torch.no_grad():  # everything reads as the first letter
            model.selection.project.weight.zero_()
            keys = model.selection.network(model.sprites.codes)
            model.selection.project.bias.copy_(keys[0])
        terms = objective(model, batch, 5, 10, drawn_from=0, autocast=False)
        assert ("variants" in terms) is there
        if there:
            terms["loss"].backward()
            assert torch.isfinite(model.sprites.codes.grad).all()
