"""`typica palaeography compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

__all__ = ["palaeography_compare"]


def palaeography_compare(
    prototypes: Annotated[Positional[Path], arg(metavar="JOB")],
    /,
    out: Path,
    criteria: Path | None = None,
    set: Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction] = (),
    print_config: bool = False,
) -> int:
    """Compare the prototypes of documents or scripts: distances, families, outliers, a tree.

    Args:
        prototypes: Folder of typica palaeography adapt, or a file of prototypes in it.
        out: Folder for the tables.
        criteria: CSV or JSON file with letter, family, criterion, text, to stand beside them.
        set: Options to change, such as least=8 distance=ssim linkage=complete.
        print_config: Print the resolved options and stop.
    """
    from dataclasses import asdict

    from ..configs import with_changes
    from ..palaeography.comparison_options import ComparisonOptions
    from ..palaeography.comparison_run import compare_files
    from .shared import as_json

    options = with_changes(ComparisonOptions(), [change for group in set for change in group])
    if print_config:
        print(as_json(asdict(options)))
        return 0
    for row in compare_files(prototypes, out, options, criteria):
        print(row)
    return 0
