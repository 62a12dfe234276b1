r"""The pairs (t, eps) that typicality is estimated with: common to all pictures, repeatable.

The expectation over t and eps (eqs. 4.9 to 4.11) is a mean over `draws` pairs. Pair s is a
function of the seed, of s and of the latent's shape, and of nothing else: every picture of one
shape meets the same pairs (common random numbers, so that scores of different pictures differ by
the pictures), whatever the batch, the shard or the order. The null condition and every label
meet them too.

Times are stratified unless told otherwise: with \(S\) draws in \(G\) groups, the range is cut
into \(S\) equal strata, and draw \(s = m G + g\) takes a jittered time of one stratum among the
\(G\) of the m-th part of the range. So each draw has a stratum of its own, and every group
\(s \bmod G\) has one draw in each of the \(S / G\) parts: its mean is an estimate of the same
quality as the others, which the standard error needs.

Where pictures are given draws by need (`rounds.py`), they come in blocks. A block is drawn like a
job of its own, its seed a function of the run's and of its number.

Noise is independent unless it is asked to be balanced (`balance.py`): then the draws of a half
depend on each other, still on nothing else.

With importance sampling the strata hold equal shares of a density of times (`time_density.py`), and
every draw weighs 1 over its density. Balanced noise then cancels along the strata, not along the
times: the weighted effect of a field changes less from stratum to stratum than its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .balance import HALVES, balance, paired_times
from .config import TypicalityConfig
from .time_density import TimeDensity

__all__ = [
    "Draws",
    "derived_seed",
    "posterior_noise",
    "standard_normal",
    "stratified_times",
    "uniform_times",
]

Purpose = Literal["times", "noise", "posterior"]


def _generator(purpose: Purpose, seed: int, index: int = 0) -> np.random.Generator:
    """A stream of its own for each purpose, seed and index (counter-based, 128-bit key)."""
    key = hashlib.blake2b(f"{purpose}/{seed}/{index}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def standard_normal(
    purpose: Purpose, seed: int, index: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Standard normal numbers that are a function of the arguments only.

    Arguments:
        purpose: What they are for; streams of different purposes are independent.
        seed: Of the run.
        index: Of the draw, or of the picture.
        shape: Of the result.
    """
    return _generator(purpose, seed, index).standard_normal(shape, dtype=np.float32)


def uniform_times(draws: int, t_min: float, t_max: float, seed: int) -> NDArray[np.float64]:
    """Independent times, uniform in [t_min, t_max) (the paper's), `(draws,)`."""
    return _within(_generator("times", seed).random(draws), t_min, t_max)


def stratified_times(
    draws: int, groups: int, t_min: float, t_max: float, seed: int
) -> NDArray[np.float64]:
    """One jittered time in each of `draws` equal strata of [t_min, t_max), `(draws,)`.

    Arguments:
        draws: S, a multiple of `groups`.
        groups: G; the times at s, s + G, s + 2 G... lie in different G-ths of the strata.
        t_min: Start of the range.
        t_max: End of the range.
        seed: Decides the jitter, and which group takes which stratum.
    """
    random = _generator("times", seed)
    parts = draws // groups
    dealt = random.permuted(np.tile(np.arange(groups), (parts, 1)), axis=1)  # (parts, G)
    strata = (np.arange(parts)[:, None] * groups + dealt).ravel()
    return _within((strata + random.random(draws)) / draws, t_min, t_max)


def _within(shares: NDArray[np.float64], t_min: float, t_max: float) -> NDArray[np.float64]:
    """Shares of the range in [0, 1) as times; rounding never reaches `t_max`."""
    times: NDArray[np.float64] = t_min + shares * (t_max - t_min)
    return np.minimum(times, np.nextafter(t_max, t_min))


