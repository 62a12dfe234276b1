"""The pilot of importance sampling: a few draws of a few pictures, before any is scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..images.picture import PictureCollection
from .denoiser import Denoiser
from .draws import Draws
from .encoding import encode_pictures, labels_asked, labels_to_score
from .estimator import Estimator
from .folder import MiningAbout
from .predictor import DenoiserPredictor
from .time_density import (
    PILOT_DRAWS,
    TimeDensity,
    fitted_density,
    pilot_pictures,
    read_density,
    spread_by_time,
    write_density,
)

__all__ = ["density_of_times"]

_FILE = "times.json"


def density_of_times(
    denoiser: Denoiser,
    collection: PictureCollection,
    about: MiningAbout,
    out: Path,
    settings: dict[str, Any],
    show_progress: bool = True,
) -> tuple[TimeDensity, int]:
    """The density of times of a scoring job: the one beside its pieces, or found and kept there.

    Every shard can find it; it depends on what decides the maps only. The draws are not used
    again, so the maps' errors are those of draws whose density was given.

    Arguments:
        denoiser: In evaluation mode.
        collection: All pictures of the job.
        about: Of the run.
        out: Folder of the pieces.
        settings: What decides the maps (`score_settings`).
        show_progress: Show progress on standard error.

    Returns:
        The density, and the evaluations that it cost.

    Raises:
        RunError: If there is one that is damaged, or of other settings.
        DataError: If a label is unknown to the model.
        ConfigError: If the device's memory is too small for one evaluation.
    """
    path = out / _FILE
    known = read_density(path, settings)
    if known is not None:
        return known, 0
    config = about.config.typicality
    few = replace(
        config,
        draws=PILOT_DRAWS,
        groups=2,
        adaptive=None,
        sampling="stratified",
        noise="independent",
        seed=(config.seed + 1) % 2**32,  # the job's own draws are others
    )
    draws = Draws.of(few)
    known_labels = labels_asked(collection, about)
    bfloat16 = settings["precision"] == "bfloat16"
    predict = DenoiserPredictor(denoiser, known_labels, config.batch_size, bfloat16)
    estimator = Estimator(predict, known_labels)
    found = []
    for index in tqdm(
        pilot_pictures(collection),
        "pilot: which times to draw",
        unit="pictures",
        disable=not show_progress,
    ):
        picture = collection.pictures[index]
        labels = labels_to_score(picture, about)
        latents, _ = encode_pictures(denoiser, {index: picture}, about)
        if latents and labels:
            label = next((one for one in labels if one in picture.labels), labels[0])
            means = estimator(latents[index][None], [[label]], draws, len(draws))
            found.append(means.typicality[0, 0].cpu().numpy())
    shares = (draws.fractions - few.t_min) / (few.t_max - few.t_min)
    spreads = spread_by_time(found, shares)
    density = fitted_density(spreads)
    later = read_density(path, settings)  # another shard may have been sooner
    if later is None:
        write_density(path, settings, density, spreads)
    return later or density, predict.evaluations
