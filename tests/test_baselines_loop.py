"""The loop of the baselines: it learns, keeps the time, and no kill changes the result."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from typica.baselines import loop
from typica.baselines.loop import LoopOptions, learning_rate, train_module
from typica.checkpoints import load_optimizer, optimizer_tensors
from typica.errors import ConfigError, RunError
from typica.runs import Run, load_tensors

OPTIONS = LoopOptions(steps=36, learning_rate=0.05)
KEY = {"options": {"seed": 0}, "lines": "abc"}


class Small(nn.Module):
    """A regression with a buffer that `count` fills."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        self.register_buffer("seen", torch.zeros(()))

    def loss(self, step: int, total: int) -> dict[str, torch.Tensor]:
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        error = (self.layers(x)[:, 0] - x.sum(1)).square().mean()
        return {"loss": error + 0.1, "error": error}

    def count(self, step: int, total: int, optimizer: torch.optim.Optimizer) -> None:
        assert isinstance(optimizer, torch.optim.AdamW)
        self.seen += step


def fit(folder, loss=None, options=OPTIONS, key=KEY, module=None, **more):
    """Train a small module into a folder."""
    module = module or Small()
    folder.mkdir(exist_ok=True)
    more = {"after": module.count, "show_progress": False, **more}
    return train_module(Run(folder), module, loss or module.loss, options, key, **more)


def rows(run):
    unrepeatable = ("seconds", "steps_per_second")
    return [{k: v for k, v in row.items() if k not in unrepeatable} for row in run.read_log()]


def assert_same(run, other):
    assert rows(run) == rows(other)
    ours, theirs = load_tensors(run.checkpoint)[0], load_tensors(other.checkpoint)[0]
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("loop") / "reference"
    assert fit(folder).finished
    return Run(folder)


def test_it_learns_and_logs_means(reference):
    found = reference.read_log()
    assert [row["step"] for row in found] == [10, 20, 30, 36]
    assert found[-1]["error"] < 0.2 * found[0]["error"]
    assert all(row["loss"] == pytest.approx(row["error"] + 0.1, rel=1e-5) for row in found)
    tensors = load_tensors(reference.checkpoint)[0]
    assert tensors["module.seen"] == sum(range(36))
    assert not any(name.startswith("sums") for name in tensors)


def test_the_mean_of_a_row_is_the_mean_of_its_steps(tmp_path):
    module = Small()
    losses = []

    def loss(step, total):
        terms = module.loss(step, total)
        losses.append(float(terms["loss"].detach()))
        assert total == 36
        return terms

    fit(tmp_path, loss, module=module)
    last = Run(tmp_path).read_log()[-1]
    assert last["loss"] == pytest.approx(sum(losses[30:]) / 6, rel=1e-5)


