"""Starting from an encoder that has seen many typefaces: `training.start=pretrained`.

The package carries an encoder, a selection and the codes of two hundred characters that learnt to
read rendered lines in twenty-five typefaces (`benchmarks/pretrain.py` makes the file). No sprite
was ever drawn with them: what letters look like is still learnt from the collection alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import __version__
from ..errors import ConfigError
from ..runs import load_tensors, save_tensors
from .model import Typewriter
from .storage import load_typewriter

__all__ = ["PRETRAINED", "fit_rows", "keep_pretrained", "pretrained_fits", "start_pretrained"]

PRETRAINED = Path(__file__).parent / "pretrained.safetensors"
_ROWS = "encoder.backbone.collapse.weight"
_CODES = "sprites.codes"
_KEPT = ("encoder.", "selection.")
_OWN = frozenset(["encoder.paper", "selection.codes"])
"""A colour of the collection itself, and codes that are not shared with the sprites."""


def fit_rows(weight: Tensor, rows: int) -> Tensor:
    """Weights over the rows of a feature map, for a map of another height.

    Arguments:
        weight: `(out, in, R, columns)`.
        rows: The other height R', in features.

    Returns:
        `(out, in, R', columns)`, linear between the rows, with the same sum over them, so that a
        line of another height weighs as much.
    """
    if weight.shape[2] == rows:
        return weight
    flat = weight.flatten(0, 1).transpose(1, 2)  # (out * in, columns, R)
    scaled = F.interpolate(flat, size=rows, mode="linear", align_corners=False)
    scaled = scaled * (weight.shape[2] / rows)
    return scaled.transpose(1, 2).unflatten(0, weight.shape[:2])


@torch.no_grad()
def start_pretrained(
    model: Typewriter, symbols: Sequence[str], path: Path = PRETRAINED
) -> dict[str, Any]:
    """Copy the encoder and the codes that the package carries into a typewriter.

    Arguments:
        model: To change.
        symbols: Its alphabet; empty without transcriptions. A character that the file knows
            starts with its code, all its allographs alike but for some noise of their own.
        path: The file.

    Returns:
        For the record: which file, and how many `characters` of the alphabet it knew.

    Raises:
        ConfigError: If the encoder is of another kind or size.
        RunError: If the file is missing or damaged.
    """
    tensors, about = load_tensors(path)
    mine = model.state_dict()
    fitted = _fitted(tensors, mine)
    misfits = [name for name, value in fitted.items() if value is None]
    if misfits:
        raise ConfigError(
            f"training.start=pretrained: does not fit this typewriter ({misfits[0]}). It needs "
            "encoder.kind=compact, encoder.step=8, encoder.features=64 and "
            "selection.probability_network=true; or leave training.start=auto."
        )
    for name, value in fitted.items():
        mine[name].copy_(value)
    known = {symbol: row for row, symbol in enumerate(about["symbols"])}
    codes, target = tensors[_CODES].float(), mine[_CODES]
    found: set[str] = set()
    if symbols and codes.shape[1:] == target.shape[1:]:
        owner = model.variants.owner[:-1].tolist()
        for sprite, character in enumerate(owner):
            symbol = symbols[character]
            if symbol in known:
                found.add(symbol)
                own = 0.1 * target[sprite] if owner.count(character) > 1 else 0.0
                target[sprite] = codes[known[symbol]] + own
    return {"file": path.name, "characters": len(found), "made_by": about["made_by"]}


def pretrained_fits(model: Typewriter, path: Path = PRETRAINED) -> bool:
    """Whether `start_pretrained` can be used: the encoder is of the same kind and size."""
    return None not in _fitted(load_tensors(path)[0], model.state_dict()).values()


def _fitted(tensors: Mapping[str, Tensor], mine: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """The kept tensors in the form of a model's own; None where there is no such form."""
    fitted: dict[str, Tensor | None] = {}
    for name, value in tensors.items():
        if name == _CODES:  # go by character, not by place
            continue
        wanted = mine.get(name)
        if wanted is None:
            fitted[name] = None
            continue
        value = value.to(wanted.dtype)
        if name == _ROWS and wanted.dim() == 4:
            value = fit_rows(value, wanted.shape[2])
        fitted[name] = value if value.shape == wanted.shape else None
    return fitted


def keep_pretrained(run: Path, path: Path = PRETRAINED) -> dict[str, Any]:
    """Write what reads of a trained typewriter, in half precision.

    Arguments:
        run: Its folder.
        path: The file to write.

    Returns:
        What was kept, for people: `characters`, `tensors`, `bytes`.
    """
    model, about = load_typewriter(run, named=False)
    kept = _reading_part(model.state_dict())
    made_by = {
        "script": "benchmarks/pretrain.py",
        "typica": __version__,
        "data": about.training.get("data_digest"),
        "steps": about.training.get("steps"),
    }
    save_tensors(path, kept, {"symbols": list(about.symbols), "made_by": made_by})
    return {
        "characters": len(about.symbols),
        "tensors": len(kept),
        "bytes": path.stat().st_size,
    }


def _reading_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Encoder, selection and codes; numbers with a fraction in half precision."""
    return {
        name: value.half() if value.is_floating_point() else value
        for name, value in state.items()
        if (name.startswith(_KEPT) or name == _CODES) and name not in _OWN
    }
