"""`typica baseline doersch`: the methods that mining is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import UseAppendAction, arg

from .baseline import Changes
from .images import AS_PICTURES, PicturesArgument
from .shared import DataPath, as_json, say_problems

__all__ = ["baseline_doersch"]

Labels = Annotated[tuple[str, ...], arg(name="label"), UseAppendAction]


def baseline_doersch(
    data: DataPath,
    /,
    out: Path,
    label: Labels = (),
    reading: PicturesArgument = AS_PICTURES,
    preset: Literal["published", "small"] = "published",
    set: Changes = (),
    beside: Path | None = None,
    beside_minutes: float | None = None,
    device: str = "auto",
    print_config: bool = False,
) -> int:
    """Doersch et al. 2012: patches that tell a label from the others, by SVM detectors.

    Args:
        data: Folder of <label>/<file>, or a table with paths and labels.
        out: Run folder to make, or to go on with.
        label: To mine; give it again for another. Without any, only the pages are written anew.
        reading: How the pictures are read.
        preset: published constants, or small: minutes on two cores for small pictures.
        set: Options to change, such as candidates=5000 cell=6.
        beside: A mining run of the same pictures to lay beside it.
        beside_minutes: What that run took in all, for the page.
        device: auto, cpu, cuda, ...
        print_config: Print the resolved options and stop.
    """
    from ..baselines.doersch.options import preset as start
    from ..configs import with_changes

    options = with_changes(start(preset), [change for group in set for change in group])
    if print_config:
        print(as_json(options.as_dict()))
        return 0
    from ..baselines.doersch.beside_page import lay_beside
    from ..baselines.doersch.page import write_page_of_run
    from ..baselines.doersch.run import begin_doersch, run_doersch
    from ..mining.folder import MiningFolder

    folder, collection = begin_doersch(data, out, options, reading, device)
    say_problems(collection.problems, f"typica images check {data}")
    if label:
        for row in run_doersch(folder, collection, label, device):
            print(row, flush=True)
    print(f"page: {write_page_of_run(folder, collection)}")
    if beside is not None:
        page, _ = lay_beside(
            folder, MiningFolder(beside), collection, mining_minutes=beside_minutes
        )
        print(f"beside {beside}: {page}")
    return 0
