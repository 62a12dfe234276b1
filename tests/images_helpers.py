"""Small pictures for the tests of `typica.images`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise(width: int = 24, height: int = 16, seed: int = 0) -> np.ndarray:
    """A picture of noise, bytes with shape `(height, width, 3)`."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def put(file: Path, seed: int = 0, width: int = 24, height: int = 16) -> Path:
    """Write a picture of noise."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(width, height, seed)).save(file)
    return file


def bomb(file: Path, side: int = 40_000) -> Path:
    """A tiny PNG that says it has very many pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return file
