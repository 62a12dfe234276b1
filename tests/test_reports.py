"""The report page: complete, escaped, self-contained, and honest about what is missing."""

from __future__ import annotations

import base64
import hashlib
import io
import math
from dataclasses import replace
from pathlib import Path

import lxml.html
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from typica.errors import DataError
from typica.lines.line import Box, Problem
from typica.reports import typewriter
from typica.reports.page import check_self_contained, ink_data_uri, picture_data_uri
from typica.reports.plots import MOST_POINTS, Series, line_plot, thin, ticks
from typica.reports.typewriter import (
    marked,
    render_typewriter_report,
    write_typewriter_report,
)
from typica.reports.typewriter_values import (
    Confusion,
    Curve,
    DocumentScore,
    LineCard,
    SpriteCard,
    TypewriterReport,
)
from typica.reports.wording import alphabetical, code_points, is_word, percent, shown
from typica.typewriter.reading import PlacedGlyph

HOSTILE = (
    "<script>alert('x')</script><img src=http://evil.example/x onerror=\"a()\">&amp;\"'{{7*7}}"
)


def decoded(uri: str) -> np.ndarray:
    kind, data = uri.split(";base64,")
    assert kind in ("data:image/png", "data:image/webp")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def sprite(symbol: str, count: int | None = 20, placed: int = 9, sure: float | None = 0.9):
    image = np.zeros((8, 6))
    image[2:6, 2:4] = 1
    return SpriteCard(symbol, image, (0.1, 0.2, 0.3), count, placed, sure, 0.05, 0.98, "a note")


def line(name: str, truth: str | None = "ab c", seed: int = 0) -> LineCard:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 255, (3, 20, 90, 3), dtype=np.uint8)
    edits = (("a", "a"), ("b", "c"), ("c", "c")) if truth is not None else ()
    glyphs = tuple(
        PlacedGlyph(
            symbol,
            "abc".index(symbol),
            Box(10 + 20 * i, 4, 22 + 20 * i, 16),
            0.8,
            1.0,
            (0.1, 0.1, 0.1),
        )
        for i, symbol in enumerate("acc")
    )
    return LineCard(
        name, truth, "ac c", None if truth is None else 1 / 3, 0.0123, *pictures, glyphs, edits
    )


@pytest.fixture(scope="module")
def report() -> TypewriterReport:
    return TypewriterReport(
        title="A small book",
        sprites=(sprite("b"), sprite("a", count=3), sprite("c", sure=0.3), sprite("q", 0, 0, None)),
        description="Two pages.",
        line_count=12,
        cer=0.0123,
        cer_low=0.01,
        cer_high=0.02,
        reconstruction=0.0061,
        placements=1.004,
        localisation=0.93,
        minutes=14.2,
        steps=900,
        hardware="2 cores",
        lines=(line("p1/l1"), line("p1/l2", seed=1)),
        worst=(line("p2/l9", seed=2),),
        confusions=(Confusion("b", "c", 4), Confusion("a", None, 2), Confusion("", "c", 1)),
        curves=(
            Curve("train", (1, 2, 3), (1.0, 0.5, 0.25), panel="loss", log=True),
            Curve("validation", (2, 3), (0.6, 0.3), panel="loss", log=True),
            Curve("validation", (2, 3), (0.1, 0.02), panel="CER", log=True, percent=True),
        ),
        documents=(DocumentScore("book", 12, 0.0123, 0.0061),),
        settings=(("model.height", "48"),),
        problems=(Problem(Path("images/x.png"), "cut off", "Copy it again", "x"),),
        commands=("typica typewriter report RUN",),
        version="typica 0.0",
        date="today",
    )


def parsed(report: TypewriterReport) -> lxml.html.HtmlElement:
    return lxml.html.document_fromstring(render_typewriter_report(report))


def words(node: lxml.html.HtmlElement) -> str:
    return " ".join(node.text_content().split())


def test_page_has_every_part(report, tmp_path):
    path = write_typewriter_report(report, tmp_path / "deep" / "report.html")
    page = lxml.html.document_fromstring(path.read_text(encoding="utf-8"))
    assert page.findtext(".//h1") == "A small book"
    ids = [node.get("id") for node in page.iter("section")]
    assert ids == ["alphabet", "lines", "worst", "confusions", "curves", "about", "reading"]
    tiles = words(page.find_class("tiles")[0])
    for value in ("1.2 %", "1.0 % to 2.0 %", "0.0061", "1.004", "93.0 %", "12", "14", "900 steps"):
        assert value in tiles
    assert [node.get("id") for node in page.find_class("line")] == ["line-0", "line-1", "worst-0"]
    assert len(page.find_class("plot")) == 2
    assert "images/x.png" in words(page.get_element_by_id("about"))
    assert [words(node) for node in page.find_class("settings")[0].iter("code")] == [
        "model.height",
        "48",
    ]
    everything = [node.get("id") for node in page.iter() if node.get("id")]
    assert len(everything) == len(set(everything))
    for link in page.iter("a"):
        assert link.get("href")[1:] in everything


