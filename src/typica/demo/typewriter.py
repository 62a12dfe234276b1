"""The typewriter's demo: render lines, train, judge, take apart, report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..lines.collection import read_lines
from ..typewriter.assessment import evaluate_run
from ..typewriter.config import TypewriterConfig
from ..typewriter.decompose_job import decompose_into
from ..typewriter.run import train_and_report
from ..typewriter.summary import write_report
from ..typewriter.wording import evaluation_lines
from .data import make_demo_lines

__all__ = ["demo_config", "typewriter_demo"]


def demo_config() -> TypewriterConfig:
    """The default typewriter at a smaller height, which is enough for clean type.

    The learning rate stays constant: in so few steps a falling one leaves too little for what
    the sprites learn once they are seen whole (measured in docs/results.md).
    """
    config = TypewriterConfig()
    return replace(config, height=40, training=replace(config.training, schedule="constant"))


def typewriter_demo(lines: Path, run: Path, minutes: float) -> Iterator[str]:
    """Learn the alphabet of rendered lines, and say what was done, line by line.

    Arguments:
        lines: Folder to make for the lines.
        run: Folder to make for the run.
        minutes: Time for training.
    """
    collection = read_lines(make_demo_lines(lines))
    result = train_and_report(collection, run, demo_config(), max_minutes=minutes)
    if not result.training.finished:
        yield from result.summary()
        return
    evaluation = evaluate_run(run, collection, "test", progress=False)
    if evaluation is not None:
        yield from evaluation_lines(evaluation)
    decomposed = decompose_into(run, collection.part("test"), run / "decomposed", progress=False)
    yield from decomposed.summary()
    page = write_report(run, "test")
    yield f"alphabet: {run / 'alphabet.png'}"
    if evaluation is not None:
        found = evaluation.localisation
        yield f"test CER {evaluation.cer:.2%}" + (
            f", glyphs found {found.found:.1%}" if found else ""
        )
    yield f"open {page.resolve()}"
