"""The surrogate of a scoring job: taught, tried and kept before any picture is scored.

    surrogate.safetensors        beside the pieces: its weights, its coefficients, and the settings
                                 that it belongs to
    surrogate-part.safetensors   while it is being taught: what going on needs

Every shard can make it; it depends on what decides the maps only, and who comes later takes what is
there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import DAMAGE, DataError, RunError, reason
from ..images.picture import PictureCollection
from ..runs import load_tensors, save_tensors
from .balance import HALVES
from .control import Coefficients, fitted_coefficients
from .decided import require_same
from .denoiser import Denoiser
from .distillation import Distillation, Pool
from .draws import Draws, derived_seed
from .encoding import encode_pictures, labels_asked, labels_to_score
from .folder import MiningAbout
from .predictor import DenoiserPredictor, Predictor, SurrogatePredictor
from .surrogate import Surrogate, levels_of
from .time_density import PILOT_DRAWS, TimeDensity, pilot_pictures, shuffled
from .typicality import information_map, loss_map, typicality_map

__all__ = ["SURROGATE_FILE", "read_surrogate", "surrogate_of"]

SURROGATE_FILE = "surrogate.safetensors"
_PART = "surrogate-part.safetensors"

_POOL = 2048
"""Pictures that it is taught with, at most."""
_BETWEEN = 120.0
"""Seconds between two notes of how far it is."""
_BELIEVED = {
    "channels": range(1, 1025),
    "labels": range(1, 1_000_001),
    "levels": range(17),
    "width": range(4, 1025),
}
"""Dimensions with which a file is believed."""


@dataclass(frozen=True)
class _Job:
    """What the steps of making a surrogate share."""

    denoiser: Denoiser
    collection: PictureCollection
    about: MiningAbout
    known: tuple[str, ...]
    settings: dict[str, Any]
    density: TimeDensity | None
    show_progress: bool


def surrogate_of(
    denoiser: Denoiser,
    collection: PictureCollection,
    about: MiningAbout,
    out: Path,
    settings: dict[str, Any],
    density: TimeDensity | None = None,
    show_progress: bool = True,
) -> tuple[Coefficients, int]:
    """The surrogate of a scoring job: the one beside its pieces, or taught and kept there.

    Arguments:
        denoiser: In evaluation mode.
        collection: All pictures of the job.
        about: Of the run; `typicality.surrogate` steps are taken.
        out: Folder of the pieces.
        settings: What decides the maps (`score_settings`).
        density: Of importance-sampled times.
        show_progress: Show progress and time left on standard error.

    Returns:
        How far it is to be followed, and the evaluations of the UNet that it cost now.

    Raises:
        RunError: If there is one that is damaged, or of other settings; or if it diverges.
        DataError: If no picture with a label can be decoded, or a label is unknown to the model.
        ConfigError: If the device's memory is too small for one evaluation.
    """
    path, part = out / SURROGATE_FILE, out / _PART
    evaluations = 0
    if not path.exists():
        config = about.config.typicality
        known = labels_asked(collection, about)
        job = _Job(denoiser, collection, about, known, settings, density, show_progress)
        model = DenoiserPredictor(
            denoiser, known, config.batch_size, settings["precision"] == "bfloat16"
        )
        surrogate = _taught(job, model, part, path)
        coefficients = None if path.exists() else _tried(job, model, surrogate)
        evaluations = model.evaluations
        if coefficients is not None and not path.exists():  # another shard may have been sooner
            description = {
                "settings": settings,
                "built": surrogate.built,
                "coefficients": asdict(coefficients),
            }
            save_tensors(path, surrogate.state_dict(), description)
    part.unlink(missing_ok=True)
    return read_surrogate(path, settings)[1], evaluations


def read_surrogate(path: Path, settings: dict[str, Any]) -> tuple[Surrogate, Coefficients]:
    """A surrogate in evaluation mode, on the processor, and how far it is to be followed.

    Raises:
        RunError: If it is missing, damaged, or of other settings.
    """
    remedy = f"Delete the folder {path.parent.name}/ and score anew."
    tensors, about = load_tensors(path, remedy)
    try:
        built = {name: int(about["built"][name]) for name in _BELIEVED}
        if any(built[name] not in sizes for name, sizes in _BELIEVED.items()):
            raise ValueError("dimensions that cannot be")
        if tensors["told.weight"].shape[0] != built["labels"] + 1:
            raise ValueError("another number of labels")
        with torch.device("meta"):  # nothing is allocated before the shapes agree
            surrogate = Surrogate(**built)
        shapes = {name: one.shape for name, one in surrogate.state_dict().items()}
        if shapes != {name: one.shape for name, one in tensors.items()}:
            raise ValueError("weights of another network")
        # copied: where a library's memory begins may change the last digits
        surrogate = surrogate.to_empty(device="cpu")
        surrogate.load_state_dict(tensors)
        if any(
            one.dtype != torch.float32 or not torch.isfinite(one).all() for one in tensors.values()
        ):
            raise ValueError("weights that are no numbers")
        coefficients = Coefficients(**{k: float(v) for k, v in about["coefficients"].items()})
        same = about["settings"] == settings
    except DAMAGE as error:
        raise RunError(f"{path}: damaged ({reason(error)}). {remedy}") from error
    require_same(path, path.parent, same)
    return surrogate.eval().requires_grad_(False), coefficients


def _taught(job: _Job, model: DenoiserPredictor, part: Path, path: Path) -> Surrogate:
    """A surrogate that has taken all its steps; goes on where a job before was interrupted.

    Arguments:
        job: What is shared.
        model: The UNet.
        part: The file of an interrupted job.
        path: That of the finished surrogate; where another shard has written it, this one stops.
    """
    config, codec = job.about.config.typicality, job.denoiser.codec
    steps = config.surrogate or 0
    pool = _pool(job)
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)
        side = job.about.config.size // codec.factor
        surrogate = Surrogate(
            codec.channels, len(job.known), levels_of(side), config.surrogate_width
        )
    surrogate.to(model.device).train()
    teaching = Distillation(model, surrogate, pool, config, steps)
    if part.exists():
        _restore(teaching, part, job.settings)
    kept = -math.inf  # so that the first note removes what a killed job left half written of one
    with tqdm(
        total=steps,
        initial=teaching.step,
        desc="teach the surrogate",
        unit="steps",
        disable=not job.show_progress,
    ) as bar:
        while teaching.step < steps:
            if time.monotonic() - kept > _BETWEEN:
                if path.exists():
                    break
                save_tensors(part, teaching.state(), {"settings": job.settings})
                kept = time.monotonic()
            teaching.advance()
            bar.update()
    return surrogate.eval().requires_grad_(False)


def _restore(teaching: Distillation, part: Path, settings: dict[str, Any]) -> None:
    """Go on from what an interrupted job left; from the beginning if it was of other settings.

    Raises:
        RunError: If it is damaged.
    """
    remedy = "Delete it, and the surrogate is taught anew."
    state, about = load_tensors(part, remedy)
    if about.get("settings") != settings:
        return
    try:
        teaching.restore(state)
    except DAMAGE as error:
        raise RunError(f"{part}: damaged ({reason(error)}). {remedy}") from error


def _pool(job: _Job) -> Pool:
    """The pictures that it is taught with: chosen by their ids, the pilot's if others are few.

    Raises:
        DataError: If there is none.
    """
    collection = job.collection
    with_labels = [i for i, one in enumerate(collection) if labels_to_score(one, job.about)]
    row = {label: number for number, label in enumerate(job.known, start=1)}
    latents: list[Tensor] = []
    rows: list[list[int]] = []
    for index in tqdm(
        shuffled(collection, with_labels)[-_POOL:],
        "pictures for the surrogate",
        unit="pictures",
        disable=not job.show_progress,
    ):
        picture = collection.pictures[index]
        found, _ = encode_pictures(job.denoiser, {index: picture}, job.about)
        if found:
            latents.append(found[index].cpu())
            rows.append([row[label] for label in labels_to_score(picture, job.about)])
    if not latents:
        raise DataError(
            f"{collection.root}: no picture with a label can be read, so there is nothing to teach "
            "a surrogate with"
        )
    return Pool(latents, rows, min(min(one.shape[-2:]) for one in latents))


def _tried(job: _Job, model: DenoiserPredictor, surrogate: Surrogate) -> Coefficients:
    """How well a surrogate goes with the UNet, from draws of some pictures that are not used again.

    Pictures that it was not taught with, where the collection has more than those.
    """
    config = job.about.config.typicality
    predictors = (
        model,
        SurrogatePredictor(surrogate, model.schedule, config.batch_size),
    )
    # as the job's own draws, but others: what cancels there, cancels here
    draws = [
        Draws.of(config, 0, job.density, derived_seed("trial", config.seed, number))
        for number in range(max(1, PILOT_DRAWS // config.blocks[0]))
    ]
    row = {label: number for number, label in enumerate(job.known, start=1)}
    pairs: tuple[list[tuple[Tensor, Tensor]], ...] = ([], [], [])
    for index in tqdm(
        pilot_pictures(job.collection),
        "try the surrogate",
        unit="pictures",
        disable=not job.show_progress,
    ):
        picture = job.collection.pictures[index]
        latents, _ = encode_pictures(job.denoiser, {index: picture}, job.about)
        if latents:
            own = next((row[one] for one in picture.labels if one in row), 1)
            found = [_halves(one, latents[index], own, draws) for one in predictors]
            for kept, both in zip(pairs, zip(*found, strict=True), strict=True):
                kept.append(both)
    (typicality, explained), (null, _), (information, _) = map(fitted_coefficients, pairs)
    return Coefficients(typicality, null, information, explained)


@torch.inference_mode()
def _halves(
    predict: Predictor, latent: Tensor, row: int, several: Sequence[Draws]
) -> tuple[Tensor, Tensor, Tensor]:
    """By how much the halves of some draws of a picture disagree, `(N, h, w)` each.

    Arguments:
        predict: Of UNet or surrogate.
        latent: x, `(C, h, w)`.
        row: Of the label.
        several: N times draws (t, eps); every other one is of the same half.

    Returns:
        Of typicality, of the loss without a label, and of information.
    """
    shape, device = tuple(latent.shape), predict.device
    found: tuple[list[Tensor], ...] = ([], [], [])
    for draws in several:
        times = predict.schedule.times(torch.from_numpy(draws.fractions)).to(device)
        noise = torch.stack([draws.noise(draw, shape) for draw in range(len(draws))]).to(device)
        noisy = predict.schedule.add_noise(latent.to(device).expand_as(noise), noise, times)
        null, label = predict(noisy, times, torch.tensor([[0, row]] * len(draws))).unbind(1)
        weights = torch.ones(len(draws), 1, 1)
        if draws.weights is not None:
            weights = torch.from_numpy(draws.weights)[:, None, None]
        for kept, values in zip(
            found,
            (
                typicality_map(null, label, noise),
                loss_map(null, noise),
                information_map(null, label),
            ),
            strict=True,
        ):
            weighted = weights * values.cpu()
            kept.append(weighted[0::HALVES].mean(0) - weighted[1::HALVES].mean(0))
    typicality, loss, information = map(torch.stack, found)
    return typicality, loss, information
