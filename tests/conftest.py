"""What the tests share: a cache folder of their own; the folder of real lines, if there is one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

settings.register_profile("typica", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("typica")
torch.set_num_threads(1)  # two threads on two busy cores wait for each other


_CACHE = tempfile.TemporaryDirectory(prefix="typica-tests-")


def pytest_configure() -> None:
    """No test finds what an earlier use of this machine has left in the user's cache folder.

    Before anything is imported that looks there; processes that tests start inherit it.
    """
    os.environ["XDG_CACHE_HOME"] = _CACHE.name


def pytest_unconfigure() -> None:
    _CACHE.cleanup()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real collections, or skip: they are not part of the project."""
    given = os.environ.get("TYPICA_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "lines").is_dir():
        pytest.skip("no real data here: set TYPICA_DATA to a folder that holds lines/")
    return folder


@pytest.fixture(autouse=True)
def _untuned_process() -> Iterator[None]:
    """Training tunes its process for itself: threads, and denormal numbers count as zero.

    Models as small as those of the tests are slower on two threads, far slower when the cores are
    busy; hypothesis needs denormal numbers.
    """
    torch.set_num_threads(1)  # also before: a fixture of the whole module may have trained
    torch.set_flush_denormal(False)
    yield
    torch.set_num_threads(1)
    torch.set_flush_denormal(False)
