"""Scenes and occurrences on disk: one safetensors file each, lines one after another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..errors import DAMAGE, RunError, reason
from ..runs import load_tensors, save_tensors
from .occurrences import Occurrences
from .scenes import Scene

__all__ = ["load_occurrences", "load_scenes", "save_occurrences", "save_scenes"]

_OF_GLYPHS = ("sprites", "positions", "scale", "shift", "colour")
_OF_POSITIONS = ("background", "features")


def save_scenes(path: Path, scenes: Sequence[Scene], mark: str) -> None:
    """Write scenes.

    Arguments:
        path: The file.
        scenes: At least one.
        mark: What they depend on; `load_scenes` gives it back.
    """
    tensors = {
        "glyphs": torch.tensor([len(scene.sprites) for scene in scenes]),
        "cells": torch.tensor([len(scene.background) for scene in scenes]),
    }
    for name in (*_OF_GLYPHS, *_OF_POSITIONS):
        parts = [getattr(scene, name) for scene in scenes]
        if all(part is not None for part in parts):
            tensors[name] = torch.from_numpy(np.concatenate(parts))
    save_tensors(path, tensors, {"kind": "scenes", "mark": mark})


def load_scenes(path: Path) -> tuple[list[Scene], str]:
    """Read what `save_scenes` wrote.

    Raises:
        RunError: If it is damaged.
    """
    tensors, about = load_tensors(path)
    try:
        glyphs, cells = tensors["glyphs"].tolist(), tensors["cells"].tolist()
        parts = {
            name: tensors[name].numpy().copy()
            for name in (*_OF_GLYPHS, *_OF_POSITIONS)
            if name in tensors
        }
        ends = np.cumsum([0, *glyphs]), np.cumsum([0, *cells])
        fits = all(len(parts[n]) == ends[0][-1] for n in _OF_GLYPHS) and all(
            len(parts[n]) == ends[1][-1] for n in _OF_POSITIONS if n in parts
        )
        if not fits:
            raise ValueError("its parts do not fit each other")
        scenes = [
            Scene(
                **{n: parts[n][ends[0][i] : ends[0][i + 1]] for n in _OF_GLYPHS},
                **{n: parts[n][ends[1][i] : ends[1][i + 1]] for n in _OF_POSITIONS if n in parts},
            )
            for i in range(len(glyphs))
        ]
        return scenes, str(about["mark"])
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged ({reason(error)}). Remove it; it is made again."
        ) from error


def save_occurrences(path: Path, occurrences: Occurrences, lines: Sequence[str]) -> None:
    """Write occurrences, and the ids of the lines that their numbers stand for."""
    names = Occurrences.__dataclass_fields__
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(getattr(occurrences, name))) for name in names
    }
    save_tensors(path, tensors, {"kind": "occurrences", "lines": list(lines)})


def load_occurrences(path: Path) -> tuple[Occurrences, list[str]]:
    """Read what `save_occurrences` wrote.

    Raises:
        RunError: If it is damaged.
    """
    tensors, about = load_tensors(path)
    try:
        found = Occurrences(*(tensors[name].numpy() for name in Occurrences.__dataclass_fields__))
        lines = [str(name) for name in about["lines"]]
        sizes = {len(getattr(found, name)) for name in Occurrences.__dataclass_fields__}
        if len(sizes) != 1 or (len(found) and found.lines.max() >= len(lines)):
            raise ValueError("its parts do not fit each other")
    except DAMAGE as error:
        raise RunError(
            f"{path}: damaged ({reason(error)}). Remove it; it is made again."
        ) from error
    return found, lines
