"""Data that people give, damaged: readers give what can be used, or say what is wrong.

No other exception, no hang, no memory bomb, no path out of the folder. `make fuzz` tries more.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from typica.errors import DataError
from typica.images.collection import read_pictures
from typica.images.decoding import decode, read_header
from typica.images.options import PictureOptions
from typica.lines.collection import ReadingOptions, read_lines
from typica.lines.glyphs import read_glyphs
from typica.lines.images import has_more_pictures, image_size, line_image, read_image
from typica.lines.language import learn_language, read_text
from typica.lines.replacements import load_table, replace_characters
from typica.lines.text import TextOptions
from typica.mining.boxes import read_boxes
from typica.mining.voc import read_voc_rows
from typica.palaeography.criteria import read_criteria
from typica.palaeography.groups import find_groups, read_group_table
from typica.values import Box

from .fuzzing import as_json, counted, damaged, damaged_json, examples, put, survives

__all__ = ["counted"]  # a fixture: says how many files were tried


@cache
def _png(width: int = 40, height: int = 20) -> bytes:
    out = io.BytesIO()
    values = np.arange(width * height * 3, dtype=np.uint32).reshape(height, width, 3) % 251
    Image.fromarray(values.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder, and beside it a picture that nothing in the folder may lead to."""
    folder = tmp_path_factory.mktemp("fuzz")
    put(folder / "secret.png", _png())
    (folder / "data/images").mkdir(parents=True)
    return folder / "data"


def _lines(root: Path, options: ReadingOptions | None = None) -> None:
    """Read all lines of a folder and their pictures; nothing comes from outside of it."""
    found = read_lines(root, options or ReadingOptions())
    for problem in found.problems:
        str(problem).encode()
    for line in found:
        assert line.path.resolve().is_relative_to(root.resolve())
        try:
            pixels = line_image(line)
        except DataError:
            continue
        assert pixels.ndim == 3
        assert pixels.dtype == np.uint8
    found.digest()
    survives("groups of lines", lambda: find_groups(found, ("script",)))


_ENTRIES = {
    "a.png": {"split": "train", "label": "ab ba", "script": "one", "hand": "x"},
    "b": {"split": "val", "label": "o|b", "sep": "|", "space": "_"},
    "c.png": {"label": "oba"},
    "sep": "",
}
_GLYPHS = {"a.png": [["a", 0, 1, 5, 9], ["b", 6, 1, 9, 9]], "b": [["o", 0, 0, 3, 3]]}


@pytest.fixture
def annotated(place):
    for name in "abc":
        put(place / f"images/{name}.png", _png())
    yield place
    for path in (place / "annotation.json", place / "glyphs.json"):
        path.unlink(missing_ok=True)


@examples(25)
@given(entries=damaged_json(_ENTRIES), glyphs=damaged_json(_GLYPHS), raw=st.data())
def test_annotations(annotated, entries, glyphs, raw):
    data = as_json(entries)
    if raw.draw(st.integers(0, 3)) == 0:
        data = raw.draw(damaged(data))
    put(annotated / "annotation.json", data)
    put(annotated / "glyphs.json", as_json(glyphs))
    survives("annotation.json", lambda: _lines(annotated))
    survives("glyphs.json", lambda: read_glyphs(annotated))


@examples(15)
@given(
    text=st.one_of(st.binary(max_size=30), st.text(max_size=20).map(str.encode)),
    picture=damaged(_png()),
)
def test_pairs(tmp_path_factory, text, picture):
    folder = tmp_path_factory.mktemp("pairs")
    put(folder / "a.png", picture)
    put(folder / "b.png", _png())
    put(folder / "a.gt.txt", b"ab")
    put(folder / "b.gt.txt", text)
    survives("x.png and x.gt.txt", lambda: _lines(folder))


