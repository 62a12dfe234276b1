"""The recogniser: its network, its decoding, and the command from lines to an evaluation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from typica.baselines.recogniser import (
    Peak,
    RecogniserOptions,
    greedy_peaks,
    ink_picture,
    load_recogniser,
    place_peaks,
)
from typica.baselines.recogniser_network import (
    BLANK,
    RecogniserNetwork,
    needed_cells,
    reversed_places,
)
from typica.baselines.run import judge, with_transcribed
from typica.cli import main
from typica.errors import ConfigError, RunError
from typica.lines.cache import LineCache
from typica.runs import Run, load_tensors
from typica.typewriter.assessment import lines_to_judge
from typica.typewriter.evaluation import evaluate_readings
from typica.typewriter.kept_readings import reading_from_dict

from .helpers import tiny_lines

TINY = ["height=16", "hidden=16", "batch_size=6", "loop.steps=60", "loop.learning_rate=0.01"]


def network(symbols=5, height=16):
    torch.manual_seed(0)
    net = RecogniserNetwork(symbols, height, (4, 6, 8, 8), 7, 0.2)
    for norm in net.norms:  # as after some training: paper is no longer zero
        nn.init.normal_(norm.running_mean, std=0.3)
        nn.init.normal_(norm.bias, std=0.3)
    return net.eval()


@torch.no_grad()
@pytest.mark.parametrize("width", [4, 21, 39, 40])
def test_a_line_does_not_depend_on_its_companions(width):
    net = network()
    ink = torch.zeros(2, 1, 16, 64)
    ink[0, ..., :width], ink[1] = torch.rand(16, width), torch.rand(16, 64)
    widths = torch.tensor([width, 64])
    cells = net.cells(widths)
    assert cells.tolist() == [-(-width // 4), 16]
    both = net(ink, widths)
    assert both.shape == (2, 16, 6)
    torch.testing.assert_close(both.exp().sum(-1), torch.ones(2, 16))
    alone = net(ink[:1, ..., : 4 * int(cells[0])], widths[:1])
    torch.testing.assert_close(both[:1, : cells[0]], alone, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_both_ways_are_those_of_a_packed_bidirectional_lstm():
    net = network()
    ink, widths = torch.rand(3, 1, 16, 48), torch.tensor([48, 17, 30])
    x, lengths = net.features(ink, widths), net.cells(widths)
    for forth, back in zip(net.forth, net.back, strict=True):
        both = nn.LSTM(x.shape[-1], 7, bidirectional=True, batch_first=True)
        state = dict(forth.state_dict())
        state |= {f"{k}_reverse": v for k, v in back.state_dict().items()}
        both.load_state_dict(state)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        x = pad_packed_sequence(both(packed)[0], batch_first=True, total_length=12)[0]
    wanted = F.log_softmax(net.output(x), -1)
    found = net(ink, widths)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(found[row, :length], wanted[row, :length])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4))
def test_reversed_places(lengths):
    places = reversed_places(torch.tensor(lengths), 9).tolist()
    wanted = [[*range(n - 1, -1, -1), *range(n, 9)] for n in lengths]
    assert places == wanted


@given(st.lists(st.integers(1, 2), min_size=1, max_size=5), st.integers(1, 9))
def test_a_text_fits_if_ctc_has_a_path(target, cells):
    logs = torch.zeros(cells, 1, 3).log_softmax(-1)
    loss = F.ctc_loss(logs, torch.tensor([target]), [cells], [len(target)], BLANK)
    assert bool(loss.isfinite()) == (needed_cells(target) <= cells)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.3, 0.9)), min_size=1, max_size=30))
def test_greedy_decoding_merges_repeats_and_drops_blanks(path):
    labels = torch.tensor([label for label, _ in path])
    sure = torch.tensor([value for _, value in path])
    others = (1 - sure)[:, None].expand(-1, 4) / 3
    table = others.scatter(1, labels[:, None], sure[:, None])
    best = table.argmax(1).tolist()
    wanted, cell = [], 0
    for label, run in groupby(best):
        length = len(list(run))
        if label != BLANK:
            piece = table[cell : cell + length, label]
            wanted.append((label - 1, cell + int(piece.argmax()), float(piece.max())))
        cell += length
    found = greedy_peaks(table.log())
    assert [peak.symbol for peak in found] == [symbol for symbol, _, _ in wanted]
    for peak, (_, where, value) in zip(found, wanted, strict=True):
        assert peak.confidence == pytest.approx(value, abs=1e-5)
        # equal up to rounding: either place will do
        assert table[peak.cell, peak.symbol + 1] == pytest.approx(float(table[where].max()), 1e-4)


def test_boxes_reach_half_way_to_the_neighbours():
    symbols = (" ", "a", "b")
    peaks = [Peak(1, 1, 0.9), Peak(2, 3, 0.8), Peak(0, 6, 0.7), Peak(0, 7, 0.7), Peak(1, 9, 0.6)]
    # a cell is 4 pixels of the cached line, 8 of the given one: centres 12, 28, 52, 60, 76
    a, b, c = place_peaks(peaks, symbols, (80, 40), 2.0, (0.1, 0.2, 0.3))
    assert [glyph.symbol for glyph in (a, b, c)] == ["a", "b", "a"]
    assert [(glyph.box.left, glyph.box.right) for glyph in (a, b, c)] == [
        (4.0, 20.0),  # as far to the left as to the right
        (20.0, 40.0),
        (68.0, 80.0),  # the same, but the line ends
    ]
    assert {(glyph.box.top, glyph.box.bottom) for glyph in (a, b, c)} == {(0.0, 40.0)}
    assert [glyph.space_before for glyph in (a, b, c)] == [False, False, True]
    assert [glyph.confidence for glyph in (a, b, c)] == [0.9, 0.8, 0.6]
    assert c.colour == (0.1, 0.2, 0.3)
    (single,) = place_peaks(peaks[:1], symbols, (80, 40), 2.0)
    assert (single.box.left, single.box.right) == (2.0, 22.0)
    assert place_peaks([Peak(0, 2, 1.0)], symbols, (80, 40), 2.0) == ()
    (after,) = place_peaks([Peak(0, 0, 1.0), Peak(1, 3, 1.0)], symbols, (80, 40), 2.0)
    assert not after.space_before


def test_ink_is_one_and_paper_zero():
    paper, ink = (0.9, 0.8, 0.7), (0.3, 0.2, 0.1)
    picture = torch.tensor([paper, ink, (0.6, 0.5, 0.4)]).T.reshape(1, 3, 1, 3)
    found = ink_picture(picture, paper, ink).flatten().tolist()
    assert found == pytest.approx([0, 1, 0.5], abs=1e-6)
    assert bool(ink_picture(picture, paper, paper).isfinite().all())


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 40},
        {"channels": (1, 2, 3)},
        {"hidden": 0},
        {"dropout": 1.0},
        {"batch_size": 0},
        {"jitter_shift": 0.6},
        {"jitter_contrast": 1.0},
        {"seed": -1},
    ],
)
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RecogniserOptions(**wrong)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return tiny_lines(tmp_path_factory.mktemp("data"))


def _command(lines, out, *more):
    return ["baseline", "recogniser", str(lines.root), "--out", str(out), "--set", *TINY, *more]


@pytest.fixture(scope="module")
def reference(tmp_path_factory, lines):
    """A run of the command that nothing interrupted."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs") / "reference"
    assert main(_command(lines, out)) == 0
    return Run(out)


