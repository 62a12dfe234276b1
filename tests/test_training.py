"""Training: it learns, the same seed gives the same weights, and no kill changes the result."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from typica.errors import ConfigError, DataError, RunError
from typica.lines.cache import LineCache
from typica.lines.collection import read_lines
from typica.runs import Run, load_tensors
from typica.typewriter import state, training, training_loop
from typica.typewriter.assessment import evaluate_run
from typica.typewriter.decompose_job import decompose_into
from typica.typewriter.inference import decompose
from typica.typewriter.presets import preset, with_changes
from typica.typewriter.run import train_and_report
from typica.typewriter.storage import load_typewriter
from typica.typewriter.summary import write_report
from typica.typewriter.training import train

from .helpers import never_blank, tiny_config, tiny_lines

_UNREPEATABLE = ("seconds", "lines_per_second")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return tiny_lines(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory, lines):
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("runs") / "reference"
    assert train(lines, out, tiny_config(), show_progress=False).finished
    return Run(out)


def _train(lines, out, *changes, **options):
    return train(lines, out, tiny_config(*changes), show_progress=False, **options)


def _log(run):
    return [{k: v for k, v in r.items() if k not in _UNREPEATABLE} for r in run.read_log()]


def _assert_same(run, other):
    """The same rows in the log, the same kept weights, the same last weights."""
    assert _log(run) == _log(other)
    for path in (run.model, run.checkpoint):
        ours, theirs = load_tensors(path)[0], load_tensors(other.folder / path.name)[0]
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_the_loss_goes_down_and_the_record_is_whole(reference):
    rows = [row for row in reference.read_log() if "text" in row]
    assert [row["step"] for row in rows] == [10, 20, 30, 36]
    assert rows[-1]["text"] < rows[0]["text"]
    assert rows[-1]["reconstruction"] < 0.7 * rows[0]["reconstruction"]
    judged = [row["step"] for row in reference.read_log() if "validation_cer" in row]
    assert judged == [12, 24, 36]
    record = reference.read_config()["training"]
    assert record["steps"] == 36
    assert record["finished"] is True
    assert record["best_step"] in (0, 12, 24, 36)
    about = load_typewriter(reference.folder)[1]
    assert about.symbols == ("a", "b", "o")
    assert about.training == record


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path, lines, reference):
    _train(lines, tmp_path / "again")
    _assert_same(Run(tmp_path / "again"), reference)
    _train(lines, tmp_path / "other", "training.seed=1")
    ours, theirs = load_tensors(Run(tmp_path / "other").model)[0], load_tensors(reference.model)[0]
    assert not torch.equal(ours["sprites.codes"], theirs["sprites.codes"])


_KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from tests.helpers import tiny_config
from typica import files, runs
from typica.lines.collection import read_lines
from typica.typewriter import state
from typica.typewriter.training import train

data, out, instant = sys.argv[1:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
State, Run = state.TrainingState, runs.Run
if instant == "before the first checkpoint":
    State.judge = lambda self: die()
elif instant.startswith("in step"):
    step = State.one_step
    number = int(instant.split()[-1])
    State.one_step = lambda self, c: die() if self.progress.step == number else step(self, c)
elif instant == "while the checkpoint is written":
    rename = os.replace
    def replace(source, target):
        if Path(target).name == "checkpoint.safetensors" and Path(target).exists():
            die()
        rename(source, target)
    files.os.replace = replace
elif instant == "between log and checkpoint":
    save = State.save
    State.save = lambda self: die() if self.progress.step == 24 else save(self)
elif instant == "half a row":
    def append(self, row):
        with open(self.log, "a") as file:
            file.write('{"step": 30, "recon')
        die()
    row = Run.append_log
    Run.append_log = lambda self, r: append(self, r) if r["step"] == 30 else row(self, r)
train(read_lines(data), out, tiny_config(), resume=True, show_progress=False)
"""


