"""Workers on a Ray cluster, or on Ray on this machine: one actor each, so models are loaded once.

All machines must see the same folders under the same names, and have typica installed.
"""

from __future__ import annotations

import os
from itertools import count
from typing import Any

from ..errors import DependencyError, RunError
from ..hardware import cores
from .engine import Engine
from .pieces import Event
from .worker import Piece, Work, Worker

__all__ = ["RayPool"]


class RayPool:
    """Actors, each with a GPU if the cluster has any, else with its share of the cores.

    Arguments:
        work: What is to be done.
        engine: For the address and the most workers; None is one for each GPU or core.
        pieces: There are no more workers than that.

    Raises:
        DependencyError: If Ray is not installed.
        RunError: If there is no cluster at the address.
    """

    def __init__(self, work: Work, engine: Engine, pieces: int) -> None:
        self._ray = ray = _ray()
        self._began = not ray.is_initialized()
        if self._began:
            _connect(ray, engine.address)
        has = ray.cluster_resources()
        room, gpus = int(has.get("CPU", 1)), int(has.get("GPU", 0))
        most = min(room, gpus) if gpus else room
        workers = min(engine.workers or most, most)
        given = os.environ.get("OMP_NUM_THREADS", "")  # Ray gives its workers one of its own
        share = max(1, room // workers)
        self._threads = int(given) if given.isdecimal() and int(given) else share
        self.count = min(workers, pieces)
        # one core is asked for, whatever the threads: a share may not fit on any machine
        self._actor = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0)(Worker)
        self._work = ray.put(work)  # sent once to each machine
        self._numbers = count()
        self._tasks: dict[Any, Any] = {}
        self._workers: list[Any] = []

    def start(self) -> Any:
        number = next(self._numbers)
        worker = self._actor.remote(self._work, number, self._threads, os.getcwd())
        self._workers.append(worker)
        return worker

    def give(self, worker: Any, piece: Piece) -> None:
        self._tasks[worker.do.remote(piece.given)] = worker

    def wait(self, seconds: float) -> list[Event]:
        done, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=seconds)
        found = []
        for task in done:
            worker = self._tasks.pop(task)
            try:
                kind, value = self._ray.get(task)
            except self._ray.exceptions.RayError as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                found.append(Event(worker, "died", reason))
                self._workers.remove(worker)
                self._ray.kill(worker)
            else:
                found.append(Event(worker, kind, value))
        return found

    def close(self) -> None:
        for worker in self._workers:
            self._ray.kill(worker)
        if self._began:
            self._ray.shutdown()


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ImportError as error:
        raise DependencyError(
            "--engine ray needs the ray package: pip install 'typica[ray]'"
        ) from error
    return ray


def _connect(ray: Any, address: str | None) -> None:
    """Join a cluster, or begin one on this machine."""
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address is None and "RAY_ADDRESS" not in os.environ:
            ray.init(num_cpus=cores(), include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise RunError(
            f"--address {address}: no Ray cluster ({error}). Start one with `ray start --head`, "
            "or leave --address out."
        ) from error
