"""The scoring job: typicality maps of every picture of a collection (eqs. 4.9 to 4.11).

A picture with several labels is scored under each of them alone; one without any has no maps,
unless all labels are scored. Sums are kept in float32 in the order of the draws, picture by
picture, so that the result depends neither on the batch size nor on the shard. Only means are
kept: nothing grows with the number of draws. Where draws are given by need, this is done once for
every round (`rounds.py`). What is done to a piece is in `piece_scoring.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..engines.engine import DEFAULT, Engine
from ..engines.pieces import run_pieces
from ..engines.worker import Piece
from ..errors import DataError, RunError
from ..images.picture import PictureCollection
from .denoiser import Denoiser
from .encoding import labels_asked
from .folder import MiningAbout
from .maps import Skipped, check_piece, holding, piece_path, write_piece
from .piece_scoring import Scoring, progress_weight
from .pilot import density_of_times
from .rounds import Rounds
from .score_settings import score_settings
from .surrogate_job import SURROGATE_FILE, surrogate_of
from .time_density import TimeDensity

__all__ = ["ScoreResult", "score"]


@dataclass(frozen=True)
class ScoreResult:
    """What a scoring job did.

    Arguments:
        pieces: Pieces written by this job.
        kept: Pieces of its shard that were there already.
        pictures: Pictures scored by this job.
        evaluations: Evaluations of the UNet (one picture, one draw, one condition each), those of
            the pilot and of teaching the surrogate included.
        seconds: It took.
        batch_size: UNet evaluations at a time in the end; smaller than asked for if the device's
            memory was too small.
        skipped: Pictures of this shard that could not be decoded, those of `kept` included.
        draws: Pairs (t, noise) evaluated by this job, over all pictures.
        waiting: What this shard waits for before it can go on (only where draws are given by
            need); None if its maps are complete.
        explained: Share of the variance of an estimate that the surrogate takes away; None without
            one.
    """

    pieces: int
    kept: int
    pictures: int
    evaluations: int
    seconds: float
    batch_size: int
    skipped: tuple[Skipped, ...]
    draws: int = 0
    waiting: str | None = None
    explained: float | None = None


def score(
    denoiser: Denoiser,
    collection: PictureCollection,
    about: MiningAbout,
    out: Path,
    *,
    engine: Engine = DEFAULT,
    load: Callable[[], Denoiser] | None = None,
    bfloat16: bool = False,
    compile: bool = False,
    show_progress: bool = True,
) -> ScoreResult:
    """Score a collection, or one shard of it, into pieces (`maps.py`).

    Pieces that are there already are kept; a job that was interrupted or killed goes on where it
    was, at most one piece of work of every worker is lost.

    Arguments:
        denoiser: The model; it is put into evaluation mode for the time being.
        collection: The pictures, all splits.
        about: The run: size, options, labels.
        out: Folder of the pieces.
        engine: Where, and which shard: of n shards the i-th does the pieces i, i + n, i + 2 n...
        load: Gives the same model in another process, to be sent there; needed where the engine
            has any.
        bfloat16: Compute the UNet in bfloat16 where the hardware does.
        compile: Compile the UNet (`compiling.py`); like the batch size it changes the last digits
            only, so a job may go on with or without.
        show_progress: Show progress and time left on standard error.

    Returns:
        What was done and what was there already.

    Raises:
        ConfigError: If the device's memory is too small.
        DataError: If a label is unknown to the model, or no picture at all can be decoded.
        RunError: If the surrogate diverges; or if `out` holds pieces of other settings.
    """
    config = about.config.typicality
    began = time.monotonic()
    settings = score_settings(denoiser, collection, about, bfloat16)
    if not engine.here and load is None:
        raise TypeError("other processes need a way to load the model")
    opened = load if load is not None and not engine.here else lambda: denoiser
    job = _Job(collection, about, engine, opened, show_progress, config.batch_size, compile)
    waiting = None
    training = denoiser.training
    denoiser.eval()
    try:
        if config.sampling == "importance":
            job.density, job.evaluations = density_of_times(
                denoiser, collection, about, out, settings, show_progress
            )
        if config.surrogate is not None:
            coefficients, cost = surrogate_of(
                denoiser, collection, about, out, settings, job.density, show_progress
            )
            job.surrogate = out / SURROGATE_FILE, settings
            job.explained, job.evaluations = coefficients.explained, job.evaluations + cost
        if not engine.here:
            denoiser.to("cpu")  # the device is the workers'
        if config.adaptive is None:
            job.do(out, settings, job.own, job.everything, "score")
        else:
            waiting = _by_need(job, out, settings)
    finally:
        denoiser.train(training)
    skipped = tuple(job.skipped[index] for index in sorted(job.skipped))
    if skipped and engine.whole and len(skipped) == len(collection):
        raise DataError(
            f"{collection.root}: none of the pictures can be read any more; the first: "
            f"{skipped[0].message}"
        )
    return ScoreResult(
        job.pieces,
        job.kept,
        len(job.scored),
        job.evaluations,
        time.monotonic() - began,
        job.batch_size,
        skipped,
        job.draws,
        waiting,
        job.explained,
    )


Chosen = dict[int, dict[int, int]]
"""Pictures to be scored: by piece, by index, the number of the block of draws."""


@dataclass
class _Job:
    """A scoring job at work, and what it did so far."""

    collection: PictureCollection
    about: MiningAbout
    engine: Engine
    load: Callable[[], Denoiser]
    show_progress: bool
    batch_size: int
    compile: bool = False
    density: TimeDensity | None = None
    surrogate: tuple[Path, dict[str, Any]] | None = None
    explained: float | None = None
    pieces: int = 0
    kept: int = 0
    evaluations: int = 0
    draws: int = 0
    scored: set[int] = field(default_factory=set)
    skipped: dict[int, Skipped] = field(default_factory=dict)

    @property
    def own(self) -> Sequence[int]:
        """The pieces of this shard."""
        size = self.about.config.typicality.piece
        return self.engine.own(range(-(-len(self.collection) // size)))

    def everything(self, pieces: Sequence[int]) -> Chosen:
        """The first block of every picture of some pieces."""
        size = self.about.config.typicality.piece
        return {
            n: dict.fromkeys(range(n * size, min((n + 1) * size, len(self.collection))), 0)
            for n in pieces
        }

    def do(
        self,
        out: Path,
        settings: dict[str, Any],
        pieces: Sequence[int],
        choose: Callable[[Sequence[int]], Chosen],
        title: str,
    ) -> None:
        """Score what is missing of some pieces.

        Arguments:
            out: Their folder.
            settings: What decides them.
            pieces: Of this shard.
            choose: Says which pictures those that are missing have.
            title: Of the progress.
        """
        present = {piece: check_piece(out, piece, settings) for piece in pieces}
        for found in present.values():
            self.skipped.update((one.index, one) for one in found or ())
        missing = [piece for piece in pieces if present[piece] is None]
        self.kept += len(pieces) - len(missing)
        self.pieces += len(missing)
        with holding(out, pieces):
            if missing:
                self._score(out, settings, choose(missing), title, len(pieces) - len(missing))

    def _score(
        self, out: Path, settings: dict[str, Any], chosen: Chosen, title: str, kept: int
    ) -> None:
        """Score pieces; those without pictures are written at once."""
        todo = []
        for number, blocks in chosen.items():
            if blocks:
                given = {i: (self.collection.pictures[i], block) for i, block in blocks.items()}
                size = sum(progress_weight(self.about, block) for block in blocks.values())
                todo.append(Piece(piece_path(out, number).name, size, (number, given)))
            else:
                write_piece(out, number, (), (), settings)
        config = self.about.config.typicality
        known = labels_asked(self.collection, self.about)
        elsewhere = not self.engine.here
        work = Scoring(
            self.about,
            known,
            out,
            settings,
            self.load,
            elsewhere,
            self.compile,
            self.density,
            self.surrogate,
        )
        for _, done in run_pieces(
            work,
            todo,
            self.engine,
            title=title,
            unit="pictures" if config.adaptive is None else "draws",
            before=min(kept * config.piece, len(self.collection)) if config.adaptive is None else 0,
            show_progress=self.show_progress,
        ):
            self.skipped.update((one.index, one) for one in done.faults)
            self.scored.update(done.scored)
            self.evaluations += done.evaluations
            self.draws += done.draws
            self.batch_size = min(self.batch_size, done.batch_size)


def _by_need(job: _Job, out: Path, settings: dict[str, Any]) -> str | None:
    """Score in rounds, as far as other shards allow.

    Returns:
        What this shard waits for; None if its maps are complete.

    Raises:
        RunError: If blocks that other pieces need were removed.
    """
    rounds = Rounds(out, job.collection, job.about, settings, job.show_progress)
    with holding(out, job.own), rounds.kept():
        present = {piece: check_piece(out, piece, settings) for piece in job.own}
        for found in present.values():
            job.skipped.update((one.index, one) for one in found or ())
        mine = [piece for piece in job.own if present[piece] is None]
        job.kept += len(job.own) - len(mine)
        for number in range(rounds.last + 1 if mine else 0):
            title = f"score, round {number} of {rounds.last}" if number else "score, first pass"
            lacking = rounds.missing(number)
            if lacking and job.engine.whole:
                raise RunError(
                    f"{rounds.blocks(0)}: has no {piece_path(out, lacking[0]).name}, without which "
                    f"nothing can be decided. Delete the folder {out.name}/ to score anew."
                )
            if lacking:
                return (
                    f"this shard is done with round {number - 1} of {rounds.last}, and others are "
                    f"not: {len(lacking)} of {len(rounds.pieces)} pieces are missing. Which "
                    "pictures get more draws is decided by all. When the other shards have ended, "
                    "give the same command again."
                )
            choose = job.everything if number == 0 else partial(rounds.choose, number)
            job.do(rounds.blocks(number), rounds.settings(number), mine, choose, title)
        for piece in mine:
            rounds.join(piece)
        rounds.clear()
    return None
