"""The demo collection of mining: common concepts, even pictures, and a demo without npm."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from typica.demo import designs, icons, packages
from typica.demo.designs import evenly, main, make_demo_pictures
from typica.demo.icons import IconPackage, IconSet, common_concepts, draw
from typica.demo.typefaces import WORDS, Typeface, set_word, typefaces
from typica.errors import DataError

BOX = '<path d="M{x} {y}h4v8h-4z" fill="{colour}"/>'


def icon_set(label: str = "one", **changes: str) -> IconSet:
    """Three concepts and an alias on a drawing of 16 by 16."""
    bodies = {
        "ant": BOX.format(x=1, y=2, colour="red"),
        "bee": BOX.format(x=9, y=5, colour="blue"),
        "cat": BOX.format(x=3, y=3, colour="lime"),
        **changes,
    }
    made = {
        "icons": {name: {"body": body} for name, body in bodies.items() if body},
        "aliases": {
            "kitten": {"parent": "cat"},
            "turned": {"parent": "bee", "rotate": 1},
            "loop": {"parent": "loop"},
        },
        "width": 16,
        "height": 16,
    }
    info = {"name": label, "author": {"name": "somebody"}, "license": {"title": "free"}}
    names = ["ant", "bee", "cat", "kitten", "turned", "loop", "one-oclock", "keycap-1"]
    return IconSet(label, f"{label}@1", made, info, {"Animals & Nature": names, "Flags": ["dee"]})


def test_concepts_are_common_and_taken_once() -> None:
    one = icon_set(**{"one-oclock": "<path/>", "dee": "<path/>"})
    two = icon_set(ant="", **{"one-oclock": "<path/>", "dee": "<path/>"})
    assert common_concepts([one]) == ["ant", "bee", "cat"]
    assert common_concepts([one, two]) == ["bee", "cat"]
    assert one.body("kitten") == one.body("cat")
    assert one.body("turned") is one.body("loop") is one.body("none") is None


def ink(picture: Image.Image) -> tuple[int, int, int, int]:
    """The bounding box of what is not nearly white."""
    dark = np.asarray(picture.convert("L")) < 250
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@pytest.mark.parametrize("concept", ["ant", "bee"])
def test_ink_fills_the_same_share_wherever_it_was(concept: str) -> None:
    pytest.importorskip("resvg_py")
    picture = draw(icon_set(), concept, 80, 0.9)
    assert picture.size == (80, 80)
    assert picture.mode == "RGB"
    left, top, right, bottom = ink(picture)
    assert bottom - top == pytest.approx(72, abs=1)
    assert right - left == pytest.approx(36, abs=1)
    assert abs(left - (80 - right)) <= 1
    assert abs(top - (80 - bottom)) <= 1


@pytest.mark.parametrize(
    "body",
    [
        '<image href="x.png"/>',
        '<use href="other.svg#a"/>',
        "<use xlink:href='file:///etc/passwd'/>",
        '<path fill="url(http://a.b/c)"/>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "b">]>',
        "<script>1</script>",
        "",
        "<g/>",
        '<path d="M1 1h0"/><unclosed>',
    ],
)
def test_what_reaches_outside_or_draws_nothing_is_refused(body: str) -> None:
    pytest.importorskip("resvg_py")
    with pytest.raises(DataError, match="one@1: bee"):
        draw(icon_set(bee=body), "bee", 32)


def archive(icons: IconSet, **left_out: bool) -> bytes:
    """The set as npm would pack it."""
    files: dict[str, Any] = {
        "icons.json": icons.icons,
        "info.json": icons.info,
        "metadata.json": {"categories": icons.categories},
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as package:
        for name, value in files.items():
            data = json.dumps(value).encode()
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two small sets that a stand-in for npm packs; the packages that were asked for."""
    red = icon_set("red")
    blue = icon_set("blue", ant=BOX.format(x=2, y=2, colour="navy"))
    packed = {f"{one.label}@1.0.0": archive(one) for one in (red, blue)}
    asked: list[str] = []

    def run(command: list[str], **options: object) -> None:
        asked.append(command[2])
        folder = Path(command[command.index("--pack-destination") + 1])
        (folder / "package.tgz").write_bytes(packed[command[2]])

    wanted = tuple(
        IconPackage(name.split("@")[0], name, hashlib.sha256(data).hexdigest())
        for name, data in packed.items()
    )
    monkeypatch.setattr(designs, "ICON_PACKAGES", wanted)
    monkeypatch.setattr(packages.shutil, "which", lambda name: "npm")
    monkeypatch.setattr(packages.subprocess, "run", run)
    return asked


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_collection_is_the_same_every_time_and_made_once(
    tmp_path: Path, npm: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("resvg_py")
    cache = tmp_path / "cache"
    made = make_demo_pictures(tmp_path / "out", size=32, cache=cache, progress=False)
    assert made.origin == "3 emoji in 2 designs, from npm"
    assert made.passed_over == ()
    assert [credit["author"] for credit in made.credits] == ["somebody"] * 2
    names = {f"{label}/{name}.png" for label in ("red", "blue") for name in ("ant", "bee", "cat")}
    before = contents(made.folder)
    assert set(before) == names | {"credits.json"}
    assert before["red/ant.png"] != before["blue/ant.png"]
    assert before["red/bee.png"] == before["blue/bee.png"]
    # from the cache, elsewhere: the same bytes, and npm is not asked again
    make_demo_pictures(tmp_path / "again", size=32, cache=cache, progress=False)
    assert contents(tmp_path / "again") == before
    assert len(npm) == 2
    # in the same place: nothing is drawn, not even read
    monkeypatch.setattr(designs, "_icon_sets", None)
    same = make_demo_pictures(tmp_path / "out", size=32, cache=cache, progress=False)
    assert same == made


def test_another_choice_replaces_the_collection_and_nothing_else(
    tmp_path: Path, npm: list[str]
) -> None:
    pytest.importorskip("resvg_py")
    out, cache = tmp_path / "out", tmp_path / "cache"
    make_demo_pictures(out, size=32, cache=cache, progress=False)
    make_demo_pictures(out, size=24, concepts=2, cache=cache, progress=False)
    assert len(contents(out)) == 5
    with Image.open(out / "red" / "ant.png") as picture:
        assert picture.size == (24, 24)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    other = tmp_path / "other"
    other.mkdir()
    (other / "credits.json").write_text("{}")
    with pytest.raises(DataError, match="is no demo collection"):
        make_demo_pictures(other, cache=cache, progress=False)
    assert contents(other) == {"credits.json": b"{}"}


def test_a_concept_that_one_design_cannot_draw_is_left_out_of_all(
    tmp_path: Path, npm: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setattr(
        designs, "_icon_sets", lambda cache: ([icon_set("red"), icon_set("blue", bee="<g/>")], [])
    )
    made = make_demo_pictures(tmp_path / "out", size=24, progress=False)
    assert not list(made.folder.glob("*/bee.png"))
    assert "bee" in json.loads((made.folder / "credits.json").read_text())["left_out"][0]


@pytest.mark.parametrize("why", ["changed", "no npm", "broken"])
def test_without_the_packages_words_are_set(
    tmp_path: Path, npm: list[str], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "no npm":
        monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    elif why == "changed":
        wanted = tuple(IconPackage(p.label, p.package, "0" * 64) for p in designs.ICON_PACKAGES)
        monkeypatch.setattr(designs, "ICON_PACKAGES", wanted)
    else:
        monkeypatch.setattr(packages.subprocess, "run", lambda command, **options: None)
    made = make_demo_pictures(
        tmp_path / "out", concepts=5, size=32, cache=tmp_path / "cache", progress=False
    )
    assert "typefaces" in made.origin
    assert len(made.passed_over) >= 1
    reason = {"changed": "pinned", "no npm": "not installed", "broken": "could not fetch"}[why]
    assert reason in made.passed_over[0] or "resvg" in made.passed_over[0]
    pictures = contents(made.folder)
    assert len(pictures) == 5 * len(made.credits) + 1
    assert len(made.credits) >= 4
    labels = {name.split("/")[0] for name in pictures} - {"credits.json"}
    assert labels == {credit["label"] for credit in made.credits}
    again = make_demo_pictures(
        tmp_path / "again", concepts=5, size=32, cache=tmp_path / "cache", progress=False
    )
    assert contents(again.folder) == pictures


def test_typefaces_differ_and_fill_the_square() -> None:
    assert len(set(WORDS)) == len(WORDS) >= 280
    seen = set()
    for face in typefaces():
        picture = set_word(face, "back", 48, face.open(48))
        seen.add(picture.tobytes())
        left, top, right, bottom = ink(picture)
        assert (left, top) == (0, 0) or max(left, top) <= 2  # faint edges
        assert (right, bottom) >= (picture.width - 2, picture.height - 2)
        assert 0.4 < picture.width / picture.height < 2.5
        assert face.credit()["licence"]
    assert len(seen) == len(typefaces()) >= 4


def test_a_typeface_without_letters_is_an_error() -> None:
    face = typefaces()[0]
    blank = Typeface("blank", face.font, "", lambda word: Image.new("L", word.size))
    with pytest.raises(DataError, match="blank: cannot set"):
        set_word(blank, "back", 32, blank.open(32))


def test_names_are_spread_evenly() -> None:
    assert evenly("abcdef", 3) == ["a", "c", "e"]
    assert evenly("abc", 9) == ["a", "b", "c"]


def test_the_command_says_what_it_made(
    tmp_path: Path,
    npm: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("resvg_py")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main([str(tmp_path / "out"), "--size", "24"]) == 0
    said = capsys.readouterr().out
    assert "somebody" in said
    assert "3 emoji in 2 designs" in said
    (tmp_path / "file").write_text("in the way")
    assert main([str(tmp_path / "file")]) == 2
    assert "is no demo collection" in capsys.readouterr().err


def test_the_pinned_sets_are_six_exact_versions() -> None:
    assert len({one.label for one in icons.ICON_PACKAGES}) == 6
    for one in icons.ICON_PACKAGES:
        assert one.package.startswith("@iconify-json/")
        assert one.package.count("@") == 2
        assert len(one.digest) == 64
