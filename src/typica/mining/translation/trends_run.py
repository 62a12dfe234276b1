"""Class shares of every picture of a parallel set, and what translations change in them.

trends/NAME/config.json         the segmenter and its classes, options, date
trends/NAME/shares/000012.json  class shares of source picture 12, its reconstruction and its
                                translations; what is there is not segmented again
trends/NAME/trends.csv          a row per comparison, target and class
trends/NAME/trends.json         the same with the bound for all comparisons
trends/NAME/index.html          the page
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ... import __version__
from ...configs import require
from ...errors import DAMAGE, RunError
from ...files import finite, write_json, write_text
from ...interrupts import interruptible
from ...runs import Run
from ..maps import Skipped
from .parallel import ParallelSequence, ParallelSet, read_parallel, read_pixels
from .parallel_scoring import rows_digest
from .segmenters import ColourSegmenter, ModelSegmenter, Segmenter, class_shares, fit_colours
from .trends import AGAINST, Against, Changes, differences, paired_changes

__all__ = ["COLUMNS", "TrendConfig", "TrendFolder", "TrendResult", "Trends", "find_trends"]

COLUMNS: dict[str, str] = {
    "against": "source: the real picture; reconstruction; others: mean of the other targets",
    "target": "label translated to",
    "class": "of the segmentation",
    "difference": "mean over source pictures of the difference of shares of pixels",
    "low": "lower end of its 95 % interval over source pictures",
    "high": "upper end",
    "stands": "true if it differs from 0 with all comparisons taken together",
    "before": "mean share of the class in the source pictures",
    "after": "mean share in their translations to the target",
    "pictures": "number of source pictures",
}
"""Columns of the CSV."""


@dataclass(frozen=True)
class TrendConfig:
    """How trends are measured."""

    colours: int = 12
    """Colour classes, where no segmentation model is given."""
    pixels: int = 40_000
    """Pixels that colours are found from, half of them of real pictures."""
    resamples: int = 2000
    """Of the bootstrap."""
    seed: int = 0
    """Of the pixels, of k-means and of the bootstrap."""

    def __post_init__(self) -> None:
        require(2 <= self.colours <= 256, "colours: between 2 and 256")
        require(self.pixels >= 100, "pixels: at least 100")
        require(self.resamples >= 100, "resamples: at least 100")
        require(0 <= self.seed < 2**32, "seed: from 0 to 4294967295")


@dataclass(frozen=True)
class TrendFolder(Run):
    """The paths of the trends under one segmenter."""

    WRITTEN_LOCKED: ClassVar[tuple[str, ...]] = (
        *("config.json", "shares/*.json", "trends.csv", "trends.json", "index.html"),
    )

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    def shares(self, index: int) -> Path:
        """Class shares of one source picture."""
        return self.folder / "shares" / f"{index:06d}.json"


@dataclass(frozen=True)
class Trends:
    """What was measured.

    Arguments:
        sequences: Source pictures, S.
        labels: Of the set, C.
        shares: `(S, C, K)`; under the own label those of the real picture.
        reconstruction: `(S, K)`.
        changes: By what they are measured against.
    """

    sequences: tuple[ParallelSequence, ...]
    labels: tuple[str, ...]
    shares: NDArray[np.float64]
    reconstruction: NDArray[np.float64]
    changes: dict[Against, Changes]

    @property
    def own(self) -> NDArray[np.int64]:
        """Place of the own label of every source picture, `(S,)`."""
        return np.array([self.labels.index(one.source) for one in self.sequences], np.int64)


@dataclass(frozen=True)
class TrendResult:
    """What a job did.

    Arguments:
        folder: Where the results are.
        segmenter: That was used.
        segmented: Source pictures that this job segmented.
        kept: Those that were there.
        skipped: Those with a picture that cannot be read.
        trends: None if the job was interrupted.
    """

    folder: TrendFolder
    segmenter: Segmenter
    segmented: int
    kept: int
    skipped: tuple[Skipped, ...]
    trends: Trends | None


def find_trends(
    par: Path,
    config: TrendConfig,
    segmenter: Path | None = None,
    *,
    device: str = "auto",
    show_progress: bool = True,
) -> TrendResult:
    """Segment a parallel set and compare translations with their sources.

    Arguments:
        par: Folder of the set.
        config: How.
        segmenter: Folder of a segmentation model; None for colours.
        device: Of the model: `auto`, `cpu`, `cuda`, ...
        show_progress: Show a bar with the time left on standard error.

    Raises:
        RunError: If the set has no whole sequence, or the folder holds shares of another
            segmenter.
        DataError: If there is no such model.
    """
    found = read_parallel(par)
    sequences = tuple(found.sequences())
    if not sequences:
        raise RunError(
            f"{par}: no picture is translated to all labels yet. Run `typica mine translate` first."
        )
    name = f"colours-{config.colours}" if segmenter is None else _slug(segmenter.resolve().name)
    folder = TrendFolder(par / "trends" / name)
    with folder.locked():
        eye = _segmenter(folder, found, sequences, config, segmenter, device)
        read: list[tuple[ParallelSequence, dict[str, Any]]] = []
        skipped: list[Skipped] = []
        kept = 0
        rows = found.by_picture()
        bar = tqdm(
            sequences, "segmenting", unit="picture", disable=not show_progress, file=sys.stderr
        )
        with interruptible() as caught:
            for one in bar:
                if caught:
                    made = len(read) - kept
                    return TrendResult(folder, eye, made, kept, tuple(skipped), None)
                digest = rows_digest(found.about, rows[one.index])
                values = _kept(folder.shares(one.index), digest)
                kept += values is not None
                try:
                    if values is None:
                        again = found.path(rows[one.index][0].reconstruction)
                        values = _segment(folder, one, again, eye, digest)
                    read.append((one, values))
                except RunError as error:
                    skipped.append(Skipped(one.index, one.picture, str(error)))
        if not read:
            raise RunError(f"{par}: none of its pictures can be read: {skipped[0].message}")
        trends = _trends(read, found.about.labels, config)
        _write(folder, trends, eye)
        return TrendResult(folder, eye, len(read) - kept, kept, tuple(skipped), trends)


def _segmenter(
    folder: TrendFolder,
    found: ParallelSet,
    sequences: Sequence[ParallelSequence],
    config: TrendConfig,
    model: Path | None,
    device: str,
) -> Segmenter:
    """The segmenter of the folder; colours are found once, so that later pictures compare."""
    old = folder.read_config() if folder.config.exists() else None
    eye: Segmenter
    if model is not None:
        eye = ModelSegmenter(model, device)
    elif old is not None and old.get("segmenter", {}).get("kind") == "colours":
        eye = ColourSegmenter.from_identity(old["segmenter"])
    else:
        eye = fit_colours(_samples(found, sequences, config), config.colours, config.seed)
    if old is not None and old.get("segmenter") != eye.identity():
        raise RunError(
            f"{folder.folder}: was made with another segmenter of this name. Delete that folder, "
            "or rename the folder of the model."
        )
    folder.write_config(
        {
            "config": asdict(config),
            "segmenter": eye.identity(),
            "classes": list(eye.classes),
            "run": found.about.run,
            "typica": __version__,
            "made": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
    )
    return eye


def _samples(
    found: ParallelSet, sequences: Sequence[ParallelSequence], config: TrendConfig
) -> NDArray[np.uint8]:
    """Pixels of the set, half of them of real pictures, as many of every source."""
    rng = np.random.default_rng([config.seed, len(sequences)])
    most = config.pixels // 2
    if len(sequences) > most:
        chosen = np.sort(rng.choice(len(sequences), most, replace=False))
        sequences = [sequences[k] for k in chosen]
    share = -(-most // len(sequences))
    each = -(-share // max(1, len(found.about.labels) - 1))
    parts = []
    for one in sequences:
        for label, path in one.files.items():
            pixels = read_pixels(path).reshape(-1, 3)
            parts.append(
                pixels[rng.integers(len(pixels), size=share if label == one.source else each)]
            )
    return np.concatenate(parts)


def _segment(
    folder: TrendFolder, one: ParallelSequence, again: Path, eye: Segmenter, digest: str
) -> dict[str, Any]:
    """Class shares of one source picture, its reconstruction and its translations; written."""

    def shares(path: Path) -> list[float]:
        found_shares = class_shares(eye(read_pixels(path)), len(eye.classes))
        return [round(float(value), 8) for value in found_shares]

    values = {
        "digest": digest,
        "shares": [shares(path) for path in one.files.values()],
        "reconstruction": shares(again),
    }
    write_text(folder.shares(one.index), json.dumps(values) + "\n")
    return values


def _kept(path: Path, digest: str) -> dict[str, Any] | None:
    """Shares of the same translations, if there are any."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        whole = values["digest"] == digest and bool(values["shares"] and values["reconstruction"])
    except DAMAGE:
        return None
    return values if whole else None


