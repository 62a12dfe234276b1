"""The typewriter as a whole: shapes, independence of batch mates, where windows sit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from typica.errors import ConfigError
from typica.typewriter.config import (
    EncoderConfig,
    SelectionConfig,
    SpriteConfig,
    TypewriterConfig,
)
from typica.typewriter.encoder import Encoder, ResNet32, gaussian_pooling_kernel, position_centre
from typica.typewriter.loading import make_batch
from typica.typewriter.model import Typewriter
from typica.typewriter.presets import PRESETS, config_from_dict, preset, with_changes
from typica.typewriter.selection import (
    best_sprites,
    character_log_probabilities,
    mix_sprites,
    straight_through,
)
from typica.typewriter.sprites import Sprites
from typica.typewriter.variants import Variants, variants_of

SYMBOLS = ("a", "b", "c")
SMALL = TypewriterConfig(height=16, encoder=EncoderConfig(step=4))


def _random_lines(seed, widths, height):
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, (height, w, 3), dtype=np.uint8) for w in widths]


def _trained_a_little(model):
    """Give every parameter and every running statistic a value that is not its start."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
        for name, value in model.named_buffers():
            if name.endswith("running_mean"):
                value.add_(0.1 * torch.randn(value.shape, generator=generator))
    return model


@pytest.mark.parametrize("kind", ["compact", "resnet32"])
def test_a_line_does_not_depend_on_its_batch_mates(kind):
    config = replace(SMALL, encoder=EncoderConfig(kind=kind, step=4))
    model = _trained_a_little(Typewriter(config, SYMBOLS)).eval()
    paper = (0.85, 0.85, 0.85)
    lines = _random_lines(0, [50, 97, 33], 16)
    with torch.no_grad():
        together = model(make_batch(lines, 4, paper))
        for row, line in enumerate(lines):
            alone = model(make_batch([line], 4, paper))
            cells, width = int(alone.cells[0]), line.shape[1]
            assert cells == together.cells[row] == -(-width // 4)
            torch.testing.assert_close(
                together.logits[row, :cells], alone.logits[0], atol=2e-5, rtol=1e-4
            )
            torch.testing.assert_close(
                together.picture[row, :, :, :width],
                alone.picture[0, :, :, :width],
                atol=2e-5,
                rtol=1e-4,
            )


def test_the_paper_encoder_as_published_does_depend_on_padding():
    config = replace(SMALL, encoder=EncoderConfig(kind="resnet32", step=4, mask_padding=False))
    model = _trained_a_little(Typewriter(config, SYMBOLS)).eval()
    lines = _random_lines(0, [50, 97], 16)
    with torch.no_grad():
        together = model(make_batch(lines, 4, (0.85,) * 3)).logits[0, :13]
        alone = model(make_batch(lines[:1], 4, (0.85,) * 3)).logits[0]
    assert (together - alone).abs().max() > 1e-2


def test_the_paper_encoder_has_its_size_and_geometry():
    config = with_changes(preset("paper-google"), ["sprites.generator=mlp"])
    model = Typewriter(config, tuple(map(chr, range(97, 123))))
    encoder = sum(p.numel() for p in model.encoder.parameters())
    assert encoder == 463_504
    generator = sum(p.numel() for p in model.sprites.generator.parameters())
    assert generator == 3 * (1024 * 1024 + 1024) + 2 * 2 * 1024
    heads = sum(p.numel() for p in model.background.parameters())
    assert heads == 25_219
    taken = model.eval()(make_batch(_random_lines(0, [128], 64), 16, (0.7, 0.7, 0.7)))
    assert taken.logits.shape == (1, 8, 27)
    assert taken.sprites.shape == (26, 32, 32)
    assert model.offset == -32


def test_gaussian_pooling_weights_are_the_published_ones():
    kernel = gaussian_pooling_kernel(16, 4)
    assert kernel.sum() == pytest.approx(1)
    columns = kernel.sum(0).tolist()
    assert columns == pytest.approx([0.1345, 0.3655, 0.3655, 0.1345], abs=1e-4)
    assert kernel.sum(1)[6:10].sum() > 0.95


@pytest.mark.parametrize(("kind", "step"), [("compact", 8), ("compact", 4), ("resnet32", 16)])
def test_windows_sit_on_what_their_features_see(kind, step):
    """The centroid of the input gradient of a feature is the centre of its window."""
    config = EncoderConfig(kind=kind, step=step, mask_padding=False)
    centroids = []
    for seed in range(4):
        torch.manual_seed(seed)
        encoder = Encoder(32, config, torch.full((3,), 0.5)).eval()
        image = torch.rand(1, 3, 32, 24 * step, requires_grad=True)
        t = 12
        features = encoder(image, torch.tensor([24]))
        (features[0, t] * torch.randn(features.shape[-1])).sum().backward()
        weight = image.grad.square().sum(dim=(0, 1, 2))
        place = torch.arange(len(weight)) + 0.5
        centroids.append(float((weight * place).sum() / weight.sum()) - step * t)
    assert np.mean(centroids) == pytest.approx(position_centre(config, True), abs=1.2)


@pytest.mark.parametrize("generator", ["mlp", "marionette", "unet", "pixels"])
@pytest.mark.parametrize(
    "selection",
    [
        SelectionConfig(),
        SelectionConfig(shared_codes=False),
        SelectionConfig(probability_network=False),
    ],
)
def test_every_variant_draws_and_learns(generator, selection):
    config = replace(
        SMALL,
        selection=selection,
        sprites=SpriteConfig(generator=generator, width=1.0, allographs=2),
    )
    model = Typewriter(config, SYMBOLS)
    taken = model(make_batch(_random_lines(0, [40, 30], 16), 4, (0.8,) * 3))
    assert taken.sprites.shape == (6, 16, 16)
    assert 0 <= taken.sprites.min() <= taken.sprites.max() <= 1
    logs = model.log_probabilities(taken.logits)
    assert logs.shape == (2, 10, 4)
    torch.testing.assert_close(logs.exp().sum(-1), torch.ones(2, 10))
    (taken.picture.square().mean() + logs[..., 0].mean()).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None]
    assert without == []


