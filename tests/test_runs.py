"""The run folder: whole files only, no pickle, one writer, errors that name file and remedy."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from typica import files
from typica.errors import RunError, WriteError
from typica.files import atomic_folder, atomic_path, write_json, write_text
from typica.runs import FORMAT, Run, load_tensors, save_tensors
from typica.typewriter.config import TypewriterConfig
from typica.typewriter.presets import with_changes
from typica.typewriter.storage import TypewriterAbout, build, load_typewriter, save_typewriter

_CONFIG = with_changes(TypewriterConfig(), ["height=16", "encoder.step=4", "encoder.features=16"])
_ABOUT = TypewriterAbout(
    _CONFIG, ("a", "ſ", "é"), (0.9, 0.8, 0.7), (0.1, 0.1, 0.1), {}, {"a": 3}, 0.25, {"steps": 2}
)


@pytest.fixture
def run(tmp_path):
    found = Run(tmp_path / "run")
    save_typewriter(found.model, build(_ABOUT).state_dict(), _ABOUT)
    found.write_config(_ABOUT.as_dict())
    return found


def test_tensors_and_description_come_back(tmp_path):
    tensors = {"x": torch.randn(3, 4).T, "n": torch.tensor(7)}
    save_tensors(tmp_path / "new" / "w.safetensors", tensors, {"name": "ſ", "best": float("inf")})
    found, about = load_tensors(tmp_path / "new" / "w.safetensors")
    assert about == {"name": "ſ", "best": float("inf")}
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_typewriter_comes_back(run):
    model, about = load_typewriter(run.folder)
    assert about == _ABOUT
    assert not model.training
    assert load_typewriter(run.model)[1] == _ABOUT


def test_a_failed_writing_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail():
        with atomic_path(path) as aside:
            aside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_kill_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    code = (
        "import os, signal, sys; from typica.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as aside:\n"
        "    aside.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    source = str(Path(__file__).parents[1] / "src")
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_files_are_as_readable_as_the_mask_allows(tmp_path):
    mask = os.umask(0o027)
    try:
        write_json(tmp_path / "x.json", {"ſ": 1})
    finally:
        os.umask(mask)
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o640
    assert "ſ" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_a_folder_appears_whole_or_the_old_one_stays(tmp_path, monkeypatch):
    out = tmp_path / "new" / "out"
    mask = os.umask(0o027)
    try:
        with atomic_folder(out) as aside:
            (aside / "old").write_text("1")
            assert not out.exists()
    finally:
        os.umask(mask)
    assert out.stat().st_mode & 0o777 == 0o750
    with pytest.raises(FileNotFoundError), atomic_folder(out) as aside:
        (aside / "half" / "2").write_text("2")
    assert [path.name for path in out.iterdir()] == ["old"]

    def failing(source, target):
        if Path(target) == out and not (Path(source) / "old").exists():
            raise OSError("no")
        return replace(source, target)

    replace = os.replace
    monkeypatch.setattr(files.os, "replace", failing)
    with pytest.raises(OSError, match="no"), atomic_folder(out) as aside:
        (aside / "new").write_text("3")
    assert [path.name for path in out.iterdir()] == ["old"]  # moved away, and back
    monkeypatch.undo()
    with atomic_folder(out) as aside:
        (aside / "new").write_text("3")
    assert [path.name for path in out.iterdir()] == ["new"]
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_that_must_be_new_replaces_none(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(WriteError, match="another"), atomic_folder(out, replace=False):
        out.mkdir()
    assert list(tmp_path.iterdir()) == [out]
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot be made"), atomic_folder(tmp_path / "file" / "x"):
        pass


def _cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


class _Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def _describe(path, **changes):
    tensors, values = load_tensors(path)
    save_tensors(path, tensors, {**values, **changes})


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("not weights"),
        lambda path: path.write_bytes(pickle.dumps(_Bomb())),
        lambda path: torch.save({"x": torch.zeros(2)}, path),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: save_tensors(path, {}, _ABOUT.as_dict()),
        lambda path: save_tensors(path, load_tensors(path)[0], ["no object"]),
        lambda path: _describe(path, kind="other"),
        lambda path: _describe(path, symbols=["a"]),
        lambda path: _describe(path, paper=[1]),
        lambda path: _describe(path, config={"height": 17}),
        lambda path: _describe(path, config=None),
        lambda path: path.unlink(),
    ],
)
def test_damaged_weights_are_named(run, damage, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    damage(run.model)
    with pytest.raises(RunError, match=r"model\.safetensors: ") as caught:
        load_typewriter(run.folder)
    assert len(str(caught.value)) > 40
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not a run folder"),
        ("{", r"config\.json: damaged"),
        ("[]", r"config\.json: damaged"),
        ("{}", r"config\.json: damaged"),
        (json.dumps({"format": "x"}), r"config\.json: damaged"),
        (json.dumps({"format": FORMAT + 1}), "Update typica"),
    ],
)
def test_damaged_configurations_are_named(run, text, message):
    if text is None:
        run.config.unlink()
    else:
        run.config.write_text(text)
    with pytest.raises(RunError, match=message):
        run.read_config()


def test_a_file_is_no_run_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    run = Run(tmp_path / "file")
    with pytest.raises(RunError, match="not a run folder"):
        run.read_config()
    with pytest.raises(RunError, match="another --out"), run.locked():
        pass


def test_a_second_process_is_told(tmp_path):
    code = (
        "import sys; from pathlib import Path; from typica.runs import Run\n"
        "from typica.errors import RunError\n"
        "try:\n"
        "    with Run(Path(sys.argv[1])).locked(): print('got it')\n"
        "except RunError as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}

    def other():
        return subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "run")],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    with Run(tmp_path / "run").locked():
        told = other()
    assert "run: another process is writing" in told
    assert "--out" in told
    assert other() == "got it\n"  # the lock is gone although its file is still there


def test_the_log_is_cut_where_the_checkpoint_was(run):
    for step in (10, 20, 20, 30):
        run.append_log({"step": step, "text": "ſ"})
    with open(run.log, "a", encoding="utf-8") as file:
        file.write('17\n"x"\n{"step": 40, "te')
    assert [row["step"] for row in run.read_log()] == [10, 20, 20, 30]
    run.cut_log(20)
    assert [row["step"] for row in run.read_log()] == [10, 20, 20]
    run.append_log({"step": 30})
    assert [row["step"] for row in run.read_log()] == [10, 20, 20, 30]
    run.log.write_bytes(b'\xff\xfe\n{"step": 1}\n')
    assert [row["step"] for row in run.read_log()] == [1]


def test_two_names_for_one_tensor_are_both_kept(tmp_path):
    whole = torch.arange(6.0)
    save_tensors(tmp_path / "t.safetensors", {"a": whole, "b": whole, "c": whole[2:]}, {})
    kept, _ = load_tensors(tmp_path / "t.safetensors")
    assert torch.equal(kept["a"], whole)
    assert torch.equal(kept["b"], whole)
    assert torch.equal(kept["c"], whole[2:])
