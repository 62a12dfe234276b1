"""Reading the parts of a diffusers pipeline: found, checked, and loaded as safetensors or JSON.

The classes of the parts stand in a file of the pipeline, which may come from anybody. So they
are looked up in a list, or in the case of the scheduler must be a scheduler: any other class of
the library could read files of its own choice from the folder.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from pathlib import Path
from typing import Any, cast

import torch

from ..errors import DAMAGE, DataError, DependencyError, reason

__all__ = ["check_pipeline", "fetch", "fetch_file", "load_part"]

_PARTS = {
    "unet": ("diffusers", {"UNet2DConditionModel"}),
    "vae": ("diffusers", {"AutoencoderKL"}),
    "text_encoder": ("transformers", {"CLIPTextModel"}),
    "tokenizer": ("transformers", {"CLIPTokenizer", "CLIPTokenizerFast"}),
}
"""Library and classes of what a pipeline must hold, besides a scheduler of any kind."""
_SUPPORTED = (
    "Supported are Stable Diffusion 1.x and 2.x pipelines and their fine-tunings (a "
    "UNet2DConditionModel with one CLIP text encoder and an AutoencoderKL), and `small`. SDXL, "
    "flow-matching and transformer models are not."
)
_WHOLE = "Give the folder of a whole diffusers pipeline, or `small`."
_WANTED = [
    "model_index.json",
    "scheduler/*.json",
    "tokenizer/*",
    *[f"{part}/config.json" for part in ("unet", "vae", "text_encoder")],
    "unet/diffusion_pytorch_model*.safetensors*",
    "vae/diffusion_pytorch_model*.safetensors*",
    "text_encoder/model*.safetensors*",
]
_UNWANTED = ["*fp16*", "*non_ema*", "*.bin", "*.ckpt"]
"""Other versions of the same weights."""


def fetch(base: str) -> Path:
    """The folder of a pipeline; downloaded if it is on the hub and not here.

    Arguments:
        base: A folder, or the id of a pipeline on the hub.

    Raises:
        DataError: If it is neither, or the hub cannot be reached.
    """
    if Path(base).exists():
        return Path(base)

    def download() -> str:
        from huggingface_hub import snapshot_download

        return snapshot_download(base, allow_patterns=_WANTED, ignore_patterns=_UNWANTED)

    return Path(_from_hub(base, download))


def fetch_file(base: str, name: str) -> Path:
    """One file of a pipeline; downloaded if it is on the hub and not here.

    Arguments:
        base: A folder, or the id of a pipeline on the hub.
        name: Path of the file in it, with forward slashes.

    Raises:
        DataError: If it is neither, or the hub cannot be reached, or the file is missing.
    """
    if Path(base).exists():
        if not (Path(base) / name).is_file():
            raise DataError(f"{base}: holds no {name}. {_WHOLE}")
        return Path(base) / name

    def download() -> str:
        from huggingface_hub import snapshot_download  # without waiting for an absent network

        return snapshot_download(base, allow_patterns=[name])

    file = Path(_from_hub(base, download)) / name
    if not file.is_file():
        raise DataError(f"--base {base}: holds no {name}. {_WHOLE}")
    return file


def _from_hub(base: str, download: Any) -> str:
    # an id is a name, or an owner and a name: what looks like a path is a folder mistyped
    parts = base.split("/")
    if len(parts) > 2 or not all(parts) or any(part.startswith((".", "~")) for part in parts):
        raise DataError(f"--base {base}: no such folder. {_WHOLE}")
    try:
        return str(download())
    except ImportError as error:
        raise DependencyError("mining needs diffusers: pip install 'typica[mining]'") from error
    except Exception as error:  # the hub's client raises dozens of kinds; all mean the same here
        offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
        how = "HF_HUB_OFFLINE is set" if offline else type(error).__name__
        raise DataError(
            f"--base {base}: neither a folder here, nor can it be had from the hub ({how}). Give "
            "the folder of a diffusers pipeline, or `small`."
        ) from error


def check_pipeline(folder: Path) -> dict[str, str]:
    """Make sure that a folder holds a pipeline that can be used, before anything is loaded.

    Returns:
        The class of every part (`unet`, `vae`, `text_encoder`, `tokenizer`, `scheduler`).

    Raises:
        DataError: If something is missing, or of another kind; says what is supported.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        raise DataError(f"{folder}: no diffusers pipeline (no model_index.json). {_WHOLE}")
    try:
        values = json.loads(index.read_text(encoding="utf-8"))
        named = {
            name: (str(value[0]), str(value[1]))
            for name, value in values.items()
            if isinstance(value, list) and len(value) == 2 and value[1] is not None
        }
        kind = str(values["_class_name"])
    except DAMAGE as error:
        raise DataError(f"{index}: cannot be read ({reason(error)}). {_WHOLE}") from error
    for part, (_, classes) in _PARTS.items():
        if part not in named:
            raise DataError(f"{folder}: a {kind} without {part}. {_SUPPORTED}")
        if named[part][1] not in classes:
            raise DataError(f"{folder}: a {kind} whose {part} is a {named[part][1]}. {_SUPPORTED}")
    if "text_encoder_2" in named:
        raise DataError(f"{folder}: a {kind} with two text encoders. {_SUPPORTED}")
    scheduler = named.get("scheduler", ("", ""))
    if scheduler[0] != "diffusers" or "Flow" in scheduler[1]:
        raise DataError(
            f"{folder}: a {kind} whose scheduler is {scheduler[1] or 'missing'}. {_SUPPORTED}"
        )
    for part in (*_PARTS, "scheduler"):
        if not (folder / part).is_dir():
            raise DataError(f"{folder}: its part {part}/ is missing. {_WHOLE}")
        _check_files(folder, part)
    return {part: named[part][1] for part in (*_PARTS, "scheduler")}


