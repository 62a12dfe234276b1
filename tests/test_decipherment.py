"""Names from a language alone: sums and costs against plain formulas, known mappings recovered."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import ConfigError, DataError
from typica.lines.language import learn_language
from typica.lines.line import Box
from typica.typewriter.decipherment import (
    DeciphermentOptions,
    decipher,
    decipher_readings,
    rows_of,
    space_gap_of,
)
from typica.typewriter.language_search import LanguageSearch
from typica.typewriter.letter_chain import Chain, expected, learn_chain, stacked
from typica.typewriter.naming import naming_error
from typica.typewriter.reading import LineReading, PlacedGlyph

ROWS = st.lists(st.lists(st.integers(0, 2), max_size=4), min_size=1, max_size=3).filter(any)


def _chance_table(generator, *shape):
    table = generator.random(shape) + 0.05
    return table / table.sum(-1, keepdims=True)


@given(ROWS, st.integers(0, 1000))
def test_expectations_are_those_of_all_letter_rows(rows, seed):
    generator = np.random.default_rng(seed)
    chain = Chain(
        _chance_table(generator, 2), _chance_table(generator, 2, 2), _chance_table(generator, 2, 3)
    )
    likelihood, behind = 0.0, np.zeros((2, 3))
    for row in filter(None, rows):
        weights, counts = [], []
        for letters in itertools.product(range(2), repeat=len(row)):
            weight = chain.first[letters[0]]
            for a, b in itertools.pairwise(letters):
                weight *= chain.follows[a, b]
            count = np.zeros((2, 3))
            for letter, sprite in zip(letters, row, strict=True):
                weight *= chain.draws[letter, sprite]
                count[letter, sprite] += 1
            weights.append(weight)
            counts.append(count)
        likelihood += math.log(sum(weights))
        behind += sum(w * c for w, c in zip(weights, counts, strict=True)) / sum(weights)
    found, counted = expected(chain, stacked(rows))
    assert found == pytest.approx(likelihood, rel=1e-9)
    np.testing.assert_allclose(counted, behind, atol=1e-9)


def test_learning_never_makes_the_rows_less_likely_and_keeps_to_what_is_possible():
    generator = np.random.default_rng(0)
    rows = stacked(generator.integers(0, 5, (30, 12)).tolist())
    first, follows = _chance_table(generator, 3), _chance_table(generator, 3, 3)
    possible = np.ones((3, 5), bool)
    possible[0, 1:] = False
    possible[1:, 0] = False
    found = [
        learn_chain(rows, first, follows, possible, steps, 4, prior=0, enough=-1)
        for steps in (1, 2, 5, 20)
    ]
    likelihoods = [likelihood for likelihood, _ in found]
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[0] < likelihoods[-1]
    behind = found[-1][1]
    assert behind[~possible].sum() == 0
    np.testing.assert_allclose(behind.sum(0), np.bincount(rows.sprites[rows.valid]), atol=1e-6)
    again = learn_chain(rows, first, follows, possible, 20, 4, prior=0, enough=-1)
    np.testing.assert_array_equal(again[1], behind)


LANGUAGE = learn_language([tuple("abba cab"), tuple("bca ab")], 3)
NAMES = st.lists(st.lists(st.integers(1, 3), max_size=2).map(tuple), min_size=3, max_size=3)


def _plain_cost(rows, names, one, more):
    """The cost by its formula, every line read anew."""
    text = sum(
        LANGUAGE.bits(tuple(LANGUAGE.symbols[c] for k in row for c in names[k]))
        + LANGUAGE.log_p[_end(row, names), LANGUAGE.numbers[" "]] / math.log(2)
        for row in rows
        if row
    )
    placed = Counter(k for row in rows for k in row)
    together = Counter()
    for k, times in placed.items():
        together[names[k]] += times
    total = sum(placed.values())
    idle = together[()]
    which = sum(n * math.log2(together[names[k]] / n) for k, n in placed.items())
    whether = -sum(n * math.log2(n / total) for n in (idle, total - idle) if n)
    held = sum(n * (one + more * (len(names[k]) - 1)) for k, n in placed.items() if names[k])
    written = sum(len(names[k]) * math.log2(len(LANGUAGE.symbols)) for k in placed)
    return text + which + whether + held + written


def _end(row, names):
    state = LANGUAGE.start
    for k in row:
        for code in names[k]:
            state = int(LANGUAGE.after[state, code])
    return state


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), max_size=7), min_size=1, max_size=4).filter(any),
    NAMES,
    st.lists(st.integers(1, 3), max_size=2).map(tuple),
    st.integers(0, 2),
)
def test_costs_and_what_another_name_changes_are_by_the_formula(rows, names, other, sprite):
    search = LanguageSearch(rows, LANGUAGE, names, 1.5, 3)
    before = _plain_cost(rows, names, 1.5, 3)
    assert search.cost() == pytest.approx(before, abs=1e-3)
    if not search.placed[sprite]:
        return
    changed = [other if k == sprite else name for k, name in enumerate(names)]
    after = _plain_cost(rows, changed, 1.5, 3)
    assert search.best(sprite, [(), other])[1] == pytest.approx(after - before, abs=1e-3)
    search.set(sprite, other)
    assert search.cost() == pytest.approx(after, abs=1e-3)
    assert search.read() == [tuple(c for k in row for c in changed[k]) for row in rows if row]


def _words(seed, count=250):
    """Made-up words with the regularity of a language: vowels and consonants take turns."""
    chance = random.Random(seed)
    starts = ["st", "d", "ch", "g", "b", "l", "m", "n", "r", "s", "t", "w", "k", "f"]
    middles, ends = ["a", "e", "i", "o", "u", "ei"], ["", "", "n", "r", "s", "ch"]
    return [
        "".join(
            chance.choices(starts, range(14, 0, -1))[0]
            + chance.choices(middles, range(7, 1, -1))[0]
            + chance.choice(ends)
            for _ in range(chance.choice((1, 2, 2, 3)))
        )
        for _ in range(count)
    ]


WORDS = _words(0)
LETTERS = sorted(set("".join(WORDS)))
# every second letter has two sprites, two pairs of letters are one sprite
DRAWN = {}
for _letter in LETTERS:
    _next = sum(map(len, DRAWN.values()))
    DRAWN[_letter] = [_next, _next + 1] if LETTERS.index(_letter) % 2 else [_next]
PLAIN = sum(map(len, DRAWN.values()))
DRAWN |= {"ch": [PLAIN], "st": [PLAIN + 1]}
STRAY = PLAIN + 2
COUNT = PLAIN + 4  # the last is never placed


def _line(chance):
    text = " ".join(WORDS[int(len(WORDS) ** chance.random()) - 1] for _ in range(6))
    row, at = [], 0
    while at < len(text):
        if text[at] == " ":
            row.append(None)
            at += 1
            continue
        size = 2 if text[at : at + 2] in DRAWN else 1
        row.append(chance.choice(DRAWN[text[at : at + size]]))
        if chance.random() < 0.03:
            row.append(STRAY)
        at += size
    return row, tuple(text)


def _world(lines, seed):
    chance = random.Random(seed)
    return zip(*(_line(chance) for _ in range(lines)), strict=True)


OPTIONS = DeciphermentOptions(order=3, starts=2, steps=25, pairs=60)


@pytest.fixture(scope="module")
def world():
    """Rows and their texts, other text in the language, and what was found."""
    rows, truth = _world(80, 1)
    _, text = _world(100, 2)
    return rows, truth, text, decipher(rows, text, COUNT, OPTIONS)


def test_a_known_mapping_is_recovered_without_one_transcribed_line(world):
    rows, truth, _, found = world
    wanted = {k: tuple(letters) for letters, forms in DRAWN.items() for k in forms}
    placed = Counter(k for row in rows for k in row if k is not None)
    often = [k for k in wanted if placed[k] > 10]
    assert len(often) > 0.7 * len(wanted)
    assert [found.naming.names[k] for k in often] == [wanted[k] for k in often]
    assert found.naming.names[PLAIN : PLAIN + 4] == (("c", "h"), ("s", "t"), (), ())
    assert found.margins[COUNT - 1] == 0
    assert min(found.margins[k] for k in often) > 0.5
    letters = [tuple(s for s in line if s != " ") for line in truth]
    others = [[k for k in row if k is not None] for row in rows]
    assert naming_error(found.naming, others, letters).corpus < 0.02


def test_the_search_names_what_the_chain_cannot(world):
    rows, _, text, found = world
    options = DeciphermentOptions(order=3, starts=2, steps=25, sweeps=0)
    chain = decipher(rows, text, COUNT, options)
    assert all(len(name) <= 1 for name in chain.naming.names)
    assert chain.naming.names[STRAY] != ()
    assert found.bits < chain.bits
    assert decipher(rows, text, COUNT, options) == chain


def test_letters_without_word_spaces_are_read_by_a_language_without():
    rows = [[0, 1, 0], [1, None, 0]]
    found = decipher(rows, [tuple("abab")], 2, DeciphermentOptions(order=2, starts=1))
    assert all(" " not in name for name in found.naming.names)


def test_without_text_or_placements_it_says_so():
    with pytest.raises(DataError, match="no text"):
        decipher([[0]], [], 1)
    with pytest.raises(DataError, match="nothing is placed"):
        decipher([[], [None]], [tuple("ab")], 1)


@pytest.mark.parametrize(
    "wrong", [{"order": 1}, {"starts": 0}, {"lines": 0}, {"more": -1}, {"pairs": -1}]
)
def test_options_say_what_is_wrong_with_them(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        DeciphermentOptions(**wrong)


def _reading(row, gaps):
    glyphs, left = [], 0.0
    for sprite, gap in zip(row, gaps, strict=True):
        left += gap
        glyphs.append(
            PlacedGlyph(str(sprite), sprite, Box(left, 0, left + 8, 20), 1.0, 1.0, (0, 0, 0))
        )
        left += 8
    return LineReading("line", int(left), 20, tuple(glyphs))


def test_word_spaces_are_as_frequent_as_in_the_text():
    reading = _reading(range(8), [0, 1, 1, 9, 2, 1, 7, 1])
    # of 12 letters 3 stand before a space: of 8 sprites 2 do
    text = [tuple("abc ab"), tuple("abc ab ab")]
    gap = space_gap_of([reading], text)
    assert 2 / 20 < gap < 7 / 20
    assert rows_of([reading], gap) == [[0, 1, 2, None, 3, 4, 5, None, 6, 7]]
    assert rows_of([reading], None) == [[*range(8)]]
    assert space_gap_of([reading], [tuple("abab")]) is None
    assert space_gap_of([], text) is None


def test_readings_are_named_with_their_spaces():
    chance = random.Random(5)
    rows, _ = _world(30, 1)
    _, text = _world(30, 2)
    readings = []
    for row in rows:
        sprites = [k for k in row if k is not None]
        gaps, after = [], False
        for k in row:
            if k is None:
                after = True
                continue
            gaps.append(chance.uniform(6, 9) if after else chance.uniform(0, 3))
            after = False
        readings.append(_reading(sprites, gaps))
    options = DeciphermentOptions(order=2, starts=1, steps=5, sweeps=0)
    found = decipher_readings(readings, text, COUNT, options)
    assert 3 / 20 < found.space_gap < 7 / 20
    assert found.naming == decipher(rows_of(readings, found.space_gap), text, COUNT, options).naming
    missed = sum(map(len, rows)) - sum(map(len, rows_of(readings, found.space_gap)))
    assert 0 <= missed < 0.2 * sum(k is None for row in rows for k in row)
