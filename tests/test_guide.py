"""The guide: templates in place of a text, alone and beside transcribed lines."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from typica.cli import main
from typica.errors import DataError, RunError
from typica.lines.cache import LineCache
from typica.runs import Run, load_tensors
from typica.typewriter.guide import GUIDE, PICTURE, find_guide, read_guide
from typica.typewriter.loading import LineLoader, collection_colours
from typica.typewriter.storage import TypewriterAbout, load_typewriter
from typica.typewriter.training import train

from .helpers import TINY, tiny_config, tiny_lines

SMALL = ("height=24", "templates.least=3", "templates.alike=0.25", "templates.same_letter=0.25")
"""Letters of a dozen pixels differ more from each other's copies than those of a book."""
HEIGHT = (*SMALL, "training.unsupervised=true")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return tiny_lines(tmp_path_factory.mktemp("data"), 40)


def _blind(lines, known=0):
    """The same lines, of which only the first `known` training lines keep their text."""
    left = known
    out = []
    for line in lines:
        keep = line.split == "train" and left > 0
        left -= keep
        out.append(line if keep else replace(line, symbols=None))
    return replace(lines, lines=tuple(out))


def _about(lines, cache, config):
    symbols = lines.part("train").alphabet() if not config.unsupervised else ()
    return TypewriterAbout(config, symbols, *collection_colours(cache), {}, {}, None, {})


def test_templates_spell_the_lines(lines):
    config = tiny_config(*HEIGHT)
    with LineCache(_blind(lines), 24) as cache:
        guide = find_guide(cache, _about(lines, cache, config), False)
    truth = {line.id: line.letters for line in lines if line.split == "train"}
    assert guide.targets.keys() == truth.keys()  # no other line may be looked at
    assert guide.count == 3
    assert guide.pictures.shape[:2] == (3, 24)
    pairs = {
        (k, letter)
        for name, row in guide.targets.items()
        for k, letter in zip(row, truth[name], strict=True)
    }
    assert len(pairs) == 3
    uses = [sum(row.count(k) for row in guide.targets.values()) for k in range(3)]
    assert uses == sorted(uses, reverse=True)


def test_a_given_number_of_sprites_takes_the_most_used_templates(lines):
    config = tiny_config(*HEIGHT, "sprites.count=2")
    with LineCache(lines, 24) as cache:
        guide = find_guide(cache, _about(lines, cache, config), False)
    assert {k for row in guide.targets.values() for k in row} == {0, 1}


def test_transcribed_lines_say_what_the_templates_stand_for(lines):
    some = _blind(lines, 6)
    config = tiny_config(*SMALL)
    with LineCache(some, 24) as cache:
        guide = find_guide(cache, _about(some, cache, config), False)
    known = {line.id for line in some if line.letters}
    truth = {line.id: line.letters for line in lines if line.split == "train"}
    assert guide.targets.keys() == truth.keys() - known
    assert all(tuple("abo"[k] for k in row) == truth[i] for i, row in guide.targets.items())


def test_the_loader_follows_the_guide_until_told_otherwise(lines):
    with LineCache(lines, 24) as cache:
        first, second = cache.collection.lines[:2]
        loader = LineLoader(
            cache, [0, 1], ("a", "b", "o"), 4, (0.8,) * 3, guide={first.id: (2, 2, 0)}
        )
        follows, left = loader.batch([0, 1]), loader.batch([0, 1], follow_guide=False)
    text = ["abo".index(letter) for letter in second.letters]
    assert follows.targets[0, :3].tolist() == [2, 2, 0]
    assert follows.target_lengths.tolist() == [3, len(text)]
    assert left.target_lengths.tolist() == [0, len(text)]
    assert follows.targets[1, : len(text)].tolist() == left.targets[1, : len(text)].tolist() == text


def test_an_unsupervised_run_finds_its_number_of_sprites_and_resumes_with_its_guide(
    tmp_path, lines
):
    config = tiny_config(*HEIGHT, "training.steps=20", "sprites.allographs=2")
    whole = train(lines, tmp_path / "whole", config, show_progress=False)
    assert whole.finished
    folder = tmp_path / "whole"
    model, about = load_typewriter(folder)
    assert about.symbols == ()
    assert about.config.sprites.count == len(model.sprites.codes) == 6
    assert (folder / PICTURE).exists()
    kept = read_guide(folder)
    assert kept.count == 3
    assert {k for row in kept.targets.values() for k in row} == {0, 1, 2}
    # the guide itself is needed to go on: another one gives other weights
    from typica.typewriter import state

    part = tmp_path / "part"
    step = state.TrainingState.one_step

    def stopping(self, chosen):
        if self.progress.step == 9:
            raise KeyboardInterrupt
        step(self, chosen)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state.TrainingState, "one_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(lines, part, config, show_progress=False)
    assert train(lines, part, resume=True, show_progress=False).finished
    ours, theirs = load_tensors(Run(part).model)[0], load_tensors(Run(folder).model)[0]
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_without_a_guide_keeps_none_of_an_earlier_try(tmp_path, lines):
    out = tmp_path / "run"
    out.mkdir()
    (out / GUIDE).write_text("{}")
    train(lines, out, tiny_config("training.steps=2"), show_progress=False)
    assert read_guide(out) is None


@pytest.mark.parametrize("text", ["", "[]", '{"count": 2}', '{"count": 1, "lines": {"a": ["x"]}}'])
def test_a_damaged_guide_is_named(tmp_path, text):
    (tmp_path / GUIDE).write_text(text)
    with pytest.raises(RunError, match=GUIDE):
        read_guide(tmp_path)


def test_lines_whose_ink_never_comes_back_need_a_number_of_sprites(tmp_path, lines):
    config = tiny_config(*HEIGHT, "templates.least=5000")
    with pytest.raises(DataError, match=r"--set sprites\.count"):
        train(lines, tmp_path / "run", config, show_progress=False)


def test_the_command_learns_without_texts_and_names_afterwards(tmp_path, lines, capsys):
    out = tmp_path / "run"
    changes = [*TINY, *SMALL, "training.steps=30"]
    data = str(lines.root)
    asked = ["typewriter", "train", data, "--out", str(out), "--unsupervised", "--set", *changes]
    assert main(asked) == 0
    assert load_typewriter(out)[1].config.training.unsupervised
    assert main(["typewriter", "name", str(out), data, "--lines", "8"]) == 0
    names = json.loads((out / "naming.json").read_text())
    assert len(names["names"]) == 3
    capsys.readouterr()
