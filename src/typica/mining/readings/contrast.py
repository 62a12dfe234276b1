r"""What tells a label from another, or from all others: the exponents of eq. 4.6.

T(x|c) asks what a label tells over no label; a model that has learnt to guess the label from the
noisy picture gains little by being told it. The difference of two typicalities,

    T(x|a) - T(x|b) = E[L_t(x, eps, b)] - E[L_t(x, eps, a)]        (the null condition cancels),

asks what one label tells over another, and the contrast to the rest is T(x|c) less the plain mean
of T under the other labels.

Both are linear in the maps, and the labels met the same times and noises (`draws.py`), so the
difference is taken group of draws by group of draws, and its standard error follows as that of
any map, however the labels' estimates depend on each other. They do: on steel plates the error so
found was one and a half times what the errors of the terms would give if they were independent,
because the other labels err together, and against the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...configs import require
from ...errors import RunError
from ..maps import PictureMaps

__all__ = ["Contrast", "contrast_maps"]


@dataclass(frozen=True)
class Contrast:
    """Which labels are compared.

    Arguments:
        between: Two labels, each compared with the other; empty for every label against the rest.
    """

    between: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(
            len(self.between) in (0, 2) and len(set(self.between)) == len(self.between),
            "--between: give two different labels",
        )

    def others(self, label: str, labels: Sequence[str], own: Sequence[str] = ()) -> tuple[str, ...]:
        """What a label is compared with; nothing if it takes no part.

        Arguments:
            label: Of a picture.
            labels: All of them.
            own: All labels of the picture: what it shows as well is nothing to compare with.

        Raises:
            ConfigError: If a label to compare is not among them.
        """
        for one in self.between:
            require(one in labels, f"--between {one}: no such label; there are {', '.join(labels)}")
        if self.between and label not in self.between:
            return ()
        rest = self.between or labels
        return tuple(one for one in rest if one != label and one not in own)

    @property
    def title(self) -> str:
        """In a few words."""
        return " and ".join(self.between) + " compared" if self.between else "against the rest"


def contrast_maps(maps: PictureMaps, label: str, others: Sequence[str]) -> PictureMaps:
    """T under a label less the mean of T under others, in every cell, with the groups of draws.

    Arguments:
        maps: Of one picture, scored under all these labels.
        label: The label.
        others: At least one other; each counts the same.

    Returns:
        Maps under the one label, K = 1: everything that reads typicality reads the contrast.

    Raises:
        RunError: If the picture was not scored under one of them.
    """
    missing = [one for one in (label, *others) if one not in maps.labels]
    if missing or not others:
        raise RunError(
            f"{maps.id}: was not scored under {', '.join(missing) or 'another label'}, only under "
            f"{', '.join(maps.labels)}. Score with typicality.labels=all."
        )
    own, rows = maps.labels.index(label), [maps.labels.index(one) for one in others]
    exact = maps.typicality.astype(np.float64)
    groups = maps.groups.astype(np.float64)
    return PictureMaps(
        maps.index,
        maps.id,
        (label,),
        (exact[own] - exact[rows].mean(0))[None].astype(np.float32),
        (groups[own] - groups[rows].mean(0))[None].astype(np.float32),
        maps.null,
        maps.channels,
    )
