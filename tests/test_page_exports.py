"""Pages: where a line was cut out, readings on the page, PAGE and ALTO that read back the same."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from PIL import Image, ImageDraw

from typica import cli
from typica.cli import typewriter as cli_typewriter
from typica.errors import DataError
from typica.lines import images
from typica.lines.collection import ReadingOptions, read_lines
from typica.lines.images import line_image, line_origin, line_size, read_image
from typica.lines.line import Box, Line
from typica.typewriter import decompose_job
from typica.typewriter.alto_xml import alto_document
from typica.typewriter.export_values import Names
from typica.typewriter.exports import export_names, export_path, pages_to_alto, pages_to_page
from typica.typewriter.inference import DecomposedLine
from typica.typewriter.page_reading import (
    PageReading,
    PlacedLine,
    RegionReading,
    move_reading,
    page_readings,
)
from typica.typewriter.page_xml import page_document
from typica.typewriter.reading import LineReading, PlacedGlyph

from .test_exports import ALTO, PAGE, READINGS, load_schema

WIDTH, HEIGHT = 300, 200
POLYGONS = {
    "eSc_line_1": "50,30 150,25 150,50 50,52",
    "l2": "50,90 150,90 150,110 50,110",
    "3": "20,150 150,150 160,170 20,171",
}
BASELINES = {"eSc_line_1": "50,45 100,44 150,43", "l2": None, "3": "20,165 155,165"}


@pytest.fixture(scope="module")
def page_schema():
    return load_schema(PAGE["p"])


@pytest.fixture(scope="module")
def alto_schema():
    return load_schema(ALTO["a"], "4.2")


def draw(path, turned=False):
    noise = np.random.default_rng(0).integers(100, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
        noise = np.rot90(noise)
    Image.fromarray(np.ascontiguousarray(noise)).save(path, quality=95, exif=exif)
    return path


def write_page(file, image="p1.png", size=(WIDTH, HEIGHT)):
    def line(name):
        drawn = BASELINES[name]
        base = f'<Baseline points="{drawn}"/>' if drawn else ""
        return (
            f'<TextLine id="{name}"><Coords points="{POLYGONS[name]}"/>{base}'
            f"<TextEquiv><Unicode>ab c</Unicode></TextEquiv></TextLine>"
        )

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f'<PcGts xmlns="{PAGE["p"]}"><Page imageFilename="{image}" imageWidth="{size[0]}" '
        f'imageHeight="{size[1]}"><TextRegion id="col_1"><Coords points="0,0 200,0 200,120 0,120"/>'
        f"{line('eSc_line_1')}{line('l2')}</TextRegion><TextRegion id='col_2'>"
        f'<Coords points="10,140 210,140 210,180 10,180"/>{line("3")}</TextRegion></Page></PcGts>'
    )


def read_as(line):
    """A reading of a line with two words of which the ink lies where it is asked for."""
    width, height = line_size(line)
    boxes = [(2, 3, 8, 14), (9.5, 5, 15, 14), (25, 5, 32.25, 14)]
    glyphs = tuple(
        PlacedGlyph(symbol, 0, Box(*box), 0.5, 1.0, (0.0, 0.0, 0.0), symbol == "c")
        for symbol, box in zip("abc", boxes, strict=True)
    )
    return LineReading(line.id, width, height, glyphs)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.floats(-30, WIDTH + 30), st.floats(-30, HEIGHT + 30)), min_size=3, max_size=8
    ),
    st.floats(0, 12),
)
def test_a_line_pasted_at_its_origin_is_the_page_again(tmp_path_factory, polygon, margin):
    path = tmp_path_factory.getbasetemp() / "noise.png"
    if not path.exists():
        draw(path)
    line = Line("a", path, None, polygon=tuple(polygon), margin=margin)
    try:
        piece = line_image(line)
    except DataError:
        for ask in (line_origin, line_size):
            with pytest.raises(DataError):
                ask(line)
        return
    x, y = line_origin(line)
    assert line_size(line) == piece.shape[1::-1]
    page = read_image(path)
    under = page[y : y + piece.shape[0], x : x + piece.shape[1]]
    assert under.shape == piece.shape
    mask = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(mask).polygon(polygon, fill=1)
    inside = np.asarray(mask)[y : y + piece.shape[0], x : x + piece.shape[1]]
    # The outline is drawn to whole pixels: one pixel of its edge may fall to either side.
    core = inside.copy()
    core[1:] &= inside[:-1]
    core[:-1] &= inside[1:]
    core[:, 1:] &= inside[:, :-1]
    core[:, :-1] &= inside[:, 1:]
    assert (piece[core] == under[core]).all()


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_origin_and_size_on_a_turned_page(tmp_path, suffix):
    path = draw(tmp_path / f"p.{suffix}", turned=True)
    line = Line("a", path, None, polygon=((250, 10), (290, 10), (290, 60), (250, 60)), margin=2)
    assert (line_origin(line), line_size(line)) == ((248, 8), (44, 54))
    assert (line_image(line)[4:-4, 4:-4] == read_image(path)[12:58, 252:288]).all()


def test_origin_and_size_decode_nothing(tmp_path, monkeypatch):
    path = draw(tmp_path / "p.png")
    monkeypatch.setattr(images, "_decode", lambda path: pytest.fail("decoded"))
    whole = Line("a", path, None)
    cut = Line("b", path, None, polygon=((5, 6), (50, 6), (50, 30)))
    assert (line_origin(whole), line_size(whole)) == ((0, 0), (WIDTH, HEIGHT))
    assert (line_origin(cut), line_size(cut)) == ((5, 6), (45, 24))


def test_moving_a_reading_moves_its_boxes_alone():
    glyph = PlacedGlyph("a", 3, Box(1, 2, 4, 8.5), 0.5, 1.2, (0.1, 0.2, 0.3), True, 2)
    moved = move_reading(LineReading("x", 30, 20, (glyph,), 0.25), 100, 50, 300, 200)
    (after,) = moved.glyphs
    assert after.box == Box(101, 52, 104, 58.5)
    assert (moved.width, moved.height, moved.line, moved.reconstruction) == (300, 200, "x", 0.25)
    same = ("symbol", "sprite", "confidence", "scale", "colour", "space_before", "placements")
    assert all(getattr(after, name) == getattr(glyph, name) for name in same)


@pytest.mark.parametrize("form", ["page", "alto"])
def test_written_pages_read_back_the_same(tmp_path, form, page_schema, alto_schema):
    draw(tmp_path / "data" / "vol 1" / "p1.png")
    write_page(tmp_path / "data" / "vol 1" / "p1.xml")
    collection = read_lines(tmp_path / "data", ReadingOptions())
    assert len(collection) == 3
    pages = page_readings(
        collection, {line.id: read_as(line) for line in collection}, collection.root
    )
    out = tmp_path / "out"
    write = pages_to_page if form == "page" else pages_to_alto
    (file,) = write(pages, out)
    assert file == out / "vol 1" / "p1.xml"
    root = etree.parse(file).getroot()
    (page_schema if form == "page" else alto_schema).assertValid(root)
    draw(out / "vol 1" / "p1.png")
    again = read_lines(out, ReadingOptions())
    assert not again.problems
    assert [line.text for line in again] == ["ab c"] * 3
    assert [line.polygon for line in again] == [line.polygon for line in collection]
    assert [line.id.split("/")[-1] for line in again] == ["eSc_line_1", "l2", "_3"]
    for before, after in zip(collection, again, strict=True):
        assert after.place.region == before.place.region
        assert after.place.region_outline == before.place.region_outline
        if before.place.baseline is None:
            # Guessed where the letters stand: 14 pixels below the upper edge of the cut.
            _, y0 = line_origin(before)
            assert after.place.baseline == ((50, y0 + 14), (150, y0 + 14))
        else:
            assert after.place.baseline == before.place.baseline


def test_a_page_names_its_image_and_places_its_glyphs(tmp_path):
    draw(tmp_path / "p1.png")
    write_page(tmp_path / "p1.xml")
    lines = read_lines(tmp_path)
    (page,) = page_readings(lines, {line.id: read_as(line) for line in lines}, tmp_path)
    x, y = line_origin(lines.lines[0])
    root = etree.fromstring(page_document(page))
    attributes = dict(root.find("p:Page", PAGE).attrib)
    assert attributes == {"imageFilename": "p1.png", "imageWidth": "300", "imageHeight": "200"}
    place = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
    # eScriptorium refuses a file that does not say where its schema is.
    assert root.get(place) == f"{PAGE['p']} {PAGE['p']}/pagecontent.xsd"
    glyph = root.find(".//p:Glyph/p:Coords", PAGE).get("points")
    left, top, right, bottom = x + 2, y + 3, x + 8, y + 14
    assert glyph == f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}"
    root = etree.fromstring(alto_document(page))
    assert root.find(".//a:fileName", ALTO).text == "p1.png"
    assert root.find(".//a:Page", ALTO).get("WIDTH") == "300"
    assert root.find(".//a:Glyph", ALTO).get("HPOS") == str(left)
    for points in root.xpath("//a:TextLine/@BASELINE | //a:Polygon/@POINTS", namespaces=ALTO):
        # eScriptorium splits at single spaces and takes no comma.
        assert re.fullmatch(r"\d+( \d+)+", points)
        assert len(points.split(" ")) % 2 == 0


def test_a_scaled_page_is_written_in_pixels_of_its_image(tmp_path):
    draw(tmp_path / "p1.png")
    write_page(tmp_path / "p1.xml", size=(2 * WIDTH, 2 * HEIGHT))
    lines = read_lines(tmp_path)
    (page,) = page_readings(lines, {line.id: read_as(line) for line in lines}, tmp_path)
    assert (page.width, page.height) == (WIDTH, HEIGHT)
    assert page.lines[1].outline == ((25, 45), (75, 45), (75, 55), (25, 55))
    assert page.lines[0].baseline == ((25, 22.5), (50, 22), (75, 21.5))
    assert page.regions[0].outline == ((0, 0), (100, 0), (100, 60), (0, 60))


NAMES_OF = st.text(max_size=4) | st.sampled_from(["a", "a_word_0", "a_word_0_glyph_0", "page", "1"])
PLACES_OF = st.lists(
    st.tuples(st.floats(-50, 400), st.floats(-50, 400)), min_size=3, max_size=6
).map(tuple)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(NAMES_OF, NAMES_OF, READINGS, PLACES_OF, st.none() | PLACES_OF),
        min_size=1,
        max_size=4,
    )
)
def test_any_page_is_valid(page_schema, alto_schema, rows):
    regions = tuple(
        RegionReading(
            region,
            outline,
            tuple(
                PlacedLine(line, move_reading(reading, 5, 7, 120, 90), outline, baseline)
                for _ in range(2)
            ),
        )
        for region, line, reading, outline, baseline in rows
    )
    page = PageReading("p", "p.png", 120, 90, regions)
    root = etree.fromstring(page_document(page))
    page_schema.assertValid(root)
    for points in root.xpath("//@points"):
        for x, y in (map(int, point.split(",")) for point in points.split()):
            assert 0 <= x <= 120
            assert 0 <= y <= 90
    alto_schema.assertValid(etree.fromstring(alto_document(page)))


@given(st.lists(NAMES_OF, max_size=8))
def test_ids_are_never_twice_and_good_ones_stay(wanted):
    names = Names()
    given_out = [names.take(one) for one in wanted]
    assert len(set(given_out)) == len(given_out)
    assert Names().take("eSc_line_1-b.2") == "eSc_line_1-b.2"


PARTS = st.sampled_from(["a", "A", "a~2", "b", "a.xml", "\u00e9", "e\u0301", "x" * 300, "x" * 301])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@settings(max_examples=50)
@given(st.lists(PATHS, max_size=8))
def test_export_names_never_meet(names):
    found = export_names(names)
    assert len(found) == len(names)
    files = [str(export_path(Path("out"), name)).casefold() for name in found]
    assert len(set(files)) == len(files)
    folders = {str(parent) for file in files for parent in Path(file).parents}
    assert not folders & set(files)
    assert all(len(part.encode()) < 240 for name in found for part in name.split("/"))


def test_export_names_stay_where_they_can():
    names = ["a", "a/a", "b.1", "a/b", "\u00e9"]
    assert export_names(names) == names
    assert export_names(["a", "A", "a", "x.xml/y", "x"]) == ["a", "A~2", "a~3", "x.xml/y", "x~2"]


# --- the whole of `decompose_into`, with a stand-in for the model


@pytest.fixture
def stand_in(monkeypatch):
    def decompose(model, about, cache):
        for index, line in enumerate(cache.collection):
            picture = np.asarray(cache[index])
            yield DecomposedLine(line, read_as(line), picture, picture, picture)

    model = SimpleNamespace(config=SimpleNamespace(height=16))
    monkeypatch.setattr(decompose_job, "load_typewriter", lambda *given: (model, None))
    monkeypatch.setattr(decompose_job, "decompose", decompose)
    monkeypatch.setattr(decompose_job, "reading_mark", lambda model, about: "mark")
    monkeypatch.setattr(decompose_job, "tune_process", lambda: None)
    monkeypatch.setattr(cli_typewriter, "run_reading", lambda folder, data: data.options())


def tree(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_decomposing_pages_writes_a_file_per_page(tmp_path, stand_in):
    for name in ("p1", "p2"):
        draw(tmp_path / "data" / f"{name}.png")
        write_page(tmp_path / "data" / f"{name}.xml", f"{name}.png")
    result = decompose_job.decompose_into(
        "run", read_lines(tmp_path / "data"), tmp_path / "out", "cpu"
    )
    assert (result.pages, result.lines, result.set_aside) == (2, 6, 0)
    for form in ("page", "alto"):
        assert tree(tmp_path / "out" / form) == ["p1.xml", "p2.xml"]
    assert len(tree(tmp_path / "out" / "text")) == 6
    assert "problems.txt" not in tree(tmp_path / "out")


def test_each_page_is_decoded_once(tmp_path, stand_in, monkeypatch):
    for name in ("p1", "p2"):
        draw(tmp_path / "data" / f"{name}.png")
        write_page(tmp_path / "data" / f"{name}.xml", f"{name}.png")
    seen = []
    decode = images._decode
    monkeypatch.setattr(images, "_decode", lambda path: seen.append(path.name) or decode(path))
    images._page.cache_clear()
    decompose_job.decompose_into("run", read_lines(tmp_path / "data"), tmp_path / "out", "cpu")
    assert seen == ["p1.png", "p2.png"]


def messy_folder(folder):
    """A folder as people have them: good images of all kinds, and what is none."""
    picture = Image.fromarray(np.full((20, 60, 3), 220, np.uint8))
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("a.PNG", "b.Jpg", "c.TIFF", "deep/d.webp", "deep/er/e.tif", "deep/f.jpeg"):
        picture.save(folder / name)
    picture.resize((60, 1)).save(folder / "thin.png")
    Image.new("1", (9, 1)).save(folder / "deep" / "dot.png")
    picture.save(folder / "moving.gif", save_all=True, append_images=[picture.rotate(9)])
    picture.save(folder / "pages.tif", save_all=True, append_images=[picture.rotate(9)])
    whole = (folder / "deep" / "f.jpeg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    png = (folder / "a.PNG").read_bytes()
    (folder / "cut.png").write_bytes(png[:60])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no image")
    (folder / "notes.docx").write_text("no image")
    # A header that promises 40000 x 40000 pixels.
    huge = bytearray(png)
    huge[16:24] = (40000).to_bytes(4, "big") * 2
    (folder / "huge.png").write_bytes(bytes(huge))


BAD = {"cut.jpg", "cut.png", "empty.png", "huge.png", "text.png"}
GOOD = {"a", "b", "c", "deep/d", "deep/er/e", "deep/f", "thin", "deep/dot", "moving", "pages"}


def test_a_messy_folder_is_read_as_far_as_it_goes(tmp_path, stand_in, capsys):
    data, out = tmp_path / "data", tmp_path / "out"
    messy_folder(data)
    status = cli.main(["typewriter", "decompose", "run", str(data), "--out", str(out)])
    said = capsys.readouterr()
    assert status == 1
    assert {name.removesuffix(".xml") for name in tree(out / "page")} == GOOD
    assert tree(out / "page") == tree(out / "alto")
    assert f"{len(BAD)} set aside" in said.out
    named = (out / "problems.txt").read_text("utf-8")
    for name in BAD:
        assert name in said.out + said.err
        assert name in named
    assert named.count("set aside: ") == len(BAD)
    for name in ("moving.gif", "pages.tif"):
        assert re.search(f"note: .*{name}", named)
    assert "Traceback" not in said.out + said.err


def test_clean_images_end_in_status_zero(tmp_path, stand_in, capsys):
    Image.new("RGB", (40, 20), (200, 200, 200)).save(tmp_path / "a.png")
    command = ["typewriter", "decompose", "run", str(tmp_path / "a.png")]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 0
    assert "set aside" not in capsys.readouterr().out


def test_nothing_that_can_be_decoded_is_an_error(tmp_path, stand_in):
    Image.effect_noise((60, 60), 50).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"no line can be read.*a\.jpg"):
        decompose_job.decompose_into("run", read_lines(tmp_path), tmp_path / "out", "cpu")
