"""Confusions of a run: classify its pictures, write the figures and the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...configs import require
from ...errors import DataError, RunError
from ...files import finite, write_json
from ...images.loading import load_pixels
from ...images.picture import Picture
from ...reports.readings import write_confusions_page
from ...reports.readings_values import ConfusedPicture, ConfusionsPage, PairView
from ..classification import Classification, classify
from ..folder import ModelName
from ..maps import PictureMaps
from ..opening import OpenRun
from ..overlays import diverging, encode_webp, reduced_picture, symmetric_scale
from ..typicality import upsample
from .confusions import Confusions, Pair, read_confusions
from .contrast import contrast_maps
from .label_maps import label_maps, readings_folder
from .page_facts import page_facts

__all__ = ["ConfusionsResult", "confusions_run", "overlay"]

SHOWN = 6
"""Pictures of a pair that are shown, the clearest confusions first."""
LONGEST = 200
"""Longer side of a shown picture, in pixels."""


@dataclass(frozen=True)
class ConfusionsResult:
    """What was written.

    Arguments:
        file: The figures, JSON.
        page: The page.
        lines: What to print.
    """

    file: Path
    page: Path
    lines: tuple[str, ...]


def confusions_run(
    run: OpenRun,
    *,
    model: ModelName = "finetuned",
    pictures: int | None = None,
    pairs: int = 12,
    device: str = "auto",
    show_progress: bool = True,
) -> ConfusionsResult:
    """Classify the pictures of a run and write `readings/confusions.json` and its page.

    Arguments:
        run: The run.
        model: The model that scores.
        pictures: At most so many of each label, where all labels are still to be scored.
        pairs: So many of the most confused pairs are shown.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show progress on standard error.

    Raises:
        ConfigError: If `pairs` is below 1.
        RunError: If there is no model, or maps are damaged.
    """
    require(pairs >= 1, f"--pairs {pairs}: at least 1")
    maps = label_maps(run, model, pictures, device=device, show_progress=show_progress)
    # the classifier names one label: pictures of several, or of none, are not for it to judge
    truth = {one.id: one.labels[0] for one in maps.pictures if len(one.labels) == 1}
    if not truth:
        raise RunError(f"{run.folder.folder}: no picture has exactly one label to compare with.")
    found = classify(maps.read(run.collection), truth)
    confusions = read_confusions(found, {p.id: p.split for p in maps.pictures})
    folder = readings_folder(run)
    file, page = folder / "confusions.json", folder / "confusions.html"
    temperature = found.temperature()
    figures = {
        **confusions.as_dict(),
        "temperature": temperature,
        "surprise": found.surprise(temperature),
        "model": model,
        "without_one_label": len(maps.pictures) - len(truth),
        "pictures": len(found.ids),
    }
    write_json(file, finite(figures))
    wanted = {found.ids[row] for pair in confusions.pairs[:pairs] for row in pair.rows[:SHOWN]}
    kept = {one.id: one for one in maps.read(run.collection) if one.id in wanted}
    view = ConfusionsPage(
        **page_facts(run, f"typica mine confusions {run.folder.folder.name}"),
        title=f"{run.about.data.get('name') or run.folder.folder.name}: confusions",
        labels=confusions.labels,
        counts=confusions.counts,
        shares=tuple(
            tuple((one.mean, one.low, one.high) for one in row) for row in confusions.shares
        ),
        splits=tuple(
            (s.split, s.pictures, s.accuracy.mean, s.accuracy.low, s.accuracy.high)
            for s in confusions.splits
        ),
        chance=confusions.chance,
        settled=confusions.settled,
        pairs=tuple(_pair(pair, found, kept, run) for pair in confusions.pairs[:pairs]),
        more=max(0, len(confusions.pairs) - pairs),
    )
    write_confusions_page(view, page)
    return ConfusionsResult(file, page, tuple(_lines(confusions)))


def _lines(found: Confusions) -> list[str]:
    lines = []
    for one in found.splits:
        share = one.accuracy
        lines.append(
            f"{one.split}: {share.mean:.3f} right ({share.low:.3f} to {share.high:.3f}) of "
            f"{one.pictures} pictures"
        )
    lines[0] += f"; always the most frequent label: {found.chance:.3f}"
    for pair in found.pairs[:5]:
        lines.append(
            f"{pair.truth} taken for {pair.given}: {pair.count} ({pair.share.low:.2f} to "
            f"{pair.share.high:.2f} of its pictures), {pair.settled} of them settled"
        )
    return lines


def _pair(
    pair: Pair, found: Classification, maps: dict[str, PictureMaps], run: OpenRun
) -> PairView:
    """A pair with its clearest pictures, and where each looks like the other label."""
    pictures = {picture.id: picture for picture in run.collection}
    shown = pair.rows[:SHOWN]
    against = {
        row: contrast_maps(maps[found.ids[row]], pair.given, (pair.truth,)).typicality[0]
        for row in shown
    }
    scale = symmetric_scale(np.concatenate([one.ravel() for one in against.values()]))
    return PairView(
        pair.truth,
        pair.given,
        pair.count,
        (pair.share.mean, pair.share.low, pair.share.high),
        pair.settled,
        tuple(
            ConfusedPicture(
                found.ids[row],
                gain,
                *overlay(pictures[found.ids[row]], against[row], scale),
            )
            for row, gain in zip(shown, pair.gains, strict=False)
        ),
    )


def overlay(
    picture: Picture, values: NDArray[np.float32], scale: float, opacity: float = 0.6
) -> tuple[bytes, bytes]:
    """A picture, and the same under a map of signed values, both as WebP.

    Arguments:
        picture: Which one.
        values: The map, `(h, w)`.
        scale: Value that gets the last colour.
        opacity: Of the strongest colours; the picture shows where the map is 0.

    Returns:
        Both; empty if the picture cannot be read.
    """
    try:
        narrow, long = sorted((picture.width, picture.height))
        pixels = load_pixels(picture, max(1, min(narrow, round(LONGEST * narrow / long))), 1)
    except (DataError, OSError):
        return b"", b""
    plain = reduced_picture(pixels, LONGEST)
    large = upsample(np.asarray(values, np.float32), *plain.shape[:2])
    weight = opacity * np.clip(np.abs(large) / scale, 0, 1)[..., None]
    grey = plain.mean(2, keepdims=True)
    mixed = np.rint((1 - weight) * grey + weight * diverging(large, scale)).astype(np.uint8)
    return encode_webp(plain, 78), encode_webp(mixed, 78)
