"""`typica baseline ...`: the systems that the instruments are compared with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import UseAppendAction, arg

from .shared import READ_AS_IS, DataArgument, DataOptions, DataPath, plain, read_collection

if TYPE_CHECKING:
    from ..baselines.run import Fit

__all__ = ["Changes", "Split", "baseline_recogniser", "run_named"]

Split = Literal["train", "val", "test", "all"]
Changes = Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction]


def run_named(
    name: str,
    options: Any,
    fit: Fit,
    height: int,
    data: Path,
    out: Path,
    reading: DataOptions,
    lines: int | None = None,
    **more: Any,
) -> int:
    """Run one baseline from the command line: read, train, judge, say.

    Arguments:
        name: Its name on the command line.
        options: Its resolved options.
        fit: Its training, options already bound.
        height: At which it reads, in pixels.
        data: Folder of lines, or one file of it.
        out: Run folder.
        reading: How the data is read.
        lines: How many transcribed training lines to keep; None for all lines.
        more: As for `typica.baselines.run.run_baseline`.

    Returns:
        The exit status: 0, or 130 if the training was interrupted.
    """
    from ..baselines.run import run_baseline, with_transcribed
    from ..runs import require_outside

    require_outside(out, data)
    read = reading.options()
    collection = with_transcribed(read_collection(data, read), lines)
    text = plain(asdict(read.text))
    result = run_baseline(
        name,
        options,
        fit,
        collection,
        out,
        height=height,
        text=text,
        cache_folder=out / "cache",
        **more,
    )
    for row in result.summary():
        print(row)
    return 0 if result.training.finished else 130


def baseline_recogniser(
    data: DataPath,
    /,
    out: Path,
    reading: DataArgument = READ_AS_IS,
    set: Changes = (),
    lines: int | None = None,
    max_minutes: float | None = None,
    split: Split = "test",
    device: str = "auto",
    resume: bool = False,
) -> int:
    """A recogniser trained with CTC: what supervision can read.

    Args:
        data: Folder of lines, or one file of it.
        out: Run folder to make.
        reading: How the data is read.
        set: Options to change, such as hidden=128 loop.steps=500.
        lines: Use only so many transcribed training lines, evenly spread.
        max_minutes: Fit the number of steps to this time.
        split: Which lines to read and judge afterwards.
        device: auto, cpu, cuda, ...
        resume: Go on with the run in --out.
    """
    from functools import partial

    from ..baselines.recogniser import RecogniserOptions, fit_recogniser
    from ..configs import with_changes

    options = with_changes(RecogniserOptions(), [change for group in set for change in group])
    return run_named(
        "recogniser",
        options,
        partial(fit_recogniser, options),
        options.height,
        data,
        out,
        reading,
        lines,
        split=split,
        max_minutes=max_minutes,
        device=device,
        resume=resume,
    )
