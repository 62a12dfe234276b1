"""Mining from pictures to the page: every command, on tiny models, offline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from typica.cli import main
from typica.demo import mining as demo_mining
from typica.demo import run as demo_run
from typica.errors import ConfigError
from typica.images.options import PictureOptions
from typica.images.prompts import PromptTemplate
from typica.mining.folder import MiningFolder
from typica.mining.maps import read_maps
from typica.mining.run import begin, mine, open_run
from typica.mining.table import read_table

from .mining_helpers import LABELS, tiny_config, tiny_pictures, tiny_pipeline

TINY = [
    "size=16",
    "small.fold=2",
    "small.channels=[32,32]",
    "small.layers=1",
    "small.label_features=64",
    "finetune.steps=4",
    "finetune.batch_size=4",
    "finetune.samples=0",
    "typicality.draws=4",
    "typicality.groups=2",
    "typicality.batch_size=8",
    "features.ensemble=1",
    "clusters.count=2",
    "clusters.starts=1",
    "clusters.stability_runs=1",
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny_pictures(tmp_path / "data").root


def _run(data: Path, out: Path, *more: str) -> int:
    return main(["mine", "run", str(data), "--out", str(out), "--set", *TINY, *more])


def test_one_command_does_everything_and_does_nothing_twice(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert _run(data, out, "--with-base") == 0
    rows = capsys.readouterr().out.splitlines()
    page = Path(rows[-1].removeprefix("open "))
    assert page.is_file()
    assert page.parent.parent == out
    folder = MiningFolder(out)
    assert folder.scored() == ("finetuned", "base")
    table = read_table(folder.elements("finetuned"))
    assert table.labels == LABELS
    assert {int(c) for c in table.cluster[table.rows("a", "typical")]} <= {0, 1}
    maps = {p: p.stat().st_mtime_ns for p in folder.maps("finetuned").iterdir()}
    log = folder.log.read_text()
    assert _run(data, out) == 0
    assert {p: p.stat().st_mtime_ns for p in folder.maps("finetuned").iterdir()} == maps
    assert folder.log.read_text() == log
    assert json.loads(folder.config.read_text())["config"]["finetune"]["steps"] == 4


def test_each_step_is_a_command_and_shards_make_the_same_maps(data, tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert _run(data, whole, "typicality.piece=5") == 0
    options = ["--set", *TINY, "typicality.piece=5"]
    assert main(["mine", "finetune", str(data), "--out", str(parts), *options]) == 0
    assert main(["mine", "select", str(parts)]) == 2
    assert "mine score" in capsys.readouterr().err
    for shard in ("1/2", "0/2"):
        assert main(["mine", "score", str(parts), "--shard", shard]) == 0
    one, two = MiningFolder(whole), MiningFolder(parts)
    for a, b in zip(
        read_maps(one.maps("finetuned")), read_maps(two.maps("finetuned")), strict=True
    ):
        assert a.id == b.id
        assert (a.typicality == b.typicality).all()
    assert main(["mine", "select", str(parts)]) == 0
    assert main(["mine", "report", str(parts)]) == 0
    for name in ("elements.json", "elements.csv"):
        assert main(["mine", "export", str(parts), "--out", str(tmp_path / name)]) == 0
    assert json.loads((tmp_path / "elements.json").read_text())["categories"]
    assert main(["mine", "export", str(parts), "--out", str(tmp_path / "elements.txt")]) == 2


def test_a_stable_diffusion_folder_takes_the_same_path(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pipeline = tiny_pipeline(tmp_path / "sd")
    changes = [one for one in TINY if not one.startswith(("small.", "size", "finetune.steps"))]
    given = ["mine", "run", str(data), "--out", str(tmp_path / "run"), "--base", str(pipeline)]
    given += ["--prompt", "A {label}.", "--null", "A thing."]
    assert main([*given, "--set", "size=32", "finetune.steps=2", *changes]) == 0
    assert (tmp_path / "run" / "denoiser" / "unet").is_dir()
    about = MiningFolder(tmp_path / "run").about()
    assert (about.prompt("b"), about.prompt(None)) == ("A b.", "A thing.")


def test_another_choice_or_other_pictures_are_refused(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert _run(data, out) == 0
    capsys.readouterr()
    assert _run(data, out, "typicality.draws=6") == 2
    assert "typicality.draws=4" in capsys.readouterr().err
    assert _run(data, out, "--prompt", "One {label}.") == 2
    assert "--prompt" in capsys.readouterr().err
    (data / "a" / "03.png").unlink()
    assert main(["mine", "report", str(out)]) == 2
    assert "other pictures" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "work.txt").write_text("mine")
    assert _run(data, tmp_path / "full") == 2
    assert "no mining run" in capsys.readouterr().err


def test_a_run_in_the_data_folder_is_refused(data, capsys):
    assert _run(data, data / "run") == 2
    assert "lies in the data folder" in capsys.readouterr().err
    assert not (data / "run").exists()


def test_one_label_cannot_be_mined(data, tmp_path, capsys):
    assert _run(data / "a", tmp_path / "run") == 2
    assert "label" in capsys.readouterr().err
    assert not (tmp_path / "run" / "config.json").exists()


def test_pictures_that_moved_are_found_with_data(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert _run(data, out) == 0
    moved = data.rename(tmp_path / "moved")
    assert main(["mine", "report", str(out)]) == 2
    assert "--data" in capsys.readouterr().err
    assert main(["mine", "report", str(out), "--data", str(moved)]) == 0


def test_too_little_time_is_said_before_anything_is_trained(data, tmp_path):
    run = begin(
        data,
        tmp_path / "run",
        base="small",
        prompt=PromptTemplate(),
        config=tiny_config(),
        reading=PictureOptions(),
    )
    with pytest.raises(ConfigError, match=r"scoring alone.*typicality\.draws="):
        list(mine(run, max_minutes=1e-4, show_progress=False))
    assert not run.folder.checkpoint.exists()
    assert open_run(tmp_path / "run").about == run.about


def test_the_mining_demo_runs_without_npm(tmp_path, monkeypatch):
    from typica.demo import packages

    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    monkeypatch.setattr(demo_mining, "CONCEPTS", 6)
    config = tiny_config()
    few = replace(config, typicality=replace(config.typicality, draws=2, groups=2))
    monkeypatch.setattr(demo_mining, "demo_mining_config", lambda: few)
    rows = list(demo_run.run_demo(tmp_path / "demo", mining_minutes=0.5, part="mining"))
    assert rows[-1].startswith("open ")
    assert (tmp_path / "demo" / "mining" / "report" / "index.html").is_file()


def test_pictures_are_checked_by_a_command(data, tmp_path, capsys):
    assert main(["images", "check", str(data), "--size", "16", "--factor", "2"]) == 0
    assert "mining can run" in capsys.readouterr().out
    assert main(["images", "check", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 24
    (tmp_path / "one" / "a").mkdir(parents=True)
    (data / "a" / "00.png").rename(tmp_path / "one" / "a" / "00.png")
    assert main(["images", "check", str(tmp_path / "one")]) == 1
    assert main(["images", "check", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def test_options_can_be_seen_before_anything_is_read(tmp_path, capsys):
    given = ["mine", "run", str(tmp_path / "none"), "--out", str(tmp_path / "run")]
    assert main([*given, "--print-config", "--preset", "paper-512"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["size"], shown["typicality"]["sampling"]) == (512, "uniform")
    assert main([*given, "--prompt", "no field"]) == 2
    assert "{label}" in capsys.readouterr().err
