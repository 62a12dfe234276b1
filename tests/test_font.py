"""Fonts of a hand: what programs find in the file, and what they draw with it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from fontTools.pens.areaPen import AreaPen
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont, features

from typica.errors import ConfigError, DataError
from typica.lines.text import TextOptions
from typica.typewriter.font import FontOptions, build_font, font_glyphs
from typica.typewriter.outlines import coverage

from .hand_helpers import disc, make_hand

# q̃ has no code point of its own; e has two shapes; ch is one sprite; the last has no name
LETTERS = [
    ("a",),
    ("ä",),
    ("q\u0303",),
    ("ſ",),
    ("e",),
    ("e",),
    ("c",),
    ("h",),
    ("c", "h"),
    ("\ue123",),
    ("x", "y"),
    (),
]


@pytest.fixture(scope="module")
def hand():
    return make_hand(LETTERS, kerning={(0, 3): -3.0, (4, 6): 1.5})


@pytest.fixture(scope="module")
def data(hand):
    return build_font(hand, FontOptions(family="Der  Männer Hand", license="CC BY 4.0"))


@pytest.fixture(scope="module")
def font(data):
    return TTFont(io.BytesIO(data))


def rules(font: TTFont, tag: str) -> dict[str, object]:
    """What a feature of GSUB replaces, by its first glyph."""
    table = font["GSUB"].table
    found: dict[str, object] = {}
    for record in table.FeatureList.FeatureRecord:
        if record.FeatureTag == tag:
            for index in record.Feature.LookupListIndex:
                for sub in table.LookupList.Lookup[index].SubTable:
                    for kind in ("ligatures", "mapping", "alternates"):
                        found |= getattr(sub, kind, {})
    return found


def test_a_program_finds_what_it_needs(font):
    tables = {
        "cmap",
        "glyf",
        "head",
        "hhea",
        "hmtx",
        "maxp",
        "name",
        "OS/2",
        "post",
        "GPOS",
        "GSUB",
    }
    assert tables <= set(font.keys())
    for table in font.keys():  # noqa: SIM118
        assert font[table] is not None  # every table can be read
    assert font["head"].unitsPerEm == 2048
    assert font["maxp"].numGlyphs == len(font.getGlyphOrder())
    assert font.getGlyphOrder()[0] == ".notdef"
    assert font["glyf"][".notdef"].numberOfContours == 2


def test_code_points_lead_to_glyphs(font):
    cmap = font.getBestCmap()
    for character in "aäſech\ue123 \u00a0":
        assert ord(character) in cmap
    assert cmap[0x20] == cmap[0xA0] == "space"
    assert cmap[ord("ä")] == "adieresis"
    assert ord("ö") not in cmap
    assert ord("x") not in cmap  # a ligature of letters that have no sprite cannot be reached
    # the sprite without a name got a code point for private use, and not one that is taken
    assert cmap[0xE000] == "uniE000"


def test_letters_of_several_code_points_and_ligatures(font):
    composed = rules(font, "ccmp")
    assert {(("a", *lig.Component), lig.LigGlyph) for lig in composed["a"]} == {
        (("a", "uni0308"), "adieresis")
    }
    assert composed["q"][0].LigGlyph == "q_tildecomb"
    # a letter that occurs only with its mark shows the box of a missing letter on its own
    glyf = font["glyf"]
    assert glyf["q"] == glyf[".notdef"]
    (joined,) = rules(font, "liga")["c"]
    assert (joined.Component, joined.LigGlyph) == (["h"], "c_h")
    assert rules(font, "salt") == {"e": ["e.alt1"]}
    assert rules(font, "ss01") == {"e": "e.alt1"}


def test_measures_are_those_of_the_hand(hand, font):
    unit = 2048 / hand.metrics.em
    names = font_glyphs(hand).sprites
    for sprite, name in names.items():
        advance, bearing = font["hmtx"][name]
        assert advance == round(hand.advance(sprite) * unit)
        # outlines begin within a pixel of the ink
        assert bearing / unit == pytest.approx(hand.metrics.left[sprite], abs=1)
        glyph = font["glyf"][name]
        assert glyph.yMin / unit == pytest.approx(-hand.metrics.depth[sprite], abs=1)
    assert font["hmtx"]["space"][0] == round(9 * unit)
    assert font["hhea"].ascent == font["OS/2"].sTypoAscender == round(30 * unit)
    assert font["hhea"].descent == font["OS/2"].sTypoDescender == -round(10 * unit)
    assert font["OS/2"].sxHeight == round(18 * unit)
    assert font["OS/2"].sCapHeight == round(26 * unit)
    assert font["OS/2"].usWinAscent >= font["head"].yMax
    assert font["OS/2"].usWinDescent >= -font["head"].yMin


def test_kerning_is_in_gpos(hand, font):
    unit = 2048 / hand.metrics.em
    pairs = {}
    for lookup in font["GPOS"].table.LookupList.Lookup:
        for sub in lookup.SubTable:
            for first, found in zip(sub.Coverage.glyphs, sub.PairSet, strict=True):
                for pair in found.PairValueRecord:
                    pairs[first, pair.SecondGlyph] = pair.Value1.XAdvance
    assert pairs == {("a", "longs"): round(-3 * unit), ("e", "c"): round(1.5 * unit)}


def test_outlines_have_their_area_and_holes():
    sprites = np.stack([disc(9), disc(9, hole=4)])
    hand = make_hand([("o",), ("O",)], sprites)
    font = TTFont(io.BytesIO(build_font(hand)))
    unit = 2048 / hand.metrics.em
    for name, area in (("o", 81), ("O", 81 - 16)):
        pen = AreaPen(font.getGlyphSet())
        font.getGlyphSet()[name].draw(pen)
        # TrueType fills what runs clockwise: negative where y points up
        assert pen.value / unit**2 == pytest.approx(-np.pi * area, rel=0.04)
    assert "GPOS" not in font
    assert "GSUB" not in font


def test_the_names_say_where_it_is_from_and_nothing_of_a_licence(hand, font):
    name = font["name"]
    assert name.getDebugName(1) == name.getDebugName(4) == "Der Männer Hand"
    assert name.getDebugName(6) == "DerMannerHand-Regular"
    assert "Learned with typica from a book" in name.getDebugName(10)
    assert name.getDebugName(5).startswith("Version ")
    assert name.getDebugName(13) == "CC BY 4.0"
    assert name.getDebugName(0) is None
    silent = TTFont(io.BytesIO(build_font(hand)))["name"]
    assert silent.getDebugName(13) is None
    assert silent.getDebugName(1) == "a book typica"


def test_the_same_hand_gives_the_same_bytes(hand, data):
    options = FontOptions(family="Der  Männer Hand", license="CC BY 4.0")
    assert build_font(hand, options) == data


def test_tokens_get_code_points_for_private_use():
    hand = make_hand([("lip",), ("ah",), ("b",)], text=TextOptions(sep="|"))
    cmap = TTFont(io.BytesIO(build_font(hand))).getBestCmap()
    assert {0xE000, 0xE001, ord("b")} <= set(cmap)
    assert ord("l") not in cmap


def test_symbols_in_decomposed_form_are_reached_by_both_forms():
    hand = make_hand([("e",), ("e\u0301",)])
    font = TTFont(io.BytesIO(build_font(hand)))
    assert font.getBestCmap()[ord("é")] == "eacute"
    assert rules(font, "ccmp")["e"][0].LigGlyph == "eacute"


def test_other_shapes_that_were_hardly_seen_are_left_out():
    hand = make_hand([("e",), ("e",), ("e",)])
    hand.metrics.counts[:] = [3, 40, 5]
    assert hand.variants == {("e",): (1, 2)}
    assert font_glyphs(hand).sprites == {1: "e", 2: "e.alt1"}


def drawn(data: bytes, text: str, size: int = 400, **changes) -> np.ndarray:
    face = ImageFont.truetype(io.BytesIO(data), size, **changes)
    picture = Image.new("L", (2 * size, 2 * size), 0)
    ImageDraw.Draw(picture).text((size // 2, size), text, 255, face, anchor="ls")
    return np.asarray(picture) > 127


def test_pillow_draws_the_outline(hand, data):
    size = 400
    zoom = size / hand.metrics.em
    x, y = hand.corner(0)
    found = drawn(data, "a", size)
    # the sprite's outline at that size, laid where the font lays it
    outline = hand.outlines[0]
    whole = np.zeros_like(found)
    scaled = type(outline)(
        tuple(ring * zoom + [size / 2 + x * zoom, size + y * zoom] for ring in outline.rings)
    )
    whole = coverage(scaled, *found.shape, over=1) > 0.5
    assert (found & whole).sum() / (found | whole).sum() > 0.97


@pytest.mark.skipif(not features.check("raqm"), reason="needs a shaping engine")
def test_a_shaping_engine_follows_the_rules(data, hand):
    face = ImageFont.truetype(io.BytesIO(data), 2048, layout_engine=ImageFont.Layout.RAQM)

    def length(text: str, *tags: str) -> float:
        return face.getlength(text, features=list(tags) or None)

    unit = 2048 / hand.metrics.em
    assert length("aſ") == pytest.approx(length("a") + length("ſ") - 3 * unit, abs=2)
    assert length("aſ", "-kern") == pytest.approx(length("a") + length("ſ"), abs=2)
    assert length("a\u0308") == length("ä")
    assert length("q\u0303") == pytest.approx(hand.advance(2) * unit, abs=1)
    assert length("ch") == pytest.approx(hand.advance(8) * unit, abs=1)
    assert length("e", "ss01") == pytest.approx(hand.advance(5) * unit, abs=1)


def test_a_sanitizer_accepts_it(data, tmp_path):
    ots = pytest.importorskip("ots")
    (tmp_path / "a.ttf").write_bytes(data)
    done = ots.sanitize(tmp_path / "a.ttf", tmp_path / "b.ttf", capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"WARNING" not in done.stderr


def test_what_cannot_be_a_font_is_refused():
    empty = make_hand([("a",)], np.zeros((1, 48, 36), np.float32))
    with pytest.raises(DataError, match="no sprite has ink"):
        build_font(empty)
    with pytest.raises(ConfigError):
        FontOptions(units=3)
