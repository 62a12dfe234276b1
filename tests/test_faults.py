"""What goes wrong outside: no room on the disk, no permission, no memory, two processes at once.

`tests/faults` kills whole jobs; here is what takes no second process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import typica
from typica.cli import main
from typica.errors import ConfigError, RunError, WriteError
from typica.files import atomic_path, write_json, writing
from typica.lines.cache import LineCache
from typica.memory import Room, enough_memory, ran_out
from typica.mining.bases import load_denoiser, save_denoiser
from typica.mining.finetune_state import FinetuneState
from typica.mining.folder import MiningFolder
from typica.mining.latents import LatentCache
from typica.mining.table import write_table
from typica.runs import Run, save_tensors
from typica.typewriter import state
from typica.typewriter.inference import decompose
from typica.typewriter.model import Typewriter
from typica.typewriter.pictures import write_png
from typica.typewriter.storage import load_typewriter
from typica.typewriter.training import train

from .helpers import tiny_config, tiny_lines
from .mining_helpers import tiny_about, tiny_pictures, tiny_small
from .mining_helpers import tiny_config as mining_config
from .run_files import RUN_FILES
from .test_mining_table import make_table
from .translation_helpers import tiny_run

SOURCE = Path(typica.__file__).parent


@contextlib.contextmanager
def no_room_beyond(size: int):
    """Files cannot grow beyond so many bytes: the system refuses, as it does on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


WRITERS = {
    "table.json": lambda path: write_json(path, ["x"] * 4000),
    "model.safetensors": lambda path: save_tensors(path, {"x": torch.zeros(9999)}, {}),
    "elements.parquet": lambda path: write_table(path, make_table(400)),
    "picture.png": lambda path: write_png(
        path, np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8)
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_without_room_the_former_file_stays(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path)
    former = path.read_bytes()
    with no_room_beyond(2000), pytest.raises(WriteError, match=rf"{name}: .*too large.*Make room"):
        WRITERS[name](path)
    assert path.read_bytes() == former
    assert [one.name for one in tmp_path.iterdir()] == [name]
    WRITERS[name](path)
    assert path.read_bytes() == former


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_the_system_refuses_is_told_with_a_remedy(tmp_path, monkeypatch, number):
    def refuse(*given, **options):
        raise OSError(number, os.strerror(number), str(tmp_path / "x" / ".y-12345678"))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(WriteError) as told:
        write_json(tmp_path / "x" / "y.json", {})
    assert f"{tmp_path}/x/y.json" in str(told.value)
    assert os.strerror(number) in str(told.value)
    assert "give the same command again" in str(told.value)


def test_a_file_that_cannot_be_read_is_not_blamed_on_the_one_that_is_written(tmp_path):
    with pytest.raises(PermissionError, match="picture"), writing(tmp_path / "out" / "x"):
        raise PermissionError(errno.EACCES, "no", str(tmp_path / "data" / "picture.png"))
    with pytest.raises(IsADirectoryError), atomic_path(tmp_path / "x.txt"):
        raise IsADirectoryError(errno.EISDIR, "no")
    assert list(tmp_path.iterdir()) == []


def test_a_model_folder_without_room_keeps_the_former_model(tmp_path):
    folder, about = tmp_path / "denoiser", tiny_about()
    save_denoiser(tiny_small(), folder, about)
    former = load_denoiser(folder, about).state_dict()
    with no_room_beyond(20_000), pytest.raises(WriteError, match=r"denoiser.*Make room"):
        save_denoiser(tiny_small(seed=1), folder, about)
    assert [one.name for one in tmp_path.iterdir()] == ["denoiser"]
    again = load_denoiser(folder, about).state_dict()
    assert all(torch.equal(again[name], value) for name, value in former.items())


def test_pixels_of_a_training_take_their_room_before_they_are_mapped(tmp_path):
    """A full disk met while writing to mapped memory would kill the process."""
    pictures = tiny_pictures(tmp_path / "data", 2).pictures
    with no_room_beyond(1000), pytest.raises(RunError, match=r"pictures\.bin.*Make room"):
        LatentCache(tmp_path / "cache", pictures, tiny_small().codec, 16, False, {})
    cache = LatentCache(tmp_path / "cache", pictures, tiny_small().codec, 16, False, {})
    assert cache.file.stat().st_blocks * 512 >= cache.file.stat().st_size


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return tiny_lines(tmp_path_factory.mktemp("lines"), 16)


@pytest.fixture(scope="module")
def short(lines, tmp_path_factory):
    """A short training that nothing disturbed: its weights."""
    run = Run(tmp_path_factory.mktemp("short"))
    train(lines, run.folder, _config(), show_progress=False)
    return {
        name: value.clone() for name, value in load_typewriter(run.folder)[0].state_dict().items()
    }


def _config():
    return tiny_config("training.steps=4", "training.evaluations=2")


def test_a_training_without_room_goes_on_when_there_is_some(lines, short, tmp_path, monkeypatch):
    save, calls = state.TrainingState.save, []

    def third_time_unlucky(self):
        calls.append(1)
        with no_room_beyond(20_000) if len(calls) == 2 else contextlib.nullcontext():
            save(self)

    monkeypatch.setattr(state.TrainingState, "save", third_time_unlucky)
    with pytest.raises(WriteError, match=r"checkpoint\.safetensors: .*Make room"):
        train(lines, tmp_path, _config(), show_progress=False)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".checkpoint")]
    assert train(lines, tmp_path, resume=True, show_progress=False).finished
    found = load_typewriter(tmp_path)[0].state_dict()
    assert all(torch.equal(found[name], value) for name, value in short.items())


