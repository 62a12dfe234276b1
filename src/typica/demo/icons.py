"""Sets of emoji as pinned npm packages, and the pictures that are the same thing in all of them.

The packages are those of the Iconify project, which carries many designers' sets in one form:
`icons.json` holds the inside of one SVG per icon, `info.json` names author and licence.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import DataError, DependencyError
from .packages import fetch_archive, read_member

__all__ = ["ICON_PACKAGES", "IconPackage", "IconSet", "common_concepts", "draw", "read_icons"]

_LARGEST = 40_000_000  # bytes of one file; the largest icons.json here has 25 million
_CATEGORIES = (
    "Smileys Emotion",
    "Animals Nature",
    "Food Drink",
    "Objects",
    "Activities",
    "Travel Places",
)
"""Where the designs differ. No flags, no lettered signs, and no people, whose skin tones differ
for reasons that are not style."""
_LEFT_OUT = re.compile(r"-(oclock|thirty)$|^keycap|-skin-tone|^(copyright|registered|trade-mark)$")
"""Two dozen clock faces would be the same picture two dozen times."""
_OUTSIDE = re.compile(
    r"<\s*(?:[!?]|image|script|foreignObject|style)|href\s*=\s*[\"'](?!#)|url\(\s*[\"']?(?!#)",
    re.IGNORECASE,
)
"""What would reach outside of the drawing; none of the pinned sets has it."""


@dataclass(frozen=True)
class IconPackage:
    """One set in one pinned package.

    Arguments:
        label: What its pictures are labelled with.
        package: Name and exact version, as npm takes it.
        digest: SHA-256 of the package's archive, as hexadecimal text.
    """

    label: str
    package: str
    digest: str


ICON_PACKAGES = (
    IconPackage(
        "noto",
        "@iconify-json/noto@1.2.9",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
    ),
    IconPackage(
        "noto-v1",
        "@iconify-json/noto-v1@1.2.5",
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
    ),
    IconPackage(
        "twemoji",
        "@iconify-json/twemoji@1.2.5",
        "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
    ),
    IconPackage(
        "openmoji",
        "@iconify-json/openmoji@1.2.29",
        "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5",
    ),
    IconPackage(
        "emojione",
        "@iconify-json/emojione@1.2.3",
        "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
    ),
    IconPackage(
        "fluent",
        "@iconify-json/fluent-emoji-flat@1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    ),
)
"""Six designs of the same things. The order decides whose categories are used."""


@dataclass(frozen=True)
class IconSet:
    """An open set of icons.

    Arguments:
        label: What its pictures are labelled with.
        package: Where it is from.
        icons: `icons.json`: icons, aliases and the sizes they are drawn in.
        info: `info.json`: name, author, licence.
        categories: Names of the icons in each category.
    """

    label: str
    package: str
    icons: dict[str, Any]
    info: dict[str, Any]
    categories: dict[str, list[str]]

    def body(self, concept: str) -> str | None:
        """The drawing of a concept, an alias resolved; None if there is none as it stands."""
        for _ in range(5):
            icon = self.icons["icons"].get(concept)
            if icon is not None:
                return str(icon["body"])
            alias = self.icons.get("aliases", {}).get(concept)
            if alias is None or set(alias) != {"parent"}:  # mirrored or turned: another picture
                return None
            concept = alias["parent"]
        return None

    def credit(self) -> dict[str, str]:
        """Name, author, licence and address, for people."""
        author, licence = self.info.get("author", {}), self.info.get("license", {})
        return {
            "label": self.label,
            "name": self.info.get("name", self.label),
            "author": author.get("name", ""),
            "url": author.get("url", ""),
            "licence": licence.get("title", ""),
            "spdx": licence.get("spdx", ""),
            "licence_url": licence.get("url", ""),
            "package": self.package,
        }


def read_icons(wanted: IconPackage, cache: Path) -> tuple[IconSet | None, str]:
    """One set, from the cache or from npm.

    Arguments:
        wanted: The package.
        cache: Where its archive is kept.

    Returns:
        The set, or None and the reason in a sentence.
    """
    archive, reason = fetch_archive(wanted.package, wanted.digest, cache)
    if archive is None:
        return None, reason
    try:
        icons, info, metadata = (
            json.loads(read_member(archive, name, _LARGEST))
            for name in ("icons.json", "info.json", "metadata.json")
        )
        return IconSet(wanted.label, wanted.package, icons, info, metadata["categories"]), ""
    except (ValueError, KeyError) as error:
        return None, f"{wanted.package}: cannot be read ({error})."


def common_concepts(sets: Sequence[IconSet]) -> list[str]:
    """The concepts that every set has a picture of, each picture once, sorted.

    Arguments:
        sets: At least one; the categories of the first decide what may be taken.
    """
    named = {re.sub(r"[^A-Za-z]+", " ", c): names for c, names in sets[0].categories.items()}
    seen: list[set[str]] = [set() for _ in sets]
    found = []
    for concept in sorted({name for c in _CATEGORIES for name in named.get(c, [])}):
        bodies = [icons.body(concept) for icons in sets]
        if _LEFT_OUT.search(concept) or None in bodies:
            continue
        if any(body in old for body, old in zip(bodies, seen, strict=True)):
            continue  # another name of a picture that is there
        for body, old in zip(bodies, seen, strict=True):
            old.add(str(body))
        found.append(concept)
    return found


def draw(icons: IconSet, concept: str, size: int, share: float = 0.9) -> Image.Image:
    """One icon on white, its ink centred and as large as in every other design.

    Sets leave different margins around their icons. Left alone, the margin would be what is most
    typical of a design.

    Arguments:
        icons: The set.
        concept: One of its icons.
        size: Side of the picture in pixels.
        share: Longer side of the ink over the side of the picture.

    Returns:
        An RGB picture, `size` by `size`.

    Raises:
        DependencyError: resvg-py is not installed.
        DataError: The icon is missing, empty or damaged, or reaches outside of itself.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise DependencyError(
            "the demo of designs needs resvg-py: pip install 'typica[demo]'"
        ) from error
    body = icons.body(concept)
    fault = f"{icons.package}: {concept}"
    if body is None or _OUTSIDE.search(body):
        raise DataError(f"{fault}: not there, or refers to something outside. Leave it out.")
    width, height = icons.icons.get("width", 16), icons.icons.get("height", 16)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">{body}</svg>'
    )
    try:
        png = resvg_py.svg_to_bytes(svg_string=svg, width=2 * size, skip_system_fonts=True)
    except ValueError as error:
        raise DataError(f"{fault}: cannot be drawn ({error}). Leave it out.") from error
    drawn = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    alpha = np.asarray(drawn)[..., 3]
    rows, columns = (np.flatnonzero((alpha > 16).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise DataError(f"{fault}: draws nothing. Leave it out.")
    paper = Image.new("RGBA", drawn.size, "white")
    paper.alpha_composite(drawn)
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return fill(paper.convert("RGB").crop(box), size, share)


def fill(ink: Image.Image, size: int, share: float) -> Image.Image:
    """A tightly cropped picture, scaled to its share of a white square and centred in it."""
    scale = size * share / max(ink.size)
    width, height = (max(1, round(side * scale)) for side in ink.size)
    picture = Image.new("RGB", (size, size), "white")
    scaled = ink.resize((width, height), Image.Resampling.LANCZOS)
    picture.paste(scaled, ((size - width) // 2, (size - height) // 2))
    return picture
