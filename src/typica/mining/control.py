r"""The surrogate as a control variate: fewer evaluations of the UNet for the same error.

An estimate \(\bar T\) from S draws is off by chance, and so is what a surrogate says of the same
draws, \(\bar T'\), much the same way. What the surrogate says on the average is known from many
draws more, as they cost next to nothing, \(\bar T'_+\). So

    T = \bar T - \beta (\bar T' - \bar T'_+)

has the same expectation whatever the surrogate, and the less variance the better they go together:
with correlation \(\rho\), \(1 - \rho^2\) of it is left, plus that of the many draws. (Multifidelity
Monte Carlo: Peherstorfer, Willcox, Gunzburger, "Optimal model management for multifidelity Monte
Carlo estimation", 2016.) It holds for the means of groups as for those of all draws, so standard
errors follow from them as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch.nn.functional as F
from torch import Tensor

from .config import TypicalityConfig
from .draws import Draws, derived_seed
from .estimator import Against, Estimator, Means
from .time_density import TimeDensity

__all__ = ["MANY", "Coefficients", "Control", "controlled", "fitted_coefficients"]

MANY = 10
"""Draws of the surrogate alone for each that it shares with the UNet."""


@dataclass(frozen=True)
class Coefficients:
    """How far each of the means follows the surrogate, from 0 (not at all) to 1.

    Arguments:
        typicality: beta of typicality.
        null: Of the loss under the null condition.
        information: Of information.
        explained: Share of the variance of an estimate of typicality that it takes away.
    """

    typicality: float
    null: float
    information: float
    explained: float

    def __post_init__(self) -> None:
        if not all(0 <= getattr(self, one.name) <= 1 for one in fields(self)):
            raise ValueError("coefficients of a surrogate lie between 0 and 1")


def controlled(means: Means, same: Means, many: Means, coefficients: Coefficients) -> Means:
    """Estimates of the UNet, less what is chance in them as far as the surrogate knows.

    Arguments:
        means: Of the UNet.
        same: Of the surrogate, for the same pictures, draws and groups.
        many: Of the surrogate, for many other draws in as many groups.
        coefficients: How far to follow it.
    """
    return Means(
        means.typicality - coefficients.typicality * (same.typicality - many.typicality),
        means.null - coefficients.null * (same.null - many.null),
        means.information - coefficients.information * (same.information - many.information),
    )


def fitted_coefficients(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """The regression of the UNet's chance on the surrogate's.

    Arguments:
        pairs: For every picture by how much two halves of some draws disagree, according to the
            UNet and to the surrogate, `(N, h, w)` each. Squares of 3 x 3 cells, about the size of
            a patch, are compared.

    Returns:
        The beta in [0, 1] that leaves least, and the share of the variance of an estimate that it
        takes away, in [0, 1], the many draws of the surrogate taken into account; zeros where
        there is nothing to compare.
    """
    both = own = whole = 0.0
    for model, surrogate in pairs:
        a, b = (squares(one.double()) for one in (model, surrogate))
        both += float((a * b).sum())
        own += float(b.square().sum()) * (1 + 1 / MANY)  # the many draws vary, too
        whole += float(a.square().sum())
    if not own > 0 or not whole > 0:
        return 0.0, 0.0
    beta = min(1.0, max(0.0, both / own))
    left = (whole - 2 * beta * both + beta**2 * own) / whole
    return beta, min(1.0, max(0.0, 1 - left))


def squares(maps: Tensor) -> Tensor:
    """As `balance.smoothed`, of tensors and with a gradient, `(N, h, w)` to `(N, h - 2, w - 2)`."""
    sides = [min(3, side) for side in maps.shape[-2:]]
    return F.avg_pool2d(maps[:, None], sides, 1)[:, 0]


class Control:
    """What a scoring job does with a surrogate.

    Arguments:
        estimator: Of the surrogate.
        coefficients: How far to follow it.
        config: How typicality is estimated.
        density: Of importance-sampled times.
    """

    def __init__(
        self,
        estimator: Estimator,
        coefficients: Coefficients,
        config: TypicalityConfig,
        density: TimeDensity | None,
    ) -> None:
        self.estimator, self.coefficients = estimator, coefficients
        self.groups = config.groups
        more = replace(
            config,
            draws=MANY * config.draws,
            adaptive=None if config.adaptive is None else MANY * config.adaptive,
        )
        other = derived_seed("surrogate", config.seed)
        self.many = [Draws.of(more, block, density, other) for block in range(len(config.blocks))]

    def __call__(
        self,
        means: Means,
        latents: Tensor,
        labels: Sequence[Sequence[str]],
        draws: Draws,
        block: int,
        against: Against,
    ) -> Means:
        """The UNet's estimates of some pictures, with the surrogate's taken into account.

        Arguments:
            means: Of the UNet.
            latents: Of the pictures, `(n, C, h, w)`.
            labels: Theirs.
            draws: What the UNet was given.
            block: Its number.
            against: What information is measured against.

        Returns:
            Estimates of the same shapes; information may be below 0.

        Raises:
            ConfigError: If the device's memory is too small for one evaluation.
        """
        coefficients = self.coefficients
        if against == "others":  # it was tried against no label
            coefficients = replace(coefficients, information=0.0)
        same = self.estimator(latents, labels, draws, self.groups, against=against)
        many = self.estimator(latents, labels, self.many[block], self.groups, against=against)
        return controlled(means, same, many, coefficients)
