"""Labels to symbols: normal forms, clusters, tokens, replacement tables."""

from __future__ import annotations

import itertools
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from typica.errors import ConfigError, DataError
from typica.lines.line import SPACE
from typica.lines.text import TextOptions, clusters, tokenize

TILDE = "\u0303"
PUA = "\uf158"


def test_marks_stay_with_their_letter_in_both_normal_forms():
    assert tokenize("m\u0303o\u0303", TextOptions("NFC")) == ("m" + TILDE, "\u00f5")
    assert tokenize("m\u0303\u00f5", TextOptions("NFD")) == ("m" + TILDE, "o" + TILDE)
    assert tokenize("\u00f5o" + TILDE, TextOptions("none")) == ("\u00f5", "o" + TILDE)


def test_private_use_characters_survive_and_carry_marks():
    assert tokenize(f"a{PUA}b{PUA}{TILDE}c") == ("a", PUA, "b", PUA + TILDE, "c")


def test_a_mark_never_stands_alone_where_the_standard_breaks():
    # U+102B is a spacing mark that the cluster rule of the standard leaves alone.
    assert clusters("\u1000\u102b") == ["\u1000\u102b"]


def test_white_space_runs_are_one_space_and_ends_are_cut():
    assert tokenize(" \u00a0a \t\n b\u2003") == ("a", SPACE, "b")
    assert tokenize(" \t ") == ()
    assert tokenize("\ufeffa") == ("a",)


def test_a_space_sign_in_plain_text():
    assert tokenize("_a_b__c_", TextOptions(space="_")) == ("a", SPACE, "b", SPACE, "c")


def test_tokens_the_way_of_the_cipher():
    options = TextOptions(sep=" ", space="_")
    # The authors' program makes an empty symbol of a stand-alone space token.
    assert tokenize("lip _ bas _", options) == ("lip", SPACE, "bas")
    assert tokenize("  u__  c^.\n", options) == ("u__", "c^.")


def test_tokens_with_a_visible_separator():
    assert tokenize("a||bc| |d|", TextOptions(sep="|")) == ("a", "bc", SPACE, "d")


def test_bad_options_name_the_field():
    with pytest.raises(ConfigError, match="normalization"):
        TextOptions(normalization="NFKC")
    with pytest.raises(ConfigError, match="space"):
        TextOptions(space="")
    with pytest.raises(ConfigError, match="sep and space"):
        TextOptions(sep="|", space="|")


@given(st.text(), st.sampled_from(["NFC", "NFD", "none"]))
def test_symbols_hold_the_text_and_nothing_else(text, form):
    options = TextOptions(form)
    symbols = tokenize(text, options)
    normal = text.removeprefix("\ufeff")
    normal = normal if form == "none" else unicodedata.normalize(form, normal)
    assert "".join(symbols) == " ".join(normal.split())
    assert all(symbol == SPACE or not any(c.isspace() for c in symbol) for symbol in symbols)
    assert not any(a == b == SPACE for a, b in itertools.pairwise(symbols))
    # Cutting what was cut changes nothing.
    if not "".join(symbols).startswith("\ufeff"):
        assert tokenize("".join(symbols), options) == symbols


@given(st.text(min_size=1))
def test_only_the_first_cluster_can_begin_with_a_mark(text):
    found = clusters("".join(text.split()))
    assert not any(unicodedata.category(one[0]).startswith("M") for one in found[1:])


def write_table(path: Path, content: str) -> TextOptions:
    path.write_text(content, encoding="utf-8")
    return TextOptions(replacements=path)


def test_replacement_table_in_any_column_order(tmp_path):
    options = write_table(
        tmp_path / "table.csv",
        "replacement,allow,name,regex,char\n"
        "s,,long s,,ſ\n"
        ",true,kept,,b\n"
        '\\g<1>.,,dots,true,"(x)\\.+"\n'
        ",,dropped,,¶\n",
    )
    assert "".join(tokenize("ſab¶ x...ſ", options)) == "sab x.s"


def test_replacement_rules_follow_each_other_and_meet_the_normal_form(tmp_path):
    # The rule is written decomposed, the text composed; the second rule sees the first's result.
    options = write_table(tmp_path / "t.csv", f"char,replacement\no{TILDE},q\nq,r\n◌{TILDE},\n")
    assert tokenize("\u00f5q", options) == ("r", "r")
    assert tokenize("m" + TILDE, options) == ("m",)


def test_a_replacement_is_normalised_again(tmp_path):
    options = write_table(tmp_path / "t.csv", f"char,replacement\n~,{TILDE}\n")
    assert tokenize("o~", options) == ("\u00f5",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n", "char and replacement"),
        ("char,replacement,regex\n(,x,true\n", "row 2"),
        ("char,replacement,regex\n(a),\\2,true\n", "does not fit"),
    ],
)
def test_bad_tables_name_file_and_remedy(tmp_path, content, words):
    options = write_table(tmp_path / "bad.csv", content)
    with pytest.raises(DataError, match=words) as caught:
        tokenize("aaa", options)
    assert "bad.csv" in str(caught.value)


def test_missing_table_and_other_encoding(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv"):
        tokenize("a", TextOptions(replacements=tmp_path / "none.csv"))
    (tmp_path / "latin.csv").write_bytes("char,replacement\né,e\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        tokenize("a", TextOptions(replacements=tmp_path / "latin.csv"))


def test_an_endless_expression_is_stopped(tmp_path):
    options = write_table(tmp_path / "t.csv", "char,replacement,regex\n(?:a|aa)+[bc][bc],x,true\n")
    with pytest.raises(DataError, match="too long"):
        tokenize("a" * 3000 + "b", options)
