"""Error rates, intervals, confusions, placements and localisation against slow plain formulas."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import DataError
from typica.lines.line import Box, Glyph, Line
from typica.typewriter.edits import (
    bootstrap_interval,
    character_error_rate,
    count_confusions,
    count_edits,
    edit_operations,
)
from typica.typewriter.evaluation import evaluate_readings
from typica.typewriter.localisation import (
    box_overlaps,
    glyph_localisation,
    match_glyphs,
    placements_per_character,
)
from typica.typewriter.reading import LineReading, PlacedGlyph

# Symbols of one and of several code points, private use and a letter with a combining mark.
SYMBOLS = st.sampled_from(["a", "b", "ch", "e\u0303", "\ue001", "\U00010330"])
TEXTS = st.lists(SYMBOLS, max_size=9).map(tuple)


def slow_distance(truth, read):
    """Edit distance by the recurrence over all prefixes."""
    row = list(range(len(read) + 1))
    for i, left in enumerate(truth, 1):
        new = [i]
        for j, right in enumerate(read, 1):
            new.append(min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (left != right)))
        row = new
    return row[-1]


def placed(symbol, box=(0, 0, 1, 1), space=False, placements=1):
    return PlacedGlyph(
        symbol, 0, Box(*box), 0.9, 1.0, (0.0, 0.0, 0.0), space_before=space, placements=placements
    )


def reading(name, text, reconstruction=None, boxes=None):
    glyphs, space = [], False
    for symbol in text:
        if symbol == " ":
            space = True
            continue
        box = boxes[len(glyphs)] if boxes else (0, 0, 1, 1)
        glyphs.append(placed(symbol, box, space))
        space = False
    return LineReading(name, 100, 10, tuple(glyphs), reconstruction)


def line(name, text, split="test", document="", glyphs=()):
    symbols = None if text is None else tuple(text)
    return Line(name, Path(f"{name}.png"), symbols, split, document, glyphs=tuple(glyphs))


@given(TEXTS, TEXTS)
def test_edit_operations_are_an_alignment_with_the_fewest_edits(truth, read):
    pairs = edit_operations(truth, read)
    assert tuple(t for t, _ in pairs if t is not None) == truth
    assert tuple(r for _, r in pairs if r is not None) == read
    assert (None, None) not in pairs
    assert count_edits(pairs) == slow_distance(truth, read)


@given(st.lists(st.tuples(TEXTS.filter(bool), TEXTS), min_size=1, max_size=6))
def test_error_rate_of_corpus_and_mean_over_lines(texts):
    rate = character_error_rate(edit_operations(*text) for text in texts)
    distances = [slow_distance(*text) for text in texts]
    lengths = [len(truth) for truth, _ in texts]
    assert rate.corpus == pytest.approx(sum(distances) / sum(lengths))
    assert rate.line_mean == pytest.approx(
        np.mean([d / n for d, n in zip(distances, lengths, strict=True)])
    )
    assert (rate.edits, rate.symbols) == (sum(distances), sum(lengths))


def test_error_rate_of_empty_lines():
    rate = character_error_rate([edit_operations("ab", ""), edit_operations("", "x")])
    assert (rate.corpus, rate.line_mean) == (1.5, 1.0)
    with pytest.raises(DataError, match="true symbols"):
        character_error_rate([edit_operations("", "x")])


def test_confusions_are_counted_and_ordered():
    pairs = [
        edit_operations("abab", "acac"),
        edit_operations("ab", "b"),
        edit_operations("a", "ax"),
    ]
    confusions = count_confusions(pairs)
    assert [(one.truth, one.read, one.count, one.kind) for one in confusions] == [
        ("b", "c", 2, "substitution"),
        (None, "x", 1, "insertion"),
        ("a", None, 1, "deletion"),
    ]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_confusions_hold_every_edit_once(texts):
    pairs = [edit_operations(*text) for text in texts]
    expected = Counter((t, r) for one in pairs for t, r in one if t != r)
    found = count_confusions(pairs)
    assert {(one.truth, one.read): one.count for one in found} == expected
    counts = [one.count for one in found]
    assert counts == sorted(counts, reverse=True)


def test_interval_of_equal_lines_is_a_point_and_repeats_with_the_seed():
    assert bootstrap_interval([1, 1, 1], [4, 4, 4]) == (0.25, 0.25)
    edits, lengths = list(range(30)), list(range(40, 100, 2))
    first = bootstrap_interval(edits, lengths, seed=3)
    assert first == bootstrap_interval(np.array(edits), np.array(lengths), seed=3)
    assert first != bootstrap_interval(edits, lengths, seed=4)


def test_interval_agrees_with_all_resamples():
    edits, lengths = np.array([0, 1, 5, 2]), np.array([9, 6, 10, 8])
    chosen = np.array(list(itertools.product(range(4), repeat=4)))
    rates = edits[chosen].sum(axis=1) / lengths[chosen].sum(axis=1)
    low, high = bootstrap_interval(edits, lengths, level=0.8, draws=20_000)
    assert low == pytest.approx(np.quantile(rates, 0.1), abs=0.01)
    assert high == pytest.approx(np.quantile(rates, 0.9), abs=0.01)
    assert low < edits.sum() / lengths.sum() < high


def test_interval_covers_a_known_rate_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    lengths = np.full(60, 30)
    hits = 0
    for seed in range(200):
        low, high = bootstrap_interval(random.binomial(lengths, 0.1), lengths, 0.9, 300, seed)
        hits += low <= 0.1 <= high
    assert 0.82 <= hits / 200 <= 0.97


def test_interval_does_not_depend_on_the_blocks(monkeypatch):
    edits, lengths = list(range(50)), [60] * 50
    whole = bootstrap_interval(edits, lengths)
    monkeypatch.setattr("typica.typewriter.edits._BLOCK", 170)
    assert bootstrap_interval(edits, lengths) == whole


@pytest.mark.parametrize(
    ("edits", "lengths", "options"),
    [
        ([], [], {}),
        ([1], [0], {}),
        ([1, 2], [3], {}),
        ([1], [3], {"level": 1.0}),
        ([1], [3], {"draws": 0}),
    ],
)
def test_interval_refuses_what_has_none(edits, lengths, options):
    with pytest.raises(DataError):
        bootstrap_interval(edits, lengths, **options)


def test_placements_see_double_placements():
    truth = [tuple("wind")]
    found = placements_per_character(truth, [[placed(s) for s in "wwind"]])
    assert found.corpus == 5 / 4
    assert found.per_symbol[0] == ("w", 2.0)
    assert dict(found.per_symbol) == {"w": 2.0, "i": 1.0, "n": 1.0, "d": 1.0}
    merged = [placed("w", placements=2), placed("i"), placed("n"), placed("d")]
    assert placements_per_character(truth, [merged]) == found


def test_placements_of_errors():
    # b lost, d taken for x (still one placement for d), y made up beside nothing equal.
    found = placements_per_character([tuple("abcde")], [[placed(s) for s in "acxey"]])
    assert (found.placed, found.letters, found.corpus) == (5, 5, 1.0)
    assert dict(found.per_symbol) == {"a": 1.0, "b": 0.0, "c": 1.0, "d": 1.0, "e": 1.0}
    assert found.per_symbol[0] == ("b", 0.0)
    with pytest.raises(DataError):
        placements_per_character([()], [[placed("a")]])


@given(st.lists(st.tuples(TEXTS.filter(bool), TEXTS), min_size=1, max_size=5))
def test_placements_add_up(texts):
    found = placements_per_character(
        [truth for truth, _ in texts], [[placed(s) for s in read] for _, read in texts]
    )
    wanted = Counter(s for truth, _ in texts for s in truth)
    owned = sum(ratio * wanted[symbol] for symbol, ratio in found.per_symbol)
    assert found.placed == sum(len(read) for _, read in texts)
    assert found.corpus == found.placed / sum(wanted.values())
    # Every placement belongs to at most one letter, and all but the made-up ones to one.
    inserted = sum(t is None for text in texts for t, _ in edit_operations(*text))
    assert found.placed - inserted - 1e-9 <= owned <= found.placed + 1e-9


COORDINATE = st.integers(0, 12)
BOXES = st.tuples(COORDINATE, COORDINATE, st.integers(0, 6), st.integers(0, 6)).map(
    lambda b: Box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)
MARKS = st.lists(st.tuples(st.sampled_from("ab"), BOXES), max_size=4)


@given(st.lists(BOXES, max_size=5), st.lists(BOXES, max_size=5))
def test_overlaps_equal_those_of_the_boxes(left, right):
    overlaps = box_overlaps(left, right)
    assert overlaps.shape == (len(left), len(right))
    for i, j in itertools.product(range(len(left)), range(len(right))):
        assert overlaps[i, j] == pytest.approx(left[i].intersection_over_union(right[j]))


def best_by_trial(truth, guesses, threshold, same):
    """The most pairs above the threshold, then the largest sum, over all matchings."""
    size = max(len(truth), len(guesses))
    best = (0, 0.0)
    for order in itertools.permutations(range(size)):
        values = []
        for i, j in enumerate(order):
            if i < len(truth) and j < len(guesses):
                equal = truth[i].symbol == guesses[j].symbol or not same
                values.append(equal * truth[i].box.intersection_over_union(guesses[j].box))
        score = (sum(v > threshold for v in values), sum(values))
        best = max(best, score)
    return best


@settings(max_examples=80)
@given(MARKS, MARKS, st.sampled_from([0.0, 0.3, 0.5]), st.booleans())
def test_matching_is_the_best_of_all(true_marks, read_marks, threshold, same):
    truth = [Glyph(symbol, box) for symbol, box in true_marks]
    guesses = [PlacedGlyph(symbol, 0, box, 1.0, 1.0, (0.0, 0.0, 0.0)) for symbol, box in read_marks]
    pairs = match_glyphs(truth, guesses, threshold, same)
    assert len({i for i, _, _ in pairs}) == len({j for _, j, _ in pairs}) == len(pairs)
    for i, j, overlap in pairs:
        assert overlap == pytest.approx(truth[i].box.intersection_over_union(guesses[j].box))
        assert not same or truth[i].symbol == guesses[j].symbol
    count, total = best_by_trial(truth, guesses, threshold, same)
    assert sum(overlap > threshold for _, _, overlap in pairs) == count
    assert sum(overlap for _, _, overlap in pairs) == pytest.approx(total)


def test_more_good_pairs_come_before_a_larger_sum():
    # One pair of overlap 0.9, or two of 4/9 and 0.45, which together are less.
    truth = [Glyph("a", Box(0, 0, 9, 1)), Glyph("a", Box(5.5, 0, 10, 1))]
    guesses = [placed("a", (0, 0, 10, 1)), placed("a", (0, 0, 4, 1))]
    pairs = match_glyphs(truth, guesses, threshold=0.4)
    assert [(i, j) for i, j, _ in pairs] == [(0, 1), (1, 0)]
    pairs = match_glyphs(truth, guesses, threshold=0.5)
    assert [(i, j) for i, j, _ in pairs] == [(0, 0)]


def test_localisation_counts_found_wrong_missed_and_spurious():
    truth = [
        Glyph("a", Box(0, 0, 10, 10)),
        Glyph("b", Box(10, 0, 20, 10)),
        Glyph(" ", Box(20, 0, 25, 10)),
        Glyph("a", Box(30, 0, 40, 10)),
    ]
    guesses = [
        placed("a", (0, 0, 10, 8)),  # found, overlap 0.8
        placed("c", (10, 0, 20, 10)),  # right place, wrong symbol
        placed("a", (35, 0, 45, 10)),  # right symbol, overlap one third
    ]
    found = glyph_localisation([truth, []], [guesses, [placed("a")]])
    assert (found.glyphs, found.placed) == (3, 4)
    assert found.found == pytest.approx(1 / 3)
    assert found.found_any_symbol == pytest.approx(2 / 3)
    assert found.mean_iou == pytest.approx((0.8 + 1 / 3) / 3)
    assert found.spurious == pytest.approx(3 / 4)
    assert found.per_symbol == (("b", 0.0, 1), ("a", 0.5, 2))
    assert glyph_localisation([truth], [guesses], threshold=0.3).found == pytest.approx(2 / 3)
    assert glyph_localisation([truth], [[]]).found == 0.0
    with pytest.raises(DataError, match="rendered"):
        glyph_localisation([[]], [guesses])


def test_a_double_placement_is_found_once():
    truth = [Glyph("m", Box(0, 0, 10, 10))]
    guesses = [placed("m", (0, 0, 9, 10)), placed("m", (0, 0, 10, 10))]
    found = glyph_localisation([truth], [guesses])
    assert (found.found, found.mean_iou, found.spurious) == (1.0, 1.0, 0.5)


def test_evaluation_of_a_small_collection():
    lines = [
        line("1", "ab ab", document="book"),
        line("2", "abc", document="book"),
        line("3", "x", document="letter"),
        line("4", None, document="letter"),
        line("5", "abc", document="letter"),
        line("6", "ab", split="train"),
    ]
    readings = [
        reading("2", "abd", 0.3),
        reading("1", "abab", 0.1),
        reading("3", "", None),
        reading("4", "zzz", 0.5),
        reading("6", "zz", 9.0),
    ]
    result = evaluate_readings(lines, readings, "test")
    assert result.cer == 2 / 8
    assert result.cer_low <= result.cer <= result.cer_high
    assert result.cer_line_mean == pytest.approx((0 + 1 / 3 + 1) / 3)
    assert result.cer_with_spaces == 3 / 9
    assert result.reconstruction == pytest.approx(0.3)
    assert (result.without_text, result.without_reading) == (1, ("5",))
    assert [(d.document, d.lines, d.cer) for d in result.documents] == [
        ("book", 2, 1 / 7),
        ("letter", 1, 1.0),
    ]
    assert [one.line for one in result.worst_lines()] == ["3", "2"]
    assert result.localisation is None
    assert result.placements.corpus == 7 / 8
    assert evaluate_readings(lines, readings, "all").cer == 4 / 10


def test_evaluation_as_json():
    box = (0, 0, 5, 5)
    lines = [line("1", "ab", glyphs=[Glyph("a", Box(*box)), Glyph("b", Box(5, 0, 9, 5))])]
    result = evaluate_readings(lines, [reading("1", "ac", boxes=[box, (5, 0, 9, 5)])], "test")
    values = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert values["localisation"]["found"] == 0.5
    assert values["localisation"]["found_any_symbol"] == 1.0
    assert values["reconstruction"] is None
    assert (values["lines"], values["symbols"], values["substitutions"]) == (1, 2, 1)
    assert values["confusions"] == [{"truth": "b", "read": "c", "count": 1, "kind": "substitution"}]
    assert values["placements_per_character"] == 1.0
    assert values["worst_lines"][0]["truth"] == "ab"
    assert values["documents"][0]["cer"] == values["cer"] == 0.5
    assert {"cer_low", "cer_high", "cer_line_mean", "cer_with_spaces"} <= values.keys()


def test_evaluation_cuts_long_lists():
    lines = [line(str(i), "ab") for i in range(9)]
    result = evaluate_readings(lines, [reading(str(i), "a" + "cdefghijk"[i]) for i in range(9)])
    values = result.as_dict(confusions=4, worst=3)
    assert (len(values["confusions"]), len(values["worst_lines"])) == (4, 3)
    assert values["substitutions"] == 9


@pytest.mark.parametrize(
    ("lines", "readings", "message"),
    [
        ([], [], "nothing to score"),
        ([line("1", None)], [reading("1", "a")], "nothing to score"),
        ([line("1", " ")], [reading("1", "a")], "nothing to score"),
        ([line("1", "a")], [], "nothing to score"),
        ([line("1", "a", split="train")], [reading("1", "a")], "nothing to score"),
        ([line("1", "a")], [reading("2", "a")], "belongs to no line"),
        ([line("1", "a")], [reading("1", "a"), reading("1", "a")], "two readings"),
    ],
)
def test_evaluation_refuses_what_cannot_be_scored(lines, readings, message):
    with pytest.raises(DataError, match=message):
        evaluate_readings(lines, readings, "test")
