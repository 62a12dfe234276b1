"""A process that imports what commands need and forks for each, so that a kill is cheap.

It reads one order as JSON per line of standard input and answers with one line. An order:

    argv        of `typica`
    out         file for what the command says
    seconds     kill the command after that time; null leaves it alone
    event       kill the command at this one of its file operations (from 0) below `watched`
    watched     folder

The answer: how the process ended (`status`, negative for a signal), how long it took, how many of
its file operations were counted, and whether any process that it started is still alive.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

_COUNTED = frozenset(
    {
        "open",
        "os.chmod",
        "os.link",
        "os.mkdir",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.truncate",
        "shutil.rmtree",
        "tempfile.mkstemp",
        "tempfile.mkdtemp",
    }
)
"""Events of `sys.audit` after which a folder may look different."""


_IMPORTED = {
    "typewriter": ("typica.cli", "typica.typewriter.run"),
    "palaeography": ("typica.palaeography.adapt_run", "typica.palaeography.summary"),
    "mine": ("typica.mining.run", "pyarrow.parquet", "sklearn.cluster"),
}
"""What the commands of a group import: here, once, before the first of them."""


def _import_for(group: str) -> None:
    for name in (*_IMPORTED["typewriter"], *_IMPORTED.get(group, ())):
        importlib.import_module(name)
    if group == "mine":
        from diffusers import DDIMScheduler, UNet2DConditionModel

        del DDIMScheduler, UNet2DConditionModel


def _count(counter: Path, watched: str, deadly: int | None) -> None:
    """Count the file operations below a folder in a file; die at one of them."""
    handle = os.open(counter, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    done = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if event not in _COUNTED or not arguments or not isinstance(arguments[0], str | bytes):
            return
        if event == "open" and isinstance(arguments[1], str) and "r" in arguments[1]:
            return  # reading leaves no trace
        if not os.fsdecode(arguments[0]).startswith(watched):
            return
        if done == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1
        os.pwrite(handle, str(done).encode(), 0)

    sys.addaudithook(hook)


def _child(order: dict[str, Any], counter: Path) -> None:
    """Run one command and end."""
    status = 70
    try:
        os.setsid()
        said = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        for number in (1, 2):
            os.dup2(said, number)
        if order.get("watched"):
            _count(counter, order["watched"], order.get("event"))
        from typica.cli import main

        status = main(order["argv"])
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _alive(group: int) -> bool:
    """Whether a process of a session is left, a while after its leader ended.

    A worker that was just being started notices when it has started, which takes seconds of
    importing, and on a machine with other work many.
    """
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def _run(order: dict[str, Any], counter: Path) -> dict[str, Any]:
    _import_for(order["argv"][0])
    began = time.monotonic()
    counter.unlink(missing_ok=True)
    process = os.fork()
    if not process:
        _child(order, counter)
    limit = order.get("seconds")
    killed = False
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            break
        spent = time.monotonic() - began
        if not killed and ((limit is not None and spent >= limit) or spent > 300):
            os.kill(process, signal.SIGKILL)
            killed = True
        time.sleep(0.001)
    orphans = _alive(process)
    if orphans:
        os.killpg(process, signal.SIGKILL)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
        "events": int(counter.read_text() or 0) if counter.exists() else 0,
        "orphans": orphans,
    }


def main() -> None:
    counter = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed by chance is no answer
    print("ready", file=answers, flush=True)
    for row in sys.stdin:
        print(json.dumps(_run(json.loads(row), counter)), file=answers, flush=True)
    os._exit(0)  # taking apart what was imported takes longer than a command


if __name__ == "__main__":
    main()
