"""What the machine offers: device, fast bfloat16, a name for the record."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache
from pathlib import Path

import torch

from .errors import ConfigError

__all__ = ["choose_device", "cores", "describe", "fast_bfloat16", "matrix_bfloat16", "tune_process"]


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; `auto` takes a GPU if there is one.

    Raises:
        ConfigError: If the device is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"--device {name}: not available on this machine. Use auto or cpu."
        ) from error
    return device


@cache
def _cpu_flags() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for row in text.splitlines():
        if row.startswith("flags"):
            return frozenset(row.partition(":")[2].split())
    return frozenset()


def fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is computed by the hardware rather than emulated (then it is slower).

    On processors: AMX or AVX-512 BF16. Where that cannot be found out, no.
    """
    return matrix_bfloat16(device) or (device.type == "cpu" and "avx512_bf16" in _cpu_flags())


def matrix_bfloat16(device: torch.device) -> bool:
    """Whether units for bfloat16 matrices make a UNet faster: GPUs that have them, AMX.

    AVX-512 BF16 alone does not: a training step of `small` took 0.43 s instead of 0.36 s on an
    AMD EPYC of two cores, an evaluation the same time, because casting eats the gain. The
    typewriter's encoder, which is plain convolutions, gains a factor of 1.7 from it.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and "amx_bf16" in _cpu_flags()


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(device: torch.device) -> dict[str, str | int | bool]:
    """The machine in a few plain values, for logs and reports."""
    name = platform.processor() or platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        names = [r.partition(":")[2].strip() for r in text.splitlines() if "model name" in r]
        name = names[0] if names else name
    except OSError:
        pass
    facts: dict[str, str | int | bool] = {
        "device": str(device),
        "processor": name,
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "bfloat16": fast_bfloat16(device),
        "torch": torch.__version__,
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def tune_process() -> None:
    """Settings of this process that tensors on a processor need; harmless elsewhere.

    Denormal numbers count as zero: opacities near zero are otherwise computed in slow motion.
    And on Linux, memory that was freed is kept for the next tensor: the C library would
    otherwise map, clear and unmap every large tensor anew, which was measured to double the
    cost of a training step.
    """
    torch.set_flush_denormal(True)
    if platform.system() != "Linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not the GNU C library
        return
    mmap_max, trim_threshold, arena_max = -4, -1, -8
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(arena_max, 1)
