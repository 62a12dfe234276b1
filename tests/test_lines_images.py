"""Pixels: modes, orientation, damage, cutting, resizing, paper."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from typica.errors import DataError
from typica.lines.images import (
    image_size,
    line_image,
    paper_colour,
    read_image,
    resize_line,
    resized_width,
)
from typica.lines.line import Line


def test_modes_all_become_the_same_bytes(tmp_path):
    grey = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)
    Image.fromarray(grey).save(tmp_path / "l.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "p.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "i16.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "i16.tif")
    Image.fromarray(grey.astype(np.float32) / 255).save(tmp_path / "f.tif")
    Image.fromarray(np.stack([grey] * 3, 2)).save(tmp_path / "rgb.png")
    for path in sorted(tmp_path.iterdir()):
        image = read_image(path)
        assert image.dtype == np.uint8
        assert image.shape == (12, 20, 3), path
        assert np.abs(image.astype(int) - grey[:, :, None]).max() <= 1, path


def test_cmyk_and_bitonal(tmp_path):
    Image.new("CMYK", (5, 4), (0, 0, 0, 0)).save(tmp_path / "a.jpg")
    Image.new("1", (5, 4), 1).save(tmp_path / "b.png")
    for path in sorted(tmp_path.iterdir()):
        assert (read_image(path) >= 250).all()


def test_transparent_parts_become_paper(tmp_path):
    pixels = np.zeros((20, 30, 4), np.uint8)
    pixels[4:16, 4:26] = (200, 180, 150, 255)
    pixels[8:10, 8:20] = (10, 10, 10, 255)
    pixels[:, :2] = (255, 0, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image[0, 0] == (200, 180, 150)).all()
    assert (image[8, 8] == 10).all()


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_known_from_the_header(tmp_path, suffix, orientation):
    image = Image.new("RGB", (24, 16), (255, 255, 255))
    ImageDraw.Draw(image).rectangle((0, 0, 7, 7), fill=(0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    image.save(path, exif=exif)
    pixels = read_image(path)
    height, width = pixels.shape[:2]
    assert image_size(path) == (width, height) == ((16, 24) if orientation >= 5 else (24, 16))
    corner = {
        1: (0, 0),
        2: (0, 1),
        3: (1, 1),
        4: (1, 0),
        5: (0, 0),
        6: (0, 1),
        7: (1, 1),
        8: (1, 0),
    }[orientation]
    dark = [(y, x) for y in (0, 1) for x in (0, 1) if pixels[-y, -x].mean() < 90]
    assert dark == [corner]


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG file with a header of our choice."""

    def block(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = block(b"IHDR", header) + block(b"IDAT", zlib.compress(data)) + block(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_decompression_bomb_is_refused_before_decoding(tmp_path):
    for name, side in (("a.png", 100_000), ("b.png", 13_400)):
        (tmp_path / name).write_bytes(png(side, side))
        for look in (image_size, read_image):
            with pytest.raises(DataError, match="million pixels") as caught:
                look(tmp_path / name)
            assert name in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "gif"])
def test_truncated_images_name_the_file(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=rf"a\.{suffix}"):
        read_image(path)


