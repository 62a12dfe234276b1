"""The same words in several typefaces: a demo of designs that needs no network.

Typefaces are taken from what is installed: the fonts that Matplotlib carries, Python packages
named `fontpkg-*`, and the one inside Pillow. Where these are fewer than four, Pillow's is also
set slanted, fat and outlined; so there is always something to compare.
"""

from __future__ import annotations

import importlib.metadata
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from ..errors import DataError
from .packages import installed_file

__all__ = ["WORDS", "Typeface", "set_word", "typefaces"]

_LINES = """
able acid aged also area army away baby back ball band bank base bath beam bear beat bell
bird blow blue boat body bold bone book born both bowl bulk burn bush busy cake call calm
camp card care cart cash cast cell chat chip city clay club coal coat code cold come cook
cool copy core corn cost crew crop dark data date dawn days dead deal dean dear debt deep
deer desk dial diet dish disk does done door dose down draw drew drop drum dual duke dust
duty each earn ease east easy edge else even ever evil exit face fact fail fair fall farm
fast fate fear feed feel feet fell felt file fill film find fine fire firm fish five flag
flat flow fly folk food foot ford form fort four free from fuel full fund gain game gate
gave gear gift girl give glad glass goal goat gold golf gone good gray great green grew
grow gulf hair half hall hand hang hard harm hate have head hear heat held help here hero
high hill hire hold hole holy home hope host hour huge hung hunt hurt idea inch into iron
item jack jazz join jump jury just keen keep kept kick kind king knee knew know lack lady
laid lake land lane last late lawn lead leaf left lens less life lift light like limb
line link list live load loan lock logo long look lord lose loss lost loud love luck made
mail main make male many mark mass meal mean meat meet menu mild mile milk mill mind mine
mint miss mode mood moon more most move much myth name navy near neck need news next nice
"""
WORDS: tuple[str, ...] = tuple(_LINES.split())
"""Short words of many letters, the same under every typeface."""

_MATPLOTLIB = {
    "dejavu-sans": "DejaVuSans.ttf",
    "dejavu-serif": "DejaVuSerif.ttf",
    "dejavu-mono": "DejaVuSansMono.ttf",
    "stix": "STIXGeneral.ttf",
    "computer-modern": "cmr10.ttf",
    "computer-modern-sans": "cmss10.ttf",
}


@dataclass(frozen=True)
class Typeface:
    """One way to set a word.

    Arguments:
        label: What its pictures are labelled with.
        font: The font file, or its bytes.
        licence: Where to find its terms.
        change: What is done to the set word, white on black; nothing if None.
    """

    label: str
    font: Path | bytes
    licence: str
    change: Callable[[Image.Image], Image.Image] | None = None

    def open(self, size: int) -> ImageFont.FreeTypeFont:
        """The font at a size in pixels."""
        source = io.BytesIO(self.font) if isinstance(self.font, bytes) else str(self.font)
        return ImageFont.truetype(source, size)

    def credit(self) -> dict[str, str]:
        """Name and licence, for people."""
        name, style = self.open(16).getname()
        return {"label": self.label, "name": f"{name} {style}", "licence": self.licence}


def slanted(word: Image.Image) -> Image.Image:
    """Sheared to the right by a quarter."""
    width, height = word.size
    lean = height // 4
    matrix = (1, 0.25, -lean, 0, 1, 0)
    method, filtering = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    return word.transform((width + lean, height), method, matrix, resample=filtering)


def fat(word: Image.Image) -> Image.Image:
    """Every stroke widened on all sides."""
    return word.filter(ImageFilter.MaxFilter(2 * (word.height // 96) + 1))


def outlined(word: Image.Image) -> Image.Image:
    """Widened strokes that are hollow."""
    wide = word.filter(ImageFilter.MaxFilter(2 * (word.height // 128) + 1))
    return ImageChops.difference(wide, word.filter(ImageFilter.MinFilter(3)))


def typefaces(most: int = 6) -> list[Typeface]:
    """The typefaces that can be had here, at least four.

    Raises:
        DataError: Pillow was built without FreeType.
    """
    found = [*_carried(), *_packaged()][:most]
    licence = "CC0 1.0 (Aileron, by Sora Sagano; inside Pillow)"
    default = getattr(ImageFont.load_default(16), "path", None)
    if not isinstance(default, io.BytesIO):
        if len(found) >= 2:
            return found
        raise DataError(
            "Pillow was built without FreeType, so nothing can be set. Install Pillow from its "
            "wheel (`pip install --force-reinstall pillow`)."
        )
    own = default.getvalue()
    for name, change in (("", None), ("-slanted", slanted), ("-fat", fat), ("-outlined", outlined)):
        if len(found) < (most if change is None else 4):
            found.append(Typeface(f"aileron{name}", own, licence, change))
    return found


def _carried() -> Iterator[Typeface]:
    """Those inside Matplotlib, if it is installed."""
    folder = installed_file("matplotlib", "mpl-data/fonts/ttf")
    for label, name in _MATPLOTLIB.items() if folder else ():
        assert folder is not None
        if (folder / name).is_file():
            yield Typeface(label, folder / name, "free, as carried by Matplotlib")


def _packaged() -> Iterator[Typeface]:
    """The regular cut of every installed package named `fontpkg-*`."""
    names = {(d.metadata["Name"] or "").lower() for d in importlib.metadata.distributions()}
    for name in sorted(n for n in names if n.startswith("fontpkg-")):
        folder = installed_file(name.replace("-", "_"), "files")
        cuts = sorted(folder.glob("*.[ot]tf")) if folder and folder.is_dir() else []
        regular = [cut for cut in cuts if "regular" in cut.stem.lower()] or cuts
        if regular:
            yield Typeface(name.removeprefix("fontpkg-"), regular[0], f"see {name}")


def set_word(face: Typeface, word: str, size: int, font: ImageFont.FreeTypeFont) -> Image.Image:
    """A word in two lines of two letters or more, tightly cropped, black on white.

    Two lines make the ink about as high as it is wide, so that it fills a square.

    Arguments:
        face: How it is set.
        word: At least two letters.
        size: Pixels of the font.
        font: The open font at this size.
    """
    half = (len(word) + 1) // 2
    text = f"{word[:half]}\n{word[half:]}"
    sheet = Image.new("L", (size * len(word), 4 * size), 0)
    ImageDraw.Draw(sheet).multiline_text(
        (size // 2, size // 2), text, fill=255, font=font, align="center", spacing=0
    )
    if face.change is not None:
        sheet = face.change(sheet)
    box = sheet.point(lambda value: 255 if value > 32 else 0).getbbox()
    if box is None:
        raise DataError(f"{face.label}: cannot set {word!r}. Leave this typeface out.")
    return ImageChops.invert(sheet.crop(box)).convert("RGB")
