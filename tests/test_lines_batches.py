"""Batches: every line once, similar widths together, the same from the same generator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typica.errors import ConfigError
from typica.lines.batches import even_batches, width_batches

widths_lists = st.lists(st.integers(1, 2000), max_size=100)


@settings(max_examples=60)
@given(
    widths_lists,
    st.integers(1, 20),
    st.integers(1, 9),
    st.integers(0, 99),
    st.none() | st.floats(0, 0.9),
)
def test_every_line_comes_once_in_an_epoch(widths, size, chunk, seed, padding):
    batches = width_batches(widths, size, np.random.default_rng(seed), chunk, padding)
    assert sorted(index for batch in batches for index in batch) == list(range(len(widths)))
    assert all(1 <= len(batch) <= size for batch in batches)
    assert batches == width_batches(widths, size, np.random.default_rng(seed), chunk, padding)
    if padding is None:
        assert sum(len(batch) < size for batch in batches) <= 1
    else:
        for batch in batches:
            own = np.array(widths)[batch]
            assert 1 - own.sum() / (own.max() * len(batch)) <= padding + 1e-9


@settings(max_examples=40)
@given(widths_lists, st.integers(1, 20))
def test_even_batches_are_sorted(widths, size):
    batches = even_batches(widths, size)
    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(len(widths)))
    assert [widths[index] for index in order] == sorted(widths)


def test_little_padding_and_a_new_order_every_epoch():
    generator = np.random.default_rng(0)
    widths = generator.integers(100, 1500, 2000)
    first, second = (width_batches(widths, 16, generator) for _ in range(2))
    assert first != second
    area = sum(widths[batch].max() * len(batch) for batch in first)
    plain = widths[:2000].reshape(-1, 16).max(axis=1).sum() * 16
    assert area < 1.06 * widths.sum()
    assert plain > 1.5 * widths.sum()
    # The batches themselves come in random order, not narrow ones first.
    means = [widths[batch].mean() for batch in first]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_bad_numbers_are_named():
    generator = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="batch_size"):
        width_batches([1], 0, generator)
    with pytest.raises(ConfigError, match="batch_size"):
        even_batches([1], 0)
    with pytest.raises(ConfigError, match="chunk"):
        width_batches([1], 1, generator, chunk=0)
    with pytest.raises(ConfigError, match="max_padding"):
        width_batches([1], 1, generator, max_padding=1.0)
