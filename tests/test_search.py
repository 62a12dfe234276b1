"""Reading a line: the search against brute force over all alignments."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.typewriter.alignment import one_to_one_loss
from typica.typewriter.search import best_alignment, best_text, merge_doubles, place_text


def _random(seed, positions, letters, sharpness):
    logits = sharpness * np.random.default_rng(seed).standard_normal((positions, letters + 1))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def _all_texts(logs):
    """The probability of every text and its best alignment, by writing out all paths."""
    blank = logs.shape[1] - 1
    total, best = defaultdict(float), {}
    for path in itertools.product(range(blank + 1), repeat=len(logs)):
        value = sum(logs[t, k] for t, k in enumerate(path))
        text = tuple(k for k in path if k != blank)
        total[text] += np.exp(value)
        places = tuple(t for t, k in enumerate(path) if k != blank)
        if text not in best or value > best[text][0]:
            best[text] = (value, places)
    return total, best


@given(
    st.integers(0, 5000),
    st.integers(1, 5),
    st.integers(1, 3),
    st.floats(min_value=0.5, max_value=6),
)
@settings(max_examples=60)
def test_search_finds_the_most_probable_text_and_its_best_alignment(
    seed, positions, letters, sharpness
):
    logs = _random(seed, positions, letters, sharpness)
    total, best = _all_texts(logs)
    found = best_text(logs, width=10_000, least=1e-12)
    assert np.isclose(total[found], max(total.values()), rtol=1e-9)
    if found:
        assert best_alignment(logs, found).tolist() == list(best[found][1])


def test_a_letter_shared_by_two_positions_is_read_once():
    p = np.array([[0.45, 0.55], [0.45, 0.55]])
    assert place_text(np.log(p)).tolist().count(0) == 1
    p = np.array([[0.55, 0.45], [0.55, 0.45]])  # each position alone would say: twice
    assert place_text(np.log(p)).tolist().count(0) == 1


def test_the_narrow_search_beats_the_best_symbol_of_each_position():
    """Its beam is narrow, so a text can be missed; then what it finds is nearly as probable."""

    def loss(logs, text):
        row = torch.tensor([[*text, 0]])
        size = torch.tensor([len(text)])
        return float(one_to_one_loss(torch.tensor(logs[None]), row, torch.tensor([30]), size))

    gains = []
    for seed in range(60):
        logs = _random(seed, 30, 5, 1.5)
        chosen = [k for k in place_text(logs).tolist() if k >= 0]
        greedy = [k for k in logs.argmax(1).tolist() if k != 5]
        gains.append(loss(logs, greedy) - loss(logs, chosen))
    assert min(gains) > -0.1
    assert np.mean(gains) > 0.05


def test_an_empty_line_reads_as_nothing():
    assert best_text(np.zeros((0, 4))) == ()
    assert place_text(np.log(np.array([[0.01, 0.99]]))).tolist() == [-1]


def test_the_same_ink_drawn_twice_is_one_letter_but_doubled_letters_stay_two():
    characters = np.array([4, 4, -1, 4, 2, -1, 2, 2])
    centres = np.array([3.0, 4.0, 0, 14.0, 30.0, 0, 31.0, 30.5])
    widths = np.full(8, 10.0)
    sure = np.log([0.6, 0.7, 1, 0.9, 0.8, 1, 0.5, 0.9])
    kept = merge_doubles(characters, centres, widths, sure)
    assert kept.tolist() == [-1, 4, -1, 4, -1, -1, -1, 2]
    assert characters.tolist() == [4, 4, -1, 4, 2, -1, 2, 2]
