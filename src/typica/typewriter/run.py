"""The whole job of a training, to the report page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..processes import join
from ..runs import Run, load_tensors
from .assessment import assess
from .config import TypewriterConfig
from .decoding import sprite_names
from .evaluation import Evaluation
from .inference import learned_space_gap
from .naming_file import discard_stale_naming
from .pictures import sprite_sheet, write_png
from .storage import load_typewriter, save_typewriter
from .summary import write_report
from .training import train
from .training_loop import TrainingResult
from .wording import evaluation_lines

__all__ = ["RunResult", "train_and_report"]


@dataclass(frozen=True)
class RunResult:
    """What `train_and_report` made.

    Arguments:
        training: How the training ended.
        evaluation: On the validation lines (the training lines if there are none); None
            without transcriptions, or if the training was interrupted.
        page: The report page; None if the training was interrupted.
    """

    training: TrainingResult
    evaluation: Evaluation | None
    page: Path | None

    def summary(self) -> Iterator[str]:
        """The result in a few lines."""
        t = self.training
        if not t.finished:
            yield f"interrupted after {t.step} steps; --resume goes on from there: {t.run}"
            return
        yield f"trained {t.step} steps in {t.minutes:.1f} minutes: {t.run}"
        if self.evaluation is not None:
            yield from evaluation_lines(self.evaluation)
        if self.page is not None:
            yield f"report: {self.page}"


def train_and_report(
    collection: LineCollection,
    out: Path | str,
    config: TypewriterConfig | None = None,
    **options: Any,
) -> RunResult:
    """Train, learn where words end, judge the validation lines, write the report page.

    Arguments:
        collection: Lines with splits.
        out: The run folder.
        config: Everything that decides the typewriter.
        options: As for `typica.typewriter.training.train`.
    """
    tune_process()
    training = train(collection, out, config, **options)
    if not training.finished or not join(options.get("device", "auto")).leader:
        return RunResult(training, None, None)
    device = choose_device(options.get("device", "auto"))
    run = Run(Path(out))
    discard_stale_naming(run.folder, load_tensors(run.model)[0])
    model, about = load_typewriter(run.folder, device)
    with LineCache(collection, model.config.height, options.get("cache_folder")) as cache:
        gap = learned_space_gap(model, about, cache)
        split = "val" if len(cache.collection.part("val")) else "train"
    about = replace(about, space_gap=gap)
    save_typewriter(run.model, load_tensors(run.model)[0], about)
    run.write_config(about.as_dict())
    masks = model.sprites().detach().cpu().numpy()
    called = sprite_names(model)
    names = [called[character] for character in model.variants.owner[:-1]]
    write_png(run.folder / "alphabet.png", sprite_sheet(masks, names))
    with LineCache(
        collection.part(split), model.config.height, options.get("cache_folder")
    ) as cache:
        evaluation = assess(model, about, cache, run, split)
    return RunResult(training, evaluation, write_report(run.folder, split))
