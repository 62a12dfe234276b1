r"""Learned sprites beside exemplars of their letters, by structural similarity (Fig. 3.5).

Of every letter all its sprites are compared with all its exemplars. An exemplar may come from a
font, a scan or a page of another size, so one factor is first found that brings most letters to
the size of their sprites; then every exemplar is laid on its sprite by a small search over sizes
and places (`similarity.align`), and both are made black and white. A letter's score is its best
pair; the mean over its pairs, which is what a random exemplar can expect, stands beside it.
"""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import finite
from .exemplar_options import ExemplarOptions
from .exemplar_pairs import FAINT, LearnedLetters, LetterPicture, Pair, measured_pairs

__all__ = [
    "ALL",
    "PUBLISHED",
    "ExemplarComparison",
    "Mean",
    "compare_exemplars",
    "letter_order",
]

Floats = NDArray[np.floating]

PUBLISHED, ALL = "a-z A-Z", "all"
GROUPS: dict[str, Callable[[str], bool]] = {
    "a-z": lambda letter: letter in set(string.ascii_lowercase),
    "A-Z": lambda letter: letter in set(string.ascii_uppercase),
    PUBLISHED: lambda letter: letter in set(string.ascii_letters),
    ALL: lambda letter: True,
}
"""The letters that are averaged; the published figure has a-z and A-Z together."""


@dataclass(frozen=True)
class Mean:
    """Means over letters with bootstrap intervals (95 %, letters drawn).

    Arguments:
        letters: How many letters; all else is NaN for none.
        ssim: Of the best pair of every letter.
        low: Lower end of its interval.
        high: Upper end.
        ink_ssim: Of the same pairs.
        any_pair: Mean `ssim` over all pairs of a letter: what one that was chosen at random has.
    """

    letters: int
    ssim: float
    low: float
    high: float
    ink_ssim: float
    any_pair: float


@dataclass(frozen=True, eq=False)
class ExemplarComparison:
    """What comparing the sprites of a run with exemplars gave.

    Arguments:
        name: Of the run.
        exemplars: Name of the exemplars.
        options: The choices.
        pairs: All pairs, those of a letter after each other, the best first; lower case, upper
            case, then the others.
        means: By the names of `GROUPS`.
        factor: Sprite pixels for a pixel of the exemplars.
        no_exemplar: Letters with a sprite and no exemplar.
        no_sprite: Letters with an exemplar and no sprite.
        not_seen: Letters with an exemplar whose sprites are empty or too rare.
        nameless: Sprites that stand for no letter or for several.
    """

    name: str
    exemplars: str
    options: ExemplarOptions
    pairs: tuple[Pair, ...]
    means: dict[str, Mean]
    factor: float
    no_exemplar: tuple[str, ...]
    no_sprite: tuple[str, ...]
    not_seen: tuple[str, ...]
    nameless: int

    @property
    def best(self) -> tuple[Pair, ...]:
        """The best pair of every letter."""
        return tuple({pair.letter: pair for pair in reversed(self.pairs)}.values())[::-1]

    @property
    def score(self) -> Mean:
        """What typefaces are ranked by: a-z and A-Z, or all letters where there are none."""
        return self.means[PUBLISHED] if self.means[PUBLISHED].letters else self.means[ALL]

    def as_dict(self) -> dict[str, Any]:
        """Plain nested values for JSON, None for NaN."""
        best = set(map(id, self.best))
        return dict(
            finite(
                {
                    "kind": "exemplar comparison",
                    "run": self.name,
                    "exemplars": self.exemplars,
                    "means": {name: asdict(mean) for name, mean in self.means.items()},
                    "factor": self.factor,
                    "no_exemplar": list(self.no_exemplar),
                    "no_sprite": list(self.no_sprite),
                    "not_seen": list(self.not_seen),
                    "nameless_sprites": self.nameless,
                    "pairs": [pair.numbers() | {"best": id(pair) in best} for pair in self.pairs],
                }
            )
        )

    def summary(self) -> list[str]:
        """Lines for a terminal."""
        rows = [f"{self.name} beside {self.exemplars}"]
        for name, mean in self.means.items():
            if mean.letters:
                rows.append(
                    f"  {name}: SSIM {mean.ssim:.3f} ({mean.low:.3f} to {mean.high:.3f}), "
                    f"where there is ink {mean.ink_ssim:.3f}, {mean.letters} letters"
                )
        worst = sorted(self.best, key=lambda pair: pair.ssim)[:6]
        rows.append("  least alike: " + " ".join(f"{p.letter} {p.ssim:.2f}" for p in worst))
        for what, letters in (
            ("no exemplar of", self.no_exemplar),
            ("no sprite for", self.no_sprite),
            ("sprites never or too rarely seen:", self.not_seen),
        ):
            if letters:
                rows.append(f"  {what} {' '.join(letters)}")
        if self.nameless:
            rows.append(f"  {self.nameless} sprites stand for no letter, or for several")
        return rows