def test_it_reads_what_it_learned_and_keeps_an_evaluation(lines, reference):
    folder = reference.folder / "evaluation" / "test"
    kept = json.loads((folder / "evaluation.json").read_text())
    assert kept["cer"] < 0.25
    assert kept["reconstruction"] is None
    rows = [json.loads(row) for row in (folder / "readings.jsonl").read_text().splitlines()]
    part = lines_to_judge(lines, "test")
    assert [row["line"] for row in rows] == [line.id for line in part]
    assert [tuple(row["truth"]) for row in rows] == [line.symbols for line in part]
    again = evaluate_readings(part, [reading_from_dict(row) for row in rows], "test")
    assert again.cer == kept["cer"]
    assert again.as_dict()["worst_lines"] == kept["worst_lines"]
    about = reference.read_config()
    assert about["baseline"] == "recogniser"
    assert about["symbols"] == [" ", "a", "b", "o"]
    assert about["options"]["loop"]["steps"] == 60
    assert about["training"]["finished"] is True


def test_a_kept_recogniser_reads_the_same(tmp_path, lines, reference):
    reader = load_recogniser(reference.folder)
    with LineCache(lines_to_judge(lines, "test"), 16) as cache:
        evaluation = judge(reader, cache, Run(tmp_path), "test")
        one_by_one = load_recogniser(reference.folder)
        object.__setattr__(one_by_one.options, "batch_size", 1)
        texts = {reading.line: reading.text for reading in one_by_one.read(cache)}
    assert evaluation is not None
    assert {line.line: line.read for line in evaluation.lines} == texts
    for name in ("readings.jsonl", "evaluation.json"):
        ours = (tmp_path / "evaluation" / "test" / name).read_bytes()
        assert ours == (reference.folder / "evaluation" / "test" / name).read_bytes()


