"""Features of elements by a model that is told nothing.

A run's features are made while the model is told the label of the picture (as in the paper), and
carry it: two plain plates of one label are nearer to each other than to the same plate of another.
Within a label that changes nothing; a comparison across labels needs features that do not know
them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..feature_job import write_features
from ..folder import ModelName
from ..opening import OpenRun
from ..run import load_model
from ..table import ElementsTable
from .label_maps import readings_folder

__all__ = ["blind_features"]


def blind_features(
    run: OpenRun,
    model: ModelName,
    table: ElementsTable,
    name: str,
    *,
    device: str = "auto",
    show_progress: bool = True,
) -> NDArray[np.float32]:
    """Features under the null condition, computed unless they are kept already.

    Arguments:
        run: The run.
        model: Whose features.
        table: N elements.
        name: Of what they are for; they are kept under it.
        device: `auto`, `cpu`, `cuda`, ...
        show_progress: Show a bar on standard error.

    Returns:
        `(N, D)`, of unit length.
    """
    told = replace(
        run.collection,
        pictures=tuple(replace(one, label="", labels=()) for one in run.collection),
    )
    path: Path = readings_folder(run) / f"features-{name}" / f"{model}.safetensors"
    found: NDArray[np.float32] = write_features(
        path,
        load_model(run, model, device),
        table,
        told,
        run.about,
        show_progress,
        run.about.config.typicality.bfloat16,
    ).numpy()
    return found
