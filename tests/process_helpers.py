"""Several processes that train together, started cheaply: one imports everything, then forks.

    python -m tests.process_helpers COUNT PORT MODULE FUNCTION ARGUMENT

calls the function in COUNT processes, each with the environment that `torchrun` gives.
"""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from pathlib import Path

__all__ = ["together"]


def together(count: int, function: str, argument: str) -> None:
    """Call `MODULE:FUNCTION` with an argument in some processes, and fail if one of them does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.process_helpers", str(count), str(port)]
    done = subprocess.run(
        [*command, *function.split(":"), argument],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def _main(count: int, port: str, module: str, function: str, argument: str) -> int:
    import torch

    torch.set_num_threads(1)
    called = getattr(importlib.import_module(module), function)
    os.environ |= {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    children = []
    for rank in range(count):
        child = os.fork()
        if child == 0:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            status = 1
            try:
                called(argument)
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    failed = 0
    for _ in children:
        failed |= os.waitstatus_to_exitcode(os.wait()[1])
        if failed:
            for child in children:
                try:
                    os.kill(child, 9)
                except ProcessLookupError:
                    continue
    return failed


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), *sys.argv[2:]))