_PAGE = b"""<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">
<Page imageFilename="p.png" imageWidth="40" imageHeight="20">
<ReadingOrder><OrderedGroup id="g"><RegionRefIndexed index="0" regionRef="r"/></OrderedGroup>
</ReadingOrder><TextRegion id="r"><Coords points="0,0 40,0 40,20 0,20"/>
<TextLine id="l1"><Coords points="1,1 38,1 38,8 1,8"/><Baseline points="1,7 38,7"/>
<TextEquiv index="0"><Unicode>ab ba</Unicode></TextEquiv></TextLine>
<TextLine id="l2"><Baseline points="1,17 38,17"/>
<Word id="w"><TextEquiv><Unicode>oba</Unicode></TextEquiv></Word></TextLine>
</TextRegion></Page></PcGts>"""
_ALTO = b"""<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description>
<MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>p.png</fileName></sourceImageInformation></Description>
<Layout><Page ID="p" WIDTH="40" HEIGHT="20"><PrintSpace><TextBlock ID="b" HPOS="0" VPOS="0"
 WIDTH="40" HEIGHT="20"><TextLine ID="l1" HPOS="1" VPOS="1" WIDTH="36" HEIGHT="8" BASELINE="7">
<Shape><Polygon POINTS="1,1 38,1 38,8 1,8"/></Shape><String CONTENT="ab"/><SP/>
<String CONTENT="ba"/></TextLine><TextLine ID="l2" HPOS="1" VPOS="10" WIDTH="30" HEIGHT="8">
<String CONTENT="oba"/></TextLine></TextBlock></PrintSpace></Page></Layout></alto>"""
_WORDS = (
    *(b"nan", b"1e308", b"-1e308", b"1e-320", b"0", b"-1", b"99999999999999999999", b"", b"1,1"),
    *(b"../secret.png", b"/etc/passwd", b"&x;", b"&#0;", b"&#x10ffff;", b"inf", b"1e999", b"r"),
    *(b"1,1 1,1 1,1", b"1e200,1e200 -1e200,1 1,-1e200", b"mm10", b"1,2,3", b"\xff"),
)


@st.composite
def _damaged_xml(draw: st.DrawFn, data: bytes) -> bytes:
    """Attribute values and texts replaced, elements repeated or left out, bytes damaged."""
    for _ in range(draw(st.integers(1, 4))):
        marks = [m.span() for m in re.finditer(rb'(?<=")[^"<>]*(?=")|(?<=>)[^<>]+(?=<)', data)]
        what = draw(st.sampled_from(("word", "word", "word", "element", "bytes")))
        if what == "bytes" or not marks:
            data = draw(damaged(data, 1))
        elif what == "word":
            start, end = draw(st.sampled_from(marks))
            data = data[:start] + draw(st.sampled_from(_WORDS)) + data[end:]
        else:
            parts = data.split(b"\n")
            at = draw(st.integers(0, len(parts) - 1))
            parts[at : at + 1] = [parts[at]] * draw(st.sampled_from((0, 2, 3)))
            data = b"\n".join(parts)
    return data


@pytest.mark.parametrize("data", [_PAGE, _ALTO], ids=["page", "alto"])
@examples(25)
@given(raw=st.data())
def test_pages(tmp_path_factory, data, raw):
    folder = tmp_path_factory.mktemp("pages")
    put(folder.parent / "secret.png", _png())
    put(folder / "p.png", _png())
    put(folder / "p.xml", raw.draw(_damaged_xml(data)))
    name = "PAGE" if data is _PAGE else "ALTO"
    survives(name, lambda: _lines(folder))
    survives(name, lambda: _lines(folder, ReadingOptions(format=name.lower())))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [_PAGE, _ALTO], ids=["page", "alto"])
def test_entities_are_refused_before_they_grow(tmp_path, data):
    laughs = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(12)
    )
    bomb = data.replace(b"?>\n", f"?><!DOCTYPE x [{laughs}]>".encode(), 1).replace(b"oba", b"&l11;")
    outer = data.replace(
        b"?>\n", b'?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 1
    ).replace(b"oba", b"&e;")
    put(tmp_path / "p.png", _png())
    for one in (bomb, outer, bomb.decode().replace("UTF-8", "UTF-16").encode("utf-16")):
        put(tmp_path / "p.xml", one)
        with pytest.raises(DataError, match=r"document type|no line can be used"):
            read_lines(tmp_path)


_CSV = b"file_name,label,split\na.png,x,train\nb.png,y,val\nc.png,x,train\n"
_JSONL = [{"file_name": f"{n}.png", "label": "x", "split": "train", "w": 1.5} for n in "abc"]


def _pictures(root: Path, path: Path, **options: object) -> None:
    found = read_pictures(path, PictureOptions(**options))  # type: ignore[arg-type]
    for problem in found.problems:
        str(problem).encode()
    for picture in found:
        assert picture.path.resolve().is_relative_to(root.resolve())
        assert picture.label.encode() or options.get("several")  # an empty list of labels


@pytest.fixture
def pictured(place):
    for name in "abc":
        put(place / f"{name}.png", _png())
    return place


@examples(25)
@given(raw=st.data())
def test_tables_of_text(pictured, raw):
    kind = raw.draw(st.sampled_from((".csv", ".tsv", ".jsonl")))
    file = pictured / f"table{kind}"
    if kind == ".jsonl":
        rows = raw.draw(damaged_json(_JSONL))
        rows = rows if isinstance(rows, list) else [rows]
        data = b"\n".join(as_json(row) for row in rows)
        if raw.draw(st.booleans()):
            data = raw.draw(damaged(data))
    else:
        data = raw.draw(damaged(_CSV if kind == ".csv" else _CSV.replace(b",", b"\t")))
    put(file, data)
    several = raw.draw(st.booleans())
    survives(kind, lambda: _pictures(pictured, file, several=several))
    width = raw.draw(st.sampled_from((None, 10)))
    survives(kind, lambda: _pictures(pictured, file, bin=width, format="table"))
    file.unlink()


