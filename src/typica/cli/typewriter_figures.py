"""`typica typewriter figures`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

__all__ = ["typewriter_figures"]


def typewriter_figures(
    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN ...")],
    /,
    out: Path,
    split: Literal["train", "val", "test", "all"] | None = None,
    lines: int = 3,
    letters: str | None = None,
    columns: int = 26,
    font: Path | None = None,
) -> int:
    """Figures for a paper: lines taken apart and alphabets, of one run or several side by side.

    Args:
        runs: Run folders with an evaluation: of typewriters, and of systems compared with.
        out: Folder to write into.
        split: Of which evaluation; test, else val, else train, if not given.
        lines: How many lines.
        letters: Which letters, such as abcdefgh; by default all.
        columns: Letters in a row.
        font: Font file for the captions; without one, letters beyond ASCII are given by number.
    """
    from ..lines.text import clusters
    from ..typewriter.figures import write_figures

    chosen = None if letters is None else list(clusters(letters))
    written = write_figures(
        runs, out, split=split, lines=lines, letters=chosen, columns=columns, font=font
    )
    for path in written:
        print(path)
    return 0