@dataclass(frozen=True)
class Draws:
    """The pairs (t, eps) of one job.

    Arguments:
        fractions: Diffusion times in [0, 1), `(S,)`.
        seed: Of the noise.
        weights: What a draw's losses are multiplied by before the mean, `(S,)`; None for 1.
        balanced: For each half of the draws, what balances their noise (from `balance`); empty
            if it is independent.
    """

    fractions: NDArray[np.float64]
    seed: int
    weights: NDArray[np.float64] | None = field(default=None, kw_only=True)
    balanced: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...] = field(
        default=(), kw_only=True
    )
    _common: dict[tuple[int, ...], list[NDArray[np.float64]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(
        cls,
        config: TypicalityConfig,
        block: int = 0,
        density: TimeDensity | None = None,
        seed: int | None = None,
    ) -> Draws:
        """The pairs that a configuration asks for.

        Arguments:
            config: What decides them.
            block: Which of `config.blocks`; the first, of the run's own seed, is all there is
                unless pictures are given draws by need.
            density: Of the times, where they are importance-sampled.
            seed: In place of the configuration's, for draws that are not to be the run's.
        """
        if (density is not None) != (config.sampling == "importance"):
            raise ValueError("importance sampling needs a density of times, and nothing else does")
        config = replace(
            config,
            draws=config.blocks[block],
            adaptive=None,
            seed=_block_seed(config.seed if seed is None else seed, block),
        )
        given = (config.t_min, config.t_max, config.seed)
        balanced = config.noise == "balanced"
        if config.sampling == "uniform":
            times = uniform_times(config.draws, *given)
        elif balanced:
            shares = paired_times(config.draws, config.groups, _generator("times", config.seed))
            times = _within(shares, config.t_min, config.t_max)
        else:
            times = stratified_times(config.draws, config.groups, *given)
        shares = (times - config.t_min) / (config.t_max - config.t_min)
        halves = range(HALVES) if balanced else ()
        fields = tuple(balance(shares[half::HALVES]) for half in halves)
        weights = None
        if density is not None:
            where = density.quantile(shares)
            times, weights = _within(where, config.t_min, config.t_max), 1 / density(where)
        return cls(times, config.seed, weights=weights, balanced=fields)

    def __len__(self) -> int:
        return len(self.fractions)

    def noise(self, draw: int, shape: tuple[int, ...]) -> Tensor:
        """eps of one draw, `shape` (that of one latent, `(C, h, w)`), float32, on the processor."""
        own = standard_normal("noise", self.seed, draw, shape)
        if not self.balanced:
            return torch.from_numpy(own)
        if shape not in self._common:
            self._common.clear()  # pictures come shape by shape: one is enough
            self._common[shape] = [self._projected(half, shape) for half in range(HALVES)]
        row, half = divmod(draw, HALVES)
        columns, factors = self.balanced[half]
        common = np.tensordot(columns[row], self._common[shape][half], 1)
        return torch.from_numpy((factors[row] * (own - common)).astype(np.float32))

    def _projected(self, half: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """What the fields of a half have in common along each column, `(columns, *shape)`."""
        columns, _ = self.balanced[half]
        total = np.zeros((columns.shape[1], *shape))
        for row, weights in enumerate(columns):
            own = standard_normal("noise", self.seed, row * HALVES + half, shape)
            total += weights.reshape(-1, *[1] * len(shape)) * own
        return total


def _block_seed(seed: int, block: int) -> int:
    """The seed of a block of draws: that of the run for the first."""
    return seed if block == 0 else derived_seed("block", seed, block)


def derived_seed(purpose: str, *numbers: int) -> int:
    """A seed of its own for a purpose, a function of the arguments, below 2**32.

    Arguments:
        purpose: What is drawn from it.
        numbers: The run's seed, and whatever else decides it.
    """
    key = hashlib.blake2b("/".join(map(str, (purpose, *numbers))).encode(), digest_size=4).digest()
    return int.from_bytes(key, "little")


def posterior_noise(seed: int, picture: str, shape: tuple[int, ...]) -> Tensor:
    """What a picture's posterior is sampled with: a function of the seed and the picture's id."""
    index = int.from_bytes(hashlib.blake2b(picture.encode(), digest_size=8).digest(), "little")
    return torch.from_numpy(standard_normal("posterior", seed, index, shape))
