r"""How alike two pictures of a letter are, and laying one on the other before that is asked.

Three measures, all on stacks of pictures `(P, h, w)` of ink from 0 (paper) to 1:

- `l2` (published for prototypes): the root of the sum of squared differences;
- `ssim` (published for exemplars): structural similarity after Wang, Bovik, Sheikh and Simoncelli
  (2004), *Image quality assessment: from error visibility to structural similarity*, with their
  window, a Gaussian of :math:`\sigma = 1.5` cut off at 11 × 11 pixels, and their constants
  :math:`C_1 = 0.01^2`, :math:`C_2 = 0.03^2` for values from 0 to 1;
- `ink_ssim`: the same, averaged only over windows that see ink. Empty paper is alike whatever the
  letters are, so the mean over a whole picture grows with its empty part: compare letters of
  different width, or pictures of different size, by this one.

Beyond its border a picture goes on as paper: letters stand on it, and ink at the border counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from .differences import l2

__all__ = ["Alignment", "align", "ink_ssim", "l2", "moved", "seen_ink", "ssim", "ssim_map"]

Pictures = NDArray[np.floating]

SIGMA, RADIUS = 1.5, 5
_C1, _C2 = 0.01**2, 0.03**2
_OFFSETS = (-0.5, -0.25, 0.0, 0.25, 0.5)


def _window() -> NDArray[np.float64]:
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    return np.asarray(weights / weights.sum())


def _local_mean(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean in the window around every pixel, paper (0) beyond the border."""
    weights = _window()
    down = ndimage.correlate1d(pictures, weights, axis=-2, mode="constant")
    return np.asarray(ndimage.correlate1d(down, weights, axis=-1, mode="constant"))


def ssim_map(a: Pictures, b: Pictures) -> NDArray[np.float64]:
    """Structural similarity around every pixel.

    Arguments:
        a: Ink in [0, 1], `(..., h, w)`.
        b: The same shape.

    Returns:
        `(..., h, w)`, from -1 to 1; 1 where the windows are equal.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mean_x, mean_y = _local_mean(x), _local_mean(y)
    var_x = _local_mean(x * x) - mean_x**2
    var_y = _local_mean(y * y) - mean_y**2
    covariance = _local_mean(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return np.asarray(above / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)))


def seen_ink(a: Pictures, b: Pictures, least: float = 0.05) -> NDArray[np.bool_]:
    """Which windows see ink of at least one of two pictures.

    Arguments:
        a: Ink in [0, 1], `(..., h, w)`.
        b: The same shape.
        least: Fainter ink is none.
    """
    ink = np.maximum(a, b) > least
    size = (1,) * (ink.ndim - 2) + (2 * RADIUS + 1,) * 2
    return np.asarray(ndimage.maximum_filter(ink, size=size, mode="constant"))


def ssim(a: Pictures, b: Pictures, where: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """The mean structural similarity of every pair.

    Arguments:
        a: Ink in [0, 1], `(..., h, w)`.
        b: The same shape.
        where: Windows to average over, by their middle pixels, broadcast; all if not given.

    Returns:
        `(...)`, from -1 to 1; 1 where there is no window to average over.
    """
    found = ssim_map(a, b)
    if where is None:
        return np.asarray(found.mean(axis=(-2, -1)))
    chosen = np.broadcast_to(where, found.shape)
    count = chosen.sum(axis=(-2, -1))
    total = np.where(chosen, found, 0).sum(axis=(-2, -1))
    return np.where(count > 0, total / np.maximum(count, 1), 1.0)


def ink_ssim(a: Pictures, b: Pictures) -> NDArray[np.float64]:
    """The mean structural similarity over the windows that see ink; arguments as for `ssim`."""
    return ssim(a, b, seen_ink(a, b))


def _resampling(
    inside: int, outside: int, scale: float, shift: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Weights that resample one side of pictures, `(P, outside, inside)`.

    A pixel of the result is the mean over what it covers in the source, or over the width of one
    source pixel if it covers less: area averaging where a picture shrinks, linear interpolation
    where it grows. What lies beyond the source is paper.
    """
    middle = np.arange(outside) - (outside - 1) / 2
    centres = (middle[None] - shift[:, None]) / scale + inside / 2
    reach = max(1.0, 1 / scale) / 2
    edges = np.arange(inside)
    low = np.maximum(centres[..., None] - reach, edges)
    high = np.minimum(centres[..., None] + reach, edges + 1)
    return np.asarray(np.clip(high - low, 0, None) / (2 * reach))


