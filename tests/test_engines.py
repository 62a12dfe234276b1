"""Jobs in pieces: here, side by side, on Ray, in shards; workers that die, errors, signals."""

from __future__ import annotations

import contextlib
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.engines import pieces as module
from typica.engines.engine import DEFAULT, Engine, read_shard, threads_of
from typica.engines.pieces import run_pieces
from typica.errors import ConfigError, DataError, RunError

from .engine_helpers import SentPool, Sums, pieces

COUNT = 5
TWO = Engine(workers=2)


def run(work, some, engine=DEFAULT, **options):
    given = {"title": "sums", "unit": "pieces", "show_progress": False} | options
    return {piece.given: found for piece, found in run_pieces(work, some, engine, **given)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What one process leaves."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(Sums(folder), pieces(COUNT)) == {n: n * n for n in range(COUNT)}
    return contents(folder)


def contents(folder):
    found = {path.name: path.read_bytes() for path in folder.glob("*.bin")}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    return found


def tries(folder):
    return {int(p.stem[6:]): p.stat().st_size for p in folder.glob("tries-*.log")}


def test_two_processes_leave_the_same_though_one_is_killed(whole, tmp_path, capsys):
    found = run(Sums(tmp_path, kills=(1,)), pieces(COUNT), TWO, show_progress=True)
    assert found == {n: n * n for n in range(COUNT)}
    assert contents(tmp_path) == whole
    assert tries(tmp_path) == {0: 1, 1: 2, 2: 1, 3: 1, 4: 1}  # it cost only its own piece
    said = capsys.readouterr().err
    assert "a worker died (SIGKILL" in said
    assert "piece 1 is done again" in said
    assert "5/5 pieces" in said


def test_ray_leaves_the_same_though_a_worker_is_killed(whole, tmp_path, capsys):
    pytest.importorskip("ray")
    engine = Engine("ray", workers=2)
    found = run(Sums(tmp_path, kills=(1,)), pieces(COUNT), engine, show_progress=True)
    assert found == {n: n * n for n in range(COUNT)}
    assert contents(tmp_path) == whole
    assert tries(tmp_path) == {0: 1, 1: 2, 2: 1, 3: 1, 4: 1}
    assert "piece 1 is done again" in capsys.readouterr().err


@pytest.mark.parametrize("shards", [2, 3, 7])
def test_shards_together_leave_the_same(whole, tmp_path, shards):
    for number in reversed(range(shards)):
        engine = Engine(shard=(number, shards))
        run(Sums(tmp_path), engine.own(pieces(COUNT)), engine)
    assert contents(tmp_path) == whole
    assert set(tries(tmp_path).values()) == {1}


@settings(max_examples=60)
@given(st.integers(1, 4), st.integers(0, 7), st.frozensets(st.integers(0, 12), max_size=6))
def test_every_piece_is_done_once_or_the_job_is_given_up(workers, count, deaths):
    """Against any deaths: with objects in place of processes."""
    pool, found = SentPool(Squares(), workers, deaths), None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_pool", lambda work, engine, most: pool)
        with contextlib.suppress(RunError):  # given up, for reasons
            found = run(Squares(), pieces(count), TWO)
    if found is None:
        assert len(deaths) >= 3
        return
    assert found == {n: n * n for n in range(count)}
    assert pool.begun == count + len([d for d in deaths if d < pool.begun])


class Squares:
    def open(self):
        return lambda number, report: number * number


def test_an_error_of_a_piece_ends_the_job_and_keeps_what_is_done(tmp_path, monkeypatch):
    work = Sums(tmp_path, bad=(2,))
    pool = SentPool(work, 1)
    monkeypatch.setattr(module, "_pool", lambda *given: pool)
    with pytest.raises(DataError, match="2: cannot be done"):
        run(work, pieces(COUNT), TWO)
    assert sorted(contents(tmp_path)) == ["0.bin", "1.bin"]
    with pytest.raises(DataError, match="2: cannot be done"):
        run(work, pieces(COUNT))


def test_a_fault_of_the_program_comes_with_its_traceback(monkeypatch):
    monkeypatch.setattr(module, "_pool", lambda work, *given: SentPool(work, 2))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run(Faulty(), pieces(2), TWO)


class Faulty:
    def open(self):
        return lambda number, report: 1 // 0


@pytest.mark.parametrize("engine", [DEFAULT, TWO])
def test_a_signal_lets_what_is_under_way_end(engine, monkeypatch):
    monkeypatch.setattr(module, "_pool", lambda work, *given: SentPool(work, 2))
    signals, done = [], []
    for piece, _ in run_pieces(
        Squares(), pieces(6), engine, title="", unit="", signals=signals, show_progress=False
    ):
        done.append(piece.given)
        signals.append(2)
    assert len(done) == (1 if engine.here else 3)  # the next is given before the result is told


def test_nothing_to_do_starts_nothing(monkeypatch):
    monkeypatch.setattr(module, "_pool", None)
    assert run(Squares(), [], TWO) == {}


def test_progress_counts_what_was_there_and_takes_back_what_was_lost(monkeypatch, capsys):
    monkeypatch.setattr(module, "_pool", lambda work, *given: SentPool(work, 2, frozenset({1})))
    run(Squares(), pieces(3), TWO, before=7.0, show_progress=True)
    said = capsys.readouterr().err
    assert "70%" in said
    assert "10/10 pieces" in said


@given(st.integers(0, 40), st.integers(1, 9))
def test_shards_share_out_all_pieces(count, shards):
    dealt = [Engine(shard=(n, shards)).own(range(count)) for n in range(shards)]
    assert sorted(n for own in dealt for n in own) == list(range(count))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/3", "a/b", "1/2/3", "0/0", "1.0/2"])
def test_a_shard_is_i_of_n(text):
    assert read_shard("3/4") == (3, 4)
    with pytest.raises(ConfigError, match="--shard"):
        read_shard(text)


def test_options_that_cannot_be_are_told():
    for wrong in ({"workers": 0}, {"shard": (2, 2)}, {"address": "auto"}):
        with pytest.raises(ConfigError, match="--"):
            Engine(**wrong)
    assert pickle.loads(pickle.dumps(TWO)) == TWO


def test_threads_are_shared_out(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("typica.engines.engine.cores", lambda: 16)
    assert [threads_of(n) for n in (1, 3, 16, 40)] == [16, 5, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads_of(16) == 2