@given(
    st.integers(1, 500),
    st.floats(0, 0.9),
    st.floats(0.01, 1),
)
def test_the_rate_rises_in_a_line_and_falls_along_a_cosine(total, warm_up, final):
    options = LoopOptions(total, 0.5, warm_up=warm_up, final=final)
    for step in range(0, total, max(1, total // 7)):
        place = (step + 1) / total
        if place < warm_up:
            wanted = 0.5 * place / warm_up
        else:
            angle = math.pi * (place - warm_up) / (1 - warm_up)
            wanted = 0.5 * (final + (1 - final) * (1 + math.cos(angle)) / 2)
        assert learning_rate(options, step, total) == pytest.approx(wanted)
    assert learning_rate(options, total - 1, total) == pytest.approx(0.5 * final)


_KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from tests.test_baselines_loop import fit
from typica import files
from typica.baselines import loop

loop._SAVE_EVERY = 0.0  # after every step
rename, left = os.replace, [18]
def replace(source, target):
    if Path(target).name == "checkpoint.safetensors":
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
files.os.replace = replace
fit(Path(sys.argv[1]))
"""


def test_a_kill_while_the_checkpoint_is_written_changes_nothing(tmp_path, reference):
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert load_tensors(Run(tmp_path).checkpoint)[1]["progress"]["step"] == 16
    assert fit(tmp_path).finished
    assert_same(Run(tmp_path), reference)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_at_the_end_of_a_step(tmp_path, reference, number):
    module = Small()

    def loss(step, total):
        if step == 13:
            os.kill(os.getpid(), number)
        return module.loss(step, total)

    result = fit(tmp_path, loss, module=module)
    assert (result.finished, result.step) == (False, 14)
    assert fit(tmp_path).finished
    assert_same(Run(tmp_path), reference)


def test_a_finished_training_is_left_alone_and_can_be_extended(tmp_path, reference):
    fit(tmp_path)
    assert fit(tmp_path).step == 36
    assert_same(Run(tmp_path), reference)
    longer = LoopOptions(steps=40, learning_rate=0.05)
    assert fit(tmp_path, options=longer).step == 40


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    fit(tmp_path, options=LoopOptions(steps=2))
    with pytest.raises(RunError, match=r"another lines\. Go on with the same, or give another"):
        fit(tmp_path, key={**KEY, "lines": "xyz"})
    checkpoint = Run(tmp_path).checkpoint
    checkpoint.write_bytes(checkpoint.read_bytes()[:-5])
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: damaged"):
        fit(tmp_path)


def test_a_number_that_is_none_is_rolled_back(tmp_path):
    module, left = Small(), [1]

    def loss(step, total):
        terms = module.loss(step, total)
        if step == 15 and left:
            left.pop()
            terms["loss"] = terms["loss"] * float("nan")
        return terms

    assert fit(tmp_path, loss, module=module).step == 36
    (note,) = [row for row in Run(tmp_path).read_log() if "note" in row]
    assert note["step"] == 0  # no checkpoint since: a minute has not passed
    tensors, about = load_tensors(Run(tmp_path).checkpoint)
    assert all(bool(value.isfinite().all()) for value in tensors.values())
    assert (about["progress"]["rate"], about["progress"]["rollbacks"]) == (0.5, 1)
    assert tensors["module.seen"] == sum(range(36))


def test_a_loss_that_stays_none_gives_up_with_a_remedy(tmp_path):
    module = Small()
    with pytest.raises(RunError, match=r"became NaN or infinite 6 times.*lower the learning rate"):
        fit(tmp_path, lambda s, t: {"loss": module.loss(s, t)["loss"] / 0}, module=module)


class _Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def perf_counter(self) -> float:
        return self.seconds


# 6 seconds: 4 for the steps and 2 left for the end; 20 steps tell the pace
@pytest.mark.parametrize(("pace", "wanted"), [(0.125, range(31, 33)), (1.0, range(20, 21))])
def test_the_time_is_kept(tmp_path, monkeypatch, pace, wanted):
    clock, module = _Clock(), Small()
    monkeypatch.setattr(loop, "time", clock)

    def loss(step, total):
        clock.seconds += pace
        return module.loss(step, total)

    result = fit(tmp_path, loss, module=module, max_minutes=0.1)
    assert result.finished
    assert result.step in wanted
    assert result.minutes * 60 == pytest.approx(result.step * pace)
    assert fit(tmp_path, loss, module=module, max_minutes=0.06).step == result.step  # time is up
    more = fit(tmp_path, loss, module=module, max_minutes=1.0)
    assert more.step > result.step
    assert more.minutes <= 1.0


def test_groups_have_their_own_rate_of_decay_and_the_rest_stays(tmp_path):
    module = Small()
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    fit(
        tmp_path,
        module=module,
        options=LoopOptions(steps=3),
        groups=[{"params": list(module.layers[2].parameters()), "weight_decay": 0.0}],
    )
    changed = {n for n, v in module.named_parameters() if not torch.equal(v, before[n])}
    assert changed == {"layers.2.weight", "layers.2.bias"}


@pytest.mark.parametrize("minutes", [0, -1, math.inf, math.nan])
def test_a_time_that_cannot_be_had_is_refused(tmp_path, minutes):
    with pytest.raises(ConfigError, match="--max-minutes"):
        fit(tmp_path, max_minutes=minutes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"learning_rate": 0},
        {"weight_decay": -1},
        {"warm_up": 1},
        {"final": 0},
        {"clip": 0},
    ],
)
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"loop.{next(iter(wrong))}"):
        LoopOptions(**wrong)


def test_an_optimizer_comes_back_as_it_was():
    weights = [nn.Parameter(torch.randn(3, 2, 4, 4)), nn.Parameter(torch.randn(()))]
    weights[0].data = weights[0].data.contiguous(memory_format=torch.channels_last)
    optimizers = [torch.optim.AdamW(weights) for _ in range(2)]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    for _ in range(3):
        optimizers[0].step()
    load_optimizer(optimizers[1], optimizer_tensors(optimizers[0]))
    kept, loaded = (optimizer_tensors(optimizer) for optimizer in optimizers)
    assert kept.keys() == loaded.keys()
    assert all(torch.equal(kept[name], loaded[name]) for name in kept)
    assert loaded["optimizer.0.exp_avg"].stride() == weights[0].stride()
    with pytest.raises(IndexError):
        load_optimizer(torch.optim.AdamW(weights[:1]), kept)
