"""PAGE XML and ALTO: outlines, bands, order, texts, page images, hostile XML."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from PIL import Image

from typica.errors import DataError
from typica.lines.collection import ReadingOptions, read_lines
from typica.lines.images import line_image
from typica.lines.readers.pages import baseline_band
from typica.lines.readers.xml import parse_points
from typica.sources import Fault

PAPER, INK = (230, 215, 190), (30, 20, 10)


def draw_page(path: Path, scale: int = 1) -> Path:
    """A page of 300 x 200 with three bars of ink, 100 px wide, at y 30, 90 and 150."""
    pixels = np.full((200 * scale, 300 * scale, 3), PAPER, np.uint8)
    for y in (30, 90, 150):
        pixels[y * scale : (y + 20) * scale, 50 * scale : 150 * scale] = INK
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def page_xml(lines: str, image: str = "p1.png", order: str = "", year: str = "2019-07-15") -> str:
    space = f"http://schema.primaresearch.org/PAGE/gts/pagecontent/{year}"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><PcGts xmlns="{space}"><Page '
        f'imageFilename="{image}" imageWidth="300" imageHeight="200">{order}{lines}</Page></PcGts>'
    )


def page_line(name: str, top: int, text: str = "x", coords: bool = True) -> str:
    points = f"50,{top} 150,{top} 150,{top + 20} 50,{top + 20}"
    outline = f'<Coords points="{points}"/>' if coords else ""
    return (
        f'<TextLine id="{name}">{outline}<Baseline points="50,{top + 15} 150,{top + 15}"/>'
        f"<TextEquiv><Unicode>{text}</Unicode></TextEquiv></TextLine>"
    )


def alto_xml(lines: str, unit: str = "pixel", version: str = "4", size: str = "300 200") -> str:
    width, height = size.split()
    return (
        f'<alto xmlns="http://www.loc.gov/standards/alto/ns-v{version}#"><Description>'
        f"<MeasurementUnit>{unit}</MeasurementUnit><sourceImageInformation>"
        f"<fileName>p1.png</fileName></sourceImageInformation></Description><Layout>"
        f'<Page ID="p" PHYSICAL_IMG_NR="1" WIDTH="{width}" HEIGHT="{height}"><PrintSpace>'
        f'<TextBlock ID="b">{lines}</TextBlock></PrintSpace></Page></Layout></alto>'
    )


def write(folder: Path, content: str | bytes, name: str = "p1.xml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("year", ["2010-03-19", "2013-07-15", "2019-07-15", "2030-01-01"])
def test_page_lines_are_cut_from_the_page(tmp_path, year):
    draw_page(tmp_path / "p1.png")
    region = f'<TextRegion id="r">{page_line("l1", 30, "eins")}{page_line("l2", 90)}</TextRegion>'
    collection = read_lines(write(tmp_path, page_xml(region, year=year)), ReadingOptions(margin=0))
    assert not collection.problems
    first, _ = collection
    assert (first.id, first.text, first.document) == ("p1/l1", "eins", tmp_path.name)
    image = line_image(first)
    assert image.shape == (20, 100, 3)
    assert (image == INK).all()


def test_margin_is_a_share_of_the_line_height(tmp_path):
    draw_page(tmp_path / "p1.png")
    write(tmp_path, page_xml(page_line("l1", 30)))
    (line,) = read_lines(tmp_path, ReadingOptions(margin=0.2))
    assert line.margin == 4
    image = line_image(line)
    assert image.shape == (28, 108, 3)
    assert (image[4:24, 4:104] == INK).all()
    assert (image[1, 20] == PAPER).all()


def test_a_line_with_only_a_baseline_gets_a_band(tmp_path):
    draw_page(tmp_path / "p1.png")
    lines = "".join(page_line(f"l{y}", y, coords=False) for y in (30, 90, 150))
    collection = read_lines(write(tmp_path, page_xml(lines)), ReadingOptions(margin=0))
    assert not collection.problems
    for line in collection:
        image = line_image(line)
        # The pitch is 60: 42 above the baseline, 18 below, all ink of the line, none of others.
        assert image.shape == (60, 100, 3)
        assert (image == INK).all(axis=2).sum() == 20 * 100


def test_a_band_follows_a_slanted_baseline():
    band = np.array(baseline_band(((0, 100), (100, 0)), 10))
    up = np.array([-1, -1]) / np.sqrt(2)
    expected = [
        np.array((0, 100)) + 7 * up,
        np.array((100, 0)) + 7 * up,
        np.array((100, 0)) - 3 * up,
        np.array((0, 100)) - 3 * up,
    ]
    assert np.allclose(band, expected)


def test_reading_order_and_nested_regions(tmp_path):
    draw_page(tmp_path / "p1.png")
    order = (
        '<ReadingOrder><OrderedGroup id="g"><RegionRefIndexed index="1" regionRef="a"/>'
        '<OrderedGroupIndexed index="0" id="h"><RegionRefIndexed index="0" regionRef="b"/>'
        "</OrderedGroupIndexed></OrderedGroup></ReadingOrder>"
    )
    regions = (
        f'<TextRegion id="z">{page_line("lz", 30)}</TextRegion>'
        f'<TextRegion id="a">{page_line("la", 30)}'
        f'<TextRegion id="in">{page_line("lin", 30)}</TextRegion></TextRegion>'
        f'<TableRegion id="b"><TableCell id="c">{page_line("lb", 90)}</TableCell></TableRegion>'
    )
    collection = read_lines(write(tmp_path, page_xml(regions, order=order)))
    assert [line.id for line in collection] == ["p1/lb", "p1/la", "p1/lin", "p1/lz"]


def test_the_lowest_index_of_texts_and_words_and_no_text(tmp_path):
    draw_page(tmp_path / "p1.png")
    coords = '<Coords points="50,30 150,30 150,50 50,50"/>'

    def line(name: str, inside: str) -> str:
        return f'<TextLine id="{name}">{coords}{inside}</TextLine>'

    def text(value: str, index: str = "") -> str:
        return f"<TextEquiv {index}><Unicode>{value}</Unicode></TextEquiv>"

    lines = (
        line("a", text("second", 'index="2"') + text("first", 'index="0"'))
        + line("b", f"<Word>{text('two')}</Word><Word>{text('words')}</Word>")
        + line("c", text(" "))
        + line("d", "")
    )
    collection = read_lines(write(tmp_path, page_xml(lines)))
    assert [one.text for one in collection] == ["first", "two words", None, None]
    (problem,) = collection.problems
    assert not problem.fatal
    assert "2 of 4 lines have no text" in problem.message


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_alto_polygon_box_band_and_text(tmp_path, version):
    draw_page(tmp_path / "p1.png")
    text = '<String CONTENT="ein"/><SP/><String CONTENT="Wort"/><HYP CONTENT="-"/>'
    lines = (
        '<TextLine ID="poly" HPOS="0" VPOS="0" WIDTH="300" HEIGHT="60"><Shape>'
        f'<Polygon POINTS="50 30 150 30 150 50 50 50"/></Shape>{text}</TextLine>'
        f'<TextLine ID="box" HPOS="50" VPOS="90" WIDTH="100" HEIGHT="20">{text}</TextLine>'
        f'<TextLine ID="band" BASELINE="50,165 150,165">{text}</TextLine>'
        f'<TextLine ID="number" HPOS="50" WIDTH="100" BASELINE="105">{text}</TextLine>'
    )
    collection = read_lines(
        write(tmp_path, alto_xml(lines, version=version)), ReadingOptions(margin=0)
    )
    assert not collection.problems
    assert [line.text for line in collection] == ["ein Wort-"] * 4
    images = {line.id: line_image(line) for line in collection}
    for name in ("p1/poly", "p1/box"):
        assert images[name].shape == (20, 100, 3)
        assert (images[name] == INK).all()
    for name in ("p1/band", "p1/number"):
        assert (images[name] == INK).all(axis=2).sum() == 20 * 100


def test_other_units_are_scaled_by_the_page_with_a_warning(tmp_path):
    draw_page(tmp_path / "p1.png")
    line = '<TextLine ID="l" HPOS="500" VPOS="300" WIDTH="1000" HEIGHT="200"/>'
    write(tmp_path, alto_xml(line, unit="mm10", size="3000 2000"))
    collection = read_lines(tmp_path, ReadingOptions(margin=0))
    assert (line_image(collection.lines[0]) == INK).all()
    assert any("not the pixel" in one.message for one in collection.problems)


def test_a_smaller_page_image_scales_the_outlines(tmp_path):
    draw_page(tmp_path / "p1.png", scale=2)
    collection = read_lines(write(tmp_path, page_xml(page_line("l", 30))), ReadingOptions(margin=0))
    image = line_image(collection.lines[0])
    assert image.shape == (40, 200, 3)
    assert (image == INK).all()
    assert "2 times" in collection.problems[0].message


@pytest.mark.parametrize(
    ("xml", "image", "named"),
    [
        ("p1.xml", "p1.png", "p1.png"),
        ("page/p1.xml", "p1.png", "p1.png"),
        ("page/p1.xml", "images/p1.png", "p1.png"),
        ("page/p1.xml", "page/p1.png", "../page/p1.png"),
        ("p1.xml", "images/p1.png", "images/p1.png"),
        ("p1.xml", "p1.png", "C:\\scans\\p1.png"),
        ("p1.xml", "p1.png", "/etc/p1.png"),
        ("p1.xml", "p1.png", "https://example.org/p1.png"),
        ("p1.xml", "p1.jpg", "other.tif"),
        ("p1.xml", "p1.png", ""),
    ],
)
def test_where_a_page_image_is_looked_for(tmp_path, xml, image, named):
    draw_page(tmp_path / image)
    write((tmp_path / xml).parent, page_xml(page_line("l", 30), image=named))
    (line,) = read_lines(tmp_path)
    assert line.path.resolve() == (tmp_path / image).resolve()


@pytest.mark.parametrize("named", ["../secret.png", "sub/../../secret.png", "link.png", "{abs}"])
def test_a_page_image_never_lies_outside_the_data(tmp_path, named):
    secret = draw_page(tmp_path / "secret.png")
    data = tmp_path / "data"
    draw_page(data / "good.png")
    write(data, page_xml(page_line("l", 30), image="good.png"), "good.xml")
    write(data, page_xml(page_line("l", 30), image=named.format(abs=secret)), "p1.xml")
    os.symlink(secret, data / "link.png")
    collection = read_lines(data)
    assert [line.id for line in collection] == ["good/l"]
    (problem,) = [one for one in collection.problems if one.fatal]
    assert problem.file == data / "p1.xml"
    assert "1 lines lost" in problem.message


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE PcGts [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + "]>"
)


def hostile() -> dict[str, str | bytes]:
    plain = page_xml(page_line("l", 30, "&m;"))
    body = plain.partition("?>")[2]
    outside = '<?xml version="1.0"?><!DOCTYPE PcGts [<!ENTITY m SYSTEM "file:///etc/passwd">]>'
    utf16 = '<?xml version="1.0" encoding="UTF-16"?>' + BOMB.partition("?>")[2] + body
    return {
        "bomb": BOMB + body,
        "bomb in UTF-16": utf16.encode("utf-16"),
        "outside entity": outside + body,
        "undeclared entity": plain,
        "truncated": page_xml(page_line("l", 30))[:-40],
        "no page": "<PcGts/>",
        "empty": "",
        "binary": b"\x00\x01\x02" * 50,
        "deep": page_xml("<TextRegion>" * 5000 + "</TextRegion>" * 5000),
        "wrong encoding": page_xml(page_line("l", 30, "\u00e9")).encode("latin-1"),
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_and_malformed_xml_is_set_aside(tmp_path, monkeypatch, name):
    plain, parsed = etree.fromstring, []
    monkeypatch.setattr(
        etree, "fromstring", lambda data, parser: parsed.append(data) or plain(data, parser)
    )
    draw_page(tmp_path / "good.png")
    draw_page(tmp_path / "p1.png")
    write(tmp_path, page_xml(page_line("l", 30), image="good.png"), "good.xml")
    write(tmp_path, hostile()[name])
    collection = read_lines(tmp_path)
    # What declares an entity never reaches the parser, so nothing can grow there.
    assert 1 <= len(parsed) <= 2
    assert not [data for data in parsed if b"<!" in data.replace(b"\0", b"")]
    assert [line.id for line in collection] == ["good/l"]
    (problem,) = collection.problems
    assert problem.fatal
    assert problem.file == tmp_path / "p1.xml"
    assert problem.remedy
    alone = tmp_path / "alone"
    draw_page(alone / "p1.png")
    with pytest.raises(DataError, match=r"p1\.xml|no text lines found"):
        read_lines(write(alone, hostile()[name]), ReadingOptions(format="page"))


def test_bad_outlines_fall_back_or_are_set_aside(tmp_path):
    draw_page(tmp_path / "p1.png")

    def line(name: str, points: str, more: str = "") -> str:
        return f'<TextLine id="{name}"><Coords points="{points}"/>{more}</TextLine>'

    base = '<Baseline points="50,45 150,45"/>'
    lines = (
        page_line("good", 30)
        + line("words", "a,b c,d")
        + line("odd", "1,2 3")
        + line("nan", "nan,1 2,3 4,5")
        + line("huge", "1e999,1 2,3 4,5")
        + line("flat", "10,10 50,10 90,10")
        + line("away", "1000,10 1100,10 1100,30")
        + line("none", "")
        + line("rescued", "5,5 5,5", base)
        + line("point", "5,5 5,5", '<Baseline points="5,5 5,5"/>')
        + line("../up", "50,30 150,30 150,50 50,50")
        + page_line("good", 90)
    )
    collection = read_lines(write(tmp_path, page_xml(lines)))
    assert [one.id for one in collection] == ["p1/good", "p1/rescued"]
    fatal = [one.line for one in collection.problems if one.fatal]
    assert sorted(fatal) == sorted(
        ["words", "odd", "nan", "huge", "flat", "p1/away", "none", "point", "../up", "p1/good"]
    )
    assert all(one.remedy for one in collection.problems)


def test_the_same_pages_in_both_formats_are_read_once(tmp_path):
    draw_page(tmp_path / "p1.png")
    write(tmp_path / "page", page_xml(page_line("l", 30)))
    write(tmp_path / "alto", alto_xml('<TextLine ID="l" HPOS="5" VPOS="3" WIDTH="99" HEIGHT="9"/>'))
    write(tmp_path, "<mets/>", "mets.xml")
    collection = read_lines(tmp_path)
    assert [line.id for line in collection] == ["page/p1/l"]
    assert ["left out" in one.message for one in collection.problems] == [True]
    other = read_lines(tmp_path, ReadingOptions(format="alto"))
    assert [line.id for line in other] == ["alto/p1/l"]


def test_relative_paths_and_single_files(tmp_path, monkeypatch):
    draw_page(tmp_path / "p1.png")
    write(tmp_path, page_xml(page_line("l", 30)))
    monkeypatch.chdir(tmp_path)
    for path in (".", "p1.xml", Path("../" + tmp_path.name), tmp_path / "p1.xml"):
        (line,) = read_lines(path)
        assert line.id == "p1/l"
        assert line_image(line).shape[0] == 22
    write(tmp_path, page_xml(page_line("l", 30), image="../p1.png"), "p2.xml")
    draw_page(tmp_path.parent / "p1.png")
    (line,) = read_lines("p2.xml")
    assert line.path.resolve() == tmp_path / "p1.png"
    (tmp_path.parent / "p1.png").unlink()


def test_documents_of_pages(tmp_path):
    names = ["ms1_f001r", "ms1_f002v", "ms2-p3", "0001", "page_7"]
    for name in names:
        draw_page(tmp_path / f"{name}.png")
        write(tmp_path, page_xml(page_line("l", 30), image=f"{name}.png"), f"{name}.xml")
    draw_page(tmp_path / "codex" / "1.png")
    write(tmp_path / "codex" / "page", page_xml(page_line("l", 30), image="1.png"), "1.xml")
    documents = {line.id: line.document for line in read_lines(tmp_path)}
    root = tmp_path.name
    assert documents == {
        "ms1_f001r/l": "ms1", "ms1_f002v/l": "ms1", "ms2-p3/l": "ms2", "0001/l": root,
        "page_7/l": root, "codex/page/1/l": "codex",
    }  # fmt: skip


@given(st.lists(st.tuples(*[st.integers(-999, 999)] * 2), min_size=1))
def test_points_in_both_notations(points):
    page = " ".join(f"{x},{y}" for x, y in points)
    alto = " ".join(f"{x} {y}" for x, y in points)
    kept = [p for n, p in enumerate(points) if n == 0 or points[n - 1] != p]
    assert parse_points(page) == parse_points(alto) == tuple(kept)


@given(st.text(max_size=30))
def test_any_points_give_points_or_a_fault(text):
    remedy = "none needed"
    try:
        points = parse_points(text)
    except Fault as fault:
        points, remedy = None, fault.remedy
    assert remedy
    assert points is None or all(np.isfinite(value) for point in points for value in point)


@settings(max_examples=60)
@given(st.data())
def test_damaged_xml_gives_lines_problems_or_a_data_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    draw_page(folder / "p1.png")
    source = data.draw(
        st.sampled_from(
            [
                page_xml(page_line("l1", 30) + page_line("l2", 90, coords=False)),
                alto_xml('<TextLine ID="l" HPOS="5" VPOS="3" WIDTH="99" HEIGHT="9"/>'),
            ]
        )
    )
    raw = bytearray(source.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=4))
    write(folder, bytes(raw))
    try:
        collection = read_lines(folder, ReadingOptions(format="auto"))
    except DataError as error:
        collection = None
        message = str(error)
    if collection is None:
        assert str(folder) in message
    else:
        assert len(collection) > 0


def lines_run(job: Callable[[], object]) -> int:
    """How many lines of Python a job runs, every turn of a loop counted."""
    count, before = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, argument: object) -> Callable:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        job()
    finally:
        sys.settrace(before)
    return count


def test_many_lines_on_a_page_take_linear_work(tmp_path):
    draw_page(tmp_path / "p1.png")
    work = []
    for count in (250, 1000):
        lines = "".join(page_line(f"l{n}", n % 180, coords=False) for n in range(count))
        write(tmp_path, page_xml(lines))
        work.append(lines_run(lambda: read_lines(tmp_path)))
        assert len(read_lines(tmp_path)) == count
    assert 250 < work[0] < work[1] < 4.4 * work[0]
