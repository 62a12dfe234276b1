"""`typica palaeography report` and `typica palaeography glyphs`."""

from __future__ import annotations

from pathlib import Path

from .shared import READ_AS_IS, DataArgument, JobFolder, read_collection

__all__ = ["palaeography_glyphs", "palaeography_report"]


def palaeography_report(
    job: JobFolder,
    /,
    out: Path,
    comparison: Path | None = None,
    allographs: Path | None = None,
    occurrences: int = 24,
    pair: tuple[str, str] | None = None,
    letters: str | None = None,
) -> int:
    """Write an interactive page of alphabets and differences, figures (SVG, PDF) and tables (CSV).

    Args:
        job: Folder of typica palaeography adapt.
        out: Folder to write into.
        comparison: Folder of typica palaeography compare, for its options and criteria.
        allographs: Folder of typica palaeography allographs.
        occurrences: Shown of every letter in every group; fewer if the page grows too large.
        pair: Two groups to draw side by side, letters with occurrences from the lines.
        letters: Letters of that figure, such as "m a q"; by default the three that differ most.
    """
    from ..palaeography.summary import write_report

    chosen = (letters or "").split()
    for row in write_report(job, out, comparison, allographs, occurrences, pair, chosen):
        print(row)
    return 0


def palaeography_glyphs(
    job: JobFolder,
    /,
    out: Path,
    data: Path | None = None,
    letters: str | None = None,
    around: float = 0.0,
    reading: DataArgument = READ_AS_IS,
) -> int:
    """Write every occurrence of every letter as a picture, in folders by letter, with a table.

    Args:
        job: Folder of typica palaeography adapt.
        out: Folder to make.
        data: What was adapted to, to cut from the pictures at their own size.
        letters: Only these, such as abcd; with spaces between if they are of several characters.
        around: Cut more on every side, as a share of the height of the line.
        reading: How the data is read.
    """
    from ..lines.text import clusters
    from ..palaeography.glyphs import export_glyphs

    chosen = tuple(one for word in (letters or "").split() for one in clusters(word))
    collection = None if data is None else read_collection(data, reading.options())
    for row in export_glyphs(job, out, collection, letters=chosen, margin=around):
        print(row)
    return 0
