"""The MarioNette baseline: layers against plain loops, its losses, its readings, the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Beta

from typica.baselines.marionette import Dictionary, MarioNette, composite_layers, layer_order
from typica.baselines.marionette_objective import beta_density, beta_loss, objective
from typica.baselines.marionette_options import MarionetteOptions
from typica.cli import main
from typica.configs import with_changes
from typica.errors import ConfigError
from typica.typewriter.decoding import readings
from typica.typewriter.ink import ink_boxes
from typica.typewriter.model import LineBatch

from .helpers import tiny_lines

TINY = ("height=16", "step=8", "features=16", "steps=12", "batch_size=4")


def _model(*changes: str, seed: int = 0) -> MarioNette:
    torch.manual_seed(seed)
    model = MarioNette(with_changes(MarionetteOptions(), [*TINY, "sprites=5", *changes]))
    lasts = (model.presence[-1], model.shift.last[-1], model.colour[-1], model.background[-1])
    for last in lasts:  # some start at 0, which would hide what is learned before them
        nn.init.normal_(last.weight)
        nn.init.zeros_(last.bias)
    return model


def _batch(widths: tuple[int, ...] = (40, 27)) -> LineBatch:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(len(widths), 3, 16, max(widths), generator=generator)
    return LineBatch(images, torch.tensor(widths))


def test_layers_cover_each_other_as_canvases_do():
    torch.manual_seed(0)
    opacity, colours = torch.rand(1, 5, 2, 4, 6), torch.rand(1, 5, 2, 3)
    background, step, offset = torch.rand(1, 3, 15), 3, -2
    orders = [torch.randperm(5), torch.randperm(5)]
    found = composite_layers(opacity, colours, background, orders, step, offset)
    canvas = background[0, :, None].repeat(1, 4, 1)
    for layer in range(2):
        for t in reversed(orders[layer].tolist()):  # the first of an order is in front
            for x in range(6):
                column = t * step + offset + x
                if 0 <= column < 15:
                    a = opacity[0, t, layer, :, x]
                    paint = colours[0, t, layer][:, None]
                    canvas[:, :, column] = a * paint + (1 - a) * canvas[:, :, column]
    torch.testing.assert_close(found[0], canvas)


def test_even_or_odd_anchors_are_in_front():
    assert layer_order(5, False).tolist() == [0, 2, 4, 1, 3]
    drawn = {
        tuple(layer_order(5, True, torch.Generator().manual_seed(s)).tolist()) for s in range(9)
    }
    assert drawn == {(0, 2, 4, 1, 3), (1, 3, 0, 2, 4)}


def test_half_overlapping_patches_and_half_a_step_of_shift():
    model = _model()
    config = model.config
    assert config.window_width == config.sprite_width == 2 * model.step
    taken = model(_batch())
    assert (taken.placement.scale == 1).all()
    many = model.options.layers
    number = torch.arange(taken.logits.shape[1])
    nominal = number * model.step
    anchor = torch.div(number, many, rounding_mode="floor") * model.step
    x = taken.placement.shift[..., 0] + nominal - anchor
    assert x.abs().max() <= model.step / 2 + 1e-4
    assert x.abs().max() > 0.1
    assert taken.placement.shift[..., 1].abs().max() <= model.step / 2


def test_the_dictionary_starts_at_its_opacity_and_normalises_its_codes():
    torch.manual_seed(0)
    sprites = Dictionary(40, 16, 16, 0.2)
    assert float(sprites().detach().mean()) == pytest.approx(0.2, abs=0.03)
    before = sprites().detach()
    with torch.no_grad():
        sprites.codes.mul_(3).add_(1)
    torch.testing.assert_close(sprites(), before, rtol=1e-3, atol=1e-4)


def test_patches_are_mixed_by_probability_and_presence():
    model = _model().train()
    batch = _batch((40,))
    with torch.no_grad():  # so that some are present and some are not
        presence = 1 - model(batch, hard=False).weights[..., -1]
        model.presence[-1].bias.sub_(torch.logit(presence).mean())
    taken = model(batch, hard=False)
    p = taken.logits.softmax(-1)
    torch.testing.assert_close(p, taken.weights)  # the logits are the logarithms of these
    presence = 1 - taken.weights[..., -1]
    codes = F.layer_norm(model.sprites.codes, (128,))
    seen = model.encoder(batch.images, model.cells(batch.widths))
    # statistics of a batch are those of the batch: the same features again
    f = F.layer_norm(model.per_layer(seen).unflatten(-1, (2, 16)), (16,))
    query = F.layer_norm(model.project(f), (128,))
    chosen = (query @ codes.T / np.sqrt(128)).softmax(-1).flatten(1, 2)
    torch.testing.assert_close(chosen * presence[..., None], taken.weights[..., :-1])
    o = torch.sigmoid(model.presence(f.flatten(0, 2))).flatten()
    torch.testing.assert_close(o, presence.flatten())

    hard = model(batch, hard=True)
    best = hard.logits[..., :-1].argmax(-1)
    expected = F.one_hot(best, 5) * (presence > 0.5)[..., None]
    assert torch.equal(hard.weights[..., :-1], expected.float())
    assert torch.equal(hard.weights[..., -1], (presence <= 0.5).float())
    absent = presence[0] <= 0.5
    assert absent.any()
    assert not absent.all()
    assert not hard.opacity[0, absent].any()


def test_the_densities_are_those_of_beta():
    p = torch.tensor([1e-4, 0.2, 0.5, 0.9])
    torch.testing.assert_close(beta_density(p), Beta(2.0, 2.0).log_prob(p).exp())
    weights = torch.tensor([[[0.5, 0.5], [1.0, 0.0], [0.3, 0.7]]])
    presence = torch.tensor([[0.5, 1.0, 0.1]])
    valid = torch.tensor([[True, True, False]])
    # densities 1.5 1.5 0 0 and 1.5 0; what is not valid does not count
    assert float(beta_loss(weights, presence, valid)) == pytest.approx((0.75 + 0.75) / 2)


def test_the_objective_is_the_sum_of_its_terms():
    model = _model("beta_weight=0.3", "sparse_weight=0.07").train()
    batch = _batch()
    terms = objective(model, batch, 4, 12)
    expected = terms["reconstruction"] + 0.3 * terms["beta"] + 0.07 * terms["presence"]
    torch.testing.assert_close(terms["loss"].detach(), expected)
    generator = torch.Generator().manual_seed(4)
    orders = [layer_order(5, True, generator) for _ in range(2)]
    taken = model(batch, hard=False, orders=orders)
    wrong = (taken.picture - batch.images).square().detach()
    rec = (wrong[0].mean() + wrong[1, :, :, :27].mean()) / 2
    torch.testing.assert_close(terms["reconstruction"], rec)
    mean = (1 - taken.weights[..., -1])[taken.valid].mean()
    torch.testing.assert_close(terms["presence"], mean.detach())
    terms["loss"].backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@torch.no_grad()
def test_a_line_is_read_alike_alone_and_in_a_batch_and_lies_where_it_is_read():
    model = _model().eval()
    both = _batch()
    together = model(both)
    # beyond the line's end the images differ: paper or the neighbour's noise
    alone = model(LineBatch(both.images[1:, :, :, :32], both.widths[1:]))
    assert together.cells.tolist() == [10, 8]
    torch.testing.assert_close(together.logits[1, :8], alone.logits[0])

    boxes = ink_boxes(together.sprites.detach().numpy())
    found = readings(model, together, ["a", "b"], [(40, 16), (27, 16)], boxes)
    many, placed = 2, 0
    for row, reading in enumerate(found):
        positions = [
            p for p in range(int(together.cells[row])) if together.weights[row, p, -1] == 0
        ]
        assert len(positions) == len(reading.glyphs)
        placed += len(positions)
        for p, glyph in zip(positions, reading.glyphs, strict=True):
            start = p // many * model.step + model.offset
            ink = boxes[glyph.sprite]
            x = float(together.placement.shift[row, p, 0]) + p * model.step
            x -= p // many * model.step
            expected = np.clip(start + ink.left + x, 0, reading.width)
            assert glyph.box.left == pytest.approx(expected, abs=1e-3)
    assert placed > 0
    painted = model.segmentation(together, torch.ones(5, 3))
    assert painted.shape == both.images.shape


@pytest.mark.parametrize("change", ["layers=0", "start_opacity=1.0", "features=12", "step=5"])
def test_options_that_cannot_work_are_refused(change):
    with pytest.raises(ConfigError, match=change.partition("=")[0]):
        with_changes(MarionetteOptions(), [change])


def test_the_command_trains_names_and_judges(tmp_path, capsys):
    tiny_lines(tmp_path)
    out = tmp_path / "run"
    command = ["baseline", "marionette", str(tmp_path / "lines"), "--out", str(out)]
    command += ["--sprites", "6", "--split", "val"]
    for change in TINY:
        command += ["--set", change]
    assert main([*command, "--naming-lines", "99"]) == 2
    assert "--naming-lines" in capsys.readouterr().err
    assert main(command) == 0
    assert "trained 12 steps" in capsys.readouterr().out
    kept = json.loads((out / "config.json").read_text())
    assert kept["baseline"] == "marionette"
    assert len(kept["naming"]["names"]) == 6
    assert len(kept["naming"]["lines"]) == 2  # a tenth of 18, at least what makes one whole
    judged = json.loads((out / "evaluation/val/evaluation.json").read_text())
    assert 0 < judged["cer"] <= 1.5
    assert judged["reconstruction"] < 0.2
    assert (out / "evaluation/val/readings.jsonl").exists()
    assert (out / "alphabet.png").exists()
