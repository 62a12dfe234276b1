r"""Typicality as formulas: eqs. 4.7 to 4.11, and their standard errors.

The text's norms are sums over the elements of a latent; here, as in the paper's program, losses
are *means* over the channels of a cell, and readings of a region are means over its cells. The
order of images or regions of one size is the same, the numbers do not depend on the size, and
the text's are the means times the number of elements (`classification.py` needs them).

Every reading (image, region, pixel) is linear in the map. So the reading of the mean map is the
mean of the readings, and the readings of the group means give its standard error, however the
cells depend on each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .maps import PictureMaps

__all__ = [
    "Typicality",
    "image_typicality",
    "information_map",
    "loss_map",
    "pixel_typicality",
    "region_typicality",
    "standard_error",
    "typicality_map",
    "upsample",
]

Floats = NDArray[np.float32]


class Typicality(NamedTuple):
    """Typicality and its standard error, arrays of one shape with one row per label."""

    value: Floats
    error: Floats


def loss_map(prediction: Tensor, noise: Tensor) -> Tensor:
    """L_t of eq. 4.7 in every cell: the squared error's mean over the channels.

    Arguments:
        prediction: eps_theta(x_t, t, c), `(..., C, h, w)`.
        noise: eps, broadcast to it.

    Returns:
        `(..., h, w)`, float32, at least 0.
    """
    return (prediction.float() - noise).square().mean(dim=-3)


def typicality_map(null: Tensor, label: Tensor, noise: Tensor) -> Tensor:
    """L_t(x, eps, null) - L_t(x, eps, c) in every cell: one draw of eqs. 4.9 and 4.10.

    Written as a product, (n - e)^2 - (l - e)^2 = (n - l)(n + l - 2 e): the difference of two
    predictions is far smaller than their errors, and so loses no digits.

    Arguments:
        null: eps_theta under the null condition, `(..., C, h, w)`.
        label: eps_theta under the label, broadcast with it.
        noise: eps, broadcast with them.

    Returns:
        `(..., h, w)`, float32; positive where the label helps.
    """
    null, label = null.float(), label.float()
    return ((null - label) * (null + label - 2 * noise)).mean(dim=-3)


def information_map(other: Tensor, label: Tensor) -> Tensor:
    r"""|eps_theta(x_t, t, c) - eps_theta(x_t, t, c')|^2 in every cell: how much the label matters.

    Typicality is what the label takes away from the error, and is negative where a label is
    surprised by what it is named for; this is by how much the label changes the prediction, for
    better or worse. Its mean over noise, integrated over the logarithm of the signal-to-noise
    ratio, is the information of cell and label about each other, for a perfect denoiser (Kong et
    al., "Interpretable Diffusion via Information Decomposition", 2024). Not in the paper.

    Arguments:
        other: eps_theta under what the label is compared with, `(..., C, h, w)`.
        label: eps_theta under the label, broadcast with it.

    Returns:
        `(..., h, w)`, float32, at least 0.
    """
    return (label.float() - other.float()).square().mean(dim=-3)


def standard_error(deviations: NDArray[np.floating], axis: int = 1) -> Floats:
    """Standard error of a mean from the deviations of its groups, sqrt(sum d^2 / (G (G - 1))).

    With stratified times it errs on the safe side: the groups are stratified more coarsely than
    all draws together.

    Arguments:
        deviations: Readings of the group means less the reading of the mean of all.
        axis: The axis of the G groups (at least 2), which is summed over.
    """
    groups = deviations.shape[axis]
    spread = np.square(deviations, dtype=np.float64).sum(axis)
    return np.sqrt(spread / (groups * (groups - 1))).astype(np.float32)


def upsample(maps: Floats, height: int, width: int) -> Floats:
    """Maps on the latent grid as maps of pixels, bilinear, `(..., h, w)` to `(..., H, W)`."""
    grid = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))
    flat = grid.reshape(1, -1, *grid.shape[-2:])
    pixels = F.interpolate(flat, (height, width), mode="bilinear", align_corners=False)
    return pixels.reshape(*maps.shape[:-2], height, width).numpy()


def image_typicality(maps: PictureMaps) -> Typicality:
    """T(x|c) of whole pictures (eq. 4.9), `(K,)`: the mean over all cells."""
    return Typicality(
        maps.typicality.mean((-2, -1), dtype=np.float64).astype(np.float32),
        standard_error(maps.groups.mean((-2, -1), dtype=np.float64)),
    )


def region_typicality(maps: PictureMaps, mask: NDArray[np.generic]) -> Typicality:
    """T of a region (eqs. 4.10 and 4.11), `(K,)`: the mean over the region.

    Weights w stand for the squares of eq. 4.11's mask, |sqrt(w) (eps_theta - eps)|^2; for a mask
    of 0 and 1 that is the same.

    Arguments:
        maps: Of one picture.
        mask: The region pi, or weights of at least 0: `(h, w)` on the latent grid, else
            `(H, W)` pixels at the working size, where the map is interpolated bilinearly.

    Raises:
        ValueError: If the region is empty, or has a weight below 0.
    """
    weights = np.asarray(mask, dtype=np.float64)
    if weights.ndim != 2 or weights.min() < 0 or weights.sum() == 0:
        raise ValueError("a region needs weights of at least 0, of which one is above 0")
    weights = weights / weights.sum()
    fits = weights.shape == maps.typicality.shape[-2:]
    height, width = weights.shape

    def read(values: Floats) -> NDArray[np.float64]:
        places = values if fits else upsample(values, height, width)
        found: NDArray[np.float64] = np.einsum("...hw,hw->...", places.astype(np.float64), weights)
        return found

    value = read(maps.typicality).astype(np.float32)
    return Typicality(value, standard_error(read(maps.groups)))


def pixel_typicality(maps: PictureMaps, height: int, width: int) -> Typicality:
    """T of every pixel at the working size, `(K, H, W)`: the map, bilinearly interpolated."""
    error = np.stack(  # label by label: the groups at full size are the largest thing here
        [standard_error(upsample(groups, height, width), 0) for groups in maps.groups]
    )
    return Typicality(upsample(maps.typicality, height, width), error)