def test_kills_at_any_instant_change_nothing(tmp_path, lines, reference):
    out = tmp_path / "run"
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    for instant in (
        "before the first checkpoint",
        "in step 7",
        "while the checkpoint is written",
        "between log and checkpoint",
        "half a row",
    ):
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, str(lines.root), str(out), instant],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, (instant, done.stderr)
    assert _train(lines, out, resume=True).finished
    _assert_same(Run(out), reference)


def _interrupt_at(monkeypatch, number, signal_number):
    step = state.TrainingState.one_step

    def one_step(self, chosen):
        if self.progress.step == number:
            os.kill(os.getpid(), signal_number)
        step(self, chosen)

    monkeypatch.setattr(state.TrainingState, "one_step", one_step)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_at_the_end_of_a_step(tmp_path, lines, reference, monkeypatch, number):
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        _interrupt_at(patch, 17, number)
        result = _train(lines, tmp_path / "run")
    assert (result.finished, result.step) == (False, 18)
    assert signal.getsignal(number) == before
    run = Run(tmp_path / "run")
    assert run.read_config()["training"]["finished"] is False
    load_typewriter(run.folder)  # what was learned so far can be used
    assert _train(lines, run.folder, resume=True).finished
    _assert_same(run, reference)


def test_a_run_is_not_overwritten_nor_continued_on_other_lines(tmp_path, lines, reference):
    before = reference.checkpoint.read_bytes()
    with pytest.raises(RunError, match=r"reference: holds a run already.*--resume"):
        _train(lines, reference.folder)
    fewer = lines.where(lambda line: line.id != lines.lines[0].id)
    with pytest.raises(RunError, match="other lines"):
        _train(fewer, reference.folder, resume=True)
    assert reference.checkpoint.read_bytes() == before
    folder = shutil.copytree(reference.folder, tmp_path / "run")
    (folder / "checkpoint.safetensors").unlink()
    for resume in (True, False):
        with pytest.raises(RunError, match=r"no checkpoint.*another --out"):
            _train(lines, folder, resume=resume)
    shutil.copy(reference.model, folder / "checkpoint.safetensors")
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: damaged"):
        _train(lines, folder, resume=True)


def test_a_finished_run_can_be_resumed_without_a_change(tmp_path, lines, reference):
    folder = shutil.copytree(reference.folder, tmp_path / "run")
    assert _train(lines, folder, resume=True).step == 36
    _assert_same(Run(folder), reference)


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_a_number_that_is_none_is_rolled_back(tmp_path, lines, monkeypatch, fault):
    original, left = state.objective, [1]

    def objective(model, batch, step, *rest, **options):
        terms = original(model, batch, step, *rest, **options)
        if step == 23 and left:  # the checkpoint of step 24 must not be written
            left.pop()
            if fault == "loss":
                terms["loss"] = terms["loss"] * float("nan")
            else:  # the loss stays as it is, its gradient is not a number
                terms["loss"] = terms["loss"] + (0 * model.sprites.codes.sum()).sqrt()
        return terms

    monkeypatch.setattr(state, "objective", objective)
    assert _train(lines, tmp_path / "run").finished
    run = Run(tmp_path / "run")
    rows = run.read_log()
    (note,) = [row for row in rows if "note" in row]
    assert note["step"] == 12
    assert [r["step"] for r in rows if "text" in r] == [10, 20, 30, 36]
    tensors, about = load_tensors(run.checkpoint)
    assert all(bool(value.isfinite().all()) for value in tensors.values())
    assert about["progress"]["rate"] == 0.5
    assert about["progress"]["rollbacks"] == 1
    assert all(row["lines_per_second"] > 0 for row in rows if "text" in row)