@cache
def _parquet(kind: str) -> bytes:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    table = arrow.Table.from_pylist(_JSONL)
    if kind == "dictionary":
        column = table.column("label").dictionary_encode()
        table = table.set_column(1, "label", column)
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["plain", "dictionary"])
@examples(25)
@given(raw=st.data())
def test_tables_in_parquet(pictured, kind, raw):
    file = pictured / "table.parquet"
    put(file, raw.draw(damaged(_parquet(kind))))
    survives("Parquet", lambda: _pictures(pictured, file))
    file.unlink()


def _kinds() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    grey = random.integers(0, 255, (24, 30), dtype=np.uint8)
    colour = random.integers(0, 255, (24, 30, 3), dtype=np.uint8)
    made = {
        "grey.png": (Image.fromarray(grey), {}),
        "palette.png": (Image.fromarray(colour).quantize(8), {"transparency": 1}),
        "deep.png": (Image.fromarray(grey.astype(np.uint16) * 256), {}),
        "clear.png": (Image.fromarray(np.dstack([colour, grey])), {}),
        "colour.jpg": (Image.fromarray(colour), {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}),
        "cmyk.jpg": (Image.fromarray(colour).convert("CMYK"), {}),
        "steps.jpg": (Image.fromarray(colour), {"progressive": True}),
        "plain.tif": (Image.fromarray(colour), {}),
        "lzw.tif": (Image.fromarray(grey), {"compression": "tiff_lzw"}),
        "jpeg.tif": (Image.fromarray(colour), {"compression": "jpeg"}),
        "fax.tif": (Image.fromarray(grey).convert("1"), {"compression": "group4"}),
        "float.tif": (Image.fromarray(grey.astype(np.float32)), {}),
        "lossy.webp": (Image.fromarray(colour), {}),
        "lossless.webp": (Image.fromarray(colour), {"lossless": True}),
        "one.gif": (Image.fromarray(grey), {}),
        "one.bmp": (Image.fromarray(colour), {}),
        "one.jp2": (Image.fromarray(colour), {}),
        "one.ppm": (Image.fromarray(colour), {}),
    }
    found = {}
    for name, (picture, options) in made.items():
        out = io.BytesIO()
        formats = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}
        ending = name.split(".")[1]
        picture.save(out, formats.get(ending, ending.upper()), **options)
        found[name] = out.getvalue()
    pages = io.BytesIO()
    Image.fromarray(grey).save(
        pages, "TIFF", save_all=True, append_images=[Image.fromarray(grey)] * 2
    )
    found["pages.tif"] = pages.getvalue()
    return found


_KINDS = _kinds()


@pytest.mark.parametrize("name", sorted(_KINDS))
@examples(4, 0.5)
@given(raw=st.data())
def test_pictures(place, name, raw):
    file = place / name
    put(file, raw.draw(damaged(_KINDS[name])))
    kind = f"picture {name.split('.')[1]}"
    survives(kind, lambda: read_header(file))
    size = survives(kind, lambda: image_size(file))
    pixels = survives(kind, lambda: decode(file))
    if pixels is not None:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3
        if size is not None:
            assert pixels.shape[1::-1] == tuple(size)
    survives(kind, lambda: read_image(file, ((1, 1), (20, 1), (20, 9)), 2.0))
    survives(kind, lambda: has_more_pictures(file))
    file.unlink()


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _header(width: int, height: int) -> bytes:
    start = b"\x89PNG\r\n\x1a\n"
    return start + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


