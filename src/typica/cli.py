"""The command line: a command parses, calls one function, and says what it wrote.

Every command is a function whose signature is its options and whose docstring is its help.
Heavy imports stand inside the functions, so that `--help` is quick. Results go to standard
output; progress, warnings and errors to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction, arg

from . import __version__
from .errors import RunError, TypicaError
from .lines.collection import LineFormat, ReadingOptions
from .lines.line import LineCollection
from .lines.render_options import RenderOptions
from .lines.text import Normalization, TextOptions

if TYPE_CHECKING:
    from .typewriter.config import TypewriterConfig

__all__ = ["main"]

_Preset = Literal["default", "paper-google", "paper-copiale", "paper-fontenay"]


@dataclass(frozen=True)
class _Data:
    """How a data set is read."""

    format: LineFormat = "auto"
    """What the data is; auto finds out."""
    normalization: Normalization = "NFC"
    """Unicode normal form of the transcriptions."""
    sep: str = ""
    """What stands between two symbols; empty for plain text."""
    space: str = " "
    """What stands for a word space."""
    replacements: Path | None = None
    """A replacement table (choco-mufin CSV)."""
    margin: float = 0.05
    """Widen line outlines on a page by this share of the line height."""
    document: str | None = None
    """Regular expression whose first group in a line's id is its document."""
    split_seed: int = 0
    """Deals the splits differently, where the data names none."""

    def options(self) -> ReadingOptions:
        text = TextOptions(self.normalization, self.sep, self.space, self.replacements)
        return ReadingOptions(
            text=text,
            format=self.format,
            margin=self.margin,
            document=self.document,
            seed=self.split_seed,
        )


_AS_RENDERED = RenderOptions()
_DataArg = Annotated[_Data, OmitArgPrefixes]


def _read(data: Path, options: ReadingOptions) -> LineCollection:
    """Read a collection and say on standard error what was set aside."""
    from .lines.collection import read_lines

    collection = read_lines(data, options)
    for problem in collection.problems[:10]:
        print(f"{'set aside' if problem.fatal else 'note'}: {problem}", file=sys.stderr)
    if len(collection.problems) > 10:
        more = len(collection.problems) - 10
        print(f"... and {more} more: `typica lines check {data}` lists them", file=sys.stderr)
    return collection


def _cache(out: Path) -> Path:
    """Where the resized lines of a run are kept, beside what they were made for."""
    return out / "cache"


def lines_check(
    data: Positional[Path],
    /,
    reading: _DataArg = _Data(),
    height: int = 48,
    step: float = 8,
    json: Annotated[bool, arg(name="json")] = False,
) -> int:
    """Say what a person needs to know of a data set before training; 1 if it cannot be trained.

    Args:
        data: Folder of lines, or one file of it.
        reading: How it is read.
        height: Line height of the model in pixels.
        step: Step of the model in pixels.
        json: Print one JSON object instead of text.
    """
    from .lines.check import check

    report = check(data, reading.options(), height, step)
    print(_json(report.as_dict()) if json else "\n".join(report.lines()))
    return 0 if report.trainable else 1


def lines_render(
    text: Positional[Path],
    /,
    font: Path,
    out: Path,
    wrap: int = 0,
    document: str = "",
    train: float = 0.8,
    val: float = 0.1,
    options: Annotated[RenderOptions, OmitArgPrefixes] = _AS_RENDERED,
) -> int:
    """Set a text in any font, as aged line images with the exact box of every glyph.

    Args:
        text: UTF-8 text file.
        font: Font file (.ttf, .otf, .woff).
        out: Folder to make: images/, annotation.json, glyphs.json, render.json.
        wrap: Most characters in a line; 0 keeps the lines of the file.
        document: Name of the document; that of the text file if empty.
        train: Share of training lines.
        val: Share of validation lines; the rest is for testing.
        options: How the lines are set and aged.
    """
    from .lines.render_request import RenderRequest, render_text

    print(render_text(RenderRequest(text, font, out, wrap, train, val, document, options)))
    return 0


