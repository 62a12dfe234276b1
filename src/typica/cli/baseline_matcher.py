"""`typica baseline matcher`: the few-shot matcher."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .baseline import Changes, Split, run_named
from .shared import READ_AS_IS, DataArgument, DataPath

if TYPE_CHECKING:
    from ..baselines.run import Fit

__all__ = ["baseline_matcher"]


def baseline_matcher(
    data: DataPath,
    /,
    out: Path,
    reading: DataArgument = READ_AS_IS,
    exemplars: int = 1,
    exemplar_source: Path | None = None,
    exemplar_lines: int | None = None,
    exemplar_seed: int = 0,
    threshold: float = 0.0,
    model: Path | None = None,
    fonts: Path | None = None,
    set: Changes = (),
    max_minutes: float | None = None,
    split: Split = "test",
    device: str = "auto",
    resume: bool = False,
) -> int:
    """A few-shot matcher: reads with 1 to 5 exemplars per character, trained on other types.

    Args:
        data: Folder of lines, or one file of it.
        out: Run folder to make.
        reading: How the data is read.
        exemplars: Exemplars of every character.
        exemplar_source: Folder <character>/*.png, glyphs.json, or a typewriter's run folder that
            was evaluated on these lines; the data's own boxes if not given.
        exemplar_lines: Cut exemplars from at most so many lines.
        exemplar_seed: Draws other exemplars.
        threshold: Leave out symbols with less confidence, 0 to 1.
        model: Run folder of a matcher trained before; nothing is trained then.
        fonts: Folder of fonts to train on instead of the pinned ones.
        set: Options to change, such as channels=24 loop.steps=500.
        max_minutes: Fit the number of steps to this time.
        split: Which lines to read and judge.
        device: auto, cpu, cuda, ...
        resume: Go on with the run in --out.
    """
    import torch

    from ..baselines.matcher import MatcherOptions, Shots, fit_matcher, load_matcher
    from ..baselines.matcher_thresholds import write_thresholds
    from ..configs import with_changes
    from ..errors import ConfigError

    shots = Shots(exemplars, exemplar_source, exemplar_lines, threshold, exemplar_seed)
    changes = [change for group in set for change in group]
    if model is not None and (changes or max_minutes is not None or resume):
        raise ConfigError("--model: is trained already. Leave out --set, --max-minutes, --resume.")
    options = with_changes(MatcherOptions(), changes)
    if model is not None:
        options = load_matcher(model, torch.device("cpu"))[0].options

    def fit(cache: Any, session: Any) -> Any:
        return fit_matcher(
            options, shots, split, cache, session, trained=model, fonts=fonts, say=_say
        )

    named: Fit = fit
    status = run_named(
        "matcher",
        options,
        named,
        options.height,
        data,
        out,
        reading,
        split=split,
        max_minutes=max_minutes,
        device=device,
        resume=resume,
    )
    if status == 0:
        for row in write_thresholds(out, split, threshold):
            print(row)
    return status


def _say(text: str) -> None:
    print(text, file=sys.stderr)