def test_a_run_that_cannot_be_saved_gives_up_with_a_remedy(tmp_path, lines, monkeypatch):
    original = state.objective

    def objective(model, batch, step, *rest, **options):
        terms = original(model, batch, step, *rest, **options)
        return {**terms, "loss": terms["loss"] * float("inf")} if step >= 14 else terms

    monkeypatch.setattr(state, "objective", objective)
    with pytest.raises(RunError, match=r"run: the loss became NaN.*--set training\.learning_rate"):
        _train(lines, tmp_path / "run")
    assert sum("note" in row for row in Run(tmp_path / "run").read_log()) <= 5
    tensors, about = load_tensors(Run(tmp_path / "run").checkpoint)
    assert about["progress"]["step"] == 12
    assert all(bool(value.isfinite().all()) for value in tensors.values())


class _Clock:
    """A clock that only steps and judgements move on."""

    strftime = staticmethod(time.strftime)

    def __init__(self, monkeypatch, step: float, judgement: float) -> None:
        self.seconds, self.steps = 1000.0, 0
        one_step, judge = state.TrainingState.one_step, state.TrainingState.judge

        def timed_step(self_, batch):
            self.steps, self.seconds = self.steps + 1, self.seconds + step
            return one_step(self_, batch)

        def timed_judge(self_):
            self.seconds += judgement
            return judge(self_)

        monkeypatch.setattr(state.TrainingState, "one_step", timed_step)
        monkeypatch.setattr(state.TrainingState, "judge", timed_judge)
        for module in (training, training_loop):
            monkeypatch.setattr(module, "time", self)

    def perf_counter(self) -> float:
        return self.seconds


# A tenth of a minute: 4 seconds for the steps and 2 left for the end. Where 20 steps, which tell
# the pace, take longer already, nothing follows them.
@pytest.mark.parametrize(("step", "wanted"), [(0.125, range(28, 33)), (1.0, range(20, 21))])
def test_the_time_is_kept(tmp_path, lines, monkeypatch, step, wanted):
    clock = _Clock(monkeypatch, step, judgement=0.125)
    result = _train(lines, tmp_path / "run", "training.steps=3", max_minutes=0.1)
    assert result.finished
    assert clock.steps == result.step
    assert result.step in wanted
    spent = clock.seconds - 1000
    assert spent <= max(6, step * 20 + 1)
    assert 20 * step <= result.minutes * 60 <= spent
    run = Run(tmp_path / "run")
    record, rows = run.read_config()["training"], run.read_log()
    assert record["steps"] == result.step == rows[-1]["step"] > 3
    assert "validation_cer" in rows[-1]
    progress = load_tensors(run.checkpoint)[1]["progress"]
    assert progress["step"] == progress["total"] == result.step
    with pytest.raises(ConfigError, match="--max-minutes"):
        _train(lines, tmp_path / "other", max_minutes=0)
    assert not (tmp_path / "other").exists()


def test_without_transcriptions_sprites_are_numbered(tmp_path, lines):
    blind = replace(lines, lines=tuple(replace(line, symbols=None) for line in lines))
    with pytest.raises(DataError, match="--unsupervised"):
        _train(blind, tmp_path / "none")
    config = tiny_config(
        "sprites.count=10",
        "sprites.width=1",
        "sprites.generator=unet",
        "training.crop=2.0",
        "loss.overlap=0.1",
        "loss.frequency=0.1",
        "loss.sparsity=0.1",
        "training.steps=12",
        "training.evaluations=1",
    )
    result = train_and_report(blind, tmp_path / "run", config, show_progress=False)
    assert result.training.finished
    assert result.evaluation is None
    model, about = load_typewriter(tmp_path / "run")
    assert about.symbols == ()
    never_blank(model)  # make sure that something is read
    with LineCache(lines, 16) as cache:
        found = list(decompose(model, about, cache))
    glyphs = [glyph for one in found for glyph in one.reading.glyphs]
    assert glyphs
    assert all(glyph.symbol == f"{glyph.sprite + 1:02d}" for glyph in glyphs)
    # lines that do have a text are of no use to it either
    assert evaluate_run(tmp_path / "run", lines, "all", progress=False) is None
    summary = json.loads((tmp_path / "run/evaluation/all/evaluation.json").read_text())
    assert summary["split"] == "all"
    assert write_report(tmp_path / "run", "all").exists()