def test_cards_are_sorted_and_flagged(report):
    cards = parsed(report).find_class("card")
    # By letter, though given otherwise; the id is the place in the report: what a glyph names.
    assert [card.get("id") for card in cards] == ["sprite-1", "sprite-0", "sprite-2", "sprite-3"]
    flags = [[words(flag) for flag in card.find_class("flag")] for card in cards]
    assert flags == [["rare"], [], ["weak"], ["rare", "never used"]]
    assert cards[0].get("data-frequency") == "3"
    assert float(cards[3].get("data-confidence")) < float(cards[2].get("data-confidence"))
    assert "width:30.0%" in cards[2].find_class("bar")[0][0].get("style")


def test_pictures_are_embedded_and_true(report):
    page = parsed(report)
    uris = [node.get("src") for node in page.iter("img")]
    uris += [node.get("href") for node in page.iter("image")]
    assert len(uris) == 4 + 4 + 3 * 3  # cards, letters among the confusions, lines
    assert all(decoded(uri).size for uri in uris)
    assert all(node.get("alt") is not None for node in page.iter("img"))
    stack = page.find_class("stack")[0]
    assert stack.get("role") == "img"
    assert "p1/l1" in stack.get("aria-label")
    images = list(stack.iter("image"))
    assert [node.get("data-row") for node in images] == [
        "original",
        "reconstruction",
        "segmentation",
    ]
    assert {node.get("width") for node in images} == {"90"}
    glyphs = stack.find_class("glyph")
    assert len(glyphs) == 3
    first, second, third = (list(glyph.iter("rect")) for glyph in glyphs)
    assert {float(rect.get("x")) for rect in first} == {10.0}
    tops = [float(node.get("y")) for node in images]
    assert [float(rect.get("y")) for rect in second] == pytest.approx([4 + t for t in tops], 0.01)
    assert len(third) == 3
    assert "wrong" in glyphs[1].get("class")
    assert "wrong" not in glyphs[2].get("class")
    assert "80\u00a0%" in glyphs[0].findtext("title")


def test_differences_are_marked(report):
    texts = parsed(report).find_class("texts")[0]
    truth, read = texts.findall("dd")
    assert words(truth) == "ab c"
    assert words(read) == "ac c"
    assert [node.text for node in truth.iter("del")] == ["b"]
    assert [node.text for node in read.iter("ins")] == ["c"]


def test_nothing_may_be_none_or_empty(report):
    for nothing in (None, ""):
        card = replace(
            line("l"), truth="abc", read="ac", edits=(("a", "a"), ("b", nothing), ("c", "c"))
        )
        page = parsed(replace(report, lines=(card,)))
        gap = page.find_class("texts")[0].find_class("gap")
        assert [node.get("title") for node in gap] == ["not read: “b”"]
    rows = page.find_class("confusions")[0].findall("tbody/tr")
    assert [words(row[1]) for row in rows] == ["c", "nothing", "c"]


def test_hostile_text_stays_text(report):
    bad = HOSTILE
    hostile = replace(
        report,
        title=bad,
        description=bad,
        hardware=bad,
        version=bad,
        date=bad,
        split=bad,
        sprites=(replace(sprite(bad), note=bad), sprite("\ud800\0")),
        lines=(replace(line(bad), truth=bad, read=bad, edits=((bad, bad + "x"),)),),
        worst=(
            replace(
                line("x"),
                truth=bad,
                read=bad,
                edits=(),
                glyphs=(PlacedGlyph(bad, 0, Box(0, 0, 5, 5), 1, 1, (0, 0, 0)),),
            ),
        ),
        confusions=(Confusion(bad, bad, 1),),
        curves=(Curve(bad, (1, 2), (1, 2), panel=bad),),
        documents=(DocumentScore(bad, 1),),
        settings=((bad, bad),),
        problems=(Problem(Path(bad), bad, bad, bad),),
        commands=(bad,),
    )
    text = render_typewriter_report(hostile)
    page = lxml.html.document_fromstring(text)
    assert len(list(page.iter("script"))) == 1
    assert "alert(" not in page.findtext(".//script")
    assert not page.xpath("//@onerror")
    assert page.findtext(".//h1") == bad
    assert "<script>alert" not in text
    assert "\0" not in text
    text.encode("utf-8")


