"""The palaeographical report: whole, escaped, self-contained; figures, tables, glyph pictures."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import zlib
from dataclasses import replace

import lxml.etree
import lxml.html
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from typica.cli import main
from typica.engines.engine import Engine
from typica.errors import ConfigError, DataError, RunError
from typica.lines.collection import read_lines
from typica.lines.line import Box
from typica.palaeography.adapt_run import adapt
from typica.palaeography.cleaning import clean_prototypes
from typica.palaeography.comparing import compare
from typica.palaeography.comparison_options import ComparisonOptions
from typica.palaeography.criteria import Criterion
from typica.palaeography.cuts import cut_box, kept_lines
from typica.palaeography.differences import usable
from typica.palaeography.glyphs import export_glyphs, letter_folder, safe_name
from typica.palaeography.options import AdaptOptions
from typica.palaeography.pairs import draw_pair
from typica.palaeography.report_tables import write_tables
from typica.palaeography.scene_file import load_occurrences
from typica.palaeography.summary import gather_report, write_report
from typica.reports import palaeography
from typica.reports.drawing import Circle, Drawing, Label, Path, Picture, Rectangle, svg
from typica.reports.palaeography import page_figures, render_palaeography_report
from typica.reports.palaeography_figures import group_order, ink_bytes, most_different
from typica.reports.palaeography_sheets import PAD, across, sheet, sheet_views, spread_out
from typica.reports.palaeography_values import (
    AllographCard,
    GroupCard,
    OccurrenceCard,
    PalaeographyReport,
)
from typica.reports.pdf import pdf, text_width
from typica.reports.raster import png
from typica.typewriter.storage import load_typewriter, save_typewriter
from typica.typewriter.training import train

from .helpers import never_blank, tiny_config, tiny_lines
from .prototype_helpers import make_prototypes

HOSTILE = (
    "</script><script>alert('x')</script><img src=http://evil.example/x onerror=\"a()\">&{{7}}"
)
FEW = ComparisonOptions(permutations=99, draws=20)


def made_up(**changes) -> PalaeographyReport:
    """Six documents of two families, one of which looks like the other."""
    prototypes = make_prototypes(
        3, ("A", "A", "A", "B", "B", "B"), "abdg", family_effect=0.2, like={5: "A"}
    )
    counts = prototypes.counts.copy()
    counts[0, 1], counts[1, 2] = 2, 0
    prototypes = replace(prototypes, counts=counts)
    comparison = compare(prototypes, FEW, (Criterion("a", "A round bowl", "bowl", "A"),))
    cleaned, _, quality = clean_prototypes(prototypes)
    picture = np.full((12, 10, 3), 200, np.uint8)
    values = {
        "title": "Hands",
        "prototypes": cleaned,
        "use": usable(cleaned, 5),
        "quality": quality,
        "comparison": comparison,
        "groups": tuple(GroupCard(name, 4, 0.02, 0.01, 3.0) for name in prototypes.groups),
        "occurrences": {
            (g, k): tuple(OccurrenceCard(f"doc{g}/l{n}", picture) for n in range(3 + k))
            for g in range(6)
            for k in range(4)
            if counts[g, k]
        },
        "allographs": (
            AllographCard(
                2, "doc0", 30, 3.1, 0.2, (picture[..., 0] / 255.0,) * 2, (("x",), ("y",))
            ),
        ),
        "looked_for_allographs": True,
        "warnings": ("Beware.",),
        "minutes": 0.3,
        "steps": 5,
        "version": "typica 0.0",
        "date": "today",
        "commands": ("typica palaeography report JOB",),
    }
    return PalaeographyReport(**{**values, **changes})


@pytest.fixture(scope="module")
def report() -> PalaeographyReport:
    return made_up()


@pytest.fixture(scope="module")
def page(report) -> lxml.html.HtmlElement:
    return parsed(render_palaeography_report(report))


def parsed(text: str) -> lxml.html.HtmlElement:
    parser = lxml.html.HTMLParser(huge_tree=True, encoding="utf-8")
    return lxml.html.document_fromstring(text.encode("utf-8"), parser=parser)


def page_data(page) -> dict:
    return json.loads(page.get_element_by_id("page-data").text)


def style(page) -> str:
    return "".join(node.text for node in page.iter("style"))


def uri_pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_every_group_and_letter_is_on_the_page(report, page):
    table = page.find_class("alphabet")[0].find("table")
    head = [th.text_content() for th in table.find("thead").iter("th")]
    assert head == ["document", "a", "b", "d", "g"]
    rows = {tr.find("th").text_content(): tr for tr in table.find("tbody").iter("tr")}
    assert len(rows) == 7
    assert all(any(name.startswith(group) for name in rows) for group in report.prototypes.groups)
    cells = {td.get("data-k"): td.get("class") for td in rows["doc0A"].iter("td")}
    assert "few" in cells["1"]
    assert not cells["0"] or "few" not in cells["0"]
    assert "none" in {td.get("data-k"): td.get("class") for td in rows["doc1A"].iter("td")}["2"]
    text = page.text_content()
    for words in ("Beware.", "Comparison graphs", "Letters that tell", "A round bowl", "doc5"):
        assert words in text
    ids = [node.get("id") for node in page.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    sections = [node.get("id") for node in page.iter("section")]
    wanted = ["before", "alphabet", "differences", "graphs", "families", "tree", "allographs"]
    assert sections == [*wanted, "curves", "about", "reading"]
    for link in page.iter("a"):
        assert link.get("href")[1:] in ids


def test_nothing_comes_from_outside(page):
    for node in page.iter():
        for name, value in node.attrib.items():
            if name in ("src", "href"):
                assert value.startswith(("data:image/", "#"))
    addresses = re.findall(r"url\((.{0,11})", style(page))
    assert addresses
    assert set(addresses) == {"data:image/"}
    assert "http" not in style(page)


def test_families_stand_together_in_the_order_of_the_tree():
    assert group_order(("B", "A", "B", "", "A"), [4, 2, 1, 0, 3]) == [4, 1, 2, 0, 3]
    assert group_order(("", "", ""), [2, 0]) == [2, 0, 1]


def test_a_cell_shows_its_prototype(report, page):
    """What the style sheet places behind a cell is the prototype, to a byte."""
    high, wide = report.prototypes.reference.shape[1:]
    uris = re.findall(r"\.p(\d+)\{background-image:url\(([^)]*)\)", style(page))
    places = re.findall(r"\.k(\d+)\{--x:(\d+)px;--y:(\d+)px\}", style(page))
    assert len(uris) == 7
    assert len(places) == 4
    sheets = page_data(page)["sheets"]
    for s, uri in uris:
        found, group = uri_pixels(uri), sheets[int(s)]["group"]
        wanted = report.prototypes.reference if group < 0 else report.prototypes.pictures[group]
        for k, x, y in places:
            cut = found[int(y) : int(y) + high, int(x) : int(x) + wide]
            np.testing.assert_array_equal(cut, ink_bytes(wanted[int(k)]))


def test_the_script_knows_the_tests_of_the_comparison(report, page):
    data, made = page_data(page), report.comparison
    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]
    for name, array in (("distance", made.distances), ("z", made.tests.z), ("q", made.q)):
        for k in range(4):
            for place, (a, b) in enumerate(pairs):
                told = data["pairs"][name][k][place]
                if told is None:
                    assert np.isnan(array[k, a, b])
                else:
                    assert told == pytest.approx(array[k, a, b], rel=6e-3, abs=1e-12)
                # the formula by which the script finds a pair
                assert a * (2 * 6 - a - 1) // 2 + b - a - 1 == place
    assert data["criteria"] == {"0": [["A", "bowl", "A round bowl"]]}
    assert data["counts"] == report.prototypes.counts.tolist()


def test_a_washed_letter_is_marked_and_leads_no_list():
    plain = made_up()
    tints = np.full(plain.prototypes.counts.shape, 0.04, np.float32)
    k, a, _ = most_different(plain.comparison, 1)[0]
    tints[a, k] = 0.2
    prototypes = replace(plain.prototypes, tints=tints)
    made = compare(prototypes, FEW)
    report = replace(plain, prototypes=prototypes, comparison=made, coloured=made.coloured)
    page = parsed(render_palaeography_report(report))
    assert np.argwhere(page_data(page)["coloured"]).tolist() == [[a, k]]
    (cell,) = page.xpath("//tbody//button[contains(@title, 'flagged coloured')]")
    assert f"in doc{a}" in cell.get("title")
    assert (k, a) not in {(j, g) for j, *pair in most_different(report.comparison, 4) for g in pair}
    assert not np.any(page_data(parsed(render_palaeography_report(plain)))["coloured"])


def test_letters_for_private_use_are_told_by_their_code_points():
    report = made_up()
    letters = ("\ue5dc", *report.prototypes.letters[1:])
    report = replace(report, prototypes=replace(report.prototypes, letters=letters))
    heads = parsed(render_palaeography_report(report)).xpath("//thead//button[@data-k]/small")
    assert [one.text for one in heads] == ["U+E5DC"]


def test_occurrences_lie_where_the_script_looks(report, page):
    data = page_data(page)
    for (g, k), cards in report.occurrences.items():
        one = data["occurrences"][g]
        start, *lines = one["at"][str(k)]
        assert [one["lines"][n] for n in lines] == [card.line for card in cards]
        picture = uri_pixels(one["uri"])
        assert picture.shape[1] == one["columns"] * 10
        assert (start + len(lines) - 1) // one["columns"] * 12 < picture.shape[0]
    assert "2" not in data["occurrences"][1]["at"]


def test_a_page_that_would_be_too_large_shows_fewer_occurrences(report, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (40, 12, 10, 3), dtype=np.uint8)
    cards = tuple(OccurrenceCard(f"l{n}", picture) for n, picture in enumerate(noise))
    some = replace(report, occurrences={(g, k): cards for g in range(6) for k in range(4)})
    whole = render_palaeography_report(some)
    monkeypatch.setattr(palaeography, "MOST_BYTES", int(0.8 * len(whole)))
    fewer = render_palaeography_report(some)
    assert len(fewer) < 0.8 * len(whole)
    shown = [len(at) - 1 for at in page_data(parsed(fewer))["occurrences"][0]["at"].values()]
    assert 0 < max(shown) < 40


@given(st.integers(0, 40), st.integers(1, 30))
def test_occurrences_are_taken_from_beginning_to_end(number, most):
    cards = [OccurrenceCard(str(n), np.zeros((1, 1, 3), np.uint8)) for n in range(number)]
    found = [int(card.line) for card in spread_out(cards, most)]
    assert len(found) == min(number, most)
    assert found == sorted(set(found))
    if number and most > 1:
        assert {found[0], found[-1]} == {0, number - 1}


@given(st.integers(0, 9), st.integers(1, 5), st.integers(0, 2))
def test_a_sheet_keeps_its_pictures(count, columns, pad):
    pictures = np.arange(count * 6, dtype=np.uint8).reshape(count, 2, 3)
    found = sheet(pictures, columns, pad)
    for n in range(count):
        y, x = n // columns * (2 + 2 * pad) + pad, n % columns * (3 + 2 * pad) + pad
        np.testing.assert_array_equal(found[y : y + 2, x : x + 3], pictures[n])


def test_hostile_names_stay_text(report):
    names = (HOSTILE, "\ud800\0", *report.prototypes.groups[2:])
    letters = (HOSTILE, "&", "̃", "g")
    bad = replace(
        report.prototypes, groups=names, letters=letters, families=(HOSTILE,) * 3 + ("",) * 3
    )
    hostile = made_up(
        title=HOSTILE,
        description=HOSTILE,
        kind=HOSTILE,
        prototypes=bad,
        comparison=compare(bad, FEW, (Criterion(HOSTILE, HOSTILE, HOSTILE, HOSTILE),)),
        occurrences={(0, 0): (OccurrenceCard(HOSTILE, np.zeros((12, 10, 3), np.uint8)),)},
        warnings=(HOSTILE,),
        groups=(GroupCard(HOSTILE),),
        version=HOSTILE,
        date=HOSTILE,
        commands=(HOSTILE,),
    )
    text = render_palaeography_report(hostile)
    page = parsed(text)
    assert [node.get("type") for node in page.iter("script")] == ["application/json", None]
    assert not page.xpath("//@onerror")
    assert not [node for node in page.iter("img") if "evil" in node.get("src")]
    assert page.findtext(".//h1") == HOSTILE
    assert page_data(page)["letters"][0]["label"] == HOSTILE
    for drawing in page_figures(hostile).values():
        lxml.etree.fromstring(
            svg(drawing, alone=True).encode("utf-8", "replace").replace(b"\0", b"")
        )
        pdf(drawing)


def test_one_group_without_a_comparison(report):
    alone = report.prototypes.some_groups([2])
    text = render_palaeography_report(
        made_up(
            prototypes=alone,
            comparison=None,
            use=usable(alone, 5),
            quality=np.full((1, 4), "good"),
            occurrences={},
            allographs=(),
            groups=(),
        )
    )
    ids = [node.get("id") for node in parsed(text).iter("section")]
    assert ids == ["before", "alphabet", "allographs", "curves", "about", "reading"]


def test_the_letters_that_differ_most_are_those_of_the_distances(report):
    made = report.comparison
    rows = most_different(made, 3)
    best = [made.beyond[row] for row in rows]
    assert best == sorted(best, reverse=True)
    assert len({k for k, _, _ in rows}) == len(rows)
    for k, a, b in rows:
        real = made.q[k] <= 0.05
        assert real[a, b]
        assert made.beyond[k, a, b] == np.nanmax(np.where(real, made.beyond[k], np.nan))
        expected = made.distances[k, a, b] ** 2 - made.tests.noise[k, a, b] ** 2
        assert made.beyond[k, a, b] == pytest.approx(max(expected, 0) ** 0.5)
    k, a, b = rows[0]
    assert (k, a, b) in most_different(made, 9, (a, b))
    assert {row[1:] for row in most_different(made, 9, (a, b))} == {(a, b)}
    quality = made.quality.copy()
    quality[a, k] = "red"
    assert (k, a, b) not in most_different(replace(made, quality=quality), 9, (a, b))
    other = replace(made, options=replace(made.options, distance="ssim"))
    assert other.beyond is other.distances  # another unit than the noise


def test_two_groups_side_by_side(report):
    name, drawing = draw_pair(report, ("doc0", "doc3"), ["a", "d"])
    assert name == "pair-doc0-doc3"
    pictures = [one for one in drawing.marks if isinstance(one, Picture)]
    large = [one for one in pictures if not one.title]
    np.testing.assert_array_equal(large[0].pixels, ink_bytes(report.prototypes.pictures[0, 0]))
    np.testing.assert_array_equal(large[1].pixels, ink_bytes(report.prototypes.pictures[3, 0]))
    assert large[2].pixels.shape == (12, 10, 3)
    # every occurrence of a (3 are kept) and of d (5) in both, told by its line
    assert [one.title for one in pictures if one.title][:3] == ["doc0/l0", "doc0/l1", "doc0/l2"]
    assert len(pictures) == 2 * 3 + 2 * (3 + 5)
    turned = draw_pair(report, ("doc3", "doc0"))[1]
    assert any(isinstance(one, Label) and one.text == "doc3" for one in turned.marks)
    inside = [one for one in drawing.marks if isinstance(one, Picture)]
    assert all(one.x + one.width <= drawing.width for one in inside)
    assert all(one.y + one.height <= drawing.height for one in inside)
    for pair, letters, word in (
        (("doc0", "doc9"), (), "doc9"),
        (("doc0", "doc0"), (), "different"),
        (("doc0", "doc3"), ("x",), "'x'"),
        (("doc0", "doc3"), ("b",), "fewer than 5"),
    ):
        with pytest.raises(ConfigError, match=word):
            draw_pair(report, pair, letters)


def test_a_drawing_as_pixels():
    drawing = Drawing(40, 20, "marks")
    red = np.zeros((2, 2, 3), np.uint8)
    red[...] = (200, 0, 0)
    drawing.add(
        Picture(2, 4, 6, 6, red),
        Rectangle(20, 4, 8, 8, fill="#0000ff"),
        Circle(34, 8, 3, fill="#00ff00"),
        Path(((0, 18), (40, 18)), "#000000"),
    )
    for zoom in (1.0, 2.0):
        pixels = np.asarray(Image.open(io.BytesIO(png(drawing, zoom))).convert("RGB"))
        assert pixels.shape == (20 * zoom, 40 * zoom, 3)
        at = {
            (7, 5): (200, 0, 0),
            (8, 24): (0, 0, 255),
            (8, 34): (0, 255, 0),
            (18, 9): (0, 0, 0),
            (1, 1): (255, 255, 255),
        }
        for (y, x), colour in at.items():
            assert tuple(pixels[int(y * zoom), int(x * zoom)]) == colour
    assert len(png(drawing, colours=4)) < len(png(drawing))


@pytest.mark.parametrize("anchor", ["start", "middle", "end"])
@pytest.mark.parametrize("turned", [False, True])
def test_text_is_written_where_it_is_anchored(anchor, turned):
    drawing = Drawing(120, 120, "text")
    drawing.add(Label(60, 60, "mmmm\u00a0\ue681", 10, anchor, turned=turned))
    grey = np.asarray(Image.open(io.BytesIO(png(drawing, 1))).convert("L")) < 128
    rows, columns = (np.flatnonzero(grey.any(axis=axis)) for axis in (1, 0))
    along, across_ = (60 - rows, columns - 60) if turned else (columns - 60, 60 - rows)
    low, high = {"start": (-1, 75), "middle": (-40, 40), "end": (-75, 1)}[anchor]
    assert low <= along.min() < along.max() <= high
    # on the baseline, upright or turned to the left
    assert np.abs(across_).max() <= 11
    none = png(Drawing(120, 120, "text"), 1)
    assert png(drawing, 1) != none


def test_the_head_says_what_adapting_saves():
    told = made_up(minutes=6.0, reference_minutes=10.0, hardware="A processor", steps=400)
    assert told.minutes_each == pytest.approx(1)
    assert told.saved == pytest.approx(0.9)
    text = parsed(render_palaeography_report(told)).text_content()
    assert "90\u00a0% of a training is saved" in text
    assert "A processor" in text
    slow = made_up(minutes=90.0, reference_minutes=10.0)
    assert "no time is saved" in parsed(render_palaeography_report(slow)).text_content()
    assert made_up(minutes=6.0).saved is None
    assert made_up(minutes=None, groups=()).minutes_each is None


def test_figures_of_two_families(report):
    figures = page_figures(report)
    names = set(figures)
    assert {"alphabet", "differences", "tree", "distances", "graphs/group-005"} <= names
    tree = lxml.etree.fromstring(svg(figures["tree"], alone=True))
    texts = [node.text for node in tree.iter("{*}text")]
    assert set(report.prototypes.groups) <= set(texts)
    graph = figures["graphs/letter-000"]
    circles = [one for one in graph.marks if isinstance(one, Circle)]
    assert len(circles) == 6
    made = report.comparison.by_letter
    for one in circles:  # a point is left of and above the diagonal where the first is nearer
        data = dict(one.data)
        first, second = made.distances[int(data["g"]), int(data["k"])]
        assert f"{first:.2f}" in one.title
        below = (one.x - 52) / (420 - 16 - 52) > (420 - 46 - one.y) / (420 - 46 - 14)
        assert below == (first > second)


MARKS = [
    Path(((0.0, 0.0), (10.0, 5.0), (3.0, 3.0)), "#ff0000", 2, "4 2"),
    Rectangle(1, 2, 3, 4, "#00ff00", "#000000"),
    Circle(20, 20, 5, "#0000ff"),
    Label(5, 30, "a(b)\\ é ſ", 10, "middle"),
    Label(5, 30, "up", 10, turned=True),
    Picture(0, 0, 10, 10, np.arange(12, dtype=np.uint8).reshape(3, 4)),
    Picture(0, 0, 10, 10, np.zeros((2, 2, 3), np.uint8)),
]


def test_a_pdf_is_sound():
    data = pdf(Drawing(100, 60, "all marks", list(MARKS)))
    assert data == pdf(Drawing(100, 60, "all marks", list(MARKS)))
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", data)[1])
    rows = data[start:].split(b"\n")
    assert rows[0] == b"xref"
    count = int(rows[1].split()[1])
    for number in range(1, count):
        place = int(rows[2 + number].split()[0])
        assert data[place:].startswith(b"%d 0 obj\n" % number)
    streams = [zlib.decompress(s) for s in re.findall(rb"stream\n(.*?)\nendstream", data, re.S)]
    lengths = [int(n) for n in re.findall(rb"/Length (\d+)", data)]
    assert len(lengths) == len(streams) == 3
    content = streams[0].decode("latin-1")
    assert content.count("\nq\n") + content.startswith("q") == len(MARKS)
    assert content.count("\nQ") == len(MARKS)
    assert "(a\\050b\\051\\134 \\351 U+017F)" in content
    assert "/P0 Do" in content
    assert "/P1 Do" in content
    assert b"/MediaBox [0 0 75.00 45.00]" in data


def test_text_is_shrunk_into_its_room():
    wide = text_width("U+A751 U+A751", 12)
    data = pdf(Drawing(50, 20, "t", [Label(0, 9, "ꝑꝑ", 12, room=10)]))
    stream = zlib.decompress(re.search(rb"stream\n(.*?)\nendstream", data, re.S)[1]).decode()
    size = float(re.search(r"/F ([\d.]+) Tf", stream)[1])
    assert size < 12 * 10 / wide * 2
    assert size > 0


def test_svg_escapes():
    text = str(svg(Drawing(9, 9, '<&"', [Label(0, 0, HOSTILE, title=HOSTILE)]), alone=True))
    root = lxml.etree.fromstring(text)
    assert [node.tag.rpartition("}")[2] for node in root] == ["rect", "text"]


def read_csv(path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_say_what_the_page_says(report, tmp_path):
    write_tables(tmp_path, report)
    rows = read_csv(tmp_path / "prototypes.csv")
    assert len(rows) == 24
    for row in rows:
        g = report.prototypes.groups.index(row["group"])
        k = report.prototypes.letters.index(row["letter"])
        assert int(row["occurrences"]) == report.prototypes.counts[g, k]
        assert (row["enough"] == "true") == report.use[g, k]
        assert row["quality"] == report.quality[g, k]
    assert [row["letter"] for row in read_csv(tmp_path / "allographs.csv")] == ["d"]
    assert (tmp_path / "distances.csv").exists()


@given(st.text())
def test_names_of_files_are_safe(text):
    for name in (safe_name(text), letter_folder(text)):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]*", name)
        assert ".." not in name or len(name) > 2
    assert len(safe_name(text)) <= 80


@given(st.text(max_size=4), st.text(max_size=4))
def test_folders_of_two_letters_differ_also_without_case(one, other):
    if one != other:
        assert letter_folder(one).lower() != letter_folder(other).lower()


def test_a_cut_repeats_the_edge():
    picture = np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3)
    np.testing.assert_array_equal(cut_box(picture, Box(1, 2, 4, 5)), picture[2:5, 1:4])
    beyond = cut_box(picture, Box(-2, 3.5, 1, 7))
    assert beyond.shape == (4, 3, 3)
    np.testing.assert_array_equal(beyond[0], np.repeat(picture[3, :1], 3, axis=0))
    assert cut_box(picture, Box(1, 1, 1, 1)).shape == (1, 1, 3)
    assert cut_box(picture, Box(-9, -9, 2, 2), (7, 4)).shape == (7, 4, 3)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A finished job of two scripts."""
    place = tmp_path_factory.mktemp("report")
    lines = tiny_lines(place)
    train(lines, place / "run", tiny_config("training.steps=12"), show_progress=False)
    model, about = load_typewriter(place / "run")
    never_blank(model)
    save_typewriter(place / "run/model.safetensors", model.state_dict(), about)
    entries = json.loads((place / "lines/annotation.json").read_text())
    for number, entry in enumerate(entries.values()):
        entry["script"] = "one" if number % 3 else "two"
    (place / "lines/annotation.json").write_text(json.dumps(entries))
    options = AdaptOptions(steps=2, batch_size=4, least=1)
    collection = read_lines(place / "lines")
    adapt(
        place / "run",
        collection,
        place / "job",
        ("script",),
        options,
        engine=Engine(workers=1),
        progress=False,
    )
    return place


