"""Decoding picture files of every kind, and broken ones."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from typica.errors import DataError
from typica.images.decoding import decode, read_header
from typica.images.loading import load_pixels
from typica.images.picture import Picture

from .images_helpers import bomb, noise, put


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """What the EXIF standard says that a viewer shows: row 0 and column 0 are at these sides."""
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: pixels.transpose(1, 0, 2)[:, ::-1],
        7: pixels.transpose(1, 0, 2)[::-1, ::-1],
        8: pixels.transpose(1, 0, 2)[::-1],
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg"])
def test_orientation_is_applied_once(tmp_path, ending, orientation):
    stored = noise(24, 16)
    if ending == "jpg":  # lossy: smooth, so that it nearly keeps its values
        rows, columns = np.mgrid[0:16, 0:24]
        stored = np.stack([rows * 12, columns * 9, rows * 5 + columns * 3], 2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    more = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}.get(ending, {})
    file = tmp_path / f"a.{ending}"
    Image.fromarray(stored).save(file, exif=exif, **more)
    wanted = _turned(stored, orientation)
    found = decode(file)
    header = read_header(file)
    assert (header.height, header.width) == found.shape[:2] == wanted.shape[:2]
    assert header.complete
    assert np.abs(found.astype(int) - wanted).max() <= (6 if ending == "jpg" else 0)


def test_transparency_is_laid_over_white(tmp_path):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = [0, 128, 255]
    pixels[0, :, 0] = 100
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png")[0].tolist() == [[255, 255, 255], [177, 127, 127], [100, 0, 0]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png", transparency=0)
    assert decode(tmp_path / "p.png")[0].tolist() == [[255, 255, 255], [40, 50, 60]]


def test_grey_of_any_depth(tmp_path):
    values = np.array([[0, 257, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "w.png")
    assert decode(tmp_path / "w.png")[0].tolist() == [[0] * 3, [1] * 3, [255] * 3]
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)).save(tmp_path / "f.tif")
    assert decode(tmp_path / "f.tif")[0, :, 0].tolist() == [0, 128, 255]
    Image.fromarray(np.array([[7, 9]], np.uint8)).save(tmp_path / "g.png")
    assert decode(tmp_path / "g.png")[0].tolist() == [[7] * 3, [9] * 3]
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "b.png")
    assert decode(tmp_path / "b.png")[0, :, 0].tolist() == [255, 0]
    Image.new("CMYK", (2, 2), (0, 0, 0, 0)).save(tmp_path / "c.jpg")
    assert decode(tmp_path / "c.jpg").shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("ending", "share"), [("jpg", 0.6), ("jpg", 0.99), ("png", 0.6), ("png", 0.95)]
)
def test_files_that_end_too_early(tmp_path, ending, share):
    file = put(tmp_path / f"a.{ending}", width=64, height=64)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    assert not read_header(file).complete
    with pytest.raises(DataError, match=rf"a.{ending}.*damaged.*again"):
        decode(file)


def test_webp_that_ends_too_early(tmp_path):
    file = put(tmp_path / "a.webp", width=64, height=64)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"a.webp.*damaged"):
        read_header(file)


def test_bytes_after_the_end_are_no_fault(tmp_path):
    file = put(tmp_path / "a.jpg")
    file.write_bytes(file.read_bytes() + b"\0" * 500)
    assert read_header(file).width == 24
    assert decode(file).shape == (16, 24, 3)


def test_bombs_and_other_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="178 million"):
        read_header(bomb(tmp_path / "a.png"))
    with pytest.raises(DataError, match="178 million"):
        decode(bomb(tmp_path / "b.png", side=14_000))
    (tmp_path / "c.jpg").write_text("no picture")
    with pytest.raises(DataError, match="not a picture"):
        read_header(tmp_path / "c.jpg")
    (tmp_path / "d.png").write_bytes(b"")
    with pytest.raises(DataError, match="not a picture"):
        decode(tmp_path / "d.png")
    with pytest.raises(DataError, match="no such file"):
        decode(tmp_path / "e.png")
    # PostScript would be given to another program.
    (tmp_path / "f.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    )
    with pytest.raises(DataError, match="not a picture"):
        decode(tmp_path / "f.png")


def _bytes(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(20, 12)).save(file, kind)
    return file.getvalue()


_KINDS = {kind: _bytes(kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM")}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(_KINDS)),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    st.floats(0.05, 1.0),
)
def test_damage_gives_a_data_error_or_a_picture(tmp_path, kind, changes, share):
    data = bytearray(_KINDS[kind])
    for place, value in changes:
        data[int(place * len(data))] = value
    file = tmp_path / "a.png"
    file.write_bytes(bytes(data[: int(share * len(data))]))
    for read in (read_header, decode):
        found, message = None, ""
        try:
            found = read(file)
        except DataError as error:
            message = str(error)
        if found is None:
            assert message.startswith(f"{file}: ")
            assert "\n" not in message
        elif read is decode:
            assert found.dtype == np.uint8
            assert found.ndim == 3


def test_load_pixels_resizes_with_lanczos(tmp_path):
    file = put(tmp_path / "a.png", width=90, height=60)
    picture = Picture("a.png", file, "x", "train", 90, 60)
    found = load_pixels(picture, 32, 8)
    wanted = np.asarray(Image.open(file).resize((48, 32), Image.Resampling.LANCZOS))
    assert found.dtype == np.uint8
    assert np.array_equal(found, wanted)
    found[:] = 0  # may be written to


def test_load_pixels_notices_another_picture(tmp_path):
    file = put(tmp_path / "a.png")
    with pytest.raises(DataError, match="was 30 x 16"):
        load_pixels(Picture("a.png", Path(file), "x", "train", 30, 16), 32, 8)
