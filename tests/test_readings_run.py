"""The commands of the readings, on tiny models: what they write, and that nothing is done twice."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from typica.cli import main
from typica.mining.folder import MiningFolder
from typica.mining.maps import read_maps
from typica.mining.opening import open_run
from typica.mining.readings.label_maps import label_maps, spread
from typica.mining.table import read_table

from .mining_helpers import LABELS, tiny_pictures, tiny_pipeline
from .test_mining_run import TINY


def _begun(folder: Path, *base: str) -> Path:
    """A finished run of own labels."""
    data = tiny_pictures(folder / "data", count=4).root
    options = ["finetune.steps=1", "elements.per_picture=2"]
    begin = ["mine", "run", str(data), "--out", str(folder / "run"), *base]
    assert main([*begin, "--set", *TINY, *options]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run by the small base."""
    return _begun(tmp_path_factory.mktemp("small"))


def test_a_stable_diffusion_folder_goes_the_same_way(tmp_path):
    run = _begun(tmp_path, "--base", str(tiny_pipeline(tmp_path / "base")))
    assert main(["mine", "contrast", str(run), "--between", "a", "c", "--pictures", "2"]) == 0
    table = read_table(MiningFolder(run / "readings" / "contrast-a-c").elements("finetuned"))
    assert np.abs(table.typicality).max() > 0
    found = tmp_path / "found.csv"
    search = ["mine", "search", str(run), "--count", "3", "--out", str(found), "--blind"]
    assert main([*search, "--row", "4"]) == 0
    assert int(next(csv.DictReader(found.open(encoding="utf-8")))["row"]) == 4


