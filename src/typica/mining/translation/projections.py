"""Features of each label's patches in fewer dimensions, side by side (section 4.5.1).

The patches of a sequence are as many feature vectors as there are labels. Each label's are
projected by themselves, by UMAP (McInnes et al. 2018) to 32 dimensions as in the paper, and set
side by side; k-means takes these. Where UMAP is not installed, or there are too few sequences for
it, principal components take its place: that is recorded, never silent.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, DependencyError
from .cotypical_options import ProjectionConfig

__all__ = ["Method", "choose_method", "principal", "project"]

Method = Literal["umap", "pca"]


def choose_method(config: ProjectionConfig, count: int) -> tuple[Method, str]:
    """Which projection is used, and why in a sentence.

    Arguments:
        config: What is asked for.
        count: Number of sequences.

    Raises:
        DependencyError: If UMAP is asked for and is not installed.
        ConfigError: If UMAP is asked for and there are too few sequences for it to run.
    """
    there = importlib.util.find_spec("umap") is not None
    if config.method == "pca":
        return "pca", "principal components, as asked for"
    if config.method == "umap":
        if not there:
            raise DependencyError(
                "projection.method=umap needs umap-learn: pip install 'typica[umap]'"
            )
        if count <= max(config.neighbours, config.components + 1):
            raise ConfigError(
                f"projection.method=umap: {count} sequences are too few for "
                f"{config.components} components of {config.neighbours} neighbours; take pca"
            )
        return "umap", "UMAP, as asked for"
    if not there:
        return "pca", "principal components: umap-learn is not installed (typica[umap])"
    if count < config.least:
        return "pca", f"principal components: {count} sequences are too few for UMAP"
    return "umap", "UMAP"


def project(
    features: NDArray[np.float32], config: ProjectionConfig, method: Method
) -> NDArray[np.float32]:
    """The features of one label's patches in fewer dimensions.

    Arguments:
        features: `(n, D)`.
        config: How many dimensions, and the seed.
        method: From `choose_method`.

    Returns:
        `(n, d)`, d at most `config.components`; the same for the same seed on one machine.
    """
    if method == "pca":
        return principal(features, config.components)
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed means one thread, and the like
        found = UMAP(
            n_components=config.components,
            n_neighbors=min(config.neighbours, len(features) - 1),
            random_state=config.seed,
            n_jobs=1,
        ).fit_transform(features)
    return np.asarray(found, np.float32)


def principal(features: NDArray[np.float32], components: int) -> NDArray[np.float32]:
    """Coordinates along the first principal components.

    Arguments:
        features: `(n, D)`.
        components: How many, if n and D allow.

    Returns:
        `(n, min(components, n, D))`; of each axis, the largest loading is positive.
    """
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    left, strengths, axes = np.linalg.svd(centred, full_matrices=False)
    kept = min(components, len(strengths))
    largest = np.abs(axes[:kept]).argmax(1)
    signs = np.where(axes[np.arange(kept), largest] < 0, -1.0, 1.0)  # else up to the library
    return (left[:, :kept] * strengths[:kept] * signs).astype(np.float32)
