"""Naming sprites: the methods on synthetic lines whose true names are known.

No picture and no typewriter: texts of made-up words are turned into sprite sequences by a known
mapping (one to three sprites for a letter, wide letters from two or three sprites that letters
share, one sprite for two letters, sprites that stand for nothing), then disturbed: a share of the
sprites is replaced, dropped or put in. Each method names the sprites from 5, 20 and 80 lines and
reads 200 others. `truth` reads them with the mapping that made them: what noise alone costs.

    python benchmarks/naming.py [--seeds 2] [--noise 0.1] [--out benchmarks/results/x.json]
"""

from __future__ import annotations

import argparse
import random
import string
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from common import write_result
from typica.typewriter.naming import Naming, NamingOptions, find_naming, naming_error

LINES, OTHERS, LENGTH = (5, 20, 80), 200, 40
LETTERS = string.ascii_lowercase + "äöüß"
METHODS = {
    "counts": NamingOptions("counts", 1, "none"),
    "soft-edit, deletions (paper)": NamingOptions("soft-edit", 1, "deletions", steps=10),
    "em, deletions": NamingOptions("em", 1, "deletions"),
    "counts, names": NamingOptions("counts", 1),
    "soft-edit, names": NamingOptions("soft-edit", 1, steps=10),
    "em, names": NamingOptions("em", 1),
    "counts, names, n-grams": NamingOptions("counts", 3),
    "soft-edit, names, n-grams": NamingOptions("soft-edit", 3, steps=10),
    "em, names, n-grams (default)": NamingOptions(),
    "em, names, n-grams, no price": NamingOptions(price=0),
}


@dataclass(frozen=True)
class World:
    """A language and how its letters are drawn."""

    words: list[str]
    drawn: dict[str, list[tuple[int, ...]]]
    idle: list[int]
    count: int
    truth: Naming

    def line(self, noise: float, chance: random.Random) -> tuple[list[int], str]:
        """Sprites and text of a line of about `LENGTH` letters."""
        text = ""
        while len(text) < LENGTH:
            # words are as frequent as in a language: the r-th about 1/r as often
            text += self.words[int(len(self.words) ** chance.random()) - 1]
        sprites: list[int] = []
        at = 0
        while at < len(text):
            part = "ch" if text[at : at + 2] == "ch" else text[at]
            for sprite in chance.choice(self.drawn[part]):
                event = chance.random() / max(noise, 1e-9)
                if event < 1 / 3:
                    continue
                if event < 2 / 3:
                    sprites.append(chance.randrange(self.count))
                    continue
                sprites.append(sprite)
                if event < 1:
                    sprites.append(chance.choice(self.idle))
            at += len(part)
        return sprites, text


def make_world(seed: int) -> World:
    """Letters with one to three sprites; `m`, `n`, `u`, `h` and `w` are built from strokes."""
    chance = random.Random(seed)
    weights = [1 / (rank + 2) for rank in range(len(LETTERS))]
    order = "enirtsadhulgomcbfwkzvpüäßjöyqx"
    words = [
        "".join(chance.choices(order, weights, k=chance.randint(2, 9))).replace("c", "ch")
        for _ in range(600)
    ]
    stem, hook, wide, head, joined = range(5)
    drawn: dict[str, list[tuple[int, ...]]] = {
        "n": [(stem, hook)],
        "m": [(stem, stem, hook)],
        "u": [(hook, stem)],
        "h": [(head, hook)],
        "w": [(wide, wide)],
        "ch": [(joined,)],
    }
    count = 5
    for letter in LETTERS:
        if letter not in drawn:
            forms = chance.choice((1, 1, 2, 3))
            drawn[letter] = [(count + form,) for form in range(forms)]
            count += forms
    idle = list(range(count, count + 4))
    count += 4
    names: list[tuple[str, ...]] = [()] * count
    grams = []
    for letters, forms in drawn.items():
        for form in forms:
            if len(form) == 1:
                names[form[0]] = tuple(letters)
            else:
                grams.append((form, tuple(letters)))
    return World(words, drawn, idle, count, Naming(tuple(names), tuple(grams)))


def measure(seed: int, noise: float) -> list[dict[str, object]]:
    """Every method on one world."""
    world, chance = make_world(seed), random.Random(seed + 1000)
    given = [world.line(noise, chance) for _ in range(max(LINES))]
    others = [world.line(noise, chance) for _ in range(OTHERS)]
    sprites, texts = zip(*others, strict=True)
    rows = []
    for lines in LINES:
        row = {"seed": seed, "noise": noise, "lines": lines}
        left, right = zip(*given[:lines], strict=True)
        for name, options in METHODS.items():
            start = time.process_time()
            naming = find_naming(left, right, world.count, options)
            seconds = time.process_time() - start
            rows.append(
                {
                    **row,
                    "method": name,
                    "cer_given": round(naming_error(naming, left, right).corpus, 4),
                    "cer_others": round(naming_error(naming, sprites, texts).corpus, 4),
                    "n_grams": len(naming.grams),
                    "cpu_seconds": round(seconds, 2),
                }
            )
        rate = naming_error(world.truth, sprites, texts).corpus
        rows.append({**row, "method": "truth", "cer_others": round(rate, 4)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.1])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for noise in given.noise for s in range(given.seeds) for row in measure(s, noise)]
    table = {}
    for noise in given.noise:
        for name in [*METHODS, "truth"]:
            for lines in LINES:
                found = [
                    row["cer_others"]
                    for row in rows
                    if (row["noise"], row["method"], row["lines"]) == (noise, name, lines)
                ]
                mean = round(sum(found) / len(found), 4)
                table.setdefault(f"noise {noise:g}", {}).setdefault(name, {})[str(lines)] = mean
    result = {"seeds": given.seeds, "mean_cer_others": table, "rows": rows}
    write_result("naming", torch.device("cpu"), result, given.out)


if __name__ == "__main__":
    main()
