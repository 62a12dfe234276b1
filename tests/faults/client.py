"""Giving commands to the forking process of `server.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Ended", "Server"]

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Arguments:
        status: Its exit status; minus the signal if it was killed.
        seconds: It took.
        events: File operations that were counted.
        orphans: Whether a process that it started outlived it.
        said: Standard output and standard error together.
    """

    status: int
    seconds: float
    events: int
    orphans: bool
    said: str


class Server:
    """One forking process.

    Arguments:
        folder: For its files; made if needed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._said = folder / "said.txt"
        path = os.pathsep.join([str(_ROOT / "src"), str(_ROOT)])
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", str(folder / "counted")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=_ROOT,
        )
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the forking process ended by itself")
        return answer

    def run(self, *argv: str | Path, **order: Any) -> Ended:
        """Run one command; `server.py` says what can be ordered."""
        assert self._process.stdin is not None
        self._said.unlink(missing_ok=True)
        values = {"argv": [str(one) for one in argv], "out": str(self._said), **order}
        self._process.stdin.write(json.dumps(values) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._answer())
        said = self._said.read_text(errors="replace") if self._said.exists() else ""
        return Ended(**answer, said=said)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
