"""What the page of a parallel set shows: a row per source picture, a column per label."""

from __future__ import annotations

import shlex
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ... import __version__
from ...reports.translation import (
    TranslationCell,
    TranslationReport,
    TranslationRow,
    write_translation_report,
)
from ...reports.wording import flat, hardware
from ...values import Problem
from ..intervals import mean_of_labels
from ..overlays import encode_webp, reduced_picture
from ..record import credit_lines
from .parallel import ParallelSet, Translation, read_parallel, read_pixels

__all__ = ["rows_shown", "write_translation_page"]

ROWS = 8
"""Source pictures of a label that the page shows, and at most `MOST` in all."""
MOST = 60
SIDE = 256
"""Longest side of a picture on the page, in pixels."""


def rows_shown(found: ParallelSet, per_label: int = ROWS, most: int = MOST) -> list[int]:
    """Indices of the source pictures that the page shows: as many of every label, spread evenly.

    Arguments:
        found: The set.
        per_label: At most so many of a source label.
        most: At most so many in all, at least one of each label.

    Returns:
        Label by label, each ascending.
    """
    of: dict[str, list[int]] = defaultdict(list)
    for index, rows in found.by_picture().items():
        of[rows[0].source].append(index)
    count = max(1, min(per_label, most // max(1, len(of))))
    chosen: list[int] = []
    for label in sorted(of):
        places = np.linspace(0, len(of[label]) - 1, min(count, len(of[label])))
        chosen += [of[label][round(place)] for place in places]
    return chosen


def write_translation_page(folder: Path) -> Path:
    """Write the page of a parallel set from what is there.

    Arguments:
        folder: Of the set.

    Returns:
        The page, `index.html` in the folder.

    Raises:
        RunError: If there is no set, or a picture of it is damaged.
    """
    found = read_parallel(folder)
    about, pictures = found.about, found.by_picture()
    shown = rows_shown(found)
    errors = np.array([rows[0].rmse for rows in pictures.values()], np.float64)
    floors = np.array([rows[0].codec_rmse for rows in pictures.values()], np.float64)
    interval = mean_of_labels([(errors, np.ones(len(errors)))])
    residuals = [r[0].residual for r in pictures.values() if r[0].residual is not None]
    report = TranslationReport(
        title=about.data["name"],
        labels=about.labels,
        rows=tuple(_row(found, pictures[index]) for index in shown),
        pictures=len(pictures),
        translations=len(found.rows),
        error=float(errors.mean()) if len(errors) else None,
        error_interval=(interval.low, interval.high) if len(errors) > 1 else None,
        floor=float(floors.mean()) if len(floors) else None,
        residual=max(residuals) if residuals else None,
        exact=about.config.inversion == "exact",
        guidance=about.config.guidance,
        start=about.config.start,
        steps=about.config.steps,
        places=tuple(about.places["features"]) + _short(about.places["attention"]),
        prompt=about.prompt.label,
        model=f"{about.run['model']} model of {about.run['name']}",
        credits=credit_lines(about.record.get("credits")),
        hardware=hardware(about.record.get("hardware")),
        settings=tuple(flat(about.config.__dict__)),
        problems=(*_problems(found), *_unsolved(found)),
        commands=(_command(found),),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )
    return write_translation_report(report, found.folder.page)


def _row(found: ParallelSet, rows: Sequence[Translation]) -> TranslationRow:
    first = rows[0]
    files = {row.target: row.file for row in rows} | {first.source: first.real}
    cells = [
        TranslationCell(
            label,
            _image(found.path(files[label])) if label in files else b"",
            label == first.source,
        )
        for label in found.about.labels
    ]
    again = _image(found.path(first.reconstruction))
    return TranslationRow(
        first.picture, first.source, tuple(cells), again, first.rmse, first.psnr, first.codec_rmse
    )


def _image(path: Path) -> bytes:
    """A picture for the page; small ones enlarged by a whole factor, without smoothing."""
    pixels = reduced_picture(read_pixels(path), SIDE)
    factor = max(1, 128 // max(pixels.shape[:2]))
    image = Image.fromarray(pixels)
    if factor > 1:
        image = image.resize(
            (image.width * factor, image.height * factor), Image.Resampling.BICUBIC
        )
    return encode_webp(image, 88)


def _short(names: Sequence[str]) -> tuple[str, ...]:
    """Blocks of self-attention, once for queries and keys of all their layers."""
    blocks = [name.split(".transformer_blocks")[0] for name in names]
    return tuple(dict.fromkeys(f"{block} (self-attention, Q and K)" for block in blocks))


def _problems(found: ParallelSet) -> Iterator[Problem]:
    """What a reader should know: translations begin at noise that may not stand for the picture."""
    bad = [rows[0] for rows in found.by_picture().values() if rows[0].rmse > 10]
    if bad:
        yield Problem(
            Path(bad[0].picture),
            f"{len(bad)} pictures come back from noise with an error above 10 grey levels, this "
            f"one with {bad[0].rmse:.1f}: their translations lose content for that reason alone",
            "Use --set inversion=exact, or more --set inversion_steps",
            fatal=False,
        )


def _unsolved(found: ParallelSet) -> Iterator[Problem]:
    """Exact inversions that are not exact: the steps were too large to be solved."""
    bad = [rows[0] for rows in found.by_picture().values() if (rows[0].residual or 0) > 1e-3]
    if bad:
        yield Problem(
            Path(bad[0].picture),
            f"{len(bad)} pictures have a step of the inversion that was not solved, in this one "
            f"with a relative error of {max(row.residual or 0 for row in bad):.1g} or less",
            "Use more --set iterations, or more --set inversion_steps",
            fatal=False,
        )


def _command(found: ParallelSet) -> str:
    about = found.about
    run, out = (shlex.quote(name) for name in (about.run["name"], found.folder.folder.name))
    count, seed = about.record.get("per_label"), about.record.get("seed", 0)
    some = "" if count is None else f" --per-label {count} --seed {seed}"
    return f"typica mine translate {run} --out {out} --config {out}/config.json{some}"
