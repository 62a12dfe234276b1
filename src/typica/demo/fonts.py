r"""The font of the demo: fetched when the demo is made, never part of the package.

The first choice is UnifrakturMaguntia, a Fraktur of about 1900 drawn after Carl Albert Fahrenwaldt
(SIL Open Font License), from the npm package `@expo-google-fonts/unifrakturmaguntia`. That package
carries the whole font; the web subsets in `@fontsource/unifrakturmaguntia` are the second choice,
because they lack the long s (they would draw a cat for it) and the text must then do with the
round one. IM Fell and Uncial Antiqua are as free, but a reader sees at once that a Fraktur
alphabet was learnt: no modern reader could have guessed it.

Without npm, or offline: Cardo, a roman after Aldus Manutius's type of 1495, if the pip package
`fontpkg-cardo` is installed; at last the small sans-serif that Pillow carries. There is always a
font, and the caller is told which.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFont

from ..errors import DataError
from ..lines.fonts import Font, open_font
from .packages import cache_folder, installed_file, keep, pack, read_member, verified

__all__ = ["NPM_FONTS", "DemoFont", "NpmFont", "demo_font", "font_cache", "font_from_npm"]


@dataclass(frozen=True)
class NpmFont:
    """One font file in one pinned npm package.

    Arguments:
        package: Name and exact version, as npm takes it.
        member: The file in the package, from its root.
        digest: SHA-256 of the file, as hexadecimal text.
        notice: The licence file in the package, kept beside the font.
        licence: Its name, for people.
    """

    package: str
    member: str
    digest: str
    notice: str
    licence: str

    @property
    def file_name(self) -> str:
        return self.member.rsplit("/", 1)[-1]


NPM_FONTS = (
    NpmFont(
        package="@expo-google-fonts/unifrakturmaguntia@0.4.1",
        member="400Regular/UnifrakturMaguntia_400Regular.ttf",
        digest="84488aab45798072c293ceaaaa3e74cf59f109e343f4386df9a1dbd75294efea",
        notice="LICENSE_FONT",
        licence="SIL Open Font License 1.1",
    ),
    NpmFont(
        package="@fontsource/unifrakturmaguntia@5.3.0",
        member="files/unifrakturmaguntia-latin-400-normal.woff",
        digest="283668da9846ef971b4ac8d6cf6d1f30a20292456831687cd7fb721cb63333d1",
        notice="LICENSE",
        licence="SIL Open Font License 1.1",
    ),
)
"""What is tried, best first. The second one's subset has no long s."""


@dataclass(frozen=True)
class DemoFont:
    """The font that the demo uses.

    Arguments:
        font: The open font.
        origin: Where it came from.
        licence: Its licence.
        passed_over: Why better choices were not taken, one sentence each.
    """

    font: Font
    origin: str
    licence: str
    passed_over: tuple[str, ...] = ()


def font_cache() -> Path:
    """The folder that fetched fonts are kept in, by the XDG convention."""
    return cache_folder("fonts")


def demo_font(cache: Path | None = None) -> DemoFont:
    """The best font that can be had here.

    Arguments:
        cache: Where fetched fonts are kept; `font_cache()` if None.

    Returns:
        The font, its origin and licence. Never fails for want of npm or of a network.
    """
    cache = font_cache() if cache is None else Path(cache)
    reasons: list[str] = []
    for wanted in NPM_FONTS:
        path, reason = font_from_npm(wanted, cache)
        if path is not None:
            return DemoFont(
                open_font(path), f"npm {wanted.package}", wanted.licence, tuple(reasons)
            )
        reasons.append(reason)
    path = installed_file("fontpkg_cardo", "files/Cardo-Regular.ttf")
    if path is not None:
        origin = "pip package fontpkg-cardo"
        return DemoFont(open_font(path), origin, "SIL Open Font License 1.1", tuple(reasons))
    reasons.append("fontpkg-cardo is not installed.")
    path = _from_pillow(cache)
    return DemoFont(open_font(path), "Pillow's own font", "CC0 1.0", tuple(reasons))


def font_from_npm(wanted: NpmFont, cache: Path) -> tuple[Path | None, str]:
    """A font file from the cache or from npm, its licence kept beside it.

    Arguments:
        wanted: The file in its pinned package.
        cache: Where fetched fonts are kept.

    Returns:
        The file, or None and the reason in a sentence.
    """
    path = cache / wanted.file_name
    if verified(path, wanted.digest):
        return path, ""
    with tempfile.TemporaryDirectory() as folder:
        archive, reason = pack(wanted.package, Path(folder))
        if archive is None:
            return None, reason
        try:
            data = read_member(archive, wanted.member)
            notice = read_member(archive, wanted.notice)
        except ValueError:
            return None, f"{wanted.package}: npm could not fetch it."
    if hashlib.sha256(data).hexdigest() != wanted.digest:
        return None, f"{wanted.package}: the font is not the one that was pinned."
    path = keep(path, data)
    keep(path.with_name(f"{path.stem}.LICENSE.txt"), notice)
    return path, ""


def _from_pillow(cache: Path) -> Path:
    """The font inside Pillow, written to a file."""
    default = ImageFont.load_default(16)
    source = getattr(default, "path", None)
    if not isinstance(source, io.BytesIO):
        raise DataError(
            "Pillow was built without FreeType, so nothing can be rendered. "
            "Install Pillow from its wheel (`pip install --force-reinstall pillow`)."
        )
    return keep(cache / "Aileron-Regular.otf", source.getvalue())
