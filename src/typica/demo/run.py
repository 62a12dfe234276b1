"""Both instruments on the embedded demo data, from nothing to their pages."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..errors import RunError
from ..files import write_json
from .mining import mining_demo
from .typewriter import typewriter_demo

__all__ = ["DemoPart", "run_demo"]

DemoPart = Literal["both", "typewriter", "mining"]
_MARK = "demo.json"


def run_demo(
    out: Path, minutes: float = 3.75, mining_minutes: float = 10.0, part: DemoPart = "both"
) -> Iterator[str]:
    """Do everything and say what was done, line by line.

    Arguments:
        out: The folder to make; an earlier demo there is replaced, anything else is left alone.
        minutes: Time for training the typewriter.
        mining_minutes: Time for mining, without drawing its pictures.
        part: Which instrument.

    Raises:
        RunError: If `out` holds something that is not a demo.
    """
    start = time.perf_counter()
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not (out / _MARK).is_file():
            raise RunError(f"{out}: holds something that is no demo. Give another --out.")
        shutil.rmtree(out)
    write_json(out / _MARK, {"part": part})
    pages = []
    jobs = {
        "typewriter": lambda: typewriter_demo(out / "lines", out / "typewriter", minutes),
        "mining": lambda: mining_demo(out / "designs", out / "mining", mining_minutes),
    }
    for name, job in jobs.items():
        if part not in ("both", name):
            continue
        row = ""
        for row in job():
            if row.startswith("open "):
                pages.append(row)
            else:
                yield row
        if not row.startswith("open "):  # interrupted
            return
    yield f"{(time.perf_counter() - start) / 60:.1f} minutes in all"
    yield from pages
