"""The page of a mining run: complete, escaped, self-contained, small enough; and it works."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import lxml.html
import numpy as np
import pytest
from PIL import Image

from tests.mining_report_helpers import make_pictures, make_run
from typica.errors import DataError, RunError
from typica.images.picture import PictureCollection
from typica.images.prompts import PromptTemplate
from typica.mining.clustering import read_clusters
from typica.mining.folder import MiningFolder
from typica.mining.maps import read_maps
from typica.mining.summary import summarise, write_report
from typica.mining.table import read_table
from typica.mining.thumbnails import DETAILS, expected_bytes, select
from typica.reports.mining import data_block, flags, label_data, link, render_mining_report, signed
from typica.reports.mining_values import ClusterCard, HeatMap, MiningReport
from typica.reports.page import check_self_contained

HOSTILE = (
    "</script><script>alert('x')</script><img src=http://evil.example onerror=\"a()\">&amp;{{7}}"
)
LABELS = ("Coast & cliff", HOSTILE, "Über ü")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@pytest.fixture(scope="module")
def collection(tmp_path_factory) -> PictureCollection:
    return make_pictures(tmp_path_factory.mktemp("pictures"), LABELS)


@pytest.fixture(scope="module")
def run(tmp_path_factory, collection) -> MiningFolder:
    folder = tmp_path_factory.mktemp("runs") / "run"
    prompt = PromptTemplate("A picture of {label}.", f"A picture {HOSTILE}")
    run = make_run(folder, collection, clusters=3, prompt=prompt)
    run.samples.mkdir()
    Image.new("RGB", (40, 20), "red").save(run.samples / "step-00000500.png")
    (run.samples / "step-00000600.png").write_bytes(b"not a picture")
    (run.samples / ".step-00000700-ab12cd34.png").write_bytes(b"half written")
    return run


@pytest.fixture(scope="module")
def report(run, collection) -> MiningReport:
    return summarise(run, collection, show_progress=False)


@pytest.fixture(scope="module")
def text(report) -> str:
    return render_mining_report(report)


def block(text: str, name: str):
    root = lxml.html.document_fromstring(text)
    (node,) = root.xpath(f"//script[@id='{name}'][@type='application/json']")
    return json.loads(node.text)


def test_the_values_are_those_of_the_run(run, collection, report):
    assert [label.name for label in report.labels] == sorted(LABELS)
    assert [model.name for model in report.models] == ["finetuned", "base"]
    for name in ("finetuned", "base"):
        table = read_table(run.elements(name))
        clustering = read_clusters(run.clusters(name), table)
        maps = {one.id: one for one in read_maps(run.maps(name))}
        for label in report.labels:
            result = label.results[name]
            assert result.total == 8
            assert label.count == 4
            assert [c.size for c in result.clusters] == [
                c.size for c in clustering.typical[label.name]
            ]
            for card, cluster in zip(result.clusters, clustering.typical[label.name], strict=True):
                assert card.members == cluster.members[: len(card.members)]
                assert card.median == cluster.median_typicality
            assert result.typical == tuple(table.rows(label.name, "typical"))
            for row, element in result.elements.items():
                assert element.box == table.box(row)
                assert element.typicality == pytest.approx(float(table.typicality[row]))
                assert label.pictures[element.picture].id == table.picture[row]
            for picture in label.pictures:
                small = picture.maps[name]
                cells = np.frombuffer(small.cells, np.int8).reshape(small.rows, small.columns)
                full = maps[picture.id].of(label.name).typicality[0]
                assert cells.mean() * small.unit == pytest.approx(full.mean(), abs=small.unit)


def test_thumbnails_show_their_patches(report, collection):
    label = report.labels[0]
    element = next(iter(label.results["finetuned"].elements.values()))
    picture = {p.id: p for p in collection}[label.pictures[element.picture].id]
    box = element.box
    with Image.open(picture.path) as image:
        edges = (box.left, box.top, box.right, box.bottom)
        wanted = np.asarray(image.convert("RGB").resize((16, 16), Image.Resampling.BOX, edges))
    with Image.open(io.BytesIO(element.thumbnail)) as thumb:
        found = np.asarray(thumb.convert("RGB").resize((16, 16), Image.Resampling.BOX))
    assert np.abs(found.astype(float) - wanted).mean() < 8


def test_the_page_is_one_file_and_escapes_everything(text):
    check_self_contained(text)
    assert HOSTILE not in text
    root = lxml.html.document_fromstring(text)
    scripts = [n for n in root.iter("script") if n.get("type") != "application/json"]
    assert len(scripts) == 1
    assert not root.xpath("//img[contains(@src,'evil')]")
    assert any(HOSTILE in (node.text_content()) for node in root.iter("h3"))
    names = {block(text, f"label-data-{i}")["name"] for i in range(3)}
    assert names == set(LABELS)
    # every reference to an id within the page that is not a state exists
    ids = set(root.xpath("//@id"))
    for href in root.xpath("//a/@href"):
        assert href.startswith("#label=") or href[1:] in ids


def test_the_blocks_hold_every_picture_once(text, report):
    for index, label in enumerate(report.labels):
        data = block(text, f"label-data-{index}")
        assert [p["id"] for p in data["pictures"]] == [p.id for p in label.pictures]
        for name, result in label.results.items():
            found = data["results"][name]
            assert set(found["elements"]) == {str(row) for row in result.elements}
            for row, element in found["elements"].items():
                x, y, w, h = element["b"]
                assert 0 <= x < x + w <= 1.0001
                assert 0 <= y < y + h <= 1.0001
                if "i" not in element:  # then it stands in the overview
                    assert f'id="t-{name}-{row}"' in text
            shown = {row for c in found["clusters"] for row in c["members"]}
            assert shown | set(found["typical"]) <= set(map(int, found["elements"]))
    for label in report.labels:
        for picture in label.pictures:
            assert text.count(base64.b64encode(picture.image).decode()) == 1


def test_what_is_missing_is_said(run, collection):
    gone = collection.where(lambda one: one.id != "0/1.png")
    lost = replace(
        gone,
        pictures=tuple(
            replace(p, path=p.path.with_name("nowhere.png")) if p.id == "0/2.png" else p
            for p in gone
        ),
    )
    report = summarise(run, lost, show_progress=False)
    named = {str(p.file) for p in report.problems}
    assert any("0/1.png" in name for name in named)
    assert any("nowhere.png" in name for name in named)
    assert any("step-00000600" in name for name in named)
    assert not any("00000700" in name for name in named)  # half written
    assert [caption for caption, _ in report.samples] == ["after 500 steps"]
    label = next(one for one in report.labels if one.name == LABELS[0])
    images = {picture.id: picture.image for picture in label.pictures}
    assert images["0/1.png"] == images["0/2.png"] == b""
    assert images["0/0.png"]
    page = render_mining_report(report)
    assert 'class="gone"' in page
    assert "picture not found" in page
    assert str(collection.root) not in page


def test_one_model_without_clusters_maps_or_log(run, collection, tmp_path):
    other = MiningFolder(tmp_path / "run")
    shutil.copytree(run.folder, other.folder)
    other.elements("finetuned").unlink()
    other.clusters("base").unlink()
    shutil.rmtree(other.folder / "maps")
    other.log.unlink()
    path = write_report(other, collection, show_progress=False)
    page = path.read_text(encoding="utf-8")
    check_self_contained(page)
    assert path == other.folder / "report" / "index.html"
    assert "No clusters." in page
    assert "Nothing was recorded" in page
    assert not block(page, "label-data-0")["pictures"][0]["maps"]


def test_errors_name_the_remedy(run, collection, tmp_path):
    with pytest.raises(RunError, match="typica"):
        write_report(MiningFolder(tmp_path), collection, show_progress=False)
    bare = MiningFolder(tmp_path / "bare")
    bare.folder.mkdir()
    shutil.copy(run.config, bare.config)
    with pytest.raises(RunError, match="typica mine select"):
        write_report(bare, collection, show_progress=False)
    full = MiningFolder(tmp_path / "full")
    shutil.copytree(run.folder, full.folder)
    (full.folder / "report" / "index.html").mkdir(parents=True)
    with pytest.raises(DataError):
        write_report(full, collection, show_progress=False)
    full.clusters("base").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"base\.json"):
        write_report(full, collection, show_progress=False)


def test_the_page_keeps_its_budget(run, collection):
    def blocks(budget: int) -> int:
        report = summarise(run, collection, False, budget)
        return sum(len(data_block(label_data(label))) for label in report.labels)

    large, small = blocks(10_000_000), blocks(60_000)
    assert small < 0.5 * large
    assert small < 66_000


def test_the_estimate_is_about_right(run, collection, report):
    tables = {name: read_table(run.elements(name)) for name in ("finetuned", "base")}
    clusters = {
        name: read_clusters(run.clusters(name), table).typical for name, table in tables.items()
    }
    pictures = {one.id: one for one in collection}
    sizes = [expected_bytes(tables, clusters, LABELS, pictures, detail) for detail in DETAILS]
    assert all(a > b for a, b in itertools.pairwise(sizes))
    page = render_mining_report(report)
    data = sum(len(data_block(block(page, f"label-data-{i}"))) for i in range(3))
    overview = sum(map(len, re.findall(r'src="data:image/webp;base64,([^"]+)"', page)))
    assert 0.7 < (data + overview) / sizes[0] < 1.3
    few = replace(DETAILS[0], members=2, strip=1, clusters=1)
    chosen = select(tables["base"], LABELS[0], clusters["base"][LABELS[0]], few)
    assert len(chosen.clusters) == 1
    assert len(chosen.clusters[0]) <= 2
    assert len(chosen.typical) == len(chosen.random) == len(chosen.least) == 1


def test_flags():
    card = ClusterCard(0, 9, 0.1, None, None, ())
    assert flags(card) == []
    bad = replace(card, border_share=0.5, flat_share=0.9, stability=0.2, merged=3)
    assert [short for short, _ in flags(bad)] == ["edge", "flat", "unstable", "merged"]
    at_edge = replace(card, size=100, border_share=0.6)
    assert [short for short, _ in flags(replace(at_edge, border_expected=0.45))] == ["edge"]
    assert flags(replace(at_edge, border_expected=0.55)) == []
    assert flags(replace(at_edge, size=10, border_expected=0.45)) == []


def test_numbers_and_addresses():
    assert signed(0.0123456) == "+0.0123"
    assert signed(-0.5, 2) == "−0.50"
    assert signed(None) == signed(float("nan")) == "–"
    assert signed(0.0) == "0"
    assert signed(1234.5) == "+1.23 × 10^3"
    assert link("a&b=c", "base", 7, "least") == "#label=a%26b%3Dc&element=7&list=least&model=base"
    assert data_block({"a": "</script>&"}) == '{"a":"\\u003c/script\\u003e\\u0026"}'
    with pytest.raises(ValueError, match="bytes"):
        HeatMap(2, 3, 1.0, b"12345")


def chromium(tmp_path: Path, *options: str) -> subprocess.CompletedProcess:
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    return subprocess.run(
        [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", *options],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def dump(tmp_path: Path, page: Path, address: str = "") -> lxml.html.HtmlElement:
    url = page.resolve().as_uri() + address
    done = chromium(tmp_path, "--virtual-time-budget=4000", "--dump-dom", url)
    return lxml.html.document_fromstring(done.stdout.decode("utf-8"))


def test_an_element_opens_in_a_browser(text, report, tmp_path):
    page = tmp_path / "index.html"
    page.write_text(text, encoding="utf-8")
    label = next(one for one in report.labels if one.name == HOSTILE)
    row = label.results["base"].least[0]
    element = label.results["base"].elements[row]
    root = dump(tmp_path, page, link(HOSTILE, "base", row, "least"))
    (dialog,) = root.xpath("//dialog[@id='element']")
    assert dialog.get("open") is not None
    words = dialog.text_content()
    assert label.pictures[element.picture].id in words
    assert "least typical no. 1" in words
    assert "before fine-tuning" in words
    assert "±" in words
    image = base64.b64encode(label.pictures[element.picture].image).decode()
    assert dialog.xpath(".//img")[0].get("src") == f"data:image/webp;base64,{image}"
    frame = dialog.xpath(".//*[local-name()='rect'][@class='this']")[0]
    assert float(frame.get("x")) == pytest.approx(
        100 * element.box.left / label.pictures[element.picture].width, abs=0.01
    )
    # the value that the script finds in the map is the score of the table, but for coarse cells
    said = float(
        re.search(r"In the box: ([−+]?[\d.]+)", words)[1].replace("−", "-")  # type: ignore[index]
    )
    assert said == pytest.approx(element.typicality, abs=0.25 * abs(element.typicality) + 5e-4)
    shown = root.xpath("//div[@id='label-body']//p[@class='big-name']")[0]
    assert shown.text_content() == HOSTILE
    assert not root.xpath("//*[@onerror]")


def test_a_click_opens_and_closing_returns(text, tmp_path):
    """The page's own links are clicked by a script that is added for the test."""
    steps = """
      document.querySelector('.mosaic a + a').previousElementSibling.click();
      setTimeout(() => {
        const dialog = document.getElementById('element');
        const canvas = dialog.querySelector('canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const colours = new Set();
        for (let i = 0; i < pixels.length; i += 4) colours.add(pixels[i] + ',' + pixels[i + 2]);
        document.body.dataset.opened = dialog.open + ' ' + (colours.size > 20);
        const before = location.hash;
        dialog.querySelector('.after').click();
        setTimeout(() => {
          document.body.dataset.turned = String(location.hash !== before);
          dialog.querySelector('.close').click();
          setTimeout(() => {
            document.body.dataset.closed = dialog.open + ' ' + location.hash.includes('element=');
            document.querySelector('.picker [data-model=both]').click();
            const columns = document.querySelectorAll('#label-body .column');
            document.body.dataset.columns = String(columns.length);
          }, 50);
        }, 50);
      }, 50);"""
    assert "script-src" in text
    opened = re.sub(r"script-src [^;]+;", "script-src 'unsafe-inline';", text, count=1)
    page = tmp_path / "index.html"
    page.write_text(opened.replace("</body>", f"<script>{steps}</script></body>"), "utf-8")
    (body,) = dump(tmp_path, page).xpath("//body")
    assert body.get("data-opened") == "true true"
    assert body.get("data-turned") == "true"
    assert body.get("data-closed") == "false false"
    assert body.get("data-columns") == "2"


def test_the_page_is_not_blank(text, tmp_path):
    page, shot = tmp_path / "index.html", tmp_path / "shot.png"
    page.write_text(text, encoding="utf-8")
    size = ("--window-size=800,900", "--virtual-time-budget=2000")
    done = chromium(tmp_path, f"--screenshot={shot}", *size, page.as_uri())
    assert shot.exists(), done.stderr.decode("utf-8", "replace")
    pixels = np.asarray(Image.open(shot).convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 2000
