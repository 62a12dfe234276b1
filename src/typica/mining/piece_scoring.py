"""Scoring as the work of any process: a piece of the collection in, a file of maps out.

Pictures of one working shape go through the UNet together, the null condition and the labels of
a (picture, draw) in one batch with the same noise and time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engines.worker import Function, Report
from ..errors import RunError
from ..hardware import matrix_bfloat16
from ..images.picture import Picture
from .balance import calibrated
from .control import Control
from .denoiser import Denoiser
from .draws import Draws
from .encoding import encode_pictures, labels_to_score
from .estimator import Against, Estimator
from .folder import MiningAbout
from .maps import PictureMaps, Skipped, write_piece
from .predictor import DenoiserPredictor, SurrogatePredictor
from .score_settings import model_digest
from .surrogate_job import read_surrogate
from .time_density import TimeDensity

__all__ = ["Scored", "Scoring", "progress_weight"]


def progress_weight(about: MiningAbout, block: int) -> float:
    """What a picture counts in the progress: its draws, where pictures differ by them."""
    config = about.config.typicality
    return 1 if config.adaptive is None else config.blocks[block]


@dataclass(frozen=True)
class Scored:
    """What is told of a piece that was scored.

    Arguments:
        scored: Indices of its pictures that have maps now.
        faults: Those that cannot be decoded.
        evaluations: Of the UNet that it took.
        draws: Pairs (t, noise) of all its pictures.
        batch_size: Evaluations at a time in the end.
    """

    scored: tuple[int, ...]
    faults: list[Skipped]
    evaluations: int
    draws: int
    batch_size: int


@dataclass(frozen=True)
class Scoring:
    """Scoring as the work of any process.

    Arguments:
        about: Of the run.
        known: The labels that will be asked for.
        out: Folder of the pieces.
        settings: What decides them (`score_settings`).
        load: Gives the model.
        elsewhere: Whether that is another process than the one that was started.
        compile: Compile the UNet.
        density: Of importance-sampled times.
        surrogate: Its file, and the settings that it is to be of.
    """

    about: MiningAbout
    known: tuple[str, ...]
    out: Path
    settings: dict[str, Any]
    load: Callable[[], Denoiser]
    elsewhere: bool
    compile: bool
    density: TimeDensity | None
    surrogate: tuple[Path, dict[str, Any]] | None = None

    def open(self) -> Function:
        """Load the model.

        Raises:
            RunError: If it is another one here, or would be computed otherwise.
        """
        denoiser = self.load()
        bfloat16 = self.settings["precision"] == "bfloat16"
        if self.elsewhere and model_digest(denoiser) != self.settings["model"]:
            raise RunError(
                f"{self.out}: a worker finds another model than the process that it works for. Let "
                "all machines see the same run folder."
            )
        if bfloat16 and not matrix_bfloat16(denoiser.device):
            raise RunError(
                f"{self.out}: is scored in bfloat16, which a worker's {denoiser.device} has not. "
                "Give all workers the same hardware, or --set typicality.bfloat16=false."
            )
        config = self.about.config.typicality
        predict = DenoiserPredictor(denoiser, self.known, config.batch_size, bfloat16, self.compile)
        estimator = Estimator(predict, self.known)
        control = self._control(denoiser)
        draws = [Draws.of(config, block, self.density) for block in range(len(config.blocks))]

        def piece(given: tuple[int, dict[int, tuple[Picture, int]]], report: Report) -> Scored:
            number, chosen = given
            before = predict.evaluations
            pictures = {index: picture for index, (picture, _) in chosen.items()}
            blocks = {index: block for index, (_, block) in chosen.items()}
            wanted = {i: one for i, one in pictures.items() if labels_to_score(one, self.about)}
            latents, faults = encode_pictures(denoiser, wanted, self.about)
            report(sum(progress_weight(self.about, blocks[i]) for i in blocks if i not in latents))
            maps = _score_piece(
                estimator, control, pictures, blocks, latents, draws, self.about, report
            )
            write_piece(self.out, number, maps, faults, self.settings)
            return Scored(
                tuple(one.index for one in maps),
                faults,
                predict.evaluations - before,
                sum(config.blocks[blocks[one.index]] for one in maps),
                predict.room.size,
            )

        return piece

    def _control(self, denoiser: Denoiser) -> Control | None:
        """What the surrogate does, if there is one."""
        if self.surrogate is None:
            return None
        config = self.about.config.typicality
        surrogate, coefficients = read_surrogate(*self.surrogate)
        if not (coefficients.typicality or coefficients.null or coefficients.information):
            return None  # one that learnt nothing
        surrogate = surrogate.to(denoiser.device)
        predict = SurrogatePredictor(surrogate, denoiser.schedule, config.batch_size)
        return Control(Estimator(predict, self.known), coefficients, config, self.density)


def _score_piece(
    estimator: Estimator,
    control: Control | None,
    pictures: Mapping[int, Picture],
    blocks: Mapping[int, int],
    latents: dict[int, Tensor],
    draws: Sequence[Draws],
    about: MiningAbout,
    report: Report,
) -> list[PictureMaps]:
    """Maps of the pictures of a piece, in the order of the collection."""
    config = about.config.typicality
    # of one block of draws, shape and number of labels
    alike: dict[tuple[int, ...], list[int]] = {}
    for index, latent in latents.items():
        branches = 1 + len(labels_to_score(pictures[index], about))
        alike.setdefault((blocks[index], branches, *latent.shape), []).append(index)
    found: dict[int, PictureMaps] = {}
    for (block, branches, *_), same in alike.items():
        weight = progress_weight(about, block)
        # As many as fill a batch with one draw: more would only need more memory.
        count = max(1, estimator.predict.room.size // branches)
        for start in range(0, len(same), count):
            now = [pictures[index] for index in same[start : start + count]]
            labels = [labels_to_score(one, about) for one in now]
            stacked = torch.stack([latents[index] for index in same[start : start + count]])
            against: Against = "others" if config.labels == "all" and branches > 2 else "null"
            means = estimator(
                stacked,
                labels,
                draws[block],
                config.groups,
                lambda share, weight=weight: report(share * weight),  # type: ignore[misc]
                against,
            )
            if control is not None:
                means = control(means, stacked, labels, draws[block], block, against)
            information = means.information
            if config.adaptive is None:  # else when all draws are joined
                # what is at least 0 may be estimated below it with a surrogate
                information = information.clamp(min=0)
            for row, index in enumerate(same[start : start + count]):
                groups = means.typicality[row].cpu().numpy()
                typicality = groups.mean(1, dtype=np.float64).astype(np.float32)
                deviations = groups - typicality[:, None]
                if config.noise == "balanced":
                    deviations = calibrated(deviations)
                found[index] = PictureMaps(
                    index,
                    now[row].id,
                    labels[row],
                    typicality,
                    deviations,
                    means.null[row].cpu().numpy(),
                    int(stacked.shape[1]),
                    None if config.adaptive is None else len(draws[block]),
                    information[row].cpu().numpy(),
                )
    return [found[index] for index in sorted(found)]