def test_hard_selection_draws_one_sprite_but_learns_as_the_average():
    p = torch.tensor([[0.2, 0.5, 0.3]], requires_grad=True)
    hard = straight_through(p, p.argmax(-1))
    assert hard.tolist() == [[0, 1, 0]]
    (hard * torch.tensor([[1.0, 2.0, 3.0]])).sum().backward()
    assert p.grad.tolist() == [[1, 2, 3]]


def test_mixing_is_the_weighted_sum():
    p = torch.rand(2, 3, 5)
    sprites = torch.rand(4, 6, 7)
    want = (p[..., :-1, None, None] * sprites).sum(2)
    torch.testing.assert_close(mix_sprites(p, sprites), want)


def test_the_sprite_drawn_is_of_the_character_read():
    logits = torch.tensor([[0.30, 0.31, 0.35, 0.02, 0.02], [0.3, 0.2, 0.0, 0.1, 0.4]]).log()[None]
    assert best_sprites(logits, Variants((2, 2))).tolist() == [[1, 0]]  # not 2, and not the blank
    assert best_sprites(logits, Variants((1,) * 4)).tolist() == [[2, 4]]
    logits = torch.randn(3, 50, 7)
    read = character_log_probabilities(logits, Variants((2,) * 3)).argmax(-1)
    drawn = best_sprites(logits, Variants((2,) * 3))
    assert (drawn == 6).equal(read == 3)
    assert (drawn // 2).equal(read)


def test_unet_sprites_are_the_same_in_training_and_evaluation():
    sprites = Sprites(5, 16, 16, 32, SpriteConfig(generator="unet"))
    torch.testing.assert_close(sprites.eval()(), sprites.train()())


def test_allographs_add_their_probabilities():
    logits = torch.randn(1, 2, 7)
    p = logits.softmax(-1)[0, 0]
    got = character_log_probabilities(logits, Variants((2,) * 3)).exp()[0, 0]
    want = torch.stack([p[0] + p[1], p[2] + p[3], p[4] + p[5], p[6]])
    torch.testing.assert_close(got, want)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 1000))
def test_characters_may_have_different_numbers_of_sprites(counts, seed):
    variants = Variants(tuple(counts))
    logits = torch.randn(2, 3, sum(counts) + 1, generator=torch.Generator().manual_seed(seed))
    p = logits.double().softmax(-1)
    got = character_log_probabilities(logits.double(), variants).exp()
    chosen = best_sprites(logits, variants)
    start = 0
    for character, count in enumerate(counts):
        own = range(start, start + count)
        torch.testing.assert_close(got[..., character], p[..., list(own)].sum(-1))
        assert [variants.number(k) for k in own] == list(range(count))
        assert variants.owner[start : start + count].tolist() == [character] * count
        for row, at in (got.argmax(-1) == character).nonzero().tolist():
            best = max(own, key=lambda k: float(logits[row, at, k]))
            assert chosen[row, at] == best
        start += count
    torch.testing.assert_close(got[..., -1], p[..., -1])
    assert ((got.argmax(-1) == len(counts)) == (chosen == start)).all()


def test_some_characters_get_more_sprites():
    config = SpriteConfig(allographs=2, more=("d", "s", "d"))
    assert variants_of(config, ("a", "d", "s")).counts == (2, 4, 3)
    assert variants_of(SpriteConfig(count=6, allographs=2), ()).counts == (2, 2, 2)


@pytest.mark.parametrize("name", PRESETS)
def test_configurations_survive_json(name):
    config = preset(name)
    assert config_from_dict(config.as_dict()) == config


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"heigth": 48}, "heigth"),
        ({"encoder": {"step": 7}}, "encoder.step"),
        ({"sprites": {"allographs": 0}}, "allographs"),
        ({"training": {"steps": "many"}}, "type"),
        ({"height": 50}, "multiple of 8"),
    ],
)
def test_a_wrong_configuration_names_the_option(values, word):
    with pytest.raises(ConfigError, match=word):
        config_from_dict(values)


def test_a_new_sprite_is_faint_and_stands_in_the_middle():
    torch.manual_seed(0)
    drawn = Sprites(40, 32, 24, 32, SpriteConfig(initial_opacity=0.1, spread=0.125, border=0.0))()
    columns = drawn.detach().mean(dim=(0, 1))
    assert columns.argmax() in (10, 11, 12, 13)
    assert float(columns[12]) == pytest.approx(0.1, abs=0.03)
    # four pixels are one standard deviation: the odds fall by exp(-1/2)
    assert float(columns[16] / columns[12]) == pytest.approx(0.57, abs=0.1)
    flat = Sprites(40, 32, 24, 32, SpriteConfig(initial_opacity=0.1, spread=None, border=0.0))()
    assert flat.detach().mean(dim=(0, 1)).std() < 0.01


def test_recomputed_blocks_change_no_gradient_and_no_statistics():
    found = []
    for recompute in (0, 3):
        torch.manual_seed(0)
        model = ResNet32(16, 8, recompute).train()
        x = torch.rand(2, 3, 16, 32, generator=torch.Generator().manual_seed(1))
        model(x, torch.tensor([4, 3])).square().mean().backward()
        found.append(
            [p.grad for p in model.parameters()]
            + [b for name, b in model.named_buffers() if "running" in name]
        )
    for kept, again in zip(*found, strict=True):
        assert torch.equal(kept, again)
