"""The folder of a mining run: what each step leaves for the next.

    config.json              configuration, base, prompts, labels, size, versions, hardware
    problems.json            what was set aside when the pictures were read
    denoiser/                the fine-tuned model, a diffusers folder
    checkpoint.safetensors   what an exact continuation of the training needs
    log.jsonl, samples/      the course of the training
    latents/                 what a training reads of the pictures, until it is done
    maps/MODEL/              typicality maps, in pieces (`maps.py`; `rounds/`: `rounds.py`)
    elements/MODEL.parquet   the elements table (`table.py`)
    features/MODEL.safetensors   DIFT features of the table's rows
    clusters/MODEL.json      clusters of every label
    report/index.html        the page
    localisation/            comparison with boxes, and maps made for it (`localisation_run.py`)

MODEL is `finetuned`, or `base` for the model before fine-tuning.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ..configs import from_plain
from ..errors import DAMAGE, RunError, reason
from ..images.prompts import PromptTemplate
from ..runs import Run
from .config import MiningConfig

__all__ = ["MODELS", "MiningAbout", "MiningFolder", "ModelName"]

ModelName = Literal["finetuned", "base"]
MODELS: tuple[ModelName, ...] = ("finetuned", "base")


@dataclass(frozen=True)
class MiningAbout:
    """What decides a mining run; kept in its `config.json`.

    Arguments:
        config: All options.
        base: `small`, or the diffusers folder or hub id that the model starts from.
        prompt: The one prompt template of every step.
        labels: All labels, sorted.
        factor: Pixels per latent cell; working sizes are multiples of it.
        data: Name of the collection, and its digest.
        record: Hardware, versions, dates: for people.
    """

    config: MiningConfig
    base: str
    prompt: PromptTemplate
    labels: tuple[str, ...]
    factor: int
    data: dict[str, str]
    record: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "instrument": "mining",
            "config": self.config.as_dict(),
            "base": self.base,
            "prompt": {"label": self.prompt.label, "null": self.prompt.null},
            "labels": list(self.labels),
            "factor": self.factor,
            "data": self.data,
            "record": self.record,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: Path) -> MiningAbout:
        """Rebuild it.

        Raises:
            RunError: If values are missing or not those of a mining run.
        """
        if values.get("instrument") != "mining":
            raise RunError(
                f"{where}: not a mining run. Give the folder that `typica mine run --out` made."
            )
        try:
            return cls(
                from_plain(MiningConfig, values["config"]),
                str(values["base"]),
                PromptTemplate(**values["prompt"]),
                tuple(values["labels"]),
                int(values["factor"]),
                dict(values["data"]),
                dict(values["record"]),
            )
        except DAMAGE as error:
            raise RunError(f"{where}: damaged ({reason(error)}). Start a new run.") from error


@dataclass(frozen=True)
class MiningFolder(Run):
    """The paths of one mining run."""

    WRITTEN_LOCKED: ClassVar[tuple[str, ...]] = (
        *Run.WRITTEN_LOCKED,
        "problems.json",
        "latents/pictures.json",
        "samples/step-*.png",
        "elements/*.parquet",
        "features/*.safetensors",
        "clusters/*.json",
    )

    @property
    def denoiser(self) -> Path:
        return self.folder / "denoiser"

    @property
    def latents(self) -> Path:
        return self.folder / "latents"

    @property
    def samples(self) -> Path:
        return self.folder / "samples"

    def maps(self, model: ModelName) -> Path:
        """Folder of the typicality maps of a model."""
        return self.folder / "maps" / model

    def elements(self, model: ModelName) -> Path:
        """The elements table of a model."""
        return self.folder / "elements" / f"{model}.parquet"

    def features(self, model: ModelName) -> Path:
        """Features of the rows of the elements table, in its order."""
        return self.folder / "features" / f"{model}.safetensors"

    def clusters(self, model: ModelName) -> Path:
        """The clusters of every label."""
        return self.folder / "clusters" / f"{model}.json"

    @property
    def localisation(self) -> Path:
        """What the comparison with boxes leaves."""
        return self.folder / "localisation"

    def about(self) -> MiningAbout:
        """What decides this run.

        Raises:
            RunError: If there is no mining run, or it is damaged.
        """
        return MiningAbout.from_dict(self.read_config(), self.config)

    def scored(self) -> tuple[ModelName, ...]:
        """The models that there is an elements table of."""
        return tuple(model for model in MODELS if self.elements(model).exists())
