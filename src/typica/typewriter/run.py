"""Whole jobs: train to the report page; take a folder of lines apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..files import write_text
from ..hardware import choose_device, tune_process
from ..lines.cache import LineCache
from ..lines.line import LineCollection, Problem
from ..runs import Run, load_tensors
from .assessment import assess
from .config import TypewriterConfig
from .decoding import sprite_names
from .evaluation import Evaluation
from .exports import (
    escape,
    export_names,
    export_path,
    pages_to_alto,
    pages_to_page,
    readings_to_tsv,
)
from .inference import decompose, learned_space_gap
from .naming_file import discard_stale_naming
from .page_reading import page_readings
from .pictures import sprite_sheet, write_png
from .reading import LineReading
from .storage import load_typewriter, save_typewriter
from .summary import write_report
from .training import TrainingResult, train
from .wording import evaluation_lines

__all__ = ["DecomposeResult", "RunResult", "decompose_into", "train_and_report"]

PROBLEMS = "problems.txt"
"""The file in which `decompose_into` names everything that was set aside."""

_MOST_NAMED = 10


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


@dataclass(frozen=True)
class DecomposeResult:
    """What `decompose_into` made.

    Arguments:
        out: The folder.
        readings: What was read, in the order of the collection.
        pages: How many PAGE files (and as many ALTO files) were written.
        problems: What was set aside or looked odd, before and during the reading.
        unread: Those of the problems that came up only when the pictures were decoded.
    """

    out: Path
    readings: tuple[LineReading, ...]
    pages: int
    problems: tuple[Problem, ...]
    unread: tuple[Problem, ...] = ()

    @property
    def set_aside(self) -> int:
        """How many lines or files were set aside."""
        return sum(problem.fatal for problem in self.problems)

    def summary(self) -> Iterator[str]:
        """The result in a few lines."""
        glyphs = sum(len(reading.glyphs) for reading in self.readings)
        yield from (f"set aside: {problem}" for problem in self.unread[:_MOST_NAMED])
        if len(self.unread) > _MOST_NAMED:
            yield f"... and {len(self.unread) - _MOST_NAMED} more"
        yield f"{len(self.readings)} lines, {glyphs} glyphs, {self.pages} pages: {self.out}"
        if self.set_aside:
            yield f"{self.set_aside} set aside, all named in {self.out / PROBLEMS}"


def decompose_into(
    run: Path | str,
    collection: LineCollection,
    out: Path | str,
    device: str = "auto",
    progress: bool = True,
) -> DecomposeResult:
    """Take lines apart and write what was found.

        transcription.tsv   line and text
        glyphs.tsv          one row per glyph: symbol, box on the line, confidence, scale, colour
        text/               one .txt per line
        page/, alto/        PAGE XML and ALTO with glyphs, one file per page image (or line image)
        pictures/           reconstruction and segmentation at the model's height
        problems.txt        what was set aside or looked odd, if there was anything

    A line that cannot be decoded is set aside, the others go on.

    Arguments:
        run: The run folder.
        collection: Lines, transcribed or not.
        out: The folder to write into.
        device: `auto`, `cpu`, `cuda`, ...
        progress: Show a progress bar on standard error.

    Returns:
        What was written.

    Raises:
        DataError: If no line can be decoded, or the folder cannot be written.
    """
    tune_process()
    out = Path(out)
    model, about = load_typewriter(run, choose_device(device))
    names = dict(
        zip(
            (line.id for line in collection),
            export_names(line.id for line in collection),
            strict=True,
        )
    )
    found: dict[str, LineReading] = {}
    with LineCache(collection, model.config.height) as cache:
        kept = cache.collection
        unread = kept.problems[len(collection.problems) :]
        if not len(kept):
            raise DataError(_nothing_read(collection, unread))
        for one in decompose(model, about, cache, progress=progress):
            found[one.line.id] = one.reading
            name = names[one.line.id]
            for kind in ("reconstruction", "segmentation"):
                write_png(export_path(out / "pictures" / kind, name, ".png"), getattr(one, kind))
            write_text(export_path(out / "text", name, ".txt"), one.reading.text + "\n")
    readings = tuple(found[line.id] for line in kept)
    rows = (f"{escape(reading.line)}\t{escape(reading.text)}\n" for reading in readings)
    write_text(out / "transcription.tsv", "line\ttext\n" + "".join(rows))
    readings_to_tsv(readings, out / "glyphs.tsv")
    pages = page_readings(kept, found, collection.root)
    pages_to_page(pages, out / "page")
    pages_to_alto(pages, out / "alto")
    _write_problems(kept.problems, out / PROBLEMS)
    return DecomposeResult(out, readings, len(pages), kept.problems, unread)


def _nothing_read(collection: LineCollection, unread: Sequence[Problem]) -> str:
    if not unread:
        return f"{collection.root}: no line to read. Check that this is the right folder."
    more = f" (and {len(unread) - 1} more)" if len(unread) > 1 else ""
    return f"{collection.root}: no line can be read. First problem: {unread[0]}{more}"


def _write_problems(problems: Sequence[Problem], path: Path) -> None:
    """Write what was set aside; a list from an earlier time goes if there is nothing."""
    if not problems:
        path.unlink(missing_ok=True)
        return
    rows = (f"{'set aside' if one.fatal else 'note'}: {one}" for one in problems)
    write_text(path, "".join(escape(row) + "\n" for row in rows))
