"""Training on many processes: who this one is, what it is to do, sums over all of them.

`accelerate launch` and `torchrun` start the processes and tell each its number by the environment.
The first one leads: it alone decides, logs, judges and writes. The others take the steps that it
tells them of, each with its share of the same batch, and all end a step with the same weights.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["ALONE", "Order", "Processes", "ending", "join"]


class Order(IntEnum):
    """What the leader tells the others to do."""

    BEGIN = 0
    """Open what it has prepared."""
    LOAD = 1
    """Go back to the checkpoint."""
    STEP = 2
    """Take a step."""
    END = 3


@dataclass(frozen=True)
class Processes:
    """The processes of a training.

    Arguments:
        rank: The number of this one, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def leader(self) -> bool:
        return self.rank == 0

    def share(self, total: int) -> range:
        """Which of `total` places in a batch are this process's; all places are somebody's.

        Empty for everybody if there are fewer places than processes.
        """
        if total < self.count:
            return range(0)
        return range(self.rank * total // self.count, (self.rank + 1) * total // self.count)

    def tell(self, order: Order, *values: float) -> None:
        """Of the leader: let the others do something; of others, or alone: nothing."""
        if self.leader and self.count > 1:
            message = torch.zeros(4, dtype=torch.float64)
            message[: 1 + len(values)] = torch.tensor([float(order), *values])
            dist.broadcast(message, 0)

    def told(self) -> tuple[Order, list[float]]:
        """What the leader tells: the order, and three numbers."""
        message = torch.zeros(4, dtype=torch.float64)
        dist.broadcast(message, 0)
        order, *values = message.tolist()
        return Order(int(order)), values

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their sums over all processes, which must give the same shapes."""
        if self.count > 1:
            for work in [dist.all_reduce(one, async_op=True) for one in tensors]:
                work.wait()

    def add_gradients(self, weights: Iterable[torch.nn.Parameter]) -> None:
        """Replace gradients by their sums over all processes.

        A weight that none of them has a gradient of keeps none: the optimizer leaves it alone.
        """
        if self.count == 1:
            return
        learning = list(weights)
        there = torch.tensor([one.grad is not None for one in learning], dtype=torch.int32)
        dist.all_reduce(there)
        used = [one for one, any_ in zip(learning, there.tolist(), strict=True) if any_]
        for one in used:
            if one.grad is None:
                one.grad = torch.zeros_like(one)
        self.add(one.grad for one in used if one.grad is not None)

    def _wait(self) -> None:
        """For all others; by a sum on the processor: a barrier would take a GPU for each."""
        dist.all_reduce(torch.zeros(1))

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """What stands below is done by the leader, and then by the others."""
        if self.count > 1 and not self.leader:
            self._wait()
        yield
        if self.count > 1 and self.leader:
            self._wait()


@contextmanager
def ending(processes: Processes) -> Iterator[None]:
    """Of the leader: let the others go when it is done, however it ends."""
    try:
        yield
    finally:
        processes.tell(Order.END)


ALONE = Processes()
"""One process, as usual."""


def join(device: str = "auto") -> Processes:
    """This process among those that were started together; alone if it was started alone.

    Every process takes the GPU of its number on its machine, if `device` lets it.

    Arguments:
        device: As the command was given it: `auto`, `cpu`, `cuda`.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    gpu = device != "cpu" and torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not dist.is_initialized():
        # others wait while the leader judges and saves, however long that takes
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=timedelta(hours=6))
    return Processes(dist.get_rank(), dist.get_world_size())
