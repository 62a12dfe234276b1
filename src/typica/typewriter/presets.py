"""Configurations by name, from JSON, and with single options changed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from ..errors import ConfigError
from .config import (
    EncoderConfig,
    LossConfig,
    PlacementConfig,
    SpriteConfig,
    TrainingConfig,
    TypewriterConfig,
    require,
)

__all__ = ["PRESETS", "config_from_dict", "preset", "with_changes"]


def config_from_dict(values: dict[str, Any]) -> TypewriterConfig:
    """Rebuild a configuration from `as_dict`.

    Raises:
        ConfigError: If a key is unknown or a value cannot work; the message names it.
    """

    def build(kind: type, given: Any, where: str) -> Any:
        require(isinstance(given, dict), f"{where or 'configuration'}: expected a mapping")
        hints = get_type_hints(kind)
        known = [f.name for f in fields(kind)]
        built = {}
        for key, value in given.items():
            require(key in known, f"{where}{key}: no such option; there are {', '.join(known)}")
            if is_dataclass(hints[key]):
                value = build(hints[key], value, f"{where}{key}.")
            else:
                require(
                    _fits(value, hints[key]),
                    f"{where}{key}: {value!r} is of the wrong type or not one of the choices",
                )
            built[key] = value
        return kind(**built)

    config: TypewriterConfig = build(TypewriterConfig, values, "")
    return config


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a type such as `int`, `float | None` or `Literal[...]`."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_args(hint):
        return any(_fits(value, one) for one in get_args(hint))
    if hint is float:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return plain and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


_WORDS = {"none": None, "true": True, "false": False}


def with_changes(config: TypewriterConfig, changes: Sequence[str]) -> TypewriterConfig:
    """A configuration with some options changed.

    Arguments:
        config: To start from.
        changes: Each `name=value`, the name with dots (`training.steps=500`), the value as in
            JSON or a plain word.

    Raises:
        ConfigError: If a change has no `=`, names no option, or cannot work.
    """
    values = config.as_dict()
    for change in changes:
        name, equals, text = change.partition("=")
        require(bool(equals), f"--set {change}: write name=value, such as training.steps=500")
        try:
            value = json.loads(text)
        except ValueError:
            value = _WORDS.get(text.lower(), text)
        *path, last = name.split(".")
        place = values
        for key in path:
            require(isinstance(place.get(key), dict), f"--set {change}: no group {key!r}")
            place = place[key]
        place[last] = value
    return config_from_dict(values)


def _paper(height: int, learning_rate: float, weight: float, batch: int, steps: int) -> Any:
    """The paper's typewriter, as the text of section 3.3 has it.

    The generator is the text's (two layers, as MarioNette); the paper's program has three on a
    code as large as the sprite (`--set sprites.generator=mlp`). Where the text is silent the
    program is followed: windows at step * t, clamped shifts, sigmoid colours and background,
    weight decay on encoder and selection, batches of 2 for Fontenay. What follows neither: a
    line has ceil(W / 16) positions, batches are padded to the step only and hold lines of
    similar width, and at most 160 lines are read to choose the best weights.
    """
    return TypewriterConfig(
        height=height,
        encoder=EncoderConfig(kind="resnet32", step=16, mask_padding=False),
        sprites=SpriteConfig(
            generator="marionette",
            height=0.5,
            width=0.5,
            initial_opacity=0.5,
            spread=None,
            border=0.0,
        ),
        placement=PlacementConfig(
            centred=False, shift="clamp", colour="paper", learned_start=False
        ),
        loss=LossConfig(alignment="ctc", alignment_weight=weight, sharpening=1.0, overlap=0.0),
        training=TrainingConfig(
            batch_size=batch,
            steps=steps,
            learning_rate=learning_rate,
            schedule="constant",
            warm_start=3000,
            warm_start_reads=False,
            clip=None,
            harden=0.0,
            jitter_shift=0.0,
            jitter_contrast=0.0,
            evaluations=100,
            bfloat16=False,
        ),
    )


PRESETS: dict[str, Callable[[], TypewriterConfig]] = {
    "default": TypewriterConfig,
    "paper-google": lambda: _paper(64, 1e-4, 0.1, 16, 31_900),
    "paper-copiale": lambda: _paper(96, 1e-4, 0.01, 16, 22_500),
    "paper-fontenay": lambda: _paper(64, 1e-4, 0.01, 2, 16_400),
}
"""Named configurations: our default and the paper's three supervised settings."""


def preset(name: str) -> TypewriterConfig:
    """The configuration of a preset.

    Raises:
        ConfigError: If there is no such preset; the message lists them.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset: no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]()
