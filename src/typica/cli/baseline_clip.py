"""`typica baseline clip`: patch scores of an image-text model, mined as typicality is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..configs import with_changes
from ..images.prompts import PromptTemplate
from .baseline import Changes
from .images import AS_PICTURES, PicturesArgument
from .shared import DataPath, as_json

__all__ = ["baseline_clip"]

_AS_PROMPTED = PromptTemplate()


def baseline_clip(
    data: DataPath,
    /,
    model: Path,
    out: Path,
    prompt: str = _AS_PROMPTED.label,
    null: str = _AS_PROMPTED.null,
    score: Literal["difference", "similarity"] = "difference",
    size: int | None = None,
    reading: PicturesArgument = AS_PICTURES,
    set: Changes = (),
    device: str = "auto",
    print_config: bool = False,
) -> int:
    """Mine with the patch scores of an image-text model (CLIP); needs no training.

    Args:
        data: Folder of <label>/<file>, or a table with paths and labels.
        model: Local folder of a CLIP model in safetensors, with its processor.
        out: Run folder to make, or to go on with.
        prompt: Sentence of a label, with {label} in it.
        null: Sentence of no label.
        score: Cosine with the label's sentence less that with the null one, or alone.
        size: Short side of the pictures; default what the model was trained at.
        reading: How the pictures are read.
        set: Options of elements and clusters, such as elements.per_label=500.
        device: auto, cpu, cuda, ...
        print_config: Print the resolved options and stop.
    """
    from ..mining.config import MiningConfig

    config = with_changes(MiningConfig(), tuple(change for group in set for change in group))
    if print_config:
        print(as_json({**config.as_dict(), "score": score, "size": size}))
        return 0
    from ..baselines.clip.run import ClipOptions, clip_run

    done = clip_run(
        data,
        out,
        model,
        PromptTemplate(prompt, null),
        ClipOptions(score, size),
        config,
        reading,
        device=device,
    )
    print(f"scored {done.pictures} pictures, {done.minutes:.1f} minutes in all")
    print(f"{done.elements} elements, {done.clusters} clusters: {out}")
    print(f"open {done.page.resolve()}")
    return 0
