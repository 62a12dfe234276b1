"""Sprites that start as given pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from typica.cli import main
from typica.errors import DataError, RunError
from typica.runs import save_tensors
from typica.typewriter.carrying import carry_over
from typica.typewriter.model import Typewriter
from typica.typewriter.shapes import (
    fit_codes,
    load_shapes,
    more_sprites,
    save_shapes,
    start_as_shapes,
)

from .helpers import tiny_config


def _model(*changes: str, seed: int = 0) -> Typewriter:
    torch.manual_seed(seed)
    return Typewriter(tiny_config(*changes), ("a", "b")).eval()


def _shapes(model: Typewriter) -> torch.Tensor:
    """Two pictures that its generator can draw."""
    codes = 2 * torch.randn(2, *model.sprites.codes.shape[1:])
    return model.sprites.drawn(codes).detach()


@pytest.mark.parametrize("generator", ["marionette", "mlp", "pixels"])
def test_two_sprites_of_a_letter_become_its_two_shapes(generator):
    changes = (f"sprites.generator={generator}", 'sprites.more=["b"]')
    model, source = _model(*changes, seed=1), _model(changes[0], seed=2)
    carry_over(model, "ab", source, "ab")
    other = model.sprites.codes[0].clone()
    shapes = _shapes(model)
    told = start_as_shapes(model, "ab", {"b": shapes, "x": shapes})
    assert set(told) == {"b"}
    before, after = told["b"]
    assert after < 0.5 * before
    drawn = model.sprites()[1:].detach()
    assert torch.allclose((drawn - shapes).square().mean().sqrt(), torch.tensor(after), atol=1e-6)
    # each of its own shape, and nothing else has changed
    distances = torch.cdist(drawn.flatten(1), shapes.flatten(1))
    assert distances.argmin(1).tolist() == [0, 1]
    assert torch.equal(model.sprites.codes[0], other)


def test_which_letter_it_is_stays_known():
    """Held, p(z) moves less than it does when only the picture counts."""
    model = _model(seed=3)
    keys = model.selection.network
    assert keys is not None
    assert model.selection.codes is None
    start = model.sprites.codes.detach()[:1].expand(2, -1).clone()
    shapes = _shapes(model)
    moved = {
        hold: (keys(fit_codes(model.sprites, start, shapes, keys, hold=hold)) - keys(start)).norm()
        for hold in (0.0, 1.0)
    }
    assert moved[1.0] < 0.5 * moved[0.0]


def test_only_what_is_missing_is_added():
    shapes = {"a": torch.zeros(2, 3, 3), "b": torch.zeros(3, 3, 3)}
    config = tiny_config()
    assert more_sprites(config, shapes) == ("a", "b", "b")
    has = replace(config, sprites=replace(config.sprites, more=("b", "b", "c")))
    assert more_sprites(has, shapes) == ("b", "b", "c", "a")
    two = replace(config, sprites=replace(config.sprites, allographs=2))
    assert more_sprites(two, shapes) == ("b",)


def test_what_does_not_fit_is_refused():
    model = _model()
    with pytest.raises(DataError, match=r"sprites\.more"):
        start_as_shapes(model, "ab", {"a": _shapes(model)})
    two = _model('sprites.more=["a"]')
    with pytest.raises(DataError, match="pixels"):
        start_as_shapes(two, "ab", {"a": torch.zeros(2, 3, 5)})


def test_shapes_come_back_from_their_file(tmp_path: Path):
    shapes = {"r": torch.rand(2, 4, 3), "ſ": torch.rand(3, 4, 3)}
    save_shapes(tmp_path / "shapes.safetensors", shapes)
    found = load_shapes(tmp_path / "shapes.safetensors")
    assert list(found) == list(shapes)
    assert all(torch.equal(found[k], v) for k, v in shapes.items())
    save_tensors(tmp_path / "other.safetensors", {"0": torch.zeros(1)}, {"kind": "x"})
    with pytest.raises(RunError, match="no shapes"):
        load_shapes(tmp_path / "other.safetensors")


def test_a_folder_without_shapes_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    given = ["typewriter", "train", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*given, "--allographs", str(tmp_path)]) != 0
    assert "--start-from" in capsys.readouterr().err