_KILLED = """
import os, signal, sys, torch
torch.set_num_threads(1)
from typica.baselines import loop
from typica.cli import main
loop._SAVE_EVERY = 0.0
step = loop._Loop.one_step
def one_step(self):
    if self.now.step == 23:
        os.kill(os.getpid(), signal.SIGKILL)
    step(self)
loop._Loop.one_step = one_step
main(sys.argv[1:])
"""


def test_a_killed_command_can_be_resumed(tmp_path, lines, reference, monkeypatch, capsys):
    out = tmp_path / "run"
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, *_command(lines, out)],
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert main(_command(lines, out)) == 2
    assert "Give --resume" in capsys.readouterr().err
    assert main(_command(lines, out, "hidden=8", "--resume")) == 2
    assert "another options" in capsys.readouterr().err
    assert main(_command(lines, out, "--resume")) == 0
    ours, theirs = load_tensors(Run(out).model), load_tensors(reference.model)
    assert ours[1] == theirs[1]
    assert all(torch.equal(ours[0][name], theirs[0][name]) for name in theirs[0])


def test_an_interrupted_command_says_so(tmp_path, lines, monkeypatch, capsys):
    from typica.baselines import loop

    step = loop._Loop.one_step

    def one_step(self):
        os.kill(os.getpid(), signal.SIGINT)
        step(self)

    monkeypatch.setattr(loop._Loop, "one_step", one_step)
    assert main(_command(lines, tmp_path / "run")) == 130
    assert "interrupted after 1 steps; --resume" in capsys.readouterr().out
    assert not (tmp_path / "run" / "evaluation").exists()


def test_fewer_transcribed_lines(lines):
    some = with_transcribed(lines, 3)
    assert [line.split for line in some].count("train") == 3
    assert some.part("test") == lines.part("test")
    train = [line.id for line in lines.part("train")]
    assert [line.id for line in some.part("train")] == [train[0], train[8], train[-1]]
    assert with_transcribed(lines, None) is lines
    for count in (0, 19):
        with pytest.raises(ConfigError, match=r"--lines .* 1 to 18"):
            with_transcribed(lines, count)


def test_the_command_has_a_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["baseline", "recogniser", "--help"])
    assert not caught.value.code
    told = capsys.readouterr().out
    assert all(option in told for option in ("--out", "--lines", "--max-minutes", "--resume"))


def test_what_is_no_recogniser_is_refused(tmp_path, reference):
    with pytest.raises(RunError, match="no such file"):
        load_recogniser(tmp_path)
    with pytest.raises(RunError, match="damaged"):
        load_recogniser(reference.checkpoint)