def test_from_job_to_page(job, tmp_path, capsys):
    folder = str(job / "job")
    compared, shapes = str(tmp_path / "compared"), str(tmp_path / "shapes")
    few = ["--set", "least=1", "permutations=99", "draws=9"]
    assert main(["palaeography", "compare", folder, "--out", compared, *few]) == 0
    assert main(["palaeography", "allographs", folder, "--out", shapes]) == 0
    given = ["--comparison", compared, "--allographs", shapes, "--out", str(tmp_path / "out")]
    assert main(["palaeography", "report", folder, *given]) == 0
    page = parsed((tmp_path / "out/index.html").read_text(encoding="utf-8"))
    report = gather_report(job / "job", tmp_path / "compared")
    assert report.least == 1
    seen, _ = load_occurrences(job / "job/occurrences.safetensors")
    assert sum(len(cards) for cards in report.occurrences.values()) <= len(seen)
    assert report.occurrences
    assert page_data(page)["counts"] == report.prototypes.counts.tolist()
    assert "typica palaeography adapt run DATA" in page.text_content()
    figures = {path.name for path in (tmp_path / "out/figures").iterdir()}
    assert {"alphabet.svg", "alphabet.pdf", "distances.svg"} <= figures
    assert (tmp_path / "out/data/comparison.json").exists()
    assert "page:" in capsys.readouterr().out


