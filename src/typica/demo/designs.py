r"""The demo collection of mining: the same things in several designs, labelled by the design.

Content is the same under every label, so what is typical of a label can only be its style. Six
sets of emoji come from npm; without npm, words in several typefaces do.

`python -m typica.demo.designs OUT` makes it in half a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from ..errors import DAMAGE, DataError, DependencyError, TypicaError
from ..files import atomic_folder, write_json
from .icons import ICON_PACKAGES, IconPackage, IconSet, common_concepts, draw, fill, read_icons
from .packages import cache_folder
from .typefaces import WORDS, set_word, typefaces

__all__ = ["DemoPictures", "main", "make_demo_pictures"]

_VERSION = 1  # of how the pictures are drawn; part of the digest
_SHARE = 0.9  # longer side of the ink over the side of the picture
_CREDITS = "credits.json"


@dataclass(frozen=True)
class DemoPictures:
    """The collection that was made.

    Arguments:
        folder: `<label>/<concept>.png`, and `credits.json`.
        origin: What the labels are, for people.
        credits: Of every label: name, author, licence and where it is from.
        passed_over: Why better choices were not taken, one sentence each.
    """

    folder: Path
    origin: str
    credits: tuple[dict[str, str], ...]
    passed_over: tuple[str, ...] = ()


def make_demo_pictures(
    out: Path,
    *,
    concepts: int = 480,
    size: int = 96,
    cache: Path | None = None,
    progress: bool = True,
) -> DemoPictures:
    """Make the demo collection; an earlier one of the same choices is kept as it is.

    Arguments:
        out: The folder to make; an earlier demo collection there is replaced, nothing else.
        concepts: Pictures per label, if there are as many; evenly from the sorted names.
        size: Side of the pictures in pixels.
        cache: Where fetched packages are kept; a folder in the user's cache if None.
        progress: Show progress on standard error.

    Returns:
        The collection. Never fails for want of npm or of a network.

    Raises:
        DataError: `out` holds something else, or cannot be written.
    """
    out = Path(out)
    _require_own(out)
    options = {"concepts": concepts, "size": size}
    earlier = _credits(out) or {}
    if earlier.get("digest") == _digest(_about_icons(ICON_PACKAGES), options):
        return DemoPictures(out, earlier["origin"], tuple(earlier["labels"]))
    cache = cache_folder("icons") if cache is None else Path(cache)
    sets, reasons = _icon_sets(cache)
    made = _from_icons(sets, options) if len(sets) >= 2 else _from_typefaces(options)
    _write(out, made, options, progress)
    return DemoPictures(out, made.origin, tuple(made.credits), tuple(reasons))


def _icon_sets(cache: Path) -> tuple[list[IconSet], list[str]]:
    """The sets that can be had, and why the others cannot."""
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        return [], ["emoji: resvg-py is not installed (pip install 'typica[demo]')."]
    sets, reasons = [], []
    for wanted in ICON_PACKAGES:
        found, reason = read_icons(wanted, cache)
        if found is not None:
            sets.append(found)
        else:
            reasons.append(reason)
            if len(reasons) == 2 and not sets:
                break  # no npm or no network: four more attempts would only take time
    return sets, reasons


def evenly(names: Sequence[str], count: int) -> list[str]:
    """At most `count` names, evenly spread over the list."""
    count = min(count, len(names))
    return [names[i * len(names) // count] for i in range(count)]


@dataclass(frozen=True)
class _Plan:
    """What is drawn: `draw(label, name)` for every label and name."""

    about: dict[str, Any]
    origin: str
    names: list[str]
    credits: list[dict[str, str]]
    draw: Callable[[str, str], Image.Image]


def _about_icons(sets: Sequence[IconPackage | IconSet]) -> dict[str, Any]:
    return {"demo": "emoji", "packages": [f"{one.label}: {one.package}" for one in sets]}


def _from_icons(sets: list[IconSet], options: dict[str, int]) -> _Plan:
    names = evenly(common_concepts(sets), options["concepts"])
    by_label = {icons.label: icons for icons in sets}

    def picture(label: str, concept: str) -> Image.Image:
        return draw(by_label[label], concept, options["size"], _SHARE)

    origin = f"{len(names)} emoji in {len(sets)} designs, from npm"
    return _Plan(_about_icons(sets), origin, names, [one.credit() for one in sets], picture)


def _from_typefaces(options: dict[str, int]) -> _Plan:
    size = options["size"]
    faces = {face.label: face for face in typefaces()}
    fonts = {label: face.open(size) for label, face in faces.items()}
    names = evenly(sorted(set(WORDS)), options["concepts"])
    credits = [face.credit() for face in faces.values()]

    def picture(label: str, word: str) -> Image.Image:
        return fill(set_word(faces[label], word, size, fonts[label]), size, _SHARE)

    origin = f"{len(names)} words in {len(faces)} typefaces that are installed here"
    return _Plan({"demo": "typefaces", "faces": credits}, origin, names, credits, picture)


def _digest(about: dict[str, Any], options: dict[str, int]) -> str:
    """What decides every pixel of a collection, as one number."""
    plain = json.dumps([_VERSION, _SHARE, about, options], sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _require_own(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier demo collection."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and _credits(out) is None:
        raise DataError(f"{out}: holds something that is no demo collection. Name another folder.")


def _credits(out: Path) -> dict[str, Any] | None:
    """What `credits.json` of an earlier demo collection says."""
    try:
        found = json.loads((out / _CREDITS).read_text(encoding="utf-8"))
    except DAMAGE:
        return None
    known = {"demo", "digest", "origin", "labels"}
    return found if isinstance(found, dict) and known <= set(found) else None


def _write(out: Path, plan: _Plan, options: dict[str, int], progress: bool) -> None:
    """Draw all pictures beside `out` and put them in its place, unless they are there already.

    A name that one label cannot draw is left out under all labels.
    """
    digest = _digest(plan.about, options)
    if (_credits(out) or {}).get("digest") == digest:
        return
    labels = [credit["label"] for credit in plan.credits]
    with atomic_folder(out) as aside:
        for label in labels:
            (aside / label).mkdir()
        left_out = []
        for name in tqdm(plan.names, desc="drawing", unit="concept", disable=not progress):
            try:
                drawn = {label: plan.draw(label, name) for label in labels}
            except DependencyError:
                raise
            except DataError as error:
                left_out.append(str(error))
                continue
            for label, image in drawn.items():
                image.save(aside / label / f"{name}.png")
        made = {"origin": plan.origin, "labels": plan.credits, "left_out": left_out}
        values = {**plan.about, **options, **made}
        write_json(aside / _CREDITS, {**values, "digest": digest})


def main(arguments: list[str] | None = None) -> int:
    """The command line of this module; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m typica.demo.designs", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument("--concepts", type=int, default=480, help="pictures per label")
    parser.add_argument("--size", type=int, default=96, help="side of the pictures in pixels")
    options = parser.parse_args(arguments)
    try:
        made = make_demo_pictures(options.out, concepts=options.concepts, size=options.size)
    except TypicaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for reason in made.passed_over:
        print(f"passed over: {reason}")
    for credit in made.credits:
        print("label: " + ", ".join(value for value in credit.values() if value))
    print(f"pictures: {made.origin}, in {made.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
