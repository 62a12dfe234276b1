"""The translation job, the parallel set, its page and its command."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from typica.cli import main
from typica.errors import ConfigError, DataError, RunError
from typica.images.loading import load_pixels
from typica.mining.opening import open_run
from typica.mining.translation import parallel_writing
from typica.mining.translation.job import choose_pictures, translate_run
from typica.mining.translation.options import TranslationConfig
from typica.mining.translation.parallel import ParallelFolder, read_parallel, read_pixels
from typica.mining.translation.summary import rows_shown, write_translation_page

from .translation_helpers import LABELS, tiny_run

QUICK = TranslationConfig(
    steps=3, inversion="exact", inversion_steps=3, guidance=2, iterations=8, tolerance=1e-3
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("translation"))


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("sets") / "whole"
    done = translate_run(run, out, QUICK, show_progress=False, device="cpu")
    return out, done


def pixels(out):
    files = sorted((out / "pictures").glob("*/*.png"))
    return {path.relative_to(out).as_posix(): read_pixels(path) for path in files}


def test_a_set_holds_every_picture_under_every_label(run, whole):
    out, done = whole
    found = read_parallel(out)
    assert done.finished
    assert (done.pictures, done.kept, done.translations) == (9, 0, 18)
    assert len(found.rows) == 18
    sequences = list(found.sequences())
    assert [one.index for one in sequences] == list(range(9))
    for one in sequences:
        picture = run.collection.pictures[one.index]
        assert (one.picture, one.source) == (picture.id, picture.label)
        assert tuple(one.files) == LABELS == found.about.labels
        # the real picture stands for its own label, and all are of its working size
        real = load_pixels(picture, run.about.config.size, run.about.factor)
        assert np.array_equal(read_pixels(one.files[one.source]), real)
        assert {read_pixels(path).shape for path in one.files.values()} == {real.shape}
        others = [read_pixels(one.files[label]) for label in LABELS if label != one.source]
        assert not np.array_equal(others[0], others[1])
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert rows == [vars(row) for row in sorted(found.rows, key=lambda r: (r.index, r.target))]


def test_the_error_of_a_row_is_that_of_its_reconstruction(whole):
    found = read_parallel(whole[0])
    for row in found.rows[::5]:
        real, again = (
            read_pixels(found.path(name)).astype(float) for name in (row.real, row.reconstruction)
        )
        assert np.sqrt(((real - again) ** 2).mean()) == pytest.approx(row.rmse, abs=0.6)
        assert row.codec_rmse == pytest.approx(0, abs=1e-3)  # folding loses nothing
        assert row.residual is not None


def test_neither_batch_size_nor_shards_change_a_picture(run, whole, tmp_path):
    expected = pixels(whole[0])
    for batch, shards in ((5, 1), (1, 2)):
        out = tmp_path / f"{batch}-{shards}"
        for number in range(shards):
            translate_run(
                run,
                out,
                QUICK,
                shard=(number, shards),
                batch_size=batch,
                device="cpu",
                show_progress=False,
            )
        got = pixels(out)
        assert got.keys() == expected.keys()
        for name, picture in got.items():
            # sums in another order: a grey value may fall to the other side of a half
            assert np.abs(picture.astype(int) - expected[name]).max() <= 1, name
        assert len(read_parallel(out).rows) == 18


def test_a_killed_job_goes_on_and_does_nothing_again(run, whole, tmp_path, monkeypatch):
    out = tmp_path / "set"
    write, count = ParallelFolder.write_rows, []

    def killed(self, index, rows):
        count.append(index)
        if len(count) == 4:
            raise KeyboardInterrupt
        write(self, index, rows)

    monkeypatch.setattr(ParallelFolder, "write_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        translate_run(run, out, QUICK, device="cpu", show_progress=False, batch_size=12)
    monkeypatch.undo()
    # its files are there, its rows are not: it does not count, and a half-written file goes
    cut = ParallelFolder(out).picture(count[3])
    assert (cut / "real.png").exists()
    (cut / ".real-abcdefgh.png").write_bytes(b"half")
    assert ParallelFolder(out).finished() == sorted(count[:3])
    before = {i: ParallelFolder(out).rows(i).stat().st_mtime_ns for i in count[:3]}
    assert len(list(read_parallel(out).sequences())) == 3
    done = translate_run(run, out, QUICK, device="cpu", show_progress=False, batch_size=12)
    assert (done.pictures, done.kept) == (6, 3)
    assert {i: ParallelFolder(out).rows(i).stat().st_mtime_ns for i in count[:3]} == before
    assert not list(cut.glob(".*"))
    for name, picture in pixels(out).items():
        assert np.abs(picture.astype(int) - pixels(whole[0])[name]).max() <= 1
    again = translate_run(run, out, QUICK, device="cpu", show_progress=False)
    assert (again.pictures, again.kept, again.rmse) == (0, 9, None)


def test_a_number_per_label_grows(run, tmp_path):
    small = choose_pictures(run.collection, LABELS, 1, 0)
    large = choose_pictures(run.collection, LABELS, 2, 0)
    assert set(small) < set(large)
    assert [run.collection.pictures[i].label for i in small] == list(LABELS)
    assert choose_pictures(run.collection, LABELS, None, 0) == list(range(9))
    draws = {tuple(choose_pictures(run.collection, LABELS, 1, seed)) for seed in range(20)}
    assert len(draws) > 5
    out = tmp_path / "set"
    for count, made in ((1, 3), (2, 3)):
        done = translate_run(run, out, QUICK, per_label=count, device="cpu", show_progress=False)
        assert done.pictures == made
    assert ParallelFolder(out).finished() == large


def test_a_set_among_some_labels(run, tmp_path):
    config = replace(QUICK, labels=("c", "a"))
    translate_run(run, tmp_path / "set", config, device="cpu", show_progress=False, per_label=1)
    found = read_parallel(tmp_path / "set")
    assert found.about.labels == ("a", "c")
    assert {(row.source, row.target) for row in found.rows} == {("a", "c"), ("c", "a")}
    assert len(list(found.sequences())) == 2
    config = replace(QUICK, labels=("a", "z"))
    with pytest.raises(ConfigError, match="no label"):
        translate_run(run, tmp_path / "other", config, device="cpu", show_progress=False)


def test_other_choices_are_refused_and_named(run, whole, tmp_path):
    with pytest.raises(RunError, match=r"guidance=2"):
        translate_run(run, whole[0], replace(QUICK, guidance=3), device="cpu", show_progress=False)
    with pytest.raises(ConfigError, match="--shard"):
        translate_run(run, tmp_path / "x", QUICK, shard=(2, 2), device="cpu")
    with pytest.raises(RunError, match="lies in the data folder"):
        translate_run(run, run.collection.root / "set", QUICK, device="cpu")
    with pytest.raises(RunError, match="not a run folder"):
        read_parallel(tmp_path)
    with pytest.raises(RunError, match="no parallel set"):
        read_parallel(run.folder.folder)


def test_damaged_and_hostile_rows_are_refused(whole, tmp_path):
    out = tmp_path / "set"
    shutil.copytree(whole[0], out)
    path = ParallelFolder(out).rows(0)
    row = json.loads(path.read_text().splitlines()[0])
    path.write_text(json.dumps(row | {"file": "../../secret.png"}) + "\n")
    with pytest.raises(RunError, match="leads out"):
        read_parallel(out)
    path.write_text('{"index": 0')
    with pytest.raises(RunError, match="damaged"):
        read_parallel(out)
    (out / row["real"]).write_bytes(b"no picture")
    with pytest.raises(RunError, match="cannot be read"):
        read_pixels(out / row["real"])


def test_names_of_labels_are_safe(tmp_path):
    folder = ParallelFolder(tmp_path)
    labels = ("../etc", "Ärger / Öl", "日本", "a" * 300)
    names = [folder.translation(7, labels, label) for label in labels]
    assert [path.name for path in names][:3] == ["000-etc.png", "001-arger-ol.png", "002-label.png"]
    assert all(path.parent == tmp_path / "pictures" / "000007" for path in names)
    assert len(names[3].name) < 60


def test_pictures_that_cannot_be_decoded_are_skipped(tmp_path):
    run = tiny_run(tmp_path, 2)
    run.collection.pictures[1].path.write_bytes(b"not a picture")
    done = translate_run(run, tmp_path / "set", QUICK, device="cpu", show_progress=False)
    assert [one.index for one in done.skipped] == [1]
    assert (done.pictures, done.finished) == (5, True)
    for picture in run.collection:
        picture.path.write_bytes(b"not a picture")
    with pytest.raises(DataError, match="no picture can be read"):
        translate_run(run, tmp_path / "other", QUICK, device="cpu", show_progress=False)


def test_a_model_that_gives_no_numbers_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel_writing, "translate", lambda *given: given[1].latents[-1] * np.nan)
    with pytest.raises(RunError, match="not finite"):
        translate_run(run, tmp_path / "set", QUICK, device="cpu", show_progress=False)


def test_the_command_and_its_page(run, tmp_path, capsys):
    out = tmp_path / "par"
    given = ["mine", "translate", str(run.folder.folder), "--out", str(out), "--per-label", "1"]
    given += ["--device", "cpu", "--set", "steps=3", "inversion_steps=3", "iterations=5"]
    assert main([*given, "--print-config"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 3
    assert main(given) == 0
    printed = capsys.readouterr().out
    assert "translated 3 pictures (0 were there)" in printed
    assert str(out) in printed
    page = (out / "index.html").read_text(encoding="utf-8")
    assert page.count('<td class="real">') == 3
    assert page.count("data:image/webp") == 3 * 4
    assert "up_blocks.0.resnets.1.conv2" in page
    assert main(given) == 0
    assert "translated 0 pictures (3 were there)" in capsys.readouterr().out
    # the set remembers its options, and the page can be made again from it alone
    assert main([*given[:4], str(out), "--config", str(out / "config.json"), *given[5:9]]) == 0
    assert write_translation_page(out) == out / "index.html"
    assert main([*given, "steps=4"]) == 2
    assert "was begun with other choices" in capsys.readouterr().err


def test_the_page_shows_as_many_pictures_of_every_label(whole):
    found = read_parallel(whole[0])
    assert rows_shown(found) == list(range(9))
    assert rows_shown(found, per_label=2) == [0, 2, 3, 5, 6, 8]
    assert rows_shown(found, most=3) == [0, 3, 6]


def test_a_moved_data_folder_is_given(run, tmp_path, whole):
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.collection.root, moved)
    opened = open_run(run.folder.folder, moved)
    done = translate_run(opened, whole[0], QUICK, device="cpu", show_progress=False)
    assert (done.pictures, done.kept) == (0, 9)
    assert Image.open(whole[0] / "pictures" / "000000" / "real.png").mode == "RGB"
