"""Where an evaluation of the small UNet spends its time, and what torch.compile would save.

    python benchmarks/mining_profile.py [--batch 32] [--size 64] [--compile] [--out FILE.json]

CPU seconds on one thread, the best of several repetitions, random weights and pictures: the time
of an evaluation does not depend on either. `shares` are those of the operators' own time. With
`--compile` the same evaluation is compiled (by inductor, which needs a C++ compiler) and timed
before, compiled and again plain, in one run; `compile_seconds` is what the first call took.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from common import write_result
from typica.hardware import tune_process
from typica.mining.config import SmallConfig
from typica.mining.small import build_small


def best_seconds(call: Callable[[], Any], repeats: int) -> float:
    """CPU seconds of the fastest of `repeats` calls, after one that is not counted."""
    call()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def operator_shares(call: Callable[[], Any], least: float = 0.01) -> dict[str, float]:
    """Share of every operator's own time, of those above `least`, largest first."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        call()
    own = {row.key: row.self_cpu_time_total for row in profiled.key_averages()}
    total = sum(own.values())
    shares = {name: value / total for name, value in own.items() if value > least * total}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    tune_process()
    config = SmallConfig()
    denoiser = build_small(config, ("a", "b"), 0).eval()
    denoiser.unet.to(memory_format=torch.channels_last)
    side = given.size // config.fold
    noisy = torch.randn(given.batch, 3 * config.fold**2, side, side)
    noisy = noisy.to(memory_format=torch.channels_last)
    times = torch.randint(0, 1000, (given.batch,))
    hidden = denoiser.condition(["a"] * given.batch)

    def evaluate(unet: Any) -> None:
        with torch.no_grad():
            unet(noisy, times, encoder_hidden_states=hidden, return_dict=False)

    result: dict[str, Any] = {
        "batch": given.batch,
        "size": given.size,
        "seconds": best_seconds(lambda: evaluate(denoiser.unet), given.repeats),
        "shares": operator_shares(lambda: evaluate(denoiser.unet)),
    }
    if given.compile:
        os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # what a first time costs
        compiled = torch.compile(denoiser.unet)
        start = time.perf_counter()
        evaluate(compiled)
        result["compile_seconds"] = time.perf_counter() - start
        result["compiled"] = best_seconds(lambda: evaluate(compiled), given.repeats)
        result["seconds_again"] = best_seconds(lambda: evaluate(denoiser.unet), given.repeats)
    for name, value in result.items():
        print(f"{name}: {value}")
    write_result("mining_profile", torch.device("cpu"), result, given.out)


if __name__ == "__main__":
    main()
