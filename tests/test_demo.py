"""The demo data: the long s, the choice of font, and the collection, without npm or a network."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import regex

from typica.demo import data, fonts, packages
from typica.demo import typewriter as demo_typewriter
from typica.demo.run import run_demo
from typica.demo.texts import FAUST, demo_texts, plain_text, with_long_s
from typica.errors import RunError
from typica.lines.collection import read_lines
from typica.lines.fonts import Font
from typica.lines.glyphs import with_glyphs

from .helpers import tiny_config


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No npm on the PATH and no font package."""
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("Das Gras", "Das Gras"),
        ("dies|mal ist es so", "dies|mal iſt es ſo"),
        ("Wissens|qualm, Haus|rat.", "Wiſſens|qualm, Haus|rat."),
        ("Straße, sprach's", "Straße, ſprach's"),
    ],
)
def test_long_s_stands_where_a_letter_follows(written: str, printed: str) -> None:
    assert with_long_s(written) == printed.replace("|", "")


def test_the_text_is_whole_and_regular() -> None:
    assert with_long_s(FAUST).replace("ſ", "s") == plain_text()
    assert "|" not in plain_text()
    for word in regex.findall(r"[\p{L}|]+", FAUST):
        assert "|" not in word or regex.search(r"s\|\p{Ll}{3}", word), word
    for word in regex.findall(r"\p{L}+", with_long_s(FAUST)):
        assert not word.endswith("ſ")
        assert "sch" not in word
        assert "st" not in word.removesuffix("s") or "s" not in word[:-1], word


@pytest.mark.parametrize("long_s", [True, False])
def test_the_lines_can_be_learnt_from(long_s: bool) -> None:
    texts = demo_texts(long_s=long_s)
    assert 400 <= len(texts) <= 600
    assert all(15 <= len(text) <= 38 for text in texts[:-1])
    counts = Counter("".join(texts))
    assert counts["ſ"] > 300 if long_s else counts["ſ"] == 0
    assert min(counts.values()) >= 3 - 1  # a line left out for one letter may hold another


def test_without_npm_there_is_still_a_demo(
    tmp_path: Path,
    offline: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(data, "demo_texts", lambda long_s: ["Weißes Öl", "für die Hütte"] * 6)
    folder = data.make_demo_lines(tmp_path / "out", cache=tmp_path / "cache")
    said = capsys.readouterr().out
    assert "npm is not installed" in said
    assert "Pillow's own font; CC0" in said
    lines = with_glyphs(read_lines(folder))
    assert len(lines) == 12
    assert all(len(line.glyphs) == len(line.letters) for line in lines)


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path, offline: None) -> None:
    (tmp_path / "file").write_text("in the way")
    chosen = fonts.demo_font(tmp_path / "file" / "cache")
    assert chosen.font.path.is_file()


def _archive(member: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as package:
        for name, body in ((member, content), ("package/LICENSE", b"free")):
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            package.addfile(entry, io.BytesIO(body))
    return stream.getvalue()


def _fake_npm(monkeypatch: pytest.MonkeyPatch, archive: bytes | None) -> list[list[str]]:
    """Stand in for npm: `pack` leaves this archive, or fails."""
    calls: list[list[str]] = []

    def run(command: list[str], **options: object) -> None:
        calls.append(command)
        if archive is None:
            raise packages.subprocess.CalledProcessError(1, command)
        folder = Path(command[command.index("--pack-destination") + 1])
        (folder / "package.tgz").write_bytes(archive)

    monkeypatch.setattr(packages.shutil, "which", lambda name: "npm")
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(packages.subprocess, "run", run)
    return calls


@pytest.fixture
def pillow_font(tmp_path: Path) -> Font:
    from PIL import ImageFont

    path = tmp_path / "some.otf"
    path.write_bytes(ImageFont.load_default(16).path.getvalue())
    return data.open_font(path)


def test_a_font_is_fetched_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pillow_font: Font
) -> None:
    content = pillow_font.path.read_bytes()
    wanted = replace(
        fonts.NPM_FONTS[0],
        member="files/some.otf",
        notice="LICENSE",
        digest=hashlib.sha256(content).hexdigest(),
    )
    monkeypatch.setattr(fonts, "NPM_FONTS", (wanted,))
    calls = _fake_npm(monkeypatch, _archive("package/files/some.otf", content))
    for _ in range(2):
        chosen = fonts.demo_font(tmp_path / "cache")
        assert chosen.font.path == tmp_path / "cache" / "some.otf"
        assert chosen.passed_over == ()
    assert len(calls) == 1
    assert "--ignore-scripts" in calls[0]
    assert (tmp_path / "cache" / "some.LICENSE.txt").read_text() == "free"
    # A file that was changed in the cache is fetched again.
    (tmp_path / "cache" / "some.otf").write_bytes(b"changed")
    assert fonts.demo_font(tmp_path / "cache").font.digest == wanted.digest


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (None, "could not fetch"),
        (b"no archive", "could not fetch"),
        (_archive("package/other", b""), "could not fetch"),
        (_archive(f"package/{fonts.NPM_FONTS[0].member}", b"another font"), "pinned|fetch"),
    ],
)
def test_a_fetch_that_fails_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bytes | None, reason: str
) -> None:
    _fake_npm(monkeypatch, archive)
    chosen = fonts.demo_font(tmp_path / "cache")
    assert "Pillow" in chosen.origin
    assert len(chosen.passed_over) == 3
    assert regex.search(reason, chosen.passed_over[0])


def test_the_command_reports_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data.main([str(tmp_path / "out"), "--font", str(tmp_path / "none.ttf")]) == 2
    assert "none.ttf" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_demo_runs_from_nothing_to_the_page_and_replaces_only_itself(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)  # no npm
    monkeypatch.setattr(data, "demo_texts", lambda long_s: ["Weißes Öl", "für die Hütte"] * 10)
    monkeypatch.setattr(
        demo_typewriter, "demo_config", lambda: tiny_config("training.warm_start=0")
    )
    out = tmp_path / "demo"
    for _ in range(2):
        rows = list(run_demo(out, minutes=0.03, part="typewriter"))
        page = Path(rows[-1].removeprefix("open "))
        assert page == out / "typewriter" / "report" / "index.html"
        assert "<svg" in page.read_text(encoding="utf-8")
        assert any(row.startswith("test CER") and "glyphs found" in row for row in rows)
        assert (out / "typewriter" / "decomposed" / "glyphs.tsv").is_file()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "work.txt").write_text("mine")
    with pytest.raises(RunError, match="is no demo"):
        list(run_demo(tmp_path / "other", minutes=0.03))
    assert (tmp_path / "other" / "work.txt").read_text() == "mine"
