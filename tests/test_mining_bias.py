"""Sampling bias from a run to its page, on tiny models, offline."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from typica.cli import main
from typica.demo.shapes import NO_SHAPE, write_shapes
from typica.errors import ConfigError, DataError, RunError
from typica.images.collection import read_pictures
from typica.mining.bias import synthesis
from typica.mining.bias.options import BiasOptions, SampleOptions
from typica.mining.bias.run import bias_run
from typica.mining.bias.sample_folder import SampleFolder, label_folder
from typica.mining.bias.synthesis import sample_noise, sample_set
from typica.mining.bias.vectors import central_square
from typica.mining.opening import open_run
from typica.mining.sampling import denoise, start_noise

from .mining_helpers import LABELS, tiny_about, tiny_pictures, tiny_pipeline, tiny_small
from .test_mining_run import TINY

FEW = {"permutations": 99, "resamples": 100, "parts": 3, "splits": 2}


def _pixels(folder: Path) -> dict[str, np.ndarray]:
    found = sorted(folder.rglob("[!.]*.png"))
    return {str(p.relative_to(folder)): np.asarray(Image.open(p)).astype(int) for p in found}


def _model(seed: int = 0):
    """A tiny model that draws something: one that is not trained answers zero to everything."""
    model = tiny_small(seed)
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.unet.parameters():
            tensor += 0.05 * torch.randn(tensor.shape, generator=draws)
    return model


def _options(**changes) -> SampleOptions:
    return SampleOptions(**{"per_label": 3, "guidance": (3.0, 1.0), "steps": 3, **changes})


def _draw(out: Path, shard=(0, 1), **changes):
    done = sample_set(
        _model(), tiny_about(), out, _options(**changes), shard=shard, show_progress=False
    )
    return done, _pixels(out)


def test_samples_depend_on_neither_batch_nor_shard(tmp_path):
    done, whole = _draw(tmp_path / "whole", batch_size=2)
    assert (done.drawn, done.kept, done.finished) == (18, 0, True)
    assert len(whole) == 18
    for shard in ((2, 3), (0, 3), (1, 3)):
        _, parts = _draw(tmp_path / "parts", shard, batch_size=2)
    assert whole.keys() == parts.keys()
    assert all((whole[name] == parts[name]).all() for name in whole)
    _, single = _draw(tmp_path / "single", batch_size=1)
    # another number of terms at a time may round a grey value otherwise, never by more than one
    assert all(np.abs(whole[name] - single[name]).max() <= 1 for name in whole)
    # nor are any two pictures the same, of whatever label, strength and index
    assert len({array.tobytes() for array in whole.values()}) == 18


def test_a_sample_is_ddim_from_its_own_noise(tmp_path):
    _, drawn = _draw(tmp_path / "s")
    model = _model()
    noise = sample_noise(0, "b", 3.0, 2, (12, 8, 8))[None]
    pixels = denoise(model, noise, ["b"], steps=3, guidance=3.0)
    expected = ((pixels[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().clip(0, 255)
    assert np.abs(drawn["guidance-3/001-b/00002.png"] - expected).max() <= 1
    assert not np.allclose(noise, start_noise(0, 2, (12, 8, 8)))


def test_more_can_be_added_and_nothing_is_drawn_again(tmp_path):
    out = tmp_path / "s"
    _, before = _draw(out, per_label=2, guidance=(1.0,))
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    done, after = _draw(out, per_label=3, guidance=(3.0,))
    assert done.kept == 6
    assert done.drawn == 12
    assert all(p.stat().st_mtime_ns == time for p, time in times.items())
    assert all((before[name] == after[name]).all() for name in before)
    assert SampleFolder(out).read().guidance == (1.0, 3.0)
    done, _ = _draw(out)
    assert (done.drawn, done.kept) == (0, 18)


def test_a_job_that_was_killed_goes_on_with_the_same_pictures(tmp_path, monkeypatch):
    _, whole = _draw(tmp_path / "whole", batch_size=3)
    count = 0
    plain = synthesis.atomic_path

    def killed(path):
        nonlocal count
        count += path.suffix == ".png"
        if count == 8:
            raise KeyboardInterrupt
        return plain(path)

    out = tmp_path / "killed"
    monkeypatch.setattr(synthesis, "atomic_path", killed)
    with pytest.raises(KeyboardInterrupt):
        _draw(out, batch_size=3)
    assert len(_pixels(out)) == 7
    folder = SampleFolder(out)
    with pytest.raises(RunError, match="9 of 9 samples are missing"):
        folder.collection(folder.read(), 3.0)
    monkeypatch.setattr(synthesis, "atomic_path", plain)
    done, rest = _draw(out, batch_size=3)
    assert (done.drawn, done.kept) == (11, 7)
    assert all((whole[name] == rest[name]).all() for name in whole)


def test_an_interruption_ends_after_a_batch(tmp_path, monkeypatch):
    import os
    import signal

    plain = synthesis.draw_batch

    def drawing(*given):
        os.kill(os.getpid(), signal.SIGINT)
        return plain(*given)

    monkeypatch.setattr(synthesis, "draw_batch", drawing)
    done, found = _draw(tmp_path / "s", batch_size=2)
    assert not done.finished
    assert done.drawn == len(found) == 2


def test_other_samples_are_refused(tmp_path):
    out = tmp_path / "s"
    _draw(out, per_label=1)
    with pytest.raises(RunError, match=r"drawn otherwise \(steps\)"):
        _draw(out, per_label=1, steps=4)
    with pytest.raises(RunError, match="model"):
        sample_set(_model(1), tiny_about(), out, _options(), show_progress=False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(RunError, match="something else"):
        _draw(tmp_path / "full")
    (out / "samples.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        _draw(out)
    with pytest.raises(ConfigError, match="shard"):
        _draw(tmp_path / "t", shard=(2, 2))
    for wrong in ({"guidance": ()}, {"guidance": (1.0, 1.0)}, {"per_label": 0}, {"steps": 0}):
        with pytest.raises(ConfigError):
            _options(**wrong)


def test_samples_are_a_collection_that_others_can_read(tmp_path):
    out = tmp_path / "s"
    _draw(out)
    folder = SampleFolder(out)
    ours = folder.collection(folder.read(), 3.0)
    assert ours.counts() == dict.fromkeys(LABELS, 3)
    theirs = read_pictures(folder.of_guidance(3.0))
    assert [(p.id, p.label) for p in theirs] == [(p.id, p.label) for p in ours]
    assert not theirs.problems
    broken = ours.pictures[4].path
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(DataError, match="not as it was drawn"):
        folder.collection(folder.read(), 3.0)


def test_no_label_leads_out_of_its_folder():
    labels = ("../x", "a/b", "é è", "..", "日本", "a b")
    names = [label_folder(labels, label) for label in labels]
    assert names == ["000-x", "001-a-b", "002-e-e", "003", "004", "005-a-b"]


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bias")
    data = tiny_pictures(folder / "data").root
    changes = ["typicality.piece=5", *TINY]
    assert main(["mine", "run", str(data), "--out", str(folder / "run"), "--set", *changes]) == 0
    given = ["--out", str(folder / "samples"), "--per-label", "5", "--steps", "2"]
    given += ["--guidance", "1", "4"]
    assert main(["mine", "sample", str(folder / "run"), *given]) == 0
    return folder


FLAGS = [
    *("--permutations", "99", "--resamples", "100", "--parts", "3", "--splits", "2"),
]


def test_the_commands_end_in_a_page_and_tables(tiny_run, tmp_path, capsys):
    out = tmp_path / "bias"
    given = ["mine", "bias", str(tiny_run / "run"), str(tiny_run / "samples"), "--out", str(out)]
    assert main([*given, *FLAGS]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("guidance 1: ")
    page = Path(rows[-1].removeprefix("open ")).read_text()
    assert page.count('class="label-page"') == 3
    assert "guidance 4" in page
    with open(out / "clusters.csv", encoding="utf-8") as file:
        clusters = list(csv.DictReader(file))
    for label in LABELS:
        for strength in ("1", "4"):
            own = [r for r in clusters if (r["label"], r["guidance"]) == (label, strength)]
            for column in ("real_share", "sampled_share"):
                assert sum(float(r[column]) for r in own) == pytest.approx(1, abs=1e-3)
            assert {r["pictures"] for r in own} == {"5"}  # 8 pictures, 5 samples
    with open(out / "measures.csv", encoding="utf-8") as file:
        measures = list(csv.DictReader(file))
    # 2 and 3 of elements, 4 of pictures in each of two spaces; three labels and their mean
    assert len(measures) == 2 * 4 * (5 + 2 * 4)
    found = json.loads((out / "comparison.json").read_text())
    assert found["samples"]["per_label"] == 5
    assert found["options"]["permutations"] == 99
    assert found["calibration"]["a"]["pictures"] == 4
    maps = {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")}
    before = (out / "measures.csv").read_bytes()
    assert main([*given, *FLAGS]) == 0
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")} == maps
    assert (out / "measures.csv").read_bytes() == before


def test_samples_must_be_whole_and_of_this_run(tiny_run, tmp_path):
    run = open_run(tiny_run / "run")
    samples = tmp_path / "samples"
    shutil.copytree(tiny_run / "samples", samples)
    lost = next(samples.rglob("*.png"))
    kept = lost.read_bytes()
    lost.unlink()
    options = BiasOptions(**FEW)
    with pytest.raises(RunError, match="1 of 15 samples are missing"):
        bias_run(run, samples, tmp_path / "out", options, show_progress=False)
    lost.write_bytes(kept)
    about = json.loads((samples / "samples.json").read_text())
    about["settings"]["model"] = "another"
    (samples / "samples.json").write_text(json.dumps(about))
    with pytest.raises(RunError, match="another model"):
        bias_run(run, samples, tmp_path / "out", options, show_progress=False)
    about["per_label"] = 4
    about["settings"]["model"] = SampleFolder(tiny_run / "samples").read().settings["model"]
    (samples / "samples.json").write_text(json.dumps(about))
    bias_run(run, tiny_run / "samples", tmp_path / "done", options, show_progress=False)
    with pytest.raises(RunError, match=r"other samples \(per_label\)"):
        bias_run(run, samples, tmp_path / "done", options, show_progress=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("")
    with pytest.raises(RunError, match="something else"):
        bias_run(run, samples, tmp_path / "mine", options, show_progress=False)


def test_a_stable_diffusion_folder_takes_the_same_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = tiny_pictures(tmp_path / "data", count=4).root
    run, samples, out = tmp_path / "run", tmp_path / "samples", tmp_path / "out"
    pipeline = tiny_pipeline(tmp_path / "sd")
    changes = [one for one in TINY if not one.startswith(("small.", "size", "finetune.steps"))]
    given = ["mine", "run", str(data), "--out", str(run), "--base", str(pipeline)]
    assert main([*given, "--set", "size=32", "finetune.steps=1", *changes]) == 0
    few = ["--per-label", "3", "--steps", "2", "--guidance", "2"]
    assert main(["mine", "sample", str(run), "--out", str(samples), *few]) == 0
    assert main(["mine", "bias", str(run), str(samples), "--out", str(out), *FLAGS]) == 0
    assert (out / "index.html").is_file()


def test_the_central_square_is_central():
    pixels = np.arange(4 * 9 * 3, dtype=np.uint8).reshape(4, 9, 3)
    assert (central_square(pixels) == pixels[:, 2:6]).all()
    assert (central_square(pixels[:, :4]) == pixels[:, :4]).all()


def test_a_picture_of_several_labels_counts_under_each(tmp_path):
    data = write_shapes(tmp_path / "data", 14, 32, seed=3, kinds=("disc", "square"))
    reading = ["--label-separator", "|", "--unlabelled", NO_SHAPE]
    run, samples, out = (str(tmp_path / name) for name in ("run", "samples", "bias"))
    assert main(["mine", "run", str(data), "--out", run, *reading, "--set", *TINY]) == 0
    few = ["--per-label", "4", "--guidance", "2", "--steps", "2"]
    assert main(["mine", "sample", run, "--out", samples, *few]) == 0
    assert main(["mine", "bias", run, samples, "--out", out, *FLAGS]) == 0
    with open(tmp_path / "bias/clusters.csv", encoding="utf-8") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {"disc", "square"}
    found = json.loads((tmp_path / "bias/comparison.json").read_text())
    counts = open_run(Path(run)).collection.counts()
    assert sum(counts.values()) > 14  # some pictures have both
    assert {label: min(4, n) for label, n in counts.items()} == {"disc": 4, "square": 4}
    assert found["samples"]["per_label"] == 4
