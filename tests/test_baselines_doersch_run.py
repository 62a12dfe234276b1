"""The whole Doersch et al. baseline on planted elements: command, resumption, pages, comparison."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from typica.baselines.doersch.beside import (
    BesideOptions,
    PatchSet,
    measure,
    mined_sets,
    repeated_share,
)
from typica.baselines.doersch.beside_page import lay_beside
from typica.baselines.doersch.folder import DoerschFolder
from typica.baselines.doersch.run import begin_doersch, open_store
from typica.cli import main
from typica.errors import RunError
from typica.images.collection import digest, read_pictures
from typica.images.options import PictureOptions
from typica.images.prompts import PromptTemplate
from typica.mining.appearance import SIDE, raw_pixels
from typica.mining.clustering import cluster_elements, write_clusters
from typica.mining.config import ClusterConfig, MiningConfig
from typica.mining.folder import MiningAbout, MiningFolder
from typica.mining.table import COLUMNS, ElementsTable, write_table
from typica.values import Box

from .doersch_helpers import TINY, planted

CHANGES = [f"{name}={value}" for name, value in TINY.as_dict().items()]


def _command(data: Path, out: Path, *more: str) -> int:
    given = ["baseline", "doersch", str(data), "--out", str(out), "--device", "cpu"]
    return main([*given, "--set", *CHANGES, *more])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted(tmp_path_factory.mktemp("planted") / "data")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> DoerschFolder:
    out = tmp_path_factory.mktemp("runs") / "doersch"
    assert _command(data, out, "--label", "cross", "--label", "bars") == 0
    return DoerschFolder(out)


@pytest.fixture
def mined(data: Path, tmp_path: Path) -> MiningFolder:
    """A mining run of the same pictures, whose elements are squares at known places."""
    collection = read_pictures(data)
    rows: dict[str, list[object]] = {name: [] for name in COLUMNS}
    for kind in ("random", "typical"):
        counts = dict.fromkeys(collection.labels, 0)
        for picture in collection:
            rank = counts[picture.label]
            counts[picture.label] += 1
            values = dict.fromkeys(COLUMNS, 0) | {
                "picture": picture.id, "label": picture.label, "kind": kind, "rank": rank,
                "x": 4 * (rank % 4), "y": 8, "width": 12, "height": 12,
                "work_x": 4 * (rank % 4), "work_y": 8, "side": 12,
            }  # fmt: skip
            for column, value in values.items():
                rows[column].append(value)
    order = sorted(range(48), key=lambda i: (rows["label"][i], rows["kind"][i], rows["rank"][i]))
    table = ElementsTable.from_columns({k: [v[i] for i in order] for k, v in rows.items()})
    features = np.random.default_rng(0).normal(size=(48, 6)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    table, clusters = cluster_elements(table, features, ClusterConfig(stability_runs=0), False)
    folder = MiningFolder(tmp_path / "mining")
    write_table(folder.elements("finetuned"), table)
    write_clusters(folder.clusters("finetuned"), clusters, table)
    about = MiningAbout(
        MiningConfig(size=32), "small", PromptTemplate(), collection.labels, 4,
        {"name": "data", "path": str(data), "digest": digest(collection)}, {},
    )  # fmt: skip
    folder.write_config(about.as_dict())
    return folder


def test_the_command_finds_what_was_planted(run: DoerschFolder, data: Path) -> None:
    done = {found.label: found for found in run.done()}
    assert sorted(done) == ["bars", "cross"]
    for label, found in done.items():
        assert found.pictures == 8
        assert found.candidates == TINY.candidates
        assert 1 <= len(found.clusters) <= TINY.keep
        shares = [cluster.share for cluster in found.clusters]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == 1  # chance is a third
        for cluster in found.clusters:
            names = [member.picture for member in cluster.members]
            assert len(names) == len(set(names)) == TINY.members
            assert all(name.startswith(f"{label}/") for name in names)
            scores = [member.score for member in cluster.members]
            assert scores == sorted(scores, reverse=True)
            assert all((m.width, m.height) == (12, 12) for m in cluster.members)
        assert set(found.seconds) == set(found.processor_seconds) == {
            "descriptors", "candidates", "seeds", "selected", "round-1", "round-2", "ranking",
        }  # fmt: skip
    assert run.about().options == TINY
    page = run.page.read_text(encoding="utf-8")
    assert page.count("data:image/webp") == sum(
        len(cluster.members) for found in done.values() for cluster in found.clusters
    )
    assert "--label bars --label cross" in page
    assert str(data) not in page


def test_a_second_call_does_nothing_again(
    run: DoerschFolder, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {p: p.stat().st_mtime_ns for p in run.folder.rglob("*.safetensors")}
    assert _command(data, run.folder, "--label", "cross") == 0
    said = capsys.readouterr().out
    assert "0 of 5 pieces made" in said
    assert "cross: done before" in said
    assert {p: p.stat().st_mtime_ns for p in run.folder.rglob("*.safetensors")} == files


def test_a_killed_run_goes_on_to_the_same_result(run: DoerschFolder, data: Path) -> None:
    number = run.about().labels.index("cross")
    where = run.label(number)
    before = run.read_clusters(number)
    kept = where / "seeds" / "000000.safetensors"
    stamp = kept.stat().st_mtime_ns
    for name in ("clusters.json", "round-2.safetensors", "seeds/000016.safetensors"):
        (where / name).unlink()
    assert _command(data, run.folder, "--label", "cross") == 0
    after = run.read_clusters(number)
    assert before is not None and after is not None  # noqa: PT018
    assert after.clusters == before.clusters
    assert kept.stat().st_mtime_ns == stamp


def test_other_choices_and_labels_are_refused(
    run: DoerschFolder, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command(data, run.folder, "--set", "cost=0.2", "--label", "cross") == 2
    assert "(cost=" in capsys.readouterr().err
    assert _command(data, run.folder, "--label", "stars") == 2
    assert "no label 'stars'" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    assert _command(data, tmp_path / "full", "--label", "cross") == 2
    other = planted(tmp_path / "other", 4)
    with pytest.raises(RunError, match="other pictures"):
        begin_doersch(other, run.folder, TINY, PictureOptions())


def test_published_options_are_printed(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    given = ["baseline", "doersch", str(data), "--out", "nowhere", "--print-config"]
    assert main(given) == 0
    assert json.loads(capsys.readouterr().out)["candidates"] == 25_000
    assert not Path("nowhere").exists()


def test_both_lie_side_by_side(run: DoerschFolder, mined: MiningFolder, data: Path) -> None:
    collection = read_pictures(data)
    options = BesideOptions(clusters=2, members=3, neighbours=5, pool=30)
    page, values = lay_beside(run, mined, collection, options, 12.0, show_progress=False)
    assert json.loads((run.folder / "beside.json").read_text()) == values
    text = page.read_text(encoding="utf-8")
    assert "Doersch et al. 2012" in text
    assert "12 min in all" in text
    assert "favours Doersch" in text
    for label in ("bars", "cross"):
        found = values["labels"][label]["measures"]
        assert set(found) == {"mining", "doersch", "random"}
        assert found["doersch"]["patches"] <= 6
        assert found["mining"]["repeated"] == 0
        for one in found.values():
            assert set(one["shares"]) == {"gradients and colours", "raw pixels"}
            assert one["chance"] == pytest.approx(1 / 3, abs=0.05)
            assert 0 <= one["shares"]["raw pixels"]["mean"] <= 1
    gradients = [
        values["labels"][label]["measures"]["doersch"]["shares"]["gradients and colours"]["mean"]
        for label in ("bars", "cross")
    ]
    assert min(gradients) > 0.45  # the planted marks, told by what they look like


def test_what_does_not_belong_together_is_refused(
    run: DoerschFolder, mined: MiningFolder, data: Path
) -> None:
    about = json.loads(mined.config.read_text())
    about["data"]["digest"] = "0"
    mined.config.write_text(json.dumps(about))
    with pytest.raises(RunError, match="of other pictures"):
        lay_beside(run, mined, read_pictures(data), show_progress=False)
    with pytest.raises(RunError, match="no clusters of 'stars'"):
        mined_sets(mined, "stars", BesideOptions())


def test_repeated_places_are_counted() -> None:
    box, near, far = Box(0, 0, 10, 10), Box(2, 0, 12, 10), Box(8, 8, 18, 18)
    found = PatchSet("a", "doersch", ("p", "p", "p", "q"), (box, near, far, box), (0, 1, 2, 2))
    assert repeated_share(found, 0.3) == 0.5
    same = PatchSet("a", "doersch", ("p", "p"), (box, near), (0, 0))
    assert repeated_share(same, 0.3) == 0
    assert repeated_share(PatchSet("a", "doersch", (), (), ()), 0.3) == 0


def test_patches_with_a_mark_are_told_from_noise(data: Path) -> None:
    """The measure itself: the label's mark scores above patches without it."""
    collection = read_pictures(data)
    marks, empty = [], []
    for picture in collection:
        if picture.label == "bars":
            index = int(Path(picture.id).stem)
            rng = np.random.default_rng([0, index])
            rng.integers(100, 156, (32, 32, 3), dtype=np.uint8)
            y, x = (rng.integers(0, 6, 2) * 4).tolist()
            marks.append((picture.id, Box(x, y, x + 12, y + 12)))
            left = 0 if x >= 12 else 20
            empty.append((picture.id, Box(left, 20 - y, left + 12, 32 - y)))
    sets = [
        PatchSet("bars", name, *map(tuple, zip(*rows, strict=True)), (0,) * len(rows))
        for name, rows in (("doersch", marks), ("mining", empty))
    ]
    with_mark, without = measure(
        sets, collection, BesideOptions(neighbours=6, pool=150), show_progress=False
    )
    for name in with_mark.shares:
        assert with_mark.shares[name].mean > without.shares[name].mean + 0.15
    assert asdict(with_mark)["pictures"] == 8


def test_raw_pixels_are_correlations() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
    patches[4] = 77
    found = raw_pixels(patches)
    grey = patches @ np.array([0.299, 0.587, 0.114])
    small = grey.reshape(5, 16, 2, 16, 2).mean((2, 4)).reshape(5, -1)
    np.testing.assert_allclose(found[:4] @ found[:4].T, np.corrcoef(small[:4]), atol=1e-5)
    assert not found[4].any()


def test_the_store_of_a_run_is_on_disk_in_half_precision(run: DoerschFolder, data: Path) -> None:
    store = open_store(run, read_pictures(data))
    assert store.read(0)[0].dtype == torch.float16
    assert store.read(0)[0].shape == (8, 8, TINY.channels)
