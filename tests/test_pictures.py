"""Colours, sprite sheets, stacked pictures and boxes, looked at pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from typica.errors import DataError
from typica.typewriter import pictures
from typica.typewriter.pictures import (
    label_colours,
    sprite_sheet,
    stack_pictures,
    write_png,
)


def test_colours_are_stable_and_differ():
    colours = label_colours(100)
    assert colours.shape == (100, 3)
    assert colours.dtype == np.uint8
    assert (label_colours(7) == colours[:7]).all()
    apart = np.abs(colours[:, None].astype(int) - colours).sum(axis=-1)
    assert apart[~np.eye(100, dtype=bool)].min() >= 18
    first = apart[:12, :12]
    assert first[~np.eye(12, dtype=bool)].min() >= 80


def test_colours_show_on_paper_and_beside_ink():
    colours = label_colours(100).astype(int)
    assert (np.abs(255 - colours).sum(axis=1) > 60).all()
    assert (colours.sum(axis=1) > 60).all()


def test_colours_of_none_and_of_many():
    assert label_colours(0).shape == (0, 3)
    many = label_colours(600)
    assert (many[256:512] == many[:256]).all()
    many[:] = 0
    assert label_colours(1).any()


@settings(max_examples=30)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 3), st.integers(0, 99))
def test_sprite_sheet_holds_every_sprite_in_its_place(count, columns, gap, seed):
    masks = np.random.default_rng(seed).random((count, 6, 4))
    sheet = sprite_sheet(masks, columns=columns, gap=gap)
    wide = min(columns, count)
    rows = -(-count // wide)
    assert sheet.shape == (rows * (6 + 2 * gap), wide * (4 + 2 * gap))
    left = np.zeros_like(sheet, dtype=bool)
    for index in range(count):
        top = (index // wide) * (6 + 2 * gap) + gap
        side = (index % wide) * (4 + 2 * gap) + gap
        part = sheet[top : top + 6, side : side + 4]
        assert np.abs(part - 255 * (1 - masks[index])).max() <= 0.5 + 1e-9
        left[top : top + 6, side : side + 4] = True
    assert (sheet[~left] == 255).all()


def test_captions_are_below_and_tell_missing_characters(monkeypatch):
    monkeypatch.setattr(pictures, "SYSTEM_FONTS", ())
    masks = np.zeros((3, 8, 8))
    sheet = sprite_sheet(masks, ["a", "\ue001", "e\u0303"], columns=3, gap=0)
    tiles = np.split(sheet, 3, axis=1)
    for tile in tiles:
        assert (tile[:8] == 255).all()
        assert (tile[8:] < 128).any()
    ink = [(tile < 128).sum() for tile in tiles]
    assert ink[0] < ink[1] < ink[2]  # a letter, a code point, both


def test_a_mark_that_a_font_lacks_is_not_in_it_though_a_circle_is_drawn_under_it():
    font = pictures.caption_font(text="\u0303\u204a")
    if not pictures.in_font("\u0303", font):
        pytest.skip("no font of the system has marks")
    assert not pictures.in_font("\U000f0000", font)
    for mark in ("\U00011f02", "\U0001e023"):  # of scripts that fonts for captions do not have
        assert not pictures.in_font(mark, font)
        assert not pictures.in_font(f"e{mark}", font)


def test_captions_are_set_in_the_font_that_lacks_least(monkeypatch):
    fonts = {"poor": "ab", "better": "abß", "best": "abßſ", "never": "abßſ"}
    asked = []

    def truetype(name, size):
        asked.append(name)
        if name not in fonts:
            raise OSError("no such font")
        return name

    monkeypatch.setattr(pictures, "SYSTEM_FONTS", ("absent", *fonts))
    monkeypatch.setattr(pictures.ImageFont, "truetype", truetype)
    monkeypatch.setattr(pictures.ImageFont, "load_default", lambda size: "poor")
    monkeypatch.setattr(pictures, "in_font", lambda text, font: set(text) <= set(fonts[font]))
    assert pictures.caption_font(text="abß ſ\n") == "best"
    assert asked == ["absent", "poor", "better", "best"]
    asked.clear()
    assert pictures.caption_font(text="ab") == "poor"
    assert asked == []


@pytest.mark.parametrize(
    ("masks", "options"),
    [
        (np.zeros((3, 4)), {}),
        (np.zeros((0, 4, 4)), {}),
        (np.zeros((2, 4, 4)), {"columns": 0}),
        (np.zeros((2, 4, 4)), {"symbols": ["a"]}),
    ],
)
def test_sprite_sheet_refuses_what_does_not_fit(masks, options):
    with pytest.raises(DataError):
        sprite_sheet(masks, **options)


def test_sprite_sheet_refuses_a_broken_font(tmp_path):
    (tmp_path / "font.ttf").write_bytes(b"no font")
    with pytest.raises(DataError, match=r"font\.ttf"):
        sprite_sheet(np.zeros((1, 4, 4)), ["a"], font=tmp_path / "font.ttf")


def test_sheet_clips_what_is_out_of_range():
    sheet = sprite_sheet(np.array([[[-1.0, 2.0, np.nan, 0.5]]]), gap=0)
    assert sheet.tolist() == [[255, 0, 255, 128]]


def test_stack_keeps_pictures_and_fills_with_white():
    grey = np.full((2, 3), 7, dtype=np.uint8)
    colour = np.full((1, 5, 3), 9, dtype=np.uint8)
    assert stack_pictures([grey, grey]).shape == (8, 3)
    sheet = stack_pictures([grey, colour], gap=2)
    assert sheet.shape == (5, 5, 3)
    assert (sheet[:2, :3] == 7).all()
    assert (sheet[:2, 3:] == 255).all()
    assert (sheet[2:4] == 255).all()
    assert (sheet[4] == 9).all()
    with pytest.raises(DataError):
        stack_pictures([])
    with pytest.raises(DataError):
        stack_pictures([np.zeros((2, 2))])


def test_png_comes_back_as_it_was(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    path = write_png(tmp_path / "in" / "picture.png", picture)
    assert (np.asarray(Image.open(path)) == picture).all()
    grey = picture[..., 0]
    assert (np.asarray(Image.open(write_png(path, grey))) == grey).all()
    assert [file.name for file in path.parent.iterdir()] == ["picture.png"]
    with pytest.raises(DataError):
        write_png(path, picture.astype(float))
    with pytest.raises(DataError):
        write_png(path, picture[:0])
