"""Naming the sprites of a run from the command line, and the file that keeps the names."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from typica.cli import main
from typica.errors import RunError
from typica.lines.line import LineCollection
from typica.runs import load_tensors, save_tensors
from typica.typewriter.decipherment import DeciphermentOptions
from typica.typewriter.name_run import NamedSprites, name_sprites
from typica.typewriter.naming import Naming, NamingOptions
from typica.typewriter.naming_file import (
    KeptNaming,
    LanguageSource,
    discard_stale_naming,
    read_naming,
    weights_digest,
    write_naming,
)
from typica.typewriter.run import train_and_report
from typica.typewriter.storage import load_typewriter, save_typewriter

from .helpers import never_blank, tiny_config, tiny_lines


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with rendered lines and a run that learned without their texts."""
    folder = tmp_path_factory.mktemp("naming")
    lines = tiny_lines(folder)
    blind = replace(lines, lines=tuple(replace(line, symbols=None) for line in lines))
    config = tiny_config(
        "sprites.count=7", "training.crop=2.0", "training.steps=12", "training.evaluations=1"
    )
    train_and_report(blind, folder / "run", config, show_progress=False)
    model, about = load_typewriter(folder / "run")
    never_blank(model)  # make sure that something is placed
    save_typewriter(folder / "run/model.safetensors", model.state_dict(), about)
    return folder


@pytest.fixture
def run(place, tmp_path):
    """A copy of the run for a test of its own."""
    shutil.copytree(place / "run", tmp_path / "run")
    return tmp_path / "run"


def _lines(place) -> LineCollection:
    from typica.lines.collection import read_lines

    return read_lines(place / "lines")


