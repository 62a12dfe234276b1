"""A rendered cipher: 400 lines of 110 symbols in an unsteady hand, with the box of every symbol.

    python benchmarks/cipher_lines.py OUT

The text is that of the demo, enciphered as the clerks did it: a frequent letter has several
symbols and its writer favours some of them, a word space is one of eight symbols, and now and then
a symbol means nothing. The symbols are those of Noto Sans Symbols (SIL Open Font License 1.1) that
look least alike, fetched from a pinned npm package and never part of the project. Each is drawn
in a size, lean, height and darkness of its own, closer to a hand than to type. `annotation.json`
names the symbols and puts a space between two names (read it with `--sep ' '`), and keeps the text
that was enciphered as `plaintext`. The same seed gives the same lines.
"""

from __future__ import annotations

import argparse
import json
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

from typica.demo.fonts import NpmFont, font_cache, font_from_npm
from typica.demo.texts import SOURCE, plain_text
from typica.errors import DataError
from typica.files import write_json, write_text
from typica.lines.fonts import open_font
from typica.lines.glyphs import GLYPHS_FILE
from typica.lines.line import SPACE
from typica.lines.render import render_collection
from typica.lines.render_options import RenderOptions

__all__ = ["SYMBOLS", "encipher", "homophones", "make_cipher_lines", "symbol_name"]

FONT = NpmFont(
    package="@expo-google-fonts/noto-sans-symbols@0.4.1",
    member="400Regular/NotoSansSymbols_400Regular.ttf",
    digest="aedeec1cd0514930aeeafc4a88a6deff83cda1e6b58086f0b9bb9c7dd0157578",
    notice="LICENSE_FONT",
    licence="SIL Open Font License 1.1",
)

SYMBOLS = tuple(
    "↑⌀⌂⌇⌗⌬⌱⎆⎈⎋⎔⏂⏄⏚⏢⏣☊☌☓☤☥☦☧☨☩☪☮☯☺☽☿♀♂♃♄♅♆♇♈♉♊♋♌♍♎♏♐♑♒♓♪♬♯♰♱⚐⚒⚓⚔⚕⚖⚛⚜⚭⚱⚳⚷⛎⛤⛰✠✡"
    "🜁🜃🜊🜍🜏🜐🜓🜔🜖🜘🜛🜝🜟🜨🜲🜳🜵🜹🜾🝀🝁🝊🝋🝎🝕🝖🝘🝙🝛🝜🝢🝤🝧🝪🝭🝮🝯🝱"
)
"""Signs of planets, of the zodiac and of the alchemists, and a few others."""

OPTIONS = RenderOptions(
    height=64,
    ink_height=0.72,
    tracking=0.06,
    spacing_jitter=0.04,
    baseline_jitter=0.03,
    baseline_wave=0.05,
    slant=4.0,
    size_jitter=0.09,
    slant_jitter=6.0,
    ink_spread=(-2, 3),
    uneven_inking=0.35,
    degradation=1.4,
    colour_jitter=0.06,
    paper_colour=(0.93, 0.88, 0.74),
    ink_colour=(0.24, 0.16, 0.10),
    seed=1747,
)
"""How the lines are written: no two impressions of a symbol are alike."""

SPLITS = (0.8, 0.1, 0.1)
FOR_SPACE, NULLS = 8, 6
NULL_SHARE = 0.02
_LATER = str.maketrans({"x": "ks", "q": "k", "y": "i"})


def symbol_name(symbol: str) -> str:
    """The name of a symbol in one word, such as `RockSalt`, as lists of cipher signs have it."""
    name = unicodedata.name(symbol).replace("-", " ")
    name = name.removeprefix("ALCHEMICAL SYMBOL FOR ").removesuffix(" SYMBOL")
    return "".join(part.capitalize() for part in name.split())


def plain_letters() -> str:
    """The demo text as it was enciphered: letters in lower case, one space between two words.

    x, q and y, too rare to be learnt, are written ks, k and i.
    """
    text = plain_text().lower().translate(_LATER)
    return " ".join("".join(c if c.isalpha() else " " for c in text).split())