def test_contrast_confusions_and_search_leave_the_run_alone(run, capsys):
    before = {
        path: path.stat().st_mtime_ns
        for path in run.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    assert main(["mine", "contrast", str(run), "--against-rest"]) == 0
    assert main(["mine", "confusions", str(run)]) == 0
    table = read_table(MiningFolder(run).elements("finetuned"))
    row = int(table.rows("b", "typical")[1])
    found, other = run.parent / "row.csv", run.parent / "box.csv"
    start = ["mine", "search", str(run), "--count", "5", "--out"]
    assert main([*start, str(found), "--row", str(row)]) == 0
    box = table.box(row)
    text = f"{box.left},{box.top},{box.width},{box.height}"
    assert main([*start, str(other), "--picture", table.picture[row], "--box", text]) == 0
    for file in (found, other):
        rows = list(csv.DictReader(file.open(encoding="utf-8")))
        assert int(rows[0]["row"]) == row
        assert float(rows[0]["cosine"]) == pytest.approx(1, abs=1e-3)
        assert len(rows) == 5
    blind = [*start, str(found), "--row", str(row), "--blind"]
    assert main(blind) == 0
    assert int(next(csv.DictReader(found.open(encoding="utf-8")))["row"]) == row
    box_blind = [*start, str(other), "--picture", table.picture[row], "--box", text, "--blind"]
    assert main(box_blind) == 0
    first = next(csv.DictReader(other.open(encoding="utf-8")))
    assert (int(first["row"]), float(first["cosine"])) == (row, pytest.approx(1, abs=1e-3))
    outside = Path(open_run(run).collection.pictures[0].path)
    assert main(["mine", "search", str(run), "--picture", str(outside), "--label", "c"]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before

    folder = MiningFolder(run / "readings" / "contrast-rest")
    every = {one.id: one for one in read_maps(run / "readings" / "all-labels" / "finetuned")}
    for one in read_maps(folder.maps("finetuned")):
        own = every[one.id].labels.index(one.labels[0])
        rest = [k for k in range(3) if k != own]
        expected = every[one.id].typicality[own] - every[one.id].typicality[rest].mean(0)
        np.testing.assert_allclose(one.typicality[0], expected, atol=1e-6)
    # the own label, scored again, is what it was: the same draws
    for one in read_maps(MiningFolder(run).maps("finetuned")):
        np.testing.assert_allclose(
            every[one.id].of(one.labels[0]).typicality, one.typicality, atol=1e-5
        )
    assert read_table(folder.elements("finetuned")).labels == LABELS
    page = (folder.folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "against the rest" in page
    assert "against no label" in page
    figures = json.loads((run / "readings" / "confusions.json").read_text())
    assert sum(map(sum, figures["counts"])) == 12

    capsys.readouterr()
    assert main(["mine", "contrast", str(run), "--against-rest"]) == 0
    assert "scored 0 pictures" in capsys.readouterr().out


def test_a_part_of_two_labels_is_compared_with_its_own_elements(run):
    arguments = ["mine", "contrast", str(run), "--between", "a", "c", "--pictures", "2"]
    assert main(arguments) == 0
    folder = run / "readings" / "contrast-a-c"
    tables = [
        read_table(MiningFolder(one).elements("finetuned")) for one in (folder, folder / "plain")
    ]
    for table in tables:
        assert table.labels == ("a", "c")
    assert set(tables[0].picture) == set(tables[1].picture)
    assert len(set(tables[0].picture)) == 4
    assert main(["mine", "contrast", str(run)]) == 2
    assert main(["mine", "contrast", str(run), "--between", "a", "z"]) == 2


def test_pictures_are_spread_evenly_and_keep_their_places(run):
    opened = open_run(run)
    part = spread(opened.collection, 2)
    assert part.counts() == dict.fromkeys(LABELS, 2)
    maps = label_maps(opened, pictures=2, show_progress=False)
    assert not maps.whole
    for one in maps.read(opened.collection):
        assert opened.collection.pictures[one.index].id == one.id
        assert one.labels == LABELS


def test_filters_of_select_and_report_tell_what_they_left_out(run, capsys):
    assert main(["mine", "report", str(run), "--without", "border"]) == 0
    page = run / "report" / "without-border.html"
    assert "at the edge of their picture" in page.read_text(encoding="utf-8")
    table = read_table(MiningFolder(run).elements("finetuned"))
    assert table.border.any()
    assert main(["mine", "select", str(run), "--without", "border", "duplicates"]) == 0
    said = capsys.readouterr().out
    table = read_table(MiningFolder(run).elements("finetuned"))
    assert not table.border.any()
    done = table.about["left_out"]
    count = sum(done["counts"]["border"].values())
    assert f"left out: {count} at the edge" in said
    assert sum(done["looked_at"].values()) - len(table) == sum(
        sum(found.values()) for found in done["counts"].values()
    )
    assert main(["mine", "report", str(run)]) == 0
    assert "at the edge of their picture" in (run / "report" / "index.html").read_text("utf-8")


def test_a_timeline_needs_an_order_and_writes_every_element(tmp_path):
    """Four labels with numbers: the tiny labels, and one more."""
    from PIL import Image

    random = np.random.default_rng(0)
    for year in (1900, 1910, 1920, 1930):
        (tmp_path / "data" / f"{year}s").mkdir(parents=True)
        for i in range(2):
            pixels = random.normal(year % 100 * 4 + 60, 20, (16, 16, 3)).clip(0, 255)
            path = tmp_path / "data" / f"{year}s" / f"{i}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    run = tmp_path / "run"
    options = ["finetune.steps=1", "elements.per_picture=2", "finetune.evaluations=1"]
    begin = ["mine", "run", str(tmp_path / "data"), "--out", str(run), "--set", *TINY, *options]
    assert main(begin) == 0
    assert main(["mine", "timeline", str(run)]) == 0
    rows = list(csv.DictReader((run / "readings" / "timeline-elements.csv").open()))
    table = read_table(MiningFolder(run).elements("finetuned"))
    assert len(rows) == len(table.rows(kind="typical"))
    for row in rows[:5]:  # read again under the own label, an element has its own typicality
        own = float(row[f"T({row['label']})"])
        assert own == pytest.approx(float(table.typicality[int(row["row"])]), abs=1e-5)
    found = json.loads((run / "readings" / "timeline-clusters.json").read_text())
    assert found["order"] == ["1900s", "1910s", "1920s", "1930s"]
    assert "1930s" in (run / "readings" / "timeline.html").read_text(encoding="utf-8")
    assert main(["mine", "timeline", str(run), "--order", "1900s", "nope"]) == 2
