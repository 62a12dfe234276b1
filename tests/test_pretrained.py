"""Starting from the encoder that the package carries."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from typica.configs import with_changes
from typica.errors import ConfigError, RunError
from typica.runs import Run, load_tensors
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.model import Typewriter
from typica.typewriter.pretrained import (
    PRETRAINED,
    fit_rows,
    keep_pretrained,
    pretrained_fits,
    start_pretrained,
)
from typica.typewriter.summary import _description
from typica.typewriter.training import train

from .helpers import tiny_config, tiny_lines

SYMBOLS = ("a", "ſ", "no letter")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return tiny_lines(tmp_path_factory.mktemp("data"))


def _model(*changes: str, symbols=SYMBOLS, seed=0) -> Typewriter:
    torch.manual_seed(seed)
    return Typewriter(with_changes(TypewriterConfig(), changes), symbols)


def test_rows_of_another_height_weigh_as_much():
    weight = torch.randn(3, 2, 12, 2, generator=torch.Generator().manual_seed(0))
    assert fit_rows(weight, 12) is weight
    for rows in (6, 10, 16, 24):
        fitted = fit_rows(weight, rows)
        assert fitted.shape == (3, 2, rows, 2)
    even = torch.ones(1, 1, 12, 1)
    torch.testing.assert_close(fit_rows(even, 10).sum(2), even.sum(2))
    # a slope stays a slope, at the middles of the rows
    slope = (torch.arange(12.0)[None, None, :, None] + 0.5) / 12
    inner = fit_rows(slope, 24)[0, 0, 1:-1, 0] * 24 / 12
    torch.testing.assert_close(inner, (torch.arange(1.0, 23) + 0.5) / 24)


def test_the_file_of_the_package_is_small_and_fits():
    assert PRETRAINED.stat().st_size < 4_000_000
    tensors, about = load_tensors(PRETRAINED)
    model, untouched = _model(), _model()
    told = start_pretrained(model, SYMBOLS)
    assert told["characters"] == 2
    row = about["symbols"].index("ſ")
    torch.testing.assert_close(model.sprites.codes[1], tensors["sprites.codes"][row].float())
    torch.testing.assert_close(model.sprites.codes[2], untouched.sprites.codes[2])
    weight = model.encoder.backbone.stem.weight
    torch.testing.assert_close(weight, tensors["encoder.backbone.stem.weight"].float())
    # what letters look like, where and on what paper is not in it
    for name in ("sprites.generator", "placer", "background", "encoder.paper"):
        mine, other = model.state_dict(), untouched.state_dict()
        some = [key for key in mine if key.startswith(name)]
        assert some
        assert all((mine[key] == other[key]).all() for key in some)


def test_other_heights_and_no_alphabet_fit_too():
    start_pretrained(_model("height=40"), SYMBOLS)
    assert start_pretrained(_model("height=64"), ())["characters"] == 0
    allographs = _model("sprites.allographs=2", symbols=("a",))
    start_pretrained(allographs, ("a",))
    first, second = allographs.sprites.codes
    assert (first != second).any()
    assert torch.cosine_similarity(first, second, 0) > 0.9


@pytest.mark.parametrize(
    "change", ["encoder.kind=resnet32", "encoder.step=4", "encoder.features=32"]
)
def test_another_encoder_is_refused(change):
    model = _model(change)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not pretrained_fits(model)
    with pytest.raises(ConfigError, match=r"encoder\.kind=compact"):
        start_pretrained(model, SYMBOLS)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_is_kept_is_what_starts(tmp_path, lines):
    config = tiny_config()
    train(lines, tmp_path / "run", config, show_progress=False)
    path = tmp_path / "kept.safetensors"
    told = keep_pretrained(tmp_path / "run", path)
    assert told["bytes"] == path.stat().st_size
    source, _ = load_tensors(Run(tmp_path / "run").model)
    symbols = tuple(load_tensors(path)[1]["symbols"])
    model = Typewriter(config, symbols)
    assert start_pretrained(model, symbols, path)["characters"] == len(symbols)
    for name, value in model.state_dict().items():
        if name.startswith(("encoder.backbone", "selection.")):
            torch.testing.assert_close(value, source[name], atol=1e-3, rtol=1e-3)
    with pytest.raises(RunError, match="no such file"):
        start_pretrained(model, symbols, tmp_path / "none")


@pytest.mark.parametrize(
    ("start", "fits"), [("pretrained", True), ("auto", True), ("auto", False), ("random", True)]
)
def test_a_training_starts_from_it_and_says_so(tmp_path, lines, start, fits):
    config = tiny_config()
    encoder = TypewriterConfig().encoder if fits else config.encoder
    training = replace(config.training, start=start, steps=2)
    train(
        lines,
        tmp_path / "run",
        replace(config, encoder=encoder, training=training),
        show_progress=False,
    )
    told = Run(tmp_path / "run").read_config()["training"].get("started_from")
    if start == "random" or not fits:
        assert told is None
    else:
        assert told["file"] == "pretrained.safetensors"
        assert told["characters"] > 0


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (None, "Learned from 7 lines, judged on 3 of them."),
        ({"run": "one"}, "Learned from 7 lines after the typewriter one, judged on 3 of them."),
        (
            {"file": "pretrained.safetensors"},
            "Learned from 7 lines with an encoder that had read many typefaces, judged on 3 of "
            "them.",
        ),
    ],
)
def test_the_page_says_what_it_began_with(source, told):
    training = {"train_lines": 7} | ({} if source is None else {"started_from": source})
    assert _description(training, {"split": "train", "lines": 3}, None) == told
