"""One typewriter per typeface, and how like the true letters its sprites are (Fig. 3.5).

    python benchmarks/typefaces.py --runs FOLDER [--minutes 2] [--typefaces antiqua fraktur] \
        [--out benchmarks/results/typefaces.json]

The same 200 lines are set in eight typefaces, or the nearest that free fonts offer, and a
typewriter of the demo's size is trained on each. Measured on the test lines: character error rate
and how well the glyphs are localised; on the sprites: structural similarity with the font's own
glyphs, by which the typefaces are ranked. `FOLDER/figure` gets the tables and the picture.

A typeface that is finished is not trained again, one that was interrupted goes on, so the command
can be given again until it is done. Fonts are fetched from pinned npm and Debian packages (the
latter with `apt-get download`, which installs nothing) and checked; where that cannot be done,
`--fonts FOLDER` takes `<typeface>.ttf` or `.otf` instead.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablation import one_run
from common import write_result
from typica.demo.data import ASCII, DEMO_OPTIONS
from typica.demo.fonts import NPM_FONTS, NpmFont, font_cache, font_from_npm
from typica.demo.packages import keep, verified
from typica.demo.texts import SOURCE, demo_texts
from typica.demo.typewriter import demo_config
from typica.errors import DataError, TypicaError
from typica.files import write_json
from typica.lines.collection import read_lines
from typica.lines.fonts import Font, open_font
from typica.lines.render import render_collection
from typica.palaeography.exemplar_files import (
    ranked,
    ranking_lines,
    write_exemplars,
    write_ranking,
)
from typica.palaeography.exemplar_options import ExemplarOptions
from typica.palaeography.exemplar_run import compare_run
from typica.palaeography.exemplars import ExemplarComparison
from typica.typewriter.presets import with_changes

__all__ = ["TYPEFACES", "DebianFont", "Typeface", "font_of", "texts"]

OFL = "SIL Open Font License 1.1"
LINES, RARE_LINES = 200, 30
RARE = (
    "Cypern Xaver Yacht Quelle Jaguar Citrone Xerxes Ypern Quitte Juwel Caesar Xenien Ysop Qual "
    "Jubel Cymbel Axt Hexe Physik Lyrik Text bequem Quirl Max Oxyd Mythe Pyramide exakt System "
    "Sphynx Ochse Unze Oper Onyx Ulme Ofen Papst Udo Pauke Klavier"
)
"""Words with letters that the poem has rarely or never: c q x y j, C J O P Q U X Y."""


@dataclass(frozen=True)
class DebianFont:
    """One font file in one pinned Debian package.

    Arguments:
        package: Its name.
        version: Its exact version.
        member: The file, from the root of the file system.
        digest: SHA-256 of the file, as hexadecimal text.
        licence: Its licence, for people.
    """

    package: str
    version: str
    member: str
    digest: str
    licence: str = OFL


@dataclass(frozen=True)
class Typeface:
    """A typeface and the font that stands for it.

    Arguments:
        font: Where it is from.
        about: What it is, and how near to the typeface.
    """

    font: NpmFont | DebianFont
    about: str


def _google(package: str, member: str, digest: str) -> NpmFont:
    return NpmFont(f"@expo-google-fonts/{package}", member, digest, "LICENSE_FONT", OFL)


def _gotico(file: str, digest: str) -> DebianFont:
    folder = "usr/share/fonts/opentype/gotico-antiqua"
    return DebianFont("fonts-gotico-antiqua", "0+git20190704-4", f"{folder}/{file}", digest)


TYPEFACES: dict[str, Typeface] = {
    "antiqua": Typeface(
        _google(
            "im-fell-dw-pica@0.4.0",
            "400Regular/IMFellDWPica_400Regular.ttf",
            "6783a11d777a6ca1a241d0e2f86216c311deb500285b9319046461bab33bd6cb",
        ),
        "IM Fell DW Pica: a roman of about 1680, with its rough edges",
    ),
    "bastarda": Typeface(
        DebianFont(
            "fonts-isabella",
            "1.202-4",
            "usr/share/fonts/truetype/isabella/Isabella.ttf",
            "9534c73a1838d53fc80b6d81334acf7bbc427ef08e3451b3733077079fdb1572",
            f"{OFL} or LGPL",
        ),
        "Isabella: after a Flemish manuscript of 1497, flourished capitals; no type, but the "
        "nearest hand",
    ),
    "fraktur": Typeface(NPM_FONTS[0], "UnifrakturMaguntia: a Fraktur of about 1900"),
    "gotico-antiqua": Typeface(
        _gotico(
            "Fust&Schoeffer-Durandus-GoticoAntiqua118G.otf",
            "6502e71426077dba440aebbc85f10b38ab81275af262f55e6e5760190fd1a333",
        ),
        "Fust and Schoeffer's Durandus type of 1459, redrawn: the first gotico-antiqua",
    ),
    "italic": Typeface(
        _google(
            "im-fell-english@0.4.0",
            "400Regular_Italic/IMFellEnglish_400Regular_Italic.ttf",
            "542953606df87ff01db1eab9c70a8cc7834f92b3eb2072c2cd00e16e0f82a43a",
        ),
        "IM Fell English Italic: of about 1690",
    ),
    "rotunda": Typeface(
        _gotico(
            "Zainer-GoticoAntiqua96G.otf",
            "45d2803d4a88996354c7011d7f16ad7389c3a34bb69f95a9748f4b412aef2eb9",
        ),
        "Zainer's type 96G of about 1475, redrawn: on the way to gotico-antiqua, but round, with "
        "the capitals of a rotunda; no free rotunda is known to us",
    ),
    "schwabacher": Typeface(
        _google(
            "unifrakturcook@0.4.1",
            "700Bold/UnifrakturCook_700Bold.ttf",
            "b9ed8da80463792a29675199b0f6580871025c35b2c539cad7d5de050d216a0c",
        ),
        "UnifrakturCook: after a bold German type of 1910, as broad and round as a Schwabacher; "
        "no free Schwabacher is known to us",
    ),
    "textura": Typeface(
        _google(
            "manufacturing-consent@0.4.0",
            "400Regular/ManufacturingConsent_400Regular.ttf",
            "dcc1b6804f77479e7e259d28574fabbdfac4b6cef95a443102cde5b663291b54",
        ),
        "Manufacturing Consent: an English textura (Old English), drawn from a newspaper's title",
    ),
}
"""The eight typefaces of the published comparison, as near as free fonts come."""


def texts() -> list[str]:
    """The lines that every typeface is set in, without what any of the fonts lacks.

    Passages of Faust, evenly spread, umlauts written out and with one form of s, and lines of words
    with rare letters.
    """
    all_lines = [text.translate(ASCII) for text in demo_texts(long_s=False)]
    spread = np.linspace(0, len(all_lines) - 1, LINES - RARE_LINES).round().astype(int)
    rng = np.random.default_rng(0)
    rare = [" ".join(rng.choice(RARE.split(), 5, replace=False)) for _ in range(RARE_LINES)]
    marks = str.maketrans("!;", ".,")
    return [line.translate(marks) for line in [*(all_lines[i] for i in spread), *rare]]


def font_of(name: str, folder: Path | None, cache: Path) -> Font:
    """The font of a typeface.

    Arguments:
        name: One of `TYPEFACES`.
        folder: A folder with `<typeface>.ttf` or `.otf`, if one is given.
        cache: Where fetched fonts are kept.

    Raises:
        DataError: If it cannot be had.
    """
    for suffix in (".ttf", ".otf") if folder else ():
        if (folder / f"{name}{suffix}").exists():
            return open_font(folder / f"{name}{suffix}")
    wanted = TYPEFACES[name].font
    fetch = _from_debian if isinstance(wanted, DebianFont) else font_from_npm
    path, reason = fetch(wanted, cache)
    if path is None:
        raise DataError(f"{name}: {reason} Fetch the font by hand and give its folder as --fonts.")
    return open_font(path)


def _from_debian(wanted: DebianFont, cache: Path) -> tuple[Path | None, str]:
    """A font file from the cache, the system or Debian, its licence kept beside it."""
    place = cache / Path(wanted.member).name
    if verified(place, wanted.digest):
        return place, ""
    root = Path("/")
    with tempfile.TemporaryDirectory() as folder:
        if not verified(root / wanted.member, wanted.digest):
            root = Path(folder)
            package = f"{wanted.package}={wanted.version}"
            try:
                _run(["apt-get", "download", "--quiet", package], root)
                _run(["dpkg-deb", "-x", *map(str, root.glob("*.deb")), folder], root)
            except (OSError, subprocess.SubprocessError):
                return None, f"{package}: apt-get could not fetch it."
        try:
            data = (root / wanted.member).read_bytes()
            notice = (root / "usr/share/doc" / wanted.package / "copyright").read_bytes()
        except OSError:
            return None, f"{wanted.package}: has no {wanted.member} and copyright."
    if hashlib.sha256(data).hexdigest() != wanted.digest:
        return None, f"{wanted.package}: the font is not the one that was pinned."
    place = keep(place, data)
    keep(place.with_name(f"{place.stem}.LICENSE.txt"), notice)
    return place, ""


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=True)


def one_typeface(
    name: str, font: Font, folder: Path, changes: list[str], minutes: float | None
) -> dict[str, Any]:
    """Render, train (or go on, or take up what is finished), and judge the test lines.

    Arguments:
        name: One of `TYPEFACES`.
        font: Its font.
        folder: Gets the lines and the run.
        changes: Of the demo's configuration.
        minutes: Time for training; None for the steps of the configuration.
    """
    lines = folder / name / "lines"
    if not (lines / "render.json").exists():
        render_collection(texts(), font, lines, DEMO_OPTIONS, document=name)
    run = folder / name / name
    collection = read_lines(lines)
    measured = one_run(run, collection, with_changes(demo_config(), changes), minutes)
    evaluation = json.loads((run / "evaluation/test/evaluation.json").read_text(encoding="utf-8"))
    return measured | {
        "typeface": name,
        "about": TYPEFACES[name].about,
        "font": {"name": font.name, "sha256": font.digest, "lines": len(collection)},
        "cer_low": evaluation["cer_low"],
        "cer_high": evaluation["cer_high"],
        "localisation": evaluation["localisation"],
    }


def as_table(results: list[dict[str, Any]]) -> str:
    """The typefaces as a Markdown table, the most alike first."""
    rows = [
        "| Typeface | SSIM a-z A-Z | where there is ink | CER (%) | glyphs found (%) | mean IoU |",
        "|---|---|---|---|---|---|",
    ]
    for one in sorted(results, key=lambda row: -row["similarity"]["ssim"]):
        alike, found = one["similarity"], one["localisation"] or {}
        share, overlap = found.get("found"), found.get("mean_iou")
        cells = [
            one["typeface"],
            f"{alike['ssim']:.3f} ({alike['low']:.3f} to {alike['high']:.3f})",
            f"{alike['ink_ssim']:.3f}",
            f"{100 * one['cer']:.1f}",
            "" if share is None else f"{100 * share:.1f}",
            "" if overlap is None else f"{overlap:.2f}",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder for lines and runs")
    parser.add_argument("--typefaces", nargs="+", choices=TYPEFACES, default=list(TYPEFACES))
    parser.add_argument("--fonts", type=Path, help="folder with <typeface>.ttf or .otf")
    parser.add_argument("--set", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float, default=2.0)
    given = parser.parse_args()
    changes = [*given.set, *([f"training.steps={given.steps}"] if given.steps else [])]
    minutes = None if given.steps else given.minutes
    results: list[dict[str, Any]] = []
    comparisons = []
    values: dict[str, Any] = {
        "text": SOURCE,
        "max_minutes": minutes,
        "set": changes,
        "options": asdict(ExemplarOptions()),
        "results": results,
    }
    try:
        fonts = {name: font_of(name, given.fonts, font_cache()) for name in given.typefaces}
        for name, font in fonts.items():
            measured = one_typeface(name, font, given.runs, changes, minutes)
            made = compare_run(given.runs / name / name, font.path)
            comparisons.append(made)
            write_exemplars(given.runs / "figure" / name, made)
            results.append(measured | {"similarity": asdict(made.score), "means": means_of(made)})
            # after each typeface: what is measured stays if the rest is interrupted
            order = [one.name for one in ranked(comparisons)]
            for row in results:
                row["rank"] = 1 + order.index(row["typeface"])
            if given.out:
                write_json(given.out, values)
        write_result("typefaces", torch.device("cpu"), values, given.out)
    except TypicaError as error:
        raise SystemExit(str(error)) from error
    finally:
        if comparisons:
            write_ranking(given.runs / "figure", comparisons)
            print("\n".join(ranking_lines(comparisons)))
            print(as_table(results))


def means_of(made: ExemplarComparison) -> dict[str, Any]:
    """The means over groups of letters, and which letters are missing."""
    values = made.as_dict()  # None for what is not known
    return {name: values[name] for name in ("means", "no_exemplar", "no_sprite", "not_seen")}


if __name__ == "__main__":
    main()
