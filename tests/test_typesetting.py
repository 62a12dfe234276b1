"""Texts set in a hand, and both commands from end to end."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace

import lxml.etree
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from typica.cli import main
from typica.errors import ConfigError, DataError
from typica.typewriter.assessment import evaluate_run
from typica.typewriter.export_run import SPRITE_COLUMNS, quality
from typica.typewriter.hand import load_hand
from typica.typewriter.outlines import Outline, coverage
from typica.typewriter.run import train_and_report
from typica.typewriter.storage import load_typewriter, save_typewriter
from typica.typewriter.typesetting import (
    SettingOptions,
    set_text,
    setting_picture,
    setting_svg,
)

from .hand_helpers import bar, disc, make_hand
from .helpers import never_blank, tiny_config, tiny_lines

LETTERS = [("a",), ("b",), ("c",), ("h",), ("c", "h")]


@pytest.fixture(scope="module")
def hand():
    return make_hand(LETTERS, kerning={(0, 1): -2.5})


def ink(hand, one):
    """Left and right edge of the ink of a placed sprite."""
    box = hand.boxes[one.sprite]
    return one.x + box.left * one.scale, one.x + box.right * one.scale


def test_letters_stand_as_their_measures_say(hand):
    setting = set_text(hand, "ab a")
    a, b, after = setting.placed
    assert ink(hand, b)[0] - ink(hand, a)[1] == pytest.approx(2 + 1 - 2.5)
    assert ink(hand, after)[0] - ink(hand, b)[1] == pytest.approx(2 + 9 + 1)
    plain = set_text(hand, "ab", SettingOptions(kerning=False)).placed
    assert ink(hand, plain[1])[0] - ink(hand, plain[0])[1] == pytest.approx(3)
    # lower edges stand on the baseline as they were drawn
    for one in (a, b):
        bottom = one.y + hand.boxes[one.sprite].bottom
        depth = hand.metrics.depth[one.sprite]
        assert bottom - depth == pytest.approx(a.y + 36)


def test_a_ligature_goes_before_its_letters(hand):
    assert [one.sprite for one in set_text(hand, "chhc").placed] == [4, 3, 2]


def test_lines_break_and_are_equally_far(hand):
    setting = set_text(hand, "a\n\na")
    first, second = setting.placed
    assert (first.line, second.line) == (0, 2)
    assert second.y - first.y == pytest.approx(2 * setting.pitch)
    assert first.x == second.x


def test_missing_letters_are_named_boxed_or_skipped(hand):
    with pytest.raises(DataError, match=r"z \(U\+007A\), ö \(U\+00F6\)"):
        set_text(hand, "azöz")
    boxed = set_text(hand, "azb", SettingOptions("box"))
    assert [one.sprite for one in boxed.placed] == [0, -1, 1]
    assert boxed.missing == ("z",)
    skipped = set_text(hand, "azb", SettingOptions("skip"))
    assert [one.sprite for one in skipped.placed] == [0, 1]
    assert skipped.missing == ("z",)
    picture = setting_picture(boxed, hand)
    plain = setting_picture(set_text(hand, "a b", SettingOptions("box")), hand)
    assert picture.shape[0] == plain.shape[0]
    with pytest.raises(DataError, match="nothing to set"):
        set_text(hand, "zz", SettingOptions("skip"))
    with pytest.raises(DataError, match="nothing to set"):
        set_text(hand, "  \n ")
    with pytest.raises(ConfigError):
        SettingOptions("perhaps")


def test_the_picture_has_the_colours_of_the_collection(hand):
    picture = setting_picture(set_text(hand, "abc"), hand, 96)
    assert picture[0, 0].tolist() == [230, 204, 178]
    assert np.abs(picture.reshape(-1, 3).min(0).astype(int) - [51, 26, 26]).max() <= 2
    assert picture.shape[0] == round(96 * 1.6)  # a line and its margins


def test_at_its_own_size_and_place_a_sprite_is_drawn_as_it_is():
    hand = make_hand([("i",)], bar(10, 12, 20, 36)[None])
    setting = set_text(hand, "i")
    whole = replace(setting, placed=(replace(setting.placed[0], x=5.0, y=7.0),))
    picture = setting_picture(whole, hand).astype(int)
    expected = np.tile(picture[0, 0], (*picture.shape[:2], 1))
    expected[7 + 12 : 7 + 36, 5 + 10 : 5 + 20] = [51, 26, 26]
    assert np.abs(picture - expected).max() <= 1


@pytest.mark.parametrize("height", [12, 30, 200])
def test_pictures_of_all_sizes_have_the_same_ink(hand, height):
    setting = set_text(hand, "ab ch")
    shares = []
    for size in (48, height):
        grey = setting_picture(setting, hand, size).mean(2)
        shares.append((grey.max() - grey).mean())
    assert shares[1] == pytest.approx(shares[0], rel=0.04)


def test_too_large_a_picture_is_refused(hand):
    with pytest.raises(DataError, match="--height"):
        setting_picture(set_text(hand, "a" * 300), hand, 4000)


def test_the_svg_shows_what_the_picture_shows():
    hand = make_hand([("o",), ("O",)], np.stack([disc(7), disc(9, hole=4)]))
    setting = set_text(hand, "oO <&\x07", SettingOptions("box"))
    root = lxml.etree.fromstring(setting_svg(setting, hand, 96).encode())
    names = {"s": "http://www.w3.org/2000/svg"}
    assert root.get("height") == f"{96 * 1.6:.1f}"
    assert root.findtext("s:title", namespaces=names).startswith("oO <&")
    uses = root.findall("s:g/s:use", names)
    assert [use.get("href") for use in uses] == ["#s0", "#s1"]
    assert len(root.findall("s:g/s:path", names)) == 3  # boxes of <, & and a control sign
    assert root.find("s:rect", names).get("fill") == "#e6ccb2"
    # the outlines where the file lays them cover the ink of the picture
    rings = []
    for use in uses:
        x, y = (float(v) for v in use.get("transform")[10:].split(")")[0].split())
        rings += [ring + np.array([x, y]) for ring in hand.outlines[int(use.get("href")[2:])].rings]
    text = set_text(hand, "oO")
    grey = setting_picture(text, hand).mean(2)
    dark = grey < (grey.max() + grey.min()) / 2
    covered = coverage(Outline(tuple(rings)), *dark.shape) > 0.5
    assert (dark & covered).sum() / (dark | covered).sum() > 0.93


def test_the_quality_of_a_sprite_is_said():
    speck = disc(5)
    speck[40:42, 30] = 1
    sprites = np.stack(
        [disc(7), 0.5 * disc(7), speck, np.zeros((48, 36), np.float32), disc(7), disc(7)]
    )
    hand = make_hand([("a",), ("b",), ("c",), ("d",), ("e",), ()], sprites)
    hand.metrics.counts[4] = 0
    assert [quality(hand, k) for k in range(6)] == [
        "good",
        "faint",
        "specks",
        "no ink",
        "never placed",
        "no name",
    ]
    hand.metrics.counts[0] = 1
    assert quality(hand, 0) == "placed once"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with lines and a tiny run that places something everywhere."""
    folder = tmp_path_factory.mktemp("export")
    lines = tiny_lines(folder)
    config = tiny_config("training.steps=8", "training.evaluations=1")
    train_and_report(lines, folder / "run", config, show_progress=False)
    model, about = load_typewriter(folder / "run")
    never_blank(model)
    save_typewriter(folder / "run/model.safetensors", model.state_dict(), about)
    evaluate_run(folder / "run", lines, "val", progress=False)
    return folder


