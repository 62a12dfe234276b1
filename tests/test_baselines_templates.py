"""The baseline that reads by templates alone."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.baselines.template_decoding import LanguageChoice, best_row
from typica.baselines.template_language import WEIGHTS
from typica.baselines.template_reader import TemplateReader
from typica.cli import main
from typica.lines.cache import LineCache
from typica.lines.language import learn_language
from typica.lines.line import Box
from typica.runs import load_tensors
from typica.templates.lattice import Arc, arcs_of
from typica.templates.options import TemplateOptions
from typica.templates.placing import PlacedTemplate, columns_taken, gains
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


def _all_rows(arcs, x=0):
    """Every row that can be made of arcs."""
    yield []
    for arc in arcs:
        if arc.placed.left >= x:
            yield from ([arc, *rest] for rest in _all_rows(arcs, arc.end))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0, 3))
def test_a_lattice_holds_the_rows_that_are_nearly_the_best_and_no_other_arc(seed, margin):
    chance = np.random.default_rng(seed)
    pictures = np.zeros((2, 4, 4), np.float32)
    pictures[0, :, 1:3] = chance.uniform(0.4, 1, (4, 2))
    pictures[1, :, 1:4] = chance.uniform(0.4, 1, (4, 3))
    templates = Templates(pictures, np.array([1, 1]))
    line = chance.random((4, 6), np.float32)
    found = arcs_of([line], templates, 0.5, 0, 0, margin)[0]
    gain, _ = gains(line[None], templates, 0)
    taken = columns_taken(templates, 0).tolist()
    every = [
        Arc(PlacedTemplate(k, x, 0, float(gain[0, k, x])), x + taken[k], float(gain[0, k, x]) - 0.5)
        for x in range(6)
        for k in range(2)
        if x + taken[k] <= 6
    ]
    rows = list(_all_rows(every))
    values = [sum(arc.value for arc in row) for row in rows]
    clear = [v for v in values if abs(max(values) - margin - v) < 1e-4]
    if clear:  # too near to the bound to say
        return
    wanted = {
        (arc.placed.template, arc.placed.left)
        for row, value in zip(rows, values, strict=True)
        for arc in row
        if value > max(values) - margin
    }
    assert [(arc.placed.template, arc.placed.left) for arc in found] == sorted(
        wanted, key=lambda one: (one[1], one[0])
    )


def _worth(row, choice):
    """What a row is worth by its formula, its white columns counted from letter to letter."""
    total, state, end = 0.0, choice.language.start, None
    for arc in row:
        total += arc.value
        letters = choice.letters[arc.placed.template]
        if not letters:
            continue
        if choice.space and end is not None and arc.placed.left - end >= choice.space:
            letters = (choice.language.numbers[" "], *letters)
        for letter in letters:
            total += choice.weight * (float(choice.language.log_p[state, letter]) + choice.mean)
            state = int(choice.language.after[state, letter])
        end = arc.end
    return total


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 4.0]))
def test_the_row_chosen_with_the_language_is_the_best_of_all_rows(seed, weight):
    chance = np.random.default_rng(seed)
    language = learn_language([tuple("ab abb"), tuple("ba bba")], 3)
    names = (language.codes("a"), language.codes("b"), language.codes("ab"), ())
    choice = LanguageChoice(language, names, weight, 0.8, 2)
    arcs = []
    for left in sorted(chance.integers(0, 8, 7).tolist()):
        k, value = int(chance.integers(4)), float(chance.normal(1, 2))
        end = left + int(chance.integers(1, 4))
        # one placement that ends the line, so that no row has white after it
        arcs.append(Arc(PlacedTemplate(k, left, 0, value), end, value))
    arcs.append(Arc(PlacedTemplate(0, 12, 0, 90.0), 13, 90.0))
    best = max(_worth(row, choice) for row in _all_rows(arcs))
    found = best_row(arcs, choice)
    places = [(one.template, one.left, one.gain) for one in found]
    chosen = [arc for arc in arcs if (arc.placed.template, arc.placed.left, arc.value) in places]
    assert len(chosen) == len(found)
    assert _worth(chosen, choice) == pytest.approx(best, abs=1e-4)
    assert best_row([], choice) == []


def test_a_language_tells_two_letters_with_one_shape_apart():
    language = learn_language([tuple("abcabcabc")], 3, spaces=False)
    names = tuple(language.codes(letter) for letter in "abc")
    arcs = [
        Arc(PlacedTemplate(0, 0, 0, 9.0), 2, 9.0),
        Arc(PlacedTemplate(1, 3, 0, 8.0), 5, 8.0),
        Arc(PlacedTemplate(2, 3, 0, 8.5), 5, 8.5),  # looks a little more like c
        Arc(PlacedTemplate(2, 6, 0, 9.0), 8, 9.0),
    ]
    read = {
        weight: "".join("abc"[one.template] for one in best_row(arcs, choice))
        for weight in (0.0, 1.0)
        for choice in [LanguageChoice(language, names, weight, 1.0)]
    }
    assert read == {0.0: "acc", 1.0: "abc"}


SOME = ["--height", "24", "--set", "least=3", "alike=0.25", "same_letter=0.25"]


def test_the_command_reads_with_the_language_of_the_naming_lines(tmp_path, lines, capsys):
    out = tmp_path / "run"
    asked = ["baseline", "templates", str(lines.root), "--out", str(out), *SOME]
    assert main([*asked, "--naming-lines", "8", "--language-order", "3"]) == 0
    capsys.readouterr()
    found = json.loads((out / "evaluation/test/evaluation.json").read_text())
    assert found["cer"] == 0
    _, about = load_tensors(out / "model.safetensors")
    language = about["language"]
    assert language["text"] == "the lines that name the templates"
    assert language["transcriptions"] is True
    errors = language["validation_cer"]
    assert len(errors) == len(WEIGHTS)
    assert errors[f"{language['weight']:g}"] == min(errors.values())


def test_without_transcriptions_the_language_alone_names_the_templates(tmp_path, lines, capsys):
    blind, text = tmp_path / "blind", tmp_path / "text.txt"
    shutil.copytree(lines.root, blind)
    notes = json.loads((blind / "annotation.json").read_text())
    said = [note["label"] for note in notes.values()]
    for note in notes.values():
        if note["split"] != "test":
            note.pop("label")
    (blind / "annotation.json").write_text(json.dumps(notes))
    text.write_text("\n".join(said))
    out = tmp_path / "run"
    asked = ["baseline", "templates", str(blind), "--out", str(out), *SOME]
    assert main([*asked, "--no-transcriptions"]) == 2
    assert "--text" in capsys.readouterr().err
    assert main([*asked, "--text", str(text)]) == 2
    assert "--naming-lines" in capsys.readouterr().err
    assert main([*asked, "--no-transcriptions", "--text", str(text)]) == 0
    found = json.loads((out / "evaluation/test/evaluation.json").read_text())
    assert found["cer"] < 0.05
    _, about = load_tensors(out / "model.safetensors")
    assert about["language"]["text"] == "text.txt"
    assert len(about["language"]["margins"]) == about["letters"]
    assert about["naming"]["lines"] == []
    assert "validation_cer" not in about["language"]