def test_a_run_reads_text_once_its_sprites_have_names(place, run, tmp_path, capsys):
    data = str(place / "lines")
    assert main(["typewriter", "eval", str(run), data, "--split", "train"]) == 1
    assert "typewriter name" in capsys.readouterr().err
    assert main(["typewriter", "name", str(run), data, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    saved = json.loads((run / "naming.json").read_text())
    assert {key: told[key] for key in saved} == saved
    assert saved["found_on"]["data"] == "lines"
    assert len(saved["found_on"]["lines"]) == 18
    assert saved["others"]["lines"] == 6
    assert any(saved["names"])

    # what was evaluated is what was saved
    assert main(["typewriter", "eval", str(run), data, "--split", "train", "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged["cer"] == saved["found_on"]["cer"]
    assert judged["symbols"] == saved["found_on"]["symbols"]
    rest = [
        json.loads(row)
        for split in ("val", "test")
        if main(["typewriter", "eval", str(run), data, "--split", split]) == 0
        for row in (run / f"evaluation/{split}/readings.jsonl").read_text().splitlines()
    ]
    assert len(rest) == 6
    capsys.readouterr()

    assert main(["typewriter", "report", str(run), "--split", "train"]) == 0
    page = (run / "report/index.html").read_text()
    assert "named afterwards from 18 transcribed lines" in page
    assert "learned without transcriptions" in page
    assert main(["typewriter", "decompose", str(run), data, "--out", str(tmp_path / "out")]) == 0
    table = (tmp_path / "out/transcription.tsv").read_text().splitlines()[1:]
    assert len(table) == 24
    assert set("".join(row.split("\t")[1] for row in table)) <= set("abo ")


def test_the_summary_says_what_has_no_name(place, run, capsys):
    assert main(["typewriter", "name", str(run), str(place / "lines"), "--lines", "2"]) == 0
    told = capsys.readouterr().out
    assert "by em from 2 lines" in told
    assert "CER on these lines" in told
    assert "on 22 others" in told
    assert str(run / "naming.json") in told
    result = name_sprites(run, _lines(place), lines=2, check=3, progress=False)
    kept = result.kept
    assert len(kept.lines) == 2
    assert kept.other_lines == 3
    named = {k for k, name in enumerate(kept.naming.names) if name}
    named |= {k for gram, _ in kept.naming.grams for k in gram}
    assert named | set(result.idle) | set(result.unseen) == set(range(7))
    assert not set(result.idle) & set(result.unseen)
    wanted = {a for line in _lines(place) if line.id in kept.lines for a in line.letters}
    have = {a for name in kept.naming.names for a in name}
    have |= {a for _, name in kept.naming.grams for a in name}
    assert {letter for letter, _ in result.missing} == wanted - have


def test_an_evaluation_by_other_names_is_not_shown(place, run, capsys):
    data = str(place / "lines")
    assert main(["typewriter", "eval", str(run), data, "--split", "val"]) == 1
    assert main(["typewriter", "report", str(run), "--split", "val"]) == 0
    assert main(["typewriter", "name", str(run), data]) == 0
    capsys.readouterr()
    assert main(["typewriter", "report", str(run), "--split", "val"]) == 2
    assert "typewriter eval --split val" in capsys.readouterr().err
    assert main(["typewriter", "eval", str(run), data, "--split", "val"]) == 0
    assert main(["typewriter", "report", str(run), "--split", "val"]) == 0


def test_a_text_in_the_language_gives_names_without_a_transcription(place, run, tmp_path, capsys):
    data = tmp_path / "lines"
    shutil.copytree(place / "lines", data)
    notes = json.loads((data / "annotation.json").read_text())
    text = tmp_path / "text.txt"
    text.write_text("\n".join(note["label"] for note in notes.values()))
    for note in notes.values():
        if note["split"] == "train":
            note.pop("label")
    (data / "annotation.json").write_text(json.dumps(notes))
    asked = ["typewriter", "name", str(run), str(data), "--text", str(text), "--lines", "9"]
    assert main([*asked, "--language-order", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    saved = json.loads((run / "naming.json").read_text())
    assert {key: told[key] for key in saved} == saved
    assert len(saved["found_on"]["lines"]) == 9
    assert saved["found_on"]["cer"] is None
    assert saved["others"]["lines"] == 6
    assert saved["language"]["text"] == "text.txt"
    assert saved["language"]["options"]["order"] == 3
    assert len(saved["language"]["margins"]) == len(saved["names"]) == 7
    kept = load_typewriter(run)[1].naming
    assert kept.as_dict() == saved

    # what is read is what was saved, and the report says where the names are from
    assert main(["typewriter", "eval", str(run), str(data), "--json"]) == 0
    capsys.readouterr()
    assert main(["typewriter", "report", str(run)]) == 0
    assert "the language of text.txt" in (run / "report/index.html").read_text()

    # where the lines are transcribed, that is only used to judge
    assert main([*asked[:3], str(place / "lines"), *asked[4:], "--language-order", "3"]) == 0
    words = capsys.readouterr().out
    assert "from the language of text.txt, on 9 lines without their text" in words
    assert json.loads((run / "naming.json").read_text())["names"] == saved["names"]
    assert "CER on these lines is unknown" not in words


def test_doubtful_names_are_told_with_their_margins(run):
    tensors, _ = load_tensors(run / "model.safetensors")
    source = LanguageSource("a.txt", "0", 9, DeciphermentOptions(), (0.5, 3.0, *[0.0] * 5))
    kept = replace(_kept(weights_digest(tensors)), language=source, cer=None)
    kept = replace(kept, placed=(3, 4, *[0] * 5))
    write_naming(run, kept)
    assert read_naming(run, tensors, 7) == kept
    told = NamedSprites(run, kept, (), tuple("1234567"))
    assert told.doubtful == (0,)
    assert "doubtful names: 1=a (0.5 bits)" in list(told.summary())
    assert "CER on these lines is unknown" in "\n".join(told.summary())


def test_mistakes_are_named_with_their_remedy(place, run, tmp_path, capsys):
    data = place / "lines"
    bare, spaces = tmp_path / "bare", tmp_path / "spaces"
    for folder, label in ((bare, None), (spaces, " ")):
        shutil.copytree(data, folder)
        notes = json.loads((data / "annotation.json").read_text())
        for note in notes.values():
            note.pop("label")
            if label:
                note["label"] = label
        (folder / "annotation.json").write_text(json.dumps(notes))
    supervised = tmp_path / "supervised"
    shutil.copytree(run, supervised)
    tensors, about = load_tensors(run / "model.safetensors")
    about["symbols"] = list("abcdefg")
    save_tensors(supervised / "model.safetensors", tensors, about)
    name = ["typewriter", "name"]
    for command, words in (
        ([str(supervised), str(data)], ["supervised", "--unsupervised"]),
        ([str(run), str(bare)], ["bare", "Transcribe"]),
        ([str(run), str(spaces)], ["spaces", "label is empty"]),
        ([str(run), str(bare), "--text", str(tmp_path / "none.txt")], ["none.txt", "read"]),
        ([str(run), str(data), "--lines", "0"], ["--lines", "at least one"]),
        ([str(run), str(data), "--check", "-1"], ["--check"]),
        ([str(run), str(data), "--n-grams", "4"], ["n_grams", "3"]),
        ([str(tmp_path / "none"), str(data)], ["none"]),
    ):
        assert main([*name, *command]) == 2, command
        told = capsys.readouterr().err
        assert "Traceback" not in told
        assert all(word in told for word in words), (command, told)
    assert not (run / "naming.json").exists()


def _kept(digest, names=7):
    return KeptNaming(
        naming=Naming((("a",), ("c", "h"), *[()] * (names - 2)), (((0, 1), ("x",)),)),
        space_gap=0.25,
        options=NamingOptions("soft-edit", 2, "deletions"),
        data="lines",
        split="train",
        lines=("one", "two"),
        placed=(3, *[0] * (names - 1)),
        cer=0.125,
        symbols=40,
        other_lines=0,
        other_cer=None,
        weights=digest,
    )


def test_names_are_kept_whole_and_only_for_their_weights(run):
    tensors, _ = load_tensors(run / "model.safetensors")
    assert read_naming(run, tensors, 7) is None
    kept = _kept(weights_digest(tensors))
    write_naming(run, kept)
    assert read_naming(run, tensors, 7) == kept
    assert load_typewriter(run)[1].naming == kept
    assert load_typewriter(run, named=False)[1].naming is None
    assert load_typewriter(run / "model.safetensors")[1].naming is None
    discard_stale_naming(run, tensors)
    assert (run / "naming.json").exists()

    changed = {**tensors, "sprites.codes": tensors["sprites.codes"] + 1}
    with pytest.raises(RunError, match="trained since"):
        read_naming(run, changed, 7)
    discard_stale_naming(run, changed)
    assert not (run / "naming.json").exists()
    discard_stale_naming(run, changed)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 99}, "Update typica"),
        ({"kind": "other"}, "other"),
        ({"names": [["a"]] * 6}, "7 counts for 6 sprites"),
        ({"names": "abcdefg"}, "no list of symbols"),
        ({"names": [[""]] * 7}, "no list of symbols"),
        ({"n_grams": [{"sprites": [0, 9], "name": ["a"]}]}, "no run"),
        ({"n_grams": [{"sprites": [0]}]}, "damaged"),
        ({"options": {"method": "best"}}, "method"),
        ({"found_on": None}, "damaged"),
        (None, "damaged"),
    ],
)
def test_a_damaged_file_of_names_is_refused(run, change, told):
    tensors, _ = load_tensors(run / "model.safetensors")
    path = write_naming(run, _kept(weights_digest(tensors)))
    text = path.read_text()
    path.write_text(text[:80] if change is None else json.dumps(json.loads(text) | change))
    with pytest.raises(RunError, match=told) as caught:
        load_typewriter(run)
    assert "naming.json" in str(caught.value)
    # a damaged file does not stand in the way of finding names again
    assert load_typewriter(run, named=False)[1].naming is None
