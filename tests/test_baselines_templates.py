"""The baseline that reads by templates alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from typica.baselines.template_reader import TemplateReader
from typica.cli import main
from typica.lines.cache import LineCache
from typica.lines.line import Box
from typica.runs import load_tensors
from typica.templates.options import TemplateOptions
from typica.templates.templates import Templates

from .helpers import tiny_lines


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return tiny_lines(tmp_path_factory.mktemp("data"), 40)


def test_a_line_of_its_templates_is_drawn_and_boxed_exactly(lines):
    picture = np.zeros((24, 20), np.float32)
    picture[6:18, 8:12] = 1
    templates = Templates(picture[None], np.array([3]))
    options = TemplateOptions(shift=0.1)
    reader = TemplateReader(templates, np.zeros(1, np.int64), ((1, 1, 1), (0, 0, 0)), options)
    page = np.full((24, 40, 3), 255, np.uint8)
    page[7:19, 5:9] = page[5:17, 30:34] = 0

    class Cache:
        collection = lines.where(lambda line: line.id == lines.lines[0].id)

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return page

    (reading,) = reader.read(Cache())
    assert reading.reconstruction == 0
    assert [glyph.sprite for glyph in reading.glyphs] == [0, 0]
    assert all(glyph.confidence == 1 for glyph in reading.glyphs)
    factor = reading.height / 24
    for glyph, box in zip(reading.glyphs, ((5, 7, 9, 19), (30, 5, 34, 17)), strict=True):
        wanted = Box(*(value * factor for value in box))
        found, limit = glyph.box, (reading.width, reading.height)
        assert found.left == pytest.approx(min(wanted.left, limit[0]))
        assert (found.top, found.bottom) == pytest.approx((wanted.top, wanted.bottom))


def test_the_command_reads_what_it_never_saw_transcribed(tmp_path, lines, capsys):
    out = tmp_path / "run"
    changes = ["least=3", "alike=0.25", "same_letter=0.25"]
    asked = ["baseline", "templates", str(lines.root), "--out", str(out), "--height", "24"]
    assert main([*asked, "--naming-lines", "6", "--set", *changes]) == 0
    assert "CER" in capsys.readouterr().out
    found = json.loads((out / "evaluation/test/evaluation.json").read_text())
    assert found["cer"] == 0
    tensors, about = load_tensors(out / "model.safetensors")
    assert about["letters"] == 3
    assert tensors["letters"].tolist()[0] == 0
    assert (out / "alphabet.png").exists()
    with LineCache(lines.part("test"), 24) as cache:
        assert found["lines"] == len(cache)
    assert main([*asked, "--naming-lines", "6"]) == 2  # the folder holds a run


def test_without_transcribed_lines_it_says_so_at_once(tmp_path, lines, capsys):
    asked = ["baseline", "templates", str(lines.root), "--out", str(tmp_path / "run")]
    assert main([*asked, "--naming-lines", "400"]) == 2
    assert "--naming-lines" in capsys.readouterr().err
