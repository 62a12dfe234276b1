"""The character n-gram model against its plain formula, and text files."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from typica.errors import ConfigError, DataError
from typica.lines.language import learn_language, read_text, text_digest
from typica.lines.text import TextOptions

TEXTS = st.lists(st.text("abc ", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=5)


def _plain(texts, order, spaces):
    """p(symbol | context) by the recursive formula, every count taken from the text anew."""
    lines = []
    for text in texts:
        kept = [s for s in text if spaces or s != " "]
        lines.append("".join([" ", *kept, " "] if spaces else kept))
    kinds = set("".join(lines))
    first = 1 if spaces else 0

    def count(context, symbol):
        """Occurrences, or different symbols before, of a string that ends in a read symbol."""
        gram = context + symbol
        before = [
            line[place - 1] if place else None
            for line in lines
            for place in range(len(line) - len(gram) + 1)
            if line.startswith(gram, place) and place + len(gram) - 1 >= first
        ]
        return len(before) if len(context) == order - 1 else len(set(before))

    grams = {
        line[place - size : place + 1]
        for line in lines
        for place in range(first, len(line))
        for size in range(min(order, place + 1))
    }

    def discount(length):
        found = [count(gram[:-1], gram[-1]) for gram in grams if len(gram) == length + 1]
        once, twice = found.count(1), found.count(2)
        return once / (once + 2 * twice) if once and twice else 0.75

    discounts = [discount(length) for length in range(order)]

    def chance(symbol, context):
        context = context[max(0, len(context) - order + 1) :]
        seen = {kind: n for kind in kinds if (n := count(context, kind))}
        lower = 1 / (len(kinds) + 1)
        if context:
            lower = chance(symbol, context[1:])
        if not seen:
            return lower
        off = discounts[len(context)]
        taken = max(0, seen.get(symbol, 0) - off) + off * len(seen) * lower
        return taken / sum(seen.values())

    return chance


@given(TEXTS, st.text("abcx ", min_size=1, max_size=9), st.integers(1, 4), st.booleans())
def test_a_line_costs_what_the_plain_formula_says(texts, line, order, spaces):
    language = learn_language([tuple(text) for text in texts], order, spaces=spaces)
    chance = _plain(texts, order, spaces)
    kept = [s for s in line if spaces or s != " "]
    known = " " if spaces else ""
    plain = 0.0
    for symbol in [*kept, " "] if spaces else kept:
        plain -= math.log2(chance(symbol, known))
        # after a symbol that the text does not hold nothing is known
        known = "" if symbol == "x" else known + symbol
    assert language.bits(tuple(line)) == pytest.approx(plain, abs=1e-4)


@given(TEXTS, st.integers(1, 4), st.booleans())
def test_after_every_context_the_chances_sum_to_one(texts, order, spaces):
    language = learn_language([tuple(text) for text in texts], order, spaces=spaces)
    sums = np.exp(language.log_p.astype(np.float64)).sum(1)
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    assert language.after.min() >= 0
    assert language.after.max() < len(language.log_p)


def test_a_longer_memory_tells_more_and_another_language_costs_more():
    texts = [tuple("the cat that sat on the mat")] * 4 + [tuple("that hat sat")]
    other = [tuple("that mat on the cat")]
    bits = [learn_language(texts, order).bits_per_symbol(other) for order in (1, 2, 3)]
    assert bits[0] > bits[1] > bits[2]
    assert learn_language(texts, 3).bits_per_symbol([tuple("xyz qq")]) > 4


def test_word_spaces_may_be_kept_or_dropped():
    with_spaces = learn_language([tuple("ab ab")], 2)
    without = learn_language([tuple("ab ab")], 2, spaces=False)
    assert with_spaces.symbols == (" ", "a", "b")
    assert with_spaces.spaces
    assert without.symbols == ("a", "b")
    assert not without.spaces
    assert without.codes(tuple("a bx")) == (0, 1, 2)
    assert without.bits(tuple("a b")) == without.bits(tuple("ab"))
    assert dict(without.pairs) == {("a", "b"): 2, ("b", "a"): 1}
    # at the edge of a line there is the edge of a word
    assert with_spaces.pairs[0] == ((" ", "a"), 2)


def test_what_is_no_language_is_refused():
    with pytest.raises(DataError, match="no text"):
        learn_language([(), (" ",)])
    with pytest.raises(ConfigError, match="order"):
        learn_language([("a",)], 0)
    with pytest.raises(DataError, match="no text"):
        learn_language([("a",)], spaces=False).bits_per_symbol([(" ",)])


def test_a_text_file_is_read_as_a_transcription_would_be(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\ufeffGu\u0308te  ſey\n\n \nwei=ß\n", encoding="utf-8")
    assert read_text(path) == [tuple("Güte ſey"), tuple("wei=ß")]
    assert read_text(path, spaces=False)[0] == tuple("Güteſey")
    assert read_text(path, TextOptions(sep="="))[1] == ("wei", "ß")
    same = text_digest(read_text(path))
    assert text_digest([*read_text(path), ("x",)]) != same


def test_a_file_that_is_no_text_is_named_with_its_remedy(tmp_path):
    path = tmp_path / "text.txt"
    for content, word in ((b"\xff\xfe\x00a", "UTF-8"), (b" \n\n", "no letter")):
        path.write_bytes(content)
        with pytest.raises(DataError, match=word) as caught:
            read_text(path)
        assert str(path) in str(caught.value)
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path)
