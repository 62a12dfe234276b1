"""`typica typewriter ...`: train, name, eval, decompose, report."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from ..errors import DAMAGE, ConfigError, DataError, RunError, reason
from ..lines.collection import ReadingOptions
from ..lines.text import TextOptions
from .shared import (
    ON_THIS_MACHINE,
    READ_AS_IS,
    DataArgument,
    DataOptions,
    DataPath,
    EngineArgument,
    RunFolder,
    as_json,
    plain,
    read_collection,
)

if TYPE_CHECKING:
    from ..typewriter.config import TypewriterConfig

__all__ = [
    "run_reading",
    "typewriter_decompose",
    "typewriter_eval",
    "typewriter_name",
    "typewriter_report",
    "typewriter_train",
]

_Preset = Literal[
    "default",
    "paper-google",
    "paper-copiale",
    "paper-fontenay",
    "paper-google-unsupervised",
    "paper-copiale-unsupervised",
]


def _cache(out: Path) -> Path:
    """Where the resized lines of a run are kept, beside what they were made for."""
    return out / "cache"


def typewriter_train(
    data: DataPath,
    /,
    out: Path,
    reading: DataArgument = READ_AS_IS,
    preset: _Preset = "default",
    config: Path | None = None,
    set: Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction] = (),
    unsupervised: bool = False,
    start_from: Path | None = None,
    allographs: Path | None = None,
    max_minutes: float | None = None,
    device: str = "auto",
    resume: bool = False,
    tensorboard: bool = False,
    print_config: bool = False,
) -> int:
    """Learn an alphabet from lines; ends with an evaluation and the report page.

    Args:
        data: Folder of lines, or one file of it.
        out: Run folder to make.
        reading: How the data is read.
        preset: Configuration to start from: our default, or the paper's.
        config: JSON file with a configuration (as in a run's config.json) instead of a preset.
        set: Options to change, such as training.steps=500 loss.alignment=ctc.
        unsupervised: Learn without transcriptions, even where there are some; `typica typewriter
            name` then names the sprites from a few transcribed lines.
        start_from: A trained run whose weights to start from, with its configuration unless another
            is given; for a similar hand, or to give letters more sprites (sprites.more).
        allographs: Folder that `typica palaeography allographs` wrote, from a job on the run of
            --start-from: every letter that was found to have two shapes gets a sprite for each.
        max_minutes: Fit the number of steps to this time.
        device: auto, cpu, cuda, ...
        resume: Go on with the run in --out.
        tensorboard: Also write TensorBoard events.
        print_config: Print the resolved configuration and stop.
    """
    changes = tuple(change for group in set for change in group)
    if unsupervised:
        changes += ("training.unsupervised=true",)
    resolved = _configuration(preset, config, changes, start_from)
    shapes = _shapes(allographs, start_from)
    if shapes is not None and not resume:
        from ..typewriter.shapes import load_shapes, more_sprites

        more = more_sprites(resolved, load_shapes(shapes))
        resolved = replace(resolved, sprites=replace(resolved.sprites, more=more))
    if print_config:
        print(as_json(resolved.as_dict()))
        return 0
    from ..processes import join
    from ..runs import Run, require_outside
    from ..typewriter.run import train_and_report

    require_outside(out, data)

    if resume and (changes or config or preset != "default") and Run(out).checkpoint.exists():
        print(
            f"note: {out} goes on with its own configuration, as kept in its config.json; "
            "--set, --config and --preset have no effect on it",
            file=sys.stderr,
        )
    options = reading.options()
    result = train_and_report(
        read_collection(data, options),
        out,
        resolved,
        text=plain(asdict(options.text)),
        max_minutes=max_minutes,
        device=device,
        resume=resume,
        start=start_from,
        shapes=shapes,
        tensorboard=tensorboard,
        cache_folder=_cache(out),
    )
    if not join(device).leader:
        return 0
    for row in result.summary():
        print(row)
    return 0 if result.training.finished else 130


def _shapes(allographs: Path | None, start: Path | None) -> Path | None:
    """The file of shapes in the folder given."""
    if allographs is None:
        return None
    if start is None:
        raise ConfigError("--allographs needs --start-from: the run whose letters were looked at")
    file = allographs / "shapes.safetensors"
    if not file.exists():
        raise DataError(
            f"{allographs}: holds no shapes.safetensors. Give the folder that `typica palaeography "
            "allographs` wrote; it writes no such file where no letter has two shapes."
        )
    return file


def _configuration(
    preset_name: str, file: Path | None, changes: tuple[str, ...], start: Path | None = None
) -> TypewriterConfig:
    from ..configs import from_file, with_changes
    from ..typewriter.config import TypewriterConfig
    from ..typewriter.presets import preset

    config = preset(preset_name)
    if file is not None:
        config = from_file(TypewriterConfig, file)
    if start is not None:
        from ..typewriter.carrying import continued
        from ..typewriter.storage import load_typewriter

        if file is None and preset_name == "default":
            config = load_typewriter(start, named=False)[1].config
        config = continued(config)
    return with_changes(config, changes)


def run_reading(run: Path, data: DataOptions) -> ReadingOptions:
    """Read transcriptions as the run's own were read; only where they lie may differ."""
    from ..runs import Run

    options = data.options()
    kept = Run(run).read_config().get("text") or {}
    if not kept:
        return options
    table = data.replacements or kept.get("replacements")  # it may have been moved
    try:
        text = TextOptions(
            kept["normalization"], kept["sep"], kept["space"], Path(table) if table else None
        )
    except DAMAGE as error:
        raise RunError(
            f"{Run(run).config}: damaged (text: {reason(error)}). Train again."
        ) from error
    given = (data.normalization, data.sep, data.space)
    usual = (READ_AS_IS.normalization, READ_AS_IS.sep, READ_AS_IS.space)
    if given not in (usual, (text.normalization, text.sep, text.space)):
        print(
            f"note: transcriptions are read as those of {run} were; --normalization, --sep and "
            "--space have no effect here",
            file=sys.stderr,
        )
    return replace(options, text=text)


def typewriter_name(
    run: RunFolder,
    data: DataPath,
    /,
    reading: DataArgument = READ_AS_IS,
    split: Literal["train", "val", "test", "all"] = "train",
    text: Path | None = None,
    language_order: int = 5,
    lines: int | None = None,
    method: Literal["em", "soft-edit", "counts"] = "em",
    n_grams: int = 3,
    clean_up: Literal["none", "deletions", "names"] = "names",
    check: int = 200,
    device: str = "auto",
    json: Annotated[bool, arg(name="json")] = False,
) -> int:
    """Name the sprites of a run that learned without texts: from transcribed lines, or --text.

    Args:
        run: Run folder.
        data: Folder of lines, or one file of it.
        reading: How the data is read; the text options are always those of the run.
        split: Which lines: transcribed ones, or with --text any.
        text: Plain text in the language of the lines, about anything: no transcription is needed,
            and where there are some they only tell how well the names read.
        language_order: With --text: how many letters in a row are judged together.
        lines: How many of them, evenly spread; all if not given (with --text, 700).
        method: em sums over all alignments, soft-edit is the paper's, counts the baseline.
        n_grams: Up to so many sprites in a row can get a name together (1 to 3).
        clean_up: What is tried on the error rate afterwards; deletions is the paper's.
        check: How many other transcribed lines to read with the names.
        device: auto, cpu, cuda, ...
        json: Print one JSON object instead of text.
    """
    from ..typewriter.name_run import name_sprites
    from ..typewriter.naming import NamingOptions

    options = NamingOptions(method, n_grams, clean_up)
    read = run_reading(run, reading)
    collection = read_collection(data, read)
    if text is not None:
        from ..lines.language import read_text
        from ..typewriter.decipherment import DeciphermentOptions
        from ..typewriter.language_naming import name_sprites_by_language

        asked = DeciphermentOptions(order=language_order)
        result = name_sprites_by_language(
            run,
            collection,
            read_text(text, read.text),
            text.name,
            asked if lines is None else replace(asked, lines=lines),
            split=split,
            check=check,
            device=device,
        )
    else:
        result = name_sprites(
            run, collection, options, split=split, lines=lines, check=check, device=device
        )
    print(as_json(result.as_dict()) if json else "\n".join(result.summary()))
    return 0


def typewriter_eval(
    run: RunFolder,
    data: DataPath,
    /,
    reading: DataArgument = READ_AS_IS,
    split: Literal["train", "val", "test", "all"] = "test",
    device: str = "auto",
    json: Annotated[bool, arg(name="json")] = False,
) -> int:
    """Read the lines of a split and judge the reading and the reconstruction.

    Args:
        run: Run folder.
        data: Folder of lines, or one file of it.
        reading: How the data is read; the text options are always those of the run.
        split: Which lines.
        device: auto, cpu, cuda, ...
        json: Print one JSON object instead of text.
    """
    from ..typewriter.assessment import evaluate_run
    from ..typewriter.wording import evaluation_lines

    collection = read_collection(data, run_reading(run, reading))
    evaluation = evaluate_run(run, collection, split, device)
    if evaluation is None:
        print(
            "nothing to compare with: no line has a transcription, or the typewriter was trained "
            "without any (`typica typewriter name` gives its sprites names). The readings are in "
            "the run folder.",
            file=sys.stderr,
        )
        return 1
    print(as_json(evaluation.as_dict()) if json else "\n".join(evaluation_lines(evaluation)))
    return 0


def typewriter_decompose(
    run: RunFolder,
    images: Annotated[Positional[Path], arg(metavar="IMAGES")],
    /,
    out: Path,
    reading: DataArgument = READ_AS_IS,
    where: EngineArgument = ON_THIS_MACHINE,
    device: str = "auto",
) -> int:
    """Take lines apart: text, boxes (TSV, PAGE XML, ALTO), pictures; 1 if some were set aside.

    Args:
        run: Run folder.
        images: Folder of line images (no annotation needed), or any data set.
        out: Folder to write into.
        reading: How the images are read.
        where: Where it is worked on, and which part.
        device: auto, cpu, cuda, ...
    """
    from ..runs import require_outside
    from ..typewriter.decompose_job import decompose_into

    require_outside(out, images)
    collection = read_collection(images, run_reading(run, reading))
    result = decompose_into(run, collection, out, device, engine=where.chosen())
    for row in result.summary():
        print(row)
    return 1 if result.set_aside else 0


def typewriter_report(
    run: RunFolder, /, split: Literal["train", "val", "test", "all"] | None = None
) -> int:
    """Write the report page of a run from what its folder holds.

    Args:
        run: Run folder.
        split: Which evaluation to show; the best there is if not given.
    """
    from ..typewriter.summary import write_report

    print(write_report(run, split))
    return 0
