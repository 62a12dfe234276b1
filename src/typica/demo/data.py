r"""The demo collection: some 430 lines of Faust in Fraktur, with the box of every glyph.

`python -m typica.demo.data OUT` makes it in a few seconds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import TypicaError
from ..lines.fonts import Font, missing_symbols, open_font
from ..lines.render import render_collection
from ..lines.render_options import RenderOptions
from .fonts import DemoFont, demo_font
from .texts import SOURCE, demo_texts

__all__ = ["ASCII", "DEMO_OPTIONS", "main", "make_demo_lines"]

DEMO_OPTIONS = RenderOptions(height=48, seed=1808)
"""How the demo lines are set and aged: the defaults, with a seed of their own."""

ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
"""Umlauts and ß written out, for fonts that know only ASCII."""


def texts_for(font: Font) -> list[str]:
    """The demo text as far as a font can draw it.

    With the long s where the font has it, else with the round one; umlauts are written out for a
    font that knows only ASCII.
    """
    texts = demo_texts(long_s=ord("ſ") in font.characters)
    if missing_symbols(font, texts):
        texts = [text.translate(ASCII) for text in texts]
    return texts


def make_demo_lines(out: Path, font: Path | None = None, cache: Path | None = None) -> Path:
    """Make the demo collection and say on standard output which font it is set in.

    Arguments:
        out: The folder to make; an earlier rendering there is replaced.
        font: A font file to use instead of the demo font.
        cache: Where fetched fonts are kept; a folder in the user's cache if None.

    Returns:
        `out`: a folder with `annotation.json`, `images/`, `glyphs.json` and `render.json`.

    Raises:
        DataError: `out` holds something else, or the given font cannot be used.
    """
    if font is None:
        chosen = demo_font(cache)
    else:
        given = open_font(font)
        chosen = DemoFont(given, str(font), given.licence or "see the font's own licence")
    for reason in chosen.passed_over:
        print(f"passed over: {reason}")
    print(f"font: {chosen.font.name} ({chosen.origin}; {chosen.licence})")
    texts = texts_for(chosen.font)
    print(f"text: {SOURCE}")
    folder = render_collection(texts, chosen.font, out, DEMO_OPTIONS, document="faust")
    print(f"lines: {len(texts)} in {folder}")
    return folder


def main(arguments: list[str] | None = None) -> int:
    """The command line of this module; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m typica.demo.data", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument("--font", type=Path, help="a font file to use instead of the demo font")
    options = parser.parse_args(arguments)
    try:
        make_demo_lines(options.out, options.font)
    except TypicaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
