"""`typica mine localise`: typicality against what annotators boxed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import OmitArgPrefixes, arg

from ..configs import require
from ..mining.localisation_options import LocalisationOptions
from .shared import MovedData, RunFolder, as_json

__all__ = ["mine_localise"]

_AS_PUBLISHED = LocalisationOptions()
_Options = Annotated[LocalisationOptions, OmitArgPrefixes]


def mine_localise(
    run: RunFolder,
    data: MovedData = None,
    /,
    *,
    boxes: Path,
    out: Path | None = None,
    model: Literal["finetuned", "base", "both"] = "finetuned",
    before: Path | None = None,
    comparison: _Options = _AS_PUBLISHED,
    json: Annotated[bool, arg(name="json")] = False,
    device: str = "auto",
) -> int:
    """Does typicality point where annotators drew boxes? Average precision, with overlays.

    Args:
        run: Run folder with a fine-tuned model.
        data: Where the pictures are now, if they were moved.
        boxes: CSV with file, label, x, y, w, h in original pixels, or a folder of VOC XML files.
        out: Folder for the results; the run's localisation/ if left out.
        model: Which model; both compares the fine-tuned one with the base before it.
        before: Another run of these pictures, such as an earlier one, to compare with.
        comparison: How it is scored and compared.
        json: Print one JSON object instead of a table.
        device: auto, cpu, cuda, ...
    """
    from ..mining.localisation_run import localise_run
    from ..mining.localisation_values import table_lines
    from ..mining.opening import open_run
    from ..mining.voc import read_any_boxes

    require(
        not (before is not None and model != "finetuned"),
        "--before compares the fine-tuned model with that of another run: leave out --model",
    )
    opened = open_run(run, data)
    found = localise_run(
        opened,
        read_any_boxes(boxes),
        opened.folder.localisation if out is None else out,
        models=("finetuned", "base") if model == "both" else (model,),
        before=before,
        options=comparison,
        device=device,
    )
    for note in found.comparison.notes:
        print(f"note: {note}", file=sys.stderr)
    if json:
        files = {name: str(path) for name, path in found.files.items()}
        print(as_json({**found.comparison.as_dict(), "files": files}))
    else:
        print("\n".join(table_lines(found.comparison)))
        print(f"open {found.files['page'].resolve()}")
    return 0