@cache
def _bombs() -> dict[str, bytes]:
    zeros = zlib.compress(bytes(50_000_000), 9)
    end = _chunk(b"IEND", b"")
    tiff = io.BytesIO()
    Image.new("L", (8, 8)).save(tiff, "TIFF")
    big = tiff.getvalue()
    for tag in (256, 257):  # width and height
        at = (
            big.index(struct.pack("<HHI", tag, 3, 1))
            if struct.pack("<HHI", tag, 3, 1) in big
            else big.index(struct.pack("<HHI", tag, 4, 1))
        )
        big = big[:at] + struct.pack("<HHII", tag, 4, 1, 100_000) + big[at + 12 :]
    return {
        "wide.png": _header(2**31 - 1, 2**31 - 1) + _chunk(b"IDAT", zeros) + end,
        "large.png": _header(60_000, 60_000) + _chunk(b"IDAT", zeros) + end,
        "text.png": _header(4, 4)
        + _chunk(b"zTXt", b"k\0\0" + zeros) * 3
        + _chunk(b"iCCP", b"k\0\0" + zeros)
        + _chunk(b"IDAT", zlib.compress(bytes(4 * 13)))
        + end,
        "large.tif": big,
        "large.ppm": b"P6 100000 100000 255\n" + bytes(100),
        "large.bmp": b"BM" + struct.pack("<IHHIIiiHH", 100, 0, 0, 54, 40, 10**5, 10**5, 1, 24)
        + bytes(24),
        "large.gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + bytes(6)
        + b"," + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02\x4c\x01\0;",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(_bombs()))
def test_declared_sizes_are_not_believed(tmp_path, name):
    """The header alone decides; memory is not taken for it."""
    resource = pytest.importorskip("resource")
    file = tmp_path / name
    put(file, _bombs()[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for reader in (read_header, image_size, decode, read_image):
        survives("bomb", lambda reader=reader: reader(file))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 150_000, f"{grown / 1000:.0f} MB for {len(file.read_bytes())} bytes"


_TABLE = b"char,replacement,regex,allow\nv,u,,\n[a-c]+,x\\g<0>,true,\n\xc5\xbf,s,,\nq,q,,true\n"


@examples(25)
@given(
    data=st.one_of(
        damaged(_TABLE),
        st.lists(st.sampled_from(("(", ")", "a*", "[", "\\", "?", "{9999}", "+", "|", "\\g<9>")))
        .map("".join)
        .map(lambda find: f"char,replacement,regex\n{find},x,true\n".encode()),
    )
)
def test_replacement_tables(place, data):
    file = place / "replacements.csv"
    file.unlink(missing_ok=True)
    put(file, data)
    table = survives("replacement table", lambda: load_table(file, "NFC"))
    if table is not None:
        survives("replacement table", lambda: replace_characters("vabcſ" * 9, table))


@examples(15)
@given(
    data=st.one_of(
        damaged("Ein Text.\nNoch einer, länger.\n".encode()),
        st.binary(max_size=60),
        st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
    )
)
def test_plain_texts(place, data):
    file = place / "some.txt"
    put(file, data)
    lines = survives("plain text", lambda: read_text(file, TextOptions()))
    if lines:
        survives("plain text", lambda: learn_language(lines, 3))


_BOXES = b"file,label,x,y,w,h\na.png,x,1,2,3,4\nb.png,y,0,0,9,9\n"
_VOC = b"""<annotation><filename>a.png</filename>
<object><name>x</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax></bndbox>
</object></annotation>"""


@examples(20)
@given(rows=damaged(_BOXES), xml=_damaged_xml(_VOC))
def test_boxes(place, rows, xml):
    file = place / "boxes.csv"
    put(file, rows)
    found = survives("boxes", lambda: read_boxes(file))
    every = [box for boxes in (found or {}).values() for box in boxes]
    folder = place / "voc"
    folder.mkdir(exist_ok=True)
    put(folder / "a.xml", xml)
    every += [row.box for row in survives("VOC", lambda: read_voc_rows(folder)) or ()]
    for box in every:
        edges = (box.left, box.top, box.right, box.bottom)
        assert np.isfinite(edges).all(), edges
        assert isinstance(box, Box)


_GROUPS = b"document,family,hand\none,x,a\ntwo,y,b\n"
_CRITERIA = [{"family": "x", "letter": "a", "text": "round", "criterion": "1"}]


@examples(20)
@given(rows=damaged(_GROUPS), listed=damaged_json(_CRITERIA), raw=st.data())
def test_tables_of_documents_and_criteria(place, rows, listed, raw):
    put(place / "groups.csv", rows)
    survives("table of documents", lambda: read_group_table(place / "groups.csv"))
    put(place / "criteria.json", as_json(listed))
    survives("criteria", lambda: read_criteria(place / "criteria.json"))
    text = b"family,letter,text,criterion\nx,a,round,1\n"
    put(place / "criteria.csv", raw.draw(damaged(text)))
    survives("criteria", lambda: read_criteria(place / "criteria.csv"))


def test_deep_json_is_told(tmp_path):
    deep = b"[" * 100_000 + b"]" * 100_000
    for name in ("annotation.json", "glyphs.json", "criteria.json", "table.jsonl"):
        put(tmp_path / name, deep)
    for reader in (
        lambda: read_lines(tmp_path),
        lambda: read_glyphs(tmp_path),
        lambda: read_criteria(tmp_path / "criteria.json"),
        lambda: read_pictures(tmp_path / "table.jsonl"),
    ):
        with pytest.raises(DataError):
            reader()
