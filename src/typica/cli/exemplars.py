"""`typica typewriter compare-exemplars`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

__all__ = ["typewriter_compare_exemplars"]


def typewriter_compare_exemplars(
    pairs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN EXEMPLARS ...")],
    /,
    out: Path,
    set: Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction] = (),
    print_config: bool = False,
) -> int:
    """Compare learned sprites with true letters: RUN EXEMPLARS, or several such pairs to rank.

    Args:
        pairs: A run folder and its exemplars: a folder of pictures named by letters (a.png,
            U+0041.png, a-2.png), a font file, or a folder of lines with glyph boxes. More pairs are
            ranked.
        out: Folder for the tables and the picture.
        set: Options to change, such as binarise=neither least=5 average=mean.
        print_config: Print the resolved options and stop.
    """
    from dataclasses import asdict

    from ..configs import require, with_changes
    from ..palaeography.exemplar_options import ExemplarOptions
    from ..palaeography.exemplar_run import compare_runs
    from ..runs import require_outside
    from .shared import as_json

    options = with_changes(ExemplarOptions(), [change for group in set for change in group])
    if print_config:
        print(as_json(asdict(options)))
        return 0
    require(
        len(pairs) > 0 and len(pairs) % 2 == 0,
        f"{len(pairs)} paths: give a run and its exemplars, or several such pairs",
    )
    both = [(pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)]
    for _, exemplars in both:
        require_outside(out, exemplars)
    for row in compare_runs(both, out, options):
        print(row)
    return 0
