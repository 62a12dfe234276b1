"""The encoder and the letters' codes that a training may start from: made on rendered lines.

    python benchmarks/pretrain.py LINES --render [--lines 3000] [--seed 0]
    typica typewriter train LINES --out RUN --set training.steps=4000 training.warm_start=4000 \
        training.warm_start_share=1.0 training.warm_start_until=none
    python benchmarks/pretrain.py LINES --keep RUN

The first command sets lines in the twenty-five typefaces that the matcher is trained on (pinned
packages; UnifrakturMaguntia, the type of the demo, is not among them): half of a line's words are
of the demo's German text, half random letters, so that what is rare in one language is not rare
here and no language is learnt. The second reads them, sprites are never drawn. The third keeps
what reads: encoder, selection and the codes of the characters, in half precision, as
`src/typica/typewriter/pretrained.safetensors`.
"""

from __future__ import annotations

import argparse
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from typica.baselines.matcher_fonts import training_fonts
from typica.demo.texts import plain_text, with_long_s
from typica.files import write_json
from typica.lines.fonts import Font, missing_symbols
from typica.lines.render import render_line
from typica.lines.render_options import RenderOptions
from typica.typewriter.pretrained import keep_pretrained

MARKS = ".,:;!?-()'„“”»«—&*§[]/="
ACCENTS = "äöüÄÖÜßſàâáãçèéêëìíîïñòóôõùúûÿæœÆŒåøÀÂÇÈÉÊÎÔÛāēīōūăĕęẽĩõũꝑꝓꝗꝙꝯꝰþð"
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
HEIGHT = 64


def look(rng: np.random.Generator) -> RenderOptions:
    """A random setting and ageing: wider than any one book."""
    low = int(rng.integers(-3, 2))
    light = rng.uniform(0.6, 1.0)
    warmth = rng.uniform(0, 0.25)
    dark = rng.uniform(0.0, 0.4)
    return RenderOptions(
        height=HEIGHT,
        ink_height=float(rng.uniform(0.5, 0.95)),
        margin=float(rng.uniform(0, 0.3)),
        tracking=float(rng.choice([0.0, rng.uniform(-0.03, 0.05)])),
        spacing_jitter=float(rng.uniform(0.0, 0.03)),
        baseline_jitter=float(rng.uniform(0.0, 0.02)),
        baseline_wave=float(rng.uniform(0.0, 0.05)),
        slant=float(rng.choice([0.0, rng.uniform(-6, 12)])),
        size_jitter=float(rng.choice([0.0, rng.uniform(0, 0.06)])),
        slant_jitter=float(rng.choice([0.0, rng.uniform(0, 4)])),
        ink_spread=(low, low + int(rng.integers(0, 4))),
        uneven_inking=float(rng.uniform(0, 0.3)),
        degradation=float(rng.choice([0.3, 1.0, 1.6])),
        blur=float(rng.uniform(0.2, 1.6)),
        paper_colour=(light, light * (1 - warmth / 3), light * (1 - warmth)),
        ink_colour=(dark, dark * 0.9, dark * 0.8),
    )


def words_of(text: str) -> list[str]:
    """The words of a text, without line breaks."""
    return text.split()


def random_word(letters: list[str], weights: np.ndarray, rng: np.random.Generator) -> str:
    """One to eight letters; most are plain, a few are marks."""
    return "".join(rng.choice(letters, int(rng.integers(1, 9)), p=weights))


def render(out: Path, lines: int, seed: int) -> None:
    """Render the lines and their annotation."""
    fonts, reasons = training_fonts()
    print(*(f"note: {reason}" for reason in reasons), sep="\n", end="")
    print(f"{len(fonts)} typefaces")
    known = {font.name: covered(font) for font in fonts}
    texts = {False: words_of(plain_text()), True: words_of(with_long_s(plain_text()))}
    (out / "images").mkdir(parents=True, exist_ok=True)
    about = {}
    for number in tqdm(range(lines), desc="lines", unit="line"):
        rng = np.random.default_rng([seed, number])
        font = fonts[number % len(fonts)]
        letters = known[font.name]
        weights = np.array([6.0 if c.islower() and c < "{" else 1.0 for c in letters])
        weights /= weights.sum()
        words = texts["ſ" in letters and bool(rng.random() < 0.5)]
        parts: list[str] = []
        while len(" ".join(parts)) < 30:
            if rng.random() < 0.5:
                word = words[int(rng.integers(len(words)))]
                word = "".join(c for c in word if c in letters)
            else:
                word = random_word(letters, weights, rng)
            parts += [word] if word else []
        text = unicodedata.normalize("NFC", " ".join(parts))
        image, _ = render_line(text, font, look(rng), rng)
        name = f"{number:05d}"
        Image.fromarray(image).save(out / "images" / f"{name}.png")
        split = "val" if number % 25 == number // 25 % 25 else "train"
        about[f"{name}.png"] = {"split": split, "label": text, "script": font.name}
    write_json(out / "annotation.json", about)


def covered(font: Font) -> list[str]:
    """Those of our symbols that a font can set."""
    wanted = list(dict.fromkeys(PLAIN + MARKS + ACCENTS))
    lacking = set(missing_symbols(font, wanted))
    return [symbol for symbol in wanted if symbol not in lacking]


def main() -> None:
    """Render, or keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lines_folder", type=Path, metavar="LINES")
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--lines", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="RUN")
    given = parser.parse_args()
    if given.render:
        render(given.lines_folder, given.lines, given.seed)
    if given.keep:
        print(keep_pretrained(given.keep))


if __name__ == "__main__":
    main()
