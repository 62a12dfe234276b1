"""One forking process, and the run folders that jobs start from, for all tests of this folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import Server
from .jobs import Places

if not hasattr(os, "fork") or sys.platform == "darwin":
    pytest.skip("needs processes that can be forked", allow_module_level=True)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture(scope="session")
def places(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Places:
    place: Path = tmp_path_factory.mktemp("places")
    return Places(server, place)
