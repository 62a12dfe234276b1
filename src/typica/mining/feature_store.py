"""The features file of a table, and the pieces that an interrupted computation leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RunError
from ..runs import load_tensors, save_tensors
from .denoiser import Denoiser
from .folder import MiningAbout
from .score_settings import model_digest
from .table import ElementsTable

__all__ = ["identity", "load_features", "read_rows", "save_features", "write_rows"]


def identity(
    denoiser: Denoiser, table: ElementsTable, about: MiningAbout, bfloat16: bool
) -> dict[str, Any]:
    """What features depend on: kept beside them, and compared before they are used again."""
    features = about.config.as_dict()["features"]
    features.pop("batch_size")  # of no influence on the result
    return {
        "format": 1,
        "features": features,
        "bfloat16": bfloat16,
        "size": about.config.size,
        "prompt": {"label": about.prompt.label, "null": about.prompt.null},
        "model": model_digest(denoiser),
        "data": about.data,
        "table": table.digest(),
    }


def read_rows(path: Path, about: dict[str, Any], rows: Tensor) -> Tensor | None:
    """A piece that was made before, of the same model and elements; None if there is none."""
    if not path.exists():
        return None
    try:
        tensors, found = load_tensors(path)
    except RunError:
        return None
    usable = found == about and torch.equal(tensors["rows"], rows)
    return tensors["features"] if usable else None


def write_rows(path: Path, features: Tensor, about: dict[str, Any], rows: Tensor) -> None:
    """Write the features of some rows, float32, in one step."""
    save_tensors(path, {"features": features, "rows": rows}, about)


def save_features(path: Path, features: Tensor, about: dict[str, Any]) -> None:
    """Write the features of a table, `(N, D)`, in half precision, in one step."""
    save_tensors(path, {"features": features.half()}, about)


def load_features(path: Path, table: ElementsTable) -> Tensor:
    """The features of a table's rows, `(N, D)`, float32, of unit length.

    Raises:
        RunError: If the file is missing or damaged, or belongs to another table.
    """
    if not path.exists():
        raise RunError(f"{path}: no features yet. Run `typica mine select` first.")
    tensors, about = load_tensors(path)
    if about.get("table") != table.digest() or len(tensors.get("features", ())) != len(table):
        raise RunError(
            f"{path}: features of other elements than the table's. Run `typica mine select` again."
        )
    return F.normalize(tensors["features"].float(), dim=1)
