"""Training on two processes: what one process with the same global batch does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from typica.mining.finetuning import finetune
from typica.mining.folder import MiningFolder
from typica.processes import ALONE, Processes
from typica.runs import Run, load_tensors
from typica.typewriter.training import train

from .helpers import tiny_config, tiny_lines
from .mining_helpers import tiny_about, tiny_pictures
from .mining_helpers import tiny_config as mining_config
from .process_helpers import together

VARIANTS = {
    "plain": {"steps": 4},
    "accumulated": {"steps": 4, "accumulate": 2, "ema": 0.9, "clip": 0.1},
}


def _finetune(place: Path, name: str, resume: bool = False, **changes):
    given = {"bfloat16": False, "batch_size": 4, "evaluations": 2} | VARIANTS[name] | changes
    about = tiny_about(config=mining_config(**given))
    options = {"device": "cpu", "show_progress": False, "resume": resume}
    pictures = tiny_pictures(place / f"data-{os.environ.get('RANK', 0)}")
    return finetune(pictures, MiningFolder(place / name), about, **options)


LINES = {
    "lines": ("training.steps=5", "training.warm_start=2", "training.jitter_shift=0.1"),
    # 18 lines: every other batch is a single one, which two processes cannot share out
    "uneven": ("training.steps=4", "training.warm_start=1", "training.batch_size=17"),
    "recomputed": ("training.steps=2", "training.warm_start=1", "encoder.kind=resnet32"),
}
SLOWLY = ("training.bfloat16=false", "training.learning_rate=1e-6")
"""Adam takes whole steps also where a gradient is nothing but rounding: let them be short."""
OPTIONS = {"recomputed": ("encoder.recompute=3", "loss.alignment=ctc")}


def _learn(place: Path, name: str, resume: bool = False, *changes: str):
    given = (*LINES[name], *OPTIONS.get(name, ()), *SLOWLY, *changes)
    lines = tiny_lines(place / f"lines-{os.environ.get('RANK', 0)}")
    options = {"device": "cpu", "show_progress": False, "resume": resume}
    return train(lines, place / name, tiny_config(*given), **options)


def train_together(place: str) -> None:
    """Called in every process."""
    for name in VARIANTS:
        done = _finetune(Path(place), name)
        assert done.finished
        assert (done.held_out_loss is None) == (os.environ["RANK"] != "0")
    for name in LINES:
        assert _learn(Path(place), name).finished
    # what one process began
    assert _finetune(Path(place) / "begun", "plain", resume=True).step == 4


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The same trainings in one process and in two."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    for name in VARIANTS:
        assert _finetune(one, name).finished
    for name in LINES:
        assert _learn(one, name).finished
    assert _finetune(two / "begun", "plain", steps=2).finished
    together(2, "tests.test_processes:train_together", str(two))
    return one, two


@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_train_like_one(trained, name):
    logs = [MiningFolder(place / name).read_log() for place in trained]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]]
    for one, two in zip(*logs, strict=True):
        for key in ("loss", "held_out_loss", "held_out_typicality", "learning_rate"):
            if key in one:
                assert two[key] == pytest.approx(one[key], rel=1e-4, abs=1e-6)
    weights = [load_tensors(MiningFolder(place / name).checkpoint)[0] for place in trained]
    assert weights[0].keys() == weights[1].keys()
    for key, value in weights[0].items():
        if key.startswith(("weights", "average")):
            torch.testing.assert_close(weights[1][key], value, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("name", LINES)
def test_two_processes_learn_an_alphabet_like_one(trained, name):
    logs = [Run(place / name).read_log() for place in trained]
    assert len(logs[0]) == len(logs[1]) > 1
    for one, two in zip(*logs, strict=True):
        assert one.keys() == two.keys()
        for key in ("loss", "reconstruction", "text", "validation_reconstruction"):
            if key in one:
                assert two[key] == pytest.approx(one[key], rel=1e-4)
    weights = [load_tensors(Run(place / name).checkpoint)[0] for place in trained]
    assert weights[0].keys() == weights[1].keys()
    for key, value in weights[0].items():
        if key.endswith("exp_avg"):  # the mean of the gradients
            assert (weights[1][key] - value).norm() <= 2e-2 * value.norm() + 1e-5


def test_another_number_of_processes_goes_on_with_a_run(trained):
    one, two = trained
    logs = [MiningFolder(one / "plain").read_log(), MiningFolder(two / "begun/plain").read_log()]
    assert logs[1][-1]["step"] == 4
    assert logs[1][-1]["held_out_loss"] == pytest.approx(logs[0][-1]["held_out_loss"], rel=1e-4)


def test_only_one_process_writes(trained):
    one, two = trained
    for name in (*VARIANTS, *LINES):
        files = [
            sorted(p.relative_to(place).as_posix() for p in (place / name).rglob("*"))
            for place in (one, two)
        ]
        assert files[0] == files[1]


NOTED = """
import os, pathlib, runpy
pathlib.Path(__file__).with_name("rank-" + os.environ["RANK"]).touch()
runpy.run_module("typica", run_name="__main__", alter_sys=True)
"""
"""`python -m typica` by processes that leave a trace."""


def test_accelerate_launches_the_command(tmp_path):
    """As a user types it: the launcher's own processes, the whole command, the same losses."""
    tiny_pictures(tmp_path / "data")
    options = ("size=16", "small.fold=2", "small.channels=[32,32]", "small.layers=1")
    options += ("small.label_features=64", "finetune.batch_size=4", "finetune.steps=3")
    options += ("finetune.samples=0", "finetune.bfloat16=false", "finetune.evaluations=1")
    launch = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
    launch += (
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        str(tmp_path / "noted.py"),
    )
    (tmp_path / "noted.py").write_text(NOTED)
    for name, module in (("one", ("typica",)), ("two", launch)):
        command = [sys.executable, "-m", *module, "mine", "finetune", str(tmp_path / "data")]
        command += ["--out", str(tmp_path / name), "--base", "small", "--set", *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
    logs = [MiningFolder(tmp_path / name).read_log() for name in ("one", "two")]
    for one, two in zip(*logs, strict=True):
        for key in ("step", "loss", "held_out_loss"):
            if key in one:
                assert two[key] == pytest.approx(one[key], rel=1e-4)
    assert logs[1][-1]["step"] == 3
    assert sorted(path.name for path in tmp_path.glob("rank-*")) == ["rank-0", "rank-1"]


def test_a_batch_is_shared_out_among_all():
    for count in (1, 2, 3):
        shares = [Processes(rank, count).share(7) for rank in range(count)]
        assert [place for share in shares for place in share] == list(range(7))
    assert not Processes(0, 3).share(2)
    assert ALONE.leader
