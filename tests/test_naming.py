"""Names for sprites: alignments against plain formulas, methods against known mappings."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from typica.errors import ConfigError, DataError
from typica.lines.line import Box
from typica.typewriter.lattice import best_distances, blocks, log_sums
from typica.typewriter.name_search import NameSearch
from typica.typewriter.named_reading import named_reading
from typica.typewriter.naming import Naming, NamingOptions, find_naming, naming_error
from typica.typewriter.reading import LineReading, PlacedGlyph

SPRITES, LETTERS = 4, 3
ROWS = st.lists(
    st.tuples(
        st.lists(st.integers(0, SPRITES - 1), max_size=6),
        st.lists(st.integers(0, LETTERS - 1), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=4,
)


def _plain_distance(costs, row, text):
    table = [[float(i + j) for j in range(len(text) + 1)] for i in range(len(row) + 1)]
    for i, sprite in enumerate(row, 1):
        for j, letter in enumerate(text, 1):
            table[i][j] = min(
                table[i - 1][j - 1] + float(costs[sprite, letter]),
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
            )
    return table[-1][-1]


def _alignments(row, text):
    """Every alignment as the list of its steps: (sprite, letter), None for nothing."""
    if not row and not text:
        yield ()
    if row and text:
        yield from (((row[0], text[0]), *rest) for rest in _alignments(row[1:], text[1:]))
    if row:
        yield from (((row[0], None), *rest) for rest in _alignments(row[1:], text))
    if text:
        yield from (((None, text[0]), *rest) for rest in _alignments(row, text[1:]))


@given(ROWS, st.integers(0, 1000), st.integers(1, 3))
def test_the_soft_edit_distance_is_that_of_the_plain_table(lines, seed, size):
    costs = torch.rand(
        SPRITES, LETTERS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    rows, texts = zip(*lines, strict=True)
    found = torch.cat([best_distances(costs, block) for block in blocks(rows, texts, size)])
    plain = sorted(_plain_distance(costs, row, text) for row, text in lines)
    assert sorted(found.tolist()) == pytest.approx(plain, abs=1e-12)


def test_the_distance_of_hard_names_is_levenshtein():
    costs = 1 - torch.eye(3, dtype=torch.float64)
    (block,) = blocks([[0, 1, 2, 0], [2, 2]], [[0, 2, 0, 1], [0]])
    assert sorted(best_distances(costs, block).tolist()) == [2, 2]


@given(
    st.lists(st.integers(0, 2), max_size=4),
    st.lists(st.integers(0, 1), min_size=1, max_size=3),
    st.integers(0, 1000),
)
def test_sum_and_gradient_are_those_of_all_alignments(row, text, seed):
    generator = torch.Generator().manual_seed(seed)
    both, sprite, letter = (
        torch.randn(size, generator=generator, dtype=torch.float64).requires_grad_()
        for size in ((3, 2), (3,), (2,))
    )
    # a second line of another length must not matter
    (block,) = blocks([row, [0] * 5], [text, [1, 1, 0, 1]])
    place = block.sprite_counts.tolist().index(len(row))
    total = log_sums(both, sprite, letter, block)[place]
    weights, steps = [], []
    for one in _alignments(row, text):
        value = sum(
            (both[s, c] if None not in (s, c) else sprite[s] if c is None else letter[c]).item()
            for s, c in one
        )
        weights.append(math.exp(value))
        steps.append(Counter(one))
    assert float(total.detach()) == pytest.approx(math.log(sum(weights)), abs=1e-9)
    found = torch.autograd.grad(total, (both, sprite, letter))
    for s in range(3):
        for c in range(2):
            mean = sum(w * n[s, c] for w, n in zip(weights, steps, strict=True)) / sum(weights)
            assert float(found[0][s, c]) == pytest.approx(mean, abs=1e-9)
        mean = sum(w * n[s, None] for w, n in zip(weights, steps, strict=True)) / sum(weights)
        assert float(found[1][s]) == pytest.approx(mean, abs=1e-9)


# Letters a to h have two sprites each; w is drawn by two sprites of its own; sprites 18 and 19
# stand for nothing; 20 is never placed.
DRAWN = {letter: ((2 * i,), (2 * i + 1,)) for i, letter in enumerate("abcdefgh")} | {
    "w": ((16, 17),)
}
WORDS = (
    "bad",
    "face",
    "wedge",
    "hag",
    "dew",
    "ebb",
    "caged",
    "few",
    "adage",
    "chew",
    "gawd",
    "beef",
)
COUNT = 21


def _world(lines, noise, seed, drawn=None, words=WORDS, junk=(18, 19)):
    """Sprites and texts of lines, a share of the sprites replaced, dropped or put in."""
    chance, drawn = random.Random(seed), drawn or DRAWN
    rows, texts = [], []
    for _ in range(lines):
        text = "".join(chance.choice(words) for _ in range(7))
        row = []
        for letter in text:
            for sprite in chance.choice(drawn[letter]):
                event = chance.random()
                if event < noise / 3:
                    continue
                row.append(chance.randrange(20) if event < 2 * noise / 3 else sprite)
                if event > 1 - noise / 3:
                    row.append(chance.choice(junk))
        rows.append(tuple(row))
        texts.append(tuple(text))
    return rows, texts


@pytest.mark.parametrize("noise", [0.05, 0.2])
@pytest.mark.parametrize("method", ["em", "soft-edit", "counts"])
def test_every_method_recovers_a_known_mapping(method, noise):
    rows, texts = _world(25, noise, 1)
    naming = find_naming(rows, texts, COUNT, NamingOptions(method, n_grams=1))
    for letter, forms in DRAWN.items():
        if letter != "w":
            assert [naming.names[k] for (k,) in forms] == [(letter,)] * 2
    # of the two halves of w one stands for it, the other for nothing
    assert sorted((naming.names[16], naming.names[17])) == [(), ("w",)]
    assert naming.names[18:] == ((), (), ())
    others = _world(25, noise, 2)
    given_error = naming_error(naming, rows, texts).corpus
    assert abs(naming_error(naming, *others).corpus - given_error) < 0.05
    assert given_error < 1.1 * noise + 0.01


def test_methods_alone_name_what_clean_up_would():
    """EM and the paper's method do not lean on the search that follows them."""
    rows, texts = _world(25, 0.1, 3)
    right = {}
    for method in ("em", "soft-edit", "counts"):
        naming = find_naming(rows, texts, COUNT, NamingOptions(method, 1, "none"))
        right[method] = sum(naming.names[k] == ("abcdefgh"[k // 2],) for k in range(16))
    assert right["em"] == 16
    assert right["soft-edit"] >= 14
    assert right["counts"] >= 5  # by chance 2 of 16


def test_the_papers_clean_up_only_deletes():
    rows, texts = _world(15, 0.1, 4)
    before = find_naming(rows, texts, COUNT, NamingOptions("soft-edit", 1, "none"))
    after = find_naming(rows, texts, COUNT, NamingOptions("soft-edit", 1, "deletions"))
    assert all(b in ((), a) for a, b in zip(before.names, after.names, strict=True))
    assert before.names[18] or before.names[19]  # it has to name everything
    assert after.names[18:] == ((), (), ())
    errors = [naming_error(naming, rows, texts).corpus for naming in (before, after)]
    assert errors[1] < errors[0]


STROKES = {"a": ((0,),), "e": ((1,),), "n": ((2, 3),), "m": ((2, 2, 3),), "u": ((3, 2),)}
STROKES |= {"t": ((4,),), "s": ((5,),)}
STROKE_WORDS = ("man", "team", "nuts", "same", "tune", "menu", "neat", "unseen", "mute", "ant")


def test_letters_made_of_shared_strokes_are_read_by_n_grams():
    rows, texts = _world(15, 0.0, 5, STROKES, STROKE_WORDS)
    single = find_naming(rows, texts, 6, NamingOptions(n_grams=1))
    pairs = find_naming(rows, texts, 6, NamingOptions(n_grams=2))
    triples = find_naming(rows, texts, 6, NamingOptions(n_grams=3))
    errors = [naming_error(one, rows, texts).corpus for one in (single, pairs, triples)]
    assert errors[0] > 0.1
    assert errors[2] < 0.01 < errors[0]
    assert errors[2] <= errors[1] < errors[0]
    assert single.grams == ()
    assert {len(run) for run, _ in pairs.grams} == {2}
    assert naming_error(triples, *_world(30, 0.0, 6, STROKES, STROKE_WORDS)).corpus < 0.02


def test_one_sprite_can_stand_for_two_letters():
    drawn = STROKES | {"n": ((2,),), "m": ((3,),), "u": ((6,),), "q": ((7,),)}
    rows, texts = _world(
        20, 0.0, 7, drawn, ("qat", "mens", "saqe", "tune", "seqs", "tea", "am", "uq")
    )
    texts = [tuple("".join(text).replace("q", "ch")) for text in texts]
    naming = find_naming(rows, texts, 8)
    assert naming.names[7] == ("c", "h")
    assert naming.grams == ()
    assert naming_error(naming, rows, texts).edits == 0


def test_the_price_keeps_a_few_lines_from_being_learned_by_heart():
    rows, texts = _world(6, 0.3, 8)
    others = _world(60, 0.3, 9)
    free, priced = (find_naming(rows, texts, COUNT, NamingOptions(price=p)) for p in (0, 0.5))
    assert len(priced.grams) < len(free.grams)
    assert naming_error(free, rows, texts).edits <= naming_error(priced, rows, texts).edits
    assert naming_error(priced, *others).edits <= naming_error(free, *others).edits


@given(ROWS, st.sampled_from([0.0, 0.5]))
def test_the_search_keeps_its_books_and_never_makes_it_worse(lines, price):
    rows, texts = ([tuple(one) for one in side] for side in zip(*lines, strict=True))
    search = NameSearch(rows, texts, {(k,): (k % LETTERS,) for k in range(SPRITES)}, price)
    costs = [search.cost()]
    for change in (search.rename, lambda: search.join(3), search.delete, search.prune):
        change()
        costs.append(search.cost())
        again = NameSearch(rows, texts, search.rules, price)
        assert search.edits == again.edits
        assert set(search.rules) >= {(k,) for k in range(SPRITES)}
    assert costs == sorted(costs, reverse=True)


def test_lines_without_text_are_left_out_and_nothing_at_all_is_refused():
    rows, texts = _world(10, 0.0, 10)
    with_empty = find_naming([*rows, (18, 18, 0)], [*texts, ()], COUNT)
    assert with_empty == find_naming(rows, texts, COUNT)
    # a line on which nothing is placed is no obstacle
    assert find_naming([*rows, ()], [*texts, ("a",)], COUNT).names[0] == ("a",)
    for rows_, texts_ in (([], []), ([(1, 2)], [()]), ([()], [("a",)])):
        with pytest.raises(DataError, match="transcribed lines"):
            find_naming(rows_, texts_, COUNT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "best"},
        {"n_grams": 0},
        {"n_grams": 4},
        {"clean_up": "all"},
        {"price": -1.0},
        {"steps": 0},
        {"rate": 0.0},
    ],
)
def test_options_that_cannot_work_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        NamingOptions(**wrong)


@pytest.mark.parametrize("run", [(0,), (0, 1, 0, 1), (0, 2), (0, -1)])
def test_a_run_that_cannot_be_is_refused(run):
    with pytest.raises(ConfigError, match="no run"):
        Naming((("a",), ("b",)), ((run, ("c",)),))


def test_the_longest_run_that_fits_is_taken_going_along():
    naming = Naming((("a",), ("b",), ()), (((0, 1), ("x",)), ((0, 1, 0), ("y", "z")), ((1, 1), ())))
    assert naming.read((0, 1, 0, 1)) == ("y", "z", "b")
    assert naming.read((0, 0, 1, 1)) == ("a", "x", "b")
    assert naming.pieces((1, 1, 2, 0)) == [(0, 2, ()), (2, 3, ()), (3, 4, ("a",))]
    assert naming.read(()) == ()
    with pytest.raises(ConfigError, match="two names"):
        Naming((("a",), ("b",)), (((0, 1), ("x",)), ((0, 1), ("y",))))


def _reading(sprites):
    glyphs = tuple(
        PlacedGlyph(f"{k + 1}", k, Box(10 * i, k, 10 * i + 8, 9), 0.5 + k / 100, 1, (0, 0, 0))
        for i, k in enumerate(sprites)
    )
    return LineReading("x", 100, 10, glyphs)


def test_a_named_reading_has_a_glyph_for_every_symbol():
    naming = Naming((("a",), ("c", "h"), (), ("d",)), (((0, 3), ("m",)), ((3, 2, 3), ("s", "t"))))
    reading = named_reading(_reading([0, 1, 2, 0, 3, 3, 2, 3]), naming)
    assert reading.text == "achmst"
    shown = [(g.symbol, g.sprite, g.also, g.placements) for g in reading.glyphs]
    assert shown == [
        ("a", 0, (), 1),
        ("c", 1, (), 1),
        ("h", 1, (), 0),
        ("m", 0, (3,), 2),
        ("s", 3, (), 1),
        ("t", 2, (3,), 2),
    ]
    assert reading.glyphs[1].box == Box(10, 1, 14, 9)
    assert reading.glyphs[2].box == Box(14, 1, 18, 9)
    assert reading.glyphs[3].box == Box(30, 0, 48, 9)
    assert reading.glyphs[3].confidence == 0.5
    assert [(glyph.sprite, glyph.symbol) for glyph in reading.unread] == [(2, "")]


@given(st.lists(st.integers(0, 3), max_size=9))
def test_glyphs_spell_what_the_names_say_and_no_sprite_is_lost(sprites):
    naming = Naming(
        (("a",), ("c", "h", "k"), (), ("d",)),
        (((0, 3), ("x", "y", "z")), ((3, 2, 3), ("s", "t")), ((1, 1), ())),
    )
    reading = named_reading(_reading(sprites), naming)
    assert reading.letters == naming.read(sprites)
    both = (*reading.glyphs, *reading.unread)
    drawn = [k for g in both if g.placements for k in (g.sprite, *g.also)]
    assert sorted(drawn) == sorted(sprites)
    assert sum(g.placements for g in both) == len(sprites)
