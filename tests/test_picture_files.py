"""What both instruments share in opening picture files: names, limits, opacity, orientation."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from typica.errors import DataError
from typica.picture_files import (
    PICTURE_SUFFIXES,
    Words,
    holds_more,
    is_picture,
    opened,
    pixels_of,
    upright_size,
)

from .images_helpers import bomb, noise

WORDS = Words("an", "engraving", "Save it again.", "is not there ({reason}). Look for it.")


def _pixels(source: Path | io.BytesIO, ground: float = 0.0) -> np.ndarray:
    with opened(source, WORDS, Path("given.png")) as image:
        return pixels_of(image, lambda _: np.full(3, ground))


def test_names_of_pictures():
    assert all(
        is_picture(f"a{ending}") and is_picture(f"A{ending.upper()}") for ending in PICTURE_SUFFIXES
    )
    assert not any(is_picture(name) for name in (".png", "._a.png", "a.txt", "png", "a.png.txt"))


@pytest.mark.parametrize("ground", [255, 0, 101])
def test_every_opacity_of_every_value_is_mixed_and_rounded(ground):
    values, opacity = np.meshgrid(np.arange(256), np.arange(256))
    pixels = np.stack([values, values[::-1], values, opacity], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    # Whole numbers: no fraction of 255 lies halfway between two of them.
    alpha = opacity[:, :, None]
    wanted = (pixels[:, :, :3].astype(int) * alpha + ground * (255 - alpha) + 127) // 255
    assert np.array_equal(_pixels(file, ground), wanted)


def test_the_ground_is_asked_for_only_if_something_shows_it(tmp_path):
    pixels = np.dstack([noise(6, 4), np.full((4, 6), 255, np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with opened(tmp_path / "a.png", WORDS) as image:
        found = pixels_of(image, lambda _: pytest.fail("asked for"))
    assert np.array_equal(found, pixels[:, :, :3])
    found[:] = 0  # may be written to


def test_floats_without_a_value_are_black(tmp_path):
    grey = np.array([[0.0, np.nan, np.inf, -np.inf, 0.5, 1.0]], np.float32)
    Image.fromarray(grey).save(tmp_path / "a.tif")
    assert _pixels(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 0, 0, 0, 128, 255]


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_there_is_not_turns_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(24, 16)).save(tmp_path / "a.jpg", exif=exif)
    with opened(tmp_path / "a.jpg", WORDS) as image:
        assert upright_size(image) == (24, 16)
        assert not holds_more(image)
    assert _pixels(tmp_path / "a.jpg").shape == (16, 24, 3)


def test_more_pictures_than_one(tmp_path):
    first, second = (Image.fromarray(noise(seed=seed)) for seed in (1, 2))
    for name in ("a.gif", "a.tif"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
        with opened(tmp_path / name, WORDS) as image:
            assert holds_more(image)


def test_messages_name_the_file_and_what_it_is(tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DataError, match=r"a\.png: not an engraving that .* Save it again\.$"):
        _ = opened(tmp_path / "a.png", WORDS).__enter__()
    with pytest.raises(DataError, match=r"b\.png: is not there \(No such file.*\)\. Look for it"):
        _ = opened(tmp_path / "b.png", WORDS).__enter__()
    with pytest.raises(DataError, match=r"c\.png: more than 178 million pixels\. Make it smaller"):
        _ = opened(bomb(tmp_path / "c.png"), WORDS).__enter__()
    with pytest.raises(DataError, match=r"^given\.png: not an engraving"):
        _pixels(io.BytesIO(b"hello"))


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "CMYK", "I", "F", "I;16"])
@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
def test_a_whole_tiff_has_its_pixels(tmp_path, mode, options):
    picture = Image.fromarray(noise(24, 16)).convert("L" if mode == "I;16" else mode).convert(mode)
    picture.save(tmp_path / "a.tif", **options)
    assert _pixels(tmp_path / "a.tif").shape == (16, 24, 3)


def test_no_memory_is_taken_for_pixels_that_only_a_header_has(tmp_path):
    """Sizes that are allowed, in files of a few kilobytes."""
    Image.fromarray(noise(24, 16)).convert("F").save(tmp_path / "a.tif")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    height = data.index(struct.pack("<HHII", 257, 4, 1, 16))
    data[height + 8 : height + 12] = struct.pack("<I", 5_000_000)
    (tmp_path / "a.tif").write_bytes(data)
    (tmp_path / "b.ppm").write_bytes(b"P6 12000 12000 255\n" + bytes(3000))
    Image.fromarray(noise(24, 16)).save(tmp_path / "c.bmp")
    data = bytearray((tmp_path / "c.bmp").read_bytes())
    data[18:26] = struct.pack("<II", 12000, 12000)
    (tmp_path / "c.bmp").write_bytes(data)
    for name in ("a.tif", "b.ppm", "c.bmp"):
        with pytest.raises(DataError, match=f"{name}: a damaged engraving .*more pixels than"):
            _ = opened(tmp_path / name, WORDS).__enter__()


def test_damage_that_is_met_while_it_is_open(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(noise(64, 64)).save(file)
    file.write_bytes(file.read_bytes()[:-900])
    with (
        pytest.raises(DataError, match=r"a\.png: a damaged engraving \(.+\)\. Export or copy"),
        opened(file, WORDS) as image,
    ):
        pixels_of(image, lambda _: np.zeros(3))
    with (
        pytest.raises(DataError, match=r"^given\.png: a damaged engraving \(one at given\.png\)"),
        opened(io.BytesIO(_png()), WORDS, Path("given.png")),
    ):
        raise ValueError("one at given.png.\nand more")


def _png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise()).save(file, "PNG")
    return file.getvalue()
