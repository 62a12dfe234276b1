"""The command line: a command parses, calls one function, and says what it wrote.

Every command is a function whose signature is its options and whose docstring is its help.
Heavy imports stand inside the functions, so that `--help` is quick. Results go to standard
output; progress, warnings and errors to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import tyro

from .. import __version__
from ..errors import TypicaError
from .baseline import baseline_recogniser
from .baseline_clip import baseline_clip
from .baseline_matcher import baseline_matcher
from .baseline_mining import baseline_doersch
from .baseline_sprites import baseline_dti_sprites, baseline_marionette, baseline_templates
from .exemplars import typewriter_compare_exemplars
from .images import images_check
from .lines import lines_check, lines_render
from .mining import (
    mine_export,
    mine_finetune,
    mine_report,
    mine_run,
    mine_score,
    mine_select,
)
from .mining_bias import mine_bias, mine_sample
from .mining_localise import mine_localise
from .mining_parallel import mine_cotypical, mine_trends
from .mining_readings import mine_confusions, mine_contrast, mine_search, mine_timeline
from .mining_translate import mine_translate
from .palaeography import palaeography_compare
from .palaeography_adapt import palaeography_adapt, palaeography_allographs
from .palaeography_report import palaeography_glyphs, palaeography_report
from .typewriter import (
    typewriter_decompose,
    typewriter_eval,
    typewriter_name,
    typewriter_report,
    typewriter_train,
)
from .typewriter_export import typewriter_export, typewriter_type
from .typewriter_figures import typewriter_figures

__all__ = ["main"]


def demo(
    out: Path = Path("runs/demo"),
    minutes: float = 3.75,
    mining_minutes: float = 10.0,
    part: Literal["both", "typewriter", "mining"] = "both",
) -> int:
    """Make the demo data, run both instruments on it, and write their report pages.

    Args:
        out: Folder to make (replaced if it is an earlier demo).
        minutes: Time for training the typewriter.
        mining_minutes: Time for mining.
        part: Which instrument.
    """
    from ..demo.run import run_demo

    for row in run_demo(out, minutes, mining_minutes, part):
        print(row, flush=True)
    return 0


_GROUPS: dict[str, tuple[str, dict[str, Callable[..., int]]]] = {
    "lines": (
        "Text lines: check a data set, render one.",
        {"check": lines_check, "render": lines_render},
    ),
    "typewriter": (
        "Learn an alphabet from text lines and read with it.",
        {
            "train": typewriter_train,
            "name": typewriter_name,
            "eval": typewriter_eval,
            "decompose": typewriter_decompose,
            "report": typewriter_report,
            "figures": typewriter_figures,
            "export": typewriter_export,
            "compare-exemplars": typewriter_compare_exemplars,
            "type": typewriter_type,
        },
    ),
    "baseline": (
        "What the two instruments are compared with, on the same lines and pictures.",
        {
            "recogniser": baseline_recogniser,
            "dti-sprites": baseline_dti_sprites,
            "marionette": baseline_marionette,
            "templates": baseline_templates,
            "matcher": baseline_matcher,
            "doersch": baseline_doersch,
            "clip": baseline_clip,
        },
    ),
    "palaeography": (
        "Compare hands and scripts by their prototypes.",
        {
            "adapt": palaeography_adapt,
            "allographs": palaeography_allographs,
            "compare": palaeography_compare,
            "report": palaeography_report,
            "glyphs": palaeography_glyphs,
        },
    ),
    "images": (
        "Labelled pictures: check a data set.",
        {"check": images_check},
    ),
    "mine": (
        "Find what is typical of each label of a picture collection.",
        {
            "run": mine_run,
            "finetune": mine_finetune,
            "score": mine_score,
            "select": mine_select,
            "report": mine_report,
            "export": mine_export,
            "translate": mine_translate,
            "cotypical": mine_cotypical,
            "trends": mine_trends,
            "localise": mine_localise,
            "contrast": mine_contrast,
            "confusions": mine_confusions,
            "timeline": mine_timeline,
            "search": mine_search,
            "sample": mine_sample,
            "bias": mine_bias,
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
        width = max(map(len, commands))
        rows += [
            f"  typica {group} {name:<{width}}  {(command.__doc__ or '').splitlines()[0]}"
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
