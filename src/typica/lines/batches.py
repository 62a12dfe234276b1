"""Batches of lines of similar width: little padding, every line once an epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ConfigError

__all__ = ["even_batches", "width_batches"]


def width_batches(
    widths: Sequence[int] | np.ndarray,
    batch_size: int,
    generator: np.random.Generator,
    chunk: int = 50,
    max_padding: float | None = None,
) -> list[list[int]]:
    """The batches of one epoch: random, but each of lines of similar width.

    The lines are shuffled and dealt into chunks; each chunk is sorted by width and cut into
    batches; then the batches are shuffled. A larger chunk means less padding, a smaller one
    means that a line meets more different companions.

    Arguments:
        widths: Width of every line in pixels.
        batch_size: Lines in a batch, at least 1.
        generator: The only source of randomness: the same state gives the same batches.
        chunk: Batches in a chunk, at least 1.
        max_padding: The largest share of padding in a batch, between 0 and 1 (exclusive): a
            batch is closed early rather than to exceed it. None for no limit.

    Returns:
        Batches of indices into `widths`. Every index occurs exactly once. Without
        `max_padding` all batches but one are full.

    Raises:
        ConfigError: If a number is out of its range.
    """
    _check(batch_size)
    if chunk < 1:
        raise ConfigError(f"chunk is {chunk}: give at least 1.")
    if max_padding is not None and not 0 <= max_padding < 1:
        raise ConfigError(f"max_padding is {max_padding}: give a share from 0 to below 1.")
    sizes = np.asarray(widths, dtype=np.int64)
    order = generator.permutation(len(sizes))
    batches: list[list[int]] = []
    for start in range(0, len(order), batch_size * chunk):
        part = order[start : start + batch_size * chunk]
        # Stable, so that the order of lines of equal width stays random.
        part = part[np.argsort(sizes[part], kind="stable")]
        batches += _cut(part, sizes, batch_size, max_padding)
    return [batches[index] for index in generator.permutation(len(batches))]


def even_batches(widths: Sequence[int] | np.ndarray, batch_size: int) -> list[list[int]]:
    """Batches for evaluation: sorted by width, the same every time.

    Arguments:
        widths: Width of every line in pixels.
        batch_size: Lines in a batch, at least 1.

    Returns:
        Batches of indices into `widths`, narrow lines first. Every index occurs exactly once.

    Raises:
        ConfigError: If `batch_size` is below 1.
    """
    _check(batch_size)
    sizes = np.asarray(widths, dtype=np.int64)
    return _cut(np.argsort(sizes, kind="stable"), sizes, batch_size, None)


def _check(batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}: give at least 1.")


def _cut(
    order: np.ndarray, sizes: np.ndarray, batch_size: int, max_padding: float | None
) -> list[list[int]]:
    """Cut indices that are sorted by width into batches."""
    if max_padding is None:
        return [
            order[start : start + batch_size].tolist() for start in range(0, len(order), batch_size)
        ]
    batches: list[list[int]] = []
    batch: list[int] = []
    filled = 0
    for index in order.tolist():
        width = int(sizes[index])
        # The newest line is the widest: with it the batch is `width` wide.
        area = width * (len(batch) + 1)
        if batch and (len(batch) == batch_size or area - filled - width > max_padding * area):
            batches.append(batch)
            batch, filled = [], 0
        batch.append(index)
        filled += width
    if batch:
        batches.append(batch)
    return batches
