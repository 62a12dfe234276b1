"""The batches of a fine-tuning: which pictures, which squares, which noise, at every step.

All of it is a function of the seed and the step alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..images.prompts import Told
from .config import FinetuneConfig
from .latents import LatentCache
from .schedule import NoiseSchedule

__all__ = ["Batch", "BatchMaker", "generator"]

_ORDER, _STEP, _HELD_OUT, _SPREAD = 0, 1, 2, 3
"""What a random number is for; keeps the streams apart. (One purpose each: numpy takes (s, 2) and
(s, 2, 0) for the same.)"""


def generator(*numbers: int) -> torch.Generator:
    """A generator that is a function of some numbers alone, each at least 0."""
    words = np.random.SeedSequence(numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0] >> 1))


@dataclass(frozen=True)
class Batch:
    """What a step is computed from.

    Arguments:
        latents: x, `(B, C, side, side)`, float32.
        noise: eps, of the same shape.
        fractions: t in [0, 1), `(B,)`.
        labels: What each is told: a label, several, or None where the condition is dropped.
    """

    latents: Tensor
    noise: Tensor
    fractions: Tensor
    labels: list[Told]

    def times(self, schedule: NoiseSchedule) -> Tensor:
        """Discrete times, `(B,)`."""
        return schedule.times(self.fractions)

    def part(self, first: int, end: int) -> Batch:
        """Some of its pictures."""
        return Batch(
            self.latents[first:end],
            self.noise[first:end],
            self.fractions[first:end],
            self.labels[first:end],
        )


class BatchMaker:
    """Makes the batches of a fine-tuning.

    Arguments:
        cache: Of all pictures, filled.
        train: Which of them are trained on.
        config: Batch size, crops, flips, share of null conditions, seed.
    """

    def __init__(self, cache: LatentCache, train: Sequence[int], config: FinetuneConfig) -> None:
        self.cache, self.train, self.config = cache, tuple(train), config
        # the side of the largest square that fits into every picture, in cells
        self.side = min(min(cache.shapes[i]) for i in range(len(cache)) if i not in cache.skipped)

    def chosen(self, step: int) -> list[int]:
        """The pictures of a step: shuffled anew for every pass, none left out."""
        size, count = self.config.batch_size, len(self.train)
        places = range(step * size, (step + 1) * size)
        orders = {
            epoch: torch.randperm(count, generator=generator(self.config.seed, _ORDER, epoch))
            for epoch in range(places[0] // count, places[-1] // count + 1)
        }
        return [self.train[int(orders[place // count][place % count])] for place in places]

    def training(self, step: int) -> Batch:
        """The batch of a step.

        The times are stratified: one in each of `batch_size` equal parts of [0, 1), in random
        order. Each is uniform as in the paper; together they are more even, and the gradient less
        noisy.
        """
        config, chosen = self.config, self.chosen(step)
        random = generator(config.seed, _STEP, step)
        size = len(chosen)
        fractions = (
            torch.randperm(size, generator=random) + torch.rand(size, generator=random)
        ) / size
        dropped = torch.rand(size, generator=random) < config.null_share
        places = torch.rand(size, 2, generator=random)
        if not config.random_crop:
            places = torch.full((size, 2), 0.5)
        flips = torch.rand(size, generator=random) < (0.5 if config.flip else 0.0)
        shape = (size, self.cache.codec.channels, self.side, self.side)
        noise = torch.randn(*shape, generator=random)
        posterior = torch.randn(*shape, generator=random) if self.cache.encoded else None
        latents = [
            self._square(i, places[k], bool(flips[k]), None if posterior is None else posterior[k])
            for k, i in enumerate(chosen)
        ]
        pictures = self.cache.pictures
        labels = [
            None if bool(drop) else pictures[i].told
            for i, drop in zip(chosen, dropped, strict=True)
        ]
        return Batch(torch.stack(latents), noise, fractions, labels)

    def held_out(self, val: Sequence[int], first: int, end: int) -> Batch:
        """Some of the held-out pictures: central squares, posterior means, fixed noises.

        Arguments:
            val: All of them; their times are spread evenly over [0, 1).
            first: First to take.
            end: After the last to take.
        """
        latents, noises, fractions, labels = [], [], [], []
        # neighbours in the list, which share a label, are to get unlike times
        order = torch.randperm(len(val), generator=generator(self.config.seed, _SPREAD))
        for k in range(first, end):
            random = generator(self.config.seed, _HELD_OUT, k)
            latent = self._square(val[k], torch.tensor([0.5, 0.5]), False, None)
            latents.append(latent)
            noises.append(torch.randn(latent.shape, generator=random))
            fractions.append((int(order[k]) + 0.5) / len(val))
            labels.append(self.cache.pictures[val[k]].told)
        return Batch(
            torch.stack(latents), torch.stack(noises), torch.tensor(fractions), list(labels)
        )

    def _square(self, i: int, place: Tensor, flip: bool, noise: Tensor | None) -> Tensor:
        h, w = self.cache.shapes[i]
        free = h - self.side + 1, w - self.side + 1
        top, left = (min(int(float(place[k]) * free[k]), free[k] - 1) for k in range(2))
        return self.cache.latent(i, top, left, self.side, flip, noise)