def test_occurrences_on_the_page_are_the_pixels_of_the_lines(job):
    """Ink of the letter as the job brought it to the grid, seen again in the cut picture."""
    seen, lines = load_occurrences(job / "job/occurrences.safetensors")
    kept = kept_lines(job / "job", len(lines))
    assert kept is not None
    assert kept_lines(job / "job", len(lines) + 1) is None
    report = gather_report(job / "job", occurrences=1000)
    name = report.prototypes.groups[0]
    number = next(n for n in range(len(seen)) if _group(job, lines[seen.lines[n]]) == name)
    cards = report.occurrences[0, int(seen.sprites[number])]
    picture = next(c.picture for c in cards if c.line == lines[seen.lines[number]])
    high, wide = report.prototypes.reference.shape[1:]
    line = kept[int(seen.lines[number])].astype(float)
    # the middle pixel of the sprite, by the plain formula
    x = seen.left[number] + seen.scale[number] * (wide / 2)
    y = seen.top[number] + seen.scale[number] * (high / 2)
    if 1 < x < line.shape[1] - 2 and 1 < y < line.shape[0] - 2:
        near = line[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].reshape(-1, 3)
        middle = picture[high // 2 - 1 : high // 2 + 1, wide // 2 - 1 : wide // 2 + 1].mean((0, 1))
        assert (middle >= near.min(0) - 2).all()
        assert (middle <= near.max(0) + 2).all()


def _group(job, line: str) -> str:
    rows = json.loads((job / "job/groups.json").read_text())
    return next(row["name"] for row in rows if line in row["lines"])


def test_tables_of_other_prototypes_are_refused(job, tmp_path):
    few = ["--set", "permutations=99", "draws=9"]
    main(["palaeography", "compare", str(job / "job"), "--out", str(tmp_path / "c"), *few])
    path = tmp_path / "c/comparison.json"
    kept = json.loads(path.read_text())
    kept["groups"] = ["x", "y"]
    path.write_text(json.dumps(kept))
    with pytest.raises(RunError, match="other prototypes"):
        write_report(job / "job", tmp_path / "out", tmp_path / "c")
    with pytest.raises(RunError, match="palaeography compare"):
        write_report(job / "job", tmp_path / "out", tmp_path)
    with pytest.raises(RunError, match="palaeography allographs"):
        write_report(job / "job", tmp_path / "out", None, tmp_path)
    with pytest.raises(RunError, match="palaeography adapt"):
        write_report(tmp_path, tmp_path / "out")


def test_every_occurrence_becomes_a_picture(job, tmp_path):
    seen, lines = load_occurrences(job / "job/occurrences.safetensors")
    told = export_glyphs(job / "job", tmp_path / "out", progress=False)
    rows = read_csv(tmp_path / "out/occurrences.csv")
    assert len(rows) == len(seen)
    assert str(len(seen)) in told[0]
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")}
    assert files == {row["file"] for row in rows}
    for row, line, sprite in zip(rows[:20], seen.lines, seen.sprites, strict=False):
        assert row["line"] == lines[line]
        assert int(row["sprite"]) == sprite
        assert row["document"] == _group(job, row["line"])
        assert row["file"].startswith(letter_folder(row["letter"]) + "/")
        with Image.open(tmp_path / "out" / row["file"]) as picture:
            high = float(row["bottom"]) - float(row["top"])
            assert high <= picture.height <= high + 2
    with pytest.raises(RunError, match="exists"):
        export_glyphs(job / "job", tmp_path / "out", progress=False)


def test_glyphs_of_the_originals_and_of_some_letters(job, tmp_path):
    collection = read_lines(job / "lines")
    export_glyphs(job / "job", tmp_path / "all", collection, progress=False)
    rows = read_csv(tmp_path / "all/occurrences.csv")
    letter = rows[0]["letter"]
    args = ["palaeography", "glyphs", str(job / "job"), "--out", str(tmp_path / "some")]
    args += ["--data", str(job / "lines"), "--letters", letter]
    assert main(args) == 0
    assert read_csv(tmp_path / "some/occurrences.csv") == [r for r in rows if r["letter"] == letter]
    from typica.lines.images import line_size

    heights = {line.id: line_size(line)[1] for line in collection}
    for row in rows:
        scale = heights[row["line"]] / float(row["height_of_line"])
        assert float(row["top_original"]) == pytest.approx(scale * float(row["top"]), abs=0.02)
    few = replace(collection, lines=collection.lines[1:])
    with pytest.raises(DataError, match="has no line"):
        export_glyphs(job / "job", tmp_path / "x", few, progress=False)
    with pytest.raises(DataError, match="no letter"):
        export_glyphs(job / "job", tmp_path / "x", letters=("ß",), progress=False)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_sheets_are_in_the_order_of_the_rows(report):
    views = sheet_views(report, [3, 0, 1, 2, 4, 5])
    assert [view["group"] for view in views] == [-1, 3, 0, 1, 2, 4, 5]
    assert across(report) * across(report) >= len(report.prototypes.letters) - across(report)
    assert PAD >= 1
