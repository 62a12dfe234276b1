"""The command line from end to end: every command, and every mistake without a traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch

from typica.cli import main
from typica.runs import load_tensors, save_tensors
from typica.typewriter import state

from .helpers import TINY, WORDS, pillow_font

_QUICK = [*TINY, "training.steps=12", "training.evaluations=1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a text, its rendering, and a run, all made by the command line."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("cli")
    text = folder / "text.txt"
    text.write_text("\n".join(f"{WORDS[i % 8]} {WORDS[(3 * i + 1) % 8]}" for i in range(24)))
    font = pillow_font(folder)
    assert (
        main(
            [
                "lines",
                "render",
                str(text),
                "--font",
                str(font),
                "--out",
                str(folder / "lines"),
                "--train",
                "0.75",
                "--val",
                "0.125",
                "--height",
                "24",
                "--degradation",
                "0",
            ]
        )
        == 0
    )
    assert (
        main(
            [
                "typewriter",
                "train",
                str(folder / "lines"),
                "--out",
                str(folder / "run"),
                "--set",
                *_QUICK,
            ]
        )
        == 0
    )
    return folder


def test_lines_render_makes_a_folder(place):
    annotation = json.loads((place / "lines" / "annotation.json").read_text())
    assert len(annotation) == 24
    assert len(list((place / "lines" / "images").iterdir())) == 24


def test_lines_check_says_what_is_there(place, capsys):
    assert main(["lines", "check", str(place / "lines"), "--height", "16", "--step", "4"]) == 0
    assert "24" in capsys.readouterr().out
    assert main(["lines", "check", str(place / "lines"), "--json"]) in (0, 1)
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_lines_check_fails_where_nothing_can_be_trained(place, tmp_path, capsys):
    shutil.copytree(place / "lines", tmp_path / "lines")
    annotation = json.loads((tmp_path / "lines" / "annotation.json").read_text())
    for entry in annotation.values():
        entry["split"] = "test"
    (tmp_path / "lines" / "annotation.json").write_text(json.dumps(annotation))
    assert main(["lines", "check", str(tmp_path / "lines")]) == 1
    assert capsys.readouterr().out


def test_train_leaves_a_whole_run(place):
    for name in (
        "config.json",
        "model.safetensors",
        "log.jsonl",
        "checkpoint.safetensors",
        "alphabet.png",
        "report/index.html",
        "evaluation/val/evaluation.json",
    ):
        assert (place / "run" / name).is_file(), name


def test_eval_prints_one_json_object(place, capsys):
    command = ["typewriter", "eval", str(place / "run"), str(place / "lines")]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 <= found["cer_low"] <= found["cer"] <= found["cer_high"]
    assert found["reconstruction"] > 0
    assert found["lines"] == 3
    assert main([*command, "--split", "all"]) == 0
    assert capsys.readouterr().out.startswith("all: 24 lines")
    assert main(["typewriter", "report", str(place / "run"), "--split", "all"]) == 0
    page = capsys.readouterr().out.strip()
    assert "<html" in Path(page).read_text(encoding="utf-8")[:500]


def test_text_options_that_have_no_effect_are_told(place, capsys):
    command = ["typewriter", "eval", str(place / "run"), str(place / "lines"), "--json"]
    assert main(command) == 0
    usual = capsys.readouterr()
    assert main([*command, "--sep", "_", "--normalization", "NFD"]) == 0
    told = capsys.readouterr()
    assert "--sep" in told.err
    assert "--sep" not in usual.err
    assert json.loads(told.out)["cer"] == json.loads(usual.out)["cer"]


def test_decompose_writes_what_it_says(place, tmp_path, capsys):
    images, out = place / "lines" / "images", tmp_path / "out"
    command = ["typewriter", "decompose", str(place / "run"), str(images), "--out", str(out)]
    assert main(command) == 0
    assert "24 lines" in capsys.readouterr().out
    assert len((out / "transcription.tsv").read_text().splitlines()) == 25
    for pattern in ("page/**/*.xml", "alto/**/*.xml", "text/**/*.txt", "pictures/**/*.png"):
        assert list(out.glob(pattern)), pattern


def test_print_config_needs_no_data_and_can_be_given_back(tmp_path, capsys):
    command = ["typewriter", "train", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main([*command, "--print-config", "--preset", "paper-google", "--set", "height=32"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed)["height"] == 32
    (tmp_path / "config.json").write_text(printed)
    assert main([*command, "--print-config", "--config", str(tmp_path / "config.json")]) == 0
    assert capsys.readouterr().out == printed
    assert not (tmp_path / "out").exists()


def test_an_interrupted_training_exits_with_130_and_resumes(place, tmp_path, capsys, monkeypatch):
    command = [
        "typewriter",
        "train",
        str(place / "lines"),
        "--out",
        str(tmp_path / "run"),
        "--set",
        *_QUICK,
    ]
    step = state.TrainingState.one_step

    def one_step(self, chosen):
        if self.progress.step == 5:
            os.kill(os.getpid(), signal.SIGINT)
        step(self, chosen)

    with monkeypatch.context() as patch:
        patch.setattr(state.TrainingState, "one_step", one_step)
        assert main(command) == 130
    assert "--resume" in capsys.readouterr().out
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    ours = load_tensors(tmp_path / "run" / "model.safetensors")[0]
    theirs = load_tensors(place / "run" / "model.safetensors")[0]
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def _mistakes(place, tmp_path):
    """Name, command, and words that the message must hold: the file or option, the remedy."""
    lines, run, out = str(place / "lines"), str(place / "run"), str(tmp_path / "out")
    none, empty = str(tmp_path / "none"), tmp_path / "empty"
    empty.mkdir()
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged, ignore=shutil.ignore_patterns("cache"))
    model = damaged / "model.safetensors"
    model.write_bytes(model.read_bytes()[:1000])
    odd = tmp_path / "odd"
    shutil.copytree(run, odd, ignore=shutil.ignore_patterns("cache"))
    config = json.loads((odd / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps({**config, "text": {"sep": ""}}))
    (odd / "evaluation" / "val" / "evaluation.json").write_text('{"split": "val"}')
    (odd / "problems.json").write_text("{")
    only = tmp_path / "only"
    shutil.copytree(lines, only)
    annotation = json.loads((only / "annotation.json").read_text())
    for entry in annotation.values():
        entry["split"] = "train"
    (only / "annotation.json").write_text(json.dumps(annotation))
    file = tmp_path / "file"
    file.write_text("x")
    train = ["typewriter", "train", lines, "--out", out]
    return [
        (["lines", "check", none], ["none", "Give"]),
        (["lines", "render", none, "--font", none, "--out", out], ["none", "Check"]),
        (["typewriter", "train", none, "--out", out], ["none", "Give"]),
        (["typewriter", "train", str(empty), "--out", out], ["empty"]),
        ([*train, "--set", "training.stepz=5"], ["training.stepz", "steps"]),
        ([*train, "--set", "training.steps"], ["name=value"]),
        ([*train, "--config", none], ["none"]),
        ([*train, "--config", str(file)], ["file", "JSON"]),
        ([*train, "--device", "gpu9"], ["gpu9", "auto"]),
        ([*train, "--max-minutes", "-1"], ["--max-minutes"]),
        (["typewriter", "train", lines, "--out", str(file)], ["file", "--out"]),
        (["typewriter", "train", lines, "--out", run], ["run", "--resume"]),
        (["typewriter", "eval", str(empty), lines], ["empty", "train --out"]),
        (["typewriter", "eval", none, lines], ["none", "train --out"]),
        (["typewriter", "eval", run, none], ["none", "Give"]),
        (["typewriter", "eval", str(damaged), lines], ["model.safetensors", "rain again"]),
        (["typewriter", "eval", str(odd), lines], ["config.json", "rain again"]),
        (["typewriter", "eval", run, str(only)], ["only", "--split"]),
        (["typewriter", "decompose", str(damaged), lines, "--out", out], ["model.safetensors"]),
        (["typewriter", "decompose", str(empty), lines, "--out", out], ["empty"]),
        (["typewriter", "decompose", run, lines, "--out", str(file)], ["file"]),
        (["typewriter", "report", none], ["none", "train --out"]),
        (["typewriter", "report", str(empty)], ["empty"]),
        (["typewriter", "report", run, "--split", "train"], ["train", "eval"]),
        (["typewriter", "report", str(odd), "--split", "val"], ["evaluation.json", "eval"]),
        (["demo", "--out", lines], ["lines", "--out"]),
        (["demo", "--out", str(file)], ["file", "--out"]),
        (["nothing"], ["nothing", "usage"]),
    ]


def test_mistakes_are_named_with_their_remedy(place, tmp_path, capsys):
    wrong = []
    for command, words in _mistakes(place, tmp_path):
        try:
            status = main(command)
        except SystemExit as error:
            status = error.code
        told = capsys.readouterr()
        if status != 2 or "Traceback" in told.err or not all(word in told.err for word in words):
            wrong.append((command, status, told.err))
    assert wrong == []


@pytest.mark.parametrize(
    "command",
    [
        ["typewriter", "train", "x", "--out", "y", "--preset", "papr"],
        ["typewriter", "eval", "x", "y", "--split", "dev"],
        ["typewriter", "train", "x"],
        ["lines", "check", "x", "--hight", "5"],
        ["lines", "nothing"],
    ],
)
def test_options_that_do_not_exist_are_refused(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 2
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert told.err + told.out


def test_a_model_with_foreign_weights_is_refused(place, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(place / "run", run, ignore=shutil.ignore_patterns("cache"))
    tensors, about = load_tensors(run / "model.safetensors")
    tensors.pop("sprites.codes")
    save_tensors(run / "model.safetensors", tensors, about)
    assert main(["typewriter", "eval", str(run), str(place / "lines")]) == 2
    told = capsys.readouterr().err
    assert "model.safetensors" in told
    assert "train again" in told


def _told(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert not caught.value.code
    return capsys.readouterr().out


def test_every_command_says_what_each_of_its_options_does(capsys):
    main(["--help"])
    commands = re.findall(r"^  typica ([a-z]+) (\S+) ", capsys.readouterr().out, re.MULTILINE)
    assert len(commands) > 35
    for group, command in commands:
        told = _told([group, command, "--help"], capsys)
        assert "[-h]" in told
        assert "options options" not in told
        # an option without a help text shows nothing but what its default is
        bare = re.findall(
            r"^  -(?:\S| (?! ))*\s{2,}\((?:default|required|repeat)", told, re.MULTILINE
        )
        assert not bare, (group, command)
        assert not re.search(r"^  PATH", told, re.MULTILINE), (group, command)


@pytest.mark.parametrize("command", ["demo", "lines", "typewriter"])
def test_the_demo_and_the_groups_have_a_help(command, capsys):
    assert len(_told([command, "--help"], capsys)) > 200


def test_the_whole_has_a_help_and_a_version(capsys):
    for command in ([], ["--help"], ["-h"]):
        assert main(command) == 0
        told = capsys.readouterr().out
        assert "typewriter train" in told
        assert "lines check" in told
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("typica ")
