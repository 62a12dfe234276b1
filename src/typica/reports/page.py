r"""A page that is one file: pictures embedded, text escaped, nothing fetched from elsewhere.

A page is rendered from a jinja2 template with escaping switched on, checked for anything that
would leave the file, and written in one step. A content security policy in the page repeats the
promise for the browser: the only script that runs is the one whose hash the page carries.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import lxml.html
import numpy as np
from markupsafe import Markup
from PIL import Image

from ..errors import DataError
from ..files import write_text

__all__ = [
    "base64_text",
    "check_self_contained",
    "data_block",
    "data_uri",
    "ink_data_uri",
    "picture_data_uri",
    "render_page",
    "write_page",
]

LINKS = frozenset(
    [
        "action",
        "archive",
        "background",
        "cite",
        "classid",
        "codebase",
        "data",
        "formaction",
        "href",
        "imagesrcset",
        "longdesc",
        "lowsrc",
        "manifest",
        "ping",
        "poster",
        "profile",
        "src",
        "srcdoc",
        "srcset",
        "usemap",
        "xlink:href",
    ]
)
FORBIDDEN = frozenset(["applet", "base", "embed", "frame", "iframe", "link", "object", "portal"])
INSIDE = re.compile(r"#|data:image/(?:png|webp);base64,")
OUTSIDE_STYLE = re.compile(r"@import|image-set\(|url\(\s*['\"]?\s*(?!#|data:image/)", re.I)


def base64_text(data: bytes) -> str:
    r"""Bytes as base64, as JSON and attributes can hold them."""
    return base64.b64encode(data).decode("ascii")


def data_uri(kind: str, data: bytes) -> str:
    r"""A file of one kind of picture (`png` or `webp`) as a data URI."""
    return f"data:image/{kind};base64,{base64_text(data)}"


def data_block(value: Any) -> Markup:
    r"""JSON that can stand in a script element: no character of it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def picture_data_uri(
    image: np.ndarray, max_height: int | None = None, quality: int | None = 82
) -> str:
    r"""Encode a colour picture as a data URI.

    Arguments:
        image: uint8 (h, w, 3), or (h, w) for grey.
        max_height: Reduce the picture to at most this height in pixels; None keeps its size.
        quality: WebP quality from 0 to 100; None for a lossless PNG.

    Returns:
        `data:image/webp;base64,...` or `data:image/png;base64,...`.

    Raises:
        ValueError: If the array is not such a picture, or is empty.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(f"a picture must be uint8 (h, w[, 3]), not {image.dtype} {image.shape}")
    picture = Image.fromarray(image)
    if max_height is not None and picture.height > max_height:
        width = max(1, round(picture.width * max_height / picture.height))
        picture = picture.resize((width, max_height), Image.Resampling.LANCZOS)
    # WebP cannot hold a side over 16383 pixels; PNG can.
    if quality is None or max(picture.size) > 16383:
        return encode(picture, "png", optimize=True)
    return encode(picture, "webp", quality=quality, method=4)


def ink_data_uri(opacity: np.ndarray, enlarge: int = 1) -> str:
    r"""Encode an opacity map as black ink on white paper.

    Arguments:
        opacity: Float (h, w), 0 = paper, 1 = ink; values outside are clipped, NaN is paper.
        enlarge: Whole factor by which to enlarge, smoothly, so that small sprites stay crisp on
            screens that would blur them.

    Returns:
        `data:image/png;base64,...`, 8-bit grey, lossless.

    Raises:
        ValueError: If the array has not two dimensions, or is empty.
    """
    if opacity.ndim != 2 or opacity.size == 0:
        raise ValueError(f"an opacity map must be (h, w), not {opacity.shape}")
    clean = np.nan_to_num(opacity.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
    picture = Image.fromarray(np.rint(255 * (1 - clean)).astype(np.uint8))
    if enlarge > 1:
        size = (picture.width * enlarge, picture.height * enlarge)
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return encode(picture, "png", optimize=True)


def encode(picture: Image.Image, kind: str, **options: Any) -> str:
    r"""Write a picture into a data URI of one kind (`png` or `webp`)."""
    buffer = io.BytesIO()
    picture.save(buffer, kind.upper(), **options)
    return data_uri(kind, buffer.getvalue())


def render_page(template: str, values: Mapping[str, Any], script: str | None = None) -> str:
    r"""Render one of the templates of this package, every value escaped.

    Arguments:
        template: The file name of the template, in `templates/`.
        values: What the template shows. Strings are escaped, whatever they hold; only
            `markupsafe.Markup` is taken as HTML.
        script: The file name of the page's one script, in `templates/`; None for none.

    Returns:
        The page. Characters that UTF-8 or HTML cannot hold (lone surrogates, NUL) are replaced.

    Raises:
        jinja2.UndefinedError: If the template needs a value that was not given.
        ValueError: If the page would reach outside itself.
    """
    # The script is read as it stands, not rendered: its hash must be of what the browser sees.
    loader = jinja2.PackageLoader("typica.reports", "templates")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source = loader.get_source(environment, script)[0].strip() if script else ""
    digest = base64_text(hashlib.sha256(source.encode("utf-8")).digest())
    own = {
        "script": source,
        "script_policy": f"'sha256-{digest}'" if source else "'none'",
    }
    text = environment.get_template(template).render({**values, **own})
    text = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    check_self_contained(text)
    return text


def check_self_contained(text: str) -> None:
    r"""Make sure that a page fetches nothing and leads nowhere.

    Links within the page and embedded pictures are allowed. An address that stands in the text
    for a reader to see is no resource and is allowed too.

    Arguments:
        text: The page.

    Raises:
        ValueError: If an attribute, an element or a style rule would reach outside the file;
            the message says which.
    """
    parser = lxml.html.HTMLParser(huge_tree=True, encoding="utf-8", no_network=True)
    root = lxml.html.document_fromstring(text.encode("utf-8"), parser=parser)
    for node in root.iter():
        if not isinstance(node.tag, str):
            continue
        if node.tag in FORBIDDEN:
            raise ValueError(f"a page must be self-contained, and has the element <{node.tag}>")
        if node.tag == "meta" and node.get("http-equiv", "").strip().lower() == "refresh":
            raise ValueError("a page must be self-contained, and leads elsewhere by itself")
        if node.tag == "style" and (found := OUTSIDE_STYLE.search(node.text or "")):
            raise ValueError(f"a page must be self-contained, and its style has {found[0]!r}")
        for name, value in node.attrib.items():
            key = str(name).lower()
            if key in LINKS and not INSIDE.match(str(value).strip()):
                start = f"{key}={str(value)[:80]!r}"
                raise ValueError(f"a page must be self-contained, and has <{node.tag} {start}>")
            if key == "style" and (found := OUTSIDE_STYLE.search(str(value))):
                raise ValueError(f"a page must be self-contained, and a style has {found[0]!r}")
            if key.startswith("on"):
                raise ValueError(f"a page keeps its script in one place: <{node.tag} {key}>")


def write_page(text: str, path: Path) -> Path:
    r"""Write a page in one step: nobody ever sees half of it.

    Arguments:
        text: The page, as from `render_page`.
        path: The file to write, usually `*.html`; its folder is made if needed.

    Returns:
        The path.

    Raises:
        DataError: If the file cannot be written there.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path}: is a folder. Give the name of a file, such as report.html")
    try:
        write_text(path, text)
    except OSError as error:
        raise DataError(
            f"{path}: the report cannot be written ({error.strerror or error}). "
            "Choose a folder that you may write to and that has room"
        ) from error
    return path