def test_nothing_comes_from_outside(report):
    page = parsed(report)
    for node in page.iter():
        for name, value in node.attrib.items():
            if name in ("src", "href"):
                assert value.startswith(("data:image/", "#"))
    assert not list(page.iter("link", "iframe", "object", "embed"))
    assert "url(" not in page.findtext(".//style")
    assert "http" not in page.findtext(".//style")
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    digest = hashlib.sha256(page.findtext(".//script").encode()).digest()
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    "bad",
    [
        "<img src='http://a.example/x.png'>",
        "<img src=x.png>",
        "<img srcset='//a.example/x 2x'>",
        "<link rel=stylesheet href='a.css'>",
        "<iframe></iframe>",
        "<a href='javascript:x()'>x</a>",
        "<style>@import 'a.css';</style>",
        '<style>p{background:url( "//a.example")}</style>',
        "<p style=\"background:url('x.png')\">",
        "<svg><use xlink:href='a.svg#b'/></svg>",
        "<svg><image href='file:///x.png'/></svg>",
        "<p onclick='x()'>",
        "<img src='data:text/html,x'>",
        "<meta http-equiv=Refresh content='0;url=x'>",
        "<form action='/x'></form>",
    ],
)
def test_check_finds_what_leads_outside(bad):
    with pytest.raises(ValueError, match="page"):
        check_self_contained(f"<!DOCTYPE html><html><body><p>x</p>{bad}</body></html>")


def test_check_allows_addresses_in_the_text():
    check_self_contained("<html><body>see http://a.example/ <a href='#x'>x</a></body></html>")


def test_empty_report_says_so():
    page = parsed(TypewriterReport("Nothing", ()))
    texts = " ".join(words(node) for node in page.find_class("empty"))
    for part in (
        "no sprites",
        "No sample lines",
        "No worst lines",
        "Nothing was recorded",
        "every line of the collection",
        "No settings",
    ):
        assert part in texts
    assert "no transcription to compare with" in words(page)
    assert "None" not in words(page.body)


def test_perfect_run_has_no_confusions(report):
    page = parsed(replace(report, cer=0.0, confusions=()))
    assert "No confusions" in words(page.get_element_by_id("confusions"))


def test_unsupervised_run(report):
    bare = replace(sprite("", count=None), cer=None)
    card = replace(
        line("l", truth=None),
        glyphs=(PlacedGlyph("", 1, Box(0, 0, 5, 5), 0.5, 1, (0, 0, 0)),),
        read="",
    )
    page = parsed(
        replace(
            report,
            supervised=False,
            sprites=(bare, bare),
            lines=(card,),
            worst=(card,),
            cer=None,
            confusions=(),
            placements=None,
        )
    )
    assert "learned without transcriptions" in words(page.find_class("kicker")[0])
    assert [words(card.find_class("name")[0]) for card in page.find_class("card")] == [
        "no. 1",
        "no. 2",
    ]
    assert "in text" not in words(page.get_element_by_id("alphabet"))
    assert [node.text for node in page.find_class("texts")[0].iter("dt")] == ["Read"]
    assert page.find_class("glyph")[0].findtext("title").startswith("no. 2")
    assert "by reconstruction error" in words(page.get_element_by_id("worst"))
    assert "Without a transcription" in words(page.get_element_by_id("confusions"))


def test_pictures_shrink_until_the_page_fits(report, monkeypatch):
    large = np.random.default_rng(1).integers(0, 255, (150, 400, 3), dtype=np.uint8)
    card = replace(line("l"), original=large, reconstruction_image=large, segmentation=large)
    only = replace(report, lines=(card,), worst=())

    def height() -> int:
        return decoded(next(parsed(only).iter("image")).get("href")).shape[0]

    assert height() == 128
    monkeypatch.setattr(typewriter, "MOST_BYTES", 0)
    assert height() == 48


