"""Whole jobs: train to the report page; take a folder of lines apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..files import write_text
from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.line import LineCollection
from ..runs import Run, load_tensors
from .assessment import assess
from .config import TypewriterConfig
from .evaluation import Evaluation
from .exports import export_path, readings_to_alto, readings_to_page, readings_to_tsv
from .inference import decompose, learned_space_gap
from .pictures import sprite_sheet, write_png
from .reading import LineReading
from .storage import load_typewriter, save_typewriter
from .summary import write_report
from .training import TrainingResult, train
from .wording import evaluation_lines

__all__ = ["RunResult", "decompose_into", "train_and_report"]


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
    if not training.finished:
        return RunResult(training, None, None)
    device = choose_device(options.get("device", "auto"))
    run = Run(Path(out))
    model, about = load_typewriter(run.folder, device)
    with LineCache(collection, model.config.height, options.get("cache_folder")) as cache:
        gap = learned_space_gap(model, about, cache)
    about = replace(about, space_gap=gap)
    save_typewriter(run.model, load_tensors(run.model)[0], about)
    run.write_config(about.as_dict())
    masks = model.sprites().detach().cpu().numpy()
    write_png(run.folder / "alphabet.png", sprite_sheet(masks, about.symbols or None))
    split = "val" if len(collection.part("val")) else "train"
    with LineCache(
        collection.part(split), model.config.height, options.get("cache_folder")
    ) as cache:
        evaluation = assess(model, about, cache, run, split)
    return RunResult(training, evaluation, write_report(run.folder, split))


def decompose_into(
    run: Path | str,
    collection: LineCollection,
    out: Path | str,
    device: str = "auto",
    progress: bool = True,
) -> list[str]:
    """Take lines apart and write what was found.

        transcription.tsv   line and text
        glyphs.tsv          one row per glyph: symbol, box, confidence, scale, colour
        text/               one .txt per line
        page/, alto/        PAGE XML and ALTO with glyphs, one file per line image
        pictures/           reconstruction and segmentation at the model's height

    Arguments:
        run: The run folder.
        collection: Lines, transcribed or not.
        out: The folder to write into.
        device: `auto`, `cpu`, `cuda`, ...
        progress: Show a progress bar on standard error.

    Returns:
        What was written, in a few lines.
    """
    tune_process()
    out = Path(out)
    model, about = load_typewriter(run, choose_device(device))
    found: list[LineReading] = []
    with LineCache(collection, model.config.height) as cache:
        order = {line.id: number for number, line in enumerate(cache.collection)}
        for one in decompose(model, about, cache, progress=progress):
            found.append(one.reading)
            for kind in ("reconstruction", "segmentation"):
                picture = export_path(out / "pictures" / kind, one.line.id, ".png")
                write_png(picture, getattr(one, kind))
            write_text(export_path(out / "text", one.line.id, ".txt"), one.reading.text + "\n")
    found.sort(key=lambda reading: order[reading.line])
    names = {line.id: line.path.name for line in collection if line.polygon is None}
    rows = (f"{reading.line}\t{reading.text}\n" for reading in found)
    write_text(out / "transcription.tsv", "line\ttext\n" + "".join(rows))
    readings_to_tsv(found, out / "glyphs.tsv")
    readings_to_page(found, out / "page", names)
    readings_to_alto(found, out / "alto", names)
    glyphs = sum(len(reading.glyphs) for reading in found)
    problems = cache.collection.problems
    skipped = sum(problem.fatal for problem in problems)
    return [
        f"{len(found)} lines, {glyphs} glyphs: {out}",
        *([f"{skipped} set aside (named above)"] if skipped else []),
    ]