def letter_order(letter: str) -> tuple[int, str]:
    """A key that sorts letters: a-z, A-Z, then the rest."""
    group = 0 if GROUPS["a-z"](letter) else 1 if GROUPS["A-Z"](letter) else 2
    return group, letter


def compare_exemplars(
    learned: LearnedLetters,
    exemplars: Sequence[LetterPicture],
    name: str,
    options: ExemplarOptions | None = None,
) -> ExemplarComparison:
    """Compare sprites with exemplars, letter by letter.

    Arguments:
        learned: The sprites.
        exemplars: Any number for a letter.
        name: What the exemplars are called.
        options: The choices.

    Raises:
        DataError: No letter has both, or an exemplar shows no ink.
    """
    options = options or ExemplarOptions()
    wanted = set(options.letters)
    variants: dict[str, list[LetterPicture]] = defaultdict(list)
    for one in exemplars:
        if not wanted or one.letter in wanted:
            variants[one.letter].append(one)
    sprites: dict[str, list[int]] = defaultdict(list)
    known = set()
    for k, letter in enumerate(learned.letters):
        if letter is None or (wanted and letter not in wanted):
            continue
        known.add(letter)
        if learned.counts[k] >= options.least and learned.sprites[k].max() > FAINT:
            sprites[letter].append(k)
    both = sorted(set(sprites) & set(variants), key=letter_order)
    if not both:
        raise DataError(
            f"{learned.name} and {name}: no letter has both a sprite and an exemplar. The sprites "
            f"stand for {' '.join(sorted(known)) or 'nothing'}, the exemplars for "
            f"{' '.join(sorted(variants)) or 'nothing'}."
        )
    chosen = [(k, one) for letter in both for k in sprites[letter] for one in variants[letter]]
    pairs, factor = measured_pairs(learned, chosen, options)
    order = {letter: place for place, letter in enumerate(both)}
    pairs.sort(key=lambda pair: (order[pair.letter], -pair.ssim))
    return ExemplarComparison(
        name=learned.name,
        exemplars=name,
        options=options,
        pairs=tuple(pairs),
        means={title: _mean(pairs, holds, options) for title, holds in GROUPS.items()},
        factor=factor,
        no_exemplar=tuple(sorted(set(sprites) - set(variants), key=letter_order)),
        no_sprite=tuple(sorted((set(variants) | wanted) - known, key=letter_order)),
        not_seen=tuple(sorted((set(variants) & known) - set(sprites), key=letter_order)),
        nameless=sum(letter is None for letter in learned.letters),
    )


def _mean(pairs: Sequence[Pair], holds: Callable[[str], bool], options: ExemplarOptions) -> Mean:
    by_letter: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if holds(pair.letter):
            by_letter[pair.letter].append(pair)
    if not by_letter:
        return Mean(0, *(float("nan"),) * 5)
    scores = np.array([some[0].ssim for some in by_letter.values()])
    rng = np.random.default_rng(options.seed)
    drawn = scores[rng.integers(0, len(scores), (options.draws, len(scores)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Mean(
        len(scores),
        float(scores.mean()),
        float(low),
        float(high),
        float(np.mean([some[0].ink_ssim for some in by_letter.values()])),
        float(np.mean([np.mean([p.ssim for p in some]) for some in by_letter.values()])),
    )