def typewriter_train(
    data: Positional[Path],
    /,
    out: Path,
    reading: _DataArg = _Data(),
    preset: _Preset = "default",
    config: Path | None = None,
    set: Annotated[tuple[tuple[str, ...], ...], arg(name="set"), UseAppendAction] = (),
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
        max_minutes: Fit the number of steps to this time.
        device: auto, cpu, cuda, ...
        resume: Go on with the run in --out.
        tensorboard: Also write TensorBoard events.
        print_config: Print the resolved configuration and stop.
    """
    changes = tuple(change for group in set for change in group)
    resolved = _configuration(preset, config, changes)
    if print_config:
        print(_json(resolved.as_dict()))
        return 0
    from .runs import Run
    from .typewriter.run import train_and_report

    if resume and (changes or config or preset != "default") and Run(out).checkpoint.exists():
        print(
            f"note: {out} goes on with its own configuration, as kept in its config.json; "
            "--set, --config and --preset have no effect on it",
            file=sys.stderr,
        )
    options = reading.options()
    result = train_and_report(
        _read(data, options),
        out,
        resolved,
        text=_plain(asdict(options.text)),
        max_minutes=max_minutes,
        device=device,
        resume=resume,
        tensorboard=tensorboard,
        cache_folder=_cache(out),
    )
    for row in result.summary():
        print(row)
    return 0 if result.training.finished else 130


def _configuration(
    preset_name: str, file: Path | None, changes: tuple[str, ...]
) -> TypewriterConfig:
    from .configs import read_config_file, with_changes
    from .typewriter.presets import config_from_dict, preset

    start = preset(preset_name)
    if file is not None:
        start = config_from_dict(read_config_file(file))
    return with_changes(start, changes)


def _run_reading(run: Path, data: _Data) -> ReadingOptions:
    """Read transcriptions as the run's own were read; only where they lie may differ."""
    from dataclasses import replace

    from .runs import Run

    options = data.options()
    kept = Run(run).read_config().get("text") or {}
    if not kept:
        return options
    table = data.replacements or kept.get("replacements")  # it may have been moved
    try:
        text = TextOptions(
            kept["normalization"], kept["sep"], kept["space"], Path(table) if table else None
        )
    except (KeyError, TypeError) as error:
        raise RunError(f"{Run(run).config}: damaged (text: {error}). Train again.") from error
    return replace(options, text=text)


def typewriter_eval(
    run: Positional[Path],
    data: Positional[Path],
    /,
    reading: _DataArg = _Data(),
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
    from .typewriter.assessment import evaluate_run
    from .typewriter.wording import evaluation_lines

    collection = _read(data, _run_reading(run, reading))
    evaluation = evaluate_run(run, collection, split, device)
    if evaluation is None:
        print(
            "nothing to compare with: no line has a transcription, or the typewriter was trained "
            "without any. The readings are in the run folder.",
            file=sys.stderr,
        )
        return 1
    print(_json(evaluation.as_dict()) if json else "\n".join(evaluation_lines(evaluation)))
    return 0


def typewriter_decompose(
    run: Positional[Path],
    images: Positional[Path],
    /,
    out: Path,
    reading: _DataArg = _Data(),
    device: str = "auto",
) -> int:
    """Take lines apart: text, boxes (TSV, PAGE XML, ALTO), pictures; 1 if some were set aside.

    Args:
        run: Run folder.
        images: Folder of line images (no annotation needed), or any data set.
        out: Folder to write into.
        reading: How the images are read.
        device: auto, cpu, cuda, ...
    """
    from .typewriter.run import decompose_into

    collection = _read(images, _run_reading(run, reading))
    result = decompose_into(run, collection, out, device)
    for row in result.summary():
        print(row)
    return 1 if result.set_aside else 0


def typewriter_report(
    run: Positional[Path], /, split: Literal["train", "val", "test", "all"] | None = None
) -> int:
    """Write the report page of a run from what its folder holds.

    Args:
        run: Run folder.
        split: Which evaluation to show; the best there is if not given.
    """
    from .typewriter.summary import write_report

    print(write_report(run, split))
    return 0


def demo(out: Path = Path("runs/demo"), minutes: float = 3.75) -> int:
    """Make the demo lines, learn their alphabet, judge it, and write the report page.

    Args:
        out: Folder to make (replaced if it is an earlier demo).
        minutes: Time for training.
    """
    from .demo.run import run_demo

    for row in run_demo(out, minutes):
        print(row, flush=True)
    return 0


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Paths as strings, whole, so that they hold in any working folder."""
    return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in values.items()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


_GROUPS: dict[str, tuple[str, dict[str, Callable[..., int]]]] = {
    "lines": (
        "Text lines: check a data set, render one.",
        {"check": lines_check, "render": lines_render},
    ),
    "typewriter": (
        "Learn an alphabet from text lines and read with it.",
        {
            "train": typewriter_train,
            "eval": typewriter_eval,
            "decompose": typewriter_decompose,
            "report": typewriter_report,
        },
    ),
}


def _help() -> str:
    rows = [
        "usage: typica GROUP COMMAND ...   (add --help for the options of a command)",
        "",
        "Learn a generative model of an image collection, then read it.",
    ]
    for group, (about, commands) in _GROUPS.items():
        rows += ["", f"{group}: {about}"]
        rows += [
            f"  typica {group} {name:<10} {(command.__doc__ or '').splitlines()[0]}"
            for name, command in commands.items()
        ]
    rows += ["", f"  typica demo   {(demo.__doc__ or '').splitlines()[0]}", "  typica --version"]
    return "\n".join(rows)


def _dispatch(given: list[str]) -> int:
    """Find the command and let its signature parse the rest."""
    if given == ["--version"]:
        print(f"typica {__version__}")
        return 0
    if not given or given[0] in ("-h", "--help"):
        print(_help())
        return 0
    if given[0] == "demo":
        return int(tyro.cli(demo, prog="typica demo", args=given[1:]))
    if given[0] not in _GROUPS:
        print(f"typica: no command {given[0]!r}\n\n{_help()}", file=sys.stderr)
        return 2
    about, commands = _GROUPS[given[0]]
    status = tyro.extras.subcommand_cli_from_dict(
        commands, prog=f"typica {given[0]}", description=about, args=given[1:]
    )
    return int(status)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 (a check failed), 2 (bad input) or 130."""
    try:
        return _dispatch(sys.argv[1:] if arguments is None else list(arguments))
    except TypicaError as error:
        print(f"typica: {error}", file=sys.stderr)
        return 2
    except MemoryError:
        print(
            "typica: out of memory. For training lower --set training.batch_size.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("typica: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        return 0
    except OSError as error:  # a folder without permission, a full disk
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"typica: {where}{error.strerror or error}. Check the path, its permissions and the "
            "free space.",
            file=sys.stderr,
        )
        return 2


if __name__ == "__main__":
    sys.exit(main())
