"""From a run folder to its report page: gathers what training and evaluation left there."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import __version__
from ..errors import DAMAGE, RunError, reason
from ..lines.line import SPACE, Box, Problem
from ..reports.typewriter import write_typewriter_report
from ..reports.typewriter_values import (
    Confusion,
    Curve,
    DocumentScore,
    LineCard,
    SpriteCard,
    TypewriterReport,
)
from ..reports.wording import flat, hardware
from ..runs import Run
from .edits import edit_operations
from .kept_readings import kept_evaluation, read_readings, read_summary
from .naming import Naming
from .naming_file import KeptNaming
from .reading import LineReading, PlacedGlyph
from .storage import TypewriterAbout, load_typewriter
from .variants import variants_of

__all__ = ["write_report"]


def write_report(run: Path | str, split: str | None = None) -> Path:
    """Write `report/index.html` of a run folder, from what the folder holds.

    Arguments:
        run: The run folder.
        split: Which evaluation to show; by default test, else val, else train, else all.

    Returns:
        The page.

    Raises:
        RunError: If the folder has no model, or no evaluation of that split.
    """
    folder = Run(Path(run))
    chosen = kept_evaluation(folder, split)
    summary = read_summary(chosen)
    truths, found = read_readings(chosen / "readings.jsonl")
    model, about = load_typewriter(folder.folder)
    _require_same_names(chosen, summary, about.naming)
    if not about.reads_text:  # numbered sprites cannot be compared with a transcription
        truths = dict.fromkeys(truths)
    masks = model.sprites().detach().numpy()
    training = about.training

    lines = tuple(_line_card(chosen, summary, name, truths, found) for name in summary["samples"])
    worst = tuple(_line_card(chosen, summary, name, truths, found) for name in summary["worst"])
    worst = tuple(card for card in worst if card.cer is None or card.cer > 0)
    shown = {card.id for card in worst}
    report = TypewriterReport(
        title=str(training.get("data", folder.folder.name)),
        sprites=tuple(_sprite_cards(about, masks, truths, found)),
        description=_description(training, summary, about.naming),
        supervised=bool(about.symbols),
        split=str(summary["split"]),
        line_count=int(summary["lines"]),
        cer=summary.get("cer"),
        cer_low=summary.get("cer_low"),
        cer_high=summary.get("cer_high"),
        reconstruction=summary.get("reconstruction")
        or float(np.mean([r.reconstruction or 0.0 for r in found.values()])),
        placements=summary.get("placements_per_character"),
        localisation=(summary.get("localisation") or {}).get("found"),
        minutes=training.get("minutes"),
        steps=training.get("steps"),
        hardware=hardware(training.get("hardware", {})),
        lines=tuple(card for card in lines if card.id not in shown),
        worst=worst,
        confusions=tuple(
            Confusion(c["truth"], c["read"], c["count"]) for c in summary.get("confusions", [])
        ),
        curves=tuple(_curves(folder.read_log())),
        documents=tuple(
            DocumentScore(d["document"], d["lines"], d.get("cer"), d.get("reconstruction"))
            for d in summary.get("documents", [])
        ),
        settings=tuple(flat(about.config.as_dict())),
        problems=tuple(_problems(folder.folder / "problems.json")),
        commands=(
            f"typica typewriter train DATA --out {folder.folder.name}",
            f"typica typewriter eval {folder.folder.name} DATA --split {summary['split']}",
            f"typica typewriter report {folder.folder.name}",
        ),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )
    return write_typewriter_report(report, folder.folder / "report" / "index.html")


def _require_same_names(folder: Path, summary: dict[str, Any], naming: KeptNaming | None) -> None:
    """Refuse an evaluation that was read with other names than the run has now."""
    if summary.get("naming") != (None if naming is None else naming.digest):
        raise RunError(
            f"{folder}: made before the sprites got the names that they have now. Run "
            f"`typica typewriter eval --split {folder.name}` again."
        )


def _description(
    training: dict[str, Any], summary: dict[str, Any], naming: KeptNaming | None
) -> str:
    """What it was learned from and judged on, in a sentence."""
    judged = {
        "test": "others that it never saw",
        "val": "others, which were only used to choose the best weights",
        "train": "of them",
    }.get(str(summary["split"]), "lines of all splits, these included")
    named = ""
    if naming is not None:
        source = f"{len(naming.lines)} transcribed lines of {naming.data}, {naming.split}"
        if naming.language is not None:
            source = f"the language of {naming.language.text}, without any transcription"
        named = f" Its sprites were named afterwards from {source}."
    learned = f"Learned from {training.get('train_lines', '?')} lines{_began(training)}"
    return f"{learned}, judged on {summary['lines']} {judged}.{named}"


def _began(training: dict[str, Any]) -> str:
    """What the training did not start from nothing with, if so."""
    source = training.get("started_from")
    if not isinstance(source, dict):
        return ""
    if "run" in source:
        return f" after the typewriter {source['run']}"
    return " with an encoder that had read many typefaces"


def _letters(truth: list[str] | None) -> list[str]:
    return [symbol for symbol in truth or () if symbol != SPACE]


def _line_card(
    folder: Path,
    summary: dict[str, Any],
    name: str,
    truths: dict[str, list[str] | None],
    found: dict[str, LineReading],
) -> LineCard:
    number = summary["pictures"][name]
    original, reconstruction, segmentation = (
        _picture(folder / "pictures" / f"{number}-{kind}.png")
        for kind in ("original", "reconstruction", "segmentation")
    )
    reading, truth = found[name], truths[name]
    pairs = edit_operations(_letters(truth), reading.letters) if truth is not None else ()
    wrong = sum(a != b for a, b in pairs)
    return LineCard(
        id=name,
        truth=None if truth is None else "".join(truth),
        read=reading.text,
        cer=None if truth is None else wrong / max(1, len(_letters(truth))),
        reconstruction=reading.reconstruction,
        original=original,
        reconstruction_image=reconstruction,
        segmentation=segmentation,
        glyphs=tuple(_scaled(g, original.shape[0] / reading.height) for g in reading.glyphs),
        edits=tuple(pairs),
    )


def _scaled(glyph: PlacedGlyph, factor: float) -> PlacedGlyph:
    """The same glyph in pixels of the line at the model's height."""
    box = glyph.box
    scaled = Box(box.left * factor, box.top * factor, box.right * factor, box.bottom * factor)
    return replace(glyph, box=scaled)


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:  # Pillow raises all three
        raise RunError(f"{path}: damaged ({error}). Run `typica typewriter eval` again.") from error