def _trends(
    read: Sequence[tuple[ParallelSequence, dict[str, Any]]],
    labels: tuple[str, ...],
    config: TrendConfig,
) -> Trends:
    sequences = tuple(one for one, _ in read)
    shares = np.array([values["shares"] for _, values in read], np.float64)
    again = np.array([values["reconstruction"] for _, values in read], np.float64)
    empty = Trends(sequences, labels, shares, again, {})
    changes = {
        against: paired_changes(
            differences(shares, empty.own, again, against), config.seed, config.resamples
        )
        for against in AGAINST
    }
    return Trends(sequences, labels, shares, again, changes)


def _write(folder: TrendFolder, trends: Trends, eye: Segmenter) -> None:
    """The two tables."""
    rows = []
    for against, changes in trends.changes.items():
        for c, target in enumerate(trends.labels):
            chosen = trends.own != c
            if not chosen.any():
                continue
            before = trends.shares[np.arange(len(chosen)), trends.own][chosen].mean(0)
            after = trends.shares[chosen, c].mean(0)
            for k, name in enumerate(eye.classes):
                numbers = (changes.mean[c, k], changes.low[c, k], changes.high[c, k])
                rows.append(
                    dict(
                        zip(
                            COLUMNS,
                            (
                                against,
                                target,
                                name,
                                *(round(float(value), 6) for value in numbers),
                                bool(changes.stands[c, k]),
                                *(round(float(v), 6) for v in (before[k], after[k])),
                                int(changes.pictures[c]),
                            ),
                            strict=True,
                        )
                    )
                )
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{k: "" if v != v else v for k, v in row.items()} for row in rows])
    write_text(folder.folder / "trends.csv", text.getvalue())
    bounds = {
        against: {"factor": round(one.factor, 4), "comparisons": one.comparisons}
        for against, one in trends.changes.items()
    }
    write_json(
        folder.folder / "trends.json",
        finite(
            {
                "format": 1,
                "segmenter": eye.name,
                "classes": list(eye.classes),
                "labels": list(trends.labels),
                "pictures": len(trends.sequences),
                "columns": COLUMNS,
                "bounds": bounds,
                "rows": rows,
            }
        ),
    )


def _slug(name: str) -> str:
    """A folder name that stays in its folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "model"
