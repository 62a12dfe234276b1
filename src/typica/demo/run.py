"""The demo from nothing to the page: render, train, judge, take apart, report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import RunError
from ..lines.collection import read_lines
from ..runs import Run
from ..typewriter.assessment import evaluate_run
from ..typewriter.config import TypewriterConfig
from ..typewriter.run import decompose_into, train_and_report
from ..typewriter.summary import write_report
from ..typewriter.wording import evaluation_lines
from .data import make_demo_lines

__all__ = ["demo_config", "run_demo"]


def demo_config() -> TypewriterConfig:
    """The default typewriter at a smaller height, which is enough for clean type."""
    return replace(TypewriterConfig(), height=40)


def run_demo(out: Path, minutes: float = 3.75) -> Iterator[str]:
    """Do everything and say what was done, line by line.

    Arguments:
        out: The run folder; an earlier demo there is replaced, anything else is left alone.
        minutes: Time for training.

    Raises:
        RunError: If `out` holds something that is not a demo.
    """
    start = time.perf_counter()
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not (out / "demo-lines").is_dir():
            raise RunError(f"{out}: holds something that is no demo. Give another --out.")
        shutil.rmtree(out)
    data = make_demo_lines(out / "demo-lines")
    collection = read_lines(data)
    result = train_and_report(collection, out, demo_config(), max_minutes=minutes)
    if not result.training.finished:
        yield from result.summary()
        return
    evaluation = evaluate_run(out, collection, "test", progress=False)
    if evaluation is not None:
        yield from evaluation_lines(evaluation)
    yield from decompose_into(
        out, collection.part("test"), out / "decomposed", progress=False
    ).summary()
    page = write_report(Run(out).folder, "test")
    spent = (time.perf_counter() - start) / 60
    yield f"alphabet: {out / 'alphabet.png'}"
    if evaluation is not None:
        found = evaluation.localisation
        yield (
            f"test CER {evaluation.cer:.2%}"
            + (f", glyphs found {found.found:.1%}" if found else "")
            + f", {spent:.1f} minutes in all"
        )
    yield f"open {page.resolve()}"
