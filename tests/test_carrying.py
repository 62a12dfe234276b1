"""Starting a training from a trained typewriter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from typica.cli import main
from typica.typewriter.carrying import carry_over, continued
from typica.typewriter.model import Typewriter
from typica.typewriter.storage import load_typewriter
from typica.typewriter.training import train

from .helpers import tiny_config, tiny_lines


def _model(symbols: str, *changes: str, seed: int = 0) -> Typewriter:
    torch.manual_seed(seed)
    return Typewriter(tiny_config(*changes), tuple(symbols)).eval()


def test_everything_is_carried_over_to_the_same_alphabet():
    source, model = _model("abc", seed=1), _model("abc", seed=2)
    told = carry_over(model, "abc", source, "abc")
    assert told["sprites"] == 3
    for (name, one), two in zip(
        model.named_parameters(), dict(source.named_parameters()).values(), strict=True
    ):
        assert torch.equal(one, two), name


def test_sprites_follow_their_characters():
    source, model = _model("abc", seed=1), _model("bxa", seed=2)
    before = model.sprites.codes.clone()
    assert carry_over(model, "bxa", source, "abc")["sprites"] == 2
    assert torch.equal(model.sprites.codes[0], source.sprites.codes[1])
    assert torch.equal(model.sprites.codes[1], before[1])
    assert torch.equal(model.sprites.codes[2], source.sprites.codes[0])


def test_a_new_allograph_starts_near_its_letter():
    source = _model("ab", seed=1)
    model = _model("ab", 'sprites.more=["b"]', seed=2)
    assert carry_over(model, "ab", source, "ab")["sprites"] == 3
    first, second = model.sprites.codes[1], model.sprites.codes[2]
    assert torch.equal(first, source.sprites.codes[1])
    away = (second - first).norm()
    assert 0 < away < 0.6 * (model.sprites.codes[0] - first).norm()
    # and an allograph that the source has already is kept as it is
    more = _model("ab", 'sprites.more=["b", "b"]', seed=3)
    carry_over(more, "ab", model, "ab")
    assert torch.equal(more.sprites.codes[:3], model.sprites.codes)


def test_what_has_another_size_stays():
    source, model = _model("ab", "encoder.features=24", seed=1), _model("ab", seed=2)
    kept = model.selection.project.weight.clone()
    carry_over(model, "ab", source, "ab")
    assert torch.equal(model.selection.project.weight, kept)
    assert torch.equal(model.sprites.codes, source.sprites.codes)


def test_colours_of_the_collection_are_not_carried_over():
    source = Typewriter(tiny_config(), ("a",), paper=(0.9, 0.9, 0.5), ink=(0.5, 0.1, 0.1))
    model = _model("a")
    ink = model.placer.ink.clone()
    carry_over(model, "a", source, "a")
    assert torch.equal(model.placer.ink, ink)
    assert not torch.equal(model.placer.ink, source.placer.ink)


def test_a_continued_training_has_no_beginning():
    config = continued(tiny_config("sprites.opening=0.2", "training.warm_start=50"))
    assert config.training.warm_start == 0
    assert config.sprites.opening >= config.sprites.width
    assert config.loss.sharpen_until == 0


def test_the_command_goes_on_from_a_run_with_more_sprites(tmp_path, capsys):
    lines = tiny_lines(tmp_path)
    train(lines, tmp_path / "one", tiny_config("training.steps=3"), show_progress=False)
    letter = lines.alphabet()[0]
    given = ["typewriter", "train", str(tmp_path / "lines"), "--out", str(tmp_path / "two")]
    assert (
        main(
            [
                *given,
                "--start-from",
                str(tmp_path / "one"),
                "--set",
                f'sprites.more=["{letter}"]',
                "training.steps=1",
            ]
        )
        == 0
    )
    model, about = load_typewriter(tmp_path / "two")
    source, _ = load_typewriter(tmp_path / "one")
    assert about.config.height == tiny_config().height
    assert about.training["started_from"]["run"] == "one"
    assert model.variants.counts[0] == 2
    assert len(model.sprites.codes) == len(source.sprites.codes) + 1
    # one step away from where it started
    assert (model.sprites.codes[2:] - source.sprites.codes[1:]).abs().max() < 0.05
    assert main([*given, "--start-from", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def test_more_needs_letters():
    with pytest.raises(Exception, match=r"sprites\.more"):
        replace(
            tiny_config("sprites.count=4"),
            sprites=replace(tiny_config("sprites.count=4").sprites, more=("a",)),
        )
