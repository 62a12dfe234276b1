"""Figures for a paper from finished runs: lines taken apart, alphabets side by side (section 3.4).

They are drawn from what every run keeps, so that all systems of a table can stand in one figure:
`lines.png` has a line as it is, then its reconstruction and segmentation by every run (Fig. 3.3);
`alphabets.png` the sprites of every run, one row each, the same letter in the same column (Fig.
3.4). What is drawn from which run is written beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, RunError
from ..files import write_json
from ..lines.images import read_image
from ..runs import Run
from .kept_readings import kept_evaluation, read_readings, read_summary
from .pictures import caption_picture, sprite_sheet, stack_pictures, write_png
from .storage import load_typewriter

__all__ = ["alphabet_rows", "lines_figure", "write_figures"]

Picture = NDArray[np.uint8]
_KINDS = ("reconstruction", "segmentation")


def _picture(folder: Path, number: str, kind: str) -> Picture | None:
    path = folder / "pictures" / f"{number}-{kind}.png"
    return np.asarray(read_image(path)) if path.exists() else None


def lines_figure(
    runs: Sequence[Path], split: str | None, count: int, font: Path | None = None
) -> tuple[Picture, list[str]]:
    """Lines that all runs have kept pictures of, and what each run makes of them.

    Arguments:
        runs: Run folders with an evaluation: of a typewriter, or of a system compared with.
        split: Of which evaluation; the first that there is, if not given.
        count: Lines.
        font: For the captions.

    Returns:
        The picture, and the ids of the lines.

    Raises:
        RunError: If a run has no evaluation, or no line is common to all.
    """
    folders = [kept_evaluation(Run(run), split) for run in runs]
    summaries = [read_summary(folder) for folder in folders]
    common = [
        name for name in summaries[0]["samples"] if all(name in s["pictures"] for s in summaries)
    ]
    if not common:
        raise RunError(
            f"{folders[-1]}: has pictures of no line that {folders[0]} has pictures of. Evaluate "
            "all runs on the same lines with `typica typewriter eval`."
        )
    chosen = [common[i] for i in np.unique(np.linspace(0, len(common) - 1, count).astype(int))]
    blocks = []
    for name in chosen:
        rows = []
        for place, (run, folder, summary) in enumerate(zip(runs, folders, summaries, strict=True)):
            kinds = ("original", *_KINDS) if place == 0 else _KINDS
            number = summary["pictures"][name]
            if len(runs) > 1:
                rows.append(caption_picture(run.name, font))
            rows += [p for kind in kinds if (p := _picture(folder, number, kind)) is not None]
        blocks.append(stack_pictures(rows, gap=3))
    return stack_pictures(blocks, gap=16), chosen


def alphabet_rows(
    run: Path, letters: Sequence[str] | None = None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The sprite of every letter of a run: of several that bear its name, the most used.

    Arguments:
        run: A run folder with a typewriter; one without names gives its sprites by number.
        letters: Which; by default all that it has, in its own order.

    Returns:
        Opacities `(N, h, w)`, nothing where the run has no such letter, and their names.
    """
    model, about = load_typewriter(run)
    masks = model.sprites().detach().numpy()
    uses = np.zeros(len(masks), np.int64)
    for reading in read_readings(kept_evaluation(Run(run)) / "readings.jsonl")[1].values():
        for glyph in reading.glyphs:
            uses[glyph.sprite] += 1
    if about.symbols:
        names = [about.symbols[character] for character in model.variants.owner[:-1]]
    elif about.naming is not None:
        names = ["".join(name) for name in about.naming.naming.names]
    else:
        names = [str(number + 1) for number in range(len(masks))]
    best: dict[str, int] = {}
    for sprite in sorted(range(len(masks)), key=lambda k: (-uses[k], k)):
        if names[sprite]:
            best.setdefault(names[sprite], sprite)
    wanted = tuple(letters) if letters else tuple(sorted(best))
    rows = np.stack(
        [masks[best[name]] if name in best else np.zeros_like(masks[0]) for name in wanted]
    )
    return rows, wanted


def write_figures(
    runs: Sequence[Path],
    out: Path,
    *,
    split: str | None = None,
    lines: int = 3,
    letters: Sequence[str] | None = None,
    columns: int = 26,
    font: Path | None = None,
) -> list[Path]:
    """Write `lines.png` and `alphabets.png` of some runs.

    Arguments:
        runs: Run folders; those without a typewriter (systems compared with) have no alphabet.
        out: Folder to write into.
        split: Of which evaluation.
        lines: How many lines.
        letters: Which letters; by default those that any of the runs has.
        columns: Letters in a row.
        font: Font file for the captions; Pillow's own has little more than ASCII.

    Returns:
        What was written.

    Raises:
        ConfigError: If no run is given.
        RunError: If a run has no evaluation, or none has an alphabet.
    """
    if not runs or lines < 1 or columns < 1:
        raise ConfigError("give at least one run, one line and one column")
    picture, chosen = lines_figure(runs, split, lines, font)
    written = [write_png(out / "lines.png", picture)]
    with_alphabet = [run for run in runs if _is_typewriter(run)]
    if with_alphabet:
        if letters is None:
            every = [set(alphabet_rows(run)[1]) for run in with_alphabet]
            letters = sorted(set().union(*every))
        written.append(
            write_png(out / "alphabets.png", _alphabets(with_alphabet, letters, columns, font))
        )
    about = {
        "runs": [run.name for run in runs],
        "lines": chosen,
        "letters": list(letters or ()),
        "alphabets": [run.name for run in with_alphabet],
    }
    write_json(out / "figures.json", about)
    return written


def _is_typewriter(run: Path) -> bool:
    try:
        load_typewriter(run)
    except (RunError, DataError):
        return False
    return True


def _alphabets(
    runs: Sequence[Path], letters: Sequence[str], columns: int, font: Path | None
) -> Picture:
    found = [alphabet_rows(run, letters)[0] for run in runs]
    height = max(rows.shape[1] for rows in found)
    width = max(rows.shape[2] for rows in found)
    blocks = []
    if len(runs) > 1:
        blocks.append(
            caption_picture("from top to bottom: " + ", ".join(r.name for r in runs), font)
        )
    for start in range(0, len(letters), columns):
        names = list(letters[start : start + columns])
        part = []
        for rows in found:
            down, right = height - rows.shape[1], width - rows.shape[2]
            around = ((0, 0), (down // 2, down - down // 2), (right // 2, right - right // 2))
            part.append(np.pad(rows[start : start + columns], around))
        # one sheet for all runs, so that a letter keeps its column
        sheet = sprite_sheet(np.concatenate(part), names * len(runs), len(names), gap=2, font=font)
        blocks.append(sheet)
    return stack_pictures(blocks, gap=8)
