"""Which pictures are held out of training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..values import Split

__all__ = ["split_pictures"]


def split_pictures(
    ids: Sequence[str],
    labels: Sequence[str | tuple[str, ...]],
    given: Sequence[Split | None],
    val: float,
    seed: int,
) -> list[Split]:
    """The split of every picture.

    If the collection names a `val` or a `test` picture, its splits are kept as they are and
    pictures without one are for training. Else every picture is held out (`val`) or not by a
    hash of its id, so that it stays where it is when others come and go; a label never loses
    its last training picture.

    Arguments:
        ids: Of the pictures, all different.
        labels: Of the pictures, in the same order; a tuple for one that has several or none.
        given: The splits that the collection names; None where it names none.
        val: Share to hold out, from 0 to below 1.
        seed: Another seed holds out other pictures.

    Returns:
        The splits, in the same order.
    """
    if any(split in ("val", "test") for split in given):
        return [split or "train" for split in given]
    places = [_place(identity, seed) for identity in ids]
    every = [(one,) if isinstance(one, str) else one for one in labels]
    last: dict[str, int] = {}
    for number, own in enumerate(every):
        for label in own:
            if label not in last or places[number] > places[last[label]]:
                last[label] = number
    return [
        "val" if place < val and all(last[label] != number for label in own) else "train"
        for number, (place, own) in enumerate(zip(places, every, strict=True))
    ]


def _place(identity: str, seed: int) -> float:
    """A number from 0 to below 1 that depends on the id and the seed alone."""
    found = hashlib.sha256(f"{seed}/{identity}".encode()).digest()
    return int.from_bytes(found[:6], "big") / 2**48
