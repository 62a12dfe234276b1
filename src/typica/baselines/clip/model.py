"""An image-text model (CLIP; Radford et al. 2021) as a scorer of patches.

Each patch token of the last layer goes through the post-layernorm and the visual projection, which
were trained for the class token only; its cosine with the text of a label says how much the place
looks like it. As in the paper's comparison; unlike it, the picture keeps its proportions and is
not cropped: position embeddings are resized to its grid.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...errors import DAMAGE, DataError, DependencyError, reason

__all__ = ["ClipScorer", "load_clip", "patch_scores"]

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


def patch_scores(tokens: Tensor, labels: Tensor, null: Tensor | None) -> Tensor:
    """Cosine of every patch with the text of every label, less that with the null text.

    Arguments:
        tokens: Of unit length, `(D, h, w)`.
        labels: Of unit length, `(K, D)`.
        null: Of unit length, `(D,)`; None for the cosine with the label alone.

    Returns:
        `(K, h, w)`.
    """
    difference = labels if null is None else labels - null
    return torch.einsum("kd,dhw->khw", difference, tokens)


@dataclass(frozen=True)
class ClipScorer:
    """A loaded model.

    Arguments:
        model: A `transformers.CLIPModel`, in evaluation mode.
        tokenizer: Of its text encoder.
        mean: Of the channels, as it was trained, for values from 0 to 1.
        std: Likewise.
    """

    model: Any
    tokenizer: Any
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def patch(self) -> int:
        """Pixels of a patch's side."""
        return int(self.model.config.vision_config.patch_size)

    @property
    def native(self) -> int:
        """Side of the squares it was trained on, in pixels."""
        return int(self.model.config.vision_config.image_size)

    @torch.inference_mode()
    def texts(self, sentences: Sequence[str]) -> Tensor:
        """Sentences as vectors of unit length, `(N, D)`, on the processor.

        Raises:
            DataError: If a sentence is too long for the model.
        """
        most = int(self.model.config.text_config.max_position_embeddings)
        lengths = [len(self.tokenizer(one)["input_ids"]) for one in sentences]
        for sentence, length in zip(sentences, lengths, strict=True):
            if length > most:
                raise DataError(
                    f"{sentence!r}: has {length} tokens, and the model reads {most}. Shorten the "
                    "prompt."
                )
        found = []
        for one in sentences:  # one at a time: no padding, so nothing depends on the others
            ids = torch.tensor([self.tokenizer(one)["input_ids"]], device=self.model.device)
            pooled = self.model.text_model(input_ids=ids).pooler_output
            found.append(self.model.text_projection(pooled)[0])
        return F.normalize(torch.stack(found).float(), dim=1).cpu()

    @torch.inference_mode()
    def tokens(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Projected patch tokens of a picture, of unit length, `(D, h, w)`, on the processor.

        Arguments:
            pixels: `(H, W, 3)`, both sides multiples of the patch.
        """
        values = torch.from_numpy(pixels).float().permute(2, 0, 1)[None] / 255
        shape = (1, 3, 1, 1)
        values = (values - torch.tensor(self.mean).view(shape)) / torch.tensor(self.std).view(shape)
        vision = self.model.vision_model
        hidden = vision(
            pixel_values=values.to(self.model.device), interpolate_pos_encoding=True
        ).last_hidden_state[0, 1:]
        projected = self.model.visual_projection(vision.post_layernorm(hidden)).float()
        rows, columns = pixels.shape[0] // self.patch, pixels.shape[1] // self.patch
        return F.normalize(projected, dim=1).T.reshape(-1, rows, columns).cpu()


def load_clip(folder: Path, device: torch.device | str = "cpu") -> ClipScorer:
    """Read a CLIP model and its tokenizer from a local folder; nothing is fetched.

    Arguments:
        folder: As `transformers` saves a `CLIPModel` with its processor: `config.json`,
            `model.safetensors`, the tokenizer's files, and `preprocessor_config.json`, whose
            channel means are taken (those of OpenAI's models without it).
        device: Where to put it.

    Raises:
        DataError: If the folder lacks something or holds another kind of model.
        DependencyError: If transformers is missing.
    """
    try:
        from transformers import AutoTokenizer, CLIPModel
    except ImportError as error:
        raise DependencyError(
            "image-text models need transformers: pip install 'typica[mining]'"
        ) from error
    if not folder.is_dir():
        raise DataError(f"--model {folder}: no such folder. Give a local CLIP model.")
    if not any(folder.glob("*.safetensors")):
        raise DataError(
            f"--model {folder}: holds no .safetensors file; other formats are not loaded. Save it "
            "again with safe_serialization=True."
        )
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
        if kind != "clip":
            raise DataError(f"--model {folder}: is a {kind!r} model. Give a CLIP model.")
        model = CLIPModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        mean, std = _channels(folder)
    except DAMAGE as error:
        raise DataError(
            f"--model {folder}: cannot be read ({reason(error)}). Give a "
            "whole CLIP folder: model, tokenizer, processor."
        ) from error
    return ClipScorer(model.float().eval().to(device), tokenizer, mean, std)


def _channels(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means and deviations of the channels that the model was trained with."""
    file = folder / "preprocessor_config.json"
    if not file.exists():
        return _MEAN, _STD
    values = json.loads(file.read_text(encoding="utf-8"))
    mean = tuple(map(float, values.get("image_mean", _MEAN)))
    std = tuple(map(float, values.get("image_std", _STD)))
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise ValueError("image_mean and image_std must be three numbers each")
    return mean, std
