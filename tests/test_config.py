"""Options: every wrong one is named, every right one survives, words mean what they say."""

from __future__ import annotations

import json

import pytest

from typica.errors import ConfigError
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.presets import config_from_dict, preset, with_changes


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("training.steps", "name=value"),
        ("training.stepz=5", r"training\.stepz: no such option; there are .*steps"),
        ("trainning.steps=5", "no group 'trainning'"),
        ("training.steps.more=5", "no group 'steps'"),
        ("training=5", "training"),
        ("=5", "no such option"),
        ("training.steps=0", r"training\.steps"),
        ("training.steps=1.5", r"training\.steps.*type"),
        ("training.steps=true", r"training\.steps.*type"),
        ("training.learning_rate=NaN", r"training\.learning_rate"),
        ("training.learning_rate=Infinity", r"training\.learning_rate"),
        ("training.seed=-1", r"training\.seed"),
        ("training.weight_decay=-1", r"training\.weight_decay"),
        ("training.crop=2", r"training\.crop.*sprites\.count"),
        ("training.schedule=linear", r"training\.schedule"),
        ("loss.alignment=rnn", r"loss\.alignment"),
        ("loss.overlap=-1", r"loss\.overlap"),
        ("sprites.border=0.5", r"sprites\.border"),
        ("encoder.features=4", r"encoder\.features"),
        ("placement.window=0.25", "window"),
        ("sprites.generator=unet", "multiples of 8"),
        ("selection.probability_network=maybe", "type"),
    ],
)
def test_a_wrong_option_is_named(change, word):
    changes = ["height=16", "encoder.step=8"] if "window" in change else ["height=40"]
    with pytest.raises(ConfigError, match=word):
        with_changes(TypewriterConfig(), [*changes, change])


@pytest.mark.parametrize("crop", ["0.01", "0.2"])
def test_a_crop_holds_a_position_at_least(crop):
    with pytest.raises(ConfigError, match=r"training\.crop"):
        with_changes(
            TypewriterConfig(),
            ["height=16", "sprites.count=4", "encoder.step=8", f"training.crop={crop}"],
        )


def test_sprites_divide_into_allographs():
    with pytest.raises(ConfigError, match=r"sprites\.count.*allographs"):
        with_changes(TypewriterConfig(), ["sprites.count=5", "sprites.allographs=2"])
    assert (
        with_changes(TypewriterConfig(), ["sprites.count=6", "sprites.allographs=2"]).sprites.count
        == 6
    )


def test_words_and_numbers_are_understood():
    config = with_changes(
        preset("default"),
        [
            "training.clip=none",
            "training.random_order=False",
            "encoder.mask_padding=true",
            "sprites.count=null",
            "training.learning_rate=1",
            "loss.alignment=ctc",
            'encoder.kind="resnet32"',
        ],
    )
    assert config.training.clip is None
    assert config.training.random_order is False
    assert config.encoder.mask_padding is True
    assert config.sprites.count is None
    assert config.training.learning_rate == 1
    assert (config.loss.alignment, config.encoder.kind) == ("ctc", "resnet32")
    assert preset("default") == TypewriterConfig()
    assert config_from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_sizes_are_even_and_follow_the_height():
    config = with_changes(TypewriterConfig(), ["height=40", "sprites.width=0.33"])
    assert config.sprite_height == 40
    assert config.sprite_width == 14
    assert config.window_width % 2 == 0
    with pytest.raises(ConfigError, match=r"no preset 'papr'.*paper-google"):
        preset("papr")