def test_bad_pictures_and_places_are_refused(report, tmp_path):
    with pytest.raises(ValueError, match="differ in size"):
        replace(line("l"), segmentation=np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        picture_data_uri(np.zeros((4, 4, 3)))
    with pytest.raises(DataError, match="folder"):
        write_typewriter_report(report, tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        write_typewriter_report(report, tmp_path / "file" / "report.html")


def test_pictures_survive_encoding():
    image = np.random.default_rng(0).integers(0, 255, (7, 5, 3), dtype=np.uint8)
    assert np.array_equal(decoded(picture_data_uri(image, quality=None)), image)
    assert decoded(picture_data_uri(image, max_height=4)).shape[0] == 4
    ink = decoded(ink_data_uri(np.array([[0, 1, 0.5], [np.nan, 7, -1]])))
    assert ink.tolist() == [[255, 0, 128], [255, 0, 255]]
    assert decoded(ink_data_uri(np.ones((4, 3)), enlarge=3)).shape == (12, 9)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "ſt", ""]), st.sampled_from(["a", "ſt", ""]), st.booleans()
        ),
        max_size=12,
    )
)
def test_marked_text_is_complete(rows):
    edits = [(truth, read) for truth, read, _ in rows]
    for side in (0, 1):
        text = "".join(
            (" " if space and row[side] else "") + row[side]
            for row, space in zip(edits, [s for *_, s in rows], strict=True)
        )
        parts = list(marked(text, edits, side))
        assert "".join(piece for _, piece, _ in parts) == text
        differing = sum(1 for pair in edits if pair[0] != pair[1])
        assert sum(kind != "same" for kind, *_ in parts) == differing


def test_marked_text_that_the_pairs_do_not_spell():
    assert list(marked("xyz", [("a", "a")], 0)) == [("same", "xyz", "")]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_linear_ticks(low, length):
    high = low + length
    values = ticks(low, high)
    slack = 1e-6 * (abs(low) + length)
    assert 2 <= len(values) <= 7
    assert all(low - slack <= value <= high + slack for value in values)
    assert list(values) == sorted(set(values))


@given(st.floats(1e-6, 1e3), st.floats(1.3, 1e6))
def test_log_ticks(low, factor):
    values = ticks(low, low * factor, log=True)
    assert 2 <= len(values) <= 7
    assert all(low * 0.99 <= value <= low * factor * 1.01 for value in values)
    assert list(values) == sorted(set(values))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=3000))
def test_thinning_keeps_ends_and_spikes(values):
    run = list(enumerate(values))
    kept = thin(run)
    assert len(kept) <= MOST_POINTS + 2
    assert kept[0] == run[0]
    assert kept[-1] == run[-1]
    assert {max(values), min(values)} <= {value for _, value in kept}


def test_plot_places_points_on_its_axes():
    svg = lxml.html.fragment_fromstring(
        str(line_plot([Series("a", (0, 5, 10), (0, 1, 2))], "t", width=560, height=270)),
        create_parent="div",
    )
    points = [
        tuple(map(float, pair.split(",")))
        for pair in next(svg.iter("polyline")).get("points").split()
    ]
    # From 0 to a little over the highest value, between the margins.
    assert points == [(58, 226), (300, 124.1), (542, 22.2)]


def test_plot_leaves_gaps_where_nothing_can_be_drawn():
    series = Series("<b>", (1, 2, 3, 4, 5, 6), (1, math.nan, 0.5, 0.25, 0, math.inf))
    text = str(line_plot([series], "t", log=True))
    assert text.count("<polyline") == 1
    assert text.count("<circle") == 1
    assert "<b>" not in text.replace("<b>0.25</b>", "")
    assert "nan" not in text
    assert "Nothing to draw" in line_plot([Series("a", (1,), (math.nan,))], "t")
    assert "<circle" in line_plot([Series("a", (3,), (0.0,))], "t", log=True)


def test_a_sign_with_a_name_is_no_letter():
    assert is_word("Alembic")
    assert not any(
        is_word(symbol) for symbol in ("", "a", "ſt", "q\u0303", "a\u0303\u0301\u0323\u0324")
    )


def test_wording():
    assert shown("\u0303") == "◌\u0303"
    assert code_points("e\u0303") == "U+0065 U+0303"
    assert [percent(x) for x in (None, 0.0, 0.0062, 0.123, math.nan)] == [
        "–",
        "0.0\u00a0%",
        "0.62\u00a0%",
        "12.3\u00a0%",
        "–",
    ]
    given_symbols = ["1", "b", ".", "ä", "B", "a", "", "A", "ſ", "s", "\ue8bf"]
    order = sorted(given_symbols, key=alphabetical)
    assert order.index("a") < order.index("ä") < order.index("b") < order.index("1")
    assert order.index("1") < order.index(".")
    assert abs(order.index("ſ") - order.index("s")) == 1
