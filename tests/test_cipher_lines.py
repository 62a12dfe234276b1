"""The rendered cipher: its key is whole, and deciphering gives the text back."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import cipher_lines


def test_every_symbol_has_a_name_of_one_word_and_its_own():
    names = [cipher_lines.symbol_name(symbol) for symbol in cipher_lines.SYMBOLS]
    assert len(set(names)) == len(names) == 110
    assert all(name.isalnum() for name in names)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
@settings(max_examples=10)  # a second each: the whole text is written in the cipher
def test_the_key_gives_the_text_back(seed, lines):
    plain, written, key = cipher_lines.cipher_texts(lines, seed)
    used = [symbol for symbols in key.values() for symbol in symbols]
    assert sorted(used) == sorted(cipher_lines.SYMBOLS)
    back = {symbol: letter for letter, symbols in key.items() for symbol in symbols}
    assert ["".join(back[symbol] for symbol in line) for line in written] == plain
    assert "".join(plain) == cipher_lines.plain_letters()
    frequent, rare = len(key["e"]), len(key["p"])
    assert frequent > rare >= 1
