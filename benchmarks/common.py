"""What the benchmarks share: how a result is shown and kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from typica import __version__
from typica.files import write_json
from typica.hardware import describe

__all__ = ["row", "timed", "write_result"]


def write_result(
    benchmark: str, device: torch.device, values: dict[str, Any], out: Path | None
) -> None:
    """Print a result with what made it, and write it in one step.

    Arguments:
        benchmark: The name of the benchmark.
        device: What it ran on.
        values: What was measured, and with which options.
        out: The JSON file; its folder is made if needed. None writes none.
    """
    made_by = {"benchmark": benchmark, "typica": __version__, "hardware": describe(device)}
    result = made_by | values
    print(json.dumps(result, ensure_ascii=False, indent=1))
    if out:
        write_json(out, result)


def timed(job: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """The least seconds of a few repetitions, and the result."""
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = job()
        best = min(best, time.perf_counter() - start)
    return best, result


def row(fast: float, plain: float, per: int, **facts: Any) -> dict[str, Any]:
    """Seconds for one unit of work of both forms, and their ratio."""
    return {
        **facts,
        "seconds": round(fast / per, 7),
        "plain_seconds": round(plain / per, 7),
        "ratio": round(plain / fast, 1),
    }