def homophones(counts: Counter[str], rng: np.random.Generator) -> dict[str, tuple[str, ...]]:
    """Which symbols stand for which letter.

    Arguments:
        counts: How often each letter occurs; `SPACE` is left aside.
        rng: The random numbers that deal the symbols.

    Returns:
        The symbols of each letter, of the word space, and (under the empty string) the nulls:
        every one of `SYMBOLS` once. A letter has at least one; the others go one by one to the
        letter whose symbols each stand for most of the text.
    """
    letters = sorted(set(counts) - {SPACE})
    numbers = dict.fromkeys(letters, 1)
    for _ in range(len(SYMBOLS) - FOR_SPACE - NULLS - len(letters)):
        # a power below 1 keeps frequent letters frequent: no clerk levelled them out
        numbers[max(letters, key=lambda one: counts[one] ** 0.75 / numbers[one])] += 1
    order = [SYMBOLS[i] for i in rng.permutation(len(SYMBOLS))]
    key: dict[str, tuple[str, ...]] = {}
    for letter, number in [*numbers.items(), (SPACE, FOR_SPACE), ("", NULLS)]:
        key[letter], order = tuple(order[:number]), order[number:]
    return key


def encipher(text: str, key: dict[str, tuple[str, ...]], rng: np.random.Generator) -> str:
    """The symbols for a text: a letter's r-th symbol (r from 1) is taken as 1 / (r + 1) to others.

    Arguments:
        text: Letters and spaces that `key` holds.
        key: As `homophones` gives it.
        rng: The random numbers.
    """
    written: list[str] = []
    for letter in text:
        meant = [letter] if rng.random() >= NULL_SHARE else [letter, ""]
        for one in meant:
            weights = 1 / (2.0 + np.arange(len(key[one])))
            written.append(key[one][rng.choice(len(weights), p=weights / weights.sum())])
    return "".join(written)


def cipher_texts(lines: int, seed: int) -> tuple[list[str], list[str], dict[str, tuple[str, ...]]]:
    """The text and the symbols of every line, and the key."""
    text = plain_letters()
    key = homophones(Counter(text), np.random.default_rng([seed, 1]))
    rng = np.random.default_rng([seed, 2])
    ends = [round(i * len(text) / lines) for i in range(lines + 1)]
    plain = [text[a:b] for a, b in pairwise(ends)]
    return plain, [encipher(part, key, rng) for part in plain], key


def make_cipher_lines(
    out: Path, lines: int = 400, options: RenderOptions = OPTIONS, cache: Path | None = None
) -> Path:
    """Make the cipher.

    Arguments:
        out: The folder to make; an earlier rendering there is replaced.
        lines: How many lines the text is cut into.
        options: How they are written.
        cache: Where the fetched font is kept; a folder in the user's cache if None.

    Returns:
        `out`: a folder with `annotation.json`, `images/`, `glyphs.json`, `render.json` and
        `cipher.json` (the key).

    Raises:
        DataError: The font cannot be had, or `out` holds something else.
    """
    path, reason = font_from_npm(FONT, font_cache() if cache is None else cache)
    if path is None:
        raise DataError(f"{reason} Install npm and connect to its registry once.")
    plain, written, key = cipher_texts(lines, options.seed)
    render_collection(written, open_font(path), out, options, splits=SPLITS, document="cipher")
    annotation = json.loads((out / "annotation.json").read_text(encoding="utf-8"))
    for entry, text in zip(annotation.values(), plain, strict=True):
        entry["label"] = " ".join(map(symbol_name, entry["label"]))
        entry["plaintext"] = text
    boxes = json.loads((out / GLYPHS_FILE).read_text(encoding="utf-8"))
    rows = [
        f"{json.dumps(name)}: {json.dumps([[symbol_name(b[0]), *b[1:]] for b in line])}"
        for name, line in boxes.items()
    ]
    write_json(out / "annotation.json", annotation)
    write_text(out / GLYPHS_FILE, "{\n" + ",\n".join(rows) + "\n}\n")
    shown = {
        {SPACE: "space", "": "null"}.get(letter, letter): [symbol_name(s) for s in symbols]
        for letter, symbols in key.items()
    }
    write_json(out / "cipher.json", {"source": SOURCE, "key": shown})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--lines", type=int, default=400)
    given = parser.parse_args()
    print(make_cipher_lines(given.out, given.lines))
    print(f"set in {FONT.package}, {FONT.licence}; read it with --sep ' '")


if __name__ == "__main__":
    main()
