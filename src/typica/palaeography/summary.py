"""From a finished job to its report: a page, figures and tables.

    OUT/index.html            the page
    OUT/figures/              alphabet, differences, tree, distances, graphs: SVG and PDF
    OUT/data/                 the comparison's tables, prototypes.csv, allographs.csv

Nothing but the folder of the job is needed: its cache holds the lines that occurrences are cut
from.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..configs import from_plain
from ..errors import DAMAGE, ConfigError, RunError, reason
from ..files import write_bytes, write_text
from ..lines.line import Box
from ..reports.drawing import svg
from ..reports.palaeography import page_figures, write_palaeography_report
from ..reports.palaeography_values import (
    AllographCard,
    GroupCard,
    OccurrenceCard,
    PalaeographyReport,
)
from ..reports.pdf import pdf
from ..reports.raster import png
from ..reports.wording import flat, hardware
from ..runs import Run
from .allographs import AllographOptions, propose
from .cleaning import clean_prototypes, reference_masks
from .comparing import compare
from .comparison import Comparison
from .comparison_options import ComparisonOptions
from .comparison_run import kept_effective_pixels
from .criteria import Criterion
from .cuts import cut_box, kept_lines, occurrence_box
from .differences import usable
from .glyphs import documents_of_lines
from .occurrences import Occurrences, letter_moments
from .pairs import draw_pair
from .prototypes import Prototypes, load_prototypes
from .report_commands import repeating_commands
from .report_tables import write_tables
from .scene_file import load_occurrences
from .tints import coloured_letters

__all__ = ["gather_report", "write_report"]


def write_report(
    folder: Path,
    out: Path,
    comparison: Path | None = None,
    allographs: Path | None = None,
    occurrences: int = 24,
    pair: tuple[str, str] | None = None,
    letters: Sequence[str] = (),
) -> list[str]:
    """Write the report of a job.

    Arguments:
        folder: That of `typica palaeography adapt`.
        out: Folder to write into.
        comparison: What `typica palaeography compare` wrote: its options and criteria are used;
            by default the usual options.
        allographs: What `typica palaeography allographs` wrote.
        occurrences: Of a letter in a group that are shown; fewer if the page would be too large.
        pair: Two groups to set side by side in a figure of their own.
        letters: Of that figure; by default the three that differ most.

    Returns:
        Lines for a terminal.

    Raises:
        ConfigError: If a group or letter of the pair is not there.
        RunError: If the job is not finished, or the other folders are of another one.
    """
    if letters and pair is None:
        raise ConfigError("--letters: of which two groups? Give --pair too")
    report = gather_report(folder, comparison, allographs, occurrences)
    beside = None if pair is None else draw_pair(report, pair, letters)
    page = write_palaeography_report(report, out / "index.html")
    figures = page_figures(report)
    for name, drawing in figures.items():
        write_text(out / "figures" / f"{name}.svg", f"{svg(drawing, alone=True)}\n")
        write_bytes(out / "figures" / f"{name}.pdf", pdf(drawing))
    tables = write_tables(out / "data", report)
    told = []
    if beside is not None:
        path = out / "figures" / f"{beside[0]}.png"
        write_bytes(path, png(beside[1], colours=256))
        write_text(path.with_suffix(".svg"), f"{svg(beside[1], alone=True)}\n")
        write_bytes(path.with_suffix(".pdf"), pdf(beside[1]))
        told.append(f"two groups side by side: {path} (and SVG, PDF)")
    size = page.stat().st_size / 1e6
    return [
        f"page: {page} ({size:.1f} MB)",
        f"{len(figures)} figures as SVG and PDF: {out / 'figures'}",
        f"{tables} tables: {out / 'data'}",
        *told,
    ]


def gather_report(
    folder: Path,
    comparison: Path | None = None,
    allographs: Path | None = None,
    occurrences: int = 24,
) -> PalaeographyReport:
    """What the report of a job shows; see `write_report`."""
    if occurrences < 0:
        raise ConfigError("--occurrences: at least 0")
    path = folder / "prototypes.safetensors"
    if not path.exists():
        raise RunError(
            f"{folder}: holds no prototypes.safetensors. Make it with `typica palaeography adapt`, "
            "or go on with --resume if that was stopped."
        )
    record = Run(folder).read_config()
    whole, about = load_prototypes(path)
    options, criteria, kept = _read_comparison(comparison)
    made = None
    if len(whole.groups) > 1:
        effective = kept_effective_pixels(about, len(whole.letters), path)
        made = compare(whole, options, criteria, effective)
        _require_same(made, kept, comparison)
    chosen = [whole.labels.index(label) for label in made.letters] if made else None
    some = whole if chosen is None else whole.some_letters(chosen)
    cleaned, _, quality = clean_prototypes(some, options.cleaning, least=options.least)
    shown = cleaned if options.clean else some
    use = usable(some, options.least)
    rule = options.cleaning
    coloured = coloured_letters(some.tints, use, rule.coloured, rule.coloured_least)
    seen, lines = load_occurrences(folder / "occurrences.safetensors")
    sprites = list(range(len(whole.letters))) if chosen is None else chosen
    field = str(about["field"])
    documents = documents_of_lines(folder, lines, field)
    cards = _occurrence_cards(folder, shown, sprites, seen, lines, documents, occurrences)
    found, proposals = _allograph_cards(folder, allographs, whole, sprites, seen, lines, documents)
    groups = _group_cards(whole.groups, about)
    seconds = [one.seconds for one in groups if one.seconds is not None]
    total = sum(group["lines"] for group in record["groups"] if group["field"] == field)
    return PalaeographyReport(
        title=str(record["data"]),
        description=_description(record, shown, field, total),
        kind=field,
        prototypes=shown,
        cleaned=options.clean,
        comparison=made,
        use=use,
        quality=quality,
        coloured=coloured,
        least=options.least,
        levels=tuple(_levels(folder, record, field, chosen, options)),
        groups=groups,
        occurrences=cards,
        allographs=proposals,
        looked_for_allographs=found,
        warnings=tuple(_warnings(folder, shown, use, made, options, bool(documents))),
        minutes=sum(seconds) / 60 if seconds else None,
        reference_minutes=_reference_minutes(about),
        hardware=_machines(about),
        steps=record["options"].get("steps") if seconds else None,
        settings=(*flat(record["options"]), *_settings(options)),
        commands=tuple(repeating_commands(folder, record, options, comparison, allographs)),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )


def _read_comparison(
    folder: Path | None,
) -> tuple[ComparisonOptions, tuple[Criterion, ...], dict[str, Any] | None]:
    """Options, criteria and results of a kept comparison."""
    if folder is None:
        return ComparisonOptions(), (), None
    path = folder / "comparison.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["kind"] != "comparison":
            raise ValueError("this is no comparison")
        criteria = tuple(Criterion(**row) for row in kept["criteria"])
        return from_plain(ComparisonOptions, kept["options"]), criteria, kept
    except DAMAGE as error:
        raise RunError(
            f"{path}: missing or damaged ({reason(error)}). Make it with `typica palaeography "
            "compare`."
        ) from error


def _require_same(made: Comparison, kept: dict[str, Any] | None, folder: Path | None) -> None:
    """Refuse tables that were made of other prototypes: page and tables would contradict."""
    if kept is None:
        return
    told = np.array(kept["distances"], np.float64)
    if (
        kept["groups"] != list(made.groups)
        or kept["letters"] != list(made.letters)
        or not np.allclose(told, made.means, rtol=1e-5, equal_nan=True)
    ):
        raise RunError(
            f"{folder}: was made of other prototypes. Run `typica palaeography compare` again."
        )


def _description(record: dict[str, Any], shown: Prototypes, field: str, total: int) -> str:
    number = len(shown.groups)
    what = record["options"].get("what", "")
    how = {
        "nothing": "the mean of the occurrences that the reference found",
        "generator": "learned by adapting nothing but the shapes of one reference",
    }.get(what, f"learned by adapting ({what}) one reference")
    one = f"{number} groups by {field}" if number != 1 else f"One group by {field}"
    return f"{one}, {total} lines, {len(shown.letters)} letters: each prototype {how}."


def _levels(
    folder: Path,
    record: dict[str, Any],
    field: str,
    chosen: list[int] | None,
    options: ComparisonOptions,
) -> Iterable[Prototypes]:
    """Prototypes of the levels above, of the same letters, cleaned in the same way."""
    for level in record["levels"]:
        # the name that adaptation gave the file
        name = "".join(c if c.isalnum() or c in "_.-" else "_" for c in level)
        path = folder / f"{name}.safetensors"
        if level == field or not path.exists():
            continue
        some, _ = load_prototypes(path)
        some = some if chosen is None else some.some_letters(chosen)
        if options.clean:
            some = clean_prototypes(some, options.cleaning, least=options.least)[0]
        yield some


def _group_cards(names: Sequence[str], about: dict[str, Any]) -> tuple[GroupCard, ...]:
    rows = {row["group"]: row for row in about.get("groups", ())}
    cards = []
    for name in names:
        row = rows.get(name, {})
        values = (row.get(key) for key in ("lines", "before", "after", "seconds"))
        cards.append(GroupCard(name, *values))
    return tuple(cards)


def _reference_minutes(about: dict[str, Any]) -> float | None:
    """How long training the reference took; None where it was not recorded."""
    minutes = (about.get("reference_training") or {}).get("minutes")
    return float(minutes) if minutes else None


def _machines(about: dict[str, Any]) -> str:
    """On what the groups were adapted; empty where it was not recorded."""
    found = {hardware(row.get("hardware")) for row in about.get("groups", ())}
    return " and ".join(sorted(found - {""}))


def _occurrence_cards(
    folder: Path,
    shown: Prototypes,
    sprites: list[int],
    seen: Occurrences,
    lines: list[str],
    documents: dict[int, str],
    most: int,
) -> dict[tuple[int, int], tuple[OccurrenceCard, ...]]:
    """Occurrences of every letter in every group, evenly from its first line to its last."""
    high, wide = shown.reference.shape[1:]
    pictures = kept_lines(folder, len(lines))
    whole = Box(0, 0, wide, high)
    of_line = np.array([documents.get(n, "") for n in range(len(lines))], dtype=object)
    of_glyph = of_line[seen.lines] if len(seen) else np.zeros(0, object)
    found = {}
    for g, name in enumerate(shown.groups):
        for k, sprite in enumerate(sprites):
            own = np.flatnonzero((of_glyph == name) & (seen.sprites == sprite))
            if len(own) > most:
                own = own[np.linspace(0, len(own) - 1, most).round().astype(int)]
            cards = []
            for number in own.tolist():
                if pictures is None:  # the ink alone is left
                    picture = np.repeat(255 - seen.ink[number][..., None], 3, axis=2)
                else:
                    box = occurrence_box(seen, number, whole)
                    picture = cut_box(pictures[int(seen.lines[number])], box, (high, wide))
                cards.append(OccurrenceCard(lines[int(seen.lines[number])], picture))
            if cards:
                found[g, k] = tuple(cards)
    return found


def _allograph_cards(
    folder: Path,
    proposals: Path | None,
    whole: Prototypes,
    sprites: list[int],
    seen: Occurrences,
    lines: list[str],
    documents: dict[int, str],
) -> tuple[bool, tuple[AllographCard, ...]]:
    """Whether somebody looked for allographs, and what was proposed."""
    if proposals is None:
        return False, ()
    path = proposals / "allographs.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        options = from_plain(AllographOptions, kept["options"])
        rows = [row for row in kept["letters"] if row["proposed"] and row["sprite"] in sprites]
        of_line = np.array([documents.get(n, "") for n in range(len(lines))], dtype=object)
        masks = reference_masks(whole.reference, components="reaching")
        cards = []
        for row in rows:
            sprite, group = int(row["sprite"]), str(row["group"])
            own = (of_line[seen.lines] == group) if group else np.ones(len(seen), bool)
            chosen = seen.where(own & (seen.sprites == sprite))
            again = propose(chosen, masks[sprite], options)
            means = None
            if again is not None and again.count == row["count"]:
                first, second = (chosen.where(part) for part in (~again.second, again.second))
                means = (letter_moments(first)[0], letter_moments(second)[0])
            ids = (tuple(row["lines"]), tuple(row["lines_of_the_rarer"]))
            values = (int(row["count"]), float(row["separation"]), float(row["share"]))
            cards.append(AllographCard(sprites.index(sprite), group, *values, means, ids))
    except DAMAGE as error:
        raise RunError(
            f"{path}: missing or damaged ({reason(error)}). Make it with `typica palaeography "
            "allographs`."
        ) from error
    return True, tuple(cards)


def _warnings(
    folder: Path,
    shown: Prototypes,
    use: NDArray[np.bool_],
    made: Comparison | None,
    options: ComparisonOptions,
    known: bool,
) -> Iterable[str]:
    """What to know before trusting the page, in sentences."""
    if made is None:
        yield "There is one group only, so nothing can be compared."
    path = folder / "problems.json"
    try:
        without = json.loads(path.read_text(encoding="utf-8"))["lines_without_field"]
    except DAMAGE:
        without = []
    if without:
        yield f"{len(without)} lines lack the field that groups are made by; they were left out."
    if not known:
        yield "This job did not keep which lines its groups have, so no occurrences are shown."
    few = [f"{name} {(~use[g]).sum()}" for g, name in enumerate(shown.groups) if not use[g].all()]
    if few:
        yield (
            f"A letter with fewer than {options.least} occurrences in a group shows mostly the "
            f"reference; it is pale and takes part in no comparison. Of {len(shown.letters)} "
            f"letters these are: {', '.join(few)}."
        )
    for note in made.notes if made else ():
        yield note[:1].upper() + note[1:] + "."


def _settings(options: ComparisonOptions) -> Iterable[tuple[str, str]]:
    yield from flat(asdict(options), "compare.")
