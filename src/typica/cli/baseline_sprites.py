"""`typica baseline dti-sprites`, `marionette` and `templates`: letters learned without texts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .baseline import Changes, Split, run_named
from .shared import READ_AS_IS, DataArgument, DataPath

if TYPE_CHECKING:
    from ..baselines.dti_options import DTIOptions
    from ..baselines.marionette_options import MarionetteOptions

__all__ = ["baseline_dti_sprites", "baseline_marionette", "baseline_templates"]


def _changed(start: Any, sprites: int | None, changes: tuple[tuple[str, ...], ...]) -> Any:
    from ..configs import with_changes

    some = [change for group in changes for change in group]
    return with_changes(start, some if sprites is None else [*some, f"sprites={sprites}"])


def baseline_dti_sprites(
    data: DataPath,
    /,
    out: Path,
    reading: DataArgument = READ_AS_IS,
    sprites: int | None = None,
    set: Changes = (),
    naming_lines: int | None = None,
    max_minutes: float | None = None,
    split: Split = "test",
    device: str = "auto",
    resume: bool = False,
) -> int:
    """DTI-Sprites on text lines: sprites as pixels, selected by reconstruction, no texts.

    Args:
        data: Folder of lines, or one file of it.
        out: Run folder to make.
        reading: How the data is read.
        sprites: Their number (60).
        set: Options to change, such as step=16 steps=500.
        naming_lines: Transcribed training lines that name the sprites; default the first tenth.
        max_minutes: Fit the number of steps to this time.
        split: Which lines to read and judge afterwards.
        device: auto, cpu, cuda, ...
        resume: Go on with the run in --out.
    """
    from ..baselines.dti_options import DTIOptions
    from ..baselines.sprite_training import fit_dti_sprites

    options: DTIOptions = _changed(DTIOptions(), sprites, set)
    return run_named(
        "dti-sprites",
        options,
        partial(fit_dti_sprites, options, naming_lines),
        options.height,
        data,
        out,
        reading,
        split=split,
        max_minutes=max_minutes,
        device=device,
        resume=resume,
    )


def baseline_marionette(
    data: DataPath,
    /,
    out: Path,
    reading: DataArgument = READ_AS_IS,
    sprites: int | None = None,
    set: Changes = (),
    naming_lines: int | None = None,
    max_minutes: float | None = None,
    split: Split = "test",
    device: str = "auto",
    resume: bool = False,
) -> int:
    """MarioNette on text lines: a dictionary of sprites, a presence per anchor, no texts.

    Args:
        data: Folder of lines, or one file of it.
        out: Run folder to make.
        reading: How the data is read.
        sprites: Their number (60).
        set: Options to change, such as layers=3 steps=500.
        naming_lines: Transcribed training lines that name the sprites; default the first tenth.
        max_minutes: Fit the number of steps to this time.
        split: Which lines to read and judge afterwards.
        device: auto, cpu, cuda, ...
        resume: Go on with the run in --out.
    """
    from ..baselines.marionette_options import MarionetteOptions
    from ..baselines.sprite_training import fit_marionette

    options: MarionetteOptions = _changed(MarionetteOptions(), sprites, set)
    return run_named(
        "marionette",
        options,
        partial(fit_marionette, options, naming_lines),
        options.height,
        data,
        out,
        reading,
        split=split,
        max_minutes=max_minutes,
        device=device,
        resume=resume,
    )


def baseline_templates(
    data: DataPath,
    /,
    out: Path,
    reading: DataArgument = READ_AS_IS,
    set: Changes = (),
    height: int = 48,
    naming_lines: int | None = None,
    language_order: int | None = None,
    text: Path | None = None,
    transcriptions: bool = True,
    split: Split = "test",
) -> int:
    """Templates: pieces of ink that look alike, placed by dynamic programming, no texts.

    Args:
        data: Folder of lines, or one file of it.
        out: Run folder to make.
        reading: How the data is read.
        set: Options to change, such as groups=400 price=0.003.
        height: Pixels that every line is resized to.
        naming_lines: Transcribed training lines that name them; default the first tenth.
        language_order: Read with a language model of so many letters in a row (5 with --text),
            learned from the lines that name the templates; its weight is chosen on the validation
            lines.
        text: Learn the language from this plain text instead.
        transcriptions: Use none to name the templates, but the language of --text alone.
        split: Which lines to read and judge afterwards.
    """
    from ..baselines.template_language import LanguageUse
    from ..baselines.template_reader import fit_templates
    from ..configs import with_changes
    from ..lines.language import read_text
    from ..templates.options import TemplateOptions

    options = with_changes(TemplateOptions(), [change for group in set for change in group])
    language = None
    if language_order is not None or text is not None or not transcriptions:
        language = LanguageUse(
            5 if language_order is None else language_order,
            None if text is None else tuple(read_text(text, reading.options().text)),
            "" if text is None else text.name,
            transcriptions,
        )
    return run_named(
        "templates",
        options,
        partial(fit_templates, options, naming_lines, language=language),
        height,
        data,
        out,
        reading,
        split=split,
    )
