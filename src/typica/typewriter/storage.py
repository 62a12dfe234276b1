"""A typewriter on disk: its weights and all that is needed to use it, in one safetensors file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DAMAGE, RunError, reason
from ..runs import Run, load_tensors, save_tensors
from .config import TypewriterConfig
from .loading import Colour
from .model import Typewriter
from .naming_file import KeptNaming, read_naming
from .presets import config_from_dict

__all__ = ["TypewriterAbout", "build", "load_typewriter", "save_typewriter"]


@dataclass(frozen=True)
class TypewriterAbout:
    """What a typewriter is, apart from its weights.

    Arguments:
        config: The resolved configuration.
        symbols: The alphabet, in sprite order.
        paper: Colour of the paper, in [0, 1].
        ink: Colour of the ink, in [0, 1].
        text: How transcriptions were turned into symbols (`typica.lines.text.TextOptions`).
        counts: Occurrences of every symbol in the training text.
        space_gap: White between two glyphs, in line heights, from which on it is a word space;
            None if the training text had none.
        training: How it was trained, for the record: data, steps, minutes, hardware, version.
        naming: The names that the sprites of an unsupervised typewriter got afterwards, if any;
            kept in a file of its own.
    """

    config: TypewriterConfig
    symbols: tuple[str, ...]
    paper: Colour
    ink: Colour
    text: dict[str, Any]
    counts: dict[str, int]
    space_gap: float | None
    training: dict[str, Any]
    naming: KeptNaming | None = None

    @property
    def reads_text(self) -> bool:
        """Whether what it reads can be laid beside a transcription."""
        return bool(self.symbols) or self.naming is not None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "kind": "typewriter",
            "config": self.config.as_dict(),
            "symbols": list(self.symbols),
            "paper": list(self.paper),
            "ink": list(self.ink),
            "text": self.text,
            "counts": self.counts,
            "space_gap": self.space_gap,
            "training": self.training,
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> TypewriterAbout:
        """Rebuild it from `as_dict`.

        Raises:
            RunError: If something is missing or of the wrong kind.
        """
        try:
            if values["kind"] != "typewriter":
                raise RunError(f"these are the weights of a {values['kind']}, not a typewriter")
            paper, ink = values["paper"], values["ink"]
            return TypewriterAbout(
                config_from_dict(values["config"]),
                tuple(str(symbol) for symbol in values["symbols"]),
                (float(paper[0]), float(paper[1]), float(paper[2])),
                (float(ink[0]), float(ink[1]), float(ink[2])),
                dict(values["text"]),
                {str(k): int(v) for k, v in values["counts"].items()},
                values["space_gap"],
                dict(values["training"]),
            )
        except DAMAGE as error:
            raise RunError(
                f"the description of the typewriter is damaged ({reason(error)})"
            ) from error


def build(about: TypewriterAbout) -> Typewriter:
    """An untrained typewriter of this description."""
    return Typewriter(about.config, about.symbols, about.paper, about.ink)


def save_typewriter(path: Path, weights: dict[str, Tensor], about: TypewriterAbout) -> None:
    """Write weights and description in one step."""
    save_tensors(path, weights, about.as_dict())


def load_typewriter(
    run: Path | str, device: torch.device | str = "cpu", named: bool = True
) -> tuple[Typewriter, TypewriterAbout]:
    """The trained typewriter of a run folder (or a weights file), in evaluation mode.

    Arguments:
        run: The folder, or the file.
        device: Where it is to work.
        named: Also read the names that a run folder keeps for the sprites of an unsupervised
            typewriter.

    Raises:
        RunError: If it is missing, damaged, or of another kind, or its names are of no use.
    """
    path, folder = Path(run), None
    if path.is_dir():
        folder, path = path, Run(path).model
    tensors, values = load_tensors(path)
    try:
        about = TypewriterAbout.from_dict(values)
        model = build(about)
        model.load_state_dict(tensors)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise RunError(
            f"{path}: the weights do not fit their own description ({reason(error)}). The file is "
            "damaged or from another version; train again."
        ) from error
    if named and folder is not None and not about.symbols:
        about = replace(about, naming=read_naming(folder, tensors, len(model.sprites.codes)))
    return model.to(device).eval(), about