def _check_files(folder: Path, part: str) -> None:
    """Refuse what would make the libraries open other files than the tensors of this part."""
    if (folder / part / "adapter_config.json").exists():
        # they would load the model that this file names, from wherever it says
        raise DataError(
            f"{folder}: its {part} is an adapter, not a whole model. Merge it and save the "
            "pipeline again."
        )
    for index in sorted((folder / part).glob("*.safetensors.index*.json")):
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except DAMAGE as error:
            raise DataError(f"{index}: cannot be read ({reason(error)}). {_WHOLE}") from error
        for name in names:
            if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors", name):
                raise DataError(
                    f"{index}: names {name!r}, which is no safetensors file beside it. Take the "
                    "pipeline from where it came from again."
                )


def load_part(folder: Path, name: str, class_name: str) -> Any:
    """Load one part of a pipeline: tensors from safetensors, as float32; all else from JSON.

    Arguments:
        folder: Of the pipeline.
        name: Of the part, which is a folder in it.
        class_name: Its class, as `check_pipeline` returns it.

    Raises:
        DataError: If it is damaged, incomplete, not in safetensors, or of another class than
            this part can have.
        DependencyError: If the library is missing.
    """
    found = _class(folder, name, class_name)
    described = getattr(found, "config_name", None)  # of diffusers' parts
    if described is not None:
        _check_description(folder / name / described)
    options: dict[str, Any] = {"subfolder": name, "local_files_only": True}
    if not issubclass(found, torch.nn.Module):
        return _loaded(folder, name, found, options)
    options |= {"use_safetensors": True, "output_loading_info": True, "low_cpu_mem_usage": True}
    options["torch_dtype" if _PARTS[name][0] == "diffusers" else "dtype"] = torch.float32
    stems = "diffusion_pytorch_model", "model"
    if not any((folder / name / f"{stem}.safetensors").exists() for stem in stems) and list(
        (folder / name).glob("*.fp16.safetensors")
    ):
        options["variant"] = "fp16"
    part, info = _loaded(folder, name, found, options)
    missing = sorted(info["missing_keys"])
    if missing:  # the libraries would go on with random numbers
        raise DataError(
            f"{folder}: its {name} lacks {len(missing)} tensors, such as {missing[0]}. Take it "
            "from where it came from again."
        )
    return part


_COUNTS = (
    *("layers_per_block", "transformer_layers_per_block", "reverse_transformer_layers_per_block"),
    "num_train_timesteps",
)
_MOST_COUNTED = 10_000
"""Of what a description counts, and a library makes one by one, or all before it looks further.
Sizes of tensors are not among them: they are compared with the file before memory is taken."""


def _check_description(file: Path) -> None:
    """Make sure that diffusers finds what it looks for, and can make what it finds.

    Without the file it asks the hub's library, which asks the network who it runs for; and one
    that holds a text in place of an object is taken for the name of a model on the hub.

    Raises:
        DataError: If it is missing, no JSON object, or counts what no model has.
    """
    again = "Take the pipeline from where it came from again."
    if not file.is_file():
        raise DataError(f"{file.parent.parent}: its {file.parent.name} lacks {file.name}. {again}")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except DAMAGE as error:
        raise DataError(f"{file}: cannot be read ({reason(error)}). {again}") from error
    if not isinstance(found, dict):
        raise DataError(f"{file}: holds no description of a model. {again}")
    for name, value in found.items():
        sizes = value if isinstance(value, list) else [value]
        if name in _COUNTS and any(isinstance(n, int) and n > _MOST_COUNTED for n in sizes):
            raise DataError(
                f"{file}: {name} is more than {_MOST_COUNTED}: no model has so many. {again}"
            )


def _class(folder: Path, name: str, class_name: str) -> type[Any]:
    """The class of a part, from the library that this part comes from and no other."""
    library, allowed = _PARTS.get(name, ("diffusers", None))
    try:
        module = importlib.import_module(library)
        from diffusers import SchedulerMixin
    except ImportError as error:
        raise DependencyError(f"mining needs {library}: pip install 'typica[mining]'") from error
    found = getattr(module, class_name, None)
    known = isinstance(found, type) and (
        issubclass(found, SchedulerMixin) if allowed is None else class_name in allowed
    )
    if not known:
        raise DataError(
            f"{folder}: its {name} is a {class_name}, which is no {name} that this {library} "
            f"knows. {_SUPPORTED}"
        )
    return cast("type[Any]", found)


def _loaded(folder: Path, name: str, kind: Any, options: dict[str, Any]) -> Any:
    try:
        return kind.from_pretrained(folder, **options)
    except Exception as error:  # OSError, SafetensorError, ValueError, ... by what is wrong
        raise DataError(
            f"{folder}: its {name} cannot be loaded ({reason(error)}). It must hold safetensors "
            "(pickles are never read); take it from where it came from again, or convert it."
        ) from error