@settings(max_examples=80)
@given(st.data())
def test_damaged_bytes_never_escape_as_another_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    suffix = data.draw(st.sampled_from(["png", "jpg", "tif", "gif", "webp"]))
    path = folder / f"a.{suffix}"
    Image.fromarray(np.arange(300, dtype=np.uint16).reshape(10, 30).astype(np.uint8)).save(path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    message = str(path)
    try:
        assert read_image(path).ndim == 3
    except DataError as error:
        message = str(error)
    assert message.startswith(str(path))


def test_what_is_no_image(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DataError, match="not an image"):
        image_size(tmp_path / "a.png")
    with pytest.raises(DataError, match="cannot be opened"):
        image_size(tmp_path / "none.png")
    (tmp_path / "d.png").mkdir()
    with pytest.raises(DataError, match=r"d\.png"):
        read_image(tmp_path / "d.png")
    # PostScript is never handed to an outside program.
    (tmp_path / "e.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(DataError, match="not an image"):
        read_image(tmp_path / "e.png")


@pytest.fixture
def page(tmp_path):
    """A page of light brown paper with a dark bar at x 20..60, y 30..40, and red around it."""
    pixels = np.full((80, 100, 3), (220, 200, 170), np.uint8)
    pixels[30:40, 20:60] = (30, 20, 10)
    pixels[:20] = (255, 0, 0)
    path = tmp_path / "page.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_polygon_is_cut_and_the_rest_is_paper(page):
    polygon = ((10.0, 25.0), (70.0, 15.0), (70.0, 45.0), (10.0, 45.0))
    image = line_image(Line("a", page, None, polygon=polygon))
    assert image.shape == (30, 60, 3)
    # The red above is inside the box of the polygon but outside the polygon.
    assert (image[0, 0] == (220, 200, 170)).all()
    assert (image[20, 30] == (30, 20, 10)).all()
    # Only the triangle of red that the polygon covers is left.
    red = (image == (255, 0, 0)).all(axis=2)
    assert 0 < red.sum() < 0.5 * 5 * 60


def test_margin_widens_a_polygon_on_every_side(page):
    polygon = ((20, 30), (60, 30), (60, 40), (20, 40))
    plain = read_image(page, polygon)
    wide = read_image(page, polygon, margin=3)
    assert plain.shape == (10, 40, 3)
    assert wide.shape == (16, 46, 3)
    assert (wide[3:13, 3:43] == (30, 20, 10)).all()
    assert (wide[1, 20] == (220, 200, 170)).all()


def test_polygons_are_clipped_and_bad_ones_refused(page):
    assert read_image(page, ((-50, 60), (500, 60), (500, 900), (-50, 900))).shape == (20, 100, 3)
    for polygon in (
        ((200, 10), (300, 10), (300, 20)),
        ((1, 1), (2, 2)),
        ((0, 0), (float("nan"), 3), (5, 5)),
    ):
        with pytest.raises(DataError, match=r"page\.png"):
            read_image(page, polygon)


def test_a_changed_page_is_read_again(page):
    polygon = ((20, 30), (60, 30), (60, 40), (20, 40))
    read_image(page, polygon)[:] = 0  # what a caller does to a line stays with the caller
    assert (read_image(page, polygon) == (30, 20, 10)).all()
    Image.new("RGB", (100, 81), (1, 2, 3)).save(page)
    assert (read_image(page, polygon) == (1, 2, 3)).all()


@given(st.integers(1, 400), st.integers(1, 90), st.integers(1, 80))
@settings(max_examples=40)
def test_resizing_keeps_the_proportions(width, height, target):
    image = np.full((height, width, 3), 77, np.uint8)
    resized = resize_line(image, target)
    assert resized.shape == (target, max(1, round(width * target / height)), 3)
    assert resized.shape[1] == resized_width(width, height, target)
    assert (resized == 77).all()


def test_resizing_is_antialiased():
    image = np.zeros((64, 640, 3), np.uint8)
    image[:, ::2] = 255  # the finest stripes become an even grey
    resized = resize_line(image, 16)
    assert np.abs(resized[:, 4:-4].astype(float) - 127.5).max() < 20


@given(st.tuples(*[st.integers(120, 255)] * 3), st.floats(0, 0.4), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_paper_is_found_behind_the_ink(paper, ink, seed):
    rng = np.random.default_rng(seed)
    image = np.tile(np.array(paper, np.uint8), (40, 200, 1))
    image[rng.random((40, 200)) < ink] = (20, 20, 20)
    assert np.abs(paper_colour(image) * 255 - paper).max() <= 1


def test_paper_of_light_on_dark_and_of_nothing():
    image = np.full((30, 100, 3), 15, np.uint8)
    image[10:20, 10:60] = 240
    assert np.allclose(paper_colour(image) * 255, 15)
    assert np.allclose(paper_colour(np.empty((0, 0, 3), np.uint8)), 1)


def test_a_point_that_is_too_far_away_is_said(page):
    corners = ((1.0, 1.0), (9.0, 1.0), (1e19, 9.0), (1.0, 9.0))
    with pytest.raises(DataError, match=r"1e\+19 pixels away"):
        read_image(page, corners, 0.0)
