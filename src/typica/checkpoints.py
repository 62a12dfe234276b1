"""What every checkpoint shares: tensors under a prefix, an optimizer as tensors, and its numbers.

A checkpoint is one safetensors file with named tensors and JSON beside them (`runs.save_tensors`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from .configs import from_plain, require
from .errors import RunError

__all__ = [
    "MOST_ROLLBACKS",
    "diverged",
    "load_optimizer",
    "optimizer_tensors",
    "prefixed",
    "restored",
    "tensors_below",
]

MOST_ROLLBACKS = 5
"""How often a training goes back to its checkpoint, each time at half the learning rate, after a
loss that is no number."""


class _Steps(Protocol):
    step: int
    logged: int


P = TypeVar("P", bound=_Steps)


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, detached, under the names `prefix.name`."""
    return {f"{prefix}.{name}": value.detach() for name, value in tensors.items()}


def tensors_below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `prefixed`: those whose name starts with `prefix.`, without it."""
    start = f"{prefix}."
    return {name[len(start) :]: v for name, v in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimizer remembers of its parameters, named `optimizer.<number>.<entry>`."""
    return {
        f"optimizer.{number}.{entry}": value
        for number, state in optimizer.state_dict()["state"].items()
        for entry, value in state.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer back what `optimizer_tensors` took from it.

    Arguments:
        optimizer: Of the same kind, over the same parameters in the same order.
        tensors: May hold more than what belongs to the optimizer.

    Raises:
        IndexError: If it had more parameters.
        ValueError: If a number is none.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    states: dict[int, dict[str, Any]] = {}
    for name, value in tensors_below("optimizer", tensors).items():
        number, _, entry = name.partition(".")
        weight = weights[int(number)]
        if (
            entry != "step" and value.shape == weight.shape
        ):  # bytes in the order of the weight: faster
            value = torch.empty_like(weight).detach().copy_(value)
        states.setdefault(int(number), {})[entry] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})


def restored(kind: type[P], values: Any) -> P:
    """The numbers of a training from a checkpoint's JSON.

    Arguments:
        kind: A dataclass with `step`, the steps taken, and `logged`, the last one in the log.
        values: Its fields; one that is infinite keeps its default, which JSON has no number for.

    Raises:
        ConfigError: If a value is of another type, or the steps cannot be.
    """
    finite = {k: v for k, v in dict(values).items() if v != math.inf}
    found = from_plain(kind, finite)
    require(0 <= found.logged <= found.step, f"step {found.step}, logged {found.logged}")
    return found


def diverged(folder: Path, step: int, remedy: str) -> RunError:
    """The error for a training that had to go back more often than `MOST_ROLLBACKS`.

    Arguments:
        folder: Of the run.
        step: The last one whose loss or weights were no numbers.
        remedy: What a person can do.
    """
    return RunError(
        f"{folder}: the loss became NaN or infinite {MOST_ROLLBACKS + 1} times, at ever lower "
        f"learning rates, the last time by step {step}. The checkpoint before it is kept. {remedy}"
    )
