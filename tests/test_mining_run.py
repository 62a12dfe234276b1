"""Mining from pictures to the page: every command, on tiny models, offline."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from typica.cli import _GROUPS, main
from typica.demo import mining as demo_mining
from typica.demo import run as demo_run
from typica.errors import ConfigError, RunError
from typica.files import atomic_path
from typica.images.options import PictureOptions
from typica.images.prompts import PromptTemplate
from typica.mining import run as mining_run
from typica.mining import selection as mining_selection
from typica.mining.config import TypicalityConfig
from typica.mining.folder import MiningFolder
from typica.mining.maps import piece_path, read_maps
from typica.mining.opening import begin, open_run
from typica.mining.run import mine, scoring_minutes
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


def _begin(data: Path, out: Path, **changes):
    given = {"base": "small", "prompt": PromptTemplate(), "config": tiny_config()}
    return begin(data, out, **(given | {"reading": PictureOptions()} | changes))


def test_another_way_of_reading_is_refused(data, tmp_path):
    for label, year in zip(LABELS, ("1912", "1957", "1999"), strict=True):
        (data / label).rename(data / year)
    run = _begin(data, tmp_path / "run", reading=PictureOptions(bin=10))
    again = PictureOptions(bin=10, cache=tmp_path / "elsewhere")  # which decides nothing
    assert _begin(data, tmp_path / "run", reading=again).about == run.about
    for other, named in (
        (PictureOptions(bin=50), "--bin 10, not 50"),
        (PictureOptions(bin=10, val=0.5), r"--val 0\.05, not 0\.5"),
        (PictureOptions(bin=10, path_column="x"), "--path-column None, not 'x'"),
    ):
        with pytest.raises(RunError, match=f"begun with {named}"):
            _begin(data, tmp_path / "run", reading=other)


def test_a_start_that_was_killed_is_begun_again(data, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / ".lock").touch()
    killed = atomic_path(out / "config.json")
    aside = killed.__enter__()
    notes = out / ".notes-abcdefgh.json"
    notes.touch()
    with pytest.raises(RunError, match="no mining run"):
        _begin(data, out)
    notes.unlink()
    _begin(data, out)
    assert not aside.exists()


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    run = MiningFolder(tmp_path)
    stale = (
        *(run.config, run.checkpoint, run.log, tmp_path / "problems.json"),
        *(run.elements("base"), run.features("base"), run.clusters("base")),
        *(run.samples / "step-000010.png", run.latents / "pictures.json"),
    )
    # written by processes that do not hold the folder, or not by us at all
    others = (
        *(piece_path(run.maps("base"), 0), tmp_path / "report" / "index.html"),
        *(tmp_path / "notes.txt", run.samples / "mine.png"),
    )
    killed = [atomic_path(path) for path in (*stale, *others)]
    asides = [one.__enter__() for one in killed]
    with run.locked():
        assert [path.exists() for path in asides] == [False] * len(stale) + [True] * len(others)


def test_a_table_never_stands_beside_clusters_of_another(data, tmp_path, monkeypatch):
    out = tmp_path / "run"
    assert _run(data, out) == 0
    clusters = MiningFolder(out).clusters("finetuned")
    former = json.loads(clusters.read_text()) | {"table": "of other maps"}
    clusters.write_text(json.dumps(former))

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    opened = open_run(out)
    with monkeypatch.context() as patched:
        patched.setattr(mining_selection, "write_clusters", kill)
        with pytest.raises(KeyboardInterrupt):
            mining_run.select_run(opened, show_progress=False)
    assert main(["mine", "report", str(out)]) == 0  # without clusters
    assert _run(data, out) == 0
    assert json.loads(clusters.read_text())["table"] != "of other maps"


def test_a_kill_between_two_renames_does_not_lose_the_model(data, tmp_path):
    out = tmp_path / "run"
    assert _run(data, out) == 0
    denoiser = MiningFolder(out).denoiser
    denoiser.rename(denoiser.with_name(".denoiser-old"))
    assert main(["mine", "score", str(out)]) == 0
    assert denoiser.is_dir()


def test_a_run_may_be_called_as_its_base(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = _begin(data, Path("small"))
    assert first.about.base == "small"
    assert _begin(data, Path("small")).about == first.about


def test_messages_name_commands_that_exist():
    source = Path(mining_run.__file__).parents[1]
    known = {f"{group} {name}" for group, (_, names) in _GROUPS.items() for name in names}
    named = set()
    for file in source.rglob("*.py"):
        text = re.sub(r'"\s*\n\s*f?"', "", file.read_text(encoding="utf-8"))  # one string again
        named |= set(re.findall(r"`typica ([\w-]+ [\w-]+)", text))
    assert {"mine select", "lines check"} <= named <= known


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


def test_a_run_with_draws_by_need_tells_how_many_and_what_a_shard_waits_for(data, tmp_path, capsys):
    by_need = ["typicality.draws=4", "typicality.adaptive=2", "elements.per_label=3"]
    by_need.append("typicality.noise=independent")  # balanced needs more in every round
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert _run(data, whole, "typicality.piece=5", *by_need) == 0
    told = capsys.readouterr().out
    assert re.search(r"scored \d+ pictures in .* with [23]\.\d draws each on average", told)
    page = (whole / "report" / "index.html").read_text()
    assert "scored with 2 to 4 noises each" in page
    options = ["--set", *TINY, "typicality.piece=5", *by_need]
    assert main(["mine", "finetune", str(data), "--out", str(parts), *options]) == 0
    for turn in range(3):
        for shard in ("1/2", "0/2"):
            assert main(["mine", "score", str(parts), "--shard", shard]) == 0
        told = capsys.readouterr().out
        assert ("not finished: this shard is done with round 0 of 1" in told) == (turn == 0)
    one, two = (MiningFolder(folder).maps("finetuned") for folder in (whole, parts))
    for a, b in zip(read_maps(one), read_maps(two), strict=True):
        assert (a.id, a.draws) == (b.id, b.draws)
        assert (a.typicality == b.typicality).all()


def test_a_surrogate_counts_in_the_time_that_scoring_takes(data, tmp_path, monkeypatch):
    """With a clock that ticks once a look: a batch of either takes one second."""
    ticks = iter(range(1000))
    monkeypatch.setattr(mining_run.time, "perf_counter", lambda: float(next(ticks)))
    found = []
    for steps in (None, 30):
        typicality = TypicalityConfig(draws=4, groups=2, batch_size=8, surrogate=steps)
        config = replace(tiny_config(), typicality=typicality)
        given = {"base": "small", "prompt": PromptTemplate(), "config": config}
        run = begin(data, tmp_path / f"{steps}", **given, reading=PictureOptions())
        found.append(scoring_minutes(run, "cpu", batches=1))
    plain, taught = found
    second = 1 / 60
    scoring = plain / second * 8 / 4  # evaluations of one draw of all pictures
    more = scoring / 2 * 4 * 11 / 8 + 30 * 32 * (2 / 8 + 3 / 8)
    assert taught == pytest.approx(plain + more * second)


def test_a_surrogate_is_told_of_and_shared_with_workers(data, tmp_path, capsys):
    sets = ("typicality.surrogate=4", "typicality.sampling=importance")
    assert _run(data, tmp_path / "one", "--set", *sets) == 0
    folder = MiningFolder(tmp_path / "one")
    kept = {p.name: p.read_bytes() for p in folder.maps("finetuned").glob("*.safetensors")}
    assert "surrogate.safetensors" in kept
    for name in kept:
        (folder.maps("finetuned") / name).unlink()
    capsys.readouterr()
    assert main(["mine", "score", f"{tmp_path / 'one'}", "--workers", "2"]) == 0
    assert "of the variance of an estimate" in capsys.readouterr().out
    for name, content in kept.items():
        assert (folder.maps("finetuned") / name).read_bytes() == content


def test_a_model_that_was_scored_is_not_trained_further(data, tmp_path, monkeypatch):
    """The pace is measured anew at every start; it may not change what was begun."""
    config = replace(tiny_config(), typicality=TypicalityConfig(draws=4, groups=2))
    given = {"base": "small", "prompt": PromptTemplate(), "config": config}
    run = begin(data, tmp_path / "run", **given, reading=PictureOptions())
    monkeypatch.setattr(mining_run, "scoring_minutes", lambda run, device: 0.06)
    assert list(mine(run, max_minutes=0.1, show_progress=False))[-1].startswith("open ")
    piece = piece_path(run.folder.maps("finetuned"), 0)
    maps, log = piece.read_bytes(), run.folder.log.read_text()
    for pace in (0.0, 1e9):  # more time than before for the training, and far too little
        monkeypatch.setattr(mining_run, "scoring_minutes", lambda run, device, pace=pace: pace)
        rows = list(mine(run, max_minutes=0.1, show_progress=False))
        assert rows[-1].startswith("open ")
        assert piece.read_bytes() == maps
        assert run.folder.log.read_text() == log


def test_fewer_draws_are_named_that_are_possible(data, tmp_path, monkeypatch):
    config = replace(tiny_config(), typicality=TypicalityConfig(draws=60, groups=6))
    given = {"base": "small", "prompt": PromptTemplate(), "config": config}
    run = begin(data, tmp_path / "run", **given, reading=PictureOptions())
    for minutes, draws in ((2.0, 18), (1e9, 6)):  # 20.9 draws would fit, and none
        monkeypatch.setattr(mining_run, "scoring_minutes", lambda run, device, m=minutes: m)
        with pytest.raises(ConfigError, match=rf"another --out.*typicality\.draws={draws}\)"):
            list(mine(run, max_minutes=1, show_progress=False))
    by_need = replace(config, typicality=TypicalityConfig(draws=60, groups=6, adaptive=12))
    run = begin(data, tmp_path / "by need", **given | {"config": by_need}, reading=PictureOptions())
    with pytest.raises(ConfigError, match=r"typicality\.draws=6 typicality\.adaptive=none\)"):
        list(mine(run, max_minutes=1, show_progress=False))


def test_the_mining_demo_runs_without_npm(tmp_path, monkeypatch):
    from typica.demo import packages

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nothing fetched before
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    monkeypatch.setattr(demo_mining, "CONCEPTS", 6)
    config = tiny_config()
    few = replace(config, typicality=replace(config.typicality, draws=2, groups=2))
    monkeypatch.setattr(demo_mining, "demo_mining_config", lambda: few)
    rows = list(demo_run.run_demo(tmp_path / "demo", mining_minutes=0.1, part="mining"))
    assert rows[-1].startswith("open ")
    assert (tmp_path / "demo" / "mining" / "report" / "index.html").is_file()


def test_the_mining_demo_takes_longer_on_a_slow_machine(tmp_path, monkeypatch):
    from typica.demo import packages

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nothing fetched before
    config = tiny_config()
    some = replace(config, typicality=replace(config.typicality, draws=4, groups=2))
    asked = []

    def mine(run, max_minutes):
        asked.append((run.about.config.typicality.draws, max_minutes))
        yield "open it"

    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    monkeypatch.setattr(demo_mining, "CONCEPTS", 6)
    monkeypatch.setattr(demo_mining, "demo_mining_config", lambda: some)
    monkeypatch.setattr(demo_mining, "scoring_minutes", lambda run, device: 30.0)
    monkeypatch.setattr(demo_mining, "mine", mine)
    rows = list(demo_mining.mining_demo(tmp_path / "pictures", tmp_path / "run", 10.0))
    assert asked == [(2, 37.5)]
    assert any("slow or busy: 2 draws instead of 4, about 38 minutes" in row for row in rows)


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