def test_numbered_sprites_without_crops_are_not_taught_to_be_blank(lines):
    """No text means that nothing is known, not that the line is empty."""
    config = tiny_config("sprites.count=5")
    with LineCache(lines, 16) as cache:
        loader = state.LineLoader(cache, [0, 1], (), 4, (0.8,) * 3)
        model = state.Typewriter(config, ())
        terms = state.objective(model, loader.batch([0, 1]), 10, 36, drawn_from=0, autocast=False)
    assert terms["text"] == 0
    terms["loss"].backward()


@pytest.mark.parametrize("name", ["paper-google", "paper-copiale", "paper-fontenay"])
def test_the_papers_settings_take_steps(tmp_path, lines, name):
    changes = ["height=16", "training.steps=3", "training.warm_start=1", "training.evaluations=1"]
    config = with_changes(preset(name), [*changes, "training.batch_size=4"])
    assert train(lines, tmp_path / name, config, show_progress=False).finished
    model, about = load_typewriter(tmp_path / name)
    assert about.config.loss.alignment == "ctc"
    with LineCache(lines.part("test"), 16) as cache:
        assert len(list(decompose(model, about, cache))) == len(cache)


def test_the_run_folder_alone_is_enough(tmp_path):
    lines = tiny_lines(tmp_path / "data")
    config = tiny_config("training.steps=12", "training.evaluations=1")
    result = train_and_report(
        lines,
        tmp_path / "run",
        config,
        cache_folder=tmp_path / "run" / "cache",
        show_progress=False,
    )
    assert result.evaluation is not None
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "run", moved)
    other = tmp_path / "others"
    other.mkdir()
    for number, line in enumerate(lines.part("test")):
        shutil.copy(line.path, other / f"scan{number}.png")
    shutil.rmtree(tmp_path / "data")
    page = write_report(moved)
    assert page.stat().st_size > 10_000
    rows = decompose_into(moved, read_lines(other), tmp_path / "out", progress=False)
    assert next(iter(rows.summary())).startswith("3 lines")
    table = (tmp_path / "out" / "transcription.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in table] == ["line", "scan0", "scan1", "scan2"]


@pytest.mark.parametrize("kind", ["one-to-one", "ctc"])
def test_a_text_too_long_for_its_line_does_no_harm(tmp_path, lines, kind):
    first = next(line for line in lines if line.split == "train")
    changed = tuple(
        replace(line, symbols=tuple("ab" * 80)) if line.id == first.id else line for line in lines
    )
    _train(
        replace(lines, lines=changed),
        tmp_path / "run",
        f"loss.alignment={kind}",
        "training.steps=12",
        "training.evaluations=1",
    )
    rows = Run(tmp_path / "run").read_log()
    assert all("note" not in row for row in rows)
    assert all(0 < row["text"] < 100 for row in rows if "text" in row)


def test_lines_without_text_among_others_are_drawn_but_not_read(tmp_path, lines):
    half = tuple(
        replace(line, symbols=None) if number % 2 else line for number, line in enumerate(lines)
    )
    assert _train(replace(lines, lines=half), tmp_path / "run", "training.steps=6").finished


def test_without_validation_lines_the_last_weights_are_kept(tmp_path, lines):
    only = lines.where(lambda line: line.split == "train")
    _train(only, tmp_path / "run", "training.steps=5")
    tensors = load_tensors(Run(tmp_path / "run").checkpoint)[0]
    for name, value in load_tensors(Run(tmp_path / "run").model)[0].items():
        assert torch.equal(value, tensors[f"model.{name}"])