def moved(
    pictures: Pictures,
    size: tuple[int, int],
    scale: float = 1.0,
    shift: NDArray[np.floating] | tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float64]:
    """Pictures scaled about their middle and set on empty sheets, moved from the middle.

    Arguments:
        pictures: Ink, `(P, h, w)`.
        size: Height and width of the sheets.
        scale: New over old size, above 0.
        shift: Down and right, in pixels of the sheets: one for all, `(2,)`, or `(P, 2)`.

    Returns:
        `(P, *size)`; scale 1 and a whole shift change no value.
    """
    source = np.asarray(pictures, np.float64)
    by = np.broadcast_to(np.asarray(shift, np.float64), (len(source), 2))
    down = _resampling(source.shape[1], size[0], scale, by[:, 0])
    across = _resampling(source.shape[2], size[1], scale, by[:, 1])
    return np.asarray(down @ source @ across.transpose(0, 2, 1))


@dataclass(frozen=True, eq=False)
class Alignment:
    """Pictures laid on others; P pairs.

    Arguments:
        pictures: Scaled and moved, `(P, h, w)`.
        scale: New over old size, `(P,)`.
        shift: Down and right from middle on middle, in pixels, `(P, 2)`.
        error: Sum of squared differences that is left, `(P,)`.
    """

    pictures: NDArray[np.float64]
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    error: NDArray[np.float64]


def align(
    pictures: Pictures, onto: Pictures, scales: Sequence[float] = (1.0,), fine: bool = True
) -> Alignment:
    """Scale and move pictures so that they differ least from others, in squares.

    All whole shifts are tried at every scale by correlation, then quarters of a pixel around the
    best.

    Arguments:
        pictures: Ink to be moved, `(P, h', w')`.
        onto: What they are laid on, `(P, h, w)`. Give it paper enough around: ink that would come
            to lie outside is no gain, and lost.
        scales: To be tried; of equals the first is taken.
        fine: Also try quarters of a pixel.
    """
    fixed = np.asarray(onto, np.float64)
    size = (fixed.shape[1], fixed.shape[2])
    count = len(fixed)
    best = Alignment(
        np.zeros_like(fixed), np.ones(count), np.zeros((count, 2)), np.full(count, np.inf)
    )
    for scale in scales:
        shift = _whole_shift(moved(pictures, size, scale), fixed)
        best = _better(best, pictures, fixed, scale, shift)
    if fine:
        start, scale_of = best.shift, best.scale
        for scale in np.unique(scale_of):
            chosen = np.flatnonzero(scale_of == scale)
            some = _part(best, chosen)
            for offset in ((y, x) for y in _OFFSETS for x in _OFFSETS):
                some = _better(
                    some, pictures[chosen], fixed[chosen], float(scale), start[chosen] + offset
                )
            for name in ("pictures", "scale", "shift", "error"):
                values = getattr(best, name).copy()
                values[chosen] = getattr(some, name)
                best = Alignment(**{**vars(best), name: values})
    return best


def _part(one: Alignment, chosen: NDArray[np.int64]) -> Alignment:
    return Alignment(*(value[chosen] for value in vars(one).values()))


def _better(
    best: Alignment,
    pictures: Pictures,
    fixed: NDArray[np.float64],
    scale: float,
    shift: NDArray[np.float64],
) -> Alignment:
    """The better of what is known and one more try, pair by pair."""
    tried = moved(pictures, (fixed.shape[1], fixed.shape[2]), scale, shift)
    error = np.square(tried - fixed).sum(axis=(1, 2))
    won = error < best.error - 1e-9
    return Alignment(
        np.where(won[:, None, None], tried, best.pictures),
        np.where(won, scale, best.scale),
        np.where(won[:, None], shift, best.shift),
        np.where(won, error, best.error),
    )


def _whole_shift(pictures: NDArray[np.float64], fixed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The whole shift of greatest correlation, `(P, 2)`; of equals the smallest.

    For pictures that stay on their sheet that is the shift of the least squared difference.
    """
    height, width = fixed.shape[1:]
    # twice the size, so that nothing comes in again at the other side
    sides = (fft.next_fast_len(2 * height, True), fft.next_fast_len(2 * width, True))
    product = fft.rfft2(fixed, sides) * np.conj(fft.rfft2(pictures, sides))
    surface = fft.fftshift(fft.irfft2(product, sides), axes=(1, 2))
    middle = np.array([side // 2 for side in sides])
    rows = slice(middle[0] - height + 1, middle[0] + height)
    columns = slice(middle[1] - width + 1, middle[1] + width)
    surface = surface[:, rows, columns]
    down, across = np.arange(-height + 1, height), np.arange(-width + 1, width)
    far = np.hypot(down[:, None], across[None])
    top = surface.max(axis=(1, 2), keepdims=True)
    near = np.where(surface >= top - 1e-9 * np.maximum(1, np.abs(top)), far, np.inf)
    place = near.reshape(len(near), -1).argmin(axis=1)
    return np.stack([down[place // len(across)], across[place % len(across)]], axis=1).astype(
        np.float64
    )