def _sprite_cards(
    about: TypewriterAbout,
    masks: NDArray[np.float32],
    truths: dict[str, list[str] | None],
    found: dict[str, LineReading],
) -> Iterator[SpriteCard]:
    placed: dict[int, list[PlacedGlyph]] = defaultdict(list)
    wrong: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for name, reading in found.items():
        for glyph in (*reading.glyphs, *reading.unread):
            for sprite in {glyph.sprite, *glyph.also} if glyph.placements else ():
                placed[sprite].append(glyph)
        truth = truths[name]
        if truth is not None:
            for expected, read in edit_operations(_letters(truth), reading.letters):
                if expected is not None:
                    total[expected] += 1
                    wrong[expected] += expected != read
    variants = variants_of(about.config.sprites, about.symbols)
    naming = None if about.naming is None else about.naming.naming
    for number, mask in enumerate(masks):
        symbol = about.symbols[variants.owner[number]] if about.symbols else ""
        several = variants.counts[variants.owner[number]] > 1
        notes = [f"variant {variants.number(number) + 1}"] if several else []
        if naming is not None:
            symbol = "".join(naming.names[number])
            notes += _joint_names(naming, number)
        glyphs = placed[number]
        colour = np.mean([g.colour for g in glyphs], axis=0) if glyphs else np.zeros(3)
        yield SpriteCard(
            symbol=symbol,
            image=mask,
            colour=(float(colour[0]), float(colour[1]), float(colour[2])),
            train_count=about.counts.get(symbol) if about.symbols else None,
            placed_count=len(glyphs),
            confidence=float(np.mean([g.confidence for g in glyphs])) if glyphs else None,
            cer=wrong[symbol] / total[symbol] if total[symbol] else None,
            scale=float(np.mean([g.scale for g in glyphs])) if glyphs else None,
            note="; ".join(notes),
            sprite=number,
        )


def _joint_names(naming: Naming, sprite: int) -> Iterator[str]:
    """What a sprite stands for together with its neighbours."""
    for run, name in naming.grams:
        if sprite in run:
            numbers = " + ".join(str(k + 1) for k in run)
            yield f"nos. {numbers} together: {''.join(name) or 'nothing'}"


def _curves(rows: list[dict[str, Any]]) -> Iterator[Curve]:
    plan = [
        ("reconstruction", "training", "Reconstruction error", True, False),
        ("validation_reconstruction", "validation", "Reconstruction error", True, False),
        ("text", "training", "Text loss per character", True, False),
        ("validation_cer", "validation", "Character error rate", True, True),
        ("learning_rate", "learning rate", "Learning rate", False, False),
    ]
    for key, name, panel, log, percent in plan:
        points = [(row["step"], row[key]) for row in rows if key in row]
        if points:
            steps, values = zip(*points, strict=True)
            yield Curve(name, steps, values, panel, log, percent)


def _problems(path: Path) -> Iterator[Problem]:
    if not path.exists():
        return
    try:
        for row in json.loads(path.read_text(encoding="utf-8")):
            yield Problem(Path(row["file"]), row["message"], row["remedy"], row["line"])
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged ({reason(error)}). Remove it: the report then lists no problems."
        ) from error
