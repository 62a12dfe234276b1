"""A drawing as PDF: lines, text and pictures stay what they are, one page as large as it.

Text is set in Helvetica, which every reader has and which the file therefore need not carry. It
has the letters of Windows code page 1252; others are written by their code points, as `U+A751`.
References: ISO 32000-1 (PDF 1.7), sections 7.5 (structure), 8 (graphics), 9 (text).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .drawing import Circle, Drawing, Label, Mark, Path, Picture, Rectangle
from .wording import code_points

__all__ = ["pdf", "text_width"]

_POINT = 0.75
"""Points of a CSS pixel."""
_ROUND = 0.5522847498
"""Length of the handles of four curves that make a circle of radius 1."""
_NARROW: dict[int, str] = {
    191: "'",
    222: "ijl",
    260: "|",
    278: " !,./:;I[\\]ft",
    333: "()-`r",
    334: "{}",
    355: '"',
    389: "*",
    469: "^",
    500: "Jcksvxyz",
    584: "+<=>~",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1015: "@",
}
_WIDTHS = {letter: width for width, letters in _NARROW.items() for letter in letters}


def text_width(text: str, size: float) -> float:
    """The width of a text in Helvetica, in the unit of `size`."""
    return sum(_WIDTHS.get(letter, 556) for letter in text) * size / 1000


def pdf(drawing: Drawing) -> bytes:
    """The bytes of a PDF file.

    Arguments:
        drawing: What to draw.

    Returns:
        The same bytes for the same drawing: no date, no random name.
    """
    pictures = [one.pixels for one in drawing.marks if isinstance(one, Picture)]
    size = f"{drawing.width * _POINT:.2f} {drawing.height * _POINT:.2f}"
    names = " ".join(f"/P{i} {i + 6} 0 R" for i in range(len(pictures)))
    content = "\n".join(_content(drawing)).encode("latin-1")
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents 4 0 R /Resources "
            f"<< /Font << /F 5 0 R >> /XObject << {names} >> >> >>"
        ).encode("ascii"),
        _stream("", content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        *(_picture(pixels) for pixels in pictures),
    ]
    found = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(bodies, start=1):
        places.append(len(found))
        found += f"{number} 0 obj\n".encode("ascii") + body + b"\nendobj\n"
    start = len(found)
    rows = "".join(f"{place:010d} 00000 n \n" for place in places)
    found += (
        f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{rows}"
        f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ).encode("ascii")
    return bytes(found)


def _stream(about: str, data: bytes) -> bytes:
    packed = zlib.compress(data, 9)
    head = f"<< {about} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n"
    return head.encode("ascii") + packed + b"\nendstream"


def _picture(pixels: NDArray[np.uint8]) -> bytes:
    space = "/DeviceGray" if pixels.ndim == 2 else "/DeviceRGB"
    about = (
        f"/Type /XObject /Subtype /Image /Width {pixels.shape[1]} /Height {pixels.shape[0]} "
        f"/ColorSpace {space} /BitsPerComponent 8 /Interpolate true"
    )
    return _stream(about, np.ascontiguousarray(pixels).tobytes())


def _content(drawing: Drawing) -> Iterator[str]:
    # from pixels that grow downward to points that grow upward
    yield f"{_POINT} 0 0 {-_POINT} 0 {drawing.height * _POINT:.4f} cm"
    number = 0
    for one in drawing.marks:
        yield "q"
        if isinstance(one, Picture):
            place = f"{one.x:.3f} {one.y + one.height:.3f}"
            yield f"{one.width:.3f} 0 0 {-one.height:.3f} {place} cm /P{number} Do"
            number += 1
        else:
            yield from _operators(one)
        yield "Q"


def _colour(colour: str, operator: str) -> str:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return " ".join(f"{part:.4f}" for part in parts) + f" {operator}"


def _operators(one: Mark) -> Iterator[str]:
    if isinstance(one, Path):
        yield _colour(one.colour, "RG")
        yield f"{one.width:.3f} w [{one.dash}] 0 d"
        for place, (x, y) in enumerate(one.points):
            yield f"{x:.3f} {y:.3f} {'l' if place else 'm'}"
        yield "S"
    elif isinstance(one, Rectangle):
        if one.fill:
            yield _colour(one.fill, "rg")
        if one.colour:
            yield _colour(one.colour, "RG") + f" {one.line:.3f} w"
        yield f"{one.x:.3f} {one.y:.3f} {one.width:.3f} {one.height:.3f} re"
        yield _paint(one.fill, one.colour)
    elif isinstance(one, Circle):
        if one.fill:
            yield _colour(one.fill, "rg")
        if one.colour:
            yield _colour(one.colour, "RG") + " 1 w"
        yield from _circle(one)
        yield _paint(one.fill, one.colour)
    elif isinstance(one, Label):
        yield from _text(one)
    else:
        raise TypeError(f"no such mark: {type(one).__name__}")


def _paint(fill: str, colour: str) -> str:
    return {(True, True): "B", (True, False): "f", (False, True): "S"}.get(
        (bool(fill), bool(colour)), "n"
    )


def _circle(one: Circle) -> Iterator[str]:
    x, y, r = one.x, one.y, one.radius
    h = r * _ROUND
    yield f"{x + r:.3f} {y:.3f} m"
    for points in (
        (x + r, y + h, x + h, y + r, x, y + r),
        (x - h, y + r, x - r, y + h, x - r, y),
        (x - r, y - h, x - h, y - r, x, y - r),
        (x + h, y - r, x + r, y - h, x + r, y),
    ):
        yield " ".join(f"{value:.3f}" for value in points) + " c"
    yield "h"


def _known(text: str) -> str:
    """The text, with what Helvetica lacks by code points."""
    parts = []
    for letter in text:
        try:
            letter.encode("cp1252")
            parts.append(letter if letter.isprintable() else " ")
        except UnicodeEncodeError:
            parts.append(f" {code_points(letter)} ")
    return " ".join("".join(parts).split())


def _text(one: Label) -> Iterator[str]:
    text = _known(one.text)
    size, wide = one.size, text_width(text, one.size)
    if one.room and wide > one.room:
        size, wide = size * one.room / wide, one.room
    back = {"start": 0.0, "middle": 0.5, "end": 1.0}[one.anchor] * wide
    raw = text.encode("cp1252")
    written = "".join(
        f"\\{byte:03o}" if byte > 126 or chr(byte) in "()\\" else chr(byte) for byte in raw
    )
    # letters stand upright in the mirrored plane; a turned text runs upward
    if one.turned:
        place = f"0 -1 -1 0 {one.x:.3f} {one.y + back:.3f}"
    else:
        place = f"1 0 0 -1 {one.x - back:.3f} {one.y:.3f}"
    yield _colour(one.colour, "rg")
    yield f"BT /F {size:.2f} Tf {place} Tm ({written}) Tj ET"
