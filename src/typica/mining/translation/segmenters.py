"""What divides a picture into classes: a semantic segmentation model, or colours without a model.

The paper segments with ODISE, whose part of the program is missing. Here any segmentation model
of the transformers library does that is a local folder: safetensors only, no code of its own. Of
the colours it is not claimed that they are things: they need no weights and show what changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ...errors import DAMAGE, DataError, DependencyError, RunError, reason
from ...hardware import choose_device
from ..appearance import lab
from ..partitions import centroids, k_means

__all__ = ["ColourSegmenter", "ModelSegmenter", "Segmenter", "class_shares", "fit_colours"]


class Segmenter(Protocol):
    """Divides pictures into classes.

    Arguments:
        name: What a reader is told of it.
        classes: Name of every class, K.
        swatches: A colour `#rrggbb` for every class; empty if classes are no colours.
    """

    name: str
    classes: tuple[str, ...]
    swatches: tuple[str, ...]

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The class of every pixel of a picture `(H, W, 3)`, `(H, W)`."""

    def identity(self) -> dict[str, Any]:
        """What decides its answers, as plain values."""


def class_shares(classes: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The share of the pixels of each class.

    Arguments:
        classes: Of every pixel, any shape; what is not from 0 to `count - 1` is in none.
        count: K.

    Returns:
        `(K,)`; the sum is 1, less what is in no class.
    """
    inside = classes[(classes >= 0) & (classes < count)]
    return np.bincount(inside.reshape(-1), minlength=count) / max(1, classes.size)


class ColourSegmenter:
    """Pixels by the nearest of a few colours in CIE Lab. These are colours, not things.

    Arguments:
        centres: In Lab, `(K, 3)`.
        swatches: The mean colour of each as `#rrggbb`.
    """

    def __init__(self, centres: NDArray[np.float32], swatches: Sequence[str]) -> None:
        self.centres = np.asarray(centres, np.float32)
        self.swatches = tuple(swatches)
        self.classes = tuple(f"colour {k + 1} {one}" for k, one in enumerate(self.swatches))
        self.name = f"{len(self.swatches)} colours (k-means in Lab, no model)"

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        # the squared length of a pixel is the same for all centres
        points = lab(pixels.astype(np.float32) / np.float32(255))
        scores = points @ self.centres.T - np.square(self.centres).sum(1) / 2
        return scores.argmax(-1)

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "colours",
            "centres": [[round(float(v), 4) for v in row] for row in self.centres],
            "swatches": list(self.swatches),
        }

    @classmethod
    def from_identity(cls, values: dict[str, Any]) -> ColourSegmenter:
        """The same segmenter again.

        Raises:
            RunError: If the values are not those of one.
        """
        try:
            centres = np.array(values["centres"], np.float32).reshape(-1, 3)
            return cls(centres, list(map(str, values["swatches"])))
        except DAMAGE as error:
            raise RunError(f"damaged colours ({reason(error)})") from error


def fit_colours(samples: NDArray[np.uint8], count: int, seed: int) -> ColourSegmenter:
    """Find colours by k-means in Lab.

    Arguments:
        samples: Pixels `(n, 3)`.
        count: Colours, K; fewer if there are not so many different ones.
        seed: Of k-means.

    Returns:
        The segmenter; colours from dark to light.
    """
    points = lab(samples.astype(np.float32) / np.float32(255))
    count = min(count, len(np.unique(samples, axis=0)))
    assignment = k_means(points, count, 4, seed)
    centres = centroids(points, assignment)
    means = centroids(samples.astype(np.float32), assignment)
    order = np.argsort(centres[:, 0], kind="stable")
    swatches = ["#" + "".join(f"{round(v):02x}" for v in means[k]) for k in order]
    # rounded as they are kept, so that colours read back are these
    return ColourSegmenter(np.round(centres[order], 4).astype(np.float32), swatches)


class ModelSegmenter:
    """A semantic segmentation model of the transformers library.

    Arguments:
        folder: Holds the model, in safetensors, and its image processor.
        device: `auto`, `cpu`, `cuda`, ...

    Raises:
        DataError: If the folder does not hold such a model.
        DependencyError: If transformers is missing.
    """

    swatches: tuple[str, ...] = ()

    def __init__(self, folder: Path, device: str = "auto") -> None:
        if not (folder / "config.json").is_file():
            raise DataError(
                f"{folder}: no segmentation model (no config.json). Give the local folder of one, "
                "such as SegFormer, with its preprocessor_config.json; or --colours 12."
            )
        if not list(folder.glob("*.safetensors")):
            raise DataError(
                f"{folder}: no safetensors in it (pickles are never read). Convert the model."
            )
        try:
            from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation
        except ImportError as error:
            raise DependencyError(
                "segmentation needs transformers: pip install 'typica[mining]'"
            ) from error
        safe = {"local_files_only": True, "trust_remote_code": False}
        try:
            self.processor: Any = AutoImageProcessor.from_pretrained(folder, **safe)
            self.model, info = AutoModelForSemanticSegmentation.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **safe
            )
        except Exception as error:  # OSError, ValueError, SafetensorError, ... by what is wrong
            raise DataError(
                f"{folder}: cannot be loaded as a semantic segmentation model ({reason(error)}). "
                "Give a folder that transformers' AutoModelForSemanticSegmentation reads."
            ) from error
        missing = sorted(info["missing_keys"])
        if missing:  # the library would go on with random numbers
            raise DataError(
                f"{folder}: lacks {len(missing)} tensors, such as {missing[0]}. A model for "
                "another task? Give one that was trained to segment."
            )
        self.device = choose_device(device)
        self.model.to(self.device).eval()
        names = self.model.config.id2label
        self.classes = tuple(str(names[k]) for k in sorted(names))
        self.name = f"{type(self.model).__name__} of {folder.resolve().name}"
        self._folder = folder

    @torch.no_grad()
    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        given = self.processor(images=pixels, return_tensors="pt").to(self.device)
        logits = self.model(**given).logits
        full = torch.nn.functional.interpolate(
            logits, pixels.shape[:2], mode="bilinear", align_corners=False
        )
        found: NDArray[np.int64] = full[0].argmax(0).cpu().numpy()
        return found

    def identity(self) -> dict[str, Any]:
        digest = hashlib.blake2b(digest_size=16)
        for path in sorted(self._folder.glob("*.safetensors")):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        settings = json.loads(self.processor.to_json_string())
        text = json.dumps(settings, sort_keys=True, default=str)
        digest.update(text.encode())
        return {"kind": "model", "name": self.name, "digest": digest.hexdigest()}
