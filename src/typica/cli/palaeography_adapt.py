"""`typica palaeography adapt` and `allographs`: what reads the lines themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction, arg

from .shared import (
    ON_THIS_MACHINE,
    READ_AS_IS,
    DataArgument,
    DataPath,
    EngineArgument,
    JobFolder,
    RunFolder,
    read_collection,
)

__all__ = ["palaeography_adapt", "palaeography_allographs"]


def palaeography_adapt(
    run: RunFolder,
    data: DataPath,
    /,
    out: Path,
    by: str = "document",
    families: str | None = None,
    table: Path | None = None,
    reading: DataArgument = READ_AS_IS,
    set: Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction] = (),
    where: EngineArgument = ON_THIS_MACHINE,
    resume: bool = False,
    print_config: bool = False,
) -> int:
    """Adapt a reference typewriter to every document or script and draw its prototypes.

    Args:
        run: Run folder of the reference, trained on all of them.
        data: Folder of lines, or one file of it.
        out: Folder to make.
        by: Field of the lines, or several from coarse to fine, such as family,document.
        families: Field that names the family of every group, for comparison only.
        table: CSV file with a column document and further fields of each.
        reading: How the data is read.
        set: Options to change, such as steps=800 what=sprites splits=all.
        where: Where groups are adapted to; by default one process per core.
        resume: Go on with the work in --out.
        print_config: Print the resolved options and stop.
    """
    from dataclasses import asdict

    from ..configs import with_changes
    from ..palaeography.adapt_run import adapt
    from ..palaeography.groups import read_group_table
    from ..palaeography.options import AdaptOptions
    from ..runs import require_outside
    from .shared import as_json

    options = with_changes(AdaptOptions(), [change for group in set for change in group])
    if print_config:
        print(as_json(asdict(options)))
        return 0
    require_outside(out, data)
    result = adapt(
        run,
        read_collection(data, reading.options()),
        out,
        tuple(part.strip() for part in by.split(",")),
        options,
        table=None if table is None else read_group_table(table),
        families=families,
        engine=where.chosen(),
        resume=resume,
    )
    for row in result.summary():
        print(row)
    return 130 if result.left else 0


def palaeography_allographs(
    job: JobFolder,
    /,
    out: Path,
    set: Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction] = (),
) -> int:
    """Letters whose one sprite averages two shapes: which should get two, and a sheet of both.

    Args:
        job: Folder of typica palaeography adapt.
        out: Folder to write into.
        set: Options to change, such as share=0.05 separation=2.
    """
    from ..configs import with_changes
    from ..palaeography.allographs import AllographOptions
    from ..palaeography.allographs_run import allographs

    options = with_changes(AllographOptions(), [change for group in set for change in group])
    for row in allographs(job, out, options):
        print(row)
    return 0
