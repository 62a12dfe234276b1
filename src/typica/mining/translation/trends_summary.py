"""What the page of trends shows: the largest changes of every target label, with examples."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ... import __version__
from ...reports.trends import TrendBar, TrendExample, TrendLabel, TrendsReport, write_trends
from ...reports.wording import flat
from ...values import Problem
from ..overlays import encode_webp, reduced_picture
from ..record import credit_lines
from .parallel import ParallelSet, read_parallel, read_pixels
from .segmenters import Segmenter
from .trends import FEWEST, Changes
from .trends_run import TrendConfig, TrendResult, Trends

__all__ = ["BARS", "write_trends_page"]

BARS = 12
"""Classes of a label that are drawn."""
EXAMPLES = 3
SIDE = 160


def write_trends_page(par: Path, done: TrendResult, config: TrendConfig) -> Path:
    """Write the page of a finished job.

    Arguments:
        par: Folder of the parallel set.
        done: From `find_trends`, not interrupted.
        config: Its options.

    Returns:
        The page.

    Raises:
        RunError: If a picture cannot be read.
    """
    found, trends, eye = read_parallel(par), done.trends, done.segmenter
    assert trends is not None
    source = trends.changes["source"]
    rows = np.arange(len(trends.sequences))
    drift = np.abs((trends.reconstruction - trends.shares[rows, trends.own]).mean(0)).max()
    how = f"--colours {config.colours}" if eye.swatches else "--segmenter FOLDER"
    report = TrendsReport(
        title=found.about.data["name"],
        segmenter=eye.name,
        colours=bool(eye.swatches),
        labels=tuple(_label(found, trends, eye, c) for c in range(len(trends.labels))),
        pictures=len(trends.sequences),
        classes=len(eye.classes),
        left_out=max(0, len(eye.classes) - BARS),
        comparisons=source.comparisons,
        standing=int(source.stands.sum()),
        factor=source.factor,
        fewest=FEWEST,
        drift=float(drift),
        model=f"{found.about.run['model']} model of {found.about.run['name']}",
        credits=credit_lines(found.about.record.get("credits")),
        settings=tuple(flat(asdict(config))),
        problems=tuple(
            Problem(Path(one.id), one.message, "Then run this again") for one in done.skipped
        ),
        commands=(f"typica mine trends {shlex.quote(par.resolve().name)} {how}",),
        version=f"typica {__version__}",
        date=time.strftime("%Y-%m-%d"),
    )
    return write_trends(report, done.folder.page)


def _label(found: ParallelSet, trends: Trends, eye: Segmenter, c: int) -> TrendLabel:
    source = _bars(trends.changes["source"], eye, c)
    shown, examples = _examples(found, trends, c) if source else (None, ())
    return TrendLabel(
        trends.labels[c],
        int(trends.changes["source"].pictures[c]),
        source,
        _bars(trends.changes["others"], eye, c),
        "" if shown is None else eye.classes[shown],
        eye.swatches[shown] if shown is not None and eye.swatches else "",
        examples,
    )


def _bars(changes: Changes, eye: Segmenter, c: int) -> tuple[TrendBar, ...]:
    """The largest changes of a label, from the most added to the most removed."""
    mean = changes.mean[c]
    if np.isnan(mean).any():
        return ()
    largest = [k for k in np.argsort(-np.abs(mean), kind="stable")[:BARS] if mean[k] != 0]

    def end(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    return tuple(
        TrendBar(
            eye.classes[k],
            eye.swatches[k] if eye.swatches else "",
            float(mean[k]),
            end(changes.low[c, k]),
            end(changes.high[c, k]),
            bool(changes.stands[c, k]),
        )
        for k in sorted(largest, key=lambda k: -mean[k])
    )


def _examples(
    found: ParallelSet, trends: Trends, c: int
) -> tuple[int | None, tuple[TrendExample, ...]]:
    """The class that changes most surely, and the pictures in which it changes most that way."""
    changes = trends.changes["source"]
    reach = np.abs(changes.mean[c]) * (1 + 1e3 * changes.stands[c])  # those that stand first
    k = int(reach.argmax())
    if reach[k] == 0:
        return None, ()
    rows = np.flatnonzero(trends.own != c)
    gain = trends.shares[rows, c, k] - trends.shares[rows, trends.own[rows], k]
    order = np.argsort(-gain * np.sign(changes.mean[c, k]), kind="stable")[:EXAMPLES]
    examples = []
    for number in order:
        one = trends.sequences[int(rows[number])]
        before, after = (
            encode_webp(reduced_picture(read_pixels(one.files[label]), SIDE), 84)
            for label in (one.source, trends.labels[c])
        )
        examples.append(TrendExample(one.picture, before, after, float(gain[number])))
    return k, tuple(examples)
