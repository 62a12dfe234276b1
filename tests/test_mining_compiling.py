"""Scoring with a compiled UNet: the same maps, and a word where torch cannot compile."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from typica.errors import ConfigError
from typica.mining import compiling
from typica.mining.compiling import compiled
from typica.mining.config import TypicalityConfig
from typica.mining.maps import read_maps
from typica.mining.scoring import score

from .mining_helpers import tiny_about, tiny_config, tiny_pictures, tiny_small


@pytest.fixture
def traced(monkeypatch):
    """Graphs that torch traces and runs as they are: no C++ compiler is needed."""
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(compiling.torch, "compile", partial(torch.compile, backend=keep))
    yield graphs
    torch._dynamo.reset()


def test_a_compiled_unet_gives_the_same_maps(tmp_path, traced):
    pictures = tiny_pictures(tmp_path / "data", count=3)  # of two shapes
    denoiser = tiny_small()
    with torch.no_grad():  # untrained it would not know one label from another
        for weights in denoiser.unet.parameters():
            weights += 0.05 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1))
    config = replace(tiny_config(), typicality=TypicalityConfig(draws=4, groups=2))
    about = tiny_about(config=config)
    made = []
    for name, how in (("plain", False), ("compiled", True)):
        out = tmp_path / name
        score(denoiser, pictures, about, out, compile=how, show_progress=False)
        assert bool(traced) == how
        made.append(list(read_maps(out)))
    assert len(made[0]) == len(pictures)
    for one, two in zip(*made, strict=True):
        assert abs(one.typicality).max() > 0
        assert two.typicality == pytest.approx(one.typicality, abs=2e-6)
        assert two.information == pytest.approx(one.information, rel=1e-3, abs=1e-7)


def test_where_torch_cannot_compile_it_is_told(monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("no working C++ compiler")

    monkeypatch.setattr(compiling.torch, "compile", partial(torch.compile, backend=broken))
    evaluate = compiled(torch.nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"--compile: .*no working C\+\+ compiler"):
        evaluate(torch.zeros(1, 2))
    torch._dynamo.reset()