def test_nothing_is_timed_by_a_clock_that_can_jump():
    """Budgets and durations come from the monotonic clocks; the date is for people only."""
    for path in sorted(SOURCE.rglob("*.py")):
        assert "time.time(" not in path.read_text(encoding="utf-8"), path


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mined")
    tiny_run(folder)
    return folder


COMMANDS = {
    "typewriter train": "{lines} --out {out}",
    "palaeography adapt": "{typewriter} {lines} --out {out}",
    "mine finetune": "{data} --out {out}",
    "mine score": "{run}",
    "mine select": "{run}",
    "mine translate": "{run} --out {out}",
    "mine sample": "{run} --out {out}",
}
"""Every kind of job, with small data and, where it needs one, a run."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_second_process_on_a_run_folder_is_told(command, lines, mined, tmp_path, capsys):
    RUN_FILES["typewriter"](tmp_path)
    places = {
        "lines": lines.root,
        "typewriter": tmp_path,
        "data": mined / "data",
        "run": mined / "run",
        "out": tmp_path / "out",
    }
    given = [part.format(**places) for part in (command + " " + COMMANDS[command]).split()]
    held = Run(Path(given[-1]))
    with held.locked():
        before = sorted(held.folder.rglob("*"))
        assert main(given) == 2
        assert sorted(held.folder.rglob("*")) == before
    told = capsys.readouterr().err
    assert f"{held.folder}: another process is writing to this run folder" in told
    assert "--out" in told


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (MemoryError(), True),
        (np._core._exceptions._ArrayMemoryError((9,), np.dtype(float)), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_known_from_other_faults(error, known):
    assert ran_out(error) is known
    with pytest.raises(ConfigError if known else type(error)), enough_memory("a test", "Stop."):
        raise error


def test_what_torch_says_when_it_cannot_allocate_is_known():
    with pytest.raises(RuntimeError) as told:
        torch.empty(2**52)
    assert ran_out(told.value)


@given(
    count=st.integers(0, 40),
    size=st.integers(1, 20),
    limits=st.lists(st.integers(1, 20), min_size=1, max_size=40),
)
def test_parts_are_all_items_in_order_whatever_the_memory(count, size, limits):
    tried = []

    def work(part):
        limit = limits[len(tried) % len(limits)]
        tried.append(len(part))
        if len(part) > limit:
            raise MemoryError
        return [3 * one for one in part]

    room = Room(size, "one number")
    made = [(list(part), found) for part, found in room.parts(range(count), work)]
    assert [one for part, _ in made for one in part] == list(range(count))
    assert all(found == [3 * one for one in part] for part, found in made)
    assert 1 <= room.size <= size


def test_no_room_even_for_one_is_an_error_and_other_faults_are_themselves(capsys):
    def never(part):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ConfigError, match=r"too small for one line\. Choose"):
        list(Room(5, "one line").parts([1, 2, 3], never))
    said = capsys.readouterr().err.splitlines()
    assert said == [f"memory ran out: going on with {n} at a time" for n in (2, 1)]
    with pytest.raises(ZeroDivisionError):
        Room(5, "one line").fit(lambda size: size / 0)


def _narrow(monkeypatch, kind, method, most, length):
    """Let a method of a class run out of memory for more than so many things."""
    whole = getattr(kind, method)

    def narrow(self, *given, **options):
        if length(*given) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return whole(self, *given, **options)

    monkeypatch.setattr(kind, method, narrow)


def test_lines_are_read_in_smaller_batches(lines, tmp_path, monkeypatch, capsys):
    file = RUN_FILES["typewriter"](tmp_path)
    model, about = load_typewriter(file.path)
    with LineCache(lines, 16) as cache:
        wanted = {one.line.id: one for one in decompose(model, about, cache)}
        _narrow(monkeypatch, Typewriter, "forward", 3, lambda batch: len(batch.images))
        found = {one.line.id: one for one in decompose(model, about, cache)}
    assert "going on with 2 at a time" in capsys.readouterr().err
    assert found.keys() == wanted.keys()
    for name, one in found.items():
        assert one.reading.letters == wanted[name].reading.letters
        assert np.abs(one.reconstruction.astype(int) - wanted[name].reconstruction).max() <= 1


def test_a_step_of_fine_tuning_is_taken_in_parts(tmp_path, monkeypatch, capsys):
    about = tiny_about(config=mining_config(batch_size=8, bfloat16=False))
    pictures = tiny_pictures(tmp_path / "data", 4).pictures

    def weights():
        denoiser = tiny_small()
        cache = LatentCache(tmp_path / "cache", pictures, denoiser.codec, 16, False, {})
        device = torch.device("cpu")
        cache.fill(device, show_progress=False)
        now = FinetuneState(MiningFolder(tmp_path), about, denoiser, cache, device)
        for _ in range(2):
            now.one_step()
        return now.weights, now.mean_loss()

    wanted, loss = weights()
    _narrow(monkeypatch, FinetuneState, "_losses", 3, lambda batch, *rest: len(batch.labels))
    found, again = weights()
    assert "going on with 2 at a time" in capsys.readouterr().err
    assert again == pytest.approx(loss, rel=1e-5)
    for name, value in found.items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-3, atol=1e-4)


def test_a_training_without_memory_names_its_step(lines, tmp_path, monkeypatch):
    original = state.objective

    def objective(model, batch, step, *rest, **options):
        if step == 2:
            raise MemoryError
        return original(model, batch, step, *rest, **options)

    monkeypatch.setattr(state, "objective", objective)
    with pytest.raises(ConfigError, match=r"step 3 of the training.*training\.batch_size"):
        train(lines, tmp_path, _config(), show_progress=False)
