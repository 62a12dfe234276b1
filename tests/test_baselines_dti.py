"""The DTI-Sprites baseline: fast forms against plain loops, stages, reassignment, the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from typica.baselines.dti import DTISprites
from typica.baselines.dti_objective import (
    ink_pieces,
    objective,
    parameter_groups,
    reassign,
    runner_up_loss,
    softmin_shares,
    stage,
    temperature,
)
from typica.baselines.dti_options import DTIOptions
from typica.baselines.dti_selection import best_changes, greedy_selection, window_errors
from typica.baselines.pixel_sprites import PixelSprites, SpriteHeads, soft_clamp
from typica.baselines.sprite_reader import in_reading_order, naming_lines
from typica.baselines.sprite_training import step_batch
from typica.baselines.windows import cut_windows
from typica.cli import main
from typica.configs import with_changes
from typica.errors import ConfigError, DataError
from typica.lines.cache import LineCache
from typica.lines.line import Box
from typica.typewriter.compositing import composite_plain
from typica.typewriter.loading import LineLoader
from typica.typewriter.model import LineBatch
from typica.typewriter.reading import LineReading, PlacedGlyph

from .helpers import tiny_lines

TINY = (
    "height=16",
    "step=4",
    "sprites=5",
    "hidden=6",
    "steps=12",
    "batch_size=4",
    "coarse=1",
    "reassign_every=5",
)


def _options(*changes: str) -> DTIOptions:
    return with_changes(DTIOptions(), [*TINY, *changes])


def _batch(options: DTIOptions, widths: tuple[int, ...] = (40, 27)) -> LineBatch:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(len(widths), 3, options.height, max(widths), generator=generator)
    return LineBatch(images, torch.tensor(widths))


@given(step=st.integers(1, 5), offset=st.integers(-2, 6), window=st.integers(1, 9))
def test_windows_are_the_parts_that_they_cover(step, offset, window):
    picture = torch.rand(2, 2, 3, 14)
    found = cut_windows(picture, 3, window, step, offset)
    for t in range(3):
        for x in range(window):
            place = t * step + offset + x
            there = 0 <= place < 14
            expected = picture[..., place] if there else torch.zeros(2, 2, 3)
            assert torch.equal(found[:, t, ..., x], expected)


def test_window_errors_are_those_of_the_blended_windows():
    torch.manual_seed(0)
    n, count, pixels = 3, 4, 11
    masks, colours = torch.rand(n, count, pixels), torch.rand(n, count, 3)
    beneath, target = torch.rand(n, 3, pixels), torch.rand(n, 3, pixels)
    inside = (torch.rand(n, pixels) > 0.3).float()
    found = window_errors(masks, masks.square(), colours, beneath, target, inside)
    for i in range(n):
        for k in range(count + 1):
            mask = masks[i, k] if k < count else torch.zeros(pixels)
            paint = colours[i, k] if k < count else torch.zeros(3)
            drawn = mask * paint[:, None] + (1 - mask) * beneath[i]
            expected = ((drawn - target[i]).square() * inside[i]).sum()
            torch.testing.assert_close(found[i, k], expected, rtol=1e-4, atol=1e-5)


def test_one_position_of_a_neighbourhood_changes_and_the_best_one():
    gains = torch.tensor([[0.0, 3.0, 1.0, 3.0, 0.5, 2.0, 2.0, 0.0]])
    chosen = torch.ones(1, 8, dtype=torch.long)
    errors = torch.stack([5 - gains, torch.full_like(gains, 5)], dim=-1)
    after, changed = best_changes(errors, chosen, 1)
    # 2 loses to its neighbours; 6 gains as much as 5, which is left of it
    assert changed.tolist() == [[False, True, False, True, False, True, False, False]]
    assert after.tolist() == [[1, 0, 1, 0, 1, 0, 1, 1]]
    # 3 gains as much as 1, and stands in the way of 5 although it waits itself; 6 is out of reach
    assert best_changes(errors, chosen, 2)[1].nonzero().tolist() == [[0, 1], [0, 6]]


@pytest.mark.parametrize("price", [0.0, 0.02])
def test_the_greedy_selection_knows_what_each_sprite_would_cost(price):
    torch.manual_seed(1)
    batch, positions, count, height, window, step, offset = 2, 6, 3, 4, 7, 3, -2
    width = positions * step
    masks = torch.rand(batch, positions, count, height, window)
    colours = torch.rand(batch, positions, count, 3)
    background, image = torch.rand(batch, 3, width), torch.rand(batch, 3, height, width)
    widths, cells = torch.tensor([width, 10]), torch.tensor([positions, 4])
    order = torch.randperm(positions)
    chosen, errors = greedy_selection(
        masks, colours, background, image, widths, cells, order, step, offset, price, 4
    )
    assert (chosen[1, 4:] == count).all()
    assert (chosen < count).any()
    for b in range(batch):
        for t in range(int(cells[b])):
            others = [u for u in order.tolist() if u != t]
            for k in range(count + 1):
                alpha = torch.zeros(1, positions, height, window)
                paint = torch.zeros(1, positions, 3)
                for u in range(positions):
                    sprite = k if u == t else int(chosen[b, u])
                    if sprite < count:
                        alpha[0, u], paint[0, u] = masks[b, u, sprite], colours[b, u, sprite]
                drawn = composite_plain(
                    alpha, paint, background[b : b + 1], torch.tensor([t, *others]), step, offset
                )[0]
                start = t * step + offset
                inside = range(max(0, start), min(int(widths[b]), start + window))
                wrong = (drawn - image[b])[..., inside.start : inside.stop].square().sum()
                expected = wrong / (3 * height * window) + (price if k < count else 0)
                torch.testing.assert_close(errors[b, t, k], expected, rtol=1e-4, atol=1e-6)
    assert torch.isinf(errors[1, 4:, :count]).all()


def test_a_picture_made_of_sprites_is_taken_apart_exactly():
    options = _options("empty_price=0.001", "window=0.5", "sprite_width=0.5")
    model = DTISprites(options).eval()
    with torch.no_grad():
        for k, codes in enumerate(model.sprites.codes.unflatten(1, model.sprites.shape)):
            codes.zero_()
            codes[2 * k : 2 * k + 3, 1:7] = 1
    made = model.draw(_batch(options, (48,)), rounds=0).taken
    empty = made.background[:, :, None].expand(-1, -1, 16, -1).clone()
    truth = {1: 3, 4: 0, 6: 2, 9: 4}
    for position, k in truth.items():
        left = position * model.step + model.offset
        mask = made.sprites[k]
        under = empty[0, :, :, left : left + 8]
        ink = torch.sigmoid(model.ink)[:, None, None]
        empty[0, :, :, left : left + 8] = mask * ink + (1 - mask) * under
    taken = model(LineBatch(empty.detach(), torch.tensor([48])))
    chosen = taken.weights.argmax(-1)[0]
    assert {t: int(k) for t, k in enumerate(chosen) if k < 5} == truth
    assert float((taken.picture - empty).detach().abs().max()) < 1e-3


def test_a_line_is_read_alike_alone_and_in_a_batch():
    options = _options()
    model = DTISprites(options).eval()
    both = _batch(options)
    together = model(both)
    alone = model(LineBatch(both.images[1:, :, :, :28], both.widths[1:]))
    torch.testing.assert_close(together.logits[1, :7], alone.logits[0])
    torch.testing.assert_close(together.picture[1, :, :, :27], alone.picture[0, :, :, :27])
    assert (together.weights[1, 7:, -1] == 1).all()
    assert (together.weights[..., :-1].sum() > 0).all()


def test_every_sprite_has_its_own_network():
    torch.manual_seed(2)
    heads = SpriteHeads(4, 6, 5, 2)
    assert not heads(torch.rand(2, 3, 6)).any()  # nothing is moved at first
    nn.init.normal_(heads.weights[-1])
    nn.init.normal_(heads.biases[-1])
    features = torch.randn(2, 3, 6)
    found = heads(features)
    for b in range(2):
        for t in range(3):
            for k in range(4):
                x = features[b, t]
                for number in range(3):
                    x = x @ heads.weights[number][k] + heads.biases[number][k, 0]
                    x = F.relu(x) if number < 2 else x
                torch.testing.assert_close(found[b, t, k], x)


def test_pixels_are_held_softly_while_they_learn():
    values = torch.tensor([-2.0, 0.0, 0.3, 1.0, 3.0], requires_grad=True)
    held = soft_clamp(values)
    torch.testing.assert_close(held, torch.tensor([-0.02, 0.0, 0.3, 1.0, 1.02]))
    held.sum().backward()
    assert values.grad[0] == pytest.approx(0.01)
    assert values.grad[2] == 1
    sprites = PixelSprites(2, 4, 6, gain=5.0)
    sprites.start_from(torch.ones(2, 4, 6))
    drawn = sprites.eval()()
    assert drawn.shape == (2, 4, 6)
    bell = np.exp(-0.5 * ((np.arange(6) - 2.5) / (6 / 5)) ** 2)
    np.testing.assert_allclose(drawn[1, 2].detach(), bell, rtol=1e-5)


def test_transformations_come_in_stages_and_the_softmin_cools():
    options = _options("colour_from=0.1", "position_from=0.3", "soft_until=0.5")
    assert [stage(options, s, 100) for s in (0, 10, 30)] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    heats = [temperature(options, s, 100) for s in (0, 25, 50, 90)]
    assert heats == pytest.approx([0.002, 0.001, 0, 0])
    model = DTISprites(options).train()
    for head in (model.colour, model.position):
        nn.init.normal_(head.biases[-1])
    batch = _batch(options)
    still = model.draw(batch, coloured=False, placed=False)
    assert (still.scale == 1).all()
    assert not still.shift.any()
    assert (still.colours.var(dim=2) < 1e-12).all()
    moved = model.draw(batch)
    assert moved.shift.abs().amax(dim=(0, 1)).min() > 0
    assert (moved.colours.var(dim=2) > 0).any()
    # the selection looks at the windows that are drawn
    chosen = moved.taken.weights.argmax(-1)
    b, t = (int(i) for i in (chosen < 5).nonzero()[0])
    k = int(chosen[b, t])
    alone = model.windows(moved.taken.sprites[k][None], moved.scale[b, t, k][None],
                          moved.shift[b, t, k][None])  # fmt: skip
    torch.testing.assert_close(moved.taken.opacity[b, t], alone[0])


def test_shrunk_selection_is_that_of_shrunk_pictures():
    model = DTISprites(_options("coarse=2", "step=8", "height=32")).train()
    options = model.options
    batch = _batch(options, (64, 64))
    flat = batch.images.mean(dim=2, keepdim=True).mean(dim=3, keepdim=True)
    batch = LineBatch(flat.expand(-1, -1, 32, 64).contiguous(), batch.widths)
    with torch.no_grad():  # what is flat over 2 x 2 pixels does not change when it shrinks
        codes = model.sprites.codes.unflatten(1, model.sprites.shape)
        codes.copy_(F.avg_pool2d(codes, 4).repeat_interleave(4, 1).repeat_interleave(4, 2))
    shrunk = model.draw(batch, coloured=False, placed=False, rounds=1)
    object.__setattr__(options, "coarse", 1)
    whole = model.draw(batch, coloured=False, placed=False, rounds=1)
    assert torch.equal(shrunk.taken.weights, whole.taken.weights)
    torch.testing.assert_close(shrunk.errors, whole.errors, rtol=1e-3, atol=1e-5)


def test_runners_up_learn_by_their_share_of_the_softmin():
    options = _options("candidates=3")
    model = DTISprites(options).train()
    batch = _batch(options)
    drawn = model.draw(batch)
    sprites, shares = softmin_shares(drawn.errors, 0.01, 3)
    weights = torch.exp(-drawn.errors / 0.01)
    weights = weights / weights.sum(-1, keepdim=True)
    torch.testing.assert_close(shares, weights.gather(-1, sprites))
    assert (shares.diff(dim=-1) <= 0).all()
    found = runner_up_loss(model, drawn, batch, 0.01, 3)
    chosen = drawn.taken.weights.argmax(-1)
    # what `errors` says of these sprites without gradients, in another unit and without price
    area = options.height * model.config.window_width
    expected = torch.zeros(2)
    for b in range(2):
        for t in range(int(drawn.taken.cells[b])):
            for k, share in zip(sprites[b, t].tolist(), shares[b, t], strict=True):
                if k != int(chosen[b, t]):
                    error = drawn.errors[b, t, k] - options.empty_price
                    expected[b] += share * error * area / (16 * batch.widths[b])
    torch.testing.assert_close(found.detach(), expected, rtol=1e-3, atol=1e-5)
    found.sum().backward()
    assert model.sprites.codes.grad.abs().sum() > 0


def test_a_step_teaches_what_is_drawn_and_repeats_itself():
    options = _options()
    torch.manual_seed(0)
    model = DTISprites(options).train()
    batch = _batch(options)
    first = objective(model, batch, 11, 12)  # past the softmin
    assert set(first) == {"loss", "reconstruction", "placed"}
    taken = model.draw(batch, torch.randperm(10, generator=torch.Generator().manual_seed(11))).taken
    errors = []
    for b, width in enumerate((40, 27)):
        wrong = (taken.picture - batch.images)[b, :, :, :width]
        errors.append(wrong.square().mean())
    torch.testing.assert_close(first["loss"], sum(errors) / 2, rtol=1e-4, atol=0)
    assert float(model.uses.sum()) == float(taken.weights[..., :-1].sum())
    first["loss"].backward()
    used = taken.weights[..., :-1].sum(dim=(0, 1)) > 0
    moved = model.sprites.codes.grad.abs().sum(1) > 0
    assert torch.equal(moved, used)
    early = objective(model, batch, 0, 12)
    assert float(early["loss"].detach()) > float(early["reconstruction"])


def test_a_sprite_that_is_hardly_used_starts_again_from_one_that_is():
    options = _options("reassign_below=0.2", "reassign_noise=0.01")
    model = DTISprites(options).train()
    optimizer = torch.optim.AdamW(parameter_groups(model))
    objective(model, _batch(options), 0, 100)["loss"].backward()
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    before = model.sprites.codes.detach().clone()
    model.uses.copy_(torch.tensor([50.0, 0, 40, 1, 30]))
    assert reassign(model, optimizer, 4, 100) == []  # not yet
    assert float(model.uses.sum()) == 121
    assert reassign(model, optimizer, 5, 100) == [1, 3]
    assert not model.uses.any()
    for k in (1, 3):
        distance = (model.sprites.codes[k] - before[[0, 2, 4]]).abs().amax(1)
        source = int(distance.argmin())
        assert 0 < distance[source].item() * model.sprites.gain < 0.1
        same = [0, 2, 4][source]
        assert torch.equal(model.position.weights[1][k], model.position.weights[1][same])
        assert not optimizer.state[model.sprites.codes]["exp_avg"][k].any()
    assert torch.equal(model.sprites.codes[[0, 2, 4]], before[[0, 2, 4]])
    assert optimizer.state[model.sprites.codes]["exp_avg"][0].any()
    model.uses.fill_(1.0)
    model.uses[0] = 0
    assert reassign(model, optimizer, 80, 100) == []  # too late for that


def test_sprites_start_as_pieces_of_lines(tmp_path):
    with LineCache(tiny_lines(tmp_path, 8), 16) as cache:
        paper, ink = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
        loader = LineLoader(cache, list(range(len(cache))), (), 4, paper, 32)
        pieces = ink_pieces(loader, 3, (16, 8), ink, 5)
        assert torch.equal(pieces, ink_pieces(loader, 3, (16, 8), ink, 5))
        assert not torch.equal(pieces, ink_pieces(loader, 3, (16, 8), ink, 6))
        assert pieces.amax(dim=(1, 2)).min() > 0.5
        whole = [1 - np.asarray(cache[i]).mean(-1) / 255 for i in range(len(cache))]
        for piece in pieces.numpy():
            views = [
                np.abs(one[:, left : left + 8] - piece).max()
                for one in whole
                for left in range(one.shape[1] - 7)
            ]
            assert min(views) < 1e-5
        # a step's crops are a function of the step alone
        first = step_batch(loader, 7, 3, 1)
        assert torch.equal(first.images, step_batch(loader, 7, 3, 1).images)
        assert first.images.shape[1:] == (3, 16, 32)
        seen = [i for step in range(3) for i in step_batch(loader, step, 3, 1).index]
        assert sorted(seen) == list(range(8))


def test_glyphs_are_read_from_left_to_right():
    def glyph(left: float) -> PlacedGlyph:
        return PlacedGlyph("x", 0, Box(left, 0, left + 2, 4), 1.0, 1.0, (0.0, 0.0, 0.0))

    reading = LineReading("a", 20, 4, (glyph(5), glyph(1), glyph(9)))
    assert [g.box.left for g in in_reading_order(reading).glyphs] == [1, 5, 9]


def test_names_come_from_the_first_tenth(tmp_path):
    lines = tiny_lines(tmp_path, 24)
    train = [line for line in lines if line.split == "train"]
    assert naming_lines(lines.lines, None) == tuple(train[:2])
    assert naming_lines(lines.lines, 5) == tuple(train[:5])
    for count in (0, 19):
        with pytest.raises(DataError, match="--naming-lines"):
            naming_lines(lines.lines, count)


@pytest.mark.parametrize(
    "change",
    ["sprites=0", "candidates=9", "coarse=3", "colour_from=0.5", 'start="x"', "crop=0.01"],
)
def test_options_that_cannot_work_are_refused(change):
    with pytest.raises(ConfigError, match=change.partition("=")[0]):
        _options(change)


def test_the_command_trains_names_and_judges(tmp_path, capsys):
    tiny_lines(tmp_path)
    out = tmp_path / "run"
    command = ["baseline", "dti-sprites", str(tmp_path / "lines"), "--out", str(out)]
    command += ["--sprites", "6", "--naming-lines", "9"]
    for change in (one for one in TINY if not one.startswith("sprites")):
        command += ["--set", change]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "trained 12 steps" in told
    kept = json.loads((out / "config.json").read_text())
    assert kept["baseline"] == "dti-sprites"
    assert kept["options"]["sprites"] == 6
    assert len(kept["naming"]["names"]) == 6
    assert len(kept["naming"]["lines"]) == 9
    judged = json.loads((out / "evaluation/test/evaluation.json").read_text())
    assert 0 < judged["cer"] < 1  # ink that is started from reads some letters at once
    assert judged["reconstruction"] < 0.1
    read = [json.loads(r) for r in (out / "evaluation/test/readings.jsonl").open()]
    assert len(read) == 3
    for row in read:
        middles = [g["box"][0] + g["box"][2] for g in row["glyphs"]]
        assert middles == sorted(middles)
        assert {g["symbol"] for g in row["glyphs"]} <= set("abo")
    assert (out / "alphabet.png").exists()
    assert main(command) == 2  # a run is there already
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
