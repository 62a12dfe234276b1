"""Figures of several runs side by side."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from typica.cli import main
from typica.errors import ConfigError, RunError
from typica.typewriter.figures import alphabet_rows, lines_figure, write_figures
from typica.typewriter.run import train_and_report
from typica.typewriter.storage import load_typewriter

from .helpers import tiny_config, tiny_lines


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on the same lines: with texts, and without texts and names."""
    folder = tmp_path_factory.mktemp("figures")
    lines = tiny_lines(folder)
    config = tiny_config("training.steps=3")
    train_and_report(lines, folder / "read", config, show_progress=False)
    train_and_report(
        lines,
        folder / "blind",
        tiny_config("training.steps=3", "sprites.count=4"),
        show_progress=False,
    )
    return folder / "read", folder / "blind"


def test_a_line_stands_over_what_every_run_makes_of_it(runs):
    one, chosen = lines_figure(runs[:1], None, 1)
    two, same = lines_figure(runs, None, 1)
    assert chosen == same
    assert two.shape[0] > one.shape[0]
    more, several = lines_figure(runs, None, 2)
    assert len(several) == 2
    assert more.shape[0] > 1.8 * two.shape[0]
    # the line itself comes first
    summary = json.loads((runs[0] / "evaluation/val/evaluation.json").read_text())
    number = summary["pictures"][chosen[0]]
    with Image.open(runs[0] / f"evaluation/val/pictures/{number}-original.png") as picture:
        line = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(one[: line.shape[0], : line.shape[1]], line)


def test_a_letter_is_the_sprite_of_its_name(runs):
    model, about = load_typewriter(runs[0])
    masks = model.sprites().detach().numpy()
    rows, names = alphabet_rows(runs[0])
    assert names == tuple(sorted(about.symbols))
    for row, name in zip(rows, names, strict=True):
        np.testing.assert_array_equal(row, masks[about.symbols.index(name)])
    rows, names = alphabet_rows(runs[0], ["?", about.symbols[0]])
    assert not rows[0].any()
    assert alphabet_rows(runs[1])[1] == ("1", "2", "3", "4")


def test_the_command_writes_what_it_drew(runs, tmp_path, capsys):
    given = ["typewriter", "figures", str(runs[0]), str(runs[1]), "--out", str(tmp_path / "f")]
    assert main([*given, "--lines", "2"]) == 0
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "f/lines.png"),
        str(tmp_path / "f/alphabets.png"),
    ]
    told = json.loads((tmp_path / "f/figures.json").read_text())
    assert told["runs"] == ["read", "blind"]
    assert len(told["lines"]) == 2
    assert {"1", "4"} < set(told["letters"])


def test_what_cannot_be_drawn_is_told(runs, tmp_path):
    with pytest.raises(ConfigError, match="at least one run"):
        write_figures([], tmp_path)
    with pytest.raises(RunError, match="no evaluation of test"):
        write_figures(runs, tmp_path, split="test")
    shutil.copytree(runs[0], tmp_path / "other")
    file = tmp_path / "other/evaluation/val/evaluation.json"
    values = json.loads(file.read_text())
    file.write_text(json.dumps(values | {"pictures": {}}))
    with pytest.raises(RunError, match="no line"):
        lines_figure([runs[0], tmp_path / "other"], None, 1)
