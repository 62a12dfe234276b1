"""Better names by trying: the edit distance of the lines, and a price for every rule.

A rule says that some sprites in a row (one, or an n-gram) stand for some letters. What is lowered
is the number of edits between texts and readings plus the price of the rules that are longer than
one sprite for one letter, so that rules which only fit these few lines do not pay.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rapidfuzz.distance import Levenshtein

__all__ = ["MOST_SPRITES", "NameSearch", "cut", "starts_of"]

Run = tuple[int, ...]
"""Sprites in a row, one or more."""
Letters = tuple[int, ...]
"""What a run stands for."""

MOST_SPRITES = 3
"""How many sprites in a row can have a name of their own."""
_MOST_LETTERS = 3
"""How many letters a run can stand for."""
_TRIED = 3
"""How many of the names that lie under a run are tried, the most frequent first."""
_SWEEPS = 4
"""Passes over all rules at most; fewer if one changes nothing."""
_LEAST = 2
"""A run that occurs less often than this gets no name of its own."""


def starts_of(runs: Iterable[Run]) -> dict[int, list[Run]]:
    """The runs of several sprites by their first sprite, the longest first."""
    starts: dict[int, list[Run]] = {}
    for run in sorted(runs, key=len, reverse=True):
        if len(run) > 1:
            starts.setdefault(run[0], []).append(run)
    return starts


def cut(sprites: Run, starts: Mapping[int, Sequence[Run]]) -> Iterator[Run]:
    """Cut a row of sprites into runs: going along, the longest that fits, or else one sprite.

    Arguments:
        sprites: The row.
        starts: The runs of several sprites, from `starts_of`.

    Yields:
        The runs in order; together they are the row.
    """
    place, end = 0, len(sprites)
    while place < end:
        for run in starts.get(sprites[place], ()):
            if sprites[place : place + len(run)] == run:
                break
        else:
            run = (sprites[place],)
        yield run
        place += len(run)


class NameSearch:
    """Rules for some lines, changed step by step.

    Arguments:
        sprites: The sprites of each line.
        texts: The letters of each line.
        rules: What every single sprite stands for, and perhaps runs of sprites; changed.
        price: Edits that each sprite and each letter of a longer rule costs.
    """

    def __init__(
        self,
        sprites: Sequence[Run],
        texts: Sequence[Letters],
        rules: Mapping[Run, Letters],
        price: float,
    ) -> None:
        self.sprites, self.texts, self.price = sprites, texts, price
        self.rules = dict(rules)
        self._starts = starts_of(self.rules)
        self._where: dict[Run, set[int]] = defaultdict(set)
        self._count: Counter[Run] = Counter()
        for line, row in enumerate(sprites):
            for size in range(1, MOST_SPRITES + 1):
                for start in range(len(row) - size + 1):
                    self._where[row[start : start + size]].add(line)
                    self._count[row[start : start + size]] += 1
        self._pieces = [self._cut(line) for line in range(len(sprites))]
        self.edits = [self._distance(line) for line in range(len(sprites))]

    def cost(self) -> float:
        """Edits plus the price of the rules."""
        prices = (self._price(run, letters) for run, letters in self.rules.items())
        return sum(self.edits) + sum(prices)

    def delete(self) -> None:
        """Leave single sprites without a letter unless that costs edits, the rarest first."""
        for run in self._singles():
            self._best(run, [()])

    def rename(self) -> None:
        """Give single sprites the letters that lie under them, or none, if that saves edits."""
        for _ in range(_SWEEPS):
            under = self._under(1)
            changed = [self._best(run, [(), *under.get(run, ())]) for run in self._singles()]
            if not any(changed):
                break

    def join(self, longest: int) -> None:
        """Give runs of 2 to `longest` sprites a name of their own, the most useful first."""
        for _ in range(_SWEEPS):
            found = [
                (self._gain(run, letters), run, letters)
                for run, some in self._under(longest).items()
                if len(run) > 1 and self._count[run] >= _LEAST
                for letters in some
                if not self._idle(run, letters)
            ]
            found = sorted((one for one in found if one[0] > 0), key=lambda one: (-one[0], one[1:]))
            if not found:
                break
            for _, run, letters in found:  # an earlier one may have taken its gain away
                if self._gain(run, letters) > 0:
                    self._set(run, letters)

    def prune(self) -> None:
        """Take back the rules for runs of sprites that no longer pay."""
        for run in sorted((run for run in self.rules if len(run) > 1), key=self._count.__getitem__):
            if self._gain(run, None) >= 0:
                self._set(run, None)

    def _singles(self) -> list[Run]:
        """The single sprites that were placed, the rarest first."""
        return sorted(
            (run for run in self.rules if len(run) == 1 and self._count[run]),
            key=lambda run: (self._count[run], run),
        )

    def _idle(self, run: Run, letters: Letters) -> bool:
        """Whether a rule would change nothing: its sprites are cut and read like that already."""
        if run in self.rules:
            return self.rules[run] == letters
        alone = tuple(letter for sprite in run for letter in self.rules[(sprite,)])
        return alone == letters and not any(self._starts.get(sprite) for sprite in run[1:])

    def _price(self, run: Run, letters: Letters | None) -> float:
        if letters is None or (len(run) == 1 and len(letters) <= 1):
            return 0.0
        return self.price * (len(run) + len(letters))

    def _cut(self, line: int) -> list[Run]:
        return list(cut(self.sprites[line], self._starts))

    def _distance(self, line: int, pieces: Sequence[Run] | None = None) -> int:
        """Edits of a line, cut as it was (the lasting state), or into other pieces."""
        rules = self.rules
        read = [c for run in (pieces or self._pieces[line]) for c in rules[run]]
        return int(Levenshtein.distance(read, self.texts[line]))

    def _set(self, run: Run, letters: Letters | None) -> None:
        """Change a rule (None takes it away) and count the edits of its lines again."""
        self._put(run, letters)
        for line in self._where[run]:
            self._pieces[line] = self._cut(line)
            self.edits[line] = self._distance(line)

    def _put(self, run: Run, letters: Letters | None) -> None:
        if letters is None:
            self.rules.pop(run, None)
        else:
            self.rules[run] = letters
        if len(run) > 1:
            others = [one for one in self._starts.get(run[0], ()) if one != run]
            kept = others if letters is None else [*others, run]
            self._starts[run[0]] = sorted(kept, key=len, reverse=True)

    def _gain(self, run: Run, letters: Letters | None) -> float:
        """By how much another rule for a run of sprites lowers the cost."""
        before = self.rules.get(run)
        recut = before is None or letters is None
        self._put(run, letters)
        saved = sum(
            self.edits[line] - self._distance(line, self._cut(line) if recut else None)
            for line in self._where[run]
        )
        self._put(run, before)
        return saved + self._price(run, before) - self._price(run, letters)

    def _best(self, run: Run, tried: Sequence[Letters]) -> bool:
        """Take the letters with the lowest cost; where two are as good, none or the fewest."""
        now = self.rules[run]
        gain, _, letters = max(
            (self._gain(run, one), -len(one), one) for one in dict.fromkeys([now, *tried])
        )
        better = gain > 0 or len(letters) < len(now)
        if better and letters != now:
            self._set(run, letters)
            return True
        return False

    def _under(self, longest: int) -> dict[Run, list[Letters]]:
        """The letters that most often lie under a run of up to `longest` sprites."""
        seen: dict[Run, Counter[Letters]] = defaultdict(Counter)
        for line, row in enumerate(self.sprites):
            text = self.texts[line]
            places = self._places(line)
            for start, first in places.items():
                for size in range(1, longest + 1):
                    last = places.get(start + size)
                    if last is None:
                        continue
                    for letters in {text[a:b] for a in first for b in last if a <= b}:
                        if len(letters) <= _MOST_LETTERS:
                            seen[row[start : start + size]][letters] += 1
        return {
            run: [one for one, _ in sorted(some.items(), key=lambda c: (-c[1], c[0]))[:_TRIED]]
            for run, some in seen.items()
        }

    def _places(self, line: int) -> dict[int, set[int]]:
        """Where in the text a cut between two pieces falls: the first and the last letter it may.

        Letters that no sprite stands for may belong to the left or to the right of the cut.
        """
        text = self.texts[line]
        read: list[int] = []
        cuts, place = {0: 0}, 0
        for run in self._pieces[line]:
            read += self.rules[run]
            place += len(run)
            cuts[place] = len(read)
        matched: dict[int, int] = {}
        for step in Levenshtein.opcodes(read, text):
            if step.tag in ("equal", "replace"):
                matched.update(
                    zip(
                        range(step.src_start, step.src_end),
                        range(step.dest_start, step.dest_end),
                        strict=True,
                    )
                )
        after = [0] * (len(read) + 1)
        before = [len(text)] * (len(read) + 1)
        for i in range(len(read)):
            after[i + 1] = matched[i] + 1 if i in matched else after[i]
        for i in range(len(read) - 1, -1, -1):
            before[i] = matched.get(i, before[i + 1])
        return {place: {after[at], before[at]} for place, at in cuts.items()}