def test_export_writes_sprites_table_and_font(place, tmp_path, capsys):
    out = tmp_path / "out"
    data = str(place / "lines")
    given = ["typewriter", "export", str(place / "run"), "--out", str(out)]
    assert main([*given, "--data", data, "--lines", "6", "--family", "Tiny"]) == 0
    told = capsys.readouterr().out
    assert "6 lines of lines, read now" in told
    rows = list(csv.DictReader((out / "sprites.csv").open(encoding="utf-8")))
    assert tuple(rows[0]) == SPRITE_COLUMNS
    assert [row["letter"] for row in rows] == ["a", "b", "o"]
    assert rows[0]["code_points"] == "U+0061"
    font = TTFont(io.BytesIO((out / "font.ttf").read_bytes()))
    assert font["name"].getDebugName(1) == "Tiny"
    sprites = load_typewriter(place / "run")[0].sprites().detach().numpy()
    for row, sprite in zip(rows, sprites, strict=True):
        with Image.open(out / row["png"]) as picture:
            shown = np.asarray(picture)
        assert np.abs(shown[..., 3] / 255 - sprite).max() < 0.01
        assert shown[..., :3].max() == 0
        lxml.etree.parse(out / row["svg"])
        if row["glyph"]:
            assert font["hmtx"][row["glyph"]][0] == max(0, int(row["advance"]))
    kept = json.loads((out / "metrics.json").read_text())
    assert len(kept["scale"]) == 3
    assert (out / "kerning.csv").read_text().startswith("left,right")
    # the same command gives the same files
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main([*given, "--data", data, "--lines", "6", "--family", "Tiny"]) == 0
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_measures_come_from_the_run_and_are_fixed_without(place, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(place / "run", run)
    hand = load_hand(run)
    assert "kept in val" in hand.source
    shutil.rmtree(run / "evaluation")
    out = tmp_path / "out"
    assert main(["typewriter", "export", str(run), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "side bearings and word space are fixed" in told
    assert "--data" in told
    assert load_hand(run).metrics.lines == 0


def test_readings_of_other_weights_or_names_are_not_used(place, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(place / "run", run)
    file = run / "evaluation/val/readings.jsonl"
    rows = [json.loads(row) for row in file.read_text().splitlines()]
    for row in rows:
        for glyph in row["glyphs"]:
            glyph["box"][2] += 40
        row["glyphs"] = row["glyphs"] or []
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    hand = load_hand(run)
    assert hand.metrics.lines == 0
    summary = run / "evaluation/val/evaluation.json"
    values = json.loads(summary.read_text())
    summary.write_text(json.dumps({**values, "naming": "other"}))
    assert any("names that they have now" in note for note in load_hand(run).notes)
    summary.write_text("{")
    assert main(["typewriter", "export", str(run), "--out", str(tmp_path / "o")]) == 2


def test_type_writes_pictures(place, tmp_path, capsys):
    run = str(place / "run")
    for name in ("a.png", "a.svg"):
        out = tmp_path / name
        assert main(["typewriter", "type", run, r"ab\nbo", "--out", str(out)]) == 0
        assert str(out) in capsys.readouterr().out
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "RGB"
        native = picture.size
    big = tmp_path / "big.png"
    assert main(["typewriter", "type", run, r"ab\nbo", "--out", str(big), "--height", "64"]) == 0
    with Image.open(big) as picture:
        assert picture.height > 2 * native[1]


def test_type_says_what_is_wrong(place, tmp_path, capsys):
    run, out = str(place / "run"), tmp_path / "a.png"
    given = ["typewriter", "type", run]
    assert main([*given, "a€b", "--out", str(out)]) == 2
    assert "€ (U+20AC)" in capsys.readouterr().err
    assert not out.exists()
    assert main([*given, "a€b", "--out", str(out), "--missing", "skip"]) == 0
    assert "not in the alphabet: € (U+20AC)" in capsys.readouterr().out
    assert main([*given, "ab", "--out", str(tmp_path / "a.jpg")]) == 2
    assert ".png or .svg" in capsys.readouterr().err
    assert main([*given, "ab", "--out", str(out), "--height", "1"]) == 2
    assert main(["typewriter", "type", str(tmp_path), "ab", "--out", str(out)]) == 2
    capsys.readouterr()


def test_sprites_without_names_make_a_font_for_private_use(place, tmp_path, capsys):
    lines = tiny_lines(tmp_path / "u")
    blind = replace(lines, lines=tuple(replace(line, symbols=None) for line in lines))
    config = tiny_config(
        "sprites.count=4", "training.crop=2.0", "training.steps=8", "training.evaluations=1"
    )
    run = tmp_path / "u/run"
    train_and_report(blind, run, config, show_progress=False)
    model, about = load_typewriter(run)
    never_blank(model)
    save_typewriter(run / "model.safetensors", model.state_dict(), about)
    data = str(tmp_path / "u/lines")
    given = ["typewriter", "export", str(run), "--out", str(tmp_path / "o"), "--data", data]
    assert main([*given, "--lines", "3"]) == 0
    rows = list(csv.DictReader((tmp_path / "o/sprites.csv").open(encoding="utf-8")))
    assert all("no name" in row["quality"] or row["quality"] == "no ink" for row in rows)
    cmap = TTFont(io.BytesIO((tmp_path / "o/font.ttf").read_bytes())).getBestCmap()
    assert 0xE000 in cmap
    assert main(["typewriter", "type", str(run), "ab", "--out", str(tmp_path / "a.png")]) == 2
    assert "has no a (U+0061), b (U+0062)" in capsys.readouterr().err
